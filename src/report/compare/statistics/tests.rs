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
