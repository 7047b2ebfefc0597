#!/usr/bin/env bash
# Makes the virtual environment .venv and installs what is needed. Running it again is quick.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/setup.sh [--operator | --dev]

Makes .venv in the project root, installs the packages, compiles them, and builds the index over the sample rules.

  (no option)   what the web host needs to answer questions (requirements-host.txt, a few MB)
  --operator    also what the operator's commands need (requirements.txt: chromadb, openai; about 600 MB)
  --dev         also what the tests and checks need (requirements-dev.txt)

PYTHON names the interpreter to use (default: the newest python3 found, 3.10 or later).
Example:  PYTHON=python3.11 scripts/setup.sh --operator
TEXT
}

requirements=requirements-host.txt
for argument in "$@"; do
    case "$argument" in
        --operator) requirements=requirements.txt ;;
        --dev) requirements=requirements-dev.txt ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

fail() { echo "✗ $*" >&2; exit 1; }

# What an interpreter lacks, in a few words; nothing when it will do. Any Python from 2.7 on can run it.
lacks() {
    "$1" - 2>/dev/null <<'PY' || echo "does not run"
import sys
if sys.version_info < (3, 10):
    print("is Python %d.%d" % sys.version_info[:2])
    sys.exit()
for name in ("sqlite3", "ssl", "zlib"):
    try:
        __import__(name)
    except ImportError:
        print("was built without the module %s" % name)
        sys.exit()
import sqlite3
if sqlite3.sqlite_version_info < (3, 24):
    print("has SQLite %s, older than 3.24" % sqlite3.sqlite_version)
    sys.exit()
try:
    sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE t USING fts5(x)")
except sqlite3.Error:
    print("has an SQLite without FTS5 full-text search")
PY
}

# Sets `python`, or says of each interpreter that was found why not.
find_python() {
    local candidate lack found=
    local candidates=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if command -v "$candidate" >/dev/null 2>&1; then
            lack=$(lacks "$candidate")
            if [ -z "$lack" ]; then
                python=$candidate
                return
            fi
            found+=" $candidate $lack."
        fi
    done
    [ -n "$found" ] || found=" ${PYTHON:-python3} is not there."
    fail "Python 3.10 or newer is needed, with SQLite 3.24 or newer:$found Install it, or name it with PYTHON=/path/to/python3."
}

if ! .venv/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    find_python
    has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
    if ! has_venv; then
        # Debian and Ubuntu ship this part of Python apart.
        . scripts/debian.sh
        debian_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" && has_venv ||
            fail "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)."
    fi
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
lack=$(lacks .venv/bin/python3)
[ -z "$lack" ] || fail "The Python of .venv $lack: remove .venv, and name another with PYTHON=/path/to/python3."
if [ "$requirements" != requirements-host.txt ]; then
    # Said before 600 MB are fetched. The web host does not need it: what an operator builds elsewhere can be copied there.
    .venv/bin/python3 -c 'import sqlite3, sys; sys.exit(sqlite3.sqlite_version_info < (3, 35))' ||
        fail "chromadb needs SQLite 3.35 or newer, and this Python has an older one: run the operator's commands on another machine and copy var/index/ here, or name another Python with PYTHON=/path/to/python3."
fi

# The locks name every file by its hash (scripts/lock_requirements.sh writes them): nobody on the way can put in another one.
# What was installed is remembered by the content of the requirement files: an unchanged set is not installed again.
stamp=.venv/installed
wanted=$(cat requirements*.txt requirements*.lock | cksum)
if [ "$(grep -sFx "$requirements $wanted" $stamp || true)" = "" ]; then
    echo "Installing $requirements (this can take a few minutes)"
    log=.venv/install.log
    .venv/bin/python3 -m pip --version >/dev/null 2>&1 || .venv/bin/python3 -m ensurepip >/dev/null
    if ! .venv/bin/python3 -m pip install --disable-pip-version-check --quiet --compile --require-hashes -r "${requirements%.txt}.lock" >"$log" 2>&1; then
        cat "$log" >&2
        fail "Installing $requirements failed: see above."
    fi
    if [ "$requirements" = requirements-host.txt ] && ! grep -qsE '^requirements(-dev)?\.txt' $stamp; then
        # On a shared host they are three quarters of the space; pip comes back above when something is to be installed.
        .venv/bin/python3 -m pip uninstall --quiet --yes setuptools pip 2>/dev/null || true
    fi
    # A larger set holds the smaller ones.
    case "$requirements" in
        requirements-dev.txt) printf '%s %s\n' requirements-dev.txt "$wanted" requirements.txt "$wanted" requirements-host.txt "$wanted" >$stamp ;;
        requirements.txt) printf '%s %s\n' requirements.txt "$wanted" requirements-host.txt "$wanted" >$stamp ;;
        *) printf '%s %s\n' requirements-host.txt "$wanted" >$stamp ;;
    esac
fi
# Under CGI every process would compile what it cannot keep, so it is done once here.
.venv/bin/python3 -m compileall -q app
.venv/bin/python3 -m app.index.sample_rules
echo "✓ Ready: $(.venv/bin/python3 --version), $requirements"
