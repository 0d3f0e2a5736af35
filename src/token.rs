//! The token laboratory: a catalogue of tokens, keys, minting, a reference verifier, and what a broker promises. Uses
//! `base`, `scenario`.

pub mod bearer;
pub mod braces;
pub mod carrier;
pub mod catalogue;
pub mod countersign;
mod encode;
pub mod given;
mod jwe;
pub mod key;
pub mod mint;
pub mod mould;
pub mod names;
pub mod oracle;
pub mod placing;
pub mod policy;
mod press;
pub mod recipe;
pub mod rows;
mod sign;
pub mod template;

pub use bearer::Bearer;
pub use catalogue::{Defect, FRESH, Severity, Situation};
pub use mint::{Minter, Occasion, Password, Times};
pub use press::{free_name, kid_of_another};
pub use recipe::{Must, Recipe};

use crate::scenario::Protocol;

/// A kind of token in a run: a defect with its parameters, and the key it is signed with.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What the results call it.
    pub label: String,
    /// What is wrong with it (nothing, for `fresh`).
    pub defect: &'static Defect,
    /// How it is built.
    pub recipe: Recipe,
    /// What a verifier that keeps its promise must do, time apart.
    pub must: Must,
    /// Index of the key in the plan; `None` where nothing is signed here.
    pub key: Option<usize>,
    /// Keys that sign after it, in the order of rotations that it follows.
    pub later: Vec<usize>,
    /// The version of MQTT that its clients speak.
    pub protocol: Protocol,
    /// Its share of the clients, as a fraction of 1.
    pub share: f64,
}

impl Kind {
    /// The keys that sign it, in the order of rotations.
    pub fn keys(&self) -> impl Iterator<Item = usize> {
        self.key.into_iter().chain(self.later.iter().copied())
    }

    /// The key that signs it after so many rotations; the last one where there are fewer.
    pub fn key_at(&self, rotation: usize) -> Option<usize> {
        self.keys().nth(rotation).or_else(|| self.keys().last())
    }

    /// What `token mint` knows it by: of a cell, whose label says the version of MQTT too, the defect.
    pub fn named(&self) -> &str {
        let is_cell = self.label.strip_prefix(self.defect.name).is_some_and(|rest| {
            rest.strip_prefix("-v").is_some_and(|protocol| protocol == "4" || protocol == "5")
        });
        if is_cell { self.defect.name } else { &self.label }
    }
}

/// A number that looks random and follows from `seed` and `n` alone.
///
/// The finalizer of `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// OOPSLA 2014): a bijection of `n` for each seed, so two clients never share one. Kinds and token
/// ids must follow from a client's number without a generator that is stepped from the first client.
pub fn mixed(seed: u64, n: u64) -> u64 {
    let mut z = seed.rotate_left(32) ^ n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `mixed` as a fraction in `0.0..1.0`.
pub fn fraction(seed: u64, n: u64) -> f64 {
    unit(mixed(seed, n))
}

/// The upper 53 bits of a number as a fraction in `0.0..1.0`.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
