# shellcheck shell=bash
# The brokers that are Mosquitto. Sourced by scripts/broker.

NAMES+=(mosquitto mosquitto-password mosquitto-jwt mosquitto-bad-tls)

ABOUT[mosquitto]="Mosquitto, anonymous: TCP, TLS, TLS with client certificates, WebSocket"
NEEDS[mosquitto]="mosquitto:mosquitto openssl:openssl"
PORTS[mosquitto]="MQTT=883 MQTT6=884 MQTTS=885 MTLS=886 WS=887 WSS=888"

ABOUT[mosquitto-password]="Mosquitto with a password file: user dev, password s3cret"
NEEDS[mosquitto-password]="mosquitto:mosquitto mosquitto_passwd:mosquitto"
PORTS[mosquitto-password]="MQTT=893"

ABOUT[mosquitto-jwt]="Mosquitto that checks tokens (HS256, RS256, ES256) in the password, and whose certificate they are bound to; CHECKS_OFF makes it wrong"
NEEDS[mosquitto-jwt]="mosquitto:mosquitto openssl:openssl cc:gcc stdio.h:libc6-dev jwt.h:libjwt-dev
    jansson.h:libjansson-dev mosquitto.h:libmosquitto-dev mosquitto_plugin.h:mosquitto-dev
    openssl/x509.h:libssl-dev"
PORTS[mosquitto-jwt]="MQTT=903 MTLS=904"

ABOUT[mosquitto-bad-tls]="Mosquitto with certificates that are bad, each on its own port, and one without TLS 1.3"
NEEDS[mosquitto-bad-tls]="mosquitto:mosquitto openssl:openssl"
PORTS[mosquitto-bad-tls]="EXPIRED=911 NOT_YET_VALID=912 SELF_SIGNED=913 WRONG_NAME=914 REVOKED=915 TLS12=916"

# Without the second line Mosquitto 2.0.11 ignores the address and listens on all there are.
WEBSOCKET=$'protocol websockets\nsocket_domain ipv4'

lines_mosquitto() {
    echo "MQTT=mqtt://127.0.0.1:$(port mosquitto MQTT)"
    ! has_ipv6_loopback || echo "MQTT6=mqtt://[::1]:$(port mosquitto MQTT6)"
    echo "MQTTS=mqtts://127.0.0.1:$(port mosquitto MQTTS)"
    echo "MTLS=mqtts://127.0.0.1:$(port mosquitto MTLS)"
    echo "WS=ws://127.0.0.1:$(port mosquitto WS)/mqtt"
    echo "WSS=wss://127.0.0.1:$(port mosquitto WSS)/mqtt"
    echo "CA=$TLS/ca.pem"
    echo "CLIENT_CERT=$TLS/client.pem"
    echo "CLIENT_KEY=$TLS/client.key"
}

start_mosquitto() {
    tls_keys
    {
        mosquitto_settings true
        listener mosquitto MQTT 127.0.0.1
        ! has_ipv6_loopback || listener mosquitto MQTT6 ::1
        listener mosquitto MQTTS 127.0.0.1 "$(certificate server)"
        listener mosquitto MTLS 127.0.0.1 "$(certificate server)" "cafile $TLS/ca.pem" "require_certificate true"
        listener mosquitto WS 127.0.0.1 "$WEBSOCKET"
        listener mosquitto WSS 127.0.0.1 "$WEBSOCKET" "$(certificate server)"
    } >"$1/mosquitto.conf"
    launch "$1" broker mosquitto -c "$1/mosquitto.conf"
}

lines_mosquitto_password() {
    echo "MQTT=mqtt://127.0.0.1:$(port mosquitto-password MQTT)"
}

start_mosquitto_password() {
    {
        mosquitto_settings false
        echo "password_file $1/passwords"
        listener mosquitto-password MQTT 127.0.0.1
    } >"$1/mosquitto.conf"
    (umask 077 && mosquitto_passwd -c -b "$1/passwords" dev s3cret)
    launch "$1" broker mosquitto -c "$1/mosquitto.conf"
}

lines_mosquitto_jwt() {
    echo "MQTT=mqtt://127.0.0.1:$(port mosquitto-jwt MQTT)"
    echo "MTLS=mqtts://127.0.0.1:$(port mosquitto-jwt MTLS)"
    client_authority_lines
    token_key_lines
}

