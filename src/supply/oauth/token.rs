//! A token that was fetched: what CONNECT will carry, and what it says of itself.

use super::held::Place;
use crate::{
    base::clock::{of_date, of_seconds},
    token::{
        Times,
        oracle::{foreign::Foreign, shape::Shape},
    },
};

/// A token.
pub struct Token {
    /// As CONNECT carries it.
    pub bytes: Vec<u8>,
    /// Index of the key of the run's own issuer that signed it, where that is known.
    pub key: Option<u16>,
    /// Whether it is a JWT without an `exp` that is a number. A token that can't be read may have an end that nobody told
    /// us.
    pub never_ends: bool,
    /// What it says of itself.
    pub foreign: Foreign,
    /// Its `exp`, and from when on it is good; of one that can't be read, what the server said of its lifetime.
    pub times: Times,
    /// What it is.
    pub shape: Shape,
    /// What it takes of the room for tokens.
    #[expect(dead_code, reason = "it is given back when the token is dropped")]
    place: Option<Place>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("key", &self.key)
            .field("times", &self.times)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Reads what a token says; `now` in nanoseconds since 1970, `expires_in` in seconds.
    pub(super) fn read(
        text: &str,
        expires_in: Option<u64>,
        now: i64,
        kids: &[Option<String>],
    ) -> Self {
        let foreign = Foreign::read(text.as_bytes());
        let shape = Shape::of(&foreign);
        let said = || {
            let seconds = i64::try_from(expires_in?).ok()?;
            Some(now.saturating_add(of_seconds(seconds)))
        };
        // A JWT without `exp` has no end, whatever the server says of it: the broker sees the token only.
        let exp = if foreign.is_jwt() { foreign.moment("exp").map(of_date) } else { said() };
        let kid = foreign.kid();
        let key = kids.iter().position(|known| known.is_some() && known.as_deref() == kid);
        Self {
            bytes: text.as_bytes().to_vec(),
            never_ends: foreign.is_jwt() && exp.is_none(),
            key: key.map(|key| key as u16),
            times: Times { exp, nbf: None },
            foreign,
            shape,
            place: None,
        }
    }

    /// The same in its place in memory.
    pub(super) fn placed(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same, good from that second on.
    pub(super) fn good_from(mut self, second: Option<f64>) -> Self {
        self.times.nbf = second.map(of_date);
        self
    }
}

#[cfg(test)]
mod tests;
