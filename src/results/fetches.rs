//! `oauth` of the summary: what came of the requests for tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::summary::PhaseStats;
use crate::{
    measure::{Times, latency::Latency},
    oauth::Stats,
};

/// Requests to the authorization server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OAuth {
    /// Tokens that were fetched.
    pub fetched: u64,
    /// Fetches that failed in the end.
    pub failed: u64,
    /// Requests that were sent; one fetch may take several.
    pub requests: u64,
    /// Fetches that were tried again.
    pub retries: u64,
    /// JWTs without an `exp` that is a number: they never end.
    pub without_expiry: u64,
    /// Tokens by what they are: `jwt` (with a whole number as `exp`), `opaque` (no JWT), `jwe` (encrypted), and JWTs with
    /// another `exp`: `jwt_exp_missing`, `jwt_exp_text`, `jwt_exp_fraction`, `jwt_exp_milliseconds`, `jwt_exp_other`.
    #[serde(default)]
    pub tokens: BTreeMap<String, u64>,
    /// Requests by HTTP status, or by the word for what happened instead of an answer.
    pub statuses: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error.
    pub errors: BTreeMap<String, u64>,
    /// Request sent to answer read.
    pub request: Option<PhaseStats>,
    /// Waits for the rate limit and for a free connection: the generator's, not the server's.
    pub queued: Option<PhaseStats>,
}

impl From<&Stats> for OAuth {
    fn from(stats: &Stats) -> Self {
        let phase = |times: &Times| {
            let times = (!times.is_empty()).then(|| times.clone());
            PhaseStats::new(&Latency { times, unfinished: 0, timed_out: 0 }, 0)
        };
        Self {
            fetched: stats.fetched,
            failed: stats.failed,
            requests: stats.requests,
            retries: stats.retries,
            without_expiry: stats.without_expiry,
            tokens: stats.shapes.iter().map(|(shape, n)| (shape.name().to_owned(), *n)).collect(),
            statuses: stats.statuses.clone(),
            errors: stats.errors.clone(),
            request: phase(&stats.request),
            queued: phase(&stats.queued),
        }
    }
}
