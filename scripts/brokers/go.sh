# shellcheck shell=bash
# Programs in Go. Sourced by scripts/broker.

# What builds where the machine's Go is too old to get a newer one by itself.
GO_VERSION=1.26.8

# go_build FOLDER PACKAGE...: programs of the module in FOLDER, put into the working folder. What is downloaded and compiled on
# the way lies there too, and is gone when they are made.
go_build() {
    local go=go
    export GOMODCACHE=$PWD/go/modules GOCACHE=$PWD/go/build GOFLAGS="-modcacherw -mod=readonly -trimpath -buildvcs=false"
    export CGO_ENABLED=0
    if ! go_is_new; then
        go=$(go_toolchain)
    fi
    quietly "$go" build -C "$1" -o "$PWD/" "${@:2}"
    rm -rf go
}

# Since 1.21 Go gets the version that a module asks for.
go_is_new() {
    local version minor
    version=$(go env GOVERSION)
    minor=${version#go1.}
    minor=${minor%%[!0-9]*}
    ((minor >= 21))
}

# A newer Go, which is a module like others; an older one does not know that its programs are programs.
go_toolchain() {
    local module folder
    module=golang.org/toolchain@v0.0.1-go$GO_VERSION.$(go env GOOS)-$(go env GOARCH)
    say "getting $module, since $(command -v go) is $(go env GOVERSION)"
    (cd / && GOFLAGS=-modcacherw quietly go mod download "$module")
    folder=$GOMODCACHE/$module
    chmod +x "$folder"/bin/* "$folder"/pkg/tool/*/*
    echo "$folder/bin/go"
}
