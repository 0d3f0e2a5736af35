use super::*;
use crate::client::{
    attempt::{Attempt, Outcome, Step, Steps},
    verdict::{Expectation, Verdict},
};

/// Attempts that were answered so many nanoseconds after they were scheduled and sent.
fn seen(delays: &[u64]) -> Measurements {
    let mut all = Measurements::new(1, 1);
    for delay in delays {
        let at = SECOND;
        let attempt = Attempt {
            steps: Steps { tcp: Step::At(at), connack: Step::At(at + delay), ..Steps::default() },
            ended: at + delay,
            ..Attempt::example(at, Outcome::Accepted)
        };
        all.start(at, at);
        all.record(&attempt, Expectation::Accept, Verdict::Correct, 0, 0);
    }
    all
}

fn log(delays: &[u64]) -> Vec<Exchange> {
    delays.iter().map(|delay| Exchange { arrived: 0, answered: *delay }).collect()
}

#[test]
fn a_percentile_that_is_off_by_more_than_allowed_is_found() {
    let truth: Vec<u64> = (0..1000).map(|at| 10_000_000 + at).collect();
    let near: Vec<u64> = truth.iter().map(|delay| delay + 50_000).collect();
    assert!(compare("near", &seen(&near), &log(&truth)).iter().all(|row| row.within));
    let far: Vec<u64> = truth.iter().map(|delay| delay + 300_000).collect();
    assert!(compare("far", &seen(&far), &log(&truth)).iter().all(|row| !row.within));
    // The slowest two in a hundred are not seen as such.
    let mut slow = truth.clone();
    slow[980..].fill(200_000_000);
    let rows = compare("flattered", &seen(&truth), &log(&slow));
    let wrong: Vec<f64> = rows.iter().filter(|row| !row.within).map(|row| row.percentile).collect();
    assert_eq!(wrong, [99.0]);
    let missing = compare("missing", &seen(&truth[1..]), &log(&truth));
    assert!(missing.iter().all(|row| !row.within), "an answer that nobody saw");
}

#[test]
fn a_stall_has_to_show_as_theory_says_and_to_vanish_from_the_service_time_of_a_closed_loop() {
    // One arrival a millisecond for 8 s, and a stall from the third to the fifth second.
    let ms = 1_000_000;
    let open: Vec<u64> = (0..8000_u64)
        .map(|at| if (3000..5000).contains(&at) { (5000 - at) * ms } else { 10 * ms })
        .collect();
    let mut closed = vec![10 * ms; 4000];
    closed[..8].fill(2000 * ms);
    let stall = judge_stall(&seen(&open), &seen(&closed));
    assert!(stall.shows && stall.is_hidden_when_closed, "{stall:?}");
    let stall = judge_stall(&seen(&closed), &seen(&closed));
    assert!(!stall.shows, "omitted, as a closed loop does: {stall:?}");
    let stall = judge_stall(&seen(&open), &seen(&open));
    assert!(!stall.is_hidden_when_closed, "{stall:?}");
}
