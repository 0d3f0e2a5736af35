//! What to look at when attempts fail: a line for each outcome and code that has a usual cause.

use crate::base::words::OutcomeKind;

/// The line for an outcome and its code, by their names in files.
pub fn advice(outcome: OutcomeKind, code: &str) -> Option<&'static str> {
    match outcome {
        OutcomeKind::TokenFailed => of_token(code),
        OutcomeKind::TlsFailed => of_tls(code),
        _ => of_broker(outcome, code),
    }
}

fn of_broker(outcome: OutcomeKind, code: &str) -> Option<&'static str> {
    Some(match (outcome, code) {
        (OutcomeKind::TcpFailed, "dns") => {
            "the broker's name has no address: check its spelling, and the resolver (`getent hosts NAME`)"
        }
        (OutcomeKind::TcpFailed, "ECONNREFUSED") => {
            "nothing listens at that port: is the broker up, and is the port the right one?"
        }
        (
            OutcomeKind::TcpFailed,
            "ENETUNREACH" | "EHOSTUNREACH" | "EAFNOSUPPORT" | "EADDRNOTAVAIL",
        ) => {
            "this host has no route there; for an IPv6 address: it has no IPv6. Use an address of the family that it has"
        }
        (OutcomeKind::WsFailed, "401" | "403" | "407") => {
            "the web server in front wants a login that MQTT does not carry: exempt the WebSocket's path from it, or bring the token there (`target.token_in = \"ws_header\"`)"
        }
        (OutcomeKind::WsFailed, "301" | "302" | "307" | "308") => {
            "the web server sends elsewhere: write that URL as the broker's"
        }
        (OutcomeKind::WsFailed, "404" | "200") => {
            "no WebSocket at this path: check it, `ws://host:port/mqtt` is usual (`/ws` with RabbitMQ)"
        }
        (OutcomeKind::WsFailed, "400" | "426") => {
            "the server does not take this upgrade: is it a WebSocket listener for MQTT?"
        }
        (OutcomeKind::WsFailed, "502" | "503" | "504") => {
            "the proxy in front has no broker behind it"
        }
        (OutcomeKind::WsFailed, "no_subprotocol") => {
            "the server does not speak the sub-protocol `mqtt`: is it another WebSocket service?"
        }
        (OutcomeKind::WsFailed, "unasked_extension") => {
            "the server uses an extension of WebSocket that no client asked for: turn its compression (`permessage-deflate`) off, or mend it"
        }
        (OutcomeKind::WsFailed, _) => {
            "what answers is no WebSocket server: check scheme, port and path of the broker's URL"
        }
        (OutcomeKind::Closed, _) => {
            "closed before CONNACK: a port that wants TLS (then write `mqtts://`), a version of MQTT that the broker does not speak, a broker at its limit, or one that crashes"
        }
        (OutcomeKind::ProtocolError, "tls") => {
            "the broker speaks TLS at this port: write `mqtts://` or `wss://`"
        }
        (OutcomeKind::ProtocolError, "http") => {
            "a web server listens at this port: write `ws://host:port/path`"
        }
        (OutcomeKind::ProtocolError, "flood") => {
            "the broker, or a proxy in front of it, sends without end what no client asked for: its connection was dropped"
        }
        (OutcomeKind::ProtocolError, "connack_too_long") => {
            "the broker announces a CONNACK of over 8 KB: is it one? An MQTT broker's takes some hundred bytes"
        }
        (OutcomeKind::LocalError, "no_port") => {
            "all local ports to the broker are taken: add addresses to `load.source_addresses`"
        }
        (
            OutcomeKind::LocalError,
            "client_id_too_long" | "username_too_long" | "token_too_long",
        ) => {
            "a field of CONNECT holds at most 65535 bytes (MQTT 5.0, 1.5.4): shorten `identity`, or the token's claims"
        }
        (OutcomeKind::LocalError, "unfit_token") => {
            "a token has bytes that can't stand where its template has it: `{token:url}` carries every byte"
        }
        (OutcomeKind::LocalError, "no_descriptor" | "EMFILE" | "ENFILE") => {
            "out of descriptors: `tokenstorm doctor` says how many there are and how to get more"
        }
        _ => return None,
    })
}

