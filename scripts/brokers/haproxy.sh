# shellcheck shell=bash
# HAProxy: in front of two Mosquittos, and as HTTP servers that are no brokers. Sourced by scripts/broker.

NAMES+=(haproxy haproxy-a haproxy-b http-faults)

ABOUT[haproxy]="HAProxy in front of two anonymous Mosquittos, which are haproxy-a and haproxy-b"
NEEDS[haproxy]="haproxy:haproxy"
PORTS[haproxy]="MQTT=933"
PARTS[haproxy]="haproxy-a haproxy-b"

ABOUT[haproxy-a]="the first Mosquitto behind haproxy; can be killed and started alone"
NEEDS[haproxy-a]="mosquitto:mosquitto"
PORTS[haproxy-a]="MQTT=934"

ABOUT[haproxy-b]="the second Mosquitto behind haproxy"
NEEDS[haproxy-b]="mosquitto:mosquitto"
PORTS[haproxy-b]="MQTT=935"

ABOUT[http-faults]="HTTP servers that answer a WebSocket handshake with 401, 301 and a page"
NEEDS[http-faults]="haproxy:haproxy"
PORTS[http-faults]="UNAUTHORIZED=941 MOVED=942 HTML=943"

lines_haproxy() {
    echo "MQTT=mqtt://127.0.0.1:$(port haproxy MQTT)"
    echo "A=mqtt://127.0.0.1:$(port haproxy-a MQTT)"
    echo "B=mqtt://127.0.0.1:$(port haproxy-b MQTT)"
}

start_haproxy() {
    {
        haproxy_settings tcp
        echo
        echo "listen mqtt"
        echo "    bind 127.0.0.1:$(port haproxy MQTT)"
        echo "    balance roundrobin"
        # Clients that come between a broker's end and its discovery are sent to the other one.
        echo "    option redispatch 1"
        # A broker that died is noticed soon, and its clients are told: a half-open session would say nothing.
        echo "    default-server check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions"
        echo "    server a 127.0.0.1:$(port haproxy-a MQTT)"
        echo "    server b 127.0.0.1:$(port haproxy-b MQTT)"
    } >"$1/haproxy.cfg"
    launch "$1" broker haproxy -db -f "$1/haproxy.cfg"
}

lines_haproxy_a() {
    echo "MQTT=mqtt://127.0.0.1:$(port haproxy-a MQTT)"
}

start_haproxy_a() {
    start_anonymous haproxy-a "$1"
}

lines_haproxy_b() {
    echo "MQTT=mqtt://127.0.0.1:$(port haproxy-b MQTT)"
}

start_haproxy_b() {
    start_anonymous haproxy-b "$1"
}

# start_anonymous NAME FOLDER
start_anonymous() {
    {
        mosquitto_settings true
        listener "$1" MQTT 127.0.0.1
    } >"$2/mosquitto.conf"
    launch "$2" broker mosquitto -c "$2/mosquitto.conf"
}

lines_http_faults() {
    local key
    for key in $(port_keys http-faults); do
        echo "$key=ws://127.0.0.1:$(port http-faults "$key")/mqtt"
    done
}

start_http_faults() {
    {
        haproxy_settings http
        http_fault UNAUTHORIZED 'return status 401 content-type text/plain string "no token" hdr WWW-Authenticate Bearer'
        http_fault MOVED 'redirect location http://127.0.0.1:1/elsewhere code 301'
        http_fault HTML 'return status 200 content-type text/html string "<!doctype html><title>It works</title><p>It works"'
    } >"$1/haproxy.cfg"
    launch "$1" broker haproxy -db -f "$1/haproxy.cfg"
}

# http_fault KEY ACTION
http_fault() {
    echo
    echo "frontend ${1,,}"
    echo "    bind 127.0.0.1:$(port http-faults "$1")"
    echo "    http-request $2"
}

# haproxy_settings MODE: every connection takes two descriptors, and HAProxy does not start with fewer than it may need.
haproxy_settings() {
    render haproxy.cfg "MODE=$1" "MAXCONN=$((($(ulimit -Sn) - 100) / 2))"
}
