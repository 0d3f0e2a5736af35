//! `probe.json`: where a verifier's answers turn, and what its times tell.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};

/// The edges of a verifier, as far as they were found.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Edges {
    /// The version of MQTT that was spoken.
    pub protocol: u8,
    /// Attempts that it took; they are counted in the run, as those of the kind `probe`.
    #[serde(default)]
    pub attempts: u64,
    /// Of these, the ones whose token was accepted again when it had to be refused.
    #[serde(default)]
    pub false_accepts: u64,
    /// Seconds after `exp`.
    pub leeway_exp_s: Edge,
    /// Seconds before `nbf`.
    pub leeway_nbf_s: Edge,
    /// Where no token is accepted before its `nbf`: how many seconds after it tokens are still refused (`refused`), and from
    /// when on they are accepted.
    #[serde(default)]
    pub late_nbf_s: Edge,
    /// Where no token is accepted after its `exp`: how many seconds before it tokens are refused already (`refused`), and
    /// until when they are accepted.
    #[serde(default)]
    pub early_exp_s: Edge,
    /// Bytes of a good token.
    pub longest_token: Edge,
    /// When one and the same token turned good, in seconds after its `nbf`; negative by the leeway.
    pub turns_good_s: Option<f64>,
    /// When it turned bad again, in seconds after its `exp`.
    pub turns_bad_s: Option<f64>,
    /// Until when that was watched, in seconds after its `nbf`.
    pub good_watched_s: Option<f64>,
    /// Until when that was watched, in seconds after its `exp`.
    pub bad_watched_s: Option<f64>,
    /// When the token that was watched turning bad was last accepted, in seconds after its `exp`.
    pub bad_accepted_s: Option<f64>,
    /// Why no token was watched turning good, where none was.
    pub good_unwatched: Option<Unwatched>,
    /// Why none was watched turning bad.
    pub bad_unwatched: Option<Unwatched>,
    /// How much longer a refusal takes than an accept.
    pub refusal_delay_us: Option<f64>,
    /// The lower end of its interval.
    pub refusal_delay_low_us: Option<f64>,
    /// The upper end.
    pub refusal_delay_high_us: Option<f64>,
    /// How the times of refusals differ from those of a bad signature, by check.
    pub tells: Vec<Tell>,
}

/// A clock of a broker that is not where this host's is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockOffset {
    /// How many seconds it is ahead; negative where it is behind. Edges are found to a second.
    pub ahead_s: f64,
    /// What remains as leeway, in seconds.
    pub leeway_s: f64,
    /// Whether nothing but a clock explains the edges. A leeway of `exp` may also differ from that of `nbf`.
    pub is_certain: bool,
}

/// Whole seconds by which edges are moved in any case: brokers compare whole seconds, and a probe takes its time.
const UNSURE_S: f64 = 2.0;

impl Edges {
    /// What both edges of time say together: a leeway lets tokens in before `nbf` and after `exp`, a clock that is behind
    /// lets them in after `exp` and refuses them after `nbf`, and one that is ahead does the opposite. `None` where
    /// nothing speaks for a clock that is off.
    pub fn clock_offset(&self) -> Option<ClockOffset> {
        // How late tokens are let in after `exp`, and how early before `nbf`; negative the other way round.
        let late =
            self.leeway_exp_s.middle().or_else(|| self.early_exp_s.middle().map(|by| -by))?;
        let early =
            self.leeway_nbf_s.middle().or_else(|| self.late_nbf_s.middle().map(|by| -by))?;
        let (ahead_s, leeway_s) = ((early - late) / 2.0, f64::midpoint(early, late));
        let is_certain = late.min(early) < -UNSURE_S;
        let is_off = ahead_s.abs() > UNSURE_S && (is_certain || late.min(early) > UNSURE_S);
        is_off.then_some(ClockOffset { ahead_s, leeway_s: leeway_s.max(0.0), is_certain })
    }

    /// Takes over how a token turned good, or why none was watched.
    pub fn takes_good(&mut self, found: std::result::Result<Turn, Unwatched>) {
        self.good_unwatched = found.err();
        let turn = found.unwrap_or_default();
        (self.turns_good_s, self.good_watched_s) = (turn.turned_s, turn.watched_s);
    }

    /// The same of one that turned bad.
    pub fn takes_bad(&mut self, found: std::result::Result<Turn, Unwatched>) {
        self.bad_unwatched = found.err();
        let turn = found.unwrap_or_default();
        (self.turns_bad_s, self.bad_watched_s) = (turn.turned_s, turn.watched_s);
        self.bad_accepted_s = turn.accepted_s;
    }

    /// How one and the same token turned good, in words.
    pub fn good_words(&self) -> String {
        match (self.turns_good_s, self.good_watched_s, self.good_unwatched) {
            (Some(turned), ..) => format!("{turned:+.2} s from its nbf"),
            (_, _, Some(why)) => why.words("nbf"),
            (_, Some(watched), _) => {
                format!(
                    "not seen: when the watch ended, {watched:.1} s from its nbf, it was still refused or had been accepted all the time"
                )
            }
            _ => NOT_WATCHED.to_owned(),
        }
    }

