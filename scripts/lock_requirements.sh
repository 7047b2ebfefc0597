#!/usr/bin/env bash
# Writes requirements*.lock: everything that requirements*.txt bring with them, pinned, with the hashes of its files.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

usage() {
    cat <<'TEXT'
Usage: scripts/lock_requirements.sh [--upgrade]

Run it after a change of requirements*.txt, look at the difference, and commit both. What is locked already keeps its version
unless a requirement says otherwise; --upgrade takes the newest of everything that is not pinned. One lock serves Python 3.10 and
newer (3.11 for the tests) on every system. Needs the network, and makes an environment of its own for the program that resolves (uv).
Example:  scripts/lock_requirements.sh && git diff --stat
TEXT
}

upgrade=()
case "${1:-}" in
    "") ;;
    --upgrade) upgrade=(--upgrade) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

UV=0.13.9
tools=var/lock-tools
if [ "$("$tools/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$UV" ]; then
    mkdir -p -m 700 var
    python3 -m venv --clear "$tools"
    "$tools/bin/python" -m pip install --quiet "uv==$UV"
fi
constraint=()
# From the smallest set to the largest, so that a package has the same version in each. hypothesis needs Python 3.11.
for set in requirements-host:3.10 requirements:3.10 requirements-dev:3.11; do
    name=${set%:*}
    "$tools/bin/uv" pip compile --quiet --universal --python-version "${set#*:}" --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command scripts/lock_requirements.sh "${upgrade[@]}" "${constraint[@]}" "$name.txt" -o "$name.lock"
    constraint=(--constraint "$name.lock")
    echo "✓ $name.lock: $(grep -c == "$name.lock") packages"
done
