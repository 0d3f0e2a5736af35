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

/// What a search for the highest rate found.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Capacity {
    /// Verdicts per second: the median of the confirming runs, never more than the rate that was
    /// asked for. Null if no rate held.
    pub per_s: Option<f64>,
    /// The lower end of the interval: the lowest confirming run. Null if no rate held.
    pub low_per_s: Option<f64>,
    /// The upper end: the lowest rate that did not hold. Null if all held, or if the generator was
    /// the limit.
    pub high_per_s: Option<f64>,
    /// `broker`, also if it failed. `generator`, if that was the limit, or if no rate had failed
    /// when `most`, `max_steps` or the user ended the search.
    pub limited_by: LimitedBy,
    /// Steps of the search: the rows of `capacity.csv`.
    pub steps: usize,
    /// Confirming runs that held; 0 if the search has no answer.
    pub confirmed: u32,
    /// What decided, in sentences.
    pub reasons: Vec<Reason>,
    /// Why the search ended early, in a sentence. Null if it did not.
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

/// What verifying costs. A run that a threshold ended is not in it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Control {
    /// The last round that has a run. With an interruption not every arm was run in it.
    pub rounds: usize,
    /// The arms of the comparison: `without`, `reused` and `unique`.
    pub arms: BTreeMap<String, ArmStats>,
    /// What one arm costs more than another, by the names of both: `unique - without`, `unique -
    /// reused` and `reused - without`.
    pub differences: BTreeMap<String, Difference>,
}

/// Medians over the runs of one arm. `connack` is `ws_upgrade` here if the upgrade brings the token.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ArmStats {
    /// Runs of the arm.
    pub runs: usize,
    /// The median of `connack`, in microseconds. Null if that of a run is no time.
    pub connack_p50_us: Option<f64>,
    /// The 99th percentile of `connack`, likewise.
    pub connack_p99_us: Option<f64>,
    /// Verdicts per second.
    pub verdicts_per_s: f64,
    /// CPU time of the broker for each verdict, in microseconds. Null if that of a run is not
    /// known.
    pub broker_cpu_us_per_verdict: Option<f64>,
    /// CPU time of tokenstorm for each verdict, likewise.
    pub harness_cpu_us_per_verdict: Option<f64>,
}

/// Differences between two arms, taken within each round.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Difference {
    /// The difference of the medians of `connack`, in microseconds. Null with fewer than two pairs,
    /// or if that of one of the runs is no time.
    pub connack_p50_us: Option<Interval>,
    /// The difference of the broker's CPU time for each verdict, in microseconds. Null with fewer
    /// than two pairs, or if that of one of the runs is not known.
    pub broker_cpu_us_per_verdict: Option<Interval>,
}

/// A mean of differences, and the interval in which the true one lies with 95 % confidence
/// (Student's t).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Pairs of runs that the mean is made of.
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

/// A run of a sweep. Of a search: latencies, CPU and rates are those of its last run that held.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SweepRun {
    /// The number of the run, from 1.
    pub trial: usize,
    /// Which repetition of its combination it is, from 1.
    pub repeat: u32,
    /// The algorithm that signs; `-` if the mix needs no key.
    pub algorithm: String,
    /// The length of the RSA key, in bits. Null of other algorithms.
    pub rsa_bits: Option<u16>,
    /// The version of MQTT: 4 is 3.1.1, 5 is 5.0.
    pub protocol: u8,
    /// Percent of the arrivals that must be refused, 0 to 100. Null if the sweep does not vary it.
    pub bad_share: Option<f64>,
    /// The length of a token, in bytes. Null if the sweep does not vary it.
    pub token_bytes: Option<u32>,
    /// Attempts.
    pub attempts: u64,
    /// Verdicts per second.
    pub verdicts_per_s: f64,
    /// The median of `connack`, in microseconds. Null if no attempt came as far, or no rate of a
    /// search held; so of the next three.
    pub connack_p50_us: Option<Percentile>,
    /// The 99th percentile of `connack`, in microseconds.
    pub connack_p99_us: Option<Percentile>,
    /// The median of `connack` of tokens that must be let in, in microseconds.
    pub good_connack_p50_us: Option<Percentile>,
    /// The 99th percentile of these, in microseconds.
    pub good_connack_p99_us: Option<Percentile>,
    /// Attempts that could not be judged, as a share of all, 0 to 1.
    pub not_judged_rate: f64,
    /// Bad tokens that were accepted; of a search, in all of its runs.
    pub false_accepts: u64,
    /// Good tokens that were refused; of a search, in all of its runs.
    pub false_rejects: u64,
    /// CPU time of the broker for each verdict, in microseconds. Null if it is not known.
    pub broker_cpu_us_per_verdict: Option<f64>,
    /// CPU time of tokenstorm for each verdict, in microseconds. Null without `[monitor]`.
    pub harness_cpu_us_per_verdict: Option<f64>,
    /// Memory of the broker for each open connection, in bytes. Null if it is not known.
    pub bytes_per_connection: Option<f64>,
    /// Tokens per second that one core of this host verifies. Null if that was not measured.
    pub yardstick_per_s: Option<f64>,
    /// What the search of this combination found, in verdicts per second. Null if it found nothing,
    /// or was no search.
    pub capacity_per_s: Option<f64>,
    /// The lower end of its interval. Null if there is none.
    pub capacity_low_per_s: Option<f64>,
    /// The upper end. Null if there is none; it may be there if the search found nothing.
    pub capacity_high_per_s: Option<f64>,
    /// Who was the limit. Null if this was no search.
    pub capacity_limited_by: Option<LimitedBy>,
    /// Why the search ended early. Null if it did not.
    pub capacity_ended: Option<String>,
    /// Whether the numbers can be trusted.
    pub validity: Validity,
    /// The folder of the run, under `runs/`.
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
