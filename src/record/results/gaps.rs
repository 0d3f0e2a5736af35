//! Attempts that came to nothing because an event had stopped their broker: known in advance, they say nothing against a run.

use super::outages::{Deed, next_start};
use crate::{
    base::clock::SECOND,
    client::verdict::Verdict,
    record::measure::{Measurements, Tally},
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
        let is_excused = |broker: usize, verdict| {
            verdict == Verdict::NotJudged && (brokers.contains(&broker) || has_shut(broker))
        };
        let excused = tallies.iter().filter(|(tally, _)| is_excused(tally.broker, tally.verdict));
        self.excused += excused.map(|(_, count)| count).sum::<u64>();
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
                && tally.outcome.is_answer()
                && tally.verdict != Verdict::NotJudged
        });
        if is_answer && !self.answered.contains(&number) {
            self.answered.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        attempt::{Attempt, Outcome, Step, Steps},
        verdict::Expectation,
    };

    const START: u64 = 5 * SECOND;

    /// A second of two brokers: of each, attempts that were accepted, and attempts that found nobody.
    fn second(counts: [(u64, u64); 2]) -> Measurements {
        let mut seen = Measurements::new(1, 2);
        let mut add = |broker, outcome, verdict, count| {
            for _ in 0..count {
                let attempt = Attempt {
                    client: 0,
                    kind: 0,
                    key: None,
                    broker,
                    minted_for: 0,
                    scheduled: START,
                    opened: START,
                    read: None,
                    started: START,
                    steps: Steps { tcp: Step::Unfinished, ..Steps::default() },
                    sent: START,
                    ended: START,
                    outcome,
                };
                seen.record(&attempt, Expectation::Accept, verdict, START, 0);
            }
        };
        for (broker, (accepted, failed)) in counts.into_iter().enumerate() {
            add(broker, Outcome::Accepted, Verdict::Correct, accepted);
            add(broker, Outcome::TcpFailed("ECONNREFUSED"), Verdict::NotJudged, failed);
        }
        seen
    }

    fn deed(starts: bool, at: f64, back: Option<f64>) -> Deed {
        let instant = |at: f64| START + (at * SECOND as f64) as u64;
        Deed {
            broker: 0,
            starts,
            began: instant(at),
            ended: Some(instant(at)),
            failed: false,
            detail: String::new(),
            back: back.map(instant),
        }
    }

    fn excused(deeds: &[Deed], seconds: &[[(u64, u64); 2]]) -> u64 {
        let mut gaps = Gaps::default();
        for (number, counts) in seconds.iter().enumerate() {
            gaps.second((START, number as u64), &second(*counts), deeds, |_| false);
        }
        gaps.excused()
    }

    #[test]
    fn failures_at_a_stopped_broker_are_excused_until_it_answers_again_and_no_others() {
        let seconds = [
            [(5, 1), (5, 0)],
            // Stopped in the middle of this one.
            [(2, 3), (5, 7)],
            [(0, 5), (5, 0)],
            // Started and back in this one.
            [(1, 4), (5, 0)],
            [(5, 9), (5, 0)],
        ];
        let deeds = [deed(false, 1.5, None), deed(true, 3.2, Some(3.8))];
        assert_eq!(excused(&deeds, &seconds), 3 + 5 + 4);
        let for_good = [deed(false, 1.5, None)];
        assert_eq!(excused(&for_good, &seconds), 3 + 5 + 4 + 9, "never started again");
        let failed = [Deed { failed: true, ..deed(false, 1.5, None) }];
        assert_eq!(excused(&failed, &seconds), 0, "it could not be stopped");
        assert_eq!(excused(&[], &seconds), 0);
    }

    #[test]
    fn where_nobody_knows_the_instant_the_first_whole_second_with_an_answer_ends_the_gap() {
        let seconds = [
            [(5, 0), (5, 0)],
            [(0, 5), (5, 0)],
            [(1, 4), (5, 0)],
            [(4, 1), (5, 0)],
            [(3, 2), (5, 0)],
        ];
        let deeds = [deed(false, 1.0, None), deed(true, 2.5, None)];
        assert_eq!(excused(&deeds, &seconds), 5 + 4 + 1);
    }
}
