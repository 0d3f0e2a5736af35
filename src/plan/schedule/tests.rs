use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn stage(rate: Option<f64>, ramp_to: Option<f64>, seconds: u64) -> Stage {
    Stage { rate, ramp_to, r#for: Duration::from_secs(seconds) }
}

fn constant(stages: &[Stage]) -> Vec<u64> {
    let rates = Rates::resolve(stages).unwrap();
    Schedule::new(&rates, Arrivals::Constant, 1, u64::MAX).collect()
}

#[test]
fn a_steady_rate_is_evenly_spaced_and_as_long_as_asked() {
    let due = constant(&[stage(Some(1000.0), None, 2)]);
    assert_eq!(due.len(), 2000);
    assert!(due.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(1_000_000) <= 1));
}

#[test]
fn a_ramp_has_the_arrivals_under_its_line() {
    let due = constant(&[stage(None, Some(1000.0), 10)]);
    assert_eq!(due.len(), 5000);
    let half = due.iter().filter(|due| **due < 5 * SECOND).count();
    assert!((1240..=1260).contains(&half), "a quarter of the arrivals in the first half: {half}");
}

#[test]
fn poisson_arrivals_have_the_mean_and_the_spread_of_their_name() {
    let rates = Rates::resolve(&[stage(Some(1000.0), None, 20)]).unwrap();
    let due: Vec<u64> = Schedule::new(&rates, Arrivals::Poisson, 7, u64::MAX).collect();
    assert!((19_400..20_600).contains(&due.len()), "{}", due.len());
    let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let deviation =
        (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
    assert!(
        (deviation / mean - 1.0).abs() < 0.05,
        "an exponential's deviation is its mean: {}",
        deviation / mean
    );
}

#[test]
fn the_fullest_window_is_found() {
    let rates =
        Rates::resolve(&[stage(Some(10.0), None, 10), stage(Some(100.0), None, 1)]).unwrap();
    let schedule = Schedule::new(&rates, Arrivals::Constant, 1, u64::MAX);
    assert_eq!(most_within(schedule.clone(), Duration::ZERO), 1);
    assert!((100..=102).contains(&most_within(schedule.clone(), Duration::from_secs(1))));
    assert_eq!(most_within(schedule, Duration::from_hours(1)), 200);
}

#[test]
fn a_stage_without_a_rate_is_refused() {
    let error = Rates::resolve(&[stage(None, None, 1)]).unwrap_err().to_string();
    assert!(error.contains("load.stages[0]"), "{error}");
    assert!(Rates::resolve(&[stage(Some(0.0), None, 1)]).is_err());
    assert!(Rates::resolve(&[stage(Some(-5.0), None, 1)]).is_err());
    assert!(Rates::resolve(&[]).is_err());
}

proptest! {
    // For all splits: the segments' arrivals together are those of the whole, each at its time.
    #[test]
    fn segments_share_out_the_arrivals_of_the_whole(
        weights in prop::collection::vec(1_u64..9, 1..5),
        seed: u64,
        clients in 0..900_u64,
    ) {
        let rates = Rates::resolve(&[stage(None, Some(300.0), 4)]).unwrap();
        let whole = Schedule::new(&rates, Arrivals::Poisson, seed, clients);
        let mut seen = Vec::new();
        for index in 0..weights.len() {
            let segment = Segment::new(index, &weights, seed, 1).unwrap();
            let own = whole.clone().of_segment(&segment);
            seen.extend(own.enumerate().map(|(own, due)| (segment.client(own as u64), due)));
        }
        seen.sort_unstable();
        let wanted: Vec<(u64, u64)> = (0..).zip(whole).collect();
        prop_assert_eq!(seen, wanted);
    }

    // For all stages: due times are sorted, end with the last stage, and stop at `clients`.
    #[test]
    fn every_schedule_is_sorted_and_bounded(
        rates in prop::collection::vec((1.0..500.0_f64, any::<bool>(), 1..4_u64), 1..5),
        seed: u64,
        clients in 0..400_u64,
    ) {
        let stages: Vec<Stage> = rates.iter().map(|(rate, ramp, seconds)| if *ramp {
            stage(None, Some(*rate), *seconds)
        } else {
            stage(Some(*rate), None, *seconds)
        }).collect();
        let length: u64 = stages.iter().map(|stage| stage.r#for.as_secs()).sum();
        let rates = Rates::resolve(&stages).unwrap();
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            let due: Vec<u64> = Schedule::new(&rates, arrivals, seed, clients).collect();
            prop_assert!(due.len() as u64 <= clients);
            prop_assert!(due.is_sorted());
            prop_assert!(due.last().is_none_or(|last| *last <= length * SECOND));
            let again: Vec<u64> = Schedule::new(&rates, arrivals, seed, clients).collect();
            prop_assert_eq!(due, again);
        }
    }
}
