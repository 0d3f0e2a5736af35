# shellcheck shell=bash
# HiveMQ CE, from Maven Central, with an extension of ours. Sourced by scripts/broker.

NAMES+=(hivemq)

ABOUT[hivemq]="HiveMQ CE (Maven Central) with an extension on Nimbus: tokens by enhanced authentication, or in the password"
NEEDS[hivemq]="javac:default-jdk-headless mvn:maven openssl:openssl"
PORTS[hivemq]="MQTT=970"

HIVEMQ_KEPT=hivemq-$(digest "$SOURCES/hivemq/pom.xml" "$SOURCES"/hivemq/{HiveMq,Tokens}.java)

lines_hivemq() {
    echo "MQTT=mqtt://127.0.0.1:$(port hivemq MQTT)"
    token_key_lines
}

prepare_hivemq() {
    keep "$HIVEMQ_KEPT" make_hivemq
}

make_hivemq() {
    maven -f "$SOURCES/hivemq/pom.xml" "$MAVEN_DEPENDENCY:copy-dependencies" -DoutputDirectory="$PWD/lib"
    rm -rf m2
    quietly javac -cp 'lib/*' -d classes "$SOURCES"/hivemq/{HiveMq,Tokens}.java
}

start_hivemq() {
    local kept=$KEPT/$HIVEMQ_KEPT
    token_keys
    launch "$1" broker java -Xmx512m -Djava.net.preferIPv4Stack=true -cp "$kept/classes:$kept/lib/*" HiveMq \
        "$(port hivemq MQTT)" "$1/home" "$TOKEN_KEYS"
}

ready_hivemq() {
    grep -q '^ready$' "$1/log"
}

# Sessions are not for the next one to find.
clean_hivemq() {
    rm -rf "$1/home"
}