/// The line for a TLS handshake that failed.
fn of_tls(code: &str) -> Option<&'static str> {
    Some(match code {
        "not_tls" => {
            "what answers speaks no TLS: is this the port of plain MQTT? Then write `mqtt://` or `ws://`"
        }
        "handshake_too_long" => {
            "the broker's certificates are over 64 KB, more than is read: leave out of its chain what clients need not, the root first"
        }
        "fin" | "rst" => {
            "closed during the handshake: the port of plain MQTT (then write `mqtt://`), or a broker at its limit"
        }
        "certificate_expired" => {
            "the broker's certificate has expired: renew it, or set this host's clock right"
        }
        "certificate_not_yet_valid" => {
            "the broker's certificate is not valid yet: set the clock of this host or of the authority right"
        }
        "certificate_revoked" => {
            "the broker's certificate stands in `target.tls.crl`: give the broker a new one"
        }
        "unknown_issuer" => {
            "the broker's certificate is not signed by an authority of `target.tls.ca`, or of this host where that is not given; a self-signed one is its own authority: give it as `target.tls.ca`"
        }
        "authority_as_server" => {
            "the broker shows a certificate of an authority as its own: give that certificate itself as `target.tls.ca`, or sign one for the broker with it"
        }
        "wrong_name" => {
            "the broker's certificate is for another name: connect by that name, or give it as `target.tls.server_name`; where none fits, give the broker's certificate itself as `target.tls.ca`"
        }
        "no_names" => {
            "the broker's certificate has no name in subjectAltName, and its common name (CN) is not looked at, so no `server_name` fits: give the broker's certificate itself as `target.tls.ca`, or write `target.tls.verify = false`, or have one made with subjectAltName"
        }
        "certificate_version_1" => {
            "the broker's certificate is of X.509 version 1, as `openssl x509 -req` without `-extfile` makes it, and has no names: give the broker's certificate itself as `target.tls.ca`, or write `target.tls.verify = false`, or have one made with subjectAltName"
        }
        "revocation_list_expired" => "the list in `target.tls.crl` is out of date: get a new one",
        "alert_certificate_required"
        | "alert_handshake_failure"
        | "alert_bad_certificate"
        | "alert_no_certificate" => {
            "the broker refused the client's certificate or wants one: give `target.tls.cert` and `target.tls.key`; or no version or cipher is common"
        }
        "alert_unknown_ca"
        | "alert_certificate_unknown"
        | "alert_certificate_expired"
        | "alert_certificate_revoked"
        | "alert_access_denied" => {
            "the broker does not trust the certificate in `target.tls.cert` (or the authority in `client_ca`, if each client has its own): have it signed by an authority that the broker knows"
        }
        "alert_protocol_version" | "incompatible" => {
            "no version or cipher of TLS is common: see `target.tls.version`"
        }
        "no_application_protocol" | "alert_no_application_protocol" => {
            "the broker knows none of the protocols in `target.tls.alpn`"
        }
        _ => return None,
    })
}

/// The line for an OAuth error (RFC 6749, 5.2, and its kin), which says more than the status that it comes with; `html` is a
/// page in place of one. A server that has enough, or fails, says so by its status, whatever else it says.
pub fn of_oauth(error: &str, status: &str) -> Option<&'static str> {
    if matches!(error, "html" | "slow_down" | "other")
        && (status == "429" || status.starts_with('5'))
    {
        return of_token(status);
    }
    Some(match error {
        "invalid_client" => {
            "the client could not show who it is: check `oauth.client_id`, its secret and `oauth.client_auth`; of an assertion the key, and `oauth.assertion_audience`"
        }
        "unauthorized_client" => {
            "the server does not allow this client the grant (`oauth.grant`); Keycloak says the same of a wrong `oauth.client_secret`"
        }
        "invalid_grant" => {
            "the server does not take what the grant shows: user name and password, refresh token or code are wrong, used up, or have ended"
        }
        "invalid_scope" => "`oauth.scope` asks for what this client may not have, or is not known",
        "invalid_target" => "the server knows no such `oauth.resource` or `oauth.audience`",
        "unsupported_grant_type" => "the server does not know `oauth.grant`",
        "invalid_request" => {
            "the server misses something in the request: some clients need a certificate (`[oauth.tls]`), a proof of possession, or another `oauth.client_auth`"
        }
        "access_denied" => {
            "the server knows the client and does not let it have a token: is it, its realm or its exchange allowed?"
        }
        "authorization_pending" | "slow_down" => {
            "nobody approved the device within `load.connect_timeout`: only the built-in issuer approves by itself"
        }
        "expired_token" => "the device's code ended before anybody approved it",
        "https_port" => "the server speaks TLS at this port: write `https://`",
        "html" => "a page in place of JSON: is this the token endpoint?",
        "temporarily_unavailable" => return of_token("503"),
        "server_error" => return of_token("500"),
        "other" if status == "404" => "there is nothing at this path: is this the token endpoint?",
        "other" => {
            "no standard knows the server's word for it, which is not shown, as it may repeat a secret: it stands in the server's own log"
        }
        _ => return None,
    })
}

