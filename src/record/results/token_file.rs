//! What became of the rows of a token file.

use serde::{Deserialize, Serialize};

use crate::{
    plan::Plan,
    record::measure::{Count, Measurements},
};

/// What became of the rows of a token file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TokenFile {
    /// Rows of the file.
    pub rows: u64,
    /// Rows whose token no attempt took.
    pub never_sent: u64,
    /// Attempts with a token of `expected = accept` that had ended, so that it had to be refused.
    pub ended: u64,
    /// Names of `alg` that the policy could not judge, of rows without `expected`: both answers to
    /// them are right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_algorithms: Vec<String>,
}

impl TokenFile {
    /// What was seen of the file of a plan; `None` where tokens come from elsewhere.
    pub fn of(plan: &Plan, all: &Measurements, unknown: &[String]) -> Option<Self> {
        let rows = plan.rows.as_ref()?.count() as u64;
        Some(Self {
            rows,
            never_sent: rows.saturating_sub(all[Count::RowsTaken]),
            ended: all[Count::RowsEnded],
            unknown_algorithms: unknown.to_vec(),
        })
    }
}
