# shellcheck shell=bash
# Apache Artemis, from Maven Central. Sourced by scripts/broker.

NAMES+=(artemis)

ABOUT[artemis]="Apache Artemis (Maven Central) with its own OIDC login module: RS256 and ES256 keys of ISSUER, audience mqtt"
NEEDS[artemis]="javac:default-jdk-headless mvn:maven"
PORTS[artemis]="MQTT=963"

ARTEMIS_KEPT=artemis-$(digest "$SOURCES/artemis/pom.xml" "$SOURCES/artemis/Artemis.java")

lines_artemis() {
    echo "MQTT=mqtt://127.0.0.1:$(port artemis MQTT)"
}

prepare_artemis() {
    keep "$ARTEMIS_KEPT" make_artemis
}

make_artemis() {
    maven -f "$SOURCES/artemis/pom.xml" "$MAVEN_DEPENDENCY:copy-dependencies" -DoutputDirectory="$PWD/lib"
    rm -rf m2
    quietly javac -cp 'lib/*' -d classes "$SOURCES/artemis/Artemis.java"
}

# The key set is fetched when the first client comes, so the issuer may start later.
start_artemis() {
    [[ -n ${ISSUER:-} ]] || die "artemis needs ISSUER, the URL whose discovery names the key set"
    local kept=$KEPT/$ARTEMIS_KEPT
    [[ ${CLOCK_SKEW:-60} =~ ^[0-9]+$ ]] || die "CLOCK_SKEW is \`$CLOCK_SKEW\`; it has to be seconds"
    artemis_settings >"$1/settings"
    launch "$1" broker java -Xmx512m -Djava.net.preferIPv4Stack=true -cp "$kept/classes:$kept/lib/*" Artemis \
        "$(port artemis MQTT)" "$ISSUER" "${CLOCK_SKEW:-60}"
}

ready_artemis() {
    grep -q '^ready$' "$1/log"
}

# One that runs with other keys is not the one that was asked for.
reuse_artemis() {
    local before now
    now=$(artemis_settings)
    before=$(cat "$1/settings" 2>/dev/null || true)
    [[ $now == "$before" ]] || die "artemis runs with $before, not $now: stop it before you start it anew"
}

artemis_settings() {
    echo "ISSUER=${ISSUER:-} CLOCK_SKEW=${CLOCK_SKEW:-60}"
}