    /// How it turned bad.
    pub fn bad_words(&self) -> String {
        let all = (self.turns_bad_s, self.bad_watched_s, self.bad_accepted_s);
        match (all, self.bad_unwatched) {
            ((Some(turned), ..), _) => format!("{turned:+.2} s from its exp"),
            (_, Some(why)) => why.words("exp"),
            ((_, Some(watched), Some(_)), _) => {
                format!(
                    "not seen: it was still accepted when the watch ended, {watched:.1} s from its exp"
                )
            }
            ((_, Some(_), None), _) => "not seen: it was never accepted".to_owned(),
            _ => NOT_WATCHED.to_owned(),
        }
    }

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
        serde_json::from_value(super::reading::json(&folder.join("probe.json")).ok()?).ok()
    }
}

/// Where answers turn; a side that there is not is `null`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Edge {
    /// The largest value that was accepted before the first refusal.
    pub accepted: Option<u64>,
    /// The smallest that was refused.
    pub refused: Option<u64>,
}

impl Edge {
    /// The middle between what was accepted and what was refused; `None` where one of both is missing.
    fn middle(self) -> Option<f64> {
        Some(f64::midpoint(self.accepted? as f64, self.refused? as f64))
    }

    /// Whether the first value that was tried was refused already.
    pub fn is_none(self) -> bool {
        self.accepted.is_none() && self.refused.is_some()
    }

    /// How many seconds before or after a claim's instant a token turns, `turn` being the side of this edge that says so.
    ///
    /// # Errors
    /// When a token that turns there can't be watched.
    pub fn lead(self, turn: Option<u64>) -> std::result::Result<u64, Unwatched> {
        match (self, turn.unwrap_or(0)) {
            (Self { accepted: None, refused: None }, _) => Err(Unwatched::NotFound),
            (Self { refused: None, .. }, _) => Err(Unwatched::NotChecked),
            (_, seconds) if seconds > LONGEST_WATCHED_S => Err(Unwatched::LongLeeway),
            (_, seconds) => Ok(seconds),
        }
    }
}

const NOT_WATCHED: &str =
    "not watched: the probe ended before it, or no answer said anything about it";

/// Leeways of more seconds are not watched: no library has them by default.
const LONGEST_WATCHED_S: u64 = 600;

/// What became of one and the same token at its turn, in seconds after the claim's instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Turn {
    /// When it had turned; `None` where it did not while it was watched.
    pub turned_s: Option<f64>,
    /// The last time that it was brought.
    pub watched_s: Option<f64>,
    /// The last time that it was accepted.
    pub accepted_s: Option<f64>,
}

/// Why no token was watched while it turned.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unwatched {
    /// The claim is not checked: there is no turn.
    NotChecked,
    /// Answers contradicted one another: where to look for the turn is not known.
    NotFound,
    /// The leeway is longer than ten minutes.
    LongLeeway,
}

impl Unwatched {
    /// The same in words; `claim` is what it is about.
    pub fn words(self, claim: &str) -> String {
        match self {
            Self::NotChecked => format!("not watched, since `{claim}` is not checked"),
            Self::NotFound => format!("not watched, since the leeway of `{claim}` was not found"),
            Self::LongLeeway => format!(
                "not watched, since the leeway of `{claim}` is longer than {} minutes",
                LONGEST_WATCHED_S / 60
            ),
        }
    }
}

/// A time as a histogram knows it, in microseconds: at least `from_us`, and less than `to_us`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The lower end of its bucket.
    pub from_us: f64,
    /// The upper end.
    pub to_us: f64,
}

impl Sample {
    fn middle(self) -> f64 {
        f64::midpoint(self.from_us, self.to_us)
    }
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
/// rank sum test in its normal approximation: Lehmann, Nonparametrics (1975), 2.6. The resolution of the times is part of
/// it: its ends are those that the least and the greatest differences between the buckets have.
pub fn shift(usual: &[Sample], others: &[Sample], comparisons: usize) -> Option<Shift> {
    let (m, n) = (usual.len(), others.len());
    if m < 8 || n < 8 {
        return None;
    }
    let differences = |of: fn(Sample, Sample) -> f64| {
        let pairs = others.iter().flat_map(|other| usual.iter().map(move |usual| (*other, *usual)));
        let mut all: Vec<f64> = pairs.map(|(other, usual)| of(other, usual)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let middle = differences(|other, usual| other.middle() - usual.middle());
    let least = differences(|other, usual| other.from_us - usual.to_us);
    let greatest = differences(|other, usual| other.to_us - usual.from_us);
    let count = middle.len();
    let median = f64::midpoint(middle[(count - 1) / 2], middle[count / 2]);
    let spread = (count as f64 * (m + n + 1) as f64 / 12.0).sqrt();
    let rank =
        (count as f64 / 2.0 - normal_quantile(comparisons) * spread).floor().max(0.0) as usize;
    Some(Shift { us: median, low_us: least[rank], high_us: greatest[count - 1 - rank] })
}

/// The two-sided 95 % quantile of the normal distribution, for so many comparisons together.
fn normal_quantile(comparisons: usize) -> f64 {
    // 1 - 0.05 / (2 k) for k = 1 .. 12: R, `qnorm`.
    const QUANTILES: [f64; 12] =
        [1.960, 2.241, 2.394, 2.498, 2.576, 2.638, 2.690, 2.734, 2.773, 2.807, 2.838, 2.865];
    QUANTILES[comparisons.clamp(1, QUANTILES.len()) - 1]
}

#[cfg(test)]
mod tests;
