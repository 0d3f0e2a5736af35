//! The metrics by their names, as `OpenMetrics` writes them. docs/live.md has them all.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{
    Snapshot,
    snapshot::{BOUNDS, Cumulated, Latest, Part},
};
use crate::{
    base::{
        clock::SECOND,
        words::{Counts, Word},
    },
    record::results::environment::tool,
};

/// What is told to whoever asks.
#[derive(Debug)]
pub(super) struct Told(pub(super) Latest);

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let to = &mut encoder;
        let tool = tool();
        let build = [("version", tool.version.as_str()), ("commit", tool.commit.as_str())];
        let help = "What serves these metrics.";
        to.encode_descriptor("build", help, None, MetricType::Info)?.encode_info(&build)?;
        // Not kept while it is written: the collector does not wait for whoever asks.
        let latest = self.0.lock().as_ref().map(Arc::clone);
        let Some(snapshot) = latest else { return Ok(()) };
        run(to, &snapshot)?;
        counts(to, &snapshot)?;
        phases(to, &snapshot)?;
        hosts(to, &snapshot)
    }
}

/// A counter of one sample.
fn counter(
    to: &mut DescriptorEncoder<'_>,
    (name, unit, help): (&str, Option<Unit>, &str),
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    to.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(value, None)
}

/// A counter with a sample for each of these labels.
fn counters<'a, const LABELS: usize, V: EncodeCounterValue>(
    to: &mut DescriptorEncoder<'_>,
    (name, unit, help): (&str, Option<Unit>, &str),
    samples: impl Iterator<Item = ([(&'a str, &'a str); LABELS], V)>,
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
    for (labels, value) in samples {
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
    }
    Ok(())
}

fn run(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let now = &snapshot.now;
    let mut labels = vec![("scenario", snapshot.scenario.as_str()), ("run", now.run.as_str())];
    labels.extend(snapshot.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let help = "The run under way: its scenario, and the name of its folder.";
    to.encode_descriptor("run", help, None, MetricType::Info)?.encode_info(&labels)?;
    let help = "Time since the start of the storm.";
    to.encode_descriptor("storm", help, Some(&Unit::Seconds), MetricType::Gauge)?
        .encode_gauge(&now.storm_s)?;
    let help = "When the storm started, in seconds since 1970.";
    to.encode_descriptor("storm_start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?
        .encode_gauge(&now.storm_start_s)?;
    let help = "Connections open at the end of the last second.";
    to.encode_descriptor("open_connections", help, None, MetricType::Gauge)?
        .encode_gauge(&now.open)?;
    let of_generator =
        ("generator_cpu", Some(Unit::Seconds), "CPU time of tokenstorm in its runs.");
    counter(to, of_generator, &now.cpu_s)
}

fn counts(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    for (name, help, count) in [
        ("attempts_started", "Attempts that have started.", snapshot.started),
        ("attempts_abandoned", "Attempts given up because the run was ended.", snapshot.abandoned),
        ("sessions_held", "Accepted clients that began to hold.", snapshot.held),
        (
            "sessions_dropped",
            "Held connections that ended before their client wanted.",
            snapshot.dropped,
        ),
    ] {
        counter(to, (name, None, help), &count)?;
    }
    let attempts = ("attempts", None, "Attempts that have an outcome.");
    by_name(to, attempts, "outcome", snapshot, |part| &part.outcomes)?;
    let verdicts = ("verdicts", None, "Verdicts on attempts.");
    by_name(to, verdicts, "verdict", snapshot, |part| &part.verdicts)?;
    operations(to, snapshot)
}

/// What connected clients did or met.
fn operations(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let samples = snapshot.operations.iter().map(|of| {
        let place = [("token", of.token.as_str()), ("broker", of.broker.as_str())];
        let came = [("outcome", of.outcome.name()), ("verdict", of.verdict.name())];
        let labels = [("operation", of.operation.name()), place[0], place[1], came[0], came[1]];
        (labels, of.count)
    });
    let help = "Operations of connected clients, with their outcomes and verdicts.";
    counters(to, ("operations", None, help), samples)?;
    let help = "Clients whose connection ended, their attempts to come back, and what came of it.";
    let returns = snapshot.returns.iter().map(|(what, count)| ([("what", *what)], *count));
    counters(to, ("returns", None, help), returns)?;
    let help = "Tokens that clients renewed, and what came of it.";
    let renewals = snapshot.renewals.iter().map(|(what, count)| ([("what", *what)], *count));
    counters(to, ("renewals", None, help), renewals)
}

/// A counter by token, broker and a name.
fn by_name<W: Word>(
    to: &mut DescriptorEncoder<'_>,
    metric: (&str, Option<Unit>, &str),
    label: &str,
    snapshot: &Snapshot,
    counts: impl Fn(&Part) -> &Counts<W>,
) -> fmt::Result {
    let samples = snapshot.parts.iter().flat_map(|part| {
        let place = [("token", part.token.as_str()), ("broker", part.broker.as_str())];
        let counts = counts(part).iter();
        counts.map(move |(word, count)| ([place[0], place[1], (label, word.name())], count))
    });
    counters(to, metric, samples)
}

/// The times of all phases, with their labels.
fn times(snapshot: &Snapshot) -> impl Iterator<Item = ([(&str, &str); 3], &Cumulated)> {
    snapshot.parts.iter().flat_map(|part| {
        let (token, broker) = (part.token.as_str(), part.broker.as_str());
        part.phases.iter().map(move |(phase, times)| {
            ([("phase", phase.name()), ("token", token), ("broker", broker)], times)
        })
    })
}

fn phases(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Times of the phases of attempts that completed them.";
    let unit = Some(Unit::Seconds);
    let mut metric =
        to.encode_descriptor("phase_duration", help, unit.as_ref(), MetricType::Histogram)?;
    for (labels, times) in times(snapshot) {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / SECOND as f64);
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(times.counts).collect();
        let (sum, count) = (times.sum_ns as f64 / SECOND as f64, times.count());
        metric
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    let help = "Attempts that entered a phase and did not complete it.";
    let unfinished = times(snapshot).map(|(labels, times)| (labels, times.unfinished));
    counters(to, ("phase_unfinished", None, help), unfinished)
}

/// What `[monitor]` reads.
fn hosts(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let usage = &snapshot.now.usage;
    if usage.is_empty() {
        return Ok(());
    }
    let cpu = ("monitor_cpu", Some(Unit::Seconds), "CPU time of a side since its processes began.");
    let used = usage.iter().filter_map(|of| Some(([("side", of.side.name())], of.cpu_s?)));
    counters(to, cpu, used)?;
    let unit = Some(Unit::Bytes);
    let help = "Resident memory of a side.";
    let mut metric =
        to.encode_descriptor("monitor_resident", help, unit.as_ref(), MetricType::Gauge)?;
    for (side, bytes) in usage.iter().filter_map(|of| Some((of.side, of.resident_bytes?))) {
        metric.encode_family(&[("side", side.name())])?.encode_gauge(&bytes)?;
    }
    Ok(())
}
