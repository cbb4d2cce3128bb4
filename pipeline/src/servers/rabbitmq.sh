#!/bin/sh
# Runs a private RabbitMQ in the foreground: rabbitmq.sh FOLDER PORT. Everything it writes lies in FOLDER.
set -eu
cd "$1"
port=$2
: "${RABBITMQ_BIN:=/usr/lib/rabbitmq/bin/rabbitmq-server}"
export HOME="$PWD" RUNNING_UNDER_SYSTEMD=1
# An epmd of its own, so that no other broker on this machine is met or left without one.
export ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME="private-$port@localhost" RABBITMQ_DIST_PORT=$((port + 1))
export RABBITMQ_MNESIA_BASE="$PWD/data" RABBITMQ_LOG_BASE="$PWD/log"
export RABBITMQ_CONFIG_FILE="$PWD/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/plugins" RABBITMQ_CONF_ENV_FILE="$PWD/none"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
cat > rabbitmq.conf <<END
listeners.tcp.1 = 127.0.0.1:$port
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 2GB
# Quorum queues write their log in files of this size; the default is made for big machines.
raft.wal_max_size_bytes = 67108864
END
if [ -d tls ]; then
    cat >> rabbitmq.conf <<END
listeners.ssl.1 = 127.0.0.1:$((port + 3))
ssl_options.cacertfile = $PWD/tls/authority.pem
ssl_options.certfile = $PWD/tls/cert.pem
ssl_options.keyfile = $PWD/tls/key.pem
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
END
fi
echo '[].' > plugins
exec "$RABBITMQ_BIN"
