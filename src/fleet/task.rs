//! A run as an agent is told of it, and what it makes of that.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use super::message::Task;
use crate::{
    clock::Clock,
    engine::segment::Prepared,
    error::{Error, Result},
    host::Limits,
    plan::{
        Plan,
        broker::{self, Broker},
        segment::Segment,
    },
    scenario::{Held, Loaded, Scenario},
};

/// What goes to all agents alike.
#[derive(Debug)]
pub(super) struct Script {
    /// The scenario, without what is not for agents.
    pub(super) scenario: serde_json::Value,
    /// The keys, where they may travel.
    pub(super) keys: BTreeMap<String, Held>,
}

impl Script {
    /// Of a scenario as it was written, and of its plan; `is_private` says whether keys may travel.
    ///
    /// # Errors
    /// When agents would need what may not travel: names the key, and what to do.
    pub(super) fn of(written: &Scenario, plan: &Plan, is_private: bool) -> Result<Self> {
        let mut scenario = written.clone();
        // Commands are run by the coordinator, or nowhere; who is watched, and what must hold, is its matter as well.
        scenario.events.clear();
        scenario.monitor = None;
        scenario.thresholds.clear();
        if !is_private {
            check_public(&scenario)?;
        }
        let mut keys = BTreeMap::new();
        if is_private {
            for key in plan.mould.keys.iter() {
                keys.insert(key.name.clone(), key.held());
                // A `kid` that stands in a JWK does not travel with the key itself.
                if let Some(written) = scenario.keys.get_mut(&key.name) {
                    written.kid.clone_from(&key.kid);
                }
            }
            for key in scenario.keys.values_mut() {
                // It travels once, beside the scenario.
                *key = key.redacted();
            }
        }
        let scenario = serde_json::to_value(&scenario)
            .map_err(|error| Error::usage(format!("the scenario can't be sent: {error}")))?;
        Ok(Self { scenario, keys })
    }
}

/// Refuses secrets that would travel where they can be read.
fn check_public(scenario: &Scenario) -> Result<()> {
    let way_out = "use `tls://` on both sides, or let agents take the key from their own files or environment: `secret_env`, `secret_file` or `private_key`";
    for (name, key) in &scenario.keys {
        let found = match (&key.secret, key.generate) {
            (Some(_), _) => "`secret`",
            (None, true) => "`generate = true`",
            (None, false) => continue,
        };
        return Err(Error::usage(format!(
            "`keys.{name}` has {found}, which would have to reach the agents, and the way over NATS is neither TLS nor loopback"
        ))
        .hint(way_out));
    }
    if let Some(broker) = scenario.target.brokers.iter().find(|broker| broker.contains('?')) {
        let shown = broker.split('?').next().unwrap_or_default();
        return Err(Error::usage(format!(
            "`target.brokers` has `{shown}` with a query, which may hold a token, and the way over NATS is neither TLS nor loopback"
        ))
        .hint("use `tls://` on both sides"));
    }
    Ok(())
}

/// What an agent has on its own side.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// Where files that the scenario names are looked for.
    pub(super) files: &'a Path,
    /// Whether it may load what is not on its host.
    pub(super) authorized: bool,
    /// Addresses to connect from, in place of the scenario's.
    pub(super) source_addresses: &'a [std::net::IpAddr],
    pub(super) clock: Clock,
}

/// What an agent takes a run for.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) prepared: Prepared,
    pub(super) kinds: Vec<String>,
    pub(super) brokers: Vec<String>,
    pub(super) clients: u64,
    pub(super) attempts: u64,
    pub(super) warnings: Vec<String>,
    pub(super) clock: Clock,
}

/// The labels of kinds and brokers of a plan.
pub(super) fn labels(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let kinds = plan.mould.kinds.iter().map(|kind| kind.label.clone()).collect();
    (kinds, plan.brokers.iter().map(|broker| broker.label.clone()).collect())
}

