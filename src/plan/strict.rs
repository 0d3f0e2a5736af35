//! What a broker compares claims with, by its policy and at the strictest.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    base::{clock::wall_seconds, error::Result},
    scenario::{Algorithm, Check, PolicySettings, Scenario},
    token::{
        braces::constant,
        given::Given,
        names::{CNF, Names, is_bound},
        oracle::{Bound, Expected},
        policy::Policy,
        template::Template,
    },
};

/// Longer than any token that a scenario gives its clients by chance, and shorter than the catalogue's.
const LONG_LIFE: Duration = Duration::from_hours(24 * 365 * 5);

/// How much longer than its `ttl` a token may live whose `nbf` lies ahead: a year at most, in the catalogue.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 400);

/// What a broker of this policy compares claims with.
pub fn expected(policy: &Policy, claims: &Map<String, Value>) -> Expected {
    let bound = policy.binds.iter().map(|name| {
        let is_user = claims.get(name).and_then(Value::as_str) == Some("{username}");
        (name.clone(), if is_user { Bound::Username } else { Bound::ClientId })
    });
    let text = claims.get("iss").and_then(Value::as_str);
    Expected {
        iss: text.filter(|_| policy.checks(Check::Iss)).map(meant),
        aud: if policy.checks(Check::Aud) { audience(claims.get("aud")) } else { Vec::new() },
        bound: bound.collect(),
        auth_method: None,
    }
}

/// What a broker would compare if it compared all that can be: every claim that is the client's own, too.
fn all(claims: &Map<String, Value>, names: &Names) -> Expected {
    let own = |(name, value): (&String, &Value)| {
        let bound = match value.as_str()? {
            "{client_id}" => Bound::ClientId,
            // A user name that all share is no client's own.
            "{username}" if names.username.as_ref().is_some_and(Template::is_per_client) => {
                Bound::Username
            }
            _ => return None,
        };
        Some((name.clone(), bound))
    };
    let same = |name: &str| claims.get(name).filter(|value| is_same_for_all(value));
    Expected {
        iss: same("iss").and_then(Value::as_str).map(meant),
        aud: audience(same("aud")),
        bound: claims.iter().filter_map(own).collect(),
        auth_method: names.auth_method.as_deref().map(str::to_owned),
    }
}

/// The profile `strict` for the tokens of a scenario, and what it compares their claims with: whether what a broker
/// promises is safe is judged by this.
///
/// # Errors
/// When the profile is broken, which a test rules out.
pub fn strict(
    scenario: &Scenario,
    names: &Names,
    algorithms: Vec<Algorithm>,
) -> Result<(Policy, Expected)> {
    let expected = all(&scenario.token.claims, names);
    let mut policy = Policy::resolve(
        "strict",
        std::path::Path::new("."),
        &PolicySettings::default(),
        algorithms,
    )?;
    for (check, is_there) in
        [(Check::Iss, expected.iss.is_some()), (Check::Aud, !expected.aud.is_empty())]
    {
        if is_there && !policy.checks(check) {
            policy.checks.push(check);
        }
    }
    policy.binds = expected.bound.keys().cloned().collect();
    if is_bound(&scenario.token.claims) {
        policy.checks.push(Check::Cnf);
        policy.requires.push(CNF.to_owned());
    }
    Ok((policy, expected))
}

/// A policy that looks at everything, for the oracle that examines tokens before they are sent.
///
/// # Errors
/// As [`strict`].
pub fn examiner(
    scenario: &Scenario,
    names: &Names,
    algorithms: Vec<Algorithm>,
) -> Result<(Policy, Expected)> {
    let (mut policy, expected) = strict(scenario, names, algorithms)?;
    for check in [Check::Iat, Check::Typ] {
        if !policy.checks(check) {
            policy.checks.push(check);
        }
    }
    let now = wall_seconds() as i64;
    let issued = Given::of(&scenario.token.claims)?.iat.map_or(now, |moment| moment.of(now));
    // What is issued at a given instant is older in every token that is used later.
    let age = Duration::from_secs(now.abs_diff(issued));
    policy.max_lifetime = Some(age + LONG_LIFE.max(scenario.token.ttl() + LONGEST_WAIT));
    Ok((policy, expected))
}

/// Whether a claim's value is a text, or texts, without placeholders.
pub(super) fn is_same_for_all(value: &Value) -> bool {
    match value {
        Value::String(text) => constant(text).is_some(),
        Value::Array(several) => several.iter().all(|one| one.is_string() && is_same_for_all(one)),
        _ => false,
    }
}

fn audience(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![meant(one)],
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).map(meant).collect()
        }
        _ => Vec::new(),
    }
}

/// The text that is sent; one with placeholders as it is written.
fn meant(text: &str) -> String {
    constant(text).unwrap_or_else(|| text.to_owned())
}
