#!/usr/bin/env bash
# Tests with the SQLite of Red Hat Enterprise Linux 8 and its kin (CloudLinux, AlmaLinux, Rocky): 3.26.0 of December 2018.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

case "${1:-}" in
    -h | --help)
        cat <<'TEXT'
Usage: tests/fresh/old_sqlite.sh [PYTEST ARGUMENTS]

Builds SQLite 3.26.0 once, into var/, from the source that an npm package of that time carries, with what Red Hat switched on,
and runs pytest with it in place of the system's: by default all that reads or writes a database. Needs npm and gcc, and a Python
that links its SQLite dynamically. chromadb refuses an SQLite before 3.35, so it is told that this one is newer; nothing of ours looks.
Example:  tests/fresh/old_sqlite.sh tests/unit/ledger -k migrat
TEXT
        exit 0
        ;;
esac

folder=$PWD/var/sqlite-3.26.0
if [ ! -e "$folder/libsqlite3.so.0" ]; then
    for program in npm gcc; do
        command -v "$program" >/dev/null || { echo "✗ $program is missing: apt-get install npm gcc libc6-dev" >&2; exit 1; }
    done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent sqlite3@4.0.6 >/dev/null && tar xzf sqlite3-4.0.6.tgz && tar xzf package/deps/sqlite-autoconf-3260000.tar.gz)
    mkdir -p "$folder"
    # DESERIALIZE is not Red Hat's: today's Python does not load without it.
    options=(FTS3 FTS4 FTS5 JSON1 RTREE COLUMN_METADATA UNLOCK_NOTIFY DBSTAT_VTAB DESERIALIZE)
    gcc -O1 -fPIC -shared -Wl,-soname,libsqlite3.so.0 "${options[@]/#/-DSQLITE_ENABLE_}" -DSQLITE_SECURE_DELETE \
        -DSQLITE_DISABLE_DIRSYNC "$work/sqlite-autoconf-3260000/sqlite3.c" -o "$folder/building" -lpthread -ldl -lm
    mv "$folder/building" "$folder/libsqlite3.so.0"
    echo "import sqlite3; sqlite3.sqlite_version_info = (3, 35, 0)" >"$folder/sitecustomize.py"
fi
export LD_LIBRARY_PATH=$folder PYTHONPATH=$folder
version=$(.venv/bin/python3 -c 'import sqlite3; print(sqlite3.sqlite_version)')
[ "$version" = 3.26.0 ] || { echo "✗ This Python has an SQLite of its own ($version) and cannot be given another." >&2; exit 1; }
[ $# -gt 0 ] || set -- tests/unit/ledger tests/process/ledger tests/unit/retrieval tests/unit/index tests/operator \
    tests/process/adapters tests/process/servers/test_cgi.py
exec .venv/bin/python3 -m pytest "$@"
