use super::*;

#[test]
fn a_response_that_grows_drifts_and_one_that_trembles_does_not() {
    let window = Window::of(Duration::from_secs(2), Duration::from_secs(10), None);
    let ms = |values: &[u64]| -> Vec<Option<u64>> {
        values.iter().map(|ms| Some(ms * 1_000_000)).collect()
    };
    // The first two seconds are the warm-up, what follows the twelfth is the rest of answers.
    let growing = ms(&[90, 80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 900]);
    assert!((window.drift(&growing).unwrap() / 1e6 - 9.0).abs() < 1e-6);
    let trembling = ms(&[90, 80, 5, 3, 6, 4, 5, 6, 3, 4, 5, 4, 900]);
    assert_eq!(window.drift(&trembling), None);
    let trifle: Vec<_> = (0..13).map(|at| Some(1_000_000 + at * 10_000)).collect();
    assert_eq!(window.drift(&trifle), None, "surely, but by 0.1 ms");
}

#[test]
fn of_a_step_that_was_ended_the_part_that_ran_is_measured() {
    let seconds = |second: Option<u64>| {
        let aborted = second.map(|second| Aborted {
            metric: "connack".into(),
            condition: "p99 < 1s".into(),
            observed: None,
            second,
            run: None,
        });
        let (warmup, hold) = (Duration::from_secs(2), Duration::from_secs(10));
        Window::of(warmup, hold, aborted.as_ref()).seconds() as u64
    };
    assert_eq!([None, Some(0), Some(1), Some(4), Some(30)].map(seconds), [10, 0, 0, 3, 10]);
}
