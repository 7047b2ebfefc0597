#!/usr/bin/env bash
# Installs everything the tests need, runs the checks, then all tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

case "${1:-}" in
    -h | --help)
        cat <<'TEXT'
Usage: scripts/run_tests.sh [--quick] [PYTEST ARGUMENTS]

Installs what the tests need (Debian packages too, when run as root or with sudo), then runs ruff, mypy and pytest, in up to
six processes at once, each of which takes whole files. The whole suite takes about 11 minutes on two cores.

  --quick   only the tests that start no server, which need no Debian packages: about 65 s on two cores

Examples:  scripts/run_tests.sh tests/process/servers/test_apache.py -k health
           scripts/run_tests.sh -n 0 --pdb tests/process/servers/test_apache.py
TEXT
        exit 0
        ;;
esac

# A real Apache is part of the tests, and a real browser for the chat page.
packages=(git apache2-bin apache2-suexec-custom libapache2-mod-fcgid openssl chromium chromium-driver)
. scripts/debian.sh
[ "${1:-}" != --quick ] || packages=(git)
if ! debian_install "${packages[@]}"; then
    echo "✗ The tests need these Debian packages: ${packages[*]}. Install them: sudo apt-get install ${packages[*]}" >&2
    exit 1
fi

scripts/setup.sh --dev
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/python3 -m mypy
# Thousands of processes would each compile the program anew.
unset PYTHONDONTWRITEBYTECODE
# More processes than there are cores, as many tests wait for a server; each takes whole files: their servers are started once,
# and one file's tests do not meet those of another at the same servers. tests/conftest.py has the order.
processes=$(($(nproc) + 2))
[ "${1:-}" != --quick ] || processes=$(($(nproc) + 1))
[ $processes -le 6 ] || processes=6
exec .venv/bin/python3 -m pytest -n $processes --dist loadfile --no-loadscope-reorder "$@"
