# shellcheck shell=bash
# Keys that sign tokens, and a certificate authority with good and bad certificates. Sourced by scripts/broker.

TOKEN_KEYS=$STATE/keys/tokens
TLS=$STATE/keys/tls
readonly TOKEN_KEYS TLS

# What mosquitto-jwt and rabbitmq print.
token_key_lines() {
    echo "HS256_SECRET_FILE=$TOKEN_KEYS/hs256.secret"
    echo "RS256_PRIVATE_KEY=$TOKEN_KEYS/rs256.pem"
    echo "ES256_PRIVATE_KEY=$TOKEN_KEYS/es256.pem"
}

# For certificates of clients: whom to trust, and who signs theirs.
client_authority_lines() {
    echo "CA=$TLS/ca.pem"
    echo "CLIENT_CA=$TLS/ca.pem"
    echo "CLIENT_CA_KEY=$TLS/ca.key"
}

base64url() {
    base64 -w0 | tr '+/' '-_' | tr -d '='
}

# public_der NAME: the public part of a token key.
public_der() {
    openssl pkey -pubin -in "$TOKEN_KEYS/$1.pub.pem" -outform DER
}

token_keys() {
    make_once "$TOKEN_KEYS" make_token_keys
}

tls_keys() {
    make_once "$TLS" make_tls_keys
}

# make_once FOLDER FUNCTION: the folder gets its name when it is complete, so that a run that was interrupted leaves
# nothing that looks like keys, and one at a time makes it.
make_once() (
    folder=$1
    umask 077
    mkdir -p "$STATE/keys"
    exec 8>"$STATE/keys/lock"
    flock 8
    [[ -d $folder ]] && return
    rm -rf "$folder.new"
    mkdir "$folder.new"
    cd "$folder.new" || exit
    "$2"
    mv "$folder.new" "$folder"
)

# OpenSSL talks while it works; only a failure is worth reading.
openssl_quietly() {
    local output
    output=$(openssl "$@" 2>&1 8>&- 9>&-) || die "openssl $1 failed: $output"
}

make_token_keys() {
    local name
    # The secret that the scenarios name: no secret at all, and of use on loopback only. Without a line end, so that
    # it is the same for a program that trims what it reads.
    printf %s tokenstorm-hs256-secret-of-no-value >hs256.secret
    openssl_quietly genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rs256.pem
    ec_key es256.pem
    for name in rs256 es256; do
        openssl_quietly pkey -in $name.pem -pubout -out $name.pub.pem
    done
}

ec_key() {
    openssl_quietly genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$1"
}

make_tls_keys() {
    local here=DNS:localhost,IP:127.0.0.1,IP:::1
    export KEYS=$PWD SAN=$here
    mkdir issued
    : >index.txt
    echo 01 >crlnumber
    ec_key ca.key
    openssl_quietly req -config "$SOURCES/openssl.cnf" -x509 -new -key ca.key -days 10950 -extensions root -out ca.pem

    issue server server "$here"
    issue client client "$here"
    # Fixed dates, a year and more from any day on which this may run.
    issue expired server "$here" -startdate 20200101000000Z -enddate 20210101000000Z
    issue not-yet-valid server "$here" -startdate 20450101000000Z -enddate 20490101000000Z
    issue wrong-name server DNS:other.example
    issue revoked server "$here"
    authority -revoke revoked.pem
    authority -gencrl -out crl.pem

    ec_key self-signed.key
    openssl_quietly req -config "$SOURCES/openssl.cnf" -x509 -new -key self-signed.key -days 10950 -subj /CN=self-signed \
        -extensions server -out self-signed.pem
}

# issue NAME EXTENSIONS SAN [OPTION...]: a key NAME.key and its certificate NAME.pem.
issue() {
    local name=$1
    export SAN=$3
    ec_key "$name.key"
    openssl_quietly req -config "$SOURCES/openssl.cnf" -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
    authority -notext -in "$name.csr" -out "$name.pem" -extensions "$2" "${@:4}"
    rm "$name.csr"
}

authority() {
    openssl_quietly ca -config "$SOURCES/openssl.cnf" -batch "$@"
}
