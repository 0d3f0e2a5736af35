//! Templates that bring tokens: whether what a scenario says of them fits together.

use std::path::Path;

use super::broker::Broker;
use crate::{
    base::{
        error::{Error, Result, showable::REDACTED},
        words::Phase,
    },
    scenario::{Algorithm, LoadMode, Scenario, TokenIn, TokenSource},
    token::{
        carrier::{Carrier, Carriers, templates, token_in},
        countersign::Countersigned,
        key::SigningKey,
        names::Names,
    },
};

/// Headers that the handshake itself has (RFC 6455, 4.1), or that would change what the request is.
const OF_THE_HANDSHAKE: [&str; 10] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-version",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-accept",
    "content-length",
    "transfer-encoding",
];

/// The templates of a scenario, compiled; `None` where it has none.
///
/// # Errors
/// When one is wrong, has no place to be, or nothing would bring the token.
pub(super) fn resolve(
    scenario: &Scenario,
    names: &Names,
    brokers: &[Broker],
    (keys, base): (&[SigningKey], &Path),
) -> Result<Option<Carriers>> {
    let all: Vec<String> = templates(scenario).collect();
    if let (Some(key), Some(written)) = (all.first(), scenario.target.token_in) {
        return Err(Error::usage(format!(
            "`{key}` holds `{{token}}`, and `target.token_in` is `{}`: the token would be brought twice",
            word(written)
        ))
        .hint("leave `token_in` out: a template takes its place"));
    }
    let mut carriers = compiled(scenario, names)?;
    check_use(scenario, brokers, &carriers)?;
    carriers.countersigned = countersigned(scenario, &carriers, keys, base)?;
    let is_empty = carriers.all().next().is_none();
    if is_empty { Ok(None) } else { Ok(Some(carriers)) }
}

/// A value of `token_in` as it is written.
fn word(token_in: TokenIn) -> &'static str {
    match token_in {
        TokenIn::Password => "password",
        TokenIn::Username => "username",
        TokenIn::AuthData => "auth_data",
        TokenIn::WsHeader => "ws_header",
        TokenIn::Template => "a template",
    }
}

fn compiled(scenario: &Scenario, names: &Names) -> Result<Carriers> {
    let identity = &scenario.identity;
    let ws = scenario.target.ws.as_ref();
    let written = |key: &str, text: &str| {
        if text.contains(REDACTED) {
            return Err(Error::usage(format!("`{key}` was taken out of this file"))
                .hint("put back what stood there"));
        }
        Carrier::compile(text, &names.placeholders()).map_err(|_| {
            Error::usage(format!(
                "`{key}` holds a brace that is no placeholder (its value is not shown)"
            ))
            .hint(format!("the placeholders here are {}; a brace that is meant as one is written twice: `{{{{`, `}}}}`", placeholders(names)))
        })
    };
    // A name is shown: it is no secret.
    let username = if names.username.is_none() {
        // It can't hold itself.
        let within = |error: Error| error.within("`identity.username`");
        Some(Carrier::compile(&identity.username, &names.placeholders()).map_err(within)?)
    } else {
        None
    };
    let password = identity.password.as_deref().map(|text| written("identity.password", text));
    let path = ws.and_then(|ws| ws.path.as_deref()).map(|text| written("target.ws.path", text));
    let path = path.transpose()?;
    if let (Some(path), Some(text)) = (&path, ws.and_then(|ws| ws.path.as_deref())) {
        check_path(path, text)?;
    }
    let mut headers = Vec::new();
    for (name, text) in ws.into_iter().flat_map(|ws| &ws.headers) {
        check_name(name)?;
        let carrier = written(&format!("target.ws.headers.{name}"), text)?;
        check_value(name, &carrier)?;
        let is_alike = |(other, _): &(String, Carrier)| other.eq_ignore_ascii_case(name);
        if headers.iter().any(is_alike) {
            return Err(Error::usage(format!("`target.ws.headers` has `{name}` twice")).hint(
                "names of headers are the same in small letters and capitals (RFC 9110, 5.1)",
            ));
        }
        headers.push((name.clone(), carrier));
    }
    if token_in(scenario) == TokenIn::WsHeader {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION)) {
            return Err(Error::usage(
                "`target.token_in` is `ws_header`, which writes the header `Authorization`, and `target.ws.headers` has one",
            )
            .hint("leave one of them out"));
        }
        headers.push((AUTHORIZATION.to_owned(), Carrier::compile("Bearer {token}", &[])?));
    }
    Ok(Carriers { username, password: password.transpose()?, path, headers, countersigned: None })
}

