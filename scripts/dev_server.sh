# Shared by the scripts that start, stop and ask the development server; sourced, in the project root.
# The file holds three lines, readable by its owner only: process id, port, token.
DEV_SERVER_FILE=var/flask.server

dev_server_field() { sed -n "${1}p" "$DEV_SERVER_FILE" 2>/dev/null; }

# A process id is used again by other programs, so the command line is compared too.
dev_server_running() {
    local pid
    pid=$(dev_server_field 1)
    [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q 'app\.servers\.dev'
}

# True when process $1 has ended, its port included: a process loses its command line some time before its sockets.
process_ended() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

dev_server_address() { echo "http://127.0.0.1:$(dev_server_field 2)/#token=$(dev_server_field 3)"; }

# True when our own process $2 listens on port $1 and answers, not another program that had the port before.
dev_server_answers() {
    .venv/bin/python3 - "$1" <<'PY' 2>/dev/null && kill -0 "$2" 2>/dev/null
import json, sys, urllib.request
reply = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{sys.argv[1]}/health", timeout=2)
sys.exit(json.load(reply)["service"] != "dnd_rag")
PY
}
