# shellcheck shell=bash
# Installs the generators that tokenstorm is set beside, each in a folder of its own where that is possible, and finds out
# which there are. Sourced by scripts/bench-peers, which has `say`, `die`, $peers (the folder) and `missing` (why a tool is not
# there). The versions are pinned: results name them.
# shellcheck disable=SC2154  # what scripts/bench-peers sets

LOCUST_VERSION=2.47.0
MQTT_JS_VERSION=5.16.0
MQTT_BENCHMARK_VERSION=0.2.4

# tsung and npm are packages of Debian, installed as scripts/broker does it.
declare -A NEEDS=([tsung]="tsung:tsung hostname:hostname" [npm]="node:nodejs npm:npm")
# shellcheck source=scripts/brokers/install.sh
source scripts/brokers/install.sh

# provide TOOL: false, with the reason in missing[TOOL], where it can't be had.
provide() {
    local log=$peers/install-$1.log
    if ! ("install_${1//-/_}") >"$log" 2>&1; then
        # The last line says it as a rule.
        missing[$1]="did not install here: $(tail -n 1 "$log")"
        say "$1 ${missing[$1]}"
        return 1
    fi
}

install_tokenstorm() {
    [[ -x $tokenstorm ]] || die "there is no program at $tokenstorm"
}

install_tsung() {
    install_needs tsung
}

install_locust() {
    local venv=$peers/locust
    [[ $("$venv/bin/locust" --version 2>/dev/null) == "locust $LOCUST_VERSION "* ]] && return
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    python3 -m venv --clear "$venv" && "$venv/bin/pip" install --quiet "locust[mqtt]==$LOCUST_VERSION"
}

install_mqtt_js() {
    local folder=$peers/npm
    [[ $(node -p "require('$folder/node_modules/mqtt/package.json').version" 2>/dev/null) == "$MQTT_JS_VERSION" ]] && return
    install_needs npm
    mkdir -p "$folder"
    npm install --prefix "$folder" --silent --no-fund --no-audit "mqtt@$MQTT_JS_VERSION"
}

# One compiler at a time: what else runs on the machine goes first.
install_mqtt_benchmark() {
    [[ -x $peers/cargo/bin/mqtt-benchmark ]] && grep -q "\"mqtt-benchmark $MQTT_BENCHMARK_VERSION " "$peers/cargo/.crates.toml" && return
    env -u CARGO_TARGET_DIR CARGO_BUILD_JOBS=1 \
        cargo install --quiet --locked --root "$peers/cargo" mqtt-benchmark --version "$MQTT_BENCHMARK_VERSION"
}

# version TOOL: as the page names it.
version() {
    case $1 in
    tokenstorm) printf '%s%s\n' "$("$tokenstorm" --version | head -n 1)" "$commit" ;;
    tsung) printf 'tsung %s (Debian), Erlang/OTP %s\n' "$(dpkg-query -W -f '${Version}' tsung)" \
        "$(erl -noshell -eval 'io:put_chars(erlang:system_info(otp_release)), halt().')" ;;
    locust) printf 'Locust %s, paho-mqtt %s, %s\n' "$LOCUST_VERSION" \
        "$("$peers/locust/bin/python" -c 'import importlib.metadata as m; print(m.version("paho-mqtt"))')" \
        "$("$peers/locust/bin/python" --version)" ;;
    mqtt-js) printf 'MQTT.js %s, Node.js %s\n' "$MQTT_JS_VERSION" "$(node --version)" ;;
    mqtt-benchmark) printf 'the crate mqtt-benchmark %s, %s\n' "$MQTT_BENCHMARK_VERSION" "$(rustc --version | cut -d ' ' -f 1-2)" ;;
    mosquitto) mosquitto -h | sed -n '1s/ version//p' ;;
    esac
}
