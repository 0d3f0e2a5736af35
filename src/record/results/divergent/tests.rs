use proptest::prelude::*;

use super::*;
use crate::{
    base::clock::SECOND,
    client::attempt::{Attempt, Close},
    record::{
        measure::Measurements,
        results::{decided::Decisions, fixture},
    },
    scenario::Group,
    token::recipe::Refusal,
};

const A: &str = "mqtt://127.0.0.1:1";
const B: &str = "mqtt://127.0.0.1:2";
const C: &str = "mqtt://127.0.0.1:3";

fn plan(brokers: &[&str]) -> Plan {
    plan_of(brokers, "")
}

fn plan_of(brokers: &[&str], more: &str) -> Plan {
    let brokers: Vec<String> = brokers.iter().map(|label| format!("\"{label}\"")).collect();
    fixture::plan(&format!(
        "name = \"x\"\n[target]\nbrokers = [{}]\n[load]\nclients = 9\nconcurrency = 1\n\
         [[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n{more}",
        brokers.join(", ")
    ))
}

const NO: Outcome = Outcome::Refused(135);
const YES: Outcome = Outcome::Accepted;

fn refuse() -> Expectation {
    Expectation::Refuse(Refusal::from(Group::Signature))
}

/// A second in which brokers gave so many answers of a kind.
fn second(
    brokers: usize,
    expected: Expectation,
    verdict: Verdict,
    answers: &[(usize, Outcome, u64)],
) -> Measurements {
    let mut seen = Measurements::new(1, brokers);
    for (broker, outcome, count) in answers {
        let attempt = Attempt { broker: *broker, ..Attempt::example(SECOND, *outcome) };
        for _ in 0..*count {
            seen.start(SECOND, SECOND);
            seen.record(&attempt, expected, verdict, 0, 0);
        }
    }
    seen
}

fn told(brokers: &[&str], seconds: &[Measurements]) -> Vec<Divergent> {
    let plan = plan(brokers);
    let mut all = Divergences::default();
    for (at, seen) in (0..).zip(seconds) {
        all.second(&plan, at, &Decided::at_once(seen, brokers.len()));
    }
    all.told(&plan)
}

fn good(brokers: usize, answers: &[(usize, Outcome, u64)]) -> Measurements {
    second(brokers, Expectation::Accept, Verdict::Correct, answers)
}

#[test]
fn a_node_that_refuses_what_the_others_let_in_is_named_with_its_first_and_last_second() {
    let calm = || good(3, &[(0, YES, 20), (1, YES, 20), (2, YES, 20)]);
    let odd = || good(3, &[(0, YES, 20), (1, YES, 20), (2, NO, 20)]);
    let found = told(&[A, B, C], &[calm(), odd(), odd(), calm(), odd(), calm()]);
    assert_eq!(found.len(), 1, "{found:?}");
    let one = &found[0];
    assert_eq!((one.what.as_str(), one.expected.as_str()), ("verdict", "accept"));
    assert_eq!((&one.minority, &one.against_promise), (&vec![C.to_owned()], &vec![C.to_owned()]));
    assert_eq!((one.first_second, one.last_second), (1, 4));
    let of = |broker: &str| (one.brokers[broker].accepted, one.brokers[broker].refused);
    assert_eq!([of(A), of(C)], [(80, 0), (20, 60)]);
    assert_eq!((one.brokers[C].codes["135"], one.attempts), (60, 240));
}

