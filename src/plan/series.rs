//! The first run of a series: the scenario that is left when a sweep, a control and a search are narrowed to one run.
//!
//! Every run of a series is the first of a series that has been narrowed: what a command line can say with `--set`, so
//! that a run, or a token of it, can be had again on its own.

use std::{collections::BTreeMap, time::Duration};

use super::{
    carriers::only_countersigns,
    range::check_range,
    threshold::{Aggregate, Threshold, parts, percentile},
};
use crate::{
    base::error::{Error, Result, name_shown, showable, suggestion},
    scenario::{
        Arm, Capacity, Control, Identity, Key, LoadMode, Mix, OnAnonymous, Protocol, Scenario,
        Stage, Sweep, TokenSource, Without,
    },
    token::{FRESH, Kind, Must, carrier::holds_shown, catalogue::defect, recipe::Form},
};

/// The name of a key that a sweep makes, and its `kid`.
const SWEPT: &str = "swept";
/// In fewer seconds no order of their medians is unlikely enough for the trend test.
const LEAST_HOLD: Duration = Duration::from_secs(8);
/// Samples above a percentile from which on it means something.
const LEAST_ABOVE: f64 = 10.0;

/// Narrows a series to its first run, and gives the objectives of a search.
///
/// # Errors
/// When a value is out of range, or the series can't be run with the rest of the scenario.
pub(super) fn flatten(scenario: &mut Scenario) -> Result<BTreeMap<String, Vec<String>>> {
    if let Some(sweep) = scenario.sweep.take() {
        check_thresholds(scenario)?;
        check_sweep(&sweep).map_err(|error| error.within("`sweep`"))?;
        narrow(scenario, &sweep).map_err(|error| error.within("`sweep`"))?;
    }
    if let Some(control) = scenario.control.take() {
        if control.arms.len() > 1 {
            check_thresholds(scenario)?;
        }
        check_control(&control, scenario).map_err(|error| error.within("`control`"))?;
        arm(scenario, &control);
    }
    if let Some(capacity) = scenario.capacity.take() {
        check_capacity(&capacity, scenario).map_err(|error| error.within("`capacity`"))?;
        step(scenario, &capacity);
        return Ok(capacity.slo);
    }
    Ok(BTreeMap::new())
}

fn check_sweep(sweep: &Sweep) -> Result<()> {
    if sweep.lengths().iter().all(|length| *length == 0) {
        return Err(Error::usage("there is nothing to sweep over")
            .hint("name values, such as `algorithm = [\"HS256\", \"RS256\"]` or `bad_share = [0, 50, 100]`"));
    }
    if let Some(share) = sweep.bad_share.iter().find(|share| !(0.0..=100.0).contains(*share)) {
        return Err(Error::usage(format!(
            "`bad_share` holds {share}, but is a percentage: 0 to 100"
        )));
    }
    if let Some(version) = sweep.protocol.iter().find(|version| !matches!(version, 4 | 5)) {
        return Err(Error::usage(format!(
            "`protocol` holds {version}, but must be 4 (MQTT 3.1.1) or 5 (MQTT 5.0)"
        )));
    }
    if let Some(bits) = sweep.rsa_bits.iter().find(|bits| !matches!(bits, 2048 | 3072 | 4096)) {
        return Err(Error::usage(format!(
            "`rsa_bits` holds {bits}, but must be 2048, 3072 or 4096"
        )));
    }
    check_range("repeat", sweep.repeat, 1..=1000, "")
}

