//! The metrics of what clients did and met.

use prometheus_client::registry::Unit;

use super::{Family, Labels, Samples, counter};
use crate::{
    base::words::{Counts, Word},
    record::live::{
        Snapshot,
        cumulated::Cumulated,
        snapshot::{Operated, Part},
    },
};

/// All of them.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let help = "Attempts given up because the run was ended.";
    let mut all = vec![
        counter("attempts_started", "Attempts that have started.", snapshot.started),
        counter("attempts_abandoned", help, snapshot.abandoned),
    ];
    let outcomes = by_name(snapshot, "outcome", |part| &part.outcomes);
    all.push(Family::new("attempts", "Attempts that have an outcome.", outcomes));
    let verdicts = by_name(snapshot, "verdict", |part| &part.verdicts);
    all.push(Family::new("verdicts", "Verdicts on attempts.", verdicts));
    let names = ["token", "protocol", "broker", "outcome", "code", "reason"];
    let codes = snapshot.codes.iter();
    let codes = codes.map(|(values, count)| (names.into_iter().zip(values).collect(), count));
    let help = "Attempts by the code of their outcome, with the standard's name of that code.";
    all.push(Family::new("attempt_codes", help, Samples::Counters(codes.collect())));
    all.extend(sessions(snapshot));
    all.extend(operations(snapshot));
    all.extend(phases(snapshot));
    all
}

/// Connections of accepted clients.
fn sessions(snapshot: &Snapshot) -> [Family<'_>; 2] {
    let by_broker = |which: usize| {
        let counts = snapshot.sessions.iter();
        let counts = counts.map(|(broker, of)| (vec![("broker", broker.as_str())], of[which]));
        Samples::Counters(counts.collect())
    };
    let help = "Held connections that ended before their client wanted.";
    [
        Family::new("sessions_held", "Accepted clients that began to hold.", by_broker(0)),
        Family::new("sessions_dropped", help, by_broker(1)),
    ]
}

/// What connected clients did or met.
fn operations(snapshot: &Snapshot) -> [Family<'_>; 3] {
    let samples = snapshot.operations.iter().map(|of| (operation(of), of.count)).collect();
    let what = |counts: &[(&'static str, u64)]| {
        let counts = counts.iter().map(|(what, count)| (vec![("what", *what)], *count));
        Samples::Counters(counts.collect())
    };
    let help = "Operations of connected clients, with their outcomes and verdicts.";
    let operations = Family::new("operations", help, Samples::Counters(samples));
    let help = "Clients whose connection ended, their attempts to come back, and what came of it.";
    let returns = Family::new("returns", help, what(&snapshot.returns));
    let help = "Tokens that clients renewed, and what came of it.";
    [operations, returns, Family::new("renewals", help, what(&snapshot.renewals))]
}

fn operation(of: &Operated) -> Labels<'_> {
    let mut labels = vec![("operation", of.operation.name())];
    labels.extend(of.place.labels());
    labels.extend([("outcome", of.outcome.name()), ("verdict", of.verdict.name())]);
    labels
}

/// Counts by token, version of MQTT, broker and a name.
fn by_name<'a, W: Word>(
    snapshot: &'a Snapshot,
    label: &'static str,
    counts: impl Fn(&'a Part) -> &'a Counts<W>,
) -> Samples<'a> {
    let samples = snapshot.parts.iter().flat_map(|part| {
        let counts = counts(part).iter();
        counts.map(move |(word, count)| {
            let labels = part.place.labels().into_iter().chain([(label, word.name())]);
            (labels.collect(), count)
        })
    });
    Samples::Counters(samples.collect())
}

/// The times of all phases, with their labels.
fn times(snapshot: &Snapshot) -> impl Iterator<Item = (Labels<'_>, &Cumulated)> {
    snapshot.parts.iter().flat_map(|part| {
        part.phases.iter().map(|(phase, times)| {
            let labels = [("phase", phase.name())].into_iter().chain(part.place.labels());
            (labels.collect(), times)
        })
    })
}

fn phases(snapshot: &Snapshot) -> [Family<'_>; 2] {
    let help = "Times of the phases of attempts that completed them.";
    let done = Samples::Histograms(times(snapshot).collect());
    let unfinished = times(snapshot).map(|(labels, times)| (labels, times.unfinished));
    let done = Family::new("phase_duration", help, done).in_unit(Unit::Seconds);
    let help = "Attempts that entered a phase and did not complete it.";
    [done, Family::new("phase_unfinished", help, Samples::Counters(unfinished.collect()))]
}
