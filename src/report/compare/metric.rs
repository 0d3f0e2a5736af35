//! The numbers of a run that are compared, and which of them decide.

use crate::{
    base::{
        error::{Error, Result, suggestion},
        words::{Metric, Phase},
    },
    record::results::{Percentile, PhaseStats, Summary, summary::Phases},
};

/// Metrics that decide at most, unless others are named: more would take more runs than anybody makes.
pub const MOST_GATED: usize = 6;
/// Attempts that a p99 takes: of fewer it is their maximum.
pub const LEAST_OF_TAIL: u64 = 100;
/// Open connections from which on memory a connection says something.
const MANY_CONNECTIONS: u64 = 1000;

/// Numbers that are no times of a phase.
const VALUES: [Metric; 4] =
    [Metric::VerdictsPerS, Metric::CapacityPerS, Metric::CpuPerVerdict, Metric::BytesPerConnection];

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
    let values = [
        ("per_s", Better::Higher, rate),
        ("per_s", Better::Higher, capacity),
        ("us", Better::Lower, per_verdict),
        ("bytes", Better::Lower, memory),
    ];
    for (of, (unit, better, value)) in VALUES.into_iter().zip(values) {
        // What is 0 or less has no ratio: it was too little to be measured.
        if let Some(value) = value.filter(|value| *value > 0.0) {
            let metric = of.name().to_owned();
            all.push(Measured { metric, unit, better, value, is_beyond: false, threshold: 0.05 });
        }
    }
    all
}

fn phases(phases: &Phases, tag: &str) -> Vec<Measured> {
    let mut all = Vec::new();
    for phase in Phase::ALL {
        let Some(stats) = phases.get(&phase) else { continue };
        for (name, percentile, least, threshold) in percentiles(stats) {
            // A percentile of fewer attempts than it parts is their maximum.
            if stats.count + stats.unfinished < least {
                continue;
            }
            let (value, is_beyond) = match percentile {
                Percentile::Number(us) => (*us, false),
                beyond => (beyond.timeout().unwrap_or_default(), true),
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
        ("p99", &stats.p99_us, LEAST_OF_TAIL, 0.10),
        ("p99.9", &stats.p999_us, 1000, 0.20),
    ]
}

/// The metrics that decide: those that are asked for, or at most six that the first run of the baseline has. What a later
/// run lacks of them is told there: a metric must not stop deciding because a candidate does not get so far.
///
/// # Errors
/// When one is asked for that the baseline has not: with those there are.
pub fn gate(baseline: &Summary, asked: &[String]) -> Result<Vec<String>> {
    let own: Vec<String> = of(baseline).into_iter().map(|measured| measured.metric).collect();
    if let Some(unknown) = asked.iter().find(|name| !own.contains(name)) {
        return Err(Error::usage(format!(
            "`--gate {unknown}`: the baseline does not have this metric, or too few attempts for it"
        ))
        .hint(suggestion(unknown, own.iter().map(String::as_str))));
    }
    if !asked.is_empty() {
        let mut gate: Vec<String> = Vec::new();
        for name in asked {
            if !gate.contains(name) {
                gate.push(name.clone());
            }
        }
        return Ok(gate);
    }
    let is_open = baseline.model == "open";
    let has_many = baseline.generator.open_peak >= MANY_CONNECTIONS;
    let has_capacity = own.iter().any(|name| name == Metric::CapacityPerS.name());
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
    Ok(gate.filter(|name| own.contains(name)).take(MOST_GATED).collect())
}

/// Looks whether names could be those of metrics, before anything is run.
///
/// # Errors
/// When one could not: with the nearest.
pub fn check_names(asked: &[String]) -> Result<()> {
    let mut known: Vec<String> = Vec::new();
    for phase in Phase::ALL {
        known.extend(["p50", "p99", "p99.9"].map(|percentile| format!("{phase}.{percentile}")));
    }
    known.extend(VALUES.map(|metric| metric.name().to_owned()));
    for name in asked {
        let bare = name.split('{').next().unwrap_or_default();
        if name.starts_with("verdict") || name.starts_with("matrix") {
            return Err(Error::usage(format!("`--gate {name}`: this is counted"))
                .hint("what is counted decides without a gate: see docs/compare.md"));
        }
        if !known.iter().any(|known| known == bare) {
            return Err(Error::usage(format!("`--gate {name}`: there is no such metric"))
                .hint(suggestion(bare, known.iter().map(String::as_str))));
        }
    }
    Ok(())
}
