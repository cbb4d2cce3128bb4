#!/bin/sh
# Stops a private server when nobody uses it any more, killed users included: supervise.sh FOLDER IDLE_SECONDS.
# (`kill` without `--`: the one that is part of dash takes none.)
# Users hold a shared lock on FOLDER/lease; the kernel lets go of it for a user that dies.
cd "$1" || exit 1
idle=0
while [ -d "$1" ] && [ "$idle" -lt "$2" ]; do
    sleep 1
    if flock -n -x lease true 2>/dev/null; then idle=$((idle + 1)); else idle=0; fi
done
# Whoever wants the server now waits for this lock, finds no server, and starts a new one.
exec 9>"$1.lock"
flock -x 9
if flock -n -x lease true 2>/dev/null; then
    # PostgreSQL stops at once on INT (on TERM it would wait for its clients), RabbitMQ on TERM.
    group=$(cat pid) && kill -INT "-$group" && kill -TERM "-$group" && for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "-$group" 2>/dev/null || break
        sleep 0.5
    done
    kill -KILL "-$group" 2>/dev/null
    [ -f epmd ] && epmd -port "$(cat epmd)" -kill >/dev/null 2>&1
    cd / && rm -rf "$1"
fi
