//! Attempts that came to nothing because an event had stopped their broker: known in advance, they say nothing against a run.

use super::outages::{Deed, next_start};
use crate::{
    base::clock::SECOND,
    client::verdict::Verdict,
    record::measure::{Measurements, Tally, sum},
};

/// Follows the gaps that events open, second by second.
///
/// A gap lasts from the instant at which a broker is stopped until the first answer to an attempt that began after its
/// start. All seconds that it touches belong to it: what is left out is at most the failures of one second more.
#[derive(Debug, Default)]
pub struct Gaps {
    excused: u64,
    /// Starts, by the number of their deed, after which the broker has answered again.
    answered: Vec<usize>,
}

impl Gaps {
    /// Attempts so far that could not be judged and ended in a gap.
    pub fn excused(&self) -> u64 {
        self.excused
    }

    /// Looks at a second that is over; seconds come in their order. `start` is when the storm started, `deeds` are what has
    /// been done so far, or is being done; `has_shut` says of which brokers it is known that they said they shut down, and
    /// were not back when the second began.
    pub fn second(
        &mut self,
        (start, second): (u64, u64),
        seen: &Measurements,
        deeds: &[Deed],
        has_shut: impl Fn(usize) -> bool,
    ) {
        let (begin, end) = (start + second * SECOND, start + (second + 1) * SECOND);
        let tallies = seen.tallies();
        let mut brokers: Vec<usize> = Vec::new();
        for (number, stop) in deeds.iter().enumerate() {
            if stop.starts || stop.failed || stop.began >= end {
                continue;
            }
            let begun = next_start(deeds, number);
            if !self.is_over(begun, begin) && !brokers.contains(&stop.broker) {
                brokers.push(stop.broker);
            }
            self.listen(begun, begin, &tallies);
        }
        self.excused += sum(&tallies, |&Tally { broker, verdict, .. }| {
            verdict == Verdict::NotJudged && (brokers.contains(&broker) || has_shut(broker))
        });
    }

    /// Whether the broker had answered before an instant, after it was started.
    fn is_over(&self, begun: Option<(usize, &Deed)>, begin: u64) -> bool {
        let Some((number, begun)) = begun else { return false };
        begun.back.is_some_and(|back| back < begin) || self.answered.contains(&number)
    }

    /// Notes that a broker has answered in a whole second after its start, where nobody knows the instant.
    fn listen(&mut self, begun: Option<(usize, &Deed)>, begin: u64, tallies: &[(Tally, u64)]) {
        let Some((number, begun)) = begun.filter(|(_, begun)| begun.began < begin) else { return };
        let is_answer = tallies.iter().any(|(tally, _)| {
            tally.broker == begun.broker
                && tally.outcome.is_connack()
                && tally.verdict != Verdict::NotJudged
        });
        if is_answer && !self.answered.contains(&number) {
            self.answered.push(number);
        }
    }
}

#[cfg(test)]
mod tests;
