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
            && attempt.outcome.is_answer()
            && verdict != Verdict::NotJudged
            && decided < ear.first.load(Ordering::Relaxed)
        {
            ear.first.fetch_min(decided, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::attempt::{Close, Outcome, Steps};

    fn attempt(started: u64, ended: u64) -> Attempt {
        Attempt {
            client: 0,
            kind: 0,
            key: None,
            broker: 1,
            minted_for: 0,
            scheduled: started,
            opened: started,
            read: None,
            started,
            steps: Steps::default(),
            sent: started,
            ended,
            outcome: Outcome::Accepted,
        }
    }

    #[test]
    fn the_first_judged_answer_of_an_attempt_after_the_start_is_the_one_that_counts() {
        let heard = Heard::new(2);
        heard.note(&attempt(1, 2), 2, Verdict::Correct);
        assert_eq!(heard.first(1), None, "nobody listens");
        heard.listen(1, 10);
        heard.note(&attempt(9, 11), 11, Verdict::Correct);
        heard.note(&attempt(10, 12), 12, Verdict::NotJudged);
        let closed = Attempt { outcome: Outcome::Closed(Close::Fin), ..attempt(10, 12) };
        heard.note(&closed, 12, Verdict::WrongReason);
        assert_eq!(heard.first(1), None, "an end of the connection is no CONNACK");
        heard.note(&attempt(12, 20), 20, Verdict::Correct);
        heard.note(&attempt(13, 15), 15, Verdict::FalseReject);
        heard.note(&attempt(14, 16), 16, Verdict::Correct);
        assert_eq!((heard.first(0), heard.first(1)), (None, Some(15)));
        heard.note(&attempt(15, 19), 14, Verdict::Correct);
        assert_eq!(heard.first(1), Some(14), "a refusal that was decided before, and delayed");
        heard.stops(1);
        heard.note(&attempt(11, 12), 12, Verdict::Correct);
        assert_eq!(heard.first(1), Some(14));
    }
}
