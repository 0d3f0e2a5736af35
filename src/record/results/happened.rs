//! What an authorization server was asked for, and what was done to it.

use serde::Serialize;

use crate::plan::timeline::Action;

/// Requests that are counted together, as `issuer.csv` has them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Visit {
    /// Second of the storm; -1 for all before.
    pub second: i64,
    /// Path, or `other`.
    pub path: &'static str,
    /// Status; 0 where nothing was answered.
    pub status: u16,
    /// The product of the `User-Agent`, or `unnamed`.
    pub caller: String,
    /// How many.
    pub count: u64,
}

/// An event that happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// When, in nanoseconds of the run's clock.
    pub at: u64,
    /// When, in seconds after the start of the storm; below 0 before it.
    pub second: f64,
    /// The event.
    pub event: &'static str,
    /// What was done, in words.
    pub detail: String,
    /// What was done.
    pub action: Action,
}
