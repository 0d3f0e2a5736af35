//! The numbers of a run that are compared, and which of them decide.

use crate::{
    error::{Error, Result, suggestion},
    plan::threshold::PHASES,
    results::{Percentile, PhaseStats, Summary, summary::Phases},
};

/// Metrics that decide at most, unless others are named: more would take more runs than anybody makes.
pub const MOST_GATED: usize = 6;
/// Open connections from which on memory a connection says something.
const MANY_CONNECTIONS: u64 = 1000;

/// Which way a metric gets better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Better {
    /// Times and costs.
    Lower,
    /// Rates.
    Higher,
}

/// A number of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its name, such as `connack.p99{token:fresh}`.
    pub metric: String,
    /// `us`, `per_s` or `bytes`.
    pub unit: &'static str,
    /// Which way it gets better.
    pub better: Better,
    /// How large; above 0.
    pub value: f64,
    /// It lies beyond the timeout, which stands in its place.
    pub is_beyond: bool,
    /// The relative change that counts, where nothing better is known.
    pub threshold: f64,
}

/// All numbers of a run that can be compared, in the order in which they are shown.
pub fn of(summary: &Summary) -> Vec<Measured> {
    let mut all = phases(&summary.phases, "");
    for (name, part) in &summary.by_token {
        // Of a single kind they are those of all.
        if summary.by_token.len() > 1 {
            all.extend(phases(&part.phases, &format!("{{token:{name}}}")));
        }
    }
    let broker = summary.monitor.as_ref().map(|monitor| &monitor.broker);
    let capacity = summary.capacity.as_ref().and_then(|capacity| capacity.per_s);
    let per_verdict = broker.and_then(|used| used.cpu_us_per_verdict);
    let memory = broker.and_then(|used| used.bytes_per_connection);
    let rate = Some(summary.throughput.verdicts_per_s);
    for (name, unit, better, value) in [
        ("throughput.verdicts_per_s", "per_s", Better::Higher, rate),
        ("capacity.per_s", "per_s", Better::Higher, capacity),
        ("monitor.cpu_us_per_verdict", "us", Better::Lower, per_verdict),
        ("monitor.bytes_per_connection", "bytes", Better::Lower, memory),
    ] {
        // What is 0 or less has no ratio: it was too little to be measured.
        if let Some(value) = value.filter(|value| *value > 0.0) {
            let metric = name.to_owned();
            all.push(Measured { metric, unit, better, value, is_beyond: false, threshold: 0.05 });
        }
    }
    all
}

fn phases(phases: &Phases, tag: &str) -> Vec<Measured> {
    let mut all = Vec::new();
    for phase in PHASES {
        let Some(stats) = phases.get(phase) else { continue };
        for (name, percentile, least, threshold) in percentiles(stats) {
            // A percentile of fewer attempts than it parts is their maximum.
            if stats.count + stats.unfinished < least {
                continue;
            }
            let (value, is_beyond) = match percentile {
                Percentile::Number(us) => (*us, false),
                Percentile::Beyond(text) => {
                    (text.trim_start_matches('>').parse().unwrap_or_default(), true)
                }
            };
            if value > 0.0 {
                let metric = format!("{phase}.{name}{tag}");
                let (unit, better) = ("us", Better::Lower);
                all.push(Measured { metric, unit, better, value, is_beyond, threshold });
            }
        }
    }
    all
}

/// Name, value, the attempts that it takes, and the change that counts: the tail is noisier than the middle.
fn percentiles(stats: &PhaseStats) -> [(&'static str, &Percentile, u64, f64); 3] {
    [
        ("p50", &stats.p50_us, 1, 0.05),
        ("p99", &stats.p99_us, 100, 0.10),
        ("p99.9", &stats.p999_us, 1000, 0.20),
    ]
}

/// The metrics that decide: those that are asked for, or at most six that all runs have.
///
/// # Errors
/// When one is asked for that some run has not: with those there are.
pub fn gate(runs: &[&Summary], asked: &[String]) -> Result<Vec<String>> {
    let mut common: Option<Vec<String>> = None;
    for summary in runs {
        let own: Vec<String> = of(summary).into_iter().map(|measured| measured.metric).collect();
        common = Some(match common {
            None => own,
            Some(known) => known.into_iter().filter(|name| own.contains(name)).collect(),
        });
    }
    let common = common.unwrap_or_default();
    if let Some(unknown) = asked.iter().find(|name| !common.contains(name)) {
        return Err(Error::usage(format!("`--gate {unknown}`: not all runs have this metric"))
            .hint(suggestion(unknown, common.iter().map(String::as_str))));
    }
    if !asked.is_empty() {
        let mut gate = asked.to_vec();
        gate.dedup();
        return Ok(gate);
    }
    let is_open = runs.iter().any(|summary| summary.model == "open");
    let has_many = runs.iter().all(|summary| summary.generator.open_peak >= MANY_CONNECTIONS);
    let has_capacity = common.iter().any(|name| name == "capacity.per_s");
    let wanted = [
        // Of a search, times are those of all its steps, and say nothing.
        ("connack.p50", !has_capacity),
        ("connack.p99", !has_capacity),
        // In the open model it is what was offered.
        ("throughput.verdicts_per_s", !is_open && !has_capacity),
        ("capacity.per_s", true),
        ("monitor.cpu_us_per_verdict", true),
        ("monitor.bytes_per_connection", has_many && !has_capacity),
    ];
    let gate =
        wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name.to_owned());
    Ok(gate.filter(|name| common.contains(name)).take(MOST_GATED).collect())
}