/// Refuses targets and files that a scenario from elsewhere has no business with, before anything is read.
fn check_own(scenario: &Scenario, own: &Own<'_>) -> Result<()> {
    let brokers = broker::resolve(&scenario.target, &mut Vec::new())?;
    if let Some(broker) = brokers.iter().find(|broker| !broker.is_loopback())
        && !own.authorized
    {
        return Err(Error::usage(format!(
            "`{}` is not on the agent's host, and the agent was not started with `--authorized`",
            broker.label
        ))
        .hint("start agents that may load other hosts by `tokenstorm agent --authorized`"));
    }
    for (name, key) in scenario.keys.iter().filter(|(_, key)| key.held.is_none()) {
        let files = [&key.secret_file, &key.private_key, &key.jwk];
        for file in files.into_iter().flatten() {
            let is_inside = file.components().all(|part| matches!(part, Component::Normal(_)));
            if !is_inside {
                return Err(Error::usage(format!(
                    "`keys.{name}` names `{}`, which leaves the folder of the agent's files",
                    file.display()
                ))
                .hint("agents look for keys in `--files` and below: name them from there"));
            }
        }
        if key.secret_env.as_ref().is_some_and(|variable| variable.starts_with("TOKENSTORM_")) {
            return Err(Error::usage(format!(
                "`keys.{name}` names a variable of the agent's own as its secret"
            ))
            .hint("give the secret a variable of its own"));
        }
    }
    Ok(())
}

/// Plans the segment of a task, and gets it ready.
///
/// # Errors
/// When it can't be run on this host, or may not.
pub(super) fn take(task: &Task, own: &Own<'_>) -> Result<Taken> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::usage(format!("the coordinator's scenario can't be read: {why}"))
            .hint("coordinator and agents have to be of one build")
    };
    let mut scenario: Scenario =
        serde_json::from_value(task.scenario.clone()).map_err(|error| unreadable(&error))?;
    for (name, held) in &task.keys {
        let key = scenario.keys.get_mut(name).ok_or_else(|| unreadable(&"an unknown key"))?;
        *key = key.holding(held.clone());
    }
    if !own.source_addresses.is_empty() {
        scenario.load.source_addresses = own.source_addresses.to_vec();
    }
    // A coordinator has taken these out already; that no command comes over the bus does not hang on it.
    scenario.events.clear();
    (scenario.monitor, scenario.thresholds) = (None, BTreeMap::new());
    check_own(&scenario, own)?;
    // Its clock is that of the coordinator only to within that.
    scenario.target.clock_uncertainty += std::time::Duration::from_nanos(task.uncertainty);
    let loaded = Loaded { path: own.files.join("scenario.toml"), scenario, overrides: Vec::new() };
    let mut limits = Limits::read();
    limits.ports = task.ports.0..=task.ports.1;
    let plan = Plan::unchecked(&loaded, &limits)?;
    let mut warnings = plan.warnings.clone();
    if plan
        .brokers
        .iter()
        .zip(&task.embedded)
        .any(|(of, at)| Broker::is_embedded(of) != at.is_some())
    {
        return Err(unreadable(&"embedded brokers without a place"));
    }
    let segment = Segment::new(task.index, &task.weights, plan.mould.seed, plan.reuse)?;
    let plan = plan.segment(segment, &limits)?;
    plan.budget.check(plan.load())?;
    let (kinds, brokers) = labels(&plan);
    let (clients, attempts) = (plan.clients, plan.attempts);
    let clock = own.clock.following(task.ahead);
    let prepared = Prepared::new(plan, clock, limits, &task.embedded)?;
    warnings.extend(prepared.warnings());
    Ok(Taken { prepared, kinds, brokers, clients, attempts, warnings, clock })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, parse};

    #[test]
    fn the_kid_of_a_jwk_travels_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/ec256.jwk.json");
        let mut jwk: serde_json::Value =
            serde_json::from_slice(&std::fs::read(own).unwrap()).unwrap();
        jwk["kid"] = "of-the-file".into();
        std::fs::write(folder.path().join("file.jwk"), jwk.to_string()).unwrap();
        let text = "name = \"a\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [[mix]]\ntoken = \"fresh\"\nshare = 1\n[keys.main]\nalgorithm = \"ES256\"\njwk = \"file.jwk\"\n";
        let scenario = parse(text, &Overrides::default()).unwrap();
        let path = folder.path().join("scenario.toml");
        let loaded = Loaded { path, scenario, overrides: Vec::new() };
        let plan = Plan::unchecked(&loaded, &Limits::read()).unwrap();
        let script = Script::of(&loaded.scenario, &plan, true).unwrap();
        assert_eq!(script.scenario["keys"]["main"]["kid"], "of-the-file");
        assert!(script.keys.contains_key("main"));
    }
}
