# shellcheck shell=bash
# ejabberd with its MQTT module and JWTs. Sourced by scripts/broker.

NAMES+=(ejabberd)

ABOUT[ejabberd]="ejabberd (MQTT 3.1.1 and 5.0) that checks tokens by their jid; a key for each host: @hs256, @rs256, @es256"
NEEDS[ejabberd]="ejabberdctl:ejabberd erl:erlang-base openssl:openssl"
PORTS[ejabberd]="MQTT=983"

lines_ejabberd() {
    echo "MQTT=mqtt://127.0.0.1:$(port ejabberd MQTT)"
    token_key_lines
}

# Erlang itself, since ejabberdctl stays as its parent, and is for one user and the folders of the machine's own ejabberd. The
# node has no name, so that there is no port for other nodes, and no port mapper.
start_ejabberd() {
    local folders
    token_keys
    folders=(/usr/lib/*/ejabberd-*/ebin /usr/lib/ejabberd-*/ebin)
    folders=("${folders[@]%/*/ebin}")
    mkdir -p "$1/data"
    ejabberd_keys "$1"
    render ejabberd.yml.in "MQTT=$(port ejabberd MQTT)" "KEYS=$1" >"$1/ejabberd.yml"
    export ERL_LIBS HOME=$1/data ERL_CRASH_DUMP=/dev/null ERL_MAX_ETS_TABLES=1400
    ERL_LIBS=$(IFS=:; echo "${folders[*]}")
    export EJABBERD_CONFIG_PATH=$1/ejabberd.yml EJABBERD_LOG_PATH=$1/data/ejabberd.log
    cd "$1/data" || exit
    # Schedulers that spin while they wait would take the processor from the load generator.
    launch "$1" broker erl +K true +P 250000 +Q 65536 +sbwt none +sbwtdcpu none +sbwtdio none -noinput \
        -mnesia dir "\"$1/data/mnesia\"" -s ejabberd
}

# ejabberd_keys FOLDER: one JWK in a file for each host. What is cut out are the numbers at the end of the key in DER: the
# modulus of an RSA key of 2048 bits stands before its exponent of five bytes, a point of P-256 comes last.
ejabberd_keys() {
    local modulus x y
    printf '{"kty": "oct", "k": "%s"}\n' "$(base64url <"$TOKEN_KEYS/hs256.secret")" >"$1/hs256.jwk"
    modulus=$(public_der rs256 | tail -c 261 | head -c 256 | base64url)
    printf '{"kty": "RSA", "n": "%s", "e": "AQAB"}\n' "$modulus" >"$1/rs256.jwk"
    x=$(public_der es256 | tail -c 64 | head -c 32 | base64url)
    y=$(public_der es256 | tail -c 32 | base64url)
    printf '{"kty": "EC", "crv": "P-256", "x": "%s", "y": "%s"}\n' "$x" "$y" >"$1/es256.jwk"
}

# The port is open before the hosts are served.
ready_ejabberd() {
    grep -q 'is started in the node' "$1/log"
}

# Sessions are not for the next one to find.
clean_ejabberd() {
    rm -rf "$1/data"
}
