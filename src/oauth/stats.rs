//! What came of the fetches, in numbers.

use std::collections::BTreeMap;

use super::{Failure, Token};
use crate::{
    attempt::Code,
    measure::{Times, empty_times},
};

/// Significant digits of its histograms.
const DIGITS: u8 = 3;
/// OAuth errors that are told apart; a server that makes up new ones has the rest counted as `other`.
const MOST_ERRORS: usize = 32;

/// Counts and times of requests to the authorization server.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Tokens that were fetched.
    pub fetched: u64,
    /// Fetches that failed in the end.
    pub failed: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Fetches that were tried again.
    pub retries: u64,
    /// Tokens without a time at which they end.
    pub without_expiry: u64,
    /// Requests by HTTP status, or by the word for what happened instead of an answer.
    pub statuses: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error.
    pub errors: BTreeMap<String, u64>,
    /// Request sent to answer read, in nanoseconds.
    pub request: Times,
    /// Waits for the rate limit and for a free connection: ours, not the server's.
    pub queued: Times,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            fetched: 0,
            failed: 0,
            requests: 0,
            retries: 0,
            without_expiry: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            request: empty_times(DIGITS),
            queued: empty_times(DIGITS),
        }
    }

    /// Counts a request: what came of it, how long it waited here, and how long it took.
    pub(super) fn requested(&mut self, code: Code, queued: u64, took: u64) {
        self.requests += 1;
        *self.statuses.entry(code.to_string()).or_default() += 1;
        self.queued.saturating_record(queued.max(1));
        if matches!(code, Code::Status(_)) {
            self.request.saturating_record(took.max(1));
        }
    }

    /// Counts a fetch that has come to its end.
    pub(super) fn count(&mut self, fetched: &Result<Token, Failure>) {
        match fetched {
            Ok(token) => {
                self.fetched += 1;
                self.without_expiry += u64::from(token.times.exp.is_none());
            }
            Err(failure) => {
                self.failed += 1;
                let Some(error) = &failure.error else { return };
                let is_kept = |c: &char| c.is_ascii_alphanumeric() || "_-.:/".contains(*c);
                let mut name: String = error.chars().filter(is_kept).take(60).collect();
                if self.errors.len() >= MOST_ERRORS && !self.errors.contains_key(&name) {
                    "other".clone_into(&mut name);
                }
                *self.errors.entry(name).or_default() += 1;
            }
        }
    }
}
