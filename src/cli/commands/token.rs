//! `tokenstorm token`: one token on stdout, a token taken apart, the catalogue of defects.

use std::{fmt::Write, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::say;
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Exit, Result, suggestion_of},
        host::Limits,
    },
    plan::{self, Plan, cells::Ask},
    report::style::table,
    scenario::{Mix, Overrides},
    token::{
        Bearer, FRESH, Minter, Password,
        catalogue::{all, defect, names},
    },
};

/// For whom a token is minted, and for when.
pub(super) struct MintFor {
    pub(super) client: u64,
    pub(super) turn: u32,
    /// The moment of use, in nanoseconds since 1970.
    pub(super) at: Option<i64>,
    /// When the storm started, likewise.
    pub(super) start: Option<i64>,
}

/// Mints the token of one client.
pub(super) fn mint(
    path: &Path,
    overrides: &Overrides,
    token: Option<&str>,
    MintFor { client, turn, at, start }: MintFor,
) -> Result<Exit> {
    let loaded = plan::load_of_broker(path, overrides)?;
    let mix = &loaded.scenario.mix;
    let wanted = token.or_else(|| mix.first().map(Mix::label)).unwrap_or(FRESH).to_owned();
    let limits = Limits::read();
    let again = loaded.scenario.session.iter().flat_map(|session| &session.renew_with);
    let (plan, kind) =
        if mix.iter().chain(again).any(|entry| entry.label() == wanted) {
            let plan = Plan::new(&loaded, &limits)?;
            let kind = plan.mould.kinds.iter().position(|kind| kind.label == wanted);
            (plan, kind)
        } else {
            // A kind that the mix does not have is minted as a matrix has it, promised or not.
            let others = mix.iter().map(Mix::label);
            if defect(&wanted).is_none() {
                let named: Vec<&str> = names().collect();
                let others = others.filter(|label| defect(label).is_none());
                let known = others.chain(named.iter().copied());
                return Err(Error::usage(format!("there is no token `{wanted}`"))
                    .hint(suggestion_of(&wanted, known, "tokenstorm token defects")));
            }
            let ask = Ask { only: vec![wanted.clone()], ..Ask::default() };
            let plan = Plan::matrix(&loaded, &limits, &ask)?;
            // The version of MQTT of the scenario, where it makes a difference.
            let protocol = plan.protocol;
            let kinds = &plan.mould.kinds;
            let kind = kinds
                .iter()
                .position(|kind| kind.defect.name == wanted && kind.protocol == protocol)
                .or_else(|| kinds.iter().position(|kind| kind.defect.name == wanted));
            (plan, kind)
        };
    let Some(kind) = kind else {
        let mut skipped = plan.cells.iter().flat_map(|cells| &cells.skipped);
        let own = skipped.find(|skipped| skipped.defect == wanted);
        let why = own.map_or_else(|| "it has no cell".to_owned(), |own| own.reason.to_string());
        return Err(Error::usage(format!("`{wanted}` does not apply: {why}")));
    };
    if plan.is_fetched(kind) {
        return Err(Error::usage(format!("`{wanted}` is fetched from an authorization server: it can't be minted here"))
            .hint("ask the server for one; `--set token.source=mint` mints with a key of `[keys]` instead"));
    }
    if plan.rows.is_some() {
        return Err(Error::usage(format!("`{wanted}` is a token of `token.file`: others made it"))
            .hint("look it up in the file"));
    }
    let clock = Clock::start();
    let at = at.unwrap_or_else(|| clock.wall(0));
    let mut bytes = Vec::new();
    let bearer = Bearer { client: plan.minted_as(client), turn };
    let occasion = plan.occasion(turn, at, start.unwrap_or(at));
    let (password, _) =
        Minter::new(&plan.mould)?.mint_for((kind, 0), bearer, occasion, &mut bytes)?;
    if plan.mould.names.x5t_s256.is_some() {
        crate::tell!(
            "note: `{{x5t_s256}}` is made up here: certificates of clients are made for each run, so no broker takes this token that compares them"
        );
    }
    if password == Password::Absent {
        crate::tell!("`{wanted}` brings neither user name nor password: there is nothing to print");
        return Ok(Exit::Fine);
    }
    say(&(String::from_utf8_lossy(&bytes).into_owned() + "\n"))
}

