# shellcheck shell=bash
# The OpenTelemetry Collector, from Go's module proxy, which is no broker but receives what a run pushes. Sourced by
# scripts/broker.

NAMES+=(otelcol)

ABOUT[otelcol]="OpenTelemetry Collector (Go module proxy): receives OTLP over HTTP, and writes all of it into its log"
NEEDS[otelcol]="go:golang-go"
PORTS[otelcol]="OTLP=980"

OTELCOL_KEPT=otelcol-$(digest "$SOURCES"/otelcol/go.{mod,sum} "$SOURCES/otelcol/main.go")

lines_otelcol() {
    echo "OTLP=http://127.0.0.1:$(port otelcol OTLP)"
    echo "LOG=$STATE/otelcol/log"
}

prepare_otelcol() {
    keep "$OTELCOL_KEPT" make_otelcol
}

make_otelcol() {
    go_build "$SOURCES/otelcol" .
}

start_otelcol() {
    render otelcol.yml "OTLP=127.0.0.1:$(port otelcol OTLP)" >"$1/otelcol.yml"
    launch "$1" broker "$KEPT/$OTELCOL_KEPT/otelcol" --config "file:$1/otelcol.yml"
}
