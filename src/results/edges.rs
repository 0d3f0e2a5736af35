//! `probe.json`: where a verifier's answers turn, and what its times tell.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The edges of a verifier, as far as they were found.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Edges {
    /// The version of MQTT that was spoken.
    pub protocol: u8,
    /// Seconds after `exp`.
    pub leeway_exp_s: Edge,
    /// Seconds before `nbf`.
    pub leeway_nbf_s: Edge,
    /// Bytes of a good token.
    pub longest_token: Edge,
    /// When one and the same token turned good, in seconds after its `nbf`; negative by the leeway.
    pub turns_good_s: Option<f64>,
    /// When it turned bad again, in seconds after its `exp`.
    pub turns_bad_s: Option<f64>,
    /// How much longer a refusal takes than an accept.
    pub refusal_delay_us: Option<f64>,
    /// How the times of refusals differ from those of a bad signature, by check.
    pub tells: Vec<Tell>,
}

/// Where answers turn; a side that there is not is `null`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Edge {
    /// The largest value that was accepted before the first refusal.
    pub accepted: Option<u64>,
    /// The smallest that was refused.
    pub refused: Option<u64>,
}

/// How the times of one check's refusals differ.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tell {
    /// The defect that was sent.
    pub defect: String,
    /// Against the refusals of `wrong_key`.
    pub shift: Shift,
}

/// A difference of times, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Shift {
    pub us: f64,
    pub low_us: f64,
    pub high_us: f64,
}

impl Shift {
    /// Whether the interval leaves no doubt that there is a difference.
    pub fn tells(&self) -> bool {
        self.low_us > 0.0 || self.high_us < 0.0
    }
}

/// How much later `others` are than `usual`: the Hodges-Lehmann estimate with its interval at 95 % confidence, for so many
/// comparisons together (Bonferroni). `None` with fewer than eight samples a side.
///
/// Hodges, Lehmann: Estimates of location based on rank tests, Ann. Math. Statist. 34 (1963). The interval is that of the
/// rank sum test in its normal approximation: Lehmann, Nonparametrics (1975), 2.6.
pub fn shift(usual: &[f64], others: &[f64], comparisons: usize) -> Option<Shift> {
    let (m, n) = (usual.len(), others.len());
    if m < 8 || n < 8 {
        return None;
    }
    let mut differences: Vec<f64> =
        others.iter().flat_map(|other| usual.iter().map(move |usual| other - usual)).collect();
    differences.sort_by(f64::total_cmp);
    let count = differences.len();
    let median = f64::midpoint(differences[(count - 1) / 2], differences[count / 2]);
    let spread = (count as f64 * (m + n + 1) as f64 / 12.0).sqrt();
    let rank =
        (count as f64 / 2.0 - normal_quantile(comparisons) * spread).floor().max(0.0) as usize;
    Some(Shift { us: median, low_us: differences[rank], high_us: differences[count - 1 - rank] })
}

/// The two-sided 95 % quantile of the normal distribution, for so many comparisons together.
fn normal_quantile(comparisons: usize) -> f64 {
    // 1 - 0.05 / (2 k) for k = 1 .. 12: R, `qnorm`.
    const QUANTILES: [f64; 12] =
        [1.960, 2.241, 2.394, 2.498, 2.576, 2.638, 2.690, 2.734, 2.773, 2.807, 2.838, 2.865];
    QUANTILES[comparisons.clamp(1, QUANTILES.len()) - 1]
}

impl Edges {
    /// Writes `probe.json` into a run folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::not_measured(format!("can't write into `{}`: {error}", folder.display()))
        };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        text.push('\n');
        fs::write(folder.join("probe.json"), text).map_err(|error| failed(&error))
    }

    /// Those of a run folder, where it has any.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(folder.join("probe.json")).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found_with_its_interval_and_none_where_there_is_none() {
        let usual: Vec<f64> = (0..60).map(|at| 100.0 + f64::from(at % 10)).collect();
        let later: Vec<f64> = usual.iter().map(|time| time + 25.0).collect();
        let found = shift(&usual, &later, 11).unwrap();
        assert!((found.us - 25.0).abs() < 1e-9 && found.tells(), "{found:?}");
        assert!(found.low_us < 25.0 && found.high_us > 25.0, "{found:?}");
        let none = shift(&usual, &usual, 11).unwrap();
        assert!(!none.tells() && none.us == 0.0, "{none:?}");
        assert_eq!(shift(&usual[..5], &later, 1), None, "too few");
    }
}