#[test]
fn a_node_whose_refusals_are_delayed_is_named_with_the_seconds_in_which_it_decided() {
    let told = |delay: &str, answers: &[(u64, Measurements)]| {
        let plan = plan_of(&[A, B], &format!("[policy]\nrefusal_delay = \"{delay}\"\n"));
        let (mut decisions, mut all) = (Decisions::default(), Divergences::default());
        for (at, seen) in answers {
            for (second, decided) in decisions.second(&plan, *at, seen) {
                all.second(&plan, second, &decided);
            }
        }
        for (second, decided) in decisions.rest() {
            all.second(&plan, *second, decided);
        }
        let found = all.told(&plan);
        assert_eq!(found.len(), 1, "{found:?}");
        let answers = &found[0].brokers[B];
        (found[0].first_second, found[0].last_second, answers.accepted, answers.refused)
    };
    // B refuses what comes in seconds 2 and 3, and says so `late` seconds after; A lets all in.
    let run = |late: u64| -> Vec<(u64, Measurements)> {
        let seen = |at: u64| {
            let is_odd = |at: u64| (2..4).contains(&at);
            let in_time = if is_odd(at) { 0 } else { 20 };
            let refused = if at.checked_sub(late).is_some_and(is_odd) { 20 } else { 0 };
            good(2, &[(0, YES, 20), (1, YES, in_time), (1, NO, refused)])
        };
        (0..8).map(|at| (at, seen(at))).collect()
    };
    assert_eq!(told("0s", &run(0)), (2, 3, 0, 40));
    assert_eq!(told("3s", &run(3)), (2, 3, 0, 40));
    assert_eq!(told("2600ms", &run(3)), (2, 3, 0, 40), "whole seconds, the nearest");
    // The last of them come when nothing else does any more.
    let ends = |answers: Vec<(u64, Measurements)>| answers.into_iter().take(7).collect::<Vec<_>>();
    assert_eq!(told("3s", &ends(run(3))), (2, 3, 0, 40));
}

#[test]
fn of_two_nodes_the_one_that_breaks_the_promise_is_the_odd_one() {
    let expired = second(2, refuse(), Verdict::Correct, &[(0, NO, 9), (1, YES, 9)]);
    let found = told(&[A, B], &[expired]);
    assert_eq!(found[0].minority, [B]);
    let open = Expectation::Either(Refusal::from(Group::Signature));
    let found = told(&[A, B], &[second(2, open, Verdict::Correct, &[(0, NO, 9), (1, YES, 9)])]);
    assert_eq!(found[0].expected, "either");
    assert!(found[0].minority.is_empty() && found[0].against_promise.is_empty(), "{found:?}");
}

#[test]
fn the_fewer_are_odd_even_where_the_many_break_the_promise() {
    let seen = good(3, &[(0, NO, 9), (1, NO, 9), (2, YES, 9)]);
    let found = told(&[A, B, C], &[seen]);
    assert_eq!(found[0].minority, [C]);
    assert_eq!(found[0].against_promise, [A, B]);
}

#[test]
fn at_low_rates_the_seconds_before_count() {
    let odd = |_| good(2, &[(0, YES, 1), (1, NO, 1)]);
    assert!(told(&[A, B], &(0..7).map(odd).collect::<Vec<_>>()).is_empty(), "seven answers");
    let found = told(&[A, B], &(0..12).map(odd).collect::<Vec<_>>());
    assert_eq!((found.len(), found[0].first_second, found[0].last_second), (1, 0, 11));
    assert_eq!(found[0].attempts, 24);
}

#[test]
fn what_says_nothing_of_a_token_is_not_compared() {
    for (expected, verdict, outcome) in [
        (Expectation::Accept, Verdict::NotJudged, Outcome::Refused(0x97)),
        (Expectation::Accept, Verdict::NotJudged, Outcome::TcpFailed("ECONNREFUSED")),
        (Expectation::Indeterminate, Verdict::Indeterminate, NO),
        (Expectation::Accept, Verdict::WrongReason, Outcome::Closed(Close::Fin)),
    ] {
        let mut seen = second(2, expected, verdict, &[(1, outcome, 50)]);
        seen.merge(&good(2, &[(0, YES, 50)]));
        assert!(told(&[A, B], &[seen]).is_empty(), "{outcome:?}");
    }
}

