use super::*;
use crate::client::{
    attempt::{Attempt, Outcome, Step, Steps},
    verdict::Expectation,
};

const START: u64 = 5 * SECOND;

/// A second of two brokers: of each, attempts that were accepted, and attempts that found nobody.
fn second(counts: [(u64, u64); 2]) -> Measurements {
    let mut seen = Measurements::new(1, 2);
    let mut add = |broker, outcome, verdict, count| {
        for _ in 0..count {
            let steps = Steps { tcp: Step::Unfinished, ..Steps::default() };
            let attempt = Attempt { broker, steps, ..Attempt::example(START, outcome) };
            seen.record(&attempt, Expectation::Accept, verdict, START, 0);
        }
    };
    for (broker, (accepted, failed)) in counts.into_iter().enumerate() {
        add(broker, Outcome::Accepted, Verdict::Correct, accepted);
        add(broker, Outcome::TcpFailed("ECONNREFUSED"), Verdict::NotJudged, failed);
    }
    seen
}

fn deed(starts: bool, at: f64, back: Option<f64>) -> Deed {
    let instant = |at: f64| START + (at * SECOND as f64) as u64;
    Deed {
        starts,
        began: instant(at),
        ended: Some(instant(at)),
        back: back.map(instant),
        ..Deed::default()
    }
}

fn excused(deeds: &[Deed], seconds: &[[(u64, u64); 2]]) -> u64 {
    let mut gaps = Gaps::default();
    for (number, counts) in seconds.iter().enumerate() {
        gaps.second((START, number as u64), &second(*counts), deeds, |_| false);
    }
    gaps.excused()
}

#[test]
fn failures_at_a_stopped_broker_are_excused_until_it_answers_again_and_no_others() {
    let seconds = [
        [(5, 1), (5, 0)],
        // Stopped in the middle of this one.
        [(2, 3), (5, 7)],
        [(0, 5), (5, 0)],
        // Started and back in this one.
        [(1, 4), (5, 0)],
        [(5, 9), (5, 0)],
    ];
    let deeds = [deed(false, 1.5, None), deed(true, 3.2, Some(3.8))];
    assert_eq!(excused(&deeds, &seconds), 3 + 5 + 4);
    let for_good = [deed(false, 1.5, None)];
    assert_eq!(excused(&for_good, &seconds), 3 + 5 + 4 + 9, "never started again");
    let failed = [Deed { failed: true, ..deed(false, 1.5, None) }];
    assert_eq!(excused(&failed, &seconds), 0, "it could not be stopped");
    assert_eq!(excused(&[], &seconds), 0);
}

#[test]
fn where_nobody_knows_the_instant_the_first_whole_second_with_an_answer_ends_the_gap() {
    let seconds =
        [[(5, 0), (5, 0)], [(0, 5), (5, 0)], [(1, 4), (5, 0)], [(4, 1), (5, 0)], [(3, 2), (5, 0)]];
    let deeds = [deed(false, 1.0, None), deed(true, 2.5, None)];
    assert_eq!(excused(&deeds, &seconds), 5 + 4 + 1);
}