const AUTHORIZATION: &str = "Authorization";

/// The placeholders of a template, in words.
fn placeholders(names: &Names) -> String {
    let username = names.username.as_ref().map(|_| "`{username}`, ").unwrap_or_default();
    format!(
        "`{{n}}`, `{{client_id}}`, {username}`{{token}}`, `{{token:url}}`, `{{signature}}` and `{{signature:url}}`"
    )
}

/// Refuses what no request line can hold (RFC 9112, 3.2).
fn check_path(path: &Carrier, text: &str) -> Result<()> {
    let is_wrong = |byte: u8| !byte.is_ascii_graphic() || b"#\"<>\\^`{|}".contains(&byte);
    if path.holds_plain_signature() {
        return Err(Error::usage(
            "`target.ws.path` holds `{signature}`, whose `+` means a space to many servers",
        )
        .hint("write `{signature:url}`"));
    }
    if text.starts_with('/') && !path.has_literal(is_wrong) {
        return Ok(());
    }
    let shown = text.split('?').next().unwrap_or_default();
    Err(Error::usage(format!("`target.ws.path` is `{shown}`, which is no path of a request"))
        .hint("it begins with `/`, and what is no visible ASCII, or `#`, is percent-encoded: `/mqtt?access_token={token:url}`"))
}

/// Refuses names that no header has (RFC 9110, 5.1), and those that are not ours to write.
fn check_name(name: &str) -> Result<()> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_of_token) {
        return Err(Error::usage("`target.ws.headers` has a name that no header has (not shown)")
            .hint("write letters, digits and hyphens, such as `Authorization` (RFC 9110, 5.1)"));
    }
    if OF_THE_HANDSHAKE.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Error::usage(format!(
            "`target.ws.headers` has `{name}`, which the handshake itself writes (RFC 6455, 4.1)"
        ))
        .hint("leave it out"));
    }
    Ok(())
}

/// Refuses what no header's value holds (RFC 9110, 5.5).
fn check_value(name: &str, value: &Carrier) -> Result<()> {
    let is_wrong = |byte: u8| byte != b'\t' && byte != b' ' && !byte.is_ascii_graphic();
    if !value.has_literal(is_wrong) {
        return Ok(());
    }
    let what = if value.has_literal(|byte| matches!(byte, b'\r' | b'\n')) {
        "a line break: what follows would be a header of its own"
    } else {
        "what is no visible ASCII"
    };
    Err(Error::usage(format!("`target.ws.headers.{name}` holds {what} (its value is not shown)"))
        .hint("a client id or user name that stands in it counts: leave that out of the header, or use visible ASCII there"))
}

/// Refuses templates that nothing would be done with, or that would leave nothing to bring the token.
fn check_use(scenario: &Scenario, brokers: &[Broker], carriers: &Carriers) -> Result<()> {
    let brings = token_in(scenario);
    if brings == TokenIn::Password && carriers.password.is_some() {
        return Err(Error::usage(
            "`identity.password` holds no `{token}`, and no other template does: nothing would bring the token",
        )
        .hint("write `{token}` where the broker looks for it, or say by `target.token_in` that the token is elsewhere"));
    }
    if brings == TokenIn::Username && carriers.username.is_some() {
        return Err(Error::usage(
            "`target.token_in` is `username`, and `identity.username` holds `{signature}`: the token takes its whole place",
        )
        .hint("write `{token}` into `identity.username` too, and leave `token_in` out"));
    }
    let is_of_ws = scenario.target.ws.is_some() || brings == TokenIn::WsHeader;
    let key = if scenario.target.ws.is_some() {
        "`[target.ws]` is given"
    } else {
        "`target.token_in` is `ws_header`"
    };
    if let Some(broker) = brokers.iter().find(|broker| is_of_ws && broker.ws.is_none()) {
        return Err(Error::usage(format!(
            "{key}, but `{}` is spoken to without WebSocket",
            broker.label
        ))
        .hint("write `ws://host:port` or `wss://host:port`"));
    }
    if carriers.path.is_some() {
        let has_path = |url: &&String| {
            url.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']))
        };
        if let Some(url) = scenario.target.brokers.iter().find(has_path) {
            let shown = url.split('?').next().unwrap_or_default();
            return Err(Error::usage(format!(
                "`target.ws.path` is given, and `{shown}` has a path too"
            ))
            .hint("keep one of them"));
        }
    }
    let embedded = brokers.iter().find(|broker| broker.is_embedded() && brings.is_by_template());
    if let Some(broker) = embedded {
        return Err(Error::usage(format!(
            "the token is in {}, but `{}` looks for it in the password or the user name alone",
            if brings == TokenIn::WsHeader { "a header" } else { "a template" },
            broker.label
        ))
        .hint("name a broker that takes it there, or leave the template out"));
    }
    if scenario.load.mode == Some(LoadMode::Preconnect) && carriers.upgrade_brings_token() {
        return Err(Error::usage(
            "the upgrade to WebSocket brings the token, and `load.mode` is `preconnect`, which upgrades before it measures",
        )
        .hint("use `mode = \"open\"` or `\"closed\"`"));
    }
    Ok(())
}

