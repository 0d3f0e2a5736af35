use super::*;
use crate::client::attempt::Attempt;

const START: u64 = 3 * SECOND;

/// A second of a broker: good tokens accepted and refused, and connections open at its end.
fn second(number: u64, (accepted, refused, open): (u64, u64, u64)) -> Measurements {
    let mut seen = Measurements::new(1, 1);
    let at = START + number * SECOND + SECOND / 4;
    let mut add = |outcome, verdict| {
        seen.record(&Attempt::example(at, outcome), Expectation::Accept, verdict, START, 0);
    };
    (0..accepted).for_each(|_| add(Outcome::Accepted, Verdict::Correct));
    (0..refused).for_each(|_| add(Outcome::Refused(135), Verdict::FalseReject));
    seen[Count::Open] = open;
    seen
}

fn found(seconds: &[(u64, u64, u64)]) -> Option<Full> {
    let mut fullness = Fullness::default();
    for (number, counts) in (0..).zip(seconds) {
        fullness.second(START, &second(number, *counts));
    }
    fullness.found()
}

#[test]
fn good_tokens_that_are_all_refused_while_nobody_comes_or_goes_look_like_a_limit() {
    let full = found(&[(40, 0, 40), (20, 5, 60), (0, 30, 60), (0, 30, 60), (9, 0, 55)]);
    assert_eq!(full, Some(Full { since_s: 1.25, open: 60, refused: 60 }));
    let words = full.unwrap().words();
    assert!(words.contains("since 1.2 s") && words.contains("with 60 open"), "{words}");
    assert!(words.contains("`policy.max_connections = 60`"), "{words}");
}

#[test]
fn one_second_or_nobody_accepted_before_or_a_number_that_moves_does_not() {
    assert_eq!(found(&[(40, 0, 40), (0, 30, 40), (9, 0, 49)]), None);
    assert_eq!(found(&[(0, 30, 0), (0, 30, 0), (0, 30, 0)]), None);
    assert_eq!(found(&[(40, 0, 40), (0, 30, 35), (0, 30, 30), (0, 30, 20)]), None);
    assert_eq!(found(&[(40, 3, 40), (9, 30, 40), (9, 30, 40)]), None, "some are let in");
}
