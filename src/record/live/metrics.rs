//! The metrics by their names, as `OpenMetrics` writes them. docs/live.md has them all.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{
    Latest, Snapshot,
    snapshot::{BOUNDS, Cumulated, Part},
};
use crate::{
    base::clock::SECOND,
    base::words::{Counts, Word},
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

/// A counter, with its samples.
fn counter(
    to: &mut DescriptorEncoder<'_>,
    (name, unit, help): (&str, Option<Unit>, &str),
    mut samples: impl FnMut(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    samples(&mut to.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?)
}

/// A counter of one sample.
fn sum(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    counter(to, (name, None, help), |metric| {
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    })
}

fn run(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let now = &snapshot.now;
    let labels = [("scenario", snapshot.scenario.as_str()), ("run", now.run.as_str())];
    let help = "The run under way: its scenario, and the name of its folder.";
    to.encode_descriptor("run", help, None, MetricType::Info)?.encode_info(&labels)?;
    let help = "Time since the start of the storm.";
    to.encode_descriptor("storm", help, Some(&Unit::Seconds), MetricType::Gauge)?
        .encode_gauge(&now.storm_s)?;
    let help = "Connections open at the end of the last second.";
    to.encode_descriptor("open_connections", help, None, MetricType::Gauge)?
        .encode_gauge(&now.open)?;
    let of_generator =
        ("generator_cpu", Some(Unit::Seconds), "CPU time of tokenstorm in its runs.");
    counter(to, of_generator, |metric| {
        metric.encode_counter::<NoLabelSet, _, u64>(&now.cpu_s, None)
    })
}

fn counts(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    sum(to, "attempts_started", "Attempts that have started.", snapshot.started)?;
    let help = "Attempts given up because the run was ended.";
    sum(to, "attempts_abandoned", help, snapshot.abandoned)?;
    sum(to, "sessions_held", "Accepted clients that began to hold.", snapshot.held)?;
    let help = "Held connections that ended before their client wanted.";
    sum(to, "sessions_dropped", help, snapshot.dropped)?;
    let attempts = ("attempts", None, "Attempts that have an outcome.");
    by_name(to, attempts, "outcome", snapshot, |part| &part.outcomes)?;
    let verdicts = ("verdicts", None, "Verdicts on attempts.");
    by_name(to, verdicts, "verdict", snapshot, |part| &part.verdicts)
}

/// A counter by token, broker and a name.
fn by_name<W: Word>(
    to: &mut DescriptorEncoder<'_>,
    metric: (&str, Option<Unit>, &str),
    label: &str,
    snapshot: &Snapshot,
    counts: impl Fn(&Part) -> &Counts<W>,
) -> fmt::Result {
    counter(to, metric, |metric| {
        for part in &snapshot.parts {
            for (word, count) in counts(part).iter() {
                let labels = [
                    ("token", part.token.as_str()),
                    ("broker", &part.broker),
                    (label, word.name()),
                ];
                metric
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    })
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
    counter(to, ("phase_unfinished", None, help), |metric| {
        for (labels, times) in times(snapshot) {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&times.unfinished, None)?;
        }
        Ok(())
    })
}

/// What `[monitor]` reads.
fn hosts(to: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let usage = &snapshot.now.usage;
    if usage.is_empty() {
        return Ok(());
    }
    let cpu = ("monitor_cpu", Some(Unit::Seconds), "CPU time of a side since its processes began.");
    counter(to, cpu, |metric| {
        for (side, cpu_s) in usage.iter().filter_map(|of| Some((of.side, of.cpu_s?))) {
            let labels = [("side", side.name())];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&cpu_s, None)?;
        }
        Ok(())
    })?;
    let unit = Some(Unit::Bytes);
    let help = "Resident memory of a side.";
    let mut metric =
        to.encode_descriptor("monitor_resident", help, unit.as_ref(), MetricType::Gauge)?;
    for (side, bytes) in usage.iter().filter_map(|of| Some((of.side, of.resident_bytes?))) {
        metric.encode_family(&[("side", side.name())])?.encode_gauge(&bytes)?;
    }
    Ok(())
}
