//! Later turns: connections that ended, clients that came back or did not, tokens that were renewed.

use serde::{Deserialize, Serialize};

use super::{Count, Measurements, SLOT, times::Answer};
use crate::base::words::Phase;

/// Returns that are kept one by one: 16 bytes each. Of more it is not known when most were back.
pub const MOST_RETURNS: usize = 1_000_000;

/// As many attempts as are told apart; more count as so many.
pub const MOST_TRIES: u8 = 10;

/// A client that came back, with instants of the run's clock.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Back {
    /// When its connection ended.
    pub dropped: u64,
    /// When it was accepted again.
    pub back: u64,
}

/// How long it took after most connections ended until clients were back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UntilBack {
    /// Until half of them were, in nanoseconds; `None` where that never was.
    pub half: Option<u64>,
    /// Until 99 % were.
    pub most: Option<u64>,
}

impl Measurements {
    /// Counts an attempt of a later turn that starts, and what it is for.
    pub fn start_later(&mut self, purpose: Count) {
        self[Count::Started] += 1;
        self[purpose] += 1;
    }

    /// Counts a connection that ended whose client may come back; the storm started at `storm`.
    pub fn dropped_at(&mut self, at: u64, storm: u64) {
        self[Count::Drops] += 1;
        self.drops.count(at.saturating_sub(storm) / SLOT, 1);
    }

    /// Counts a client that came back in so many attempts, by its kind of token and its broker.
    pub fn back(&mut self, back: Back, attempts: u32, (kind, broker): (usize, usize)) {
        self[Count::Back] += 1;
        let tries = u8::try_from(attempts).unwrap_or(u8::MAX).clamp(1, MOST_TRIES);
        self.tries.add(tries, 1);
        let digits = self.times.digits;
        let time = back.back.saturating_sub(back.dropped);
        self.times.cell_mut(kind, broker, Phase::Reconnect).complete(Answer::None, time, digits);
        if self.backs.len() < MOST_RETURNS {
            self.backs.push(back);
        }
    }

    /// How many clients came back by how many attempts that took them, from one on.
    pub fn tries(&self) -> Vec<(u8, u64)> {
        let mut tries: Vec<(u8, u64)> = self.tries.into_iter().copied().collect();
        tries.sort_unstable();
        tries
    }

    /// Counts a client that does not come back, and why.
    pub fn stays_away(&mut self, why: Count, (kind, broker): (usize, usize)) {
        self[why] += 1;
        self.times.cell_mut(kind, broker, Phase::Reconnect).unfinished += 1;
    }

    /// How long it took from the start of the slot in which most connections ended until those that ended from there on were
    /// back; the storm started at `storm`.
    pub fn until_back(&self, storm: u64) -> UntilBack {
        let counts = &self.drops.counts;
        let Some(most) = counts.iter().copied().max().filter(|most| *most > 0) else {
            return UntilBack::default();
        };
        if self[Count::Back] > self.backs.len() as u64 {
            return UntilBack::default();
        }
        let first = counts.iter().position(|count| *count == most).unwrap_or_default();
        let from = storm + (self.drops.first + first as u64) * SLOT;
        let dropped: u64 = counts[first..].iter().map(|count| u64::from(*count)).sum();
        let own = self.backs.iter().filter(|back| back.dropped >= from);
        let mut times: Vec<u64> = own.map(|back| back.back - from).collect();
        times.sort_unstable();
        let nth = |share: u64| {
            let rank = (dropped * share).div_ceil(100).max(1);
            times.get(usize::try_from(rank).ok()? - 1).copied()
        };
        UntilBack { half: nth(50), most: nth(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SECOND;

    #[test]
    fn the_time_until_most_are_back_counts_from_the_slot_in_which_most_connections_ended() {
        let storm = 5 * SECOND;
        let mut seen = Measurements::new(1, 1);
        assert_eq!(seen.until_back(storm), UntilBack::default());
        // A stray before: it is none of the wave.
        seen.dropped_at(storm + 10, storm);
        seen.back(Back { dropped: storm + 10, back: storm + 20 }, 1, (0, 0));
        let wave = storm + 2 * SECOND + 30;
        for n in 0..100 {
            seen.dropped_at(wave, storm);
            if n < 60 {
                seen.back(
                    Back { dropped: wave, back: wave + (n + 1) * SECOND / 10 },
                    n as u32,
                    (0, 0),
                );
            }
        }
        let until = seen.until_back(storm);
        assert_eq!(until, UntilBack { half: Some(5 * SECOND + 30), most: None });
        let mut rest = Measurements::new(1, 1);
        for n in 60..100 {
            rest.back(Back { dropped: wave, back: wave + (n + 1) * SECOND / 10 }, 2, (0, 0));
        }
        seen.merge(&rest);
        assert_eq!(seen.until_back(storm).most, Some(99 * SECOND / 10 + 30));
        // One attempt at least, and beyond ten it is ten.
        let tries = seen.tries();
        assert_eq!((tries[0], tries[1], tries[9]), ((1, 3), (2, 41), (10, 50)));
    }
}