/// Applies the first value of each axis.
fn narrow(scenario: &mut Scenario, sweep: &Sweep) -> Result<()> {
    if let Some(algorithm) = sweep.algorithm.first() {
        if scenario.issuer.is_some() || scenario.token.source != TokenSource::Mint {
            return Err(Error::usage(
                "`algorithm` chooses the key that signs, but here an authorization server does",
            )
            .hint("leave `[issuer]` and `source = \"oauth\"` out of this scenario"));
        }
        let has = |key: &Key| key.algorithm == *algorithm;
        let mut signing =
            scenario.keys.iter().filter(|(name, _)| !only_countersigns(scenario, name));
        let named = signing.find(|(_, key)| has(key)).map(|(name, _)| name.clone());
        let is_all_ours =
            scenario.target.brokers.iter().all(|broker| broker.starts_with("embedded"));
        let name = match named {
            Some(name) => name,
            None if is_all_ours => {
                scenario.keys.insert(SWEPT.to_owned(), Key::made(*algorithm, SWEPT));
                SWEPT.to_owned()
            }
            None => {
                return Err(Error::usage(format!(
                    "`algorithm` holds {algorithm}, but none of `[keys]` has it"
                ))
                .hint(format!(
                    "add a key that the broker knows, with `algorithm = \"{algorithm}\"`"
                )));
            }
        };
        let again = scenario.session.iter().flat_map(|session| &session.renew_with);
        let entries: Vec<_> = scenario.mix.iter().chain(again).collect();
        let used = |key: &String| {
            *key == name
                || scenario.identity.signature_key.as_ref() == Some(key)
                || entries.iter().any(|entry| entry.key.as_ref() == Some(key))
        };
        let unused: Vec<String> = scenario.keys.keys().filter(|key| !used(key)).cloned().collect();
        for key in unused {
            scenario.keys.remove(&key);
        }
        scenario.token.key = Some(name);
    }
    if let Some(bits) = sweep.rsa_bits.first() {
        size(scenario, *bits)?;
    }
    if let Some(version) = sweep.protocol.first() {
        scenario.target.protocol = if *version == 4 { Protocol::V4 } else { Protocol::V5 };
    }
    if let Some(share) = sweep.bad_share.first() {
        let (bad, good): (Vec<_>, Vec<_>) =
            scenario.mix.iter_mut().partition(|entry| is_bad(entry));
        rescale(bad, *share, "has to be refused")?;
        rescale(good, 100.0 - share, "is good")?;
    }
    if let Some(bytes) = sweep.token_bytes.first() {
        scenario.token.bytes = Some(*bytes);
    }
    Ok(())
}

/// Gives the key that signs so many bits, if it is an RSA key.
fn size(scenario: &mut Scenario, bits: u16) -> Result<()> {
    let names: Vec<String> = scenario.keys.keys().cloned().collect();
    let name = match (&scenario.token.key, &names[..]) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(Error::usage("`rsa_bits` needs to know which key signs")
                .hint("write `key = \"main\"` under `[token]`"));
        }
    };
    let key = scenario.keys.get_mut(&name).ok_or_else(|| {
        let shown = name_shown(&name, names.iter().map(String::as_str));
        Error::usage(format!("`token.key` is {shown}, which is none of `[keys]`"))
            .hint(suggestion(&name, names.iter().map(String::as_str)))
    })?;
    if key.algorithm.family() != "RSA" {
        return Ok(());
    }
    if !key.generate {
        return Err(Error::usage(format!(
            "`rsa_bits` is given, but key `{name}` is not made for the run"
        ))
        .hint("write `generate = true` for it, or leave `rsa_bits` out"));
    }
    key.bits = Some(bits);
    Ok(())
}

/// Whether an entry brings what has to be refused, by the catalogue.
fn is_bad(entry: &Mix) -> bool {
    defect(&entry.token).is_some_and(|defect| defect.group.is_some())
}

/// Gives these entries a share of all together, in the proportion that they have.
fn rescale(entries: Vec<&mut Mix>, percent: f64, what: &str) -> Result<()> {
    let sum: f64 = entries.iter().map(|entry| entry.share).sum();
    if sum <= 0.0 && percent > 0.0 {
        return Err(Error::usage(format!(
            "`bad_share` leaves {percent} % to tokens of which none {what}"
        ))
        .hint("add such a token to the mix, such as `fresh` or `expired`"));
    }
    for entry in entries {
        entry.share = if percent > 0.0 { entry.share / sum * percent } else { 0.0 };
    }
    Ok(())
}

