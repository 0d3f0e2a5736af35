//! What the end of an attempt is worth: judged by token, policy and time, and counted.

use super::{Terms, Worker};
use crate::{
    client::{
        attempt::{Attempt, Outcome, Step},
        verdict::{Expectation, Verdict, foreign::Said, standing::Reader},
    },
    record::measure::{Count, pending::Pending},
    token::Must,
};

/// What an answer is worth, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    expected: Expectation,
    verdict: Verdict,
    /// Whether the token had to be accepted by its times and claims, its key apart.
    in_time: bool,
    /// When the broker had decided.
    decided: u64,
}

impl Worker {
    /// Judges and counts an attempt, or puts that off.
    /// What had to happen is what follows from its token.
    pub(super) fn record(&mut self, attempt: &Attempt, terms: Terms, way: u16) -> Expectation {
        let judged = self.judged(attempt, terms);
        if !self.put_off(attempt, terms, way, judged.verdict) {
            self.count(attempt, terms, way, judged);
        }
        judged.expected
    }

    /// What had to happen to a token, and what the answer is worth.
    pub(super) fn judged(&self, attempt: &Attempt, terms: Terms) -> Judged {
        let storm = &self.storm;
        let kind = &storm.plan.mould.kinds[attempt.kind];
        let judge = storm.judge(kind.protocol);
        let (mut expected, in_time, decided) = self.expected(attempt, terms);
        if kind.must == Must::AcceptInTime {
            // Several clients may have the token of a first turn; one of a later turn has one.
            let shared = storm.accepted.as_ref().filter(|_| attempt.token_turn == 0);
            let is_right = !matches!(expected, Expectation::Refuse(_));
            if let Some(accepted) =
                shared.filter(|_| is_right && attempt.outcome == Outcome::Accepted)
            {
                accepted.note(attempt.client, attempt.ended);
            }
            let by_others = shared.and_then(|accepted| accepted.of(attempt.client));
            let sent = self.presented(attempt);
            expected = judge.by_cache(expected, by_others.max(terms.last_accepted), sent);
        }
        // A broker that is full refuses whoever comes, some by the code for a bad token.
        let is_full =
            || storm.occupancy.as_ref().is_some_and(|occupancy| occupancy.is_full(attempt.broker));
        let verdict = match attempt.outcome {
            Outcome::Refused(_) | Outcome::UpgradeRefused(_) | Outcome::Closed(_)
                if terms.is_before_auth || storm.has_no_keys(attempt.broker) || is_full() =>
            {
                Verdict::NotJudged
            }
            outcome if kind.recipe.again => storm.reauth_judge.verdict(expected, outcome),
            outcome => judge.verdict(expected, outcome),
        };
        Judged { expected, verdict, in_time, decided }
    }

    /// What had to happen to a token that was sent, whether it had to be accepted by its times and claims, its key apart, and
    /// when the broker had decided.
    pub(super) fn expected(&self, attempt: &Attempt, terms: Terms) -> (Expectation, bool, u64) {
        let Terms { validity, said, .. } = terms;
        let storm = &self.storm;
        let kind = &storm.plan.mould.kinds[attempt.kind];
        let judge = storm.judge(kind.protocol);
        let sent = self.presented(attempt);
        let decided = judge.decided(attempt.outcome, sent, attempt.ended);
        let must = match (kind.must, said) {
            (Must::AcceptInTime, Some(said)) => said.must(),
            // That of another client: where it is not known to be one, nothing is known.
            (Must::Refuse(_), Some(said)) if said != Said::Good => said.must(),
            (must, _) => must,
        };
        let mut expected = judge.expectation(must, validity, sent, decided);
        let in_time = matches!(expected, Expectation::Accept);
        // Of other kinds, something else decides, or nothing is promised.
        if let (Some(standing), Some(key), Must::AcceptInTime) =
            (&storm.standing, attempt.key, must)
        {
            let is_embedded = storm.plan.brokers[attempt.broker].is_embedded();
            let reader = if is_embedded { Reader::Embedded } else { Reader::External };
            let standing = standing.of(usize::from(key), reader);
            expected = judge.by_key(expected, standing, sent, decided);
        }
        (expected, in_time, decided)
    }

    /// When the token of an attempt was handed over.
    fn presented(&self, attempt: &Attempt) -> u64 {
        attempt.presented(self.storm.plan.mould.names.upgrade_brings_token())
    }

    pub(super) fn count(&mut self, attempt: &Attempt, terms: Terms, way: u16, judged: Judged) {
        let storm = &self.storm;
        let Judged { expected, verdict, in_time, decided } = judged;
        // Overload and the like say nothing about a key, and of an end it is not known yet what it says.
        let closed_at = match attempt.outcome {
            Outcome::Closed(_) => self.ways.get(usize::from(way)).map(|way| way.site),
            _ => None,
        };
        let was_sent = attempt.steps.connack != Step::NotEntered || attempt.outcome.is_answer();
        if terms.is_word && was_sent && matches!(expected, Expectation::Refuse(_)) {
            self.recorder[Count::RowsEnded] += 1;
        }
        let is_watched = storm.plan.shares_names && attempt.outcome.lets_in().is_some();
        if verdict != Verdict::NotJudged && closed_at.is_none() || is_watched {
            let sent = self.presented(attempt);
            self.recorder.answered(attempt, sent, in_time);
        }
        if let Some(wave) = &mut self.wave
            && (verdict != Verdict::NotJudged || attempt.outcome.is_answer())
        {
            wave.answered(attempt.ended);
            storm.gate.answered(attempt.ended);
        }
        match closed_at {
            Some(site) => {
                let pending = Pending { attempt: *attempt, site, expected, verdict, in_time };
                self.recorder.record_closed(pending, storm.warm);
            }
            None => self.recorder.record(attempt, expected, verdict, storm.start, storm.warm),
        }
        storm.heard.note(attempt, decided, verdict);
        if !terms.has_no_slot {
            self.pace.outcome(attempt.ended);
        }
    }
}
