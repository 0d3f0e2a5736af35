//! Seconds by when brokers decided: what a broker delays its refusals by is taken off their end, so that a refusal stands
//! beside what was accepted at the time.

use std::collections::VecDeque;

use crate::{
    client::{attempt::Phase, verdict::Verdict},
    plan::Plan,
    record::measure::{Answer, Measurements, Tally, latency::Latency},
    token::policy::Policy,
};

/// What brokers decided in a second.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// Attempts, by kind, broker, outcome and verdict.
    pub tallies: Vec<(Tally, u64)>,
    /// The times to CONNACK of each broker, the delay of refusals included.
    connack: Vec<Vec<Latency>>,
}

impl Decided {
    /// The seconds of a broker that delays nothing: what ended in one was decided in it.
    pub fn at_once(seen: &Measurements, brokers: usize) -> Self {
        let connack = |broker| vec![seen.latency(Phase::Connack, None, Some(broker), None)];
        Self { tallies: seen.tallies(), connack: (0..brokers).map(connack).collect() }
    }

    /// The times to CONNACK of a broker, in parts that belong together.
    pub fn connack(&self, broker: usize) -> impl Iterator<Item = &Latency> {
        self.connack.get(broker).into_iter().flatten()
    }

    /// What was decided in the second in which it ended, and the refusals, which were decided before.
    fn parts(seen: &Measurements, brokers: usize) -> (Self, Self) {
        let (refusals, others) = seen.tallies().into_iter().partition(|(tally, _)| is_late(tally));
        let of = |broker, answer| seen.latency(Phase::Connack, None, Some(broker), Some(answer));
        let refused = (0..brokers).map(|broker| vec![of(broker, Answer::Refused)]);
        let rest = (0..brokers).map(|broker| {
            let all = seen.latency(Phase::Connack, None, Some(broker), None);
            let waiting = Latency { times: None, ..all };
            vec![of(broker, Answer::Accepted), of(broker, Answer::None), waiting]
        });
        let prompt = Self { tallies: others, connack: rest.collect() };
        (prompt, Self { tallies: refusals, connack: refused.collect() })
    }

    fn join(&mut self, other: Self) {
        self.tallies.extend(other.tallies);
        self.connack.resize_with(self.connack.len().max(other.connack.len()), Vec::new);
        for (mine, theirs) in self.connack.iter_mut().zip(other.connack) {
            mine.extend(theirs);
        }
    }
}

/// Whether an answer is one that the policy delays: overload and the like are told at once.
fn is_late(tally: &Tally) -> bool {
    tally.outcome.is_refusal() && tally.verdict != Verdict::NotJudged
}

/// Turns seconds in which attempts ended into seconds in which brokers decided.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// Seconds whose refusals are still to come, in their order.
    waiting: VecDeque<(u64, Decided)>,
}

impl Decisions {
    /// Takes a second that is over, and tells the seconds of which all is known now; seconds come in their order.
    pub fn second(&mut self, plan: &Plan, second: u64, seen: &Measurements) -> Vec<(u64, Decided)> {
        let (brokers, late) = (plan.brokers.len(), late(&plan.policy));
        if late == 0 {
            return vec![(second, Decided::at_once(seen, brokers))];
        }
        let (prompt, refusals) = Decided::parts(seen, brokers);
        self.waiting.push_back((second, prompt));
        // What was refused sooner than the policy says was decided in the first second that is not told yet.
        let decided = second.saturating_sub(late);
        let place = self.waiting.iter_mut().find(|(at, _)| *at >= decided);
        if let Some((_, waiting)) = place {
            waiting.join(refusals);
        }
        let mut known = Vec::new();
        while let Some(first) = self.waiting.pop_front_if(|(at, _)| *at + late <= second) {
            known.push(first);
        }
        known
    }

    /// The seconds whose refusals have not all come, as far as they are known.
    pub fn rest(&self) -> impl Iterator<Item = &(u64, Decided)> {
        self.waiting.iter()
    }
}

/// By how many seconds refusals are late: seconds are all that is compared here, so the nearest number of whole ones.
fn late(policy: &Policy) -> u64 {
    (policy.refusal_delay.as_millis() as u64 + 500) / 1000
}
