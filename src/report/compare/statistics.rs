//! The tests that a comparison decides by, over logarithms of what runs came to: a run is one value, however many
//! attempts it made, as those of one run share its broker, its host's mood and its luck.

use anofox_statistics::{
    Alternative, PAdjustMethod, bootstrap_ci, mann_whitney_u, p_adjust, wilcoxon_signed_rank,
};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::record::results::trend::median;

/// How the change of a metric is estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Logarithm of candidate over baseline, by Hodges and Lehmann (Ann. Math. Stat. 34, 1963).
    pub log_ratio: f64,
    /// Where it lies at the level asked; `None` where so few runs can't say.
    pub interval: Option<(f64, f64)>,
    /// How likely runs would differ so much, or more, if both sides were the same.
    pub p: f64,
}

/// Of the logarithms of candidate over baseline, pair by pair, at an error rate of `alpha`.
///
/// Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945), exact also where values are tied; an interval from
/// `resamples` bootstrap resamples of the pairs, expanded for few pairs (Hesterberg, What Teachers Should Know About the
/// Bootstrap, The American Statistician 69, 2015). `None` of fewer than two pairs.
pub fn paired(log_ratios: &[f64], alpha: f64, resamples: usize) -> Option<Estimate> {
    let count = log_ratios.len();
    if count < 2 || log_ratios.iter().any(|ratio| !ratio.is_finite()) {
        return None;
    }
    let moved: Vec<f64> = log_ratios.iter().copied().filter(|ratio| *ratio != 0.0).collect();
    let sizes: Vec<f64> = moved.iter().map(|ratio| ratio.abs()).collect();
    let p = if is_tied(&sizes) {
        exact_signed_rank(&moved, &sizes)
    } else {
        let zeros = vec![0.0; count];
        wilcoxon_signed_rank(log_ratios, &zeros, Alternative::TwoSided, true, true, None, None)
            .ok()?
            .p_value
    };
    let level = 1.0 - expanded(alpha, count);
    // The same data have the same interval, whoever asks, and when.
    let resampled = bootstrap_ci(log_ratios, pseudomedian, resamples, level, Some(SEED)).ok()?;
    Some(Estimate {
        log_ratio: resampled.estimate,
        interval: Some((resampled.conf_int_lower, resampled.conf_int_upper)),
        p,
    })
}

/// Of the logarithms of runs of two sides that have nothing to do with each other, at an error rate of `alpha`.
///
/// The test of Mann and Whitney (Ann. Math. Stat. 18, 1947), exact also where values are tied, and the interval that
/// follows from it: order statistics of all differences (Moses 1965; Hollander and Wolfe, Nonparametric Statistical
/// Methods, section 4.3). `None` of an empty side.
pub fn unpaired(baseline: &[f64], candidate: &[f64], alpha: f64) -> Option<Estimate> {
    if baseline.is_empty() || candidate.is_empty() {
        return None;
    }
    let both = [candidate, baseline].concat();
    if both.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let p = if is_tied(&both) {
        exact_rank_sum(&both, candidate.len())
    } else {
        mann_whitney_u(candidate, baseline, Alternative::TwoSided, true, true, None, None)
            .ok()?
            .p_value
    };
    let mut differences: Vec<f64> = candidate
        .iter()
        .flat_map(|after| baseline.iter().map(move |before| after - before))
        .collect();
    let log_ratio = median(&mut differences);
    let outer = outer_differences(baseline.len(), candidate.len(), alpha);
    let interval =
        outer.map(|outer| (differences[outer], differences[differences.len() - 1 - outer]));
    Some(Estimate { log_ratio, interval, p })
}

/// How many differences lie outside an interval on each side, so that it misses the true one at most at this rate; `None`
/// where so few values have no such interval.
fn outer_differences(baseline: usize, candidate: usize, alpha: f64) -> Option<usize> {
    let ranks: Vec<usize> = (1..=baseline + candidate).map(|rank| 2 * rank).collect();
    let sums = subset_sums(&ranks, candidate);
    let all: f64 = sums.iter().sum();
    let (mut below, mut outer) = (0.0, None);
    // Sums of ranks from the least on, and so the numbers of differences below 0: 0, 1, 2 ...
    for (number, ways) in sums.iter().filter(|ways| **ways > 0.0).enumerate() {
        below += ways;
        if 2.0 * below / all > alpha {
            break;
        }
        outer = Some(number);
    }
    outer
}