/// The line for a key set that an embedded broker could not fetch, by HTTP status or word.
pub fn of_key_set(code: &str) -> Option<&'static str> {
    Some(match code {
        "404" | "no_json" | "no_key_set" => {
            "there is no key set at this place: `target.jwks.url` is the `jwks_uri` of the server's discovery document"
        }
        "no_keys" => "the key set is empty: the server has no key that it shows",
        "connect" => "nothing listens at `target.jwks.url`",
        "not_tls" => {
            "what answers speaks no TLS: write `http://` in `target.jwks.url`, or the port of TLS"
        }
        "unknown_issuer" | "authority_as_server" | "bad_signature" => {
            "the certificate of the key set's server is not trusted: `target.jwks.ca` names its authority, or that certificate itself"
        }
        "wrong_name" | "no_names" => {
            "the certificate of the key set's server is for another name: write `target.jwks.url` with that name, or give that certificate itself as `target.jwks.ca`"
        }
        "certificate_expired" => "the certificate of the key set's server has expired",
        "timeout" => "no answer within `target.jwks.timeout`",
        _ => return None,
    })
}

/// The line for a token that was not given.
fn of_token(code: &str) -> Option<&'static str> {
    Some(match code {
        "401" => {
            "the authorization server does not know the client or its secret: check `oauth.client_id` and `oauth.client_secret`; is this the token endpoint?"
        }
        "400" => {
            "the authorization server refuses the request without a word: is this the token endpoint?"
        }
        "429" | "503" => {
            "the authorization server has enough: `oauth.rate` asks less often, `oauth.retries` again later"
        }
        "500" | "501" | "502" | "504" => {
            "the authorization server fails, or a proxy in front of it does not reach it: why stands in its own log"
        }
        "connect" => "nothing listens at the token endpoint",
        "broken" => {
            "the connection ended without a whole answer: does an HTTP server listen at the token endpoint?"
        }
        "unknown_issuer" | "authority_as_server" | "bad_signature" => {
            "the authorization server's certificate is not trusted, or is its own authority: `oauth.ca` names its authority, or that certificate itself; `oauth.verify = false` takes any certificate"
        }
        "certificate_expired" => {
            "the authorization server's certificate has expired: renew it, or set this host's clock right"
        }
        "certificate_not_yet_valid" => {
            "the authorization server's certificate is not valid yet: set the clock of this host or of the authority right"
        }
        "wrong_name" | "no_names" => {
            "the authorization server's certificate is for another name: write the URL with that name, or give the certificate itself as `oauth.ca`; `oauth.verify = false` takes any certificate"
        }
        "certificate_version_1" => {
            "the authorization server's certificate is of X.509 version 1, which has no names: give the certificate itself as `oauth.ca`; `oauth.verify = false` takes any certificate"
        }
        "not_tls" => "what answers speaks no TLS: write `http://`, or the port of TLS",
        "alert_certificate_required"
        | "alert_bad_certificate"
        | "alert_handshake_failure"
        | "alert_unknown_ca" => {
            "the authorization server wants a certificate of the client, or does not trust the one it has: `[oauth.tls]`"
        }
        "https_port" => "the authorization server speaks TLS at this port: write `https://`",
        "404" => "there is no token endpoint at this path",
        "403" => "the authorization server forbids it; what it forbids stands in its own log",
        "no_refresh_token" => {
            "the first answer had no refresh token: the server gives one for `password`, or where it is set to (Keycloak: `client_credentials.use_refresh_token`), or for the scope `offline_access`"
        }
        "refresh_token_used_up" => {
            "the refresh token was lost with its answer, or refused, and nothing else says how to get another: `password_env` or a secret of the client beside `grant = \"refresh_token\"` lets clients log in anew"
        }
        "no_json" => {
            "the token endpoint answers 200 with something else than a token: is it the right URL, and no login page?"
        }
        "no_access_token" => {
            "the authorization server answers with success and without the member `access_token`: is the URL that of the token endpoint? `oauth.send = \"id_token\"` sends the ID token instead"
        }
        "token_too_long" => {
            "the authorization server gives tokens of over 65535 bytes, and a field of CONNECT holds no more (MQTT 5.0, 1.5.4): let it put less into them"
        }
        "refresh_token_too_long" => {
            "the authorization server gives refresh tokens of over 65535 bytes, which are not kept: let it put less into them"
        }
        "too_much_held" => {
            "the tokens that were fetched and not sent yet take more memory than `tokenstorm doctor` counts for them (8 KiB each on average): let the server put less into them, or fetch fewer ahead (`oauth.prefetch`, `load.clients`)"
        }
        "still_valid" => {
            "the token of this client was to have ended, and will not within 10 s after all others have started: let the server issue tokens that end sooner, or storm for longer than they last"
        }
        "no_token" => {
            "the answer has no `id_token`: ask for `scope = \"openid\"`, by a grant that gives one"
        }
        "200" => {
            "the authorization server answers 200 with an error in it; summary.json `oauth.errors` has its word for it"
        }
        "301" | "302" | "303" | "307" | "308" => {
            "the token endpoint sends elsewhere, and a secret is not taken along: give the URL that it sends to as `oauth.token_endpoint`, unless that is a login page"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
