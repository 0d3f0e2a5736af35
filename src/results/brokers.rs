//! `timeline_brokers.csv`: the seconds of a run, broker by broker, where there are several.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    cells::{BEYOND, Beyond},
    folder::unwritable,
    summary::percentile,
};
use crate::{
    attempt::{Outcome, Phase},
    clock::nanoseconds,
    error::Result,
    measure::Measurements,
    plan::Plan,
};

/// Its name in a run folder.
pub const FILE: &str = "timeline_brokers.csv";
const COLUMNS: [&str; 8] = [
    "second",
    "broker",
    "accepted",
    "refused",
    "failed",
    "connack_p50_us",
    "connack_p99_us",
    BEYOND,
];

/// The file while it is written.
#[derive(Debug)]
pub struct BrokerSeconds {
    rows: csv::Writer<File>,
    folder: PathBuf,
}

impl BrokerSeconds {
    /// Begins the file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn create(folder: &Path) -> Result<Self> {
        let fail = |error: csv::Error| unwritable(folder, &error);
        let mut rows = csv::Writer::from_path(folder.join(FILE)).map_err(fail)?;
        rows.write_record(COLUMNS).map_err(fail)?;
        Ok(Self { rows, folder: folder.to_owned() })
    }

    /// Appends a second: a row for each broker.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn second(&mut self, plan: &Plan, second: u64, seen: &Measurements) -> Result<()> {
        let timeout = nanoseconds(plan.load().connect_timeout);
        let tallies = seen.tallies();
        for (at, broker) in plan.brokers.iter().enumerate() {
            let (mut accepted, mut refused, mut failed) = (0, 0, 0);
            for (tally, count) in tallies.iter().filter(|(tally, _)| tally.broker == at) {
                *match tally.outcome {
                    Outcome::Accepted => &mut accepted,
                    Outcome::Refused(_) => &mut refused,
                    _ => &mut failed,
                } += count;
            }
            let latency = seen.latency(Phase::Connack, None, Some(at), None);
            let mut beyond = Beyond::default();
            let mut time = |name, percent| {
                let time = (!latency.is_empty()).then(|| percentile(&latency, percent, timeout));
                beyond.cell(name, time.as_ref())
            };
            let (p50, p99) = (time("connack_p50", 50.0), time("connack_p99", 99.0));
            let row = [
                second.to_string(),
                broker.label.clone(),
                accepted.to_string(),
                refused.to_string(),
                failed.to_string(),
                p50,
                p99,
                beyond.text(),
            ];
            self.rows.write_record(row).map_err(|error| unwritable(&self.folder, &error))?;
        }
        self.rows.flush().map_err(|error| unwritable(&self.folder, &error))
    }
}
