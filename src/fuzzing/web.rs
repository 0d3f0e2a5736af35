//! What an authorization server answers, and the tokens that it gives.

use serde_json::Value;
use url::Url;

use super::choice;
use crate::{
    base::clock::{Clock, of_date},
    scenario::bounds,
    supply::oauth,
    token::{
        key::public::{jwk, pem_of_jwk},
        oracle::foreign::Foreign,
    },
};

/// What a value of JSON takes in memory for each byte in the token, at most: `0,` is a node of 64 bytes.
const MOST_A_BYTE: usize = 64;

/// A public key that is read is written and read again as the same.
pub(super) fn key_set(input: &[u8]) {
    let Ok(set) = serde_json::from_slice::<Value>(input) else { return };
    let keys = set["keys"].as_array().map_or(&[][..], Vec::as_slice);
    for pem in keys.iter().filter_map(pem_of_jwk) {
        // Numbers of RSA may be 0, or be written with zeros in front; once written they stay as they are.
        let again = jwk(&pem).and_then(|key| pem_of_jwk(&key));
        let settled = again.as_deref().and_then(jwk).and_then(|key| pem_of_jwk(&key));
        assert_eq!(settled, again);
    }
}

/// Whatever a document names is a place on the web.
pub(super) fn discovery(input: &[u8]) {
    let (flags, body) = choice(input);
    let Ok(asked) = Url::parse("https://idp.example/realms/a") else { return };
    let found = oauth::endpoints_in(body, &asked, flags & 1 == 1).unwrap_or_default();
    for url in found {
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{url}");
    }
}

/// Times of an answer are within bounds, and its plain form is one already.
pub(super) fn token_answer(input: &[u8]) {
    let (status, body) = choice(input);
    let status = 200 + u16::from(status) * 2;
    let Some((plain, lifetimes)) = oauth::answer_in(status, body) else { return };
    assert!(lifetimes.iter().all(|lifetime| *lifetime <= bounds::LONGEST), "{lifetimes:?}");
    let again = oauth::answer_in(status, &plain).map(|(again, _)| again).unwrap_or_default();
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
    assert!(is_same(&read(&again), &read(&plain)), "{again:?} of {plain:?}");
}

/// Whether two values say the same. Of a number with more digits than are exact the last ones are not kept.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            (one - other).abs() <= one.abs() * 1e-12
        }
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len()
                && ones.iter().zip(others).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            ones.len() == others.len()
                && ones.iter().all(|(key, one): (&String, &Value)| {
                    others.get(key).is_some_and(|other| is_same(one, other))
                })
        }
        _ => one == other,
    }
}

/// What a token says of itself takes no more memory than its length allows, and its times keep their order.
pub(super) fn token(input: &[u8]) {
    let token = Foreign::read(input);
    assert!(token.size() <= (input.len() + 2) * MOST_A_BYTE, "{} of {}", token.size(), input.len());
    let clock = Clock::start();
    let at = |name: &str| token.moment(name).map(|moment| (moment, clock.at_wall(of_date(moment))));
    if let (Some((from, starts)), Some((until, ends))) = (at("nbf"), at("exp")) {
        assert!(from > until || starts <= ends, "{from} {until}: {starts} {ends}");
    }
}
