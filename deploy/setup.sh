#!/usr/bin/env bash
# Installs what building and testing need and the machine lacks. Safe to run again; quick when nothing is missing.
#   deploy/setup.sh          what `make demo` and `make serve` need
#   deploy/setup.sh test     also what `make test` needs
set -euo pipefail

purpose=${1:-build}
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- Rust: never installed by us, a toolchain is the owner's choice -------------------------------------------------
command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.95 or newer with rustup, then run this again"
cargo --version >/dev/null 2>&1 || fail "the toolchain in rust-toolchain.toml is not installed: run \`rustup toolchain install\` in this folder"

# --- Debian packages ------------------------------------------------------------------------------------------------
packages=()
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null 2>&1 || packages+=("${@:2}")
}
need cc build-essential
need c++ build-essential
# libjpeg-turbo is built from source; its vector code needs an assembler.
need cmake cmake
need nasm nasm
need python3 python3
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)
[ -d /etc/ssl/certs ] && [ -n "$(ls -A /etc/ssl/certs 2>/dev/null)" ] || packages+=(ca-certificates)
# The review console is built with them. Debian 12 has Node.js 18, which is new enough; an older one is the owner's to replace.
if command -v node >/dev/null 2>&1; then
    major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
    [ "$major" -ge 18 ] || fail "Node.js $(node --version) is too old: install 18 or newer, then run this again"
fi
need node nodejs
need npm npm
if [ "$purpose" = test ]; then
    need curl curl
    # Private servers of the tests: only their programs are used, their services need not run.
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || packages+=(rabbitmq-server)
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages+=(postgresql)
    need flock util-linux
    # Certificates of a private broker.
    need openssl openssl
    # The day at the desk of the review console.
    command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || packages+=(chromium)
fi

if [ ${#packages[@]} -gt 0 ]; then
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "these are missing: ${packages[*]} (Debian's names). Install them with this system's package manager, then run this again"
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo)
    else
        fail "run this once, then try again:  sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # RUNLEVEL: a package that is a service is installed, not started.
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "apt-get could not install ${packages[*]}: see the lines above"
    fi
fi

# --- The official clients of other services, which the tests drive ------------------------------------------------------
if [ "$purpose" = test ]; then
    here=$(cd "$(dirname "$0")/.." && pwd)
    "$here/api/tests/clients/install.sh" "${CARGO_TARGET_DIR:-$here/target}/clients" >/dev/null || fail "the clients that the tests drive cannot be installed: see above"
fi
