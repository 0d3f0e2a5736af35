//! `monitor.csv` and `monitor` of the summary: what both sides of a run used of their hosts.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    sheets::MONITOR,
    trend::Trend,
    writing::{Cut, Growing},
};
use crate::base::clock::SECOND;

/// Columns that every process has, and that `[monitor.metrics]` may take from a metric of another name.
pub const OF_PROCESSES: [&str; 4] = ["cpu_s", "rss_bytes", "descriptors", "threads"];
/// Most CPU time that is believed, in seconds: ten thousand cores for three years.
const MOST_CPU_S: f64 = 1e12;
/// The largest count that is believed: beyond it a number of a metric is not exact (IEEE 754, double).
const MOST_COUNT: f64 = 9_007_199_254_740_992.0;
/// Seconds from which on a drift is told.
const LEAST_SECONDS: usize = 300;
/// Stretches at most whose means a drift is told by.
const STRETCHES: usize = 120;
/// Connections from which on memory a connection is told: of fewer it drowns in that of everything else.
const LEAST_OPEN: u64 = 100;

/// The columns of `[monitor.metrics]` that are beside those of every process, with their metrics.
pub fn named(metrics: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    let all = metrics.iter().map(|(column, metric)| (column.as_str(), metric.as_str()));
    all.filter(|(column, _)| !OF_PROCESSES.contains(column))
}

/// What a metric can be as CPU time; nothing where it is none.
pub fn cpu_time(value: f64) -> Option<f64> {
    (0.0..=MOST_CPU_S).contains(&value).then_some(value)
}

/// What a metric can be as a count, of bytes or of things; nothing where it is none.
pub fn count(value: f64) -> Option<u64> {
    (0.0..=MOST_COUNT).contains(&value).then_some(value as u64)
}

/// Which side of the run is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The brokers.
    Broker,
    /// This program.
    Harness,
}

impl Side {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Harness => "harness",
        }
    }
}

/// What one side had used at one instant; `None` where nobody knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time since its processes began, in seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Named metrics, in the order of the scenario.
    pub named: Vec<Option<f64>>,
}

/// A reading of one side.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When it was taken, by the run's clock.
    pub at: u64,
    /// When its CPU time was true: before that, where an endpoint told it.
    pub cpu_at: u64,
    /// The second of the storm that began then; `None` of the last one, at its end.
    pub second: Option<u64>,
    /// Of whom.
    pub side: Side,
    /// What was read.
    pub usage: Usage,
}

/// What both sides of a run used of their hosts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Monitored {
    /// The brokers.
    pub broker: Used,
    /// This program.
    pub harness: Used,
    /// What the time to the verdict gained per hour, in microseconds: the trend of its median per
    /// second. Null if the run lasted less than five minutes.
    pub connack_drift_us_per_h: Option<f64>,
    /// Whether that is more than chance: Mann-Kendall, p < 0.01, over at most 120 stretches,
    /// without the first tenth. Null if the run lasted less than five minutes.
    pub connack_drifts: Option<bool>,
    /// What could not be read, in sentences.
    pub warnings: Vec<String>,
}

/// What one side used. A value that could not be read is null.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Used {
    /// The processes and endpoints that were read.
    pub watched: Vec<String>,
    /// CPU time in seconds from the first start to the last answer; of waves, within them.
    pub cpu_s: Option<f64>,
    /// The same for each answer to a token, in microseconds.
    pub cpu_us_per_verdict: Option<f64>,
    /// The same, if all answers were acceptances; else null.
    pub cpu_us_per_accept: Option<f64>,
    /// The same, if all answers were refusals; else null.
    pub cpu_us_per_refusal: Option<f64>,
    /// Resident memory before the storm, in bytes.
    pub rss_start_bytes: Option<u64>,
    /// The most resident memory, in bytes.
    pub rss_most_bytes: Option<u64>,
    /// The growth of memory until most connections were open, for each of them, in bytes. Null with
    /// fewer than 100 connections, and of waves.
    pub bytes_per_connection: Option<f64>,
    /// The most open descriptors.
    pub descriptors_most: Option<u64>,
    /// The most threads.
    pub threads_most: Option<u64>,
    /// The trend of memory, in bytes per hour. Null if the run lasted less than five minutes.
    pub rss_drift_bytes_per_h: Option<f64>,
    /// Whether that is more than chance, as `connack_drifts` says it. Null if the run lasted less
    /// than five minutes.
    pub rss_drifts: Option<bool>,
}

/// What is told of a run beside its readings.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// From the first start to the last answer; of waves, from each release to its last answer.
    pub stretches: Vec<(u64, u64)>,
    /// When the storm started.
    pub storm: u64,
    /// Tokens that were let in.
    pub accepted: u64,
    /// Tokens that were refused, in silence too; overload is neither.
    pub refused: u64,
    /// Most connections that were open at the end of a second, and that second.
    pub peak: (u64, u64),
}

