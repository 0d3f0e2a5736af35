# shellcheck shell=bash
# A NATS server that asks a service of ours about each client (auth callout), both from Go's module proxy: the server of
# Debian 12 is older than auth callout. Sourced by scripts/broker.

NAMES+=(nats-callout)

ABOUT[nats-callout]="NATS with MQTT 3.1.1 (Go module proxy) and a service that checks tokens (HS256, RS256, ES256) for it"
NEEDS[nats-callout]="go:golang-go openssl:openssl"
PORTS[nats-callout]="MQTT=966 NATS=967"

CALLOUT_KEPT=nats-callout-$(digest "$SOURCES"/nats-callout/go.{mod,sum} "$SOURCES"/nats-callout/{,operator/}main.go)

lines_nats_callout() {
    echo "MQTT=mqtt://127.0.0.1:$(port nats-callout MQTT)"
    token_key_lines
}

prepare_nats_callout() {
    keep "$CALLOUT_KEPT" make_nats_callout
}

make_nats_callout() {
    go_build "$SOURCES/nats-callout" . ./operator github.com/nats-io/nats-server/v2
}

start_nats_callout() {
    local kept=$KEPT/$CALLOUT_KEPT
    token_keys
    render nats-callout.conf "MQTT=$(port nats-callout MQTT)" "NATS=$(port nats-callout NATS)" "STORE=$1/store" \
        "ISSUER=$("$kept/callout" -key -seed "$1/callout.seed")" >"$1/nats.conf"
    launch "$1" broker "$kept/nats-server" -c "$1/nats.conf"
    launch "$1" callout "$kept/callout" -seed "$1/callout.seed" \
        -nats "nats://callout:of-no-value@127.0.0.1:$(port nats-callout NATS)" \
        -hs256 "$TOKEN_KEYS/hs256.secret" -rs256 "$TOKEN_KEYS/rs256.pub.pem" -es256 "$TOKEN_KEYS/es256.pub.pem"
}

# A client that comes before the service is refused.
ready_nats_callout() {
    grep -q '^ready$' "$1/log"
}

# Sessions are not for the next one to find.
clean_nats_callout() {
    rm -rf "$1/store"
}
