//! What a series of runs came to: `capacity.csv`, `control.csv`, `sweep.csv` and their parts of the summary; and how the
//! files of a run go into those of its series.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    Reason,
    cells::{Timed, parted},
    sheets::Sheet,
    time::Percentile,
    writing::{replace_table, unwritable},
};
use crate::base::{
    error::Result,
    numbers::whole,
    words::{LimitedBy, Validity},
};

/// `capacity` of the summary.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Capacity {
    /// Verdicts a second, the median of the runs that confirm it; `None` where no rate held.
    pub per_s: Option<f64>,
    /// The least of them.
    pub low_per_s: Option<f64>,
    /// The lowest rate at which the objectives did not hold; `None` where all held, or the generator was the limit.
    pub high_per_s: Option<f64>,
    pub limited_by: LimitedBy,
    pub steps: usize,
    pub confirmed: u32,
    /// What decided.
    pub reasons: Vec<Reason>,
    /// Why the search ended before it was done.
    pub ended: Option<String>,
}

/// A row of `capacity.csv`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Step {
    pub step: usize,
    pub offered_per_s: f64,
    pub achieved_per_s: f64,
    pub connack_p50_us: Option<Percentile>,
    pub connack_p99_us: Option<Percentile>,
    pub not_judged_rate: f64,
    pub steady: bool,
    pub passed: bool,
    /// `raise`, `bisect` or `confirm`.
    pub purpose: String,
    pub measured_s: f64,
    pub limited_by_generator: bool,
    /// What spoke against it.
    pub why: String,
    pub run: String,
}

impl Step {
    /// What came of it, in a line.
    pub fn told(&self) -> String {
        let came = if self.passed { "held" } else { "did not hold" };
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("  {} arrivals a second {came}{why}", whole(self.offered_per_s))
    }
}

/// `control` of the summary.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Control {
    /// Rounds in which every arm was run.
    pub rounds: usize,
    pub arms: BTreeMap<String, ArmStats>,
    /// What one arm costs more than another, by the names of both: `unique - without`.
    pub differences: BTreeMap<String, Difference>,
}

/// Medians over the runs of one arm.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct ArmStats {
    pub runs: usize,
    pub connack_p50_us: Option<f64>,
    pub connack_p99_us: Option<f64>,
    pub verdicts_per_s: f64,
    pub broker_cpu_us_per_verdict: Option<f64>,
    pub harness_cpu_us_per_verdict: Option<f64>,
}

/// Means of paired differences, with their 95 % confidence intervals.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Difference {
    pub connack_p50_us: Option<Interval>,
    pub broker_cpu_us_per_verdict: Option<Interval>,
}

/// A mean of differences, and the interval in which the true one lies with 95 % confidence.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// Pairs that it is made of.
    pub pairs: usize,
}

impl Interval {
    /// Of these differences; `None` of fewer than two.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let (mean, low, high) = super::trend::mean_interval(differences)?;
        Some(Self { mean, low, high, pairs: differences.len() })
    }
}

/// A row of `control.csv`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct ControlRun {
    pub round: u32,
    pub arm: String,
    pub attempts: u64,
    pub verdicts_per_s: f64,
    pub connack_p50_us: Option<f64>,
    pub connack_p99_us: Option<f64>,
    pub broker_cpu_us_per_verdict: Option<f64>,
    pub harness_cpu_us_per_verdict: Option<f64>,
    pub validity: Validity,
    pub run: String,
}

/// A row of `sweep.csv`, and an entry of `sweep` of the summary.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct SweepRun {
    pub trial: usize,
    pub repeat: u32,
    pub algorithm: String,
    pub rsa_bits: Option<u16>,
    pub protocol: u8,
    pub bad_share: Option<f64>,
    pub token_bytes: Option<u32>,
    pub attempts: u64,
    pub verdicts_per_s: f64,
    pub connack_p50_us: Option<Percentile>,
    pub connack_p99_us: Option<Percentile>,
    /// Of the tokens that must be let in.
    pub good_connack_p50_us: Option<Percentile>,
    pub good_connack_p99_us: Option<Percentile>,
    pub not_judged_rate: f64,
    pub false_accepts: u64,
    pub false_rejects: u64,
    pub broker_cpu_us_per_verdict: Option<f64>,
    pub harness_cpu_us_per_verdict: Option<f64>,
    pub bytes_per_connection: Option<f64>,
    /// Tokens a second that one core of this host verifies.
    pub yardstick_per_s: Option<f64>,
    pub capacity_per_s: Option<f64>,
    pub capacity_low_per_s: Option<f64>,
    pub capacity_high_per_s: Option<f64>,
    pub capacity_limited_by: Option<LimitedBy>,
    /// Why its search ended before it was done.
    pub capacity_ended: Option<String>,
    pub validity: Validity,
    pub run: String,
}

