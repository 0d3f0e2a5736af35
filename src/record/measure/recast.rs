//! What was recorded by itself, with numbers of its own for kinds, brokers and clients, as a part of a whole.

use super::{Answer, Finding, Measurements, Phase, Tally, pending::Pending};
use crate::client::verdict::{Expectation, Verdict};

/// How a part of a run becomes one: what its numbers are in the whole.
#[derive(Clone, Copy, Debug)]
pub struct Recast<'a> {
    /// The kind of the whole that each of its kinds is; several may be one.
    pub kinds: &'a [usize],
    /// The number of the client that its client 0 is.
    pub first_client: u64,
    /// How many slots after the start of the whole it started.
    pub first_slot: u64,
}

impl Measurements {
    /// Adds what a recorder of another run has seen, whose kinds and brokers have other numbers here. Its slots come after
    /// those that are there.
    pub fn absorb(&mut self, other: &Self, kinds: &[usize], brokers: &[usize]) {
        let mut moved = self.renumbered(other, kinds, brokers);
        for (tally, count) in &other.tallies {
            let (kind, broker) = (kinds[tally.kind], brokers[tally.broker]);
            moved.tally(Tally { kind, broker, ..*tally }, *count);
        }
        moved.slots.clone_from(&other.slots);
        moved.first_slot = self.first_slot + self.slots.len() as u64;
        self.merge(&moved);
    }

    /// What a part of this run has seen, as this run counts it; what it expected, and its verdict, are `settled` by the kind that
    /// it had in the part. Brokers have the same numbers in both, and one clock takes the instants of both.
    #[must_use]
    pub fn recast(
        &self,
        part: &Self,
        Recast { kinds, first_client, first_slot }: Recast<'_>,
        settled: impl Fn(usize, Expectation, Verdict) -> (Expectation, Verdict),
    ) -> Self {
        let brokers: Vec<usize> = (0..part.brokers).collect();
        let mut moved = self.renumbered(part, kinds, &brokers);
        for (tally, count) in &part.tallies {
            let (expected, verdict) = settled(tally.kind, tally.expected, tally.verdict);
            moved.tally(Tally { kind: kinds[tally.kind], expected, verdict, ..*tally }, *count);
        }
        for finding in &part.findings {
            let mut attempt = finding.attempt;
            // Whether both answers were right does not show in a finding.
            let (_, verdict) = settled(attempt.kind, Expectation::Accept, finding.verdict);
            attempt.client += first_client;
            attempt.kind = kinds[attempt.kind];
            if verdict != Verdict::Correct {
                moved.findings.push(Finding { attempt, verdict });
            }
        }
        for pending in &part.pending {
            // Until it is settled it counts as what says nothing, and what was expected has to be the same then.
            let kind = pending.attempt.kind;
            let (expected, _) = settled(kind, pending.expected, Verdict::NotJudged);
            let (_, verdict) = settled(kind, pending.expected, pending.verdict);
            let mut attempt = pending.attempt;
            attempt.client += first_client;
            attempt.kind = kinds[kind];
            moved.pending.push(Pending { attempt, expected, verdict, ..*pending });
        }
        moved.signs.clone_from(&part.signs);
        moved.checks = part.checks;
        moved.slots.clone_from(&part.slots);
        moved.first_slot = part.first_slot + first_slot;
        moved.open = part.open;
        moved
    }

    /// What another recorder has seen, by the kinds and brokers of this one; without tallies, findings and slots.
    fn renumbered(&self, other: &Self, kinds: &[usize], brokers: &[usize]) -> Self {
        let mut moved = Self::new(self.kinds, self.brokers).with_digits(self.digits);
        let answers = Answer::ALL.len();
        for (kind, to_kind) in kinds.iter().enumerate().take(other.kinds) {
            for (broker, to_broker) in brokers.iter().enumerate().take(other.brokers) {
                for phase in Phase::ALL {
                    let from = other.cell(kind, broker, phase);
                    let to = moved.cell(*to_kind, *to_broker, phase);
                    moved.unfinished[to] += other.unfinished[from];
                    moved.timed_out[to] += other.timed_out[from];
                    for answer in 0..answers {
                        let times = other.times[from * answers + answer].as_deref();
                        moved.add_times(to * answers + answer, times);
                    }
                }
            }
        }
        for (broker, handshake, count) in &other.handshakes {
            moved.shook_hands(brokers[*broker], *handshake, *count);
        }
        moved.sessions.clone_from(&other.sessions);
        (moved.started, moved.untimed) = (other.started, other.untimed);
        (moved.abandoned, moved.cpu_ns) = (other.abandoned, other.cpu_ns);
        moved.late_lookups = other.late_lookups;
        (moved.first_start, moved.last_answer) = (other.first_start, other.last_answer);
        moved.last_scheduled = other.last_scheduled;
        moved
    }
}
