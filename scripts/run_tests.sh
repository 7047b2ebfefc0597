#!/usr/bin/env bash
# Installs everything the tests need, runs the checks, then all tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

case "${1:-}" in
    -h | --help)
        cat <<'TEXT'
Usage: scripts/run_tests.sh [PYTEST ARGUMENTS]

Installs what the tests need (Debian packages too, when run as root or with sudo), then ruff, mypy and pytest.
Example:  scripts/run_tests.sh tests/test_apache.py -k health
TEXT
        exit 0
        ;;
esac

# A real Apache is part of the tests, and a real browser for the chat page.
missing=()
for package in git apache2-bin apache2-suexec-custom libapache2-mod-fcgid openssl chromium chromium-driver; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo -n); fi
    echo "Installing Debian packages: ${missing[*]}"
    if ! { "${as_root[@]}" apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null; then
        echo "✗ The tests need these Debian packages: ${missing[*]}. Install them: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
fi

scripts/setup.sh --dev
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/mypy
exec .venv/bin/python3 -m pytest "$@"
