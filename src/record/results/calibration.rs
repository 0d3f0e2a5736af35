//! What a calibration came to, as `calibrate --json`, `calibration.json` and `environment.json` have it.

use serde::{Deserialize, Serialize};

use crate::base::words::Phase;

/// The harness against a responder whose delays are known.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Calibration {
    pub format: u32,
    /// RFC 3339.
    pub at: String,
    pub rate_per_s: f64,
    pub rows: Vec<Row>,
    pub stall: Stall,
    /// All percentiles are within what is allowed, and the stall shows where it has to.
    pub passed: bool,
}

/// One percentile of a phase.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Row {
    pub pattern: String,
    /// Before there were others, all were of `connack`.
    #[serde(default = "connack")]
    pub phase: Phase,
    pub percentile: f64,
    /// By the responder's own log.
    pub responder_us: f64,
    pub measured_us: f64,
    pub off_us: f64,
    pub allowed_us: f64,
    pub within: bool,
}

fn connack() -> Phase {
    Phase::Connack
}

/// What a stall looks like.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Stall {
    pub length_us: f64,
    pub theory_p90_us: f64,
    pub response_p90_us: f64,
    pub theory_p99_us: f64,
    pub response_p99_us: f64,
    /// Of a closed loop, in service time alone.
    pub closed_service_p99_us: f64,
    /// In `response`, as theory says.
    pub shows: bool,
    /// In the service time of a closed loop it does not.
    pub is_hidden_when_closed: bool,
}
