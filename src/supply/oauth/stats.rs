//! What came of the fetches, in numbers.

use std::collections::BTreeMap;

use super::Got;
use crate::{
    client::{
        attempt::Code,
        verdict::foreign::{Reason, Said},
    },
    record::{
        measure::{Times, empty_times, latency::Latency},
        results::{
            fetches::{OAuth, Refreshes},
            time::PhaseStats,
        },
    },
    token::oracle::{
        Fault,
        foreign::{Alg, Foreign},
        shape::Shape,
    },
};

/// Significant digits of its histograms.
const DIGITS: u8 = 3;
/// The errors that standards know (RFC 6749, 5.2; RFC 8628, 3.5; RFC 8707, 2; RFC 6750, 3.1 and those for servers at their
/// limit). Another may repeat what the server was told: it counts as `other`.
const ERRORS: [&str; 17] = [
    "access_denied",
    "authorization_pending",
    "consent_required",
    "expired_token",
    "insufficient_scope",
    "interaction_required",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// The longest name of an algorithm that is registered with IANA has 18 characters (`PBES2-HS256+A128KW`).
const LONGEST_ALG: usize = 20;

/// What an algorithm is called whose name is not shown.
const OTHER_ALG: &str = "another";
/// Reasons and algorithms that are told apart, a hundred more than there are reasons: JOSE has some fifty names.
const MOST_OPEN: usize = 160;

/// Counts and times of requests to the authorization server.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Tokens that were fetched.
    pub fetched: u64,
    /// Fetches that failed in the end, and those that their client did not wait for.
    pub failed: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Fetches that were tried again.
    pub retries: u64,
    /// JWTs without an `exp` that is a number: they never end.
    pub without_expiry: u64,
    /// Tokens by what they are.
    pub shapes: BTreeMap<Shape, u64>,
    /// Tokens that have to be refused, by why.
    pub to_refuse: BTreeMap<Reason, u64>,
    /// Tokens of which nothing is promised, by why, and by their `alg` where that is why.
    pub open: BTreeMap<(Reason, Option<String>), u64>,
    /// Requests by HTTP status, or by the word for what happened instead of an answer.
    pub statuses: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error.
    pub errors: BTreeMap<String, u64>,
    /// Failed fetches by HTTP status, and by the OAuth error in the answer; `html` where that was a page for people.
    pub refusals: BTreeMap<(String, &'static str), u64>,
    /// What came of refresh tokens.
    pub refreshes: Refreshes,
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
            shapes: BTreeMap::new(),
            to_refuse: BTreeMap::new(),
            open: BTreeMap::new(),
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            refusals: BTreeMap::new(),
            refreshes: Refreshes::default(),
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

    /// Counts a token that is not simply good in the hands of a client.
    pub(super) fn not_good(&mut self, said: Said, why: Reason, token: &Foreign) {
        match said {
            Said::Good => {}
            Said::Refuse(_) => *self.to_refuse.entry(why).or_default() += 1,
            Said::Either(_) => {
                let is_algorithm =
                    matches!(why, Reason::Fault(Fault::AlgUnknown | Fault::AlgOther));
                let is_full = self.open.len() >= MOST_OPEN;
                let alg = is_algorithm
                    .then(|| if is_full { OTHER_ALG.into() } else { alg_shown(token.alg()) });
                *self.open.entry((why, alg)).or_default() += 1;
            }
        }
    }

    /// Counts a fetch that has come to its end.
    pub(super) fn count(&mut self, fetched: &Got) {
        match fetched {
            Ok(token) => {
                self.fetched += 1;
                self.without_expiry += u64::from(token.never_ends);
                *self.shapes.entry(token.shape).or_default() += 1;
            }
            Err(failure) => {
                self.failed += 1;
                let code = failure.code.to_string();
                let Some(error) = &failure.error else {
                    if let (Code::Status(_), Some(strange)) = (failure.code, failure.strange) {
                        *self.refusals.entry((code, strange.name())).or_default() += 1;
                    }
                    return;
                };
                let name = ERRORS.into_iter().find(|known| known == error).unwrap_or("other");
                *self.errors.entry(name.to_owned()).or_default() += 1;
                *self.refusals.entry((code, name)).or_default() += 1;
            }
        }
    }
}

/// Why nothing is promised of a token, with its algorithm where that is why.
fn open((why, alg): &(Reason, Option<String>)) -> String {
    match alg {
        Some(alg) => format!("{} {alg}", why.name()),
        None => why.name(),
    }
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
            to_refuse: stats.to_refuse.iter().map(|(why, n)| (why.name(), *n)).collect(),
            open: stats.open.iter().map(|(why, n)| (open(why), *n)).collect(),
            statuses: stats.statuses.clone(),
            errors: stats.errors.clone(),
            refusals: stats
                .refusals
                .iter()
                .map(|((status, error), n)| (format!("{error} {status}"), *n))
                .collect(),
            refreshes: stats.refreshes.clone(),
            request: phase(&stats.request),
            queued: phase(&stats.queued),
            key_set: None,
        }
    }
}

/// An `alg` in results: what is not of the form that names of algorithms have may be anything, and is not shown.
fn alg_shown(alg: Alg<'_>) -> String {
    match alg {
        Alg::Known(named) => named.to_string(),
        Alg::Other(name)
            if name.len() <= LONGEST_ALG
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_+".contains(c)) =>
        {
            name.to_owned()
        }
        _ => OTHER_ALG.into(),
    }
}
