#!/bin/sh
# Runs a private PostgreSQL in the foreground: postgres.sh FOLDER PORT. Everything it writes lies in FOLDER.
set -eu
cd "$1"
port=$2
: "${POSTGRES_BIN:=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}"
# PostgreSQL refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then
    as='runuser -u postgres --'
    mkdir -p data && chown postgres . data
fi
if [ ! -s data/PG_VERSION ]; then
    $as "$POSTGRES_BIN/initdb" -D "$PWD/data" -U chaperone --auth=trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1
fi
exec $as "$POSTGRES_BIN/postgres" -D "$PWD/data" -p "$port" -k "$PWD" -c listen_addresses=127.0.0.1 -c max_connections=200
