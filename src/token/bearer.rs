//! Who brings a token.

use serde::{Deserialize, Serialize};

use super::{mixed, unit};

/// Parts the random numbers of later turns from each other.
const TURN_STREAM: u64 = 0x7475_726e;

/// Who brings a token: a client, in one of its turns. A client lives through turns; each is one connection, and has a token
/// and random numbers of its own, which follow from the seed and these two numbers.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Bearer {
    /// The client's number.
    pub client: u64,
    /// Its turn, from 0.
    pub turn: u32,
}

impl Bearer {
    /// A client in its first turn.
    pub fn first(client: u64) -> Self {
        Self { client, turn: 0 }
    }

    /// A random number of this client in this turn; those of the first turn are the ones that a client had when it was one
    /// attempt.
    pub fn mixed(self, seed: u64) -> u64 {
        let stream = match self.turn {
            0 => 0,
            turn => mixed(TURN_STREAM, u64::from(turn)),
        };
        mixed(seed ^ stream, self.client)
    }

    /// The same as a fraction in `0.0..1.0`.
    pub fn fraction(self, seed: u64) -> f64 {
        unit(self.mixed(seed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::fraction, *};

    #[test]
    fn each_turn_of_each_client_has_random_numbers_of_its_own_and_the_first_those_of_before() {
        let all = (0..100).flat_map(|client| (0..100).map(move |turn| Bearer { client, turn }));
        let numbers: HashSet<u64> = all.map(|bearer| bearer.mixed(7)).collect();
        assert_eq!(numbers.len(), 100 * 100);
        for client in [0, 1, u64::MAX] {
            assert_eq!(Bearer::first(client).mixed(7), mixed(7, client));
            assert_eq!(Bearer::first(client).fraction(7).to_bits(), fraction(7, client).to_bits());
        }
    }
}