/// Takes a token apart.
pub(super) fn inspect(token: Option<&str>) -> Result<Exit> {
    let mut text = String::new();
    let token = match token {
        Some(token) if token != "-" => token.trim(),
        _ => {
            std::io::stdin()
                .take(1 << 20)
                .read_to_string(&mut text)
                .map_err(|error| Error::usage(format!("can't read a token from stdin: {error}")))?;
            text.trim()
        }
    };
    say(&taken_apart(token, Clock::start().wall(0) / SECOND as i64)?)
}

/// A token, taken apart; `now` in seconds since 1970. The signature itself is not shown: with it
/// the output would be the token again.
pub(super) fn taken_apart(token: &str, now: i64) -> Result<String> {
    // As it stands in an HTTP header (RFC 6750, 2.1).
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    let segments: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = segments[..] else {
        return Err(Error::usage(format!("a JWT has 3 segments, this has {}", segments.len()))
            .hint("give it as `header.payload.signature`"));
    };
    let decode = |name: &str, segment: &str| -> Result<Value> {
        let bytes = URL_SAFE_NO_PAD
            .decode(segment)
            .map_err(|error| Error::usage(format!("the {name} is not base64url: {error}")))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::usage(format!(
                "the {name} is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    };
    let (header, payload) = (decode("header", header)?, decode("payload", payload)?);
    let mut out = String::new();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD
        .decode(signature)
        .map_or_else(|_| "not base64url".into(), |bytes| format!("{} bytes", bytes.len()));
    // Writing to a `String` can't fail.
    let _ = writeln!(
        out,
        "header {}\nclaims {}\nsignature {bytes}, not verified",
        pretty(&header),
        pretty(&payload)
    );
    for (claim, word) in [("iat", "issued"), ("nbf", "valid from"), ("exp", "expires")] {
        if let Some(at) = payload.get(claim).and_then(Value::as_f64) {
            let date = jiff::Timestamp::from_second(at as i64)
                .map_or_else(|_| "no date".into(), |date| date.to_string());
            let distance = (at as i64).saturating_sub(now);
            let relative = match distance {
                ..0 => format!("{} s ago", distance.unsigned_abs()),
                0 => "now".to_owned(),
                _ => format!("in {distance} s"),
            };
            let _ = writeln!(out, "{word} {date}, {relative}");
        }
    }
    Ok(out)
}

pub(super) fn defects(as_json: bool) -> Result<Exit> {
    if as_json {
        let list: Vec<Value> = all()
            .map(|defect| {
                json!({
                    "name": defect.name,
                    "group": defect.group_name(),
                    "summary": defect.summary,
                    "severity": defect.severity,
                    "source": defect.source,
                    "control": defect.group.is_none(),
                    "parameters": defect.parameters,
                })
            })
            .collect();
        return say(&(Value::Array(list).to_string() + "\n"));
    }
    let rows: Vec<Vec<String>> = all()
        .map(|defect| {
            let parameters: Vec<String> = defect
                .parameters
                .iter()
                .map(|parameter| {
                    format!("{} ({}, {})", parameter.name, parameter.summary, parameter.default)
                })
                .collect();
            [
                defect.name.into(),
                defect.group_name().into(),
                defect.severity.name().into(),
                parameters.join(", "),
                defect.summary.into(),
                defect.source.into(),
            ]
            .to_vec()
        })
        .collect();
    say(&table(&["name", "group", "if accepted", "parameters", "what it is", "source"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart_without_its_signature() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!(
            "{}.{}.{}",
            encode(r#"{"alg":"HS256"}"#),
            encode(r#"{"exp":1000}"#),
            encode("secret")
        );
        insta::assert_snapshot!(taken_apart(&token, 1010).unwrap(), @r#"
        header {
          "alg": "HS256"
        }
        claims {
          "exp": 1000
        }
        signature 6 bytes, not verified
        expires 1970-01-01T00:16:40Z, 10 s ago
        "#);
        let absurd = format!("{}.{}.", encode("{}"), encode(r#"{"exp":-1e19}"#));
        assert!(
            taken_apart(&absurd, 1010)
                .unwrap()
                .contains("expires no date, 9223372036854775808 s ago")
        );
    }

    #[test]
    fn what_is_no_token_says_why() {
        assert_eq!(
            taken_apart("a.b", 0).unwrap_err().to_string(),
            "a JWT has 3 segments, this has 2"
        );
        assert!(
            taken_apart("!.e30.e30", 0)
                .unwrap_err()
                .to_string()
                .starts_with("the header is not base64url")
        );
    }
}
