# Sourced by the scripts that need packages of Debian or Ubuntu.

# Installs those of the packages $* that are missing, as root or with sudo; false where that cannot be done.
debian_install() {
    local package missing=() as_root=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    echo "Installing Debian packages: ${missing[*]}"
    { ${as_root[@]+"${as_root[@]}"} apt-get update -qq &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null
}
