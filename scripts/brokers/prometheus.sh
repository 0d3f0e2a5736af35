# shellcheck shell=bash
# Prometheus, which is no broker but scrapes a run that a test starts, and the strict reader of OpenMetrics. Sourced by
# scripts/broker.

NAMES+=(prometheus)

ABOUT[prometheus]="Prometheus (Debian), which scrapes one port of this host; promtool, and the Python client's OpenMetrics reader"
NEEDS[prometheus]="prometheus:prometheus promtool:prometheus python3:python3"
PORTS[prometheus]="PROMETHEUS=978"

PROMETHEUS_CLIENT=0.26.0
OPENMETRICS_KEPT=prometheus-client-$PROMETHEUS_CLIENT

# Where a run serves its metrics. It is no port of this server's own, which would be waited for.
prometheus_target() {
    echo "127.0.0.1:$((PORT_BASE + 979))"
}

lines_prometheus() {
    echo "PROMETHEUS=http://127.0.0.1:$(port prometheus PROMETHEUS)"
    echo "TARGET=$(prometheus_target)"
    echo "PYTHON=$KEPT/$OPENMETRICS_KEPT/bin/python"
}

prepare_prometheus() {
    keep "$OPENMETRICS_KEPT" make_openmetrics
}

make_openmetrics() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    quietly python3 -m venv .
    quietly bin/python -m pip install --quiet "prometheus-client==$PROMETHEUS_CLIENT"
}

start_prometheus() {
    rm -rf "$1/data"
    render prometheus.yml "TARGET=$(prometheus_target)" >"$1/prometheus.yml"
    launch "$1" broker prometheus --config.file="$1/prometheus.yml" --storage.tsdb.path="$1/data" \
        --web.listen-address="127.0.0.1:$(port prometheus PROMETHEUS)"
}

# What it scrapes is served by the test, and only now and then.
ready_prometheus() {
    grep -q 'Server is ready to receive web requests' "$1/log"
}

clean_prometheus() {
    rm -rf "$1/data"
}
