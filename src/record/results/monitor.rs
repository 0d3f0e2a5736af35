//! `monitor.csv` and `monitor` of the summary: what both sides of a run used of their hosts.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    trend::Trend,
    writing::{Cut, Growing},
};
use crate::base::clock::SECOND;

/// Columns of `monitor.csv` before those of named metrics.
pub const COLUMNS: [&str; 6] = ["second", "side", "cpu_s", "rss_bytes", "descriptors", "threads"];
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

/// `monitor` of the summary.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Monitored {
    pub broker: Used,
    pub harness: Used,
    /// What `connack` gained an hour (its median a second), where the run lasted five minutes or more.
    pub connack_drift_us_per_h: Option<f64>,
    /// Whether that is more than chance.
    pub connack_drifts: Option<bool>,
    pub warnings: Vec<String>,
}

/// What one side used.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Used {
    /// Who was watched.
    pub watched: Vec<String>,
    /// CPU time from the first start to the last verdict.
    pub cpu_s: Option<f64>,
    /// That, for each answer to a token.
    pub cpu_us_per_verdict: Option<f64>,
    /// The same, where all answers were alike.
    pub cpu_us_per_accept: Option<f64>,
    pub cpu_us_per_refusal: Option<f64>,
    /// Memory before the storm, and at its most.
    pub rss_start_bytes: Option<u64>,
    pub rss_most_bytes: Option<u64>,
    /// What the connections that were open at one time added, each.
    pub bytes_per_connection: Option<f64>,
    pub descriptors_most: Option<u64>,
    pub threads_most: Option<u64>,
    /// What memory gained an hour, where the run lasted five minutes or more.
    pub rss_drift_bytes_per_h: Option<f64>,
    /// Whether that is more than chance.
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
        let mut rows = Self(Growing::begin(folder, "monitor.csv", b""));
        let named = named(metrics).map(|(column, _)| column);
        rows.0.append_rows(|out| out.write_record(COLUMNS.into_iter().chain(named)));
        rows
    }

    /// That it could not be written any more; said once.
    pub fn cut(&mut self) -> Option<Cut> {
        self.0.cut()
    }

    /// Appends readings; what nobody knows is empty.
    pub fn append(&mut self, readings: &[Reading], storm: u64) {
        self.0
            .append_rows(|out| readings.iter().try_for_each(|it| out.write_record(row(it, storm))));
    }
}

/// The row of a reading.
fn row(reading: &Reading, storm: u64) -> Vec<String> {
    let usage = &reading.usage;
    let whole = |value: Option<u64>| value.map(|value| value.to_string());
    let text = |value: Option<f64>| value.map(|value| format!("{value:.6}"));
    let second = reading.second.map_or_else(
        || format!("{:.3}", reading.at.saturating_sub(storm) as f64 / SECOND as f64),
        |second| second.to_string(),
    );
    let row = [
        Some(second),
        Some(reading.side.name().to_owned()),
        text(usage.cpu_s),
        whole(usage.rss_bytes),
        whole(usage.descriptors),
        whole(usage.threads),
    ];
    let named = usage.named.iter().map(|value| value.map(|value| value.to_string()));
    row.into_iter().chain(named).map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(second: Option<u64>, ms: u64, cpu_s: f64, rss_bytes: u64) -> Reading {
        let usage = Usage { cpu_s: Some(cpu_s), rss_bytes: Some(rss_bytes), ..Usage::default() };
        let at = ms * SECOND / 1000;
        Reading { at, cpu_at: at, second, side: Side::Broker, usage }
    }

    #[test]
    fn cpu_is_that_of_the_storm_alone_and_a_connection_costs_what_memory_grew_by_until_the_peak() {
        let readings = [
            reading(Some(0), 90, 10.0, 1_000_000),
            reading(Some(1), 1090, 10.4, 1_500_000),
            reading(Some(2), 2090, 10.9, 3_000_000),
            reading(None, 2500, 11.0, 2_900_000),
            reading(Some(3), 3090, 17.0, 1_000_000),
        ];
        let readings: Vec<&Reading> = readings.iter().collect();
        let span = Span {
            stretches: vec![(SECOND / 10, SECOND * 24 / 10)],
            storm: 0,
            accepted: 600,
            refused: 400,
            peak: (1000, 1),
        };
        let used = Used::of(Vec::new(), &readings, &span);
        assert!((used.cpu_s.unwrap() - 1.0).abs() < 1e-9, "{used:?}");
        assert!((used.cpu_us_per_verdict.unwrap() - 1000.0).abs() < 1e-9, "{used:?}");
        assert_eq!((used.cpu_us_per_accept, used.cpu_us_per_refusal), (None, None), "mixed");
        assert!((used.bytes_per_connection.unwrap() - 2000.0).abs() < 1e-9, "{used:?}");
        let all_refused = Span { accepted: 0, refused: 1000, ..span };
        assert!(Used::of(Vec::new(), &readings, &all_refused).cpu_us_per_refusal.is_some());
    }

    #[test]
    fn a_counter_that_goes_back_tells_nothing_even_where_it_has_caught_up() {
        let span = |stretches: &[(u64, u64)]| Span {
            stretches: stretches.iter().map(|(from, to)| (from * SECOND, to * SECOND)).collect(),
            accepted: 10,
            ..Span::default()
        };
        let readings = [10.0, 11.0, 0.5, 12.0, 13.0];
        let readings: Vec<Reading> = (0..)
            .zip(readings)
            .map(|(second, cpu)| reading(Some(second), second * 1000, cpu, 1))
            .collect();
        let cpu = |stretches: &[(u64, u64)]| {
            Used::of(Vec::new(), &readings.iter().collect::<Vec<_>>(), &span(stretches)).cpu_s
        };
        assert_eq!(cpu(&[(0, 4)]), None, "it was 3 s at least, and not 3");
        assert_eq!(cpu(&[(0, 1), (1, 2), (3, 4)]), None);
        assert_eq!(cpu(&[(0, 1), (3, 4)]), Some(2.0));
    }

    #[test]
    fn what_is_no_number_of_its_kind_is_no_value() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e308, 1e308] {
            assert_eq!((cpu_time(odd), count(odd)), (None, None), "{odd}");
        }
        assert_eq!((cpu_time(0.5), count(1_048_576.0)), (Some(0.5), Some(1_048_576)));
    }

    #[test]
    fn what_grows_every_second_drifts_and_what_only_trembles_does_not() {
        let growing: Vec<(f64, f64)> =
            (0..700).map(|at| (f64::from(at), 1e6 + f64::from(at) * 100.0)).collect();
        let (per_hour, drifts) = drift(&growing);
        assert!(
            (per_hour.unwrap() - 360_000.0).abs() < 1.0 && drifts == Some(true),
            "{per_hour:?}"
        );
        let with_gaps: Vec<(f64, f64)> =
            growing.iter().copied().filter(|(at, _)| at % 2.0 == 0.0).collect();
        assert!((drift(&with_gaps).0.unwrap() - 360_000.0).abs() < 1.0, "seconds that are missing");
        let trembling: Vec<(f64, f64)> =
            (0..700).map(|at| (f64::from(at), 1e6 + f64::from(at * 7919 % 13))).collect();
        assert_eq!(drift(&trembling).1, Some(false));
        assert_eq!(drift(&growing[..299]), (None, None), "too short to tell");
    }
}
