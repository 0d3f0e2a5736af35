//! What one core of this host verifies of a plan's good tokens: the limit that physics sets to a broker's verifier.

use std::{collections::BTreeMap, hint::black_box};

use jsonwebtoken::{Validation, decode};

use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result},
    },
    plan::Plan,
    token::{
        Minter,
        key::{decoding, jwt_algorithm},
    },
};

/// Time spent on verifying tokens of one algorithm: so many times so long.
const SLICES: usize = 8;
const SLICE_NS: u64 = 5_000_000;
/// Verifications between two looks at the clock.
const IN_A_ROW: u64 = 16;

/// Verifications a second of one core by algorithm, and the share of it in the mix.
#[derive(Clone, Debug, Default)]
pub struct Measured(pub BTreeMap<String, (f64, f64)>);

impl Measured {
    /// Verifies a good token of each algorithm of the plan, signature and claims, with a key that is parsed.
    ///
    /// # Errors
    /// When a token can't be signed, or its signature is not found good.
    pub fn of(plan: &Plan, clock: Clock) -> Result<Self> {
        let mut minter = Minter::new(&plan.mould)?;
        let mut shares = BTreeMap::<String, f64>::new();
        for kind in &plan.mould.kinds {
            if let Some(key) = kind.key.map(|key| &plan.mould.keys[key]) {
                *shares.entry(key.algorithm.to_string()).or_default() += kind.share;
            }
        }
        let mut measured = BTreeMap::<String, (f64, f64)>::new();
        for (index, kind) in plan.mould.kinds.iter().enumerate() {
            let Some(key) = kind.key.map(|key| &plan.mould.keys[key]) else { continue };
            let name = key.algorithm.to_string();
            if !kind.defect.is_good() || measured.contains_key(&name) {
                continue;
            }
            let mut token = Vec::new();
            minter.mint(index, 0, clock.wall(clock.now()), &mut token)?;
            let fails = |error: &dyn std::fmt::Display| {
                Error::not_measured(format!("a good token of {name} can't be verified: {error}"))
            };
            let verifier =
                decoding(&key.verifying(), key.algorithm).map_err(|error| fails(&error))?;
            let mut validation = Validation::new(jwt_algorithm(key.algorithm));
            validation.validate_aud = false;
            let verify = || {
                decode::<serde_json::Value>(black_box(&token), &verifier, &validation)
                    .map(|claims| drop(black_box(claims)))
            };
            // The best of some slices: what else this host does can only take from it.
            let mut per_s = 0.0_f64;
            for _ in 0..SLICES {
                let (start, mut count) = (clock.now(), 0);
                let elapsed = loop {
                    for _ in 0..IN_A_ROW {
                        verify().map_err(|error| fails(&error))?;
                    }
                    count += IN_A_ROW;
                    let elapsed = clock.now() - start;
                    if elapsed >= SLICE_NS {
                        break elapsed;
                    }
                };
                per_s = per_s.max(count as f64 * SECOND as f64 / elapsed as f64);
            }
            let share = shares.get(&name).copied().unwrap_or_default();
            measured.insert(name, (per_s, share));
        }
        Ok(Self(measured))
    }
}
