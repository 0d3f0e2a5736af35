//! Attempts whose connection the broker closed: kept one by one until it is known whether the broker had gone away.

use serde::{Deserialize, Serialize};

use super::{Count, Finding, MOST_FINDINGS, Mark, Measurements, SLOT, Tally, signs::Site};
use crate::client::{
    attempt::{Attempt, Step},
    verdict::{Expectation, Verdict},
};

/// An attempt that ended `closed`. Until it is settled it counts as `not_judged`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Pending {
    /// The attempt.
    pub attempt: Attempt,
    /// Where its connection led.
    pub site: Site,
    /// What had to happen.
    pub expected: Expectation,
    /// What its end is worth at a broker that is there.
    pub verdict: Verdict,
    /// Whether the token's own time claims did not forbid it.
    pub in_time: bool,
}

impl Pending {
    fn tally(&self, verdict: Verdict) -> Tally {
        let Attempt { kind, broker, outcome, .. } = self.attempt;
        Tally { kind, broker, expected: self.expected, outcome, verdict }
    }
}

impl Attempt {
    /// When its connection was begun, in nanoseconds of the run's clock.
    pub fn begun(&self) -> u64 {
        let later = [self.steps.token, self.steps.dns].into_iter().filter_map(|step| match step {
            Step::At(at) => Some(at),
            _ => None,
        });
        later.fold(self.opened, u64::max)
    }
}

impl Measurements {
    /// Records an attempt that the broker closed; latencies of attempts that were scheduled before `warm` are left out.
    pub fn record_closed(&mut self, pending: Pending, warm: u64) {
        self.tallies.add(pending.tally(Verdict::NotJudged), 1);
        self[Count::LaterEnded] += u64::from(pending.attempt.turn > 0);
        self.time(&pending.attempt, warm);
        self.pending.push(pending);
    }

    /// Gives an attempt that was closed its verdict; the storm started at `storm`.
    pub fn settle(&mut self, pending: &Pending, verdict: Verdict, storm: u64) {
        let attempt = &pending.attempt;
        if verdict != Verdict::NotJudged {
            let unsettled = pending.tally(Verdict::NotJudged);
            self.tallies.take_one(unsettled);
            self.tallies.add(pending.tally(verdict), 1);
            if attempt.turn == 0 {
                self.slots.count(attempt.ended.saturating_sub(storm) / SLOT, 1);
                self.marks.note(Mark::LastAnswer, attempt.ended);
            }
            // What was closed had its CONNECT.
            self.answered(attempt, attempt.sent, pending.in_time);
        }
        if verdict != Verdict::Correct && self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { attempt: *attempt, verdict });
        }
    }

    /// What was counted, without the attempts that are not settled.
    pub fn settled_tallies(&self) -> Vec<(Tally, u64)> {
        let mut tallies = self.tallies();
        for pending in &self.pending {
            let unsettled = pending.tally(Verdict::NotJudged);
            if let Ok(place) = tallies.binary_search_by_key(&unsettled, |(tally, _)| *tally) {
                tallies[place].1 = tallies[place].1.saturating_sub(1);
            }
        }
        tallies.retain(|(_, count)| *count > 0);
        tallies
    }
}
