# shellcheck shell=bash
# Keycloak, from Maven Central. Sourced by scripts/broker; `scripts/issuer` is the way to it.

NAMES+=(keycloak)

ABOUT[keycloak]="Keycloak (Maven Central): realms with and without an audience, clients for each way to authenticate"
NEEDS[keycloak]="javac:default-jdk-headless mvn:maven node:nodejs curl:curl openssl:openssl"
PORTS[keycloak]="ISSUER=960 ISSUER_HTTPS=961"
# A quarter of a minute on a machine that does nothing else, over a minute beside a compiler.
READY_WITHIN[keycloak]=240

# Where scripts are tested with a version, it is this one.
KEYCLOAK_VERSION=26.7.3
# What is built in, and so can't be changed by who starts it. The last part is counted up when this changes.
KEYCLOAK_BUILD=(--db=dev-file --https-client-auth=request)
KEYCLOAK_KEPT=keycloak-$KEYCLOAK_VERSION-1

lines_keycloak() {
    local http https
    http=http://127.0.0.1:$(port keycloak ISSUER)
    https=https://localhost:$(port keycloak ISSUER_HTTPS)
    echo "ISSUER=$http/realms/storm"
    echo "ISSUER_HTTPS=$https/realms/storm"
    echo "ISSUER_WITHOUT_AUDIENCE=$http/realms/without-audience"
    echo "ISSUER_REFRESH_ONCE=$http/realms/refresh-once"
    echo "JWKS=$http/realms/storm/protocol/openid-connect/certs"
    echo "JWKS_HTTPS=$https/realms/storm/protocol/openid-connect/certs"
    client_authority_lines
    echo "CLIENT_SECRET=of-no-value-{client_id}"
    echo "SIGNING_KEY=$TOKEN_KEYS/es256.pem"
    echo "CLIENT_CERT=$TLS/client.pem"
    echo "CLIENT_KEY=$TLS/client.key"
    echo "ADMIN=$http/admin"
    echo "ADMIN_USER=admin"
    echo "ADMIN_PASSWORD=of-no-value"
}

prepare_keycloak() {
    keep "$KEYCLOAK_KEPT" make_keycloak
}

# The build writes down which features, database and so on there are; without it each start would do that.
make_keycloak() {
    maven "$MAVEN_DEPENDENCY:copy" -Dtransitive=false -DoutputDirectory="$PWD" \
        "-Dartifact=org.keycloak:keycloak-quarkus-dist:$KEYCLOAK_VERSION:zip"
    rm -rf m2
    quietly jar xf "keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip"
    rm "keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip"
    mv "keycloak-$KEYCLOAK_VERSION"/* .
    rm -r "keycloak-$KEYCLOAK_VERSION"
    quietly bash bin/kc.sh build "${KEYCLOAK_BUILD[@]}"
    rm -rf data
}

# Java itself, since kc.sh stays as its parent, whose end by SIGKILL leaves Java running. What it writes lies below its home:
# a folder of ours, with links to what is kept.
start_keycloak() {
    local home=$1/home part
    token_keys
    tls_keys
    mkdir -p "$home"
    rm -f "$home/realms"
    for part in lib providers themes conf version.txt; do
        ln -sfn "$KEPT/$KEYCLOAK_KEPT/$part" "$home/$part"
    done
    export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=of-no-value
    local java=(-Xms64m -Xmx512m "-Dkc.home.dir=$home" -Djava.net.preferIPv4Stack=true
        -Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory
        -cp "$home/lib/quarkus-run.jar")
    # With a cache of more than this process it would listen on the host's own address.
    launch "$1" broker java "${java[@]}" io.quarkus.bootstrap.runner.QuarkusEntryPoint start --optimized --cache=local \
        --http-host=127.0.0.1 --http-enabled=true "--http-port=$(port keycloak ISSUER)" \
        "--https-port=$(port keycloak ISSUER_HTTPS)" "--https-certificate-file=$TLS/server.pem" \
        "--https-certificate-key-file=$TLS/server.key" "--https-trust-store-file=$TLS/ca.pem" --hostname-strict=false
}

# The ports are open before it answers. After a `kill` what was done in the last second is not there any more, so that all is
# looked at again; what is there is left as it is.
ready_keycloak() {
    curl -sf -o /dev/null "http://127.0.0.1:$(port keycloak ISSUER)/realms/master" || return
    [[ -e $1/home/realms ]] && return
    keycloak_admin setup "$TOKEN_KEYS/es256.pub.pem" "$TLS/client.pem" >&2 8>&- 9>&- || die "the realms of keycloak could not be made"
    touch "$1/home/realms"
}

# A new key signs, and the one before is gone from the key set.
rotate_keycloak() {
    keycloak_admin rotate storm
}

keycloak_admin() {
    node "$SOURCES/keycloak.mjs" "http://127.0.0.1:$(port keycloak ISSUER)" admin of-no-value "$@"
}

# Keys and clients are not for the next one to find.
clean_keycloak() {
    rm -rf "$1/home"
}