impl super::Plan {
    /// The phase that is the time of a verdict on the token.
    pub fn verdict_phase(&self) -> Phase {
        if self.mould.names.upgrade_brings_token() { Phase::WsUpgrade } else { Phase::Connack }
    }
}

/// What signs tokens for templates; `None` where no template holds a signature.
///
/// # Errors
/// When the key is missing, of another algorithm, or of no use.
fn countersigned(
    scenario: &Scenario,
    carriers: &Carriers,
    keys: &[SigningKey],
    base: &Path,
) -> Result<Option<Countersigned>> {
    let holds = carriers.all().find(|(_, it)| it.holds_signature());
    let (place, name) = match (holds, &scenario.identity.signature_key) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            return Err(Error::usage(
                "`identity.signature_key` is given, but no template holds `{signature}`",
            )
            .hint("leave it out, or write `{signature}` where the broker looks for it"));
        }
        (Some((place, _)), None) => {
            return Err(Error::usage(format!(
                "`{place}` holds `{{signature}}`, but `identity.signature_key` is missing"
            ))
            .hint("name a key of `[keys]` with `algorithm = \"RS256\"`"));
        }
        (Some((place, _)), Some(name)) => (place, name),
    };
    if scenario.token.source != TokenSource::Mint {
        return Err(Error::usage(format!(
            "`{place}` holds `{{signature}}`, which is made where tokens are minted, and `token.source` is another"
        ))
        .hint("use `source = \"mint\"`, or leave the signature out"));
    }
    let Some(written) = scenario.keys.get(name) else {
        let known: Vec<String> = scenario.keys.keys().map(|key| format!("`{key}`")).collect();
        return Err(Error::usage(format!(
            "`identity.signature_key` is `{name}`, which is no key of `[keys]`"
        ))
        .hint(format!("the keys are {}", known.join(", "))));
    };
    if written.algorithm != Algorithm::RS256 {
        return Err(Error::usage(format!(
            "`identity.signature_key` is `{name}`, a key for {}, but `{{signature}}` is RSASSA-PKCS1-v1_5 with SHA-256",
            written.algorithm
        ))
        .hint("name a key with `algorithm = \"RS256\"`"));
    }
    // One that the run makes is made once.
    // One that signs tokens as well, and that the run makes, is made once.
    let signs = keys.iter().find(|key| key.name == *name);
    let held = signs.map(|key| written.holding(key.held()));
    let key = SigningKey::load(name, held.as_ref().unwrap_or(written), base)?;
    Ok(Some(Countersigned::by(key)))
}

/// Whether a key signs no tokens, but over them alone.
pub(super) fn only_countersigns(scenario: &Scenario, name: &str) -> bool {
    let again = scenario.session.iter().flat_map(|session| &session.renew_with);
    let mut used = scenario.mix.iter().chain(again).map(|entry| entry.key.as_deref());
    scenario.identity.signature_key.as_deref() == Some(name)
        && scenario.keys.len() > 1
        && scenario.token.key.as_deref() != Some(name)
        && !used.any(|key| key == Some(name))
}

#[cfg(test)]
mod tests;