fn check_control(control: &Control, scenario: &Scenario) -> Result<()> {
    check_range("repeat", control.repeat, 2..=1000, "")
        .map_err(|error| error.hint("an interval needs more than one difference"))?;
    if control.arms.is_empty() {
        return Err(Error::usage("`arms` is empty")
            .hint("write `arms = [\"without\", \"reused\", \"unique\"]`"));
    }
    if scenario.capacity.is_some() {
        return Err(Error::usage("the scenario has a `[capacity]` too: these are two questions")
            .hint("leave one out"));
    }
    let kinds = scenario.mix.iter().filter(|entry| entry.share > 0.0).count();
    if kinds != 1 {
        return Err(Error::usage(format!(
            "the mix has {kinds} entries, but runs are compared by one kind of token"
        ))
        .hint("leave the one in whose cost is asked for, such as `fresh`"));
    }
    if let Some(monitor) = scenario.monitor.as_ref().filter(|_| !control.target.is_empty()) {
        if monitor.prometheus.is_some() {
            return Err(Error::usage("`target` names another broker for the runs without tokens, and `monitor.prometheus` tells of one only: their CPU would be compared with nothing")
                .hint("watch both by their processes: `[monitor] process = [\"...\"]`, or `pid` with those of both"));
        }
        if monitor.process.is_empty() && monitor.pid.len() == 1 {
            return Err(Error::usage("`target` names another broker for the runs without tokens, and `monitor.pid` one process only: its CPU would be compared with nothing")
                .hint("give the `pid`s of both brokers, or `process` with their names"));
        }
    }
    let brings = |arm| control.arms.contains(&arm);
    if control.without == Without::Password && brings(Arm::Without) {
        if control.target.is_empty() {
            return Err(Error::usage("`without` is `password`, but `target` does not say where the broker compares passwords")
                .hint("write `target = [\"mqtt://127.0.0.1:1884\"]`, or `without = \"anonymous\"`"));
        }
        if control.username.is_none() || control.password_env.is_none() {
            return Err(Error::usage(
                "`without` is `password`, but `username` or `password_env` is missing",
            )
            .hint("write `username = \"bench\"` and `password_env = \"BENCH_PASSWORD\"`"));
        }
    }
    Ok(())
}

/// Applies an arm: the only one, or else the one that is the scenario itself.
fn arm(scenario: &mut Scenario, control: &Control) {
    let arm = match control.arms[..] {
        [only] => only,
        _ => Arm::Unique,
    };
    match arm {
        Arm::Unique => {}
        Arm::Reused => scenario.token.reuse = u64::MAX / 2,
        Arm::Without => {
            let only = match control.without {
                Without::Anonymous => {
                    scenario.policy.anonymous = Some(OnAnonymous::Accept);
                    Mix::only("no_credentials", "anonymous")
                }
                Without::Password => {
                    scenario.token.password_env.clone_from(&control.password_env);
                    Mix::only(FRESH, "password")
                }
            };
            scenario.mix = vec![only];
            // They bring no token anywhere, and nothing over one.
            let (identity, target) = (&mut scenario.identity, &mut scenario.target);
            (identity.password, identity.signature_key) = (None, None);
            if holds_shown(&identity.username) {
                identity.username = Identity::default().username;
            }
            (target.ws, target.token_in, target.auth_method) = (None, None, None);
            if let Some(username) = &control.username {
                scenario.identity.username.clone_from(username);
            }
            if !control.target.is_empty() {
                scenario.target.brokers.clone_from(&control.target);
                // They were for the other ones.
                scenario.target.weights.clear();
            }
            // Nobody brings a token: nobody issues one.
            (scenario.oauth, scenario.issuer) = (None, None);
            scenario.events.clear();
            scenario.token.source = TokenSource::Mint;
            scenario.target.jwks = None;
            // They speak of tokens that do not come.
            scenario.thresholds.clear();
        }
    }
}

