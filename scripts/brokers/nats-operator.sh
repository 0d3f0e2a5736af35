# shellcheck shell=bash
# A NATS server in operator mode, built together with nats-callout. Sourced by scripts/broker.

NAMES+=(nats-operator)

ABOUT[nats-operator]="NATS with MQTT 3.1.1 (Go module proxy) in operator mode: tokens are user JWTs that an account has signed"
NEEDS[nats-operator]="go:golang-go"
PORTS[nats-operator]="MQTT=968 NATS=969"

lines_nats_operator() {
    echo "MQTT=mqtt://127.0.0.1:$(port nats-operator MQTT)"
    echo "ACCOUNT_SEED=$NATS_KEYS/account.nk"
    echo "SIGNING_SEED=$NATS_KEYS/signing.nk"
    echo "TOKENS=$NATS_KEYS/tokens.jsonl"
}

NATS_KEYS=$STATE/keys/nats
readonly NATS_KEYS

prepare_nats_operator() {
    prepare_nats_callout
}

# Its tokens last for an hour: they are written anew at each start.
start_nats_operator() {
    local kept=$KEPT/$CALLOUT_KEPT
    (
        umask 077
        mkdir -p "$NATS_KEYS"
        "$kept/operator" -folder "$NATS_KEYS"
        "$kept/operator" -folder "$NATS_KEYS" -tokens "$NATS_KEYS/tokens.jsonl" -count 200
    )
    render nats-operator.conf "MQTT=$(port nats-operator MQTT)" "NATS=$(port nats-operator NATS)" "STORE=$1/store" >"$1/nats.conf"
    cp "$NATS_KEYS/accounts.conf" "$1/accounts.conf"
    launch "$1" broker "$kept/nats-server" -c "$1/nats.conf"
}

# Sessions are not for the next one to find.
clean_nats_operator() {
    rm -rf "$1/store"
}