impl Timed for Step {
    fn times(&mut self) -> Vec<(&'static str, &mut Option<Percentile>)> {
        vec![("connack_p50", &mut self.connack_p50_us), ("connack_p99", &mut self.connack_p99_us)]
    }
}

impl Timed for SweepRun {
    fn times(&mut self) -> Vec<(&'static str, &mut Option<Percentile>)> {
        vec![
            ("connack_p50", &mut self.connack_p50_us),
            ("connack_p99", &mut self.connack_p99_us),
            ("good_connack_p50", &mut self.good_connack_p50_us),
            ("good_connack_p99", &mut self.good_connack_p99_us),
        ]
    }
}

/// Writes rows as a CSV of the folder, in the place of those before.
///
/// # Errors
/// When it can't be written.
pub fn write<T: Serialize>(folder: &Path, sheet: &Sheet, rows: &[T]) -> Result<()> {
    replace_table(folder, sheet, rows)
}

/// Writes rows as [`write()`] does, their times as bare numbers, and a column `beyond` after their own.
///
/// # Errors
/// When it can't be written.
pub fn write_timed<T: Timed + Clone + Serialize>(
    folder: &Path,
    sheet: &Sheet,
    rows: &[T],
) -> Result<()> {
    replace_table(folder, sheet, rows.iter().map(parted))
}

/// Adds the seconds, findings and histograms of a run, which began so many seconds after the series, to those of the
/// series. A file that the run does not have is none of the series either.
///
/// # Errors
/// When they can't be read or written.
pub fn append(series: &Path, run: &Path, offset_s: f64) -> Result<()> {
    let us = offset_s * 1e6;
    let add = || -> io::Result<()> {
        append_rows(series, run, "timeline.csv", &[(0, offset_s.round())])?;
        append_rows(series, run, "monitor.csv", &[(0, offset_s.round())])?;
        append_rows(series, run, "findings.csv", &[(3, us), (4, us), (5, us)])?;
        append_histograms(series, run)
    };
    add().map_err(|error| unwritable(series, &error))
}

fn append_rows(series: &Path, run: &Path, name: &str, shifts: &[(usize, f64)]) -> io::Result<()> {
    let path = run.join(name);
    if !path.is_file() {
        return Ok(());
    }
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_path(path)?;
    let target = series.join(name);
    let is_new = !target.is_file();
    let file = OpenOptions::new().create(true).append(true).open(target)?;
    let mut out = csv::Writer::from_writer(file);
    for (line, row) in rows.records().enumerate() {
        let row = row?;
        if line == 0 {
            if is_new {
                out.write_record(&row)?;
            }
            continue;
        }
        let shifted = row.iter().enumerate().map(|(at, field)| {
            let shift = shifts.iter().find(|(column, _)| *column == at).map(|(_, shift)| shift);
            match (shift, field.parse::<f64>()) {
                (Some(shift), Ok(value)) if field.contains('.') => format!("{:.3}", value + shift),
                (Some(shift), Ok(value)) => format!("{:.0}", value + shift),
                _ => field.to_owned(),
            }
        });
        out.write_record(shifted)?;
    }
    out.flush()
}

/// Interval logs of runs with one clock can be read one after another.
fn append_histograms(series: &Path, run: &Path) -> io::Result<()> {
    let name = "latency.hlog";
    let text = match fs::read_to_string(run.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let mut out = OpenOptions::new().append(true).create(true).open(series.join(name))?;
    for line in text.lines().filter(|line| line.starts_with("Tag=")) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
