# shellcheck shell=bash
# NATS, which is no broker of tests but what agents and their coordinator meet on. Sourced by scripts/broker.

NAMES+=(nats)

ABOUT[nats]="NATS with a token: TCP, and TLS on another port (two servers that know nothing of each other)"
NEEDS[nats]="nats-server:nats-server openssl:openssl"
PORTS[nats]="NATS=951 NATS_TLS=952"

lines_nats() {
    echo "NATS=nats://127.0.0.1:$(port nats NATS)"
    echo "NATS_TLS=tls://127.0.0.1:$(port nats NATS_TLS)"
    echo "TOKEN=tests-and-nobody-else"
    echo "CA=$TLS/ca.pem"
}

start_nats() {
    tls_keys
    local token='authorization { token: "tests-and-nobody-else" }'
    printf 'listen: "127.0.0.1:%s"\n%s\n' "$(port nats NATS)" "$token" >"$1/plain.conf"
    printf 'listen: "127.0.0.1:%s"\n%s\ntls { cert_file: "%s", key_file: "%s" }\n' "$(port nats NATS_TLS)" "$token" \
        "$TLS/server.pem" "$TLS/server.key" >"$1/tls.conf"
    launch "$1" plain nats-server -c "$1/plain.conf"
    launch "$1" tls nats-server -c "$1/tls.conf"
}
