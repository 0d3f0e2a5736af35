//! `timeline_brokers.csv`: the seconds of a run, broker by broker, where there are several.

use std::path::Path;

use super::{
    cells::{BEYOND, Beyond},
    time::percentile,
    writing::{Cut, Growing},
};
use crate::{
    base::clock::nanoseconds,
    client::attempt::{Outcome, Phase},
    plan::Plan,
    record::measure::Measurements,
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
pub struct BrokerSeconds(Growing);

impl BrokerSeconds {
    /// Begins the file.
    pub fn begin(folder: &Path) -> Self {
        Self(Growing::begin(folder, FILE, format!("{}\n", COLUMNS.join(",")).as_bytes()))
    }

    /// That it could not be written any more; said once.
    pub fn cut(&mut self) -> Option<Cut> {
        self.0.cut()
    }

    /// Appends a second: a row for each broker.
    pub fn second(&mut self, plan: &Plan, second: u64, seen: &Measurements) {
        let rows = rows(plan, second, seen);
        self.0.append_rows(|out| rows.iter().try_for_each(|row| out.write_record(row)));
    }
}

/// The rows of a second.
fn rows(plan: &Plan, second: u64, seen: &Measurements) -> Vec<[String; 8]> {
    let timeout = nanoseconds(plan.load().connect_timeout);
    let tallies = seen.tallies();
    let mut rows = Vec::with_capacity(plan.brokers.len());
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
            beyond.cell(name, time)
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
        rows.push(row);
    }
    rows
}
