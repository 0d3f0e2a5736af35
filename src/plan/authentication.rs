//! Enhanced authentication (MQTT 5.0, 4.12): whether what a scenario says of it fits together.

use std::{collections::BTreeSet, time::Duration};

use super::broker::{Broker, Make, runs};
use crate::{
    base::error::{Error, Result},
    scenario::{Algorithm, OnAnonymous, Protocol, Scenario, TokenIn, TokenSource},
    token::{carrier::token_in, key::SigningKey},
};

/// The only method that `embedded-mqtt5` knows.
const MQTT5_METHOD: &str = "JWT";

/// The Authentication Method of a scenario whose tokens are Authentication Data.
///
/// # Errors
/// When it is missing, is none, or stands beside what knows no enhanced authentication.
pub(super) fn method(
    scenario: &Scenario,
    brokers: &[Broker],
    keys: &[SigningKey],
) -> Result<Option<String>> {
    check_mqtt5(scenario, brokers, keys)?;
    let target = &scenario.target;
    let given = target.auth_method.as_deref();
    if token_in(scenario) != TokenIn::AuthData {
        return match given {
            None => Ok(None),
            Some(_) => Err(Error::usage(
                "`target.auth_method` is given, but `target.token_in` is not `auth_data`: no client would name it",
            )
            .hint("write `token_in = \"auth_data\"`, or leave `auth_method` out")),
        };
    }
    let Some(method) = given else {
        return Err(Error::usage(
            "`target.token_in` is `auth_data`, but `target.auth_method` is missing: authentication data without a method is a protocol error (MQTT 5.0, 3.1.2.11.10)",
        )
        .hint("write the name that the broker knows it by: `auth_method = \"OAUTH2-JWT\"`"));
    };
    let is_text = |c: char| !c.is_control();
    if method.is_empty() || method.len() > usize::from(u16::MAX) || !method.chars().all(is_text) {
        return Err(Error::usage(
            "`target.auth_method` has to be a text of 1 to 65535 bytes without control characters",
        ));
    }
    if target.protocol != Protocol::V5 {
        return Err(Error::usage(
            "`target.token_in` is `auth_data`, but `target.protocol` is 4: MQTT 3.1.1 has no enhanced authentication",
        )
        .hint("write `protocol = 5`"));
    }
    if let Some(broker) = brokers.iter().find(|it| it.embedded() == Some(Make::Rmqtt)) {
        return Err(Error::usage(format!(
            "`target.token_in` is `auth_data`, but `{}` takes no token by enhanced authentication",
            broker.label
        ))
        .hint("name a broker that does: `embedded-mqtt5`, or Mosquitto with the plugin of scripts/brokers"));
    }
    Ok(Some(method.to_owned()))
}

/// Refuses what the embedded broker `mqtt5` can't be asked for.
///
/// # Errors
/// With key and way out.
fn check_mqtt5(scenario: &Scenario, brokers: &[Broker], keys: &[SigningKey]) -> Result<()> {
    if !runs(brokers, Make::Mqtt5) {
        return Ok(());
    }
    if token_in(scenario) != TokenIn::AuthData {
        return Err(Error::usage(
            "`embedded-mqtt5` takes tokens by enhanced authentication alone, and these are brought in another way",
        )
        .hint("write `token_in = \"auth_data\"` and `auth_method = \"JWT\"`"));
    }
    if scenario.target.auth_method.as_deref() != Some(MQTT5_METHOD) {
        return Err(Error::usage(format!(
            "`target.auth_method` is not `{MQTT5_METHOD}`, the only one that `embedded-mqtt5` knows"
        ))
        .hint(format!("write `auth_method = \"{MQTT5_METHOD}\"`; tokens of the kind `unknown_method` name another")));
    }
    if scenario.policy.anonymous == Some(OnAnonymous::Accept) {
        return Err(Error::usage(
            "`policy.anonymous` is `accept`, and `embedded-mqtt5` lets in nobody without a token",
        )
        .hint("leave it out, or use `embedded`"));
    }
    if scenario.policy.leeway.is_some_and(|leeway| leeway < Duration::from_secs(1)) {
        return Err(Error::usage(
            "`policy.leeway` is less than a second, and `embedded-mqtt5` counts whole ones: it lets a token in for up to one",
        )
        .hint("write `leeway = \"1s\"` or more"));
    }
    if scenario.target.jwks.is_some()
        || scenario.issuer.is_some()
        || scenario.token.source == TokenSource::OAuth
    {
        return Err(Error::usage(
            "`embedded-mqtt5` takes no key set of this host: it asks for one over HTTPS by the authorities of the public web alone",
        )
        .hint("leave `[target.jwks]`, `[issuer]` and `[oauth]` out: it is told the keys of `[keys]`"));
    }
    let kids: BTreeSet<_> = keys.iter().map(|key| key.kid.as_deref()).collect();
    if keys.len() > 1 && (kids.len() < keys.len() || kids.contains(&None)) {
        return Err(Error::usage(
            "`[keys]` has several keys, and `embedded-mqtt5` tells them apart by `kid` alone: not each has one of its own",
        )
        .hint("write a `kid` for each, or leave one key"));
    }
    let knows =
        |algorithm| matches!(algorithm, Algorithm::HS256 | Algorithm::RS256 | Algorithm::ES256);
    match keys.iter().find(|key| !knows(key.algorithm)) {
        Some(key) => Err(Error::usage(format!(
            "`keys.{}.algorithm` is {}, which `embedded-mqtt5` does not know",
            key.name, key.algorithm
        ))
        .hint("it verifies HS256, RS256 and ES256")),
        None if keys.is_empty() => Err(Error::usage("`embedded-mqtt5` needs a key to verify with")
            .hint("write `[keys.main]`, with `algorithm` and `generate = true`")),
        None => Ok(()),
    }
}
