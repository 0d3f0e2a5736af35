//! Good tokens that are accepted, and then all refused while no connection comes or goes: what a limit of connections looks
//! like. Verdicts do not follow from it, as keys that change look the same.

use serde::{Deserialize, Serialize};

use crate::{
    base::clock::SECOND,
    client::{
        attempt::Outcome,
        verdict::{Expectation, Verdict},
    },
    record::measure::{Count, Measurements, sum},
};

/// Whole seconds that have to look so.
const FEWEST_SECONDS: u64 = 2;

/// A time in which all good tokens were refused while the number of open connections stood still.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Full {
    /// Its first refusal, in seconds since the start of the storm.
    pub since_s: f64,
    /// Connections that were open.
    pub open: u64,
    /// Good tokens that were refused in it.
    pub refused: u64,
}

impl Full {
    /// It in words, with the key that settles it.
    pub fn words(&self) -> String {
        let Self { since_s, open, refused } = self;
        format!(
            "good tokens were accepted, then all refused since {since_s:.1} s ({refused}), with {open} open: a limit of \
             connections? Then `policy.max_connections = {open}` leaves such refusals out of the verdicts; a change of keys \
             looks the same"
        )
    }
}

/// Looks for such a time, second by second.
#[derive(Debug, Default)]
pub struct Fullness {
    was_accepted: bool,
    /// Connections open at the end of the second before.
    open: Option<u64>,
    /// The first refusal of a second in which others were accepted.
    mixed: Option<u64>,
    /// The time that is under way, and how many seconds it has.
    now: Option<(Full, u64)>,
    found: Option<Full>,
}

impl Fullness {
    /// The first such time, where there was one.
    pub fn found(&self) -> Option<Full> {
        self.found
    }

    /// Looks at a second that is settled; the storm started at `start`.
    pub fn second(&mut self, start: u64, seen: &Measurements) {
        let mut good = seen.tallies();
        good.retain(|(tally, _)| tally.expected == Expectation::Accept);
        let accepted = sum(&good, |tally| tally.outcome == Outcome::Accepted);
        let is_refusal =
            |outcome: Outcome, verdict| outcome.is_refusal() && verdict == Verdict::FalseReject;
        let refused = sum(&good, |tally| is_refusal(tally.outcome, tally.verdict));
        let refusals = seen.findings.iter().filter(|it| is_refusal(it.attempt.outcome, it.verdict));
        let first = refusals.map(|found| found.attempt.ended.saturating_sub(start)).min();
        let stands = seen[Count::Open] > 0 && self.open == Some(seen[Count::Open]);
        if self.was_accepted && accepted == 0 && refused > 0 && stands {
            let since = self.mixed.or(first).unwrap_or_default();
            let (full, seconds) = self.now.get_or_insert((
                Full { since_s: since as f64 / SECOND as f64, open: seen[Count::Open], refused: 0 },
                0,
            ));
            full.refused += refused;
            *seconds += 1;
            let is_it = *seconds >= FEWEST_SECONDS
                && self.found.is_none_or(|found| found.since_s.total_cmp(&full.since_s).is_eq());
            if is_it {
                self.found = Some(*full);
            }
        } else {
            self.now = None;
        }
        self.was_accepted |= accepted > 0;
        self.open = Some(seen[Count::Open]);
        if accepted > 0 {
            self.mixed = first;
        }
    }
}

#[cfg(test)]
mod tests;