#[test]
fn other_codes_are_a_difference_of_their_own_and_one_broker_has_none() {
    let other = Outcome::Refused(134);
    let codes = second(2, refuse(), Verdict::Correct, &[(0, NO, 30), (1, other, 30)]);
    let found = told(&[A, B], &[codes]);
    assert_eq!((found.len(), found[0].what.as_str()), (1, "code"), "{found:?}");
    assert!(found[0].minority.is_empty());
    assert!(told(&[A], &[good(1, &[(0, NO, 9), (0, YES, 9)])]).is_empty());
}

#[test]
fn a_difference_that_ends_and_comes_back_much_later_is_two() {
    let odd = || good(2, &[(0, YES, 20), (1, NO, 20)]);
    let mut seconds = vec![odd()];
    seconds.extend((0..40).map(|_| good(2, &[(0, YES, 20), (1, YES, 20)])));
    seconds.push(odd());
    let found = told(&[A, B], &seconds);
    let when: Vec<_> = found.iter().map(|one| (one.first_second, one.last_second)).collect();
    assert_eq!(when, [(0, 0), (41, 41)]);
}

#[test]
fn a_change_within_a_second_belongs_to_that_second() {
    let calm = || good(3, &[(0, YES, 20), (1, YES, 20), (2, YES, 20)]);
    let odd = || good(3, &[(0, YES, 20), (1, YES, 20), (2, NO, 20)]);
    let half = || good(3, &[(0, YES, 20), (1, YES, 20), (2, YES, 10), (2, NO, 10)]);
    let seconds = [calm(), half(), odd(), odd(), half(), calm(), half(), calm()];
    let found = told(&[A, B, C], &seconds);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].first_second, found[0].last_second), (1, 4));
    assert_eq!((found[0].brokers[C].accepted, found[0].brokers[C].refused), (20, 60));
    // Where the others do it too, it is no part of the difference.
    let both = || good(3, &[(0, YES, 20), (1, NO, 3), (1, YES, 17), (2, YES, 10), (2, NO, 10)]);
    let found = told(&[A, B, C], &[both(), odd(), both()]);
    assert_eq!((found[0].first_second, found[0].last_second), (1, 1));
}

#[test]
fn a_stray_answer_of_long_ago_does_not_move_the_first_second() {
    let second = |at: u64| {
        let (yes, no) = if at >= 25 { (0, 20) } else { (20, u64::from(at == 19)) };
        good(
            3,
            &[(0, YES, 20), (1, YES, yes), (1, NO, no), (2, YES, u64::from(at.is_multiple_of(3)))],
        )
    };
    // The third has few answers: to be compared with it takes more than 20 s.
    let found = told(&[A, B, C], &(0..=40).map(second).collect::<Vec<_>>());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].brokers.contains_key(C), "{found:?}");
    assert_eq!((found[0].first_second, found[0].last_second), (25, 40));
}

proptest! {
    #[test]
    fn a_single_stray_answer_in_a_window_is_never_a_difference(
        counts in prop::collection::vec((0_u64..60, 0_u64..60), 1..40),
        at in 0_usize..40,
    ) {
        let stray = at % counts.len();
        let seconds: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(second, (a, b))| {
                good(2, &[(0, YES, *a), (1, YES, *b), (1, NO, u64::from(second == stray))])
            })
            .collect();
        prop_assert!(told(&[A, B], &seconds).is_empty());
    }

    #[test]
    fn brokers_that_answer_alike_do_not_differ_whatever_they_answer(
        seconds in prop::collection::vec((0_u64..30, 0_u64..30, 0_u64..30), 1..20),
    ) {
        let seconds: Vec<_> = seconds
            .into_iter()
            .map(|(yes, no, other)| {
                let of = |broker| [
                    (broker, YES, yes), (broker, NO, no), (broker, Outcome::Refused(134), other),
                ];
                good(3, &[of(0), of(1), of(2)].concat())
            })
            .collect();
        prop_assert!(told(&[A, B, C], &seconds).is_empty());
    }
}
