//! When paired trials are looked at, so that they may end early without more false alarms.
//!
//! Each look has an equal share of the error rate. By Bonferroni's inequality the chance that any of them raises a
//! false alarm is then at most the whole of it, whatever the dependence between looks (the simplest of the group
//! sequential rules: Jennison and Turnbull, Group Sequential Methods, 2000, chapter 2).

use super::{Comparison, statistics::fewest_pairs};
use crate::base::error::{Error, Result};

/// Fewer pairs say too little of a host's moods, whatever a test could make of them.
const FEWEST: usize = 6;
/// Looks that are taken where there is room for them.
const LOOKS: usize = 3;

/// After how many pairs is looked, and with which error rate each time.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks {
    /// Pairs, growing; the last is the most that are run.
    pub at: Vec<usize>,
    /// The error rate of one look.
    pub alpha: f64,
}

impl Looks {
    /// For so many gated metrics and an error rate of `alpha` over all of them and all looks; `most` pairs can be run.
    ///
    /// # Errors
    /// When so few pairs could not decide anything.
    pub fn plan(gated: usize, alpha: f64, most: usize) -> Result<Self> {
        let metrics = gated.max(1) as f64;
        // The correction of the most significant metric is the strictest: it has to be within reach.
        let least = |looks: usize| fewest_pairs(alpha / looks as f64 / metrics).max(FEWEST);
        let first = least(LOOKS);
        if most >= first + 2 {
            let mut at = vec![first, usize::midpoint(first, most), most];
            at.dedup();
            return Ok(Self { alpha: alpha / LOOKS as f64, at });
        }
        if most < least(1) {
            return Err(Error::usage(format!(
                "{} trials can't decide {} at an error rate of {alpha}: that takes at least {} trials",
                2 * most,
                if gated > 1 { format!("{gated} metrics") } else { "a metric".to_owned() },
                2 * least(1)
            ))
            .hint("allow more with `--max-trials`, or gate fewer metrics with `--gate METRIC`"));
        }
        Ok(Self { alpha, at: vec![most] })
    }

    /// How many pairs there were, after which of them was looked, and when it was planned; `alpha` is the error rate of all
    /// looks together.
    pub fn words(&self, pairs: usize, alpha: f64) -> String {
        let list = |at: &[usize]| at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (taken, open) = self.at.split_at(self.at.partition_point(|at| *at <= pairs));
        let looked = match (taken, open) {
            ([], open) => format!("no planned look was reached (after {})", list(open)),
            (taken, []) => format!("looked at after {} of them", list(taken)),
            (taken, open) => {
                format!(
                    "looked at after {} of them, and not after {} as planned",
                    list(taken),
                    list(open)
                )
            }
        };
        format!(
            "pairs of trials: {pairs}, {looked}, at an error rate of {:.4} a look, {alpha} in all",
            self.alpha
        )
    }

    /// Whether trials end with what so many pairs came to: all that decides is decided at a look that was planned, or there
    /// is nothing left to decide, as the candidate lets in what it must not.
    pub fn is_over(&self, pairs: usize, comparison: &Comparison) -> bool {
        let is_look = self.at.contains(&pairs);
        comparison.has_new_false_accept() || is_look && comparison.is_decided()
    }
}

#[cfg(test)]
mod tests;
