#!/usr/bin/env bash
# Checks the engine on this machine's GPU against its processor, then measures it, in one go. Needs bash, tar and the driver.
#
#   bash run.sh                              CUDA in fp32, then TensorRT if its libraries are here
#   DEVICES="cuda:0 cpu" SECONDS_EACH=3 bash run.sh
#
# Results (JSON, and the machine's description) are written into ./results, or into $OUT where that is set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
mkdir -p "$out"

# Pieces → one folder, checked.
home=$here/chaperone-gpu
if [ ! -x "$home/chaperone-bench" ]; then
    (cd "$here" && sha256sum --check --quiet SHA256SUMS)
    cat "$here"/chaperone-gpu.tar.gz.* | tar -xz -C "$here"
fi
cd "$home"

library=$home/lib/libonnxruntime.so
[ -f "$library" ] || library=$home/lib-cpu/libonnxruntime.so
export ORT_DYLIB_PATH=$library
export LD_LIBRARY_PATH=$home/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

{
    date -u +%Y-%m-%dT%H:%M:%SZ
    grep -m1 'model name' /proc/cpuinfo || true
    echo "processors: $(nproc)"
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || echo "no nvidia-smi"
    ls "$home/lib" 2>/dev/null || true
} | tee "$out/machine.txt"

devices=${DEVICES:-cuda:0}
if [ -z "${DEVICES:-}" ] && ls "$home"/lib/libnvinfer.so* >/dev/null 2>&1; then devices="$devices tensorrt:0"; fi
failed=0
for device in $devices; do
    printf '\n== %s\n' "$device"
    "$home/chaperone-bench" device --device "$device" --precision "${PRECISION:-auto}" --seconds "${SECONDS_EACH:-3}" \
        --root "$home" --repository "$home/models/repository" --results "$out" || failed=1
done
exit $failed
