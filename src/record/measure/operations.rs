//! What connected clients did or met: operations, counted and timed beside the attempts.

use serde::{Deserialize, Serialize};

use super::{MOST_FINDINGS, Measurements, signs::Site, times::Answer};
use crate::{
    base::words::{Due, ExpectedEnd, Operation, OperationOutcome, Phase, Verdict},
    client::{
        attempt::{Attempt, Code, Outcome},
        expire::{Expire, Fate},
        reauth::Reauth,
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
    pub expected: Due,
    /// What did.
    pub outcome: OperationOutcome,
    /// Its code.
    pub code: Code,
    /// What that is worth.
    pub verdict: Verdict,
}

/// What a connected client did or met.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Operated {
    /// Its token ended.
    Expire(Expire),
    /// It authenticated again.
    Reauth(Reauth),
}

/// A connection that ended by FIN or RST. What that is is known when it is known whether its broker was there; until then it
/// counts as `not_judged`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PendingEnd {
    /// Where it led.
    pub site: Site,
    /// What it is if the broker was there.
    pub operated: Operated,
    /// What became of the end of its token if not; `None` where it is no `expire` then.
    pub in_gap: Option<Fate>,
}

impl Operated {
    /// Index of the kind of token that it is about.
    pub fn kind(&self) -> usize {
        match self {
            Self::Expire(expire) => expire.kind,
            Self::Reauth(reauth) => reauth.attempt.kind,
        }
    }

    /// Index of its broker.
    pub fn broker(&self) -> usize {
        match self {
            Self::Expire(expire) => expire.broker,
            Self::Reauth(reauth) => reauth.attempt.broker,
        }
    }

    /// When it was known how it ended, in nanoseconds of the run's clock.
    pub fn ended(&self) -> u64 {
        match self {
            Self::Expire(expire) => expire.ended,
            Self::Reauth(reauth) => reauth.attempt.ended,
        }
    }

    /// From when on it was under way: a token counts from its acceptance.
    pub(super) fn began(&self) -> u64 {
        match self {
            Self::Expire(expire) => expire.accepted,
            Self::Reauth(reauth) => reauth.attempt.started,
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Expire(expire) => expire.verdict,
            Self::Reauth(reauth) => reauth.verdict,
        }
    }

    /// By what it is counted, with this verdict.
    pub fn tally(&self, verdict: Verdict) -> OperationTally {
        let (kind, broker) = (self.kind(), self.broker());
        let (operation, expected, outcome, code) = match self {
            Self::Expire(Expire { fate, expected, .. }) => {
                (Operation::Expire, Due::End(*expected), fate.outcome(), fate.code())
            }
            Self::Reauth(reauth) => (
                Operation::Reauthenticate,
                Due::Answer(reauth.expected.kind()),
                reauth.outcome(),
                reauth.attempt.outcome.code(),
            ),
        };
        OperationTally { operation, kind, broker, expected, outcome, code, verdict }
    }

    /// Whether it has a row in `findings.csv`: where nothing is promised, nothing is found.
    fn is_finding(&self) -> bool {
        !matches!(self.verdict(), Verdict::Correct | Verdict::NotJudged)
    }
}

impl PendingEnd {
    /// What it is, now that it is known whether its broker was away.
    pub fn settled(&self, is_away: bool) -> Option<Operated> {
        Some(match self.operated {
            operated if !is_away => operated,
            Operated::Expire(expire) => {
                let verdict = match expire.expected {
                    ExpectedEnd::None => Verdict::NotJudged,
                    ExpectedEnd::End | ExpectedEnd::Stay => Verdict::Indeterminate,
                };
                Operated::Expire(Expire { fate: self.in_gap?, verdict, ..expire })
            }
            Operated::Reauth(reauth) => {
                Operated::Reauth(Reauth { verdict: Verdict::NotJudged, ..reauth })
            }
        })
    }
}

impl Measurements {
    /// Records what a connected client did or met. Times of what was due before `warm` are left out; the ends of tokens are
    /// not among them, since the warm-up is over before.
    pub fn operated(&mut self, operated: &Operated, warm: u64) {
        self.operations.add(operated.tally(operated.verdict()), 1);
        match operated {
            Operated::Expire(expire) => self.time_expire(expire),
            Operated::Reauth(reauth) if reauth.attempt.scheduled >= warm => {
                self.time_reauth(reauth);
            }
            Operated::Reauth(_) => {}
        }
        if operated.is_finding() && self.found.len() < MOST_FINDINGS {
            self.found.push(*operated);
        }
    }

    fn time_expire(&mut self, expire: &Expire) {
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
    }

    fn time_reauth(&mut self, reauth: &Reauth) {
        if !reauth.was_sent() {
            return;
        }
        let (digits, Attempt { kind, broker, outcome, .. }) = (self.times.digits, reauth.attempt);
        let cell = self.times.cell_mut(kind, broker, Phase::Reauth);
        if let Some(time) = reauth.time() {
            return cell.complete(Answer::of(outcome), time, digits);
        }
        cell.unfinished += 1;
        cell.timed_out += u64::from(matches!(outcome, Outcome::Timeout(_)));
    }

    /// Keeps a connection that ended by FIN or RST until it is known whether its broker was there.
    pub fn pend(&mut self, end: PendingEnd) {
        self.ends.push(end);
    }

