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

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        [ "$candidate" != "${PYTHON:-}" ] || return 1
    done
    return 1
}

if ! .venv/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    python=$(find_python) || fail "Python 3.10 or newer is missing${PYTHON:+ ($PYTHON is not it)}: install it, or name it with PYTHON=/path/to/python3."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)."
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
.venv/bin/python3 -c 'import sqlite3; sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE t USING fts5(x)")' 2>/dev/null ||
    fail "This Python's SQLite has no FTS5 full-text search: use another Python, with PYTHON=/path/to/python3."

# What was installed is remembered by the content of the requirement files: an unchanged set is not installed again.
stamp=.venv/installed
wanted=$(cat requirements*.txt | cksum)
if [ "$(grep -sFx "$requirements $wanted" $stamp || true)" = "" ]; then
    echo "Installing $requirements (this can take a few minutes)"
    log=.venv/install.log
    .venv/bin/python3 -m pip --version >/dev/null 2>&1 || .venv/bin/python3 -m ensurepip >/dev/null
    if ! .venv/bin/python3 -m pip install --disable-pip-version-check --quiet --compile -r "$requirements" >"$log" 2>&1; then
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
.venv/bin/python3 -m app.rag.sample_rules
echo "✓ Ready: $(.venv/bin/python3 --version), $requirements"
