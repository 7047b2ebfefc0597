#!/usr/bin/env bash
# Asks the running application one question and prints the answer as JSON.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/test_flask_query.sh "Bearer TOKEN" "QUESTION" [debug] [k]

  debug   the word debug (or true): adds the retrieval trace
  k       the most passages to use, 1 to 50 (default 15)

API_URL names the application (default: the server that scripts/start_flask.sh started, else http://127.0.0.1:5000).
Exit status: 0 answered, 1 refused or not reached, 2 wrong usage.
Example:  scripts/test_flask_query.sh "Bearer $TOKEN" 'What does "Hit Dice: 4+3" mean?' debug 5
TEXT
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
if [ $# -lt 2 ] || [ $# -gt 4 ]; then usage >&2; exit 2; fi
authorization=$1 question=$2 debug=false k=
shift 2
for argument in "$@"; do
    case "$argument" in
        debug | true) debug=true ;;
        false | "") ;;
        *[!0-9]*) usage >&2; exit 2 ;;
        *) k=$argument ;;
    esac
done
case "$authorization" in [Bb]earer\ *) ;; *) authorization="Bearer $authorization" ;; esac

. scripts/dev_server.sh
url=${API_URL:-http://127.0.0.1:$(dev_server_field 2 | grep . || echo 5000)}
python=$([ -x .venv/bin/python3 ] && echo .venv/bin/python3 || echo python3)

# Question and token go through the environment, so that no quote in them meets a shell, a JSON template or the process list.
QUESTION=$question DEBUG=$debug K=$k AUTHORIZATION=$authorization URL=$url "$python" - <<'PY'
import codecs, http.client, json, os, sys, urllib.error, urllib.parse, urllib.request

# What the terminal cannot show is shown by its number, which in JSON is the same.
utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(errors="backslashreplace")

# Typed in UTF-8 whatever the locale says, else in what the locale says.
question = os.environb[b"QUESTION"]
try:
    question = question.decode("utf-8")
except UnicodeDecodeError:
    question = os.fsdecode(question)

url = os.environ["URL"].rstrip("/")
body = {"question": question, "debug": os.environ["DEBUG"] == "true"}
if os.environ["K"]:
    body["k"] = int(os.environ["K"])
headers = {"Content-Type": "application/json", "Authorization": os.environ["AUTHORIZATION"]}
try:
    # A proxy of the environment cannot reach this machine, and must not see the token.
    here = urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))
    request = urllib.request.Request(url + "/api/query", json.dumps(body).encode(), headers)
    try:
        with opener.open(request, timeout=60) as reply:
            answer, status = reply.read(), 0
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"✗ HTTP {error.code}\n")
        answer, status = error.read(), 1
except (OSError, ValueError, http.client.HTTPException) as error:
    sys.exit(f"✗ {url} cannot be reached ({getattr(error, 'reason', error)}): is it running? scripts/start_flask.sh")
try:
    print(json.dumps(json.loads(answer), indent=2, ensure_ascii=not utf8))
except ValueError:
    sys.stdout.write(answer.decode("utf-8", "replace"))
sys.exit(status)
PY
