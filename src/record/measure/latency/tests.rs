use super::*;

fn latency(times: &[u64], unfinished: u64) -> Latency {
    let mut histogram = empty_times(3);
    for time in times {
        histogram.saturating_record(*time);
    }
    Latency { times: (!times.is_empty()).then_some(histogram), unfinished, timed_out: 0 }
}

#[test]
fn a_percentile_is_the_nearest_rank() {
    let latency = latency(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0);
    for (percent, expected) in
        [(0.0, 1), (10.0, 1), (10.1, 2), (50.0, 5), (90.0, 9), (99.0, 10), (100.0, 10)]
    {
        assert_eq!(latency.percentile(percent), Quantile::Time(expected), "{percent}");
    }
}

#[test]
fn a_percentile_among_the_unfinished_has_no_time() {
    let latency = latency(&[1; 98], 2);
    assert_eq!(latency.percentile(98.0), Quantile::Time(1));
    assert_eq!(latency.percentile(98.5), Quantile::Beyond);
    assert_eq!(self::latency(&[], 1).percentile(50.0), Quantile::Beyond);
}

#[test]
fn a_percentile_is_a_timeout_only_where_all_that_come_after_it_ran_into_their_deadline() {
    let of = |unfinished, timed_out| Latency { timed_out, ..latency(&[1; 90], unfinished) };
    assert!(!of(10, 0).is_timeout(99.0), "all were reset");
    assert!(of(10, 10).is_timeout(99.0));
    let both = of(10, 5);
    assert!(!both.is_timeout(90.0), "a time");
    assert!(!both.is_timeout(95.0), "a reset");
    assert!(both.is_timeout(96.0) && both.is_timeout(100.0));
    let nobody = Latency { times: None, unfinished: 3, timed_out: 3 };
    assert!(nobody.is_timeout(0.0) && nobody.is_timeout(50.0));
}

#[test]
fn no_rank_is_one_too_high_by_rounding() {
    // 999 of 1000 came back: the 99.9th percentile is the time of the slowest of them.
    assert_eq!(latency(&[1; 999], 1).percentile(99.9), Quantile::Time(1));
    for (tenths, percent) in [(500, 50.0), (990, 99.0), (999, 99.9)] {
        for all in (1..=200_000_u64).chain([99_999_999, 100_000_000]) {
            assert_eq!(rank(percent, all), (tenths * all).div_ceil(1000), "{percent} of {all}");
        }
    }
}

#[test]
fn times_are_kept_to_three_digits_up_to_an_hour() {
    for nanoseconds in [999, 1_234_567, 59 * 60 * 1_000_000_000] {
        let Quantile::Time(kept) = latency(&[nanoseconds], 0).percentile(50.0) else {
            panic!("no time")
        };
        assert!(
            kept.abs_diff(nanoseconds) as f64 <= nanoseconds as f64 / 1000.0,
            "{nanoseconds} {kept}"
        );
    }
}