fn check_capacity(capacity: &Capacity, scenario: &Scenario) -> Result<()> {
    check_range("start", capacity.start, 1.0..=1e6, " a second")?;
    check_range("most", capacity.most, 1.0..=1e6, " a second")?;
    if capacity.most < capacity.start {
        return Err(Error::usage(format!(
            "`most` is {}, which is less than `start`, {}",
            capacity.most, capacity.start
        )));
    }
    if !(capacity.step > 1.0 && capacity.step <= 100.0) {
        return Err(Error::usage(format!(
            "`step` is {}, but must be above 1, and at most 100",
            capacity.step
        ))
        .hint("it is a factor: `step = 1.5`"));
    }
    check_range("precision", capacity.precision, 0.001..=0.5, "")?;
    check_range("confirm", capacity.confirm, 1..=20, "")?;
    check_range("max_steps", capacity.max_steps, 1..=1000, "")?;
    if capacity.hold < LEAST_HOLD {
        return Err(Error::usage(format!(
            "`hold` is {}, but a growth from second to second can't be told from chance in less than 8s",
            humantime::format_duration(capacity.hold)
        )));
    }
    if capacity.slo.values().all(Vec::is_empty) {
        return Err(Error::usage("`slo` is empty: nothing says when a rate is too high")
            .hint("write `slo = { connack = [\"p99 < 100ms\"], \"verdict.not_judged\" = [\"rate < 0.001\"] }`"));
    }
    let load = &scenario.load;
    let is_given = [
        (!load.stages.is_empty(), "stages"),
        (load.concurrency.is_some(), "concurrency"),
        (load.clients.is_some(), "clients"),
        (load.mode.is_some_and(|mode| mode != LoadMode::Open), "mode"),
        (load.r#for.is_some(), "for"),
        (load.wave.is_some(), "wave"),
    ];
    if let Some((_, key)) = is_given.iter().find(|(is_given, _)| *is_given) {
        return Err(Error::usage(format!(
            "`load.{key}` is given, but a search sets the rates itself"
        ))
        .hint("leave it out: `start`, `step` and `hold` say what is tried"));
    }
    Ok(())
}

/// The load of the first step.
fn step(scenario: &mut Scenario, capacity: &Capacity) {
    let load = &mut scenario.load;
    let length = capacity.warmup + hold_at(capacity, capacity.start);
    load.mode = Some(LoadMode::Open);
    load.stages = vec![Stage { rate: Some(capacity.start), ramp_to: None, r#for: length }];
    load.warmup = capacity.warmup;
    load.hold.get_or_insert(Duration::ZERO);
}

/// How long a step at this rate is measured: as long as the scenario says, or until enough samples lie above the highest
/// percentile of the objectives.
pub fn hold_at(capacity: &Capacity, rate: f64) -> Duration {
    let conditions = capacity.slo.values().flatten();
    let percent = conditions.filter_map(|condition| percentile_of(condition)).fold(0.0, f64::max);
    let needed = LEAST_ABOVE / (1.0 - percent / 100.0).max(1e-6) / rate;
    capacity.hold.max(Duration::from_secs_f64(needed.min(3600.0).ceil()))
}

fn percentile_of(condition: &str) -> Option<f64> {
    percentile(parts(condition)?.0)
}

/// Refuses thresholds on what is told of each run, and not of a sweep or a control as a whole.
fn check_thresholds(scenario: &Scenario) -> Result<()> {
    let is_of_runs =
        |metric: &&String| metric.starts_with("monitor.") || metric.starts_with("yardstick.");
    match scenario.thresholds.keys().find(is_of_runs) {
        Some(metric) => Err(Error::usage(format!(
            "`thresholds.\"{metric}\"` is told of each run, and not of all together"
        ))
        .hint(
            "`sweep.csv` and `control.csv` have it; in a scenario of one run it can be a threshold",
        )),
        None => Ok(()),
    }
}

/// Refuses objectives that a step can't have.
pub(super) fn check_slo(slo: &[Threshold]) -> Result<()> {
    for threshold in slo {
        let is_of_series =
            ["capacity.", "control."].iter().any(|of| threshold.metric.starts_with(of));
        if is_of_series {
            return Err(Error::usage(format!(
                "`capacity.slo.\"{}\"` is told of a whole search, and not of a step",
                threshold.metric
            ))
            .hint("it can be one of `[thresholds]`; bound a phase, such as `connack`"));
        }
        if threshold.aggregate == Aggregate::Max {
            return Err(Error::usage(format!(
                "`capacity.slo.\"{}\"`: `{}` hangs on a single attempt, and grows with the length of a step",
                threshold.metric, threshold.condition
            ))
            .hint("bound a percentile, such as `p99 < 100ms`"));
        }
    }
    Ok(())
}

/// Brings a password in place of tokens, where a control compares with that: bytes that are no token, and must be let in.
///
/// # Errors
/// When the variable that holds it is not set.
pub(super) fn bring_password(scenario: &Scenario, kinds: &mut [Kind]) -> Result<()> {
    let Some(name) = &scenario.token.password_env else { return Ok(()) };
    let password = std::env::var(name).map_err(|_| {
        let named = showable::variable(name);
        Error::usage(format!("`control.password_env` names {named}, which is not set"))
            .hint("it takes the name of an environment variable: `export NAME=...`, then `password_env = \"NAME\"`")
    })?;
    for kind in kinds {
        kind.recipe.form = Form::Bytes(password.clone().into_bytes().into());
        (kind.must, kind.key) = (Must::AcceptInTime, None);
        kind.later.clear();
    }
    Ok(())
}
