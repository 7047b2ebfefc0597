#!/usr/bin/env bash
# The README's commands on a bare Debian: a root file system of its own, made for this run, that holds Python and nothing else.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

usage() {
    cat <<'TEXT'
Usage: tests/fresh/debian.sh SUITE [ARGUMENTS OF run_tests.sh]

Makes a minimal Debian (SUITE: bookworm, trixie, …) in a temporary directory, clones the last commit into it, and runs there, as
root, first scripts/start_flask.sh with one question, then scripts/run_tests.sh. Prints the transcript; exits with its status.

Needs root, mmdebstrap and git; the mirror is the one that apt uses here, and pip is configured as here. Mounts live in a
namespace of their own. KEEP=DIRECTORY uses (and makes, and keeps) the root file system there: the second run is a warm machine.
Example:  tests/fresh/debian.sh trixie tests/process/servers/test_apache.py -k health
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    '' | -*) usage >&2; exit 2 ;;
esac
suite=$1
shift
fail() { echo "✗ $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "This needs root: it makes a root file system and mounts into it."
for program in mmdebstrap git unshare pivot_root; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install mmdebstrap git util-linux"
done
if [ -z "${IN_NAMESPACE:-}" ]; then
    export IN_NAMESPACE=yes
    exec unshare --mount --propagation=private --pid --fork --kill-child -- "$(readlink -f "$0")" "$suite" "$@"
fi

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' | sed -n 's/ Debian Debian$//p' | head -n 1)
[ -n "$mirror" ] || fail "apt knows no Debian mirror here."

if [ -n "${KEEP:-}" ]; then
    root=$KEEP
else
    root=$(mktemp -d /var/tmp/dndchat-fresh-XXXXXX)
    trap 'umount -R "$root" 2>/dev/null; rm -rf --one-file-system "$root"' EXIT
fi
mkdir -p "$root"
if [ ! -e "$root/etc/debian_version" ]; then
    echo "# A minimal Debian $suite with python3"
    mmdebstrap --quiet --variant=minbase --include=python3 "$suite" "$root" "$mirror"
fi

# A root that is a mount point: otherwise nothing in it could be mounted privately.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# The network, and pip as it is configured here: its settings, the folders that they name, and copies of the files, which lie
# elsewhere: a package of Debian's may want to write a file of that name.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
settings=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
while IFS= read -r setting; do
    settings+=("$setting")
done < <(env | grep -E '^(PIP_[A-Z_]*|[a-z]+_proxy|[A-Z]+_PROXY)=' || true)
configured=()
for file in /etc/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf; do
    if [ -f "$file" ]; then
        configured+=("$root${file/#"$HOME"//root}")
        mkdir -p "$(dirname "${configured[-1]}")"
        cp "$file" "${configured[-1]}"
    fi
done
while IFS= read -r path; do
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
        mount --bind -o ro "$path" "$root$path"
    elif [ -f "$path" ]; then
        mkdir -p "$root/root/pip"
        cp -L "$path" "$root/root/pip/"
        settings=("${settings[@]/"$path"//root/pip/${path##*/}}")
        [ ${#configured[@]} = 0 ] || sed -i "s,$path,/root/pip/${path##*/},g" "${configured[@]}"
    fi
done < <({ printf '%s\n' "${settings[@]}" | grep ^PIP_; cat /dev/null ${configured[@]+"${configured[@]}"}; } 2>/dev/null |
    grep -oE '(^|[ =,]|file://)/[^ ,]+' | sed -E 's,^[^/]*(//)?/,/,; s,/simple/?$,,' | sort -u)

rm -rf "$root/root/dndchat"
git clone --quiet --no-hardlinks . "$root/root/dndchat"

# Not chroot, in which the kernel gives no user namespaces: the root is exchanged, and the old one is gone.
inside() {
    unshare --mount --propagation=private -- sh -c '
        cd "$0" && mkdir -p .old && pivot_root . .old && cd / && umount -l /.old && rmdir /.old && exec "$@"' \
        "$root" /usr/bin/env -i "${settings[@]}" bash -c "cd /root/dndchat && $1" bash "${@:2}"
}
echo "# Debian $(cat "$root/etc/debian_version"), $(inside 'python3 --version'), $(inside 'dpkg-query -W | wc -l') packages, commit $(git rev-parse --short HEAD)"
inside '
    set -eo pipefail
    port=$(python3 -c "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try: s.bind((\"127.0.0.1\", 5000))
except OSError: s.bind((\"127.0.0.1\", 0))
print(s.getsockname()[1])")
    echo "\$ scripts/start_flask.sh --port $port"
    scripts/start_flask.sh --port "$port" | tee /tmp/started
    token=$(sed -n "s/^  Token: //p" /tmp/started)
    question="How many experience points does a fighter need to reach 9th level?"
    echo "\$ scripts/test_flask_query.sh \"Bearer …\" \"$question\""
    scripts/test_flask_query.sh "Bearer $token" "$question"
    echo "\$ scripts/stop_flask.sh"
    scripts/stop_flask.sh'
echo "\$ scripts/run_tests.sh $*"
status=0
inside 'scripts/run_tests.sh "$@"' "$@" || status=$?
[ $status = 0 ] && echo "✓ Debian $suite: both commands work" || echo "✗ Debian $suite: run_tests.sh ended with $status"
exit $status
