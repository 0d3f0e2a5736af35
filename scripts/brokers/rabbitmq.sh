# shellcheck shell=bash
# RabbitMQ with its MQTT and OAuth 2 plugins. Sourced by scripts/broker.

NAMES+=(rabbitmq)

ABOUT[rabbitmq]="RabbitMQ (MQTT 3.1.1) that checks tokens; kid hs256, rs256 or es256, without one rs256; or JWKS_URL"
NEEDS[rabbitmq]="rabbitmq-server:rabbitmq-server epmd:erlang-base openssl:openssl"
PORTS[rabbitmq]="EPMD=925 DISTRIBUTION=924 MQTT=923"

# Where RabbitMQ keeps its files when it can't enter the state folder.
ELSEWHERE=/var/tmp/tokenstorm-rabbitmq

lines_rabbitmq() {
    echo "MQTT=mqtt://127.0.0.1:$(port rabbitmq MQTT)"
    token_key_lines
}

start_rabbitmq() {
    local home as=()
    token_keys
    ((EUID)) || as=(setpriv --reuid rabbitmq --regid rabbitmq --clear-groups)
    home=$(rabbitmq_home "$1" "${as[@]}")
    rabbitmq_files "$home" rabbitmq ""
    remember_rabbitmq "$1"
    cd "$home" || exit

    # A port mapper of our own, started first: RabbitMQ would start one that stays for ever.
    launch "$1" epmd "${as[@]}" epmd -address 127.0.0.1 -port "$(port rabbitmq EPMD)"
    until listening "$(port rabbitmq EPMD)"; do
        check_start rabbitmq "$1" $((SECONDS + 10))
    done
    rabbitmq_environment "$home" tokenstorm "$(port rabbitmq EPMD)" "$(port rabbitmq DISTRIBUTION)" \
        "$RABBITMQ_JSON"
    launch "$1" broker "${as[@]}" "$(rabbitmq_program)"
}

# The port is open before the plugin that checks tokens is up.
ready_rabbitmq() {
    grep -q 'Server startup complete' "$1/log"
}

# Queues and sessions are not for the next one to find.
clean_rabbitmq() {
    local home
    rm -rf "$1/data"
    if home=$(cat "$1/elsewhere" 2>/dev/null) && [[ $home == "$ELSEWHERE".?* ]]; then
        rm -rf "$home"
    fi
    rm -f "$1/elsewhere"
}

# rabbitmq_home FOLDER [COMMAND PREFIX...]: a folder that the user of the broker can write. The state folder is not if
# it lies in somebody's home.
rabbitmq_home() {
    local home=$1/data elsewhere=$1/elsewhere
    [[ ! -e $elsewhere ]] || home=$(<"$elsewhere")
    mkdir -p "$home"
    if (($# > 1)); then
        chown rabbitmq:rabbitmq "$home"
        if ! "${@:2}" test -w "$home"; then
            rmdir "$home"
            home=$(mktemp -d "$ELSEWHERE.XXXXXX")
            echo "$home" >"$elsewhere"
            chown rabbitmq:rabbitmq "$home"
        fi
    fi
    chmod 700 "$home"
    echo "$home"
}

# rabbitmq_files HOME NAME SECRET [OWNER [INSIDE]]: an empty secret is the one that tokens are signed with. INSIDE is HOME as
# the broker sees it, where its root is another.
rabbitmq_files() {
    local secret owner=${4:-rabbitmq:rabbitmq} inside=${5:-$1}
    secret=$(if [[ -n $3 ]]; then printf '%s' "$3"; else cat "$TOKEN_KEYS/hs256.secret"; fi | base64url)
    cp "$TOKEN_KEYS/rs256.pub.pem" "$TOKEN_KEYS/es256.pub.pem" "$1/"
    local anonymous=false backend=rabbit_auth_backend_oauth2
    [[ ${ANONYMOUS:-} != yes ]] || anonymous=true backend=internal
    render rabbitmq.conf "MQTT=$(port "$2" MQTT)" "ANONYMOUS=$anonymous" "BACKEND=$backend" >"$1/rabbitmq.conf"
    if [[ -n ${JWKS_URL:-} ]]; then
        [[ -z ${JWKS_CA:-} ]] || cp "$JWKS_CA" "$1/jwks-ca.pem"
        render rabbitmq-jwks.config "URL=$JWKS_URL" "TRUST=$(rabbitmq_trust "$inside")" >"$1/advanced.config"
    else
        render rabbitmq-advanced.config "HOME=$inside" "SECRET=$secret" >"$1/advanced.config"
    fi
    echo '[rabbitmq_mqtt,rabbitmq_auth_backend_oauth2].' >"$1/enabled_plugins"
    ((EUID)) || chown -R "$owner" "$1"
}

# How the server of the key set is checked; nothing for plain HTTP.
rabbitmq_trust() {
    [[ -n ${JWKS_CA:-} ]] || return 0
    echo "{peer_verification, verify_peer}, {cacertfile, \"$1/jwks-ca.pem\"}, {hostname_verification, wildcard},"
}

remember_rabbitmq() {
    echo "${JWKS_URL:-}" >"$1/jwks_url"
    echo "${ANONYMOUS:-}" >"$1/anonymous"
}

# One that runs with other keys is not the one that was asked for.
reuse_rabbitmq() {
    local before now=${JWKS_URL:-}
    before=$(cat "$1/jwks_url" 2>/dev/null || true)
    [[ $now == "$before" ]] ||
        die "${1##*/} runs with JWKS_URL=\"$before\", not \"$now\": stop it before you start it anew"
    [[ ${ANONYMOUS:-} == "$(cat "$1/anonymous" 2>/dev/null || true)" ]] ||
        die "${1##*/} runs with another ANONYMOUS: stop it before you start it anew"
}

# What parses JSON in RabbitMQ of this Debian is its own: its library of JWTs takes a stricter one where ejabberd has
# brought that along.
RABBITMQ_JSON="-jose json_module jsx"

# rabbitmq_environment HOME NODE EPMD_PORT DISTRIBUTION_PORT [ARGUMENTS]: ARGUMENTS are more of Erlang's.
rabbitmq_environment() {
    export HOME=$1
    export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$3
    # The machine's own settings are for another broker.
    export RABBITMQ_CONF_ENV_FILE=/dev/null
    # An address for a host name, since not every container knows what localhost is.
    export RABBITMQ_NODENAME=$2@127.0.0.1 RABBITMQ_USE_LONGNAME=true RABBITMQ_DIST_PORT=$4
    export RABBITMQ_CONFIG_FILE=$1/rabbitmq.conf RABBITMQ_ADVANCED_CONFIG_FILE=$1/advanced.config
    export RABBITMQ_ENABLED_PLUGINS_FILE=$1/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$1/mnesia RABBITMQ_LOG_BASE=$1/log RABBITMQ_LOGS=- RABBITMQ_PID_FILE=$1/pid
    # Schedulers that spin while they wait would take the processor from the load generator.
    local idle="+sbwt none +sbwtdcpu none +sbwtdio none"
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} ${5:-} $idle"
    # The script then becomes the broker, in place of waiting for it: one process, and its pid is the one we know.
    export RABBITMQ_ALLOW_INPUT=1 RABBITMQ_SERVER_START_ARGS=-noinput
}

# Debian's rabbitmq-server in the PATH wants to change the user itself, and only from root.
rabbitmq_program() {
    local program=/usr/lib/rabbitmq/bin/rabbitmq-server
    if [[ -x $program ]]; then echo "$program"; else command -v rabbitmq-server; fi
}
