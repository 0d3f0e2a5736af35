# shellcheck shell=bash
# A gateway that looks at the header of a WebSocket's upgrade, in front of a Mosquitto that lets everybody in. Sourced by
# scripts/broker.

NAMES+=(gateway)

ABOUT[gateway]="HAProxy that checks \`Authorization: Bearer\` (HS256, RS256) of a WebSocket upgrade, before an anonymous Mosquitto"
NEEDS[gateway]="haproxy:haproxy mosquitto:mosquitto openssl:openssl"
PORTS[gateway]="WS=936 BEHIND=937 MQTT=938"

lines_gateway() {
    echo "WS=ws://127.0.0.1:$(port gateway WS)"
    token_key_lines
}

start_gateway() {
    token_keys
    {
        haproxy_settings http
        render gateway.cfg "WS=$(port gateway WS)" "BEHIND=$(port gateway BEHIND)" \
            "KEY=$TOKEN_KEYS/rs256.pub.pem" "SECRET=$(<"$TOKEN_KEYS/hs256.secret")"
    } >"$1/haproxy.cfg"
    {
        mosquitto_settings true
        # Mosquitto 2.0.11 does not start with a WebSocket alone.
        listener gateway MQTT 127.0.0.1
        listener gateway BEHIND 127.0.0.1 "$WEBSOCKET"
    } >"$1/mosquitto.conf"
    launch "$1" mosquitto mosquitto -c "$1/mosquitto.conf"
    launch "$1" gateway haproxy -db -f "$1/haproxy.cfg"
}
