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
mod tests {
    use super::*;

    #[test]
    fn five_runs_a_side_can_decide_six_metrics_and_nine_pairs_four_in_three_looks() {
        assert!((least_p(5, 5) - 2.0 / 252.0).abs() < 1e-12);
        assert!(6.0 * least_p(5, 5) < 0.05, "{}", least_p(5, 5));
        assert!(least_p(3, 3) > 0.05, "three can't decide anything");
        assert_eq!(fewest_pairs(0.05), 6);
        assert_eq!(fewest_pairs(0.05 / 12.0), 9);
    }

    #[test]
    fn a_shift_has_its_estimate_its_interval_and_the_p_of_the_books() {
        // All of one sign: p = 2 / 2^6.
        let ratios = [0.09, 0.11, 0.10, 0.12, 0.08, 0.095];
        let all = paired(&ratios, 0.05, 2000).unwrap();
        assert!((all.p - 0.03125).abs() < 1e-9, "{all:?}");
        assert!((all.log_ratio - 0.0985).abs() < 0.002, "{all:?}");
        let (low, high) = all.interval.unwrap();
        assert!(low > 0.07 && low < 0.0985 && high > 0.0985 && high < 0.13, "{all:?}");
        // R: wilcox.test(c(1.1,2.2,3.3,4.4), c(6,7,8,9)): W = 0, p-value = 0.02857.
        let unpaired = unpaired(&[6.0, 7.0, 8.0, 9.0], &[1.1, 2.2, 3.3, 4.4], 0.05).unwrap();
        assert!((unpaired.p - 0.028_571).abs() < 1e-5, "{unpaired:?}");
        assert!((unpaired.log_ratio + 4.75).abs() < 1e-9, "{unpaired:?}");
    }

    #[test]
    fn what_does_not_differ_has_p_1_and_what_is_too_few_has_no_interval() {
        let same = paired(&[0.0; 8], 0.05, 500).unwrap();
        assert_eq!((same.p, same.log_ratio, same.interval), (1.0, 0.0, Some((0.0, 0.0))));
        assert_eq!(paired(&[0.1], 0.05, 500), None);
        assert_eq!(paired(&[0.1, f64::INFINITY], 0.05, 500), None);
        let few = unpaired(&[1.0, 1.1, 0.9], &[2.0, 2.1, 2.2], 0.05).unwrap();
        assert_eq!(few.interval, None, "{few:?}");
    }

    #[test]
    fn ties_are_exact_and_never_more_certain_than_so_few_values_can_be() {
        // All tied in themselves: as clear as five against five can be, and with their estimate.
        let clear = unpaired(&[7.0; 5], &[6.0; 5], 0.05).unwrap();
        assert!((clear.p - least_p(5, 5)).abs() < 1e-12, "{clear:?}");
        assert_eq!((clear.log_ratio, clear.interval), (-1.0, Some((-1.0, -1.0))));
        let same = unpaired(&[7.0; 5], &[7.0; 5], 0.05).unwrap();
        assert_eq!((same.p, same.log_ratio, same.interval), (1.0, 0.0, Some((0.0, 0.0))));
        let few = unpaired(&[1000.0; 3], &[800.0, 800.0, 800.0, 810.0], 0.05).unwrap();
        assert!((few.p - 2.0 / 35.0).abs() < 1e-12, "{few:?}");
        let pairs = paired(&[0.1; 6], 0.05, 200).unwrap();
        assert!((pairs.p - 2.0 / 64.0).abs() < 1e-12, "{pairs:?}");
        // Ranks 1.5, 1.5 and 3: of eight ways to give signs two have a sum of at most 1.5 twice over.
        let mixed = paired(&[-0.1, 0.1, 0.2], 0.05, 200).unwrap();
        assert!((mixed.p - 0.75).abs() < 1e-12, "{mixed:?}");
    }

    #[test]
    fn the_interval_of_two_sides_is_that_of_the_tables() {
        // Five against five at 95 %: the third of 25 differences from both ends (R: wilcox.test, conf.int = TRUE).
        assert_eq!(outer_differences(5, 5, 0.05), Some(2));
        assert_eq!(outer_differences(4, 4, 0.05), Some(0));
        assert_eq!(outer_differences(3, 3, 0.05), None);
    }

    #[test]
    fn holm_multiplies_the_smallest_by_their_number_and_never_falls() {
        let adjusted = holm(&[0.01, 0.04, 0.03]);
        for (adjusted, expected) in adjusted.iter().zip([0.03, 0.06, 0.06]) {
            assert!((adjusted - expected).abs() < 1e-12, "{adjusted}");
        }
    }

    #[test]
    fn the_pseudomedian_is_that_of_all_means_of_two() {
        // 1, 1.5, 2, 3, 3.5, 5: the middle of six.
        assert!((pseudomedian(&[1.0, 2.0, 5.0]) - 2.5).abs() < 1e-12);
        assert!((pseudomedian(&[4.0]) - 4.0).abs() < 1e-12);
        assert!((pseudomedian(&[1.0, 2.0]) - 1.5).abs() < 1e-12);
    }
}
