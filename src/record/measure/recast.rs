//! What was recorded by itself, with numbers of its own for kinds, brokers and clients, as a part of a whole.

use super::{
    Finding, Measurements, Slots, Tally,
    operations::{Operated, OperationTally, PendingEnd},
    pending::Pending,
};
use crate::{
    client::{
        expire::Expire,
        reauth::Reauth,
        verdict::{Expectation, Verdict},
    },
    token::Bearer,
};

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
            moved.tallies.add(Tally { kind, broker, ..*tally }, *count);
        }
        for (tally, count) in &other.operations {
            let (kind, broker) = (kinds[tally.kind], brokers[tally.broker]);
            moved.operations.add(OperationTally { kind, broker, ..*tally }, *count);
        }
        moved.slots = Slots { first: self.slots.end(), ..other.slots.clone() };
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
        let brokers: Vec<usize> = (0..part.times.brokers).collect();
        let mut moved = self.renumbered(part, kinds, &brokers);
        for (tally, count) in &part.tallies {
            let (expected, verdict) = settled(tally.kind, tally.expected, tally.verdict);
            moved
                .tallies
                .add(Tally { kind: kinds[tally.kind], expected, verdict, ..*tally }, *count);
        }
        for (tally, count) in &part.operations {
            moved.operations.add(OperationTally { kind: kinds[tally.kind], ..*tally }, *count);
        }
        let renamed = |operated: &Operated| match *operated {
            Operated::Expire(expire) => {
                let client = expire.bearer.client + first_client;
                let bearer = Bearer { client, ..expire.bearer };
                Operated::Expire(Expire { bearer, kind: kinds[expire.kind], ..expire })
            }
            Operated::Reauth(reauth) => {
                let mut attempt = reauth.attempt;
                (attempt.client, attempt.kind) =
                    (attempt.client + first_client, kinds[attempt.kind]);
                Operated::Reauth(Reauth { attempt, ..reauth })
            }
        };
        moved.found = part.found.iter().map(renamed).collect();
        let ends = part.ends.iter();
        moved.ends =
            ends.map(|end| PendingEnd { operated: renamed(&end.operated), ..*end }).collect();
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
        moved.slots = Slots { first: part.slots.first + first_slot, ..part.slots.clone() };
        moved
    }

    /// What another recorder has seen, by the kinds and brokers of this one; without what is kept one by one, tallies and
    /// slots.
    fn renumbered(&self, other: &Self, kinds: &[usize], brokers: &[usize]) -> Self {
        let mut moved = self.alike();
        moved.times.merge_as(&other.times, kinds, brokers);
        moved.sums.clone_from(&other.sums);
        moved.marks.clone_from(&other.marks);
        moved.dropped.clone_from(&other.dropped);
        moved.drops.clone_from(&other.drops);
        moved.backs.clone_from(&other.backs);
        moved.tries.clone_from(&other.tries);
        for ((broker, what), count) in &other.sessions {
            moved.sessions.add((brokers[*broker], *what), *count);
        }
        for ((broker, handshake), count) in &other.handshakes {
            moved.handshakes.add((brokers[*broker], *handshake), *count);
        }
        moved
    }
}
