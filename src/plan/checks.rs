//! What a scenario may not ask for, and what its author should know.

use std::time::Duration;

use super::{
    broker::{Broker, Make, runs},
    fetching::{EXPIRED, STOLEN},
    issuance::{Issuance, is_foreign},
};
use crate::{
    base::error::{Error, Result},
    scenario::{Load, LoadMode, Loaded, OnAnonymous, PolicySettings, Protocol, Scenario},
    token::{
        Kind,
        braces::has_foreign,
        key::SigningKey,
        names::Names,
        policy::{Policy, leaves},
    },
};

/// Tags of a scenario, and bytes of one.
const MOST_TAGS: usize = 20;
const LONGEST_TAG: usize = 100;

/// The leeway of rmqtt's plugin: that of the library it verifies with, and up to a second more, since
/// it compares whole seconds.
const PLUGIN_LEEWAY: Duration = Duration::from_secs(61);

/// Refuses what no broker has to be known for.
pub(super) fn check(scenario: &Scenario) -> Result<()> {
    check_name(&scenario.name)?;
    check_tags(scenario)?;
    check_times(scenario)?;
    check_monitor(scenario)
}

/// Refuses a monitor that could not be asked.
fn check_monitor(scenario: &Scenario) -> Result<()> {
    let Some(monitor) = &scenario.monitor else { return Ok(()) };
    if let Some(written) = &monitor.prometheus {
        let is_web =
            url::Url::parse(written).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web {
            return Err(Error::usage(
                "`monitor.prometheus` is no URL of a web server (its value is not shown)",
            )
            .hint("write `prometheus = \"http://127.0.0.1:15692/metrics\"`"));
        }
    } else if !monitor.metrics.is_empty() {
        return Err(Error::usage(
            "`monitor.metrics` names metrics, but `monitor.prometheus` does not say where they are",
        )
        .hint("write `prometheus = \"http://127.0.0.1:15692/metrics\"`"));
    }
    if let Some(column) = ["second", "side"].iter().find(|it| monitor.metrics.contains_key(**it)) {
        return Err(Error::usage(format!(
            "`monitor.metrics.{column}` would be a column that monitor.csv has already"
        ))
        .hint(
            "give it another name; `cpu_s`, `rss_bytes`, `descriptors` and `threads` may be named",
        ));
    }
    Ok(())
}

