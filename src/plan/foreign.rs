//! What a scenario has to say of tokens that another server issues: only what they are compared with. What mints tokens
//! does nothing there.

use serde_json::Value;

use super::issuance::is_of_others;
use crate::{
    base::error::{Error, Result},
    scenario::{Check, Scenario, TokenSource},
    token::{
        names::{Names, compile_claims},
        policy::Policy,
    },
};

/// Checks that a scenario says what the tokens of another server are compared with.
///
/// # Errors
/// When a key of `[token]` is given that does nothing there, or right values are missing: all of them at once.
pub(super) fn check(scenario: &Scenario, policy: &Policy, names: &Names) -> Result<()> {
    check_keys(scenario)?;
    let claims = &scenario.token.claims;
    compile_claims(claims, names, &[], &[])?;
    let mut missing = Vec::new();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if policy.checks(Check::Iss) && !claims.get("iss").is_some_and(is_text) {
        missing.push("`iss = \"https://...\"` (`policy.checks`)".to_owned());
    }
    let is_audience = |value: &Value| match value {
        Value::Array(several) => !several.is_empty() && several.iter().all(is_text),
        one => is_text(one),
    };
    if policy.checks(Check::Aud) && !claims.get("aud").is_some_and(is_audience) {
        missing.push("`aud = \"...\"` (`policy.checks`)".to_owned());
    }
    for name in &policy.binds {
        let template = claims.get(name).and_then(Value::as_str);
        let is_own = template
            .and_then(|text| names.text(text).ok())
            .is_some_and(|template| template.is_per_client());
        if !is_own {
            missing.push(format!(
                "`{name} = \"{{client_id}}\"`, or `\"{{username}}\"` where that is the client's own (`policy.binds`)"
            ));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the policy compares claims of the tokens, but `[token.claims]` does not say with what: {} {} missing",
        missing.join("; "),
        if missing.len() == 1 { "is" } else { "are" }
    ))
    .hint("write what is right for this server and these clients, or take the names out of `policy.checks` and `policy.binds`"))
}

/// Refuses a matrix of tokens that another server issues.
///
/// # Errors
/// When the scenario has no key of its own that could sign in its place.
pub(super) fn check_matrix(scenario: &Scenario) -> Result<()> {
    let assertion = scenario.oauth.as_ref().and_then(|oauth| oauth.private_key_jwt.as_ref());
    let has_key = scenario.keys.keys().any(|name| Some(name) != assertion);
    if !is_of_others(scenario) || has_key {
        return Ok(());
    }
    if scenario.token.source == TokenSource::File {
        return Err(Error::usage("a matrix is made of tokens that are wrong, and `token.file` has those that others made")
            .hint("let the broker trust a key of your own, and write it under `[keys]`"));
    }
    Err(Error::usage("a matrix is made of tokens that are wrong, and those can't be signed with the key of the server that `[oauth]` names")
        .hint("let the broker trust a key of your own beside the server's, and write it under `[keys]`; or bring a server along, whose keys are the run's: `[issuer]`"))
}

/// Refuses what only minting asks for.
fn check_keys(scenario: &Scenario) -> Result<()> {
    let token = &scenario.token;
    let given = [
        ("ttl", token.ttl.is_some()),
        ("key", token.key.is_some()),
        ("bytes", token.bytes.is_some()),
    ];
    let given: Vec<String> = given
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(name, _)| format!("`token.{name}`"))
        .collect();
    if given.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} {} nothing here: the server that `[oauth]` names signs the tokens, and says how long they last",
        given.join(" and "),
        if given.len() == 1 { "does" } else { "do" }
    ))
    .hint("leave it out; lifetime, key and length are set at that server. With `[issuer]` in place of `oauth.issuer`, the run's own server takes them"))
}
