//! When brokers that came back were heard of first: workers tell it from the answers that they count anyway.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::{attempt::Attempt, verdict::Verdict};

/// Nothing yet, or never.
const NEVER: u64 = u64::MAX;

/// The brokers that are listened for.
#[derive(Debug)]
pub(in crate::engine) struct Heard(Vec<Ear>);

#[derive(Debug)]
struct Ear {
    /// Attempts that started from then on count.
    since: AtomicU64,
    /// When the first one of them was answered.
    first: AtomicU64,
}

impl Heard {
    /// For so many brokers, none of which is listened for.
    pub(in crate::engine) fn new(brokers: usize) -> Self {
        let ear = || Ear { since: AtomicU64::new(NEVER), first: AtomicU64::new(NEVER) };
        Self((0..brokers).map(|_| ear()).collect())
    }

    /// Listens for a broker that is being started since `began`.
    pub(super) fn listen(&self, broker: usize, began: u64) {
        self.0[broker].first.store(NEVER, Ordering::Relaxed);
        self.0[broker].since.store(began, Ordering::Relaxed);
    }

    /// Listens for it no more.
    pub(super) fn stops(&self, broker: usize) {
        self.0[broker].since.store(NEVER, Ordering::Relaxed);
    }

    /// When the first answer came, where one did.
    pub(super) fn first(&self, broker: usize) -> Option<u64> {
        let first = self.0[broker].first.load(Ordering::Relaxed);
        (first != NEVER).then_some(first)
    }

    /// Looks at an attempt that is over, and that the broker had decided at that instant. It is one read of memory that
    /// nobody writes, except after a broker came back.
    pub(in crate::engine) fn note(&self, attempt: &Attempt, decided: u64, verdict: Verdict) {
        let ear = &self.0[attempt.broker];
        if attempt.started >= ear.since.load(Ordering::Relaxed)
            // A broker that goes down, or comes up, may close connections: that is no answer of one that is back.
            && attempt.outcome.is_connack()
            && verdict != Verdict::NotJudged
            && decided < ear.first.load(Ordering::Relaxed)
        {
            ear.first.fetch_min(decided, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
