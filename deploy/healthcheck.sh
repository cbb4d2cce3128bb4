#!/usr/bin/env bash
# Does the process in this container answer? 0: yes. Without curl, which the image does not have.
#   chaperone-alive [PATH]     default /health/live, port CHAPERONE_HEALTH_PORT or 8080
set -euo pipefail
path=${1:-/health/live}
port=${CHAPERONE_HEALTH_PORT:-8080}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
IFS= read -r -t 4 status <&3
case $status in
    'HTTP/1.1 200 '*) exit 0 ;;
    *) printf '%s\n' "$status" >&2; exit 1 ;;
esac
