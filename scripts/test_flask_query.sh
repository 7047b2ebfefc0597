#!/usr/bin/env bash
# Asks the running application one question and prints the answer as JSON.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/test_flask_query.sh "QUESTION" [debug] [model] [k]                with the token in DNDCHAT_TOKEN
       scripts/test_flask_query.sh - "QUESTION" [debug] [model] [k] <FILE        with the token in a file
       scripts/test_flask_query.sh "Bearer TOKEN" "QUESTION" [debug] [model] [k]

  debug   the word debug (or true): adds the retrieval trace
  model   asks the language model even where the books' own figures answer the question
  k       the most passages to use, 1 to 50 (default 15)

In the last form every account on this machine can see the token for a moment, in the list of processes.
API_URL names the application (default: the server that scripts/start_flask.sh started, else http://127.0.0.1:5000). To another
machine it needs https, or ALLOW_INSECURE=API_URL.
Exit status: 0 answered, 1 refused or not reached, 2 wrong usage.
Example:  DNDCHAT_TOKEN=$TOKEN scripts/test_flask_query.sh 'What does "Hit Dice: 4+3" mean?' debug 5
TEXT
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
case "${DNDCHAT_TOKEN_TAKEN:-}${1:-}" in
    taken*) given=no ;;
    [Bb]earer\ *) given=yes ;;
    -) given=stdin ;;
    *) given=${DNDCHAT_TOKEN:+no} ;;
esac
case "$given" in
    stdin)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        IFS= read -r DNDCHAT_TOKEN || [ -n "$DNDCHAT_TOKEN" ] || { echo "✗ There is no token on standard input" >&2; exit 2; }
        shift
        ;;
    yes | "")
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        [ ! -t 2 ] || echo "! The token was in the list of processes, for other accounts to see; better: DNDCHAT_TOKEN=… scripts/test_flask_query.sh QUESTION" >&2
        # Another program takes this one's place, without the token among its arguments.
        export DNDCHAT_TOKEN=$1 DNDCHAT_TOKEN_TAKEN=taken
        shift
        exec scripts/test_flask_query.sh "$@"
        ;;
esac
if [ $# -lt 1 ] || [ $# -gt 4 ]; then usage >&2; exit 2; fi
authorization=$DNDCHAT_TOKEN question=$1 debug=false exact=true k=
unset DNDCHAT_TOKEN DNDCHAT_TOKEN_TAKEN
shift
for argument in "$@"; do
    case "$argument" in
        debug | true) debug=true ;;
        model) exact=false ;;
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
QUESTION=$question DEBUG=$debug EXACT=$exact K=$k AUTHORIZATION=$authorization URL=$url "$python" - <<'PY'
import http.client, json, os, sys, urllib.error, urllib.parse, urllib.request

from app.escaping import as_json, degrade, escaped
from app.tls import is_loopback

degrade(sys.stdout, sys.stderr)

# Typed in UTF-8 whatever the locale says, else in what the locale says.
question = os.environb[b"QUESTION"]
try:
    question = question.decode("utf-8")
except UnicodeDecodeError:
    question = os.fsdecode(question)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    # The token would go along.
    def redirect_request(self, *args, **kwargs):
        return None


url = os.environ["URL"].rstrip("/")
try:
    parts = urllib.parse.urlsplit(url)
    here = is_loopback(parts.hostname or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError
except ValueError:
    sys.exit("✗ API_URL: give an address such as https://dnd.example.org")
if parts.scheme == "http" and not here and "API_URL" not in os.environ.get("ALLOW_INSECURE", "").replace(",", " ").split():
    sys.exit("✗ API_URL: not encrypted, so whoever sits on the line reads the token; give https://, or ALLOW_INSECURE=API_URL")
body = {"question": question, "debug": os.environ["DEBUG"] == "true"}
if os.environ["EXACT"] == "false":
    body["exact"] = False
if os.environ["K"]:
    body["k"] = int(os.environ["K"])
headers = {"Content-Type": "application/json", "Authorization": os.environ["AUTHORIZATION"]}
try:
    # A proxy of the environment cannot reach this machine, and must not see the token.
    opener = urllib.request.build_opener(NoRedirect, *([urllib.request.ProxyHandler({})] if here else []))
    request = urllib.request.Request(url + "/api/query", json.dumps(body).encode(), headers)
    try:
        with opener.open(request, timeout=60) as reply:
            answer, status = reply.read(), 0
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"✗ HTTP {error.code}\n")
        answer, status = error.read(), 1
except (OSError, ValueError, http.client.HTTPException) as error:
    sys.exit(f"✗ {url} cannot be reached ({escaped(getattr(error, 'reason', error))}): is it running? scripts/start_flask.sh")
try:
    print(as_json(json.loads(answer), sys.stdout, indent=2))
except ValueError:
    sys.stdout.write(escaped(answer.decode("utf-8", "replace"), keep="\n"))
sys.exit(status)
PY
