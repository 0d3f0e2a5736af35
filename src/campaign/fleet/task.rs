//! A run as an agent is told of it, and what it makes of that.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use serde_json::Value;

use super::{
    guard::{self, Own},
    marks::{self, Marks},
    message::{Ready, Task},
    name::Name,
};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
        host::{
            Limits,
            reading::{LONGEST_TEXT, read},
        },
        tls::settings::TlsFiles,
    },
    campaign::labels,
    engine::segment::Prepared,
    plan::{Plan, segment::Segment},
    scenario::{Deed, Held, Loaded, Scenario},
    token::policy::{is_built_in, profile_settings},
};

/// What goes to all agents alike.
#[derive(Debug)]
pub(super) struct Script {
    /// The scenario, without what is not for agents.
    pub(super) scenario: Value,
    /// The keys, where they may travel.
    pub(super) keys: BTreeMap<String, Held>,
    /// What is in the file that `target.profile` names.
    pub(super) promise: Option<Value>,
    /// What is in the files of `[target.tls]`, where it may travel.
    pub(super) tls: Option<TlsFiles>,
    /// What the run signs with and trusts.
    pub(super) marks: Marks,
}

impl Script {
    /// Of a scenario as it was written, and of its plan; `is_private` says whether keys may travel.
    ///
    /// # Errors
    /// When agents would need what may not travel: names the key, and what to do.
    pub(super) fn of(
        written: &Scenario,
        plan: &Plan,
        is_private: bool,
        run: &Name,
    ) -> Result<Self> {
        let mut scenario = written.clone();
        // Commands are run by the coordinator, or nowhere; who is watched, and what must hold, is its matter as well.
        // What happens to clients happens where they are driven.
        scenario.events.retain(|event| event.r#do == Deed::DropClients);
        scenario.monitor = None;
        scenario.thresholds.clear();
        let base = plan.path.parent().unwrap_or_else(|| Path::new(""));
        let promise = match scenario.target.profile.as_deref() {
            Some(profile) if !is_built_in(profile) => {
                Some(sent(&profile_settings(profile, base)?.1)?)
            }
            _ => None,
        };
        if !is_private {
            check_public(&scenario)?;
        }
        let tls = tls_files(&mut scenario, base)?;
        let marks = marks::of(&plan.mould.keys, tls.as_ref(), run);
        let tls = tls.filter(|_| is_private);
        let mut keys = BTreeMap::new();
        if is_private {
            let carriers = plan.mould.names.carriers.as_ref();
            let countersigns = carriers.and_then(|it| it.countersigned.as_ref()).map(|it| &*it.key);
            for key in plan.mould.keys.iter().chain(countersigns) {
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
        Ok(Self { scenario: sent(&scenario)?, keys, promise, tls, marks })
    }
}

/// A part of a scenario as it goes over the bus: without what it does not give.
fn sent(part: &impl Serialize) -> Result<Value> {
    let mut value = serde_json::to_value(part)
        .map_err(|error| Error::usage(format!("the scenario can't be sent: {error}")))?;
    drop_nulls(&mut value);
    Ok(value)
}

/// In TOML there are none: each stands for a key that was not given.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What is in the files of `[target.tls]`.
fn tls_files(scenario: &mut Scenario, base: &Path) -> Result<Option<TlsFiles>> {
    let Some(tls) = &mut scenario.target.tls else { return Ok(None) };
    for (key, file, held) in tls.files() {
        if let Some(file) = file {
            // The plan has read it once: one that is gone since is no matter of its form.
            let bytes = read(&base.join(file), LONGEST_TEXT).map_err(|error| {
                Error::usage(format!("`target.tls.{key}` can't be read any more: {error}"))
            })?;
            *held = Some(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(Some(std::mem::take(&mut tls.held)))
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
    let is_hidden = scenario.identity.redacted().password != scenario.identity.password;
    let ws = scenario.target.ws.as_ref().filter(|ws| ws.redacted() != **ws).map(|_| "target.ws");
    if let Some(key) = is_hidden.then_some("identity.password").or(ws) {
        return Err(Error::usage(format!(
            "`{key}` may hold a secret beside the token, and the way over NATS is neither TLS nor loopback"
        ))
        .hint("use `tls://` on both sides"));
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

/// What an agent takes a run for.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) prepared: Prepared,
    pub(super) ready: Ready,
    pub(super) clock: Clock,
}

/// Plans the segment of a task, and gets it ready.
///
/// # Errors
/// When it can't be run on this host, or may not.
pub(super) fn take(task: &Task, own: &Own<'_>, run: &Name) -> Result<Taken> {
    let mut limits = Limits::read();
    limits.ports = task.ports.0..=task.ports.1;
    let (plan, marks) = planned(task, own, &limits, run)?;
    plan.budget.check(plan.load())?;
    let mut warnings = plan.warnings.clone();
    let (kinds, brokers) = labels(&plan);
    let (clients, attempts) = (plan.clients, plan.attempts);
    let clock = own.clock.following(task.ahead);
    let prepared = Prepared::new(plan, clock, limits, &task.embedded)?;
    warnings.extend(prepared.warnings());
    let warnings = warnings.into_iter().map(Into::into).collect();
    let lead = nanoseconds(prepared.lead());
    let ready = Ready { lead, warnings, kinds, brokers, clients, attempts, marks };
    Ok(Taken { prepared, ready, clock })
}

/// The plan of the segment of a task, and the marks of what it signs with and trusts.
fn planned(task: &Task, own: &Own<'_>, limits: &Limits, run: &Name) -> Result<(Plan, Marks)> {
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
    let promise = task.promise.clone().map(serde_json::from_value).transpose();
    scenario.target.promise = promise.map_err(|error| unreadable(&error))?;
    if let (Some(tls), Some(files)) = (&mut scenario.target.tls, &task.tls) {
        tls.held = files.clone();
    }
    if !own.source_addresses.is_empty() {
        scenario.load.source_addresses = own.source_addresses.to_vec();
        scenario.load.sources_from = Some("--source-address");
    }
    guard::admit(&mut scenario, task, own)?;
    // Its clock is that of the coordinator only to within that.
    let uncertainty = std::time::Duration::from_nanos(task.uncertainty);
    let target = &mut scenario.target;
    target.clock_uncertainty = target.clock_uncertainty.saturating_add(uncertainty);
    let loaded = Loaded::new(own.files.join("scenario.toml"), scenario);
    let plan = Plan::unchecked(&loaded, limits)?;
    let tls = loaded.scenario.target.tls.as_ref().map(|tls| &tls.held);
    let marks = marks::of(&plan.mould.keys, tls, run);
    let segment = Segment::new(task.index, &task.weights, plan.mould.seed, plan.reuse)?;
    Ok((plan.segment(segment, limits)?, marks))
}

#[cfg(test)]
mod tests;