    /// What connected clients did or met, in the order of the mix; what is not settled counts as `not_judged`.
    pub fn operation_tallies(&self) -> Vec<(OperationTally, u64)> {
        let mut tallies = self.operations.clone();
        for end in &self.ends {
            tallies.add(end.operated.tally(Verdict::NotJudged), 1);
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
    use crate::{base::clock::SECOND, client::verdict::Expectation};

    fn expire(ended: u64, fate: Fate, verdict: Verdict) -> Operated {
        Operated::Expire(Expire { ended, fate, verdict, ..Expire::example(5 * SECOND as i64) })
    }

    fn verdict_of(settled: Option<Operated>) -> Option<(OperationOutcome, Verdict)> {
        settled.map(|operated| {
            let tally = operated.tally(operated.verdict());
            (tally.outcome, tally.verdict)
        })
    }

    #[test]
    fn each_end_is_counted_once_and_timed_before_or_after_its_deadline() {
        let mut seen = Measurements::new(1, 1);
        let fin = Fate::Ended(Code::Word("fin"));
        seen.operated(&expire(4 * SECOND, fin, Verdict::FalseReject), 0);
        seen.operated(&expire(5 * SECOND, fin, Verdict::Correct), 0);
        seen.operated(&expire(6 * SECOND, fin, Verdict::Correct), 0);
        seen.operated(&expire(10 * SECOND, Fate::Open, Verdict::FalseAccept), 0);
        seen.operated(
            &expire(5 * SECOND, Fate::Left(Code::Word("hold")), Verdict::Indeterminate),
            0,
        );
        let latency = |phase| seen.latency(phase, None, None, None);
        let (late, early) = (latency(Phase::ExpiryEnforcement), latency(Phase::ExpiryEarly));
        assert_eq!((late.count(), late.unfinished, late.timed_out), (2, 2, 1));
        let least = early.least().unwrap();
        assert_eq!((early.count(), early.unfinished), (1, 0));
        assert!(least.abs_diff(SECOND) < SECOND / 100, "{least}");
        let counted: u64 = seen.operation_tallies().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, 5);
        assert_eq!(seen.found.len(), 3, "what is right is no finding");
    }

    #[test]
    fn an_end_that_is_not_settled_is_not_judged_and_becomes_what_it_is() {
        let mut seen = Measurements::new(1, 1);
        let fin = Fate::Ended(Code::Word("fin"));
        let site = Site { broker: 0, address: ([127, 0, 0, 1], 1883).into() };
        let end = |in_gap| PendingEnd {
            site,
            operated: expire(6 * SECOND, fin, Verdict::Correct),
            in_gap,
        };
        seen.pend(end(None));
        let open = seen.operation_tallies();
        assert_eq!((open.len(), open[0].0.verdict, open[0].1), (1, Verdict::NotJudged, 1));
        assert!(seen.settled_operations().is_empty());
        let ended = (OperationOutcome::Ended, Verdict::Correct);
        assert_eq!(verdict_of(end(None).settled(false)), Some(ended));
        assert!(end(None).settled(true).is_none(), "a drop, and no end of a token");
        let left = (OperationOutcome::Left, Verdict::Indeterminate);
        let in_gap = Some(Fate::Left(Code::Word("gap")));
        assert_eq!(verdict_of(end(in_gap).settled(true)), Some(left));
    }

    #[test]
    fn an_authentication_again_is_counted_once_and_timed_from_auth_to_its_answer() {
        let mut seen = Measurements::new(1, 1);
        let reauth = |outcome, verdict, scheduled| {
            let attempt =
                Attempt { sent: 3 * SECOND, scheduled, ..Attempt::example(5 * SECOND, outcome) };
            Operated::Reauth(Reauth { attempt, expected: Expectation::Accept, verdict })
        };
        let (late, warm) = (Outcome::Timeout(Phase::Reauth), 2 * SECOND);
        seen.operated(&reauth(Outcome::Accepted, Verdict::Correct, 0), warm);
        seen.operated(&reauth(Outcome::Accepted, Verdict::Correct, warm), warm);
        seen.operated(&reauth(Outcome::Refused(0x87), Verdict::FalseReject, warm), warm);
        seen.operated(&reauth(late, Verdict::NotJudged, warm), warm);
        let none = Outcome::TokenFailed(Code::Status(503));
        seen.operated(&reauth(none, Verdict::NotJudged, warm), warm);
        let times = seen.latency(Phase::Reauth, None, None, None);
        assert_eq!((times.count(), times.unfinished, times.timed_out), (2, 1, 1));
        assert!(times.least().unwrap().abs_diff(2 * SECOND) < SECOND / 100);
        let refused = seen.latency(Phase::Reauth, None, None, Some(Answer::Refused));
        assert_eq!(refused.count(), 1);
        let counted: u64 = seen.operation_tallies().iter().map(|(_, count)| count).sum();
        assert_eq!((counted, seen.found.len()), (5, 1));
        let fin = Outcome::Closed(crate::client::attempt::Close::Fin);
        let site = Site { broker: 0, address: ([127, 0, 0, 1], 1883).into() };
        let end =
            PendingEnd { site, operated: reauth(fin, Verdict::FalseReject, warm), in_gap: None };
        let closed = |verdict| Some((OperationOutcome::Closed, verdict));
        assert_eq!(verdict_of(end.settled(false)), closed(Verdict::FalseReject));
        assert_eq!(verdict_of(end.settled(true)), closed(Verdict::NotJudged));
    }
}
