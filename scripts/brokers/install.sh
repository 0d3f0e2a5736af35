# shellcheck shell=bash
# Debian packages, installed when a program or a header is missing. Sourced by scripts/broker.

# install_needs NAME: NEEDS holds pairs `program:package`; what ends in `.h` is a header of the C compiler.
install_needs() {
    local pair programs=() packages=()
    for pair in ${NEEDS[$1]}; do
        present "${pair%%:*}" && continue
        programs+=("${pair%%:*}")
        [[ " ${packages[*]} " == *" ${pair#*:} "* ]] || packages+=("${pair#*:}")
    done
    ((${#packages[@]})) || return 0
    if ! command -v apt-get >/dev/null; then
        die "$1 needs ${programs[*]} (Debian packages: ${packages[*]});" \
            "there is no apt-get here: install what is missing by hand"
    fi
    if ((EUID)) && ! command -v sudo >/dev/null; then
        die "$1 needs packages that only root can install, and there is no sudo; run as root: apt-get install ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    apt_install "${packages[@]}"
    hash -r
    for pair in ${NEEDS[$1]}; do
        present "${pair%%:*}" || die "${pair%%:*} is still missing after installing ${pair#*:}"
    done
}

present() {
    case $1 in
    *.h) printf '#include <stdio.h>\n#include <%s>\n' "$1" | cc -E -xc - >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

as_root() {
    if ((EUID)); then sudo "$@"; else "$@"; fi
}

# A Debian package starts its service when it is installed unless /usr/sbin/policy-rc.d says no; brokers of the
# distribution would sit on the usual ports. The lock is on a folder that every Debian has, because two installations
# at a time would take each other's policy away.
apt_install() (
    policy=/usr/sbin/policy-rc.d
    if [[ -d /var/lib/dpkg ]]; then
        exec 8</var/lib/dpkg
        flock 8
    fi
    if [[ ! -e $policy ]]; then
        # Replaced when the trap is set, on purpose: the variable is gone when it runs.
        # shellcheck disable=SC2064
        trap "as_root rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    # Package lists that are too old, or not there, show as a failure to find a package: only then are they fetched.
    apt_get install "$@" 2>/dev/null || { apt_get update && apt_get install "$@"; } || die "apt-get could not install $*"
    disable_services "$@"
)

# The policy holds until the next boot only. Services that were there before are not ours to disable: their packages
# are not among those just installed.
disable_services() {
    local package unit
    [[ -d /run/systemd/system ]] || return 0
    for package in "$@"; do
        for unit in $(dpkg-query -L "$package" | sed -n 's|^\(/usr\)\{0,1\}/lib/systemd/system/||p'); do
            as_root systemctl disable "$unit" >/dev/null 2>&1 || true
        done
    done
}

# Silent unless it fails.
apt_get() {
    local output options=(-y -q -o DPkg::Lock::Timeout=300)
    [[ $1 == install ]] && options+=(--no-install-recommends)
    output=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@" 2>&1 8>&- 9>&-) && return
    printf '%s\n' "$output" | tail -n 5 >&2
    return 1
}
