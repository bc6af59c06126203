# SPDX-License-Identifier: MIT
# What demo, test and bench share: the packages, and the build. Sourced by bash scripts.

build_packages=(gcc libc6-dev binutils pkgconf meson ninja-build libssl-dev libmnl-dev
    libnftables-dev libc-ares-dev libcap-ng-dev libseccomp-dev libjansson-dev)
# What the hosts of a lab run. None of them starts a service (dnsmasq-base, not dnsmasq).
lab_packages=(python3 iproute2 iputils-ping nftables util-linux mount procps wireguard-tools
    wireguard-go iperf3 curl)
test_packages=(python3-venv valgrind mandoc traceroute iputils-tracepath dnsmasq-base dbus-daemon
    dbus-system-bus-common)
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then
    build_packages+=(libipsec-mb-dev)
    test_packages+=(qemu-user) # CPUs that this machine is not
fi

# Colours only where a person looks.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' plain=$'\e[0m'
else
    bold='' plain=''
fi

say() {
    printf '%s\n' "$bold$*$plain"
}

refuse() {
    printf '%s\n' "$0: $*" >&2
    exit 1
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c2)" = i ]
}

# Installs what is missing of the named packages; asks for root only if something is.
install_packages() {
    local missing=() package as_root=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt here: going on with what is installed (needed, by Debian's names: $*)"
        return 0
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            refuse "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get -q update </dev/null ||
        say "apt-get update failed: going on with the lists that are here"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        install "${missing[@]}" </dev/null || refuse "apt-get could not install ${missing[*]}"
}

# build_in DIRECTORY [MESON-OPTION…]: configured once, then compiled: all, or the targets in $targets.
build_in() {
    local directory=$1
    shift
    say "building in $directory"
    if [ ! -f "$directory/build.ninja" ]; then
        meson setup "$directory" --werror "$@" >"$directory.log" 2>&1 </dev/null ||
            { cat "$directory.log" >&2; refuse "meson setup failed"; }
        rm -f "$directory.log"
    fi
    # shellcheck disable=SC2086 # one word a target
    ninja -C "$directory" ${targets:-} </dev/null || refuse "the build in $directory failed"
}

# build_benchmarks: in build-release, which is there.
build_benchmarks() {
    local targets
    targets=$(python3 bench/bench.py --targets build-release) ||
        refuse "build-release does not tell its benchmarks"
    # shellcheck disable=SC2086 # one word a target
    ninja -C build-release $targets </dev/null >/dev/null || refuse "the benchmarks do not build"
}