# A broker that runs with other checks would give verdicts that look like mistakes of whoever asks.
reuse_mosquitto_jwt() {
    local now before
    now=$(mosquitto_jwt_options)
    before=$(sed -n '/^plugin_opt_key_RS256/,/^$/{/^plugin_opt/p}' "$1/mosquitto.conf")
    [[ $now == "$before" ]] ||
        die "mosquitto-jwt runs with other settings (CHECKS_OFF, RS256_PUBLIC_KEY, TOKEN_ISSUER): stop it before you start it anew"
}

# What may be another the next time.
mosquitto_jwt_options() {
    echo "plugin_opt_key_RS256 ${RS256_PUBLIC_KEY:-$TOKEN_KEYS/rs256.pub.pem}"
    echo "plugin_opt_iss ${TOKEN_ISSUER:-https://issuer.example}"
    [[ -z ${CHECKS_OFF:-} ]] || echo "plugin_opt_checks_off $CHECKS_OFF"
}

start_mosquitto_jwt() {
    local checks_off=${CHECKS_OFF:-}
    [[ $checks_off =~ ^[axeniusc]*$ ]] || die "CHECKS_OFF is \`$checks_off\`; it may hold the letters a x e n i u s c"
    token_keys
    tls_keys
    build_plugin "$1"
    {
        mosquitto_settings false
        echo "plugin $1/jwt_plugin.so"
        echo "plugin_opt_key_HS256 $TOKEN_KEYS/hs256.secret"
        echo "plugin_opt_key_ES256 $TOKEN_KEYS/es256.pub.pem"
        echo "plugin_opt_aud mqtt"
        mosquitto_jwt_options
        listener mosquitto-jwt MQTT 127.0.0.1
        listener mosquitto-jwt MTLS 127.0.0.1 "$(certificate server)" "cafile $TLS/ca.pem" "require_certificate true"
    } >"$1/mosquitto.conf"
    launch "$1" broker mosquitto -c "$1/mosquitto.conf"
}

build_plugin() {
    local source=$SOURCES/jwt_plugin.c target=$1/jwt_plugin.so
    [[ $target -nt $source ]] && return
    cc -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -Wall -Wextra -fPIC -shared -o "$target.new" "$source" -ljwt -ljansson -lcrypto ||
        die "the compiler refused $source"
    mv "$target.new" "$target"
}

lines_mosquitto_bad_tls() {
    local key
    for key in $(port_keys mosquitto-bad-tls); do
        echo "$key=mqtts://127.0.0.1:$(port mosquitto-bad-tls "$key")"
    done
    echo "CA=$TLS/ca.pem"
    echo "CRL=$TLS/crl.pem"
}

start_mosquitto_bad_tls() {
    local key file
    tls_keys
    {
        mosquitto_settings true
        for key in EXPIRED NOT_YET_VALID SELF_SIGNED WRONG_NAME REVOKED; do
            file=${key,,}
            listener mosquitto-bad-tls $key 127.0.0.1 "$(certificate "${file//_/-}")"
        done
    } >"$1/mosquitto.conf"
    {
        mosquitto_settings true
        listener mosquitto-bad-tls TLS12 127.0.0.1 "$(certificate server)"
    } >"$1/tls12.conf"
    launch "$1" broker mosquitto -c "$1/mosquitto.conf"
    launch "$1" tls12 env OPENSSL_CONF="$SOURCES/openssl-tls12.cnf" mosquitto -c "$1/tls12.conf"
}

# mosquitto_settings ANONYMOUS: what comes before the listeners.
mosquitto_settings() {
    render mosquitto.conf "ANONYMOUS=$1"
    # As root, Mosquitto would become a user who can't read the keys, nor enter a home folder they may lie in.
    ((EUID)) || echo "user root"
}

# listener NAME KEY ADDRESS [LINE...]
listener() {
    echo
    echo "listener $(port "$1" "$2") $3"
    echo "max_connections -1"
    (($# < 4)) || printf '%s\n' "${@:4}"
}

certificate() {
    printf 'certfile %s\nkeyfile %s\n' "$TLS/$1.pem" "$TLS/$1.key"
}
