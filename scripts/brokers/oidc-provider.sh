# shellcheck shell=bash
# oidc-provider, a certified OpenID provider for Node. Sourced by scripts/broker; `scripts/issuer` is the way to it.

NAMES+=(oidc-provider)

ABOUT[oidc-provider]="An OpenID provider (npm: oidc-provider) that gives clients storm-0 to storm-499 access tokens by RS256"
NEEDS[oidc-provider]="node:nodejs npm:npm openssl:openssl"
PORTS[oidc-provider]="ISSUER=930"

# Where scripts are tested with a version, it is this one.
OIDC_PROVIDER_VERSION=9.13.3

lines_oidc_provider() {
    echo "ISSUER=http://127.0.0.1:$(port oidc-provider ISSUER)"
    echo "JWKS=http://127.0.0.1:$(port oidc-provider ISSUER)/jwks"
    echo "CLIENT_SECRET=of-no-value-{client_id}"
}

start_oidc_provider() {
    local modules=$STATE/npm
    token_keys
    if [[ $(cat "$modules/version" 2>/dev/null) != "$OIDC_PROVIDER_VERSION" ]]; then
        say "installing oidc-provider $OIDC_PROVIDER_VERSION from the npm registry"
        rm -rf "$modules"
        mkdir -p "$modules"
        npm install --prefix "$modules" --no-fund --no-audit --loglevel=error \
            "oidc-provider@$OIDC_PROVIDER_VERSION" >&2 8>&- 9>&- || die "npm could not install oidc-provider"
        echo "$OIDC_PROVIDER_VERSION" >"$modules/version"
    fi
    launch "$1" broker node "$SOURCES/oidc-provider.mjs" "$modules" "$(port oidc-provider ISSUER)" "$TOKEN_KEYS/rs256.pem"
}
