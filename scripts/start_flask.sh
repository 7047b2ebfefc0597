#!/usr/bin/env bash
# Starts the development server on 127.0.0.1 in the background and prints the address to open.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/start_flask.sh [--port PORT]

Starts dndchat on 127.0.0.1 (default port 5000) with a random development token, and prints the address with the token.
On a fresh machine it runs scripts/setup.sh first. Stop it with scripts/stop_flask.sh. The server's output: var/flask.log.
Example:  scripts/start_flask.sh --port 5001
TEXT
}

port=5000
while [ $# -gt 0 ]; do
    case "$1" in
        --port) port=${2:-}; shift ;;
        --port=*) port=${1#--port=} ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift || true
done
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    echo "✗ --port needs a number from 1 to 65535" >&2
    exit 2
fi

. scripts/dev_server.sh
if dev_server_running; then
    echo "✓ Already running: $(dev_server_address)"
    echo "  Stop it first to start it anew: scripts/stop_flask.sh"
    exit 0
fi

scripts/setup.sh

mkdir -p -m 700 var
token=${AUTH_DEV_TOKEN:-$(.venv/bin/python3 -c 'import secrets; print(secrets.token_urlsafe(24))')}
umask 077
export AUTH_DEV_TOKEN=$token
nohup setsid .venv/bin/python3 -m app.servers.dev --port "$port" >var/flask.log 2>&1 </dev/null &
pid=$!
printf '%s\n%s\n%s\n' "$pid" "$port" "$token" >"$DEV_SERVER_FILE"

for _ in $(seq 150); do
    if ! kill -0 "$pid" 2>/dev/null; then
        rm -f "$DEV_SERVER_FILE"
        echo "✗ The server did not start:" >&2
        tail -n 15 var/flask.log >&2
        exit 1
    fi
    if dev_server_answers "$port" "$pid"; then
        cat <<TEXT
✓ dndchat is running. Open this address in a browser on this machine:

    $(dev_server_address)

  or ask from the shell:

    DNDCHAT_TOKEN=$token scripts/test_flask_query.sh "What is a beholder?"

  Token: $token
  Log:   var/flask.log        Stop: scripts/stop_flask.sh
TEXT
        grep '^! ' var/flask.log || true
        exit 0
    fi
    sleep 0.1
done
echo "✗ The server did not answer within 15 seconds; see var/flask.log" >&2
exit 1
