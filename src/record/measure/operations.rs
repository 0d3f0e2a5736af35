//! What connected clients did or met: operations, counted and timed beside the attempts.

use serde::{Deserialize, Serialize};

use super::{MOST_FINDINGS, Measurements, signs::Site, times::Answer};
use crate::{
    base::words::{ExpectedEnd, Operation, OperationOutcome, Phase, Verdict},
    client::{
        attempt::Code,
        expire::{Expire, Fate},
    },
};

/// What is counted together in `operations.csv`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct OperationTally {
    /// Which operation.
    pub operation: Operation,
    /// Index of the kind of token that was sent.
    pub kind: usize,
    /// Index of the broker.
    pub broker: usize,
    /// What had to happen.
    pub expected: ExpectedEnd,
    /// What did.
    pub outcome: OperationOutcome,
    /// Its code.
    pub code: Code,
    /// What that is worth.
    pub verdict: Verdict,
}

/// A connection that ended by FIN or RST. Whether that is an `expire` is known when it is known whether its broker was there;
/// until then it counts as `not_judged`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PendingEnd {
    /// Where it led.
    pub site: Site,
    /// What it is if the broker was there.
    pub expire: Expire,
    /// What it is if not; `None` where it is no `expire` then.
    pub in_gap: Option<Fate>,
}

impl Expire {
    fn tally(&self, verdict: Verdict) -> OperationTally {
        OperationTally {
            operation: Operation::Expire,
            kind: self.kind,
            broker: self.broker,
            expected: self.expected,
            outcome: self.fate.outcome(),
            code: self.fate.code(),
            verdict,
        }
    }

    /// Whether it has a row in `findings.csv`: where nothing is promised, nothing is found.
    fn is_finding(&self) -> bool {
        !matches!(self.verdict, Verdict::Correct | Verdict::NotJudged)
    }
}

impl PendingEnd {
    /// What it is, now that it is known whether its broker was away.
    pub fn settled(&self, is_away: bool) -> Option<Expire> {
        if !is_away {
            return Some(self.expire);
        }
        let fate = self.in_gap?;
        let verdict = match self.expire.expected {
            ExpectedEnd::None => Verdict::NotJudged,
            ExpectedEnd::End | ExpectedEnd::Stay => Verdict::Indeterminate,
        };
        Some(Expire { fate, verdict, ..self.expire })
    }
}

impl Measurements {
    /// Records what became of a connection whose token ended. The warm-up leaves none of them out: it is over before.
    pub fn expired(&mut self, expire: &Expire) {
        self.operations.add(expire.tally(expire.verdict), 1);
        let digits = self.times.digits;
        let delay = expire.delay();
        let phase = match expire.fate {
            Fate::Ended(_) if delay < 0 => Phase::ExpiryEarly,
            _ => Phase::ExpiryEnforcement,
        };
        let cell = self.times.cell_mut(expire.kind, expire.broker, phase);
        match expire.fate {
            Fate::Ended(_) => cell.complete(Answer::None, delay.unsigned_abs(), digits),
            Fate::Open | Fate::Left(_) => {
                cell.unfinished += 1;
                cell.timed_out += u64::from(expire.fate == Fate::Open);
            }
        }
        if expire.is_finding() && self.expired.len() < MOST_FINDINGS {
            self.expired.push(*expire);
        }
    }

    /// Keeps a connection that ended by FIN or RST until it is known whether its broker was there.
    pub fn pend(&mut self, end: PendingEnd) {
        self.ends.push(end);
    }

    /// What connected clients did or met, in the order of the mix; what is not settled counts as `not_judged`.
    pub fn operation_tallies(&self) -> Vec<(OperationTally, u64)> {
        let mut tallies = self.operations.clone();
        for end in &self.ends {
            tallies.add(end.expire.tally(Verdict::NotJudged), 1);
        }
        let mut tallies: Vec<(OperationTally, u64)> = tallies.into_iter().copied().collect();
        tallies.sort_unstable();
        tallies
    }

    /// The same without what is not settled.
    pub fn settled_operations(&self) -> Vec<(OperationTally, u64)> {
        let mut tallies: Vec<(OperationTally, u64)> =
            self.operations.into_iter().copied().collect();
        tallies.sort_unstable();
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SECOND;

    fn expire(ended: u64, fate: Fate, verdict: Verdict) -> Expire {
        Expire { ended, fate, verdict, ..Expire::example(5 * SECOND as i64) }
    }

    #[test]
    fn each_end_is_counted_once_and_timed_before_or_after_its_deadline() {
        let mut seen = Measurements::new(1, 1);
        let fin = Fate::Ended(Code::Word("fin"));
        seen.expired(&expire(4 * SECOND, fin, Verdict::FalseReject));
        seen.expired(&expire(5 * SECOND, fin, Verdict::Correct));
        seen.expired(&expire(6 * SECOND, fin, Verdict::Correct));
        seen.expired(&expire(10 * SECOND, Fate::Open, Verdict::FalseAccept));
        seen.expired(&expire(5 * SECOND, Fate::Left(Code::Word("hold")), Verdict::Indeterminate));
        let latency = |phase| seen.latency(phase, None, None, None);
        let (late, early) = (latency(Phase::ExpiryEnforcement), latency(Phase::ExpiryEarly));
        assert_eq!((late.count(), late.unfinished, late.timed_out), (2, 2, 1));
        let least = early.least().unwrap();
        assert_eq!((early.count(), early.unfinished), (1, 0));
        assert!(least.abs_diff(SECOND) < SECOND / 100, "{least}");
        let counted: u64 = seen.operation_tallies().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, 5);
        assert_eq!(seen.expired.len(), 3, "what is right is no finding");
    }

    #[test]
    fn an_end_that_is_not_settled_is_not_judged_and_becomes_what_it_is() {
        let mut seen = Measurements::new(1, 1);
        let fin = Fate::Ended(Code::Word("fin"));
        let site = Site { broker: 0, address: ([127, 0, 0, 1], 1883).into() };
        let end =
            |in_gap| PendingEnd { site, expire: expire(6 * SECOND, fin, Verdict::Correct), in_gap };
        seen.pend(end(None));
        let open = seen.operation_tallies();
        assert_eq!((open.len(), open[0].0.verdict, open[0].1), (1, Verdict::NotJudged, 1));
        assert!(seen.settled_operations().is_empty());
        assert_eq!(end(None).settled(false).unwrap().verdict, Verdict::Correct);
        assert!(end(None).settled(true).is_none(), "a drop, and no end of a token");
        let left = end(Some(Fate::Left(Code::Word("gap")))).settled(true).unwrap();
        assert_eq!(
            (left.fate.outcome(), left.verdict),
            (OperationOutcome::Left, Verdict::Indeterminate)
        );
    }
}
