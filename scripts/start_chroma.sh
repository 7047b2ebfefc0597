#!/usr/bin/env bash
# Starts a local Chroma server at localhost:8060 with its data in var/chroma, in the foreground.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/start_chroma.sh [--port PORT] [--path DIRECTORY]

Runs the local Chroma server that the operator's commands and the local mode use: localhost:8060, data in var/chroma.
It stays in the foreground; Ctrl-C stops it, and the data stays.
Example:  scripts/start_chroma.sh --path ~/old-project/chroma_db
TEXT
}

port=8060
path=var/chroma
while [ $# -gt 0 ]; do
    case "$1" in
        --port) port=${2:-}; shift ;;
        --port=*) port=${1#--port=} ;;
        --path) path=${2:-}; shift ;;
        --path=*) path=${1#--path=} ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift || true
done
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    echo "✗ --port needs a number from 1 to 65535" >&2
    exit 2
fi
if [ -z "$path" ]; then
    echo "✗ --path needs a directory" >&2
    exit 2
fi

chroma=.venv/bin/chroma
if [ ! -x "$chroma" ]; then
    echo "✗ The Chroma server is not installed here ($chroma is missing): it comes with the operator's requirements." >&2
    echo "  Install them: scripts/setup.sh --operator" >&2
    exit 1
fi
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "✗ Something listens on port $port already. If it is Chroma, it is running; else give another --port" >&2
    echo "  (and set CHROMA_PORT to it)." >&2
    exit 1
fi

mkdir -p -m 700 var "$path"
echo "Chroma at http://localhost:$port, data in $path; stop it with Ctrl-C"
exec "$chroma" run --host localhost --port "$port" --path "$path"
