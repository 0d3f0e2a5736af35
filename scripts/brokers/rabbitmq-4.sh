# shellcheck shell=bash
# RabbitMQ 4 of Debian 13, in a root folder of its own: Debian 12 has 3.10. Sourced by scripts/broker.

NAMES+=(rabbitmq-4)

ABOUT[rabbitmq-4]="RabbitMQ 4 (MQTT 3.1.1 and 5.0) of Debian 13, which debootstrap fetches; keys and settings as rabbitmq"
NEEDS[rabbitmq-4]="debootstrap:debootstrap openssl:openssl"
PORTS[rabbitmq-4]="EPMD=975 DISTRIBUTION=974 MQTT=973"

# The last part is counted up when make_rabbitmq_4 changes.
RABBITMQ_4_KEPT=rabbitmq-4-trixie-1
# The folder of the broker, as it sees it.
RABBITMQ_4_HOME=/srv

lines_rabbitmq_4() {
    echo "MQTT=mqtt://127.0.0.1:$(port rabbitmq-4 MQTT)"
    token_key_lines
}

prepare_rabbitmq_4() {
    keep "$RABBITMQ_4_KEPT" make_rabbitmq_4
}

# Without certificates of authorities RabbitMQ fetches no key set, by HTTP neither. No service is started: debootstrap keeps
# packages from that. What it mounts in there is gone when it ends, however it does.
make_rabbitmq_4() {
    local part
    umask 022
    # A crash of this machine in the middle would only have it made anew, so nothing need be on the disk at once.
    mkdir -p root/etc/dpkg/dpkg.cfg.d
    echo force-unsafe-io >root/etc/dpkg/dpkg.cfg.d/tokenstorm
    for part in doc man locale; do
        echo "path-exclude=/usr/share/$part/*" >>root/etc/dpkg/dpkg.cfg.d/tokenstorm
    done
    quietly as_root unshare --mount debootstrap --variant=minbase --include=rabbitmq-server,ca-certificates trixie \
        "$PWD/root"
    ((!EUID)) || as_root chown -R "$EUID" root
    rm -rf root/var/cache/apt/* root/var/lib/apt/lists/* root/usr/share/{doc,man,locale}/*
    : >root/etc/hosts
}

start_rabbitmq_4() {
    local home=$1/data
    token_keys
    mkdir -p "$home"
    chmod 700 "$home"
    rabbitmq_files "$home" rabbitmq-4 "" "$(rabbitmq_4_owner)" "$RABBITMQ_4_HOME"
    remember_rabbitmq "$1"
    rabbitmq_environment "$RABBITMQ_4_HOME" tokenstorm-4 "$(port rabbitmq-4 EPMD)" "$(port rabbitmq-4 DISTRIBUTION)"
    launch_rabbitmq_4 "$1" epmd epmd -address 127.0.0.1 -port "$(port rabbitmq-4 EPMD)"
    until listening "$(port rabbitmq-4 EPMD)"; do
        check_start rabbitmq-4 "$1" $((SECONDS + 10))
    done
    launch_rabbitmq_4 "$1" broker /usr/lib/rabbitmq/bin/rabbitmq-server
}

ready_rabbitmq_4() { ready_rabbitmq "$1"; }
reuse_rabbitmq_4() { reuse_rabbitmq "$1"; }
clean_rabbitmq_4() { clean_rabbitmq "$1"; }

# Its user has a number of its own there.
rabbitmq_4_owner() {
    awk -F: '$1 == "rabbitmq" { print $3 ":" $4 }' "$KEPT/$RABBITMQ_4_KEPT/root/etc/passwd"
}

# launch_rabbitmq_4 FOLDER PROCESS COMMAND...: in the other root, as one process all the way, so that its pid is the one we
# know. What is mounted for it is seen by nobody else, and gone when it ends.
launch_rabbitmq_4() {
    local dir=$1 process=$2 apart=(unshare --mount) enter=(chroot)
    shift 2
    if ((EUID)); then
        # Who is not root here is so there, and is no other user.
        apart+=(--user --map-root-user)
    else
        enter+=("--userspec=$(rabbitmq_4_owner)")
    fi
    # Its arguments are for the inner shell.
    # shellcheck disable=SC2016
    launch "$dir" "$process" "${apart[@]}" sh -ec '
        root=$1 home=$2
        mount --rbind /proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind /etc/hosts "$root/etc/hosts"
        mount --bind "$3" "$root$home"
        shift 3
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin
        exec "$@"
    ' sh "$KEPT/$RABBITMQ_4_KEPT/root" "$RABBITMQ_4_HOME" "$dir/data" \
        "${enter[@]}" "$KEPT/$RABBITMQ_4_KEPT/root" env --chdir="$RABBITMQ_4_HOME" "$@"
}
