#!/usr/bin/env bash
# Stops the development server that scripts/start_flask.sh started.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
if [ $# -gt 0 ]; then
    echo "Usage: scripts/stop_flask.sh      (stops the server that scripts/start_flask.sh started)"
    case "$1" in -h | --help) exit 0 ;; *) exit 2 ;; esac
fi
. scripts/dev_server.sh
if ! dev_server_running; then
    rm -f "$DEV_SERVER_FILE"
    echo "✓ Not running"
    exit 0
fi
pid=$(dev_server_field 1)
kill "$pid"
for _ in $(seq 50); do
    if process_ended "$pid"; then
        rm -f "$DEV_SERVER_FILE"
        echo "✓ Stopped"
        exit 0
    fi
    sleep 0.1
done
kill -9 "$pid"
rm -f "$DEV_SERVER_FILE"
echo "✓ Stopped (it had to be killed)"
