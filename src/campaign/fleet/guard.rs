//! What an agent takes from a coordinator, and what it does not: an order may come from whoever can write to the bus.
//!
//! Of a run an agent needs load, tokens, keys, what the brokers promise, and where they are. It opens no file that an order
//! names but in the folder of its own (`--files`), reads no variable but those that it was allowed (`--env`), connects to
//! nothing but brokers, and to none off its host unless it may (`--authorized`). All that is looked at here, before a plan is
//! made: planning and driving find nothing left to open.

use std::{
    io::ErrorKind,
    net::IpAddr,
    path::{Component, Path},
};

use super::{member::MOST_AHEAD, message::Task};
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result, showable},
        host::{
            Limits,
            loopback::is_loopback,
            reading::{LONGEST_TEXT, read_below},
        },
    },
    plan::broker::{self, Broker},
    scenario::{Deed, Held, Key, Scenario},
    token::{key::SigningKey, policy::is_built_in},
};

/// Agents of a run at most, as the command line has it.
const MOST_AGENTS: usize = 10_000;
/// The largest weight: a thousand for each of so many agents, and ten times that.
const MOST_WEIGHT: u64 = 100_000_000;
/// How uncertain a clock may be, in nanoseconds: round trips that took longer were not waited for.
const MOST_UNCERTAIN: u64 = 60 * SECOND;
/// Recorders of kinds of token at brokers, for each worker: 300 bytes each before anything is recorded.
const MOST_CELLS: usize = 250_000;
/// Threads that drive clients, where the order does not say how many.
const USUAL_WORKERS: usize = 16;
/// How long before its start an agent hears of it at most, and how long after, in nanoseconds: an hour of minting ahead, and
/// an order that had to be sent again.
const SOONEST: u64 = 3700 * SECOND;
const LATEST: u64 = 60 * SECOND;

/// What an agent has on its own side.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// Where files that the scenario names are looked for.
    pub(super) files: &'a Path,
    /// Variables of its environment that keys may be taken from.
    pub(super) variables: &'a [String],
    /// Whether it may load what is not on its host.
    pub(super) authorized: bool,
    /// Addresses to connect from, in place of the scenario's.
    pub(super) source_addresses: &'a [IpAddr],
    pub(super) clock: Clock,
}

