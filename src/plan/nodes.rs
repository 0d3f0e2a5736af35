//! What happens to brokers while the storm goes on: `stop_broker` and `start_broker` of `[[events]]`.

use std::time::Duration;

use super::{Model, broker::Broker, issuance::comes_late};
use crate::{
    base::error::{Error, Result, suggestion},
    scenario::{Deed, Event, Load, Scenario},
};

/// A broker is stopped, or started again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeEvent {
    /// When, after the start of the storm.
    pub at: Duration,
    /// Index of the broker.
    pub broker: usize,
    /// Whether it is started, and not stopped.
    pub starts: bool,
    /// What does it; `None` for an embedded broker, which the run stops and starts itself.
    pub command: Option<String>,
}

impl NodeEvent {
    /// Its name in files.
    pub fn name(&self) -> &'static str {
        if self.starts { Deed::StartBroker.name() } else { Deed::StopBroker.name() }
    }
}

/// The events of brokers, by time; those that can't happen within the storm get a warning.
///
/// # Errors
/// When a broker is unknown, what does it is missing, or one is stopped that is stopped already.
pub(super) fn resolve(
    scenario: &Scenario,
    brokers: &[Broker],
    model: &Model,
    warnings: &mut Vec<String>,
) -> Result<Vec<NodeEvent>> {
    let events = resolve_all(&scenario.events, brokers)?;
    warn_of(&events, brokers, model, &scenario.load, warnings);
    Ok(events)
}

fn resolve_all(events: &[Event], brokers: &[Broker]) -> Result<Vec<NodeEvent>> {
    let mut own: Vec<(usize, &Event)> =
        events.iter().enumerate().filter(|(_, event)| event.r#do.is_of_broker()).collect();
    own.sort_by_key(|(_, event)| event.at);
    let mut found: Vec<NodeEvent> = Vec::new();
    for (index, event) in own {
        let place = || format!("`events[{index}]`");
        let event = resolve_one(event, brokers).map_err(|error| error.within(place()))?;
        let before = found.iter().rev().find(|earlier| earlier.broker == event.broker);
        check_order(&event, before, brokers).map_err(|error| error.within(place()))?;
        found.push(event);
    }
    Ok(found)
}

fn resolve_one(event: &Event, brokers: &[Broker]) -> Result<NodeEvent> {
    let deed = event.r#do.name();
    if let Some(key) = event.parameters().find(|key| !matches!(*key, "broker" | "command")) {
        return Err(Error::usage(format!("`{key}` says nothing to `{deed}` here"))
            .hint("`stop_broker` and `start_broker` know `at`, `broker` and `command`; a broker comes back by a `start_broker` of its own"));
    }
    // The query of a URL may hold a token: labels have none.
    let label = |name: &str| name.split('?').next().unwrap_or_default().to_owned();
    let labels = || brokers.iter().map(|broker| broker.label.as_str());
    let all = || labels().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    let Some(name) = event.broker.as_deref().map(label) else {
        return Err(Error::usage(format!("`{deed}` needs `broker`, the one that it is done to"))
            .hint(format!("the brokers are {}", all())));
    };
    let Some(broker) = labels().position(|label| label == name) else {
        // What is no broker may be a URL with a password in it.
        let shown = if name.contains('@') { "a URL".to_owned() } else { format!("`{name}`") };
        return Err(Error::usage(format!(
            "`broker` is {shown}, which is none of `target.brokers`: {}",
            all()
        ))
        .hint(suggestion(&name, labels())));
    };
    let is_blank = event.command.as_ref().is_none_or(|command| command.trim().is_empty());
    match (brokers[broker].is_embedded(), &event.command) {
        (true, Some(_)) => Err(Error::usage(format!(
            "`command` is given, but `{name}` is an embedded broker, which the run stops and starts itself"
        ))
        .hint("leave `command` out")),
        (false, _) if is_blank => Err(Error::usage(format!(
            "`{deed}` needs `command`: the run did not start `{name}`, and can't know how that is done"
        ))
        .hint("write what `sh` is to run, such as `command = \"systemctl stop mosquitto\"`")),
        (_, command) => Ok(NodeEvent {
            at: event.at,
            broker,
            starts: event.r#do == Deed::StartBroker,
            command: command.clone(),
        }),
    }
}

/// A broker runs at first; after that it is stopped and started in turn.
fn check_order(event: &NodeEvent, before: Option<&NodeEvent>, brokers: &[Broker]) -> Result<()> {
    let runs = before.is_none_or(|before| before.starts);
    if runs != event.starts {
        return Ok(());
    }
    let label = &brokers[event.broker].label;
    Err(if event.starts {
        Error::usage(format!("`start_broker` is for `{label}`, which is not stopped before"))
            .hint("let a `stop_broker` come first: at the start of the storm all brokers run")
    } else {
        Error::usage(format!("`stop_broker` is for `{label}`, which is stopped already"))
            .hint("let a `start_broker` come between")
    })
}

/// Warns of events that can't happen within the storm.
fn warn_of(
    events: &[NodeEvent],
    brokers: &[Broker],
    model: &Model,
    load: &Load,
    warnings: &mut Vec<String>,
) {
    let Model::Open { rates, .. } = model else { return };
    let end = rates.length() + load.hold();
    let late = events.iter().filter(|event| event.at > end);
    warnings.extend(late.map(|event| {
        let what = format!("`{}` of `{}`", event.name(), brokers[event.broker].label);
        comes_late(&what, event.at, end)
    }));
}

#[cfg(test)]
mod tests;
