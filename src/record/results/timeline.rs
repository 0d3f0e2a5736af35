//! `timeline.csv`: a run, second by second.

use serde::{Deserialize, Serialize};

use super::{cells::Timed, sheets, tables::answers, time::percentile_of};
use crate::{
    client::attempt::Phase,
    record::{
        measure::{Count, Measurements},
        results::Percentile,
    },
};

/// Its name in a run folder.
pub const FILE: &str = sheets::TIMELINE.name;
/// A row of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Second {
    pub second: u64,
    pub started: u64,
    pub accepted: u64,
    pub refused: u64,
    pub failed: u64,
    pub open: u64,
    pub connack_p50_us: Option<Percentile>,
    pub connack_p99_us: Option<Percentile>,
    pub start_delay_p99_us: Option<Percentile>,
    /// Its column stands behind that of the times that lie beyond their cells.
    #[serde(default, skip_serializing)]
    pub dropped: u64,
    /// Likewise, clients that came back.
    #[serde(default, skip_serializing)]
    pub back: u64,
    /// Likewise, tokens that were renewed.
    #[serde(default, skip_serializing)]
    pub renewed: u64,
}

impl Timed for Second {
    fn times(&mut self) -> Vec<(&'static str, &mut Option<Percentile>)> {
        vec![
            ("connack_p50", &mut self.connack_p50_us),
            ("connack_p99", &mut self.connack_p99_us),
            ("start_delay_p99", &mut self.start_delay_p99_us),
        ]
    }
}

impl Second {
    /// What was seen in a second; `timeout` in nanoseconds.
    pub fn of(second: u64, seen: &Measurements, timeout: u64) -> Self {
        let (accepted, refused, failed) = answers(&seen.tallies(), |_| true);
        let time = |phase, percent| {
            percentile_of(&seen.latency(phase, None, None, None), percent, timeout)
        };
        Self {
            second,
            started: seen[Count::Started],
            accepted,
            refused,
            failed,
            open: seen[Count::Open],
            connack_p50_us: time(Phase::Connack, 50.0),
            connack_p99_us: time(Phase::Connack, 99.0),
            start_delay_p99_us: time(Phase::StartDelay, 99.0),
            dropped: seen.dropped().sum(),
            back: seen[Count::Back],
            renewed: seen[Count::Renewed],
        }
    }
}