/// Refuses tags that can't be labels of a metric.
fn check_tags(scenario: &Scenario) -> Result<()> {
    let tags = &scenario.tags;
    if tags.len() > MOST_TAGS {
        return Err(Error::usage(format!("`tags` has {} entries", tags.len()))
            .hint(format!("at most {MOST_TAGS} fit: leave some out")));
    }
    for (name, value) in tags {
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = name.starts_with(starts)
            && name.len() <= LONGEST_TAG
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || ["scenario", "run"].contains(&name.as_str()) {
            return Err(Error::usage(format!("`tags` has the name `{name}`")).hint(
                "use letters, digits and `_`, no digit first, and neither `scenario` nor `run`",
            ));
        }
        if value.len() > LONGEST_TAG || value.chars().any(char::is_control) {
            return Err(Error::usage(format!(
                "`tags.{name}` is too long, or has more than one line"
            ))
            .hint(format!("use a line of {LONGEST_TAG} bytes at most")));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(Error::usage(format!("`name` is `{name}`, which can't name a run folder"))
            .hint("use up to 100 letters, digits, `-`, `_` and `.`, not a `.` first"));
    }
    Ok(())
}

fn check_times(scenario: &Scenario) -> Result<()> {
    let load = &scenario.load;
    // The mean Gregorian year, as `humantime` has it: bounds read as `1year`.
    let year = Duration::from_hours(8766);
    let (zero, hour) = (Duration::ZERO, Duration::from_hours(1));
    let in_range = [
        ("load.connect_timeout", load.connect_timeout, Duration::from_millis(1), hour),
        ("load.hold", load.hold(), zero, year),
        ("load.warmup", load.warmup, zero, year),
        ("load.keep_alive", load.keep_alive, zero, Duration::from_secs(65_535)),
        ("token.ttl", scenario.token.ttl(), Duration::from_secs(1), year * 100),
        ("target.clock_uncertainty", scenario.target.clock_uncertainty, zero, year),
        ("policy.leeway", scenario.policy.leeway.unwrap_or_default(), zero, year),
        ("policy.refusal_delay", scenario.policy.refusal_delay.unwrap_or_default(), zero, hour),
    ];
    for (key, value, least, most) in in_range {
        if value < least || value > most {
            let shown = humantime::format_duration;
            return Err(Error::usage(format!(
                "`{key}` is {}, but must be {} to {}",
                shown(value),
                shown(least),
                shown(most)
            )));
        }
    }
    if load.keep_alive.subsec_nanos() != 0 {
        return Err(Error::usage("`load.keep_alive` must be whole seconds, as CONNECT carries it"));
    }
    if scenario.token.reuse == 0 {
        return Err(Error::usage("`token.reuse` is 0, but a token serves at least 1 connect"));
    }
    if load.workers == Some(0) || load.workers.is_some_and(|workers| workers > 256) {
        return Err(Error::usage("`load.workers` must be 1 to 256"));
    }
    Ok(())
}

/// Refuses a version that the broker does not speak: it would say nothing about tokens, and `RabbitMQ` 3.10
/// writes those of 5.0 into its log.
pub(super) fn check_protocol(protocol: Protocol, policy: &Policy) -> Result<()> {
    if policy.protocols.contains(&protocol) {
        return Ok(());
    }
    let shown = |protocol: &Protocol| u8::from(*protocol).to_string();
    let spoken = policy.protocols.iter().map(shown).collect::<Vec<_>>().join(", ");
    Err(Error::usage(format!(
        "`target.protocol` is {}, but by the profile `{}` the broker speaks {spoken}",
        shown(&protocol),
        policy.profile
    ))
    .hint("`--set target.protocol=4` is MQTT 3.1.1; where the broker speaks more, say so: `policy.protocols = [4, 5]`"))
}

/// Refuses to give up on a broker before it answers.
pub(super) fn check_delay(load: &Load, policy: &Policy) -> Result<()> {
    if load.connect_timeout > policy.refusal_delay {
        return Ok(());
    }
    let shown = humantime::format_duration;
    Err(Error::usage(format!(
        "`load.connect_timeout` is {}, but by the profile `{}` the broker delays a refusal by {}: no refusal would be seen",
        shown(load.connect_timeout),
        policy.profile,
        shown(policy.refusal_delay)
    ))
    .hint("raise `load.connect_timeout` above it"))
}

/// Says where `[policy]` goes over a profile that the command line names: who asks for a profile there wants to know what
/// is judged by another promise.
///
/// # Errors
/// When the profile can't be read.
pub(super) fn warn_of_overridden(
    loaded: &Loaded,
    policy: &Policy,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if !loaded.sets("target.profile") {
        return Ok(());
    }
    let nothing = PolicySettings::default();
    let algorithms = policy.algorithms.clone();
    let plain = Policy::resolve(&policy.profile, loaded.folder(), &nothing, algorithms)?;
    let (before, after) = (leaves(&plain.settings()), leaves(&policy.settings()));
    let written = leaves(&loaded.scenario.policy);
    let shown = |value: Option<&String>| value.map_or("not given", String::as_str).to_owned();
    let differs: Vec<String> = written
        .keys()
        .filter(|key| before.get(*key) != after.get(*key) && !loaded.sets(&format!("policy.{key}")))
        .map(|key| {
            let (is, was) = (shown(after.get(key)), shown(before.get(key)));
            format!("`{key}` is {is} in place of {was}")
        })
        .collect();
    if !differs.is_empty() {
        warnings.push(format!(
            "`[policy]` of the scenario goes over the profile `{}` that the command line names: {}. To be judged by the profile alone, take these keys out of `[policy]`",
            policy.profile,
            differs.join("; ")
        ));
    }
    Ok(())
}

/// What the embedded broker's own plugin, where there is one, can't be told: its answers are judged all the same.
pub(super) fn warn_of_plugin(
    policy: &Policy,
    keys: usize,
    warnings: &mut Vec<String>,
    brokers: &[Broker],
) {
    if !runs(brokers, Make::Rmqtt) || keys > 1 || policy.anonymous == OnAnonymous::Accept {
        return;
    }
    let ours = "; with several keys a hook of tokenstorm's verifies, which does";
    if !policy.requires.is_empty() {
        warnings.push(format!(
            "the embedded broker's own plugin can't be told to require claims{ours}"
        ));
    }
    if policy.leeway != PLUGIN_LEEWAY {
        warnings.push(format!(
            "the embedded broker's own plugin has 60s of leeway (61s by whole seconds) and can't be told another{ours}"
        ));
    }
}

/// A placeholder of ours after a `$` looks as if it were filled in.
fn warn_of_foreign(scenario: &Scenario, warnings: &mut Vec<String>) {
    let own = scenario.issuer.as_ref().and_then(|issuer| issuer.claims.as_ref());
    let claims = scenario.token.claims.iter().map(|claim| ("token.claims", claim));
    let claims = claims.chain(own.into_iter().flatten().map(|claim| ("issuer.claims", claim)));
    for (place, (name, value)) in claims {
        if has_foreign(value) {
            warnings.push(format!(
                "`{place}.{name}` holds a name in `${{...}}` that is sent as it stands, for the broker to fill in: without the `$` it would be filled in here"
            ));
        }
    }
}

/// Names keys whose secrets are shorter than their hash. They are no error: some brokers are set up with such secrets.
pub(super) fn warn_of_short(keys: &[SigningKey], warnings: &mut Vec<String>) {
    for key in keys {
        if let Some((own, least)) = key.too_short() {
            warnings.push(format!(
                "the secret of key `{}` has {own} bytes; {} asks for {least} or more (RFC 7518, 3.2): whoever sees a token may guess a short one",
                key.name, key.algorithm
            ));
        }
    }
}

/// What brokers of other makers are not told: keys that are made for the run, and what stands in place of their names.
pub(super) fn warn_of_generated(
    scenario: &Scenario,
    brokers: &[Broker],
    published: &[usize],
    warnings: &mut Vec<String>,
) {
    warn_of_foreign(scenario, warnings);
    // The run's own issuer tells everybody.
    let is_told = |index: &usize| published.contains(index);
    let assertion = scenario.oauth.as_ref().and_then(|oauth| oauth.private_key_jwt.as_deref());
    let assertion = assertion.filter(|_| is_foreign(scenario));
    let is_assertions = |name: &str| Some(name) == assertion;
    if let Some((name, _)) =
        scenario.keys.iter().find(|(name, key)| key.generate && is_assertions(name))
    {
        warnings.push(format!(
            "key `{name}` is made for this run, and the server that `[oauth]` names can't know it: give `keys.{name}` the `private_key` or `jwk` that belongs to what this client is registered with there"
        ));
    }
    let mut keys = scenario.keys.iter().enumerate().filter(|(_, (name, _))| !is_assertions(name));
    let made = keys.find(|(index, (_, key))| key.generate && !is_told(index)).map(|(_, key)| key);
    let foreign = brokers.iter().find(|broker| !broker.is_embedded());
    if let (Some((name, _)), Some(broker)) = (made, foreign) {
        warnings.push(format!(
            "key `{name}` is made for this run, and `{}` can't know it: give `keys.{name}` the `secret_env`, `secret_file`, `private_key` or `jwk` that belongs to what the broker was given",
            broker.label
        ));
    }
}

/// Refuses names that no CONNECT can hold: those of the last client are the longest.
///
/// # Errors
/// When one is longer than the 65 535 bytes of a field (MQTT 5.0, 1.5.4).
pub(super) fn check_lengths(names: &Names, attempts: u64) -> Result<()> {
    let last = attempts.saturating_sub(1);
    let username = names.username.as_ref().map(|username| ("username", username));
    for (key, template) in [("client_id", &names.client_id)].into_iter().chain(username) {
        let length = template.text(last).len();
        if length > usize::from(u16::MAX) {
            return Err(Error::usage(format!(
                "`identity.{key}` is {length} bytes long for client {last}, but a field of CONNECT holds at most 65535"
            ))
            .hint("shorten it"));
        }
    }
    Ok(())
}

/// Refuses kinds of fetched tokens that the load has no place for.
///
/// # Errors
/// When tokens have to end where nobody may wait for that, or are stolen where all clients bring one token.
pub(super) fn check_mix(
    kinds: &[Kind],
    issuance: &Issuance,
    scenario: &Scenario,
    attempts: u64,
) -> Result<()> {
    let brings = |name: &str| {
        issuance.fetching.is_some() && kinds.iter().any(|kind| kind.defect.name == name)
    };
    let waitless = match scenario.load.mode {
        Some(LoadMode::Churn) => Some("churn"),
        Some(LoadMode::Preconnect) => Some("preconnect"),
        _ => None,
    };
    if let Some(mode) = waitless.filter(|_| brings(EXPIRED)) {
        return Err(Error::usage(format!(
            "`expired` is a fetched token that its client waits for until it has ended, and `load.mode` is `{mode}`, in which no client waits"
        ))
        .hint("use `mode = \"open\"` or `\"closed\"`, or leave `expired` out of the mix"));
    }
    if brings(STOLEN) && attempts <= scenario.token.reuse {
        return Err(Error::usage(
            "`stolen` is the token of the client before, and there is no other client",
        )
        .hint("raise `load.clients`, or leave `stolen` out of the mix"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