impl Used {
    /// What a side used, by its readings in the order in which they were taken.
    pub fn of(watched: Vec<String>, readings: &[&Reading], span: &Span) -> Self {
        let cpu_s = cpu_within(readings, span);
        let per = |count: u64| {
            cpu_s.filter(|_| count > 0).map(|cpu_s| (cpu_s * 1e8 / count as f64).round() / 100.0)
        };
        let rss = |reading: &&Reading| reading.usage.rss_bytes;
        let start = readings.first().and_then(rss);
        let most = readings.iter().filter_map(rss).max();
        let (peak_open, peak_second) = span.peak;
        let at_peak = readings
            .iter()
            .find(|reading| reading.at >= span.storm + (peak_second + 1) * SECOND)
            .and_then(rss);
        let bytes_per_connection = start
            .zip(at_peak)
            .filter(|_| peak_open >= LEAST_OPEN)
            .map(|(start, peak)| (peak as f64 - start as f64) / peak_open as f64);
        let by_second: Vec<(f64, f64)> =
            readings.iter().filter_map(|it| Some((it.second? as f64, rss(it)? as f64))).collect();
        let (rss_drift_bytes_per_h, rss_drifts) = drift(&by_second);
        Self {
            watched,
            cpu_s,
            cpu_us_per_verdict: per(span.accepted + span.refused),
            cpu_us_per_accept: per(span.accepted).filter(|_| span.refused == 0),
            cpu_us_per_refusal: per(span.refused).filter(|_| span.accepted == 0),
            rss_start_bytes: start,
            rss_most_bytes: most,
            bytes_per_connection,
            descriptors_most: readings.iter().filter_map(|it| it.usage.descriptors).max(),
            threads_most: readings.iter().filter_map(|it| it.usage.threads).max(),
            rss_drift_bytes_per_h,
            rss_drifts,
        }
    }
}

/// CPU time between the last reading before each stretch and the first one after it.
fn cpu_within(readings: &[&Reading], span: &Span) -> Option<f64> {
    let mut sum = 0.0;
    for (from, to) in &span.stretches {
        let before = readings.iter().rposition(|reading| reading.cpu_at <= *from).unwrap_or(0);
        let after = readings.iter().position(|reading| reading.cpu_at >= *to);
        let within = readings.get(before..=after.unwrap_or(readings.len().checked_sub(1)?))?;
        let told: Vec<f64> = within.iter().filter_map(|reading| reading.usage.cpu_s).collect();
        // A counter that goes back began again, and nobody knows what it had come to.
        if told.windows(2).any(|two| two[1] < two[0]) {
            return None;
        }
        sum += within.last()?.usage.cpu_s? - within.first()?.usage.cpu_s?;
    }
    (!span.stretches.is_empty()).then_some(sum)
}

/// What values gain an hour, each with its second, and whether that is more than chance; nothing of less than a minute.
///
/// The first tenth is left out: a program that has just begun takes what it needs.
pub fn drift(by_second: &[(f64, f64)]) -> (Option<f64>, Option<bool>) {
    if by_second.len() < LEAST_SECONDS {
        return (None, None);
    }
    // An hour of seconds would be six million pairs: the means of stretches say the same.
    let settled = &by_second[by_second.len() / 10..];
    let stretch = settled.len().div_ceil(STRETCHES);
    let means: Vec<(f64, f64)> = settled
        .chunks(stretch)
        .map(|chunk| {
            let count = chunk.len() as f64;
            let second: f64 = chunk.iter().map(|(second, _)| second).sum();
            let value: f64 = chunk.iter().map(|(_, value)| value).sum();
            (second / count, value / count)
        })
        .collect();
    let trend = Trend::over(&means);
    (trend.map(|trend| trend.slope * 3600.0), trend.map(|trend| trend.is_clear()))
}

/// `monitor.csv` as the run goes.
#[derive(Debug)]
pub struct Rows(Growing);

impl Rows {
    /// Begins the file in a run folder.
    pub fn begin(folder: &Path, metrics: &BTreeMap<String, String>) -> Self {
        let mut rows = Self(Growing::begin(folder, MONITOR.name, b""));
        let named = named(metrics).map(|(column, _)| column);
        let own = MONITOR.columns.iter().map(|(name, _)| *name);
        rows.0.append_rows([own.chain(named).collect::<Vec<_>>()]);
        rows
    }

    /// That it could not be written any more; said once.
    pub fn cut(&mut self) -> Option<Cut> {
        self.0.cut()
    }

    /// Appends readings; what nobody knows is empty.
    pub fn append(&mut self, readings: &[Reading], storm: u64) {
        self.0.append_rows(readings.iter().map(|it| row(it, storm)));
    }
}

/// The row of a reading.
fn row(reading: &Reading, storm: u64) -> impl Serialize {
    let usage = &reading.usage;
    let second = reading.second.map_or_else(
        || format!("{:.3}", reading.at.saturating_sub(storm) as f64 / SECOND as f64),
        |second| second.to_string(),
    );
    let cpu_s = usage.cpu_s.map(|value| format!("{value:.6}"));
    let named = usage.named.iter().map(|value| value.map(|value| value.to_string()));
    let named: Vec<Option<String>> = named.collect();
    let counts = (usage.rss_bytes, usage.descriptors, usage.threads);
    (second, reading.side.name(), cpu_s, counts, named)
}

#[cfg(test)]
mod tests;
