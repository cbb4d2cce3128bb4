#!/usr/bin/env bash
# Packs what a GPU machine needs to check and bench the engine, in pieces of at most 60 MiB: the built programs, the GPU build of
# ONNX Runtime with the CUDA libraries that it wants, weights, texts and photos. Run it where there is a network and a build:
#
#   make build && cargo build --release --workspace --bin chaperone-bench
#   benches/gpu/pack.sh [FOLDER]            default: target/gpu
#
# Then bring FOLDER to the machine and run `bash run.sh` in it: it needs no network, no Rust and no Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:-target/gpu}")
programs=${CARGO_TARGET_DIR:-target}/release
repository=${CHAPERONE_MODELS:-models/repository}
version=1.31.1

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'pack: %s\n' "$*" >&2; exit 1; }
[ -x "$programs/chaperone-bench" ] || fail "$programs/chaperone-bench is missing: cargo build --release --workspace --bin chaperone-bench"
[ -f "$repository/embed-minilm/model.onnx.data" ] || fail "the models are missing: make models"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/chaperone-gpu
mkdir -p "$stage/lib" "$stage/models" "$out"

say "programs, weights, data"
for program in chaperone chaperone-bench; do
    [ ! -x "$programs/$program" ] || strip -o "$stage/$program" "$programs/$program"
done
cp -rL "$repository" "$stage/models/repository"
rm -f "$stage"/models/repository/*/model.safetensors
mkdir -p "$stage/datasets" "$stage/api/src"
cp -r datasets/manifest.toml datasets/data datasets/photos "$stage/datasets/"

# The processor's library too, so that a dry run needs nothing else.
library=${CHAPERONE_ORT:-models/lib/libonnxruntime.so}
mkdir -p "$stage/lib-cpu" && cp -L "$library" "$stage/lib-cpu/libonnxruntime.so"
if [ "${GPU:-1}" = 1 ]; then
    say "ONNX Runtime $version for CUDA 13, and NVIDIA's libraries, from the Python registry"
    python3 -m pip download --quiet --only-binary=:all: --no-deps --dest "$work/wheels" -r benches/gpu/requirements.txt
    for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$work/unpacked"; done
    cp "$work"/unpacked/onnxruntime/capi/libonnxruntime_providers_*.so "$stage/lib/"
    cp "$work/unpacked/onnxruntime/capi/libonnxruntime.so.$version" "$stage/lib/libonnxruntime.so"
    # Static archives and headers are for compilers.
    find "$work/unpacked/nvidia" -name '*.so*' -exec cp -P {} "$stage/lib/" \;
fi

say "pieces of at most 60 MiB in $out"
cp benches/gpu/run.sh "$out/"
rm -f "$out"/chaperone-gpu.tar.gz.*
tar -C "$work" -cz chaperone-gpu | split --bytes=60M --numeric-suffixes --suffix-length=3 - "$out/chaperone-gpu.tar.gz."
(cd "$out" && sha256sum chaperone-gpu.tar.gz.* run.sh > SHA256SUMS && ls -l)
