//! Every request, counted by second, path, status and caller.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    base::clock::{Clock, SECOND},
    record::results::happened::Visit,
};

/// Longest name of a caller that is kept.
const LONGEST_CALLER: usize = 40;
/// Callers that are told apart; a broker that names itself anew each time counts as `others`.
const MOST_CALLERS: usize = 100;

/// What requests are counted together by: second, path, status, caller.
type Kind = (i64, &'static str, u16, String);

#[derive(Debug)]
pub(super) struct Visits {
    clock: Clock,
    storm: AtomicI64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    by: BTreeMap<Kind, u64>,
    callers: Vec<String>,
}

impl Visits {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, storm: AtomicI64::new(i64::MAX), counts: Mutex::default() }
    }

    pub(super) fn storm_starts(&self, at: u64) {
        self.storm.store(at as i64, Ordering::Release);
    }

    pub(super) fn count(&self, path: &'static str, status: u16, caller: &str) {
        let since = (self.clock.now() as i64).saturating_sub(self.storm.load(Ordering::Acquire));
        let second = since.div_euclid(SECOND as i64).max(-1);
        let mut counts = self.counts.lock();
        let mut caller = caller.to_owned();
        if !counts.callers.contains(&caller) {
            if counts.callers.len() < MOST_CALLERS {
                counts.callers.push(caller.clone());
            } else {
                "others".clone_into(&mut caller);
            }
        }
        *counts.by.entry((second, path, status, caller)).or_default() += 1;
    }

    pub(super) fn all(&self) -> Vec<Visit> {
        let counts = self.counts.lock();
        let visit = |((second, path, status, caller), count): (&Kind, &u64)| Visit {
            second: *second,
            path,
            status: *status,
            caller: caller.clone(),
            count: *count,
        };
        counts.by.iter().map(visit).collect()
    }
}

/// The product that a `User-Agent` names first (RFC 9110, 10.1.5), cut to what a table can hold.
pub(super) fn caller(agent: Option<&str>) -> String {
    let product = agent.and_then(|agent| agent.split(['/', ' ']).next()).unwrap_or_default();
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let kept: String = product.chars().filter(is_kept).take(LONGEST_CALLER).collect();
    if kept.is_empty() { "unnamed".into() } else { kept }
}