/// Twice the ranks of values, the mean rank for those that are tied: whole numbers.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let tied = values.iter().filter(|other| other.total_cmp(value).is_eq()).count();
        2 * below + tied + 1
    };
    values.iter().map(rank).collect()
}

fn is_tied(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).any(|pair| pair[0].total_cmp(&pair[1]).is_eq())
}

/// In how many ways so many of the ranks have each sum.
fn subset_sums(ranks: &[usize], size: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; size + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for taken in (1..=size).rev() {
            for sum in (*rank..=most).rev() {
                ways[taken][sum] += ways[taken - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(size)
}

/// The two-sided p of a sum of ranks among those of all ways to choose as many of them.
fn exact_rank_sum(values: &[f64], size: usize) -> f64 {
    let ranks = doubled_ranks(values);
    let sums = subset_sums(&ranks, size);
    tail(&sums, ranks[..size].iter().sum())
}

/// The two-sided p of the ranks of what is above 0 among those of all ways to give signs.
fn exact_signed_rank(values: &[f64], sizes: &[f64]) -> f64 {
    let ranks = doubled_ranks(sizes);
    let most: usize = ranks.iter().sum();
    let mut sums = vec![0.0; most + 1];
    sums[0] = 1.0;
    for rank in &ranks {
        for sum in (*rank..=most).rev() {
            sums[sum] += sums[sum - rank];
        }
    }
    let seen = values.iter().zip(&ranks).filter(|(value, _)| **value > 0.0).map(|(_, rank)| rank);
    tail(&sums, seen.sum())
}

/// Twice the smaller of both tails that begin at a sum, at most 1.
fn tail(ways: &[f64], sum: usize) -> f64 {
    let all: f64 = ways.iter().sum();
    let (low, high): (f64, f64) = (ways[..=sum].iter().sum(), ways[sum..].iter().sum());
    (2.0 * low.min(high) / all).min(1.0)
}

/// The least p that so many runs a side can have: 2 of all ways to part them.
pub fn least_p(baseline: usize, candidate: usize) -> f64 {
    let (few, all) = (baseline.min(candidate), baseline + candidate);
    let ways: f64 = (0..few).map(|at| (all - at) as f64 / (few - at) as f64).product();
    2.0 / ways
}

/// The fewest pairs with which the signed-rank test can fall below `alpha`: all of one sign have p = 2 / 2^pairs.
pub fn fewest_pairs(alpha: f64) -> usize {
    (2.0 / alpha).log2().ceil() as usize
}

/// P values corrected for their number (Holm, Scand. J. Statist. 6, 1979), in the same order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    p_adjust(p, PAdjustMethod::Holm)
}

/// The median of the means of all pairs, each with itself as well: where the middle is, if both halves are alike.
fn pseudomedian(values: &[f64]) -> f64 {
    let mut means = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (at, one) in values.iter().enumerate() {
        means.extend(values[at..].iter().map(|other| f64::midpoint(*one, *other)));
    }
    let middle = means.len() / 2;
    let (below, upper, _) = means.select_nth_unstable_by(middle, f64::total_cmp);
    if values.len() * (values.len() + 1) / 2 % 2 == 1 {
        return *upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, *upper)
}

/// The error rate that a bootstrap of so few values has to be asked for, to have that one.
fn expanded(alpha: f64, count: usize) -> f64 {
    let n = count as f64;
    let Ok(student) = StudentsT::new(0.0, 1.0, n - 1.0) else { return alpha };
    let quantile = student.inverse_cdf(1.0 - alpha / 2.0);
    let Ok(normal) = Normal::new(0.0, 1.0) else { return alpha };
    2.0 * normal.cdf(-(n / (n - 1.0)).sqrt() * quantile)
}

/// Of the resampling.
const SEED: u64 = 0x626f_6f74;

#[cfg(test)]
mod tests;
