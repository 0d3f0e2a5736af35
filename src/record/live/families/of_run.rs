//! The metrics of a run as a whole.

use prometheus_client::registry::Unit;

use super::{Family, OF_OTHERS, Samples, counter, gauge, states};
use crate::{
    base::words::{Cause, RunState, Validity},
    record::live::{
        Now, Snapshot,
        standing::{Judgement, Others},
    },
};

/// All of them.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let now = &snapshot.now;
    let mut all = course(snapshot);
    all.extend(judgement(&now.judgement));
    all.extend(others(&now.others));
    all.extend(hosts(now));
    all
}

/// Which run it is, and how far it has come.
fn course(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let now = &snapshot.now;
    let mut labels = vec![("scenario", snapshot.scenario.as_str()), ("run", now.run.as_str())];
    labels.extend(snapshot.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let help = "The run under way: its scenario, and the name of its folder.";
    let mut all = vec![Family::new("run", help, Samples::Info(labels))];
    let help = "Where the run has got to: 1 for the state that it is in.";
    all.push(Family::new("run_state", help, Samples::Gauges(states("state", &[now.state]))));
    if now.state != RunState::Minting {
        all.extend(clock(snapshot));
    }
    if let Some(planned) = snapshot.planned {
        all.push(gauge("attempts_planned", "First attempts that the plan has.", planned as f64));
    }
    if let Some(due) = now.due {
        all.push(counter("attempts_due", "Attempts that were due by the schedule.", due));
    }
    let help = "Connections open at the end of the last second.";
    all.push(gauge("open_connections", help, now.open as f64));
    all
}

/// When it is.
fn clock(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let now = &snapshot.now;
    let help = "When the storm started, in seconds since 1970.";
    let start = gauge("storm_start_time", help, now.storm_start_s);
    let mut all = vec![gauge("storm", "Time since the start of the storm.", now.storm_s), start];
    if let Some(length) = snapshot.planned_s {
        let help = "When the run ends by its schedule, in seconds since 1970.";
        all.push(gauge("run_planned_end_time", help, now.storm_start_s + length));
    }
    all.into_iter().map(|family| family.in_unit(Unit::Seconds)).collect()
}

fn judgement(judgement: &Judgement) -> Vec<Family<'_>> {
    let bounds = judgement.thresholds.iter();
    let each_state = bounds.clone().flat_map(|bound| {
        let states = states("state", &[bound.state]).into_iter();
        states.map(|(state, is)| (bound.labels().into_iter().chain(state).collect(), is))
    });
    let each_state = Samples::Gauges(each_state.collect());
    let values = bounds.clone().filter_map(|bound| Some((bound.labels().to_vec(), bound.value?)));
    let values = Samples::Gauges(values.collect());
    let limits = bounds.map(|bound| (bound.labels().to_vec(), bound.limit));
    let limits = Samples::Gauges(limits.collect());
    let help = "How each threshold stands: 1 for its state.";
    let mut all = vec![Family::new("threshold_state", help, each_state)];
    let help = "What was observed of what a threshold bounds; times in seconds.";
    all.push(Family::new("threshold_value", help, values));
    let help = "What a threshold compares with; times in seconds.";
    all.push(Family::new("threshold_bound", help, limits));
    if let Some((validity, causes)) = &judgement.validity {
        all.extend(trust(*validity, causes));
    }
    all
}

/// Whether the numbers can be trusted, and why not.
fn trust(validity: Validity, causes: &[Cause]) -> [Family<'static>; 2] {
    let verdicts = Samples::Gauges(states("validity", &[validity]));
    let reasons = Samples::Gauges(states("reason", causes));
    let help = "Whether the numbers can be trusted: 1 for what they are.";
    let verdicts = Family::new("validity", help, verdicts);
    let help = "What is to be known of the numbers: 1 for what is the case.";
    [verdicts, Family::new("validity_reason", help, reasons)]
}

/// Agents, servers and events.
fn others(others: &Others) -> Vec<Family<'_>> {
    let mut all = Vec::new();
    if !others.agents.is_empty() {
        let up = others.agents.iter().map(|agent| {
            let up = f64::from(u8::from(!agent.is_lost));
            (vec![("agent", agent.agent.as_str()), ("host", agent.host.as_str())], up)
        });
        let help = "Whether an agent of the run is there: 0 if it was lost.";
        all.push(Family::new("agent_up", help, Samples::Gauges(up.collect())));
        let attempts = others.agent_attempts.iter();
        let attempts = attempts.map(|([agent], count)| (vec![("agent", agent)], count));
        let help = "Attempts with an outcome that an agent has reported.";
        all.push(Family::new("agent_attempts", help, Samples::Counters(attempts.collect())));
    }
    let requests = others.token_requests.iter();
    let requests = requests.map(|([result], count)| (vec![("result", result)], count));
    let help = "Requests for tokens to an authorization server.";
    all.push(Family::new("token_requests", help, Samples::Counters(requests.collect())));
    let fetches = others.key_set_fetches.iter();
    let fetches =
        fetches.map(|([by, result], count)| (vec![("by", by), ("result", result)], count));
    let help = "Fetches of key sets, by who fetched.";
    all.push(Family::new("key_set_fetches", help, Samples::Counters(fetches.collect())));
    let events = others.events.iter().flat_map(|(event, steps)| {
        let due = steps.planned.saturating_sub(steps.done);
        [("done", steps.done), ("due", due)]
            .map(|(state, count)| (vec![("event", *event), ("state", state)], count as f64))
    });
    let help = "Steps of events of the run: those that were done, and those still to come.";
    all.push(Family::new("events", help, Samples::Gauges(events.collect())));
    all
}

/// What the program uses, and what `[monitor]` reads.
fn hosts(now: &Now) -> Vec<Family<'_>> {
    let own = Samples::Sums(vec![(Vec::new(), now.cpu_s)]);
    let own = Family::new("generator_cpu", "CPU time of tokenstorm in its runs.", own);
    let mut all = vec![own.in_unit(Unit::Seconds)];
    if now.usage.is_empty() {
        return all;
    }
    let used = now.usage.iter().filter_map(|of| Some((vec![("side", of.side.name())], of.cpu_s?)));
    let help = "CPU time of a side since its processes began.";
    let used = Family::new(OF_OTHERS, help, Samples::Sums(used.collect()));
    all.push(used.in_unit(Unit::Seconds));
    let resident = now
        .usage
        .iter()
        .filter_map(|of| Some((vec![("side", of.side.name())], of.resident_bytes? as f64)));
    let help = "Resident memory of a side.";
    let resident = Family::new("monitor_resident", help, Samples::Gauges(resident.collect()));
    all.push(resident.in_unit(Unit::Bytes));
    all
}