/// Takes out of a scenario what is none of an agent's business, reads what it may read, and refuses the rest.
///
/// # Errors
/// When the order asks for more than the agent was started for: what, and which option allows it.
pub(super) fn admit(scenario: &mut Scenario, task: &Task, own: &Own<'_>) -> Result<()> {
    // A coordinator has taken these out already; that no command comes over the bus does not depend on it.
    scenario.events.retain(|event| event.r#do == Deed::DropClients);
    for event in &mut scenario.events {
        (event.command, event.broker) = (None, None);
    }
    scenario.thresholds.clear();
    scenario.monitor = None;
    (scenario.capacity, scenario.control, scenario.sweep) = (None, None, None);
    // Of a key set that embedded brokers read; none is started here.
    if let Some(jwks) = &mut scenario.target.jwks {
        jwks.ca = None;
    }
    if scenario.oauth.is_some() || scenario.issuer.is_some() {
        return Err(Error::usage(
            "the order has `[oauth]` or `[issuer]`, which agents can't share: they fetch nothing",
        )
        .hint("mint tokens, or run it without `--agents`"));
    }
    check_numbers(scenario, task, own)?;
    check_targets(scenario, task, own)?;
    scenario.target.authorized &= own.authorized;
    check_profile(scenario)?;
    for (name, key) in &mut scenario.keys {
        admit_key(name, key, own)?;
    }
    if let Some(tls) = &mut scenario.target.tls {
        for (key, file, held) in tls.files() {
            if held.is_some() {
                continue;
            }
            if let Some(file) = file {
                let bytes = read(&format!("target.tls.{key}"), file, own)?;
                *held = Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    Ok(())
}

/// The instant of a start, by the agent's clock.
///
/// # Errors
/// When it is no time at which a run can start.
pub(super) fn start(clock: Clock, at: i64) -> Result<u64> {
    let now = clock.now();
    let ahead = i128::from(at) - i128::from(clock.wall(now));
    if (-i128::from(LATEST)..=i128::from(SOONEST)).contains(&ahead) {
        return Ok((i128::from(now) + ahead).max(0) as u64);
    }
    Err(Error::not_measured("the coordinator's start is no time of this run")
        .hint("its clock was stepped, or the order came an hour too late"))
}

/// An order that no coordinator gives.
fn forged(what: &str) -> Error {
    Error::usage(format!("the order can't be followed: {what}"))
        .hint("coordinator and agents have to be of one build")
}

/// Refuses numbers that are out of any range, or would have this process make too much memory.
fn check_numbers(scenario: &Scenario, task: &Task, own: &Own<'_>) -> Result<()> {
    let weights = &task.weights;
    let is_weight = |weight: &u64| (1..=MOST_WEIGHT).contains(weight);
    if weights.len() > MOST_AGENTS || task.index >= weights.len() || !weights.iter().all(is_weight)
    {
        return Err(forged("it names no segment of a run"));
    }
    let ports = Limits::read().ports;
    let (first, last) = task.ports;
    if first > last || !ports.contains(&first) || !ports.contains(&last) {
        return Err(forged("its local ports are not among those that this host connects from"));
    }
    if task.ahead.unsigned_abs() > MOST_AHEAD || task.uncertainty > MOST_UNCERTAIN {
        return Err(forged("no clock is that far from another"));
    }
    let brokers = scenario.target.brokers.len();
    let workers = scenario.load.workers.map_or(USUAL_WORKERS, usize::from);
    let again = scenario.session.as_ref().map_or(0, |session| session.renew_with.len());
    let kinds = scenario.mix.len().saturating_add(again);
    let cells = kinds.saturating_mul(brokers).saturating_mul(workers);
    if cells > MOST_CELLS {
        return Err(forged("so many kinds of token, brokers and workers take gigabytes"));
    }
    if own.source_addresses.is_empty() && scenario.load.source_addresses.len() > MOST_AGENTS {
        return Err(forged("it has more source addresses than a host"));
    }
    Ok(())
}

/// Refuses targets that the agent may not load: whatever it would connect to, by name or by address.
fn check_targets(scenario: &Scenario, task: &Task, own: &Own<'_>) -> Result<()> {
    // That the scenario says it may load them is its author's word, and not that of this host's user.
    let mut target = scenario.target.clone();
    target.authorized = true;
    let brokers = broker::resolve(&target, &mut Vec::new())?;
    let is_placed = |(of, at): (&Broker, &Option<_>)| of.is_embedded() == at.is_some();
    if brokers.len() != task.embedded.len() || !brokers.iter().zip(&task.embedded).all(is_placed) {
        return Err(forged("it has embedded brokers without a place"));
    }
    // Those that a coordinator has started listen on loopback, so that the agent need not be allowed anything.
    let mut places = task.embedded.iter().flatten();
    if let Some(away) = places.find(|at| !is_loopback(at.ip()) || at.port() == 0) {
        return Err(Error::usage(format!(
            "the order says that an embedded broker is at `{away}`, which is not on this host's loopback"
        ))
        .hint("storm brokers that all agents reach: `--target mqtt://host:port`"));
    }
    if let Some(broker) = brokers.iter().find(|broker| !broker.is_loopback())
        && !own.authorized
    {
        return Err(Error::usage(format!(
            "`{}` is not on the agent's host, and the agent was not started with `--authorized`",
            broker.label
        ))
        .hint("start agents that may load other hosts by `tokenstorm agent --authorized`"));
    }
    Ok(())
}

/// Refuses the file of a profile: what is in it comes with the order, or nothing does.
fn check_profile(scenario: &Scenario) -> Result<()> {
    let target = &scenario.target;
    match target.profile.as_deref() {
        Some(profile) if target.promise.is_none() && !is_built_in(profile) => Err(forged(
            "`target.profile` names no profile that is built in, and what is in a file comes with the order",
        )),
        _ => Ok(()),
    }
}

/// Reads the file that a key names, and refuses other sources than the agent's own.
fn admit_key(name: &str, key: &mut Key, own: &Own<'_>) -> Result<()> {
    if key.held.is_some() {
        return Ok(());
    }
    if key.generate {
        return Err(forged("each agent would make another key: made ones come with the order"));
    }
    if let Some(variable) = &key.secret_env {
        let is_allowed = own.variables.contains(variable) && !variable.starts_with("TOKENSTORM_");
        if !is_allowed {
            return Err(Error::usage(format!(
                "`keys.{name}` names {} as its secret, a variable that the agent was not allowed to read",
                showable::variable(variable)
            ))
            .hint("name it when the agent is started, `tokenstorm agent --env NAME`, or use a way to NATS over which keys travel: `tls://`"));
        }
    }
    let files =
        [("secret_file", &key.secret_file), ("private_key", &key.private_key), ("jwk", &key.jwk)];
    let named = files.into_iter().find_map(|(of, file)| Some((of, file.clone()?)));
    if let Some((of, file)) = named {
        let place = format!("keys.{name}.{of}");
        let held = Some(Held::File(read(&place, &file, own)?));
        let read = SigningKey::load(name, &Key { held, ..key.clone() }, own.files);
        let read = read.map_err(|error| {
            // For the user of this host; the words may have a part of the file in them.
            crate::tell!("error: {error}");
            Error::usage(format!(
                "`{place}` names {}, which holds no key that {} can use",
                showable::file(&file, Path::new("")),
                key.algorithm
            ))
            .hint("the agent's own log says why: what is in its files does not go over NATS")
        })?;
        key.kid.clone_from(&read.kid);
        *key = key.holding(read.held());
    }
    Ok(())
}

/// Reads a file below the agent's folder. Nothing that is in it gets into an error.
fn read(key: &str, file: &Path, own: &Own<'_>) -> Result<Vec<u8>> {
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let shown = showable::file(file, Path::new(""));
    let outside = || {
        Error::usage(format!("`{key}` names {shown}, which leaves the folder of the agent's files"))
            .hint("agents look for files in `--files` and below, and no link there leads out of it")
    };
    if !file.components().all(is_inside) {
        return Err(outside());
    }
    read_below(own.files, file, LONGEST_TEXT).map_err(|error| {
        if error.kind() == ErrorKind::CrossesDevices {
            return outside();
        }
        Error::usage(format!(
            "`{key}` names {shown}, which can't be read below the agent's `--files`: {error}"
        ))
        .hint("agents look for files in `--files` and below, regular ones only; over TLS (`tls://`) keys come from the coordinator")
    })
}

#[cfg(test)]
mod tests;
