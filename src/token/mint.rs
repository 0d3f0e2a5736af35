//! Minting: claims of one client into one signed token, without allocating more than the signature.

use super::{
    Bearer, Kind,
    countersign::Countersigner,
    mould::Mould,
    press::Press,
    recipe::{Form, span},
};
use crate::base::{clock::of_seconds, error::Result};

/// What a token's password field is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Password {
    /// These bytes.
    Given,
    /// The field is absent, and the user name with it.
    Absent,
}

/// Parts the random numbers that lengthen the lives of tokens from all others.
const JITTER_STREAM: u64 = 0x6c69_6665;

/// What a token is minted for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Occasion {
    /// The moment of use, in nanoseconds since 1970.
    pub at: i64,
    /// When a token ends that would last for its `ttl`, where that follows from something else: in seconds since 1970.
    pub exp: Option<i64>,
}

impl Occasion {
    /// A moment of use, after which a token lasts for its `ttl`.
    pub fn of(at: i64) -> Self {
        Self { at, exp: None }
    }
}

/// The time claims of a token, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// When it ends.
    pub exp: Option<i64>,
    /// When it begins.
    pub nbf: Option<i64>,
}

/// Mints tokens; each thread has its own.
pub struct Minter {
    seed: u64,
    ttl: i64,
    ttl_jitter: i64,
    first_client: u64,
    /// By kind, then by the number of rotations that it has followed.
    kinds: Vec<Vec<Press>>,
    payload: Vec<u8>,
    countersigner: Option<Countersigner>,
}

impl std::fmt::Debug for Minter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minter").field("kinds", &self.kinds.len()).finish_non_exhaustive()
    }
}

impl Minter {
    /// Parses the keys and compiles the claims of all kinds.
    ///
    /// # Errors
    /// When a key can't sign, or a claim can't be compiled.
    pub fn new(mould: &Mould) -> Result<Self> {
        let presses = |kind: &Kind| -> Result<Vec<Press>> {
            (0..=kind.later.len())
                .map(|count| Press::new(&Kind { key: kind.key_at(count), ..kind.clone() }, mould))
                .collect()
        };
        let kinds = mould.kinds.iter().map(presses).collect::<Result<_>>()?;
        Ok(Self {
            seed: mould.seed,
            ttl: span(mould.ttl),
            ttl_jitter: span(mould.ttl_jitter),
            first_client: mould.first_client,
            kinds,
            payload: Vec::with_capacity(1024),
            countersigner: {
                let signed = mould.names.carriers.as_ref().and_then(|it| it.countersigned.as_ref());
                signed.map(|it| Countersigner::new(&it.key)).transpose()?
            },
        })
    }

    /// Appends what client `n` brings in its first turn to `out`, for use at the wall time `at` (nanoseconds since 1970).
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn mint(
        &mut self,
        kind: usize,
        n: u64,
        at: i64,
        out: &mut Vec<u8>,
    ) -> Result<(Password, Times)> {
        self.mint_for((kind, 0), Bearer::first(n), Occasion::of(at), out)
    }

    /// Appends the signature over the token that stands in `out` from `start` on, where templates hold one.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn countersign(&self, is: Password, start: usize, out: &mut Vec<u8>) -> Result<()> {
        match &self.countersigner {
            Some(countersigner) if is == Password::Given => countersigner.sign(start, out),
            _ => Ok(()),
        }
    }

    /// The same for a client in any turn, with the key that signs a kind after so many rotations.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn mint_for(
        &mut self,
        (kind, rotation): (usize, usize),
        bearer: Bearer,
        occasion: Occasion,
        out: &mut Vec<u8>,
    ) -> Result<(Password, Times)> {
        let bearer = Bearer { client: self.first_client + bearer.client, ..bearer };
        let presses = &self.kinds[kind];
        let press = &presses[rotation.min(presses.len() - 1)];
        match &press.recipe.form {
            Form::Nothing => return Ok((Password::Absent, Times::default())),
            Form::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                return Ok((Password::Given, Times::default()));
            }
            Form::Jwt | Form::Jwe(_) => {}
        }
        let ttl = match self.ttl_jitter {
            0 => self.ttl,
            jitter => {
                let more = bearer.fraction(self.seed ^ JITTER_STREAM) * jitter as f64;
                self.ttl.saturating_add(more as i64)
            }
        };
        let times = press.times(occasion, ttl);
        let (n, id) = (bearer.client, bearer.mixed(self.seed));
        self.payload.clear();
        press.render(&mut self.payload, times, n, id);
        match &press.envelope {
            Some(envelope) => envelope.seal(&self.payload, out)?,
            None => press.sign(&mut self.payload, times, (n, id), out)?,
        }
        let times = Times { exp: times.exp.map(of_seconds), nbf: times.nbf.map(of_seconds) };
        Ok((Password::Given, times))
    }
}
