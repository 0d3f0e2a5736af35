//! How long the responder takes for an answer.

use std::time::Duration;

use crate::base::clock::nanoseconds;

/// A pattern of delays.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// Always the same.
    Constant(Duration),
    /// Two delays: one in `every` is slow.
    TwoPoints {
        /// That of most.
        usual: Duration,
        /// That of the others.
        slow: Duration,
        /// How many there are to a slow one.
        every: u64,
    },
    /// Always the same, but nothing is answered for a while.
    Stall {
        /// The delay otherwise.
        usual: Duration,
        /// When the stall begins, after the first CONNECT.
        at: Duration,
        /// How long it lasts.
        length: Duration,
    },
}

impl Pattern {
    /// When the CONNECT number `n`, which arrived at `at`, is to be answered; `first` is when the first one arrived. All in
    /// nanoseconds.
    pub fn due(&self, n: u64, at: u64, first: u64) -> u64 {
        match self {
            Self::Constant(delay) => at + nanoseconds(*delay),
            Self::TwoPoints { usual, slow, every } => {
                let is_slow = n % every == every - 1;
                at + nanoseconds(if is_slow { *slow } else { *usual })
            }
            Self::Stall { usual, at: begins, length } => {
                let due = at + nanoseconds(*usual);
                let begins = first + nanoseconds(*begins);
                let ends = begins + nanoseconds(*length);
                if (begins..ends).contains(&due) { ends } else { due }
            }
        }
    }
}

/// When connections are ended: so long after the `exp` of their tokens, at one of several instants that lie evenly apart.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The first instant.
    pub first: Duration,
    /// How far they are apart.
    pub step: Duration,
    /// How many there are.
    pub count: u32,
}

impl Ends {
    /// How long after the end of its token the connection number `n` is ended. One after the other go to instants far apart.
    pub fn after(&self, n: u64) -> Duration {
        /// Without a common divisor with any count but its own multiples.
        const STRIDE: u64 = 7919;
        self.first + self.step * (n * STRIDE % u64::from(self.count.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn one_in_so_many_is_slow_and_what_is_due_in_a_stall_is_answered_at_its_end() {
        let (usual, slow) = (Duration::from_millis(2), Duration::from_millis(200));
        let two = Pattern::TwoPoints { usual, slow, every: 4 };
        let delays: Vec<u64> = (0..8).map(|n| two.due(n, 1000, 0) - 1000).collect();
        assert_eq!(delays.iter().filter(|delay| **delay == 200 * MS).count(), 2);
        let (at, length) = (Duration::from_secs(1), Duration::from_secs(2));
        let stall = Pattern::Stall { usual, at, length };
        let first = 5 * MS;
        assert_eq!(stall.due(0, first, first), first + 2 * MS);
        assert_eq!(stall.due(1, first + 999 * MS, first), first + 3000 * MS, "due within it");
        assert_eq!(stall.due(2, first + 2999 * MS, first), first + 3001 * MS, "due after it");
    }

    #[test]
    fn connections_are_ended_at_each_instant_equally_often() {
        let (first, step) = (Duration::from_millis(20), Duration::from_millis(2));
        let ends = Ends { first, step, count: 100 };
        let mut after: Vec<Duration> = (0..100).map(|n| ends.after(n)).collect();
        after.sort_unstable();
        let expected: Vec<Duration> = (0..100).map(|n| first + step * n).collect();
        assert_eq!(after, expected);
    }
}
