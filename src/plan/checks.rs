//! What a scenario may not ask for, and what its author should know.

use std::time::Duration;

use super::broker::Broker;
use crate::{
    error::{Error, Result},
    policy::Policy,
    scenario::{Load, OnAnonymous, Protocol, Scenario},
    token::braces::has_foreign,
};

/// The leeway of rmqtt's plugin: that of the library it verifies with, and up to a second more, since
/// it compares whole seconds.
const PLUGIN_LEEWAY: Duration = Duration::from_secs(61);

/// Refuses what no broker has to be known for.
pub(super) fn check(scenario: &Scenario) -> Result<()> {
    check_name(&scenario.name)?;
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
    let in_range = [
        (
            "load.connect_timeout",
            load.connect_timeout,
            Duration::from_millis(1),
            Duration::from_hours(1),
        ),
        ("load.hold", load.hold(), Duration::ZERO, year),
        ("load.warmup", load.warmup, Duration::ZERO, year),
        ("load.keep_alive", load.keep_alive, Duration::ZERO, Duration::from_secs(65_535)),
        ("token.ttl", scenario.token.ttl, Duration::from_secs(1), year * 100),
        ("target.clock_uncertainty", scenario.target.clock_uncertainty, Duration::ZERO, year),
        ("policy.leeway", scenario.policy.leeway.unwrap_or_default(), Duration::ZERO, year),
        (
            "policy.refusal_delay",
            scenario.policy.refusal_delay.unwrap_or_default(),
            Duration::ZERO,
            Duration::from_hours(1),
        ),
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

/// What the embedded broker's own plugin, where there is one, can't be told: its answers are judged all the same.
pub(super) fn warn_of_plugin(
    policy: &Policy,
    keys: usize,
    warnings: &mut Vec<String>,
    embedded: bool,
) {
    if !embedded || keys > 1 || policy.anonymous == OnAnonymous::Accept {
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
pub(super) fn warn_of_foreign(scenario: &Scenario, warnings: &mut Vec<String>) {
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

/// A key that is made for the run is told to embedded brokers only.
pub(super) fn warn_of_generated(
    scenario: &Scenario,
    brokers: &[Broker],
    published: &[usize],
    warnings: &mut Vec<String>,
) {
    // The run's own issuer tells everybody.
    let is_told = |index: &usize| published.contains(index);
    let mut keys = scenario.keys.iter().enumerate();
    let made = keys.find(|(index, (_, key))| key.generate && !is_told(index)).map(|(_, key)| key);
    let foreign = brokers.iter().find(|broker| !broker.is_embedded());
    if let (Some((name, _)), Some(broker)) = (made, foreign) {
        warnings.push(format!(
            "key `{name}` is made for this run, and `{}` can't know it: give `keys.{name}` the `secret_env`, `secret_file`, `private_key` or `jwk` that belongs to what the broker was given",
            broker.label
        ));
    }
}
