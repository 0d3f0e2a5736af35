//! `timeline_brokers.csv`: the seconds of a run, broker by broker, where there are several.

use std::path::Path;

use super::{cells::Beyond, sheets, tables::answers, time::percentile_of, writing::Growing};
use crate::{
    base::clock::nanoseconds, client::attempt::Phase, plan::Plan, record::measure::Measurements,
};

/// Its name in a run folder.
pub const FILE: &str = sheets::BROKERS.name;
/// Begins the file.
pub fn begin(folder: &Path) -> Growing {
    Growing::begin(folder, FILE, sheets::BROKERS.first_line().as_bytes())
}

/// Appends a second: a row for each broker.
pub fn append(file: &mut Growing, plan: &Plan, second: u64, seen: &Measurements) {
    let timeout = nanoseconds(plan.load().connect_timeout);
    let tallies = seen.tallies();
    file.append_rows(plan.brokers.iter().enumerate().map(|(at, broker)| {
        let counts = answers(&tallies, |tally| tally.broker == at);
        let latency = seen.latency(Phase::Connack, None, Some(at), None);
        let mut beyond = Beyond::default();
        let p50 = beyond.cell("connack_p50", percentile_of(&latency, 50.0, timeout));
        let p99 = beyond.cell("connack_p99", percentile_of(&latency, 99.0, timeout));
        (second, &broker.label, counts, p50, p99, beyond.text())
    }));
}
