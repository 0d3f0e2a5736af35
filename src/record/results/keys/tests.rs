//! What is told from answers that are made up: instants in milliseconds of a run whose storm starts at 0.

use super::*;
use crate::record::results::fixture;

const MILLISECOND: u64 = SECOND / 1000;

/// A plan with keys a, b and c, a rotation from a to b, and one or two brokers.
fn plan(brokers: &str) -> Plan {
    plan_of(brokers, "")
}

fn plan_of(brokers: &str, more: &str) -> Plan {
    let key = |name: &str| {
        format!("[keys.{name}]\nalgorithm = \"EdDSA\"\ngenerate = true\nkid = \"{name}\"\n")
    };
    fixture::plan(&format!(
        "name = \"keys\"\n[target]\nbrokers = [{brokers}]\n[load]\nclients = 1\nconcurrency = 1\n{}{}{}\
         [issuer]\nkeys = [\"a\"]\n[[events]]\nat = \"1s\"\ndo = \"rotate_keys\"\nto = \"b\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"wrong_key\"\nshare = 1\n{more}",
        key("a"),
        key("b"),
        key("c")
    ))
}

const ONE: &str = "\"mqtt://127.0.0.1:1\"";
const TWO: &str = "\"mqtt://127.0.0.1:1\", \"mqtt://127.0.0.1:2\"";

/// An answer to a good token: when it was sent, by which key, at which broker, and whether it was accepted. It took 2 ms.
fn answer(sent: u64, key: u16, broker: u16, accepted: bool) -> KeyAnswer {
    let sent = sent * MILLISECOND;
    let ended = sent + 2 * MILLISECOND;
    KeyAnswer { sent, ended, kind: 0, broker, key: Some(key), accepted, in_time: true }
}

fn bad(answer: KeyAnswer) -> KeyAnswer {
    KeyAnswer { kind: 1, ..answer }
}

fn happened(at: u64, action: Action) -> Happened {
    let second = at as f64 / 1000.0;
    Happened { at: at * MILLISECOND, second, event: "x", detail: String::new(), action }
}

/// The usual rotation: b is published at 1 s, signs at 2 s; a is removed at 3 s.
fn rotation() -> Vec<Happened> {
    vec![
        happened(1000, Action::Publish(1)),
        happened(2000, Action::SignWith(1)),
        happened(3000, Action::Remove(0)),
    ]
}

fn told(plan: &Plan, answers: &[KeyAnswer], happened: &[Happened]) -> Jwks {
    let visit = |path, count| Visit { second: 0, path, status: 200, caller: "x".into(), count };
    let visits = [visit("/jwks", 3), visit("/token", 9)];
    let answered = answers.len() as u64;
    Jwks::of(Seen {
        plan,
        answers,
        happened,
        visits: &visits,
        answered,
        start: 0,
        end: 10 * SECOND,
    })
}

/// Whether a time is known, and is this one.
fn is(time: Option<Percentile>, us: f64) -> bool {
    time.and_then(Percentile::number).is_some_and(|time| (time - us).abs() < 1.0)
}

#[test]
fn a_new_key_is_accepted_when_its_last_refusal_is_over() {
    let answers = [
        answer(500, 1, 0, false),
        answer(1100, 1, 0, true),
        // One worker more that had not heard of it.
        answer(1200, 1, 0, false),
        answer(1300, 1, 0, true),
        answer(1400, 1, 0, true),
    ];
    let jwks = told(&plan(ONE), &answers, &rotation());
    let change = &jwks.rotations[0];
    assert!(is(change.accept_us, 302_000.0), "from 1000 to 1302 ms: {change:?}");
    assert!(
        (change.accept_uncertainty_us.unwrap() - 102_000.0).abs() < 1.0,
        "since the one at 1200 ms"
    );
    assert_eq!((jwks.good_tokens_refused, jwks.flips), (1, 1));
    assert_eq!(jwks.time_to_accept_new_key_us, change.accept_us);
    // The one at 500 ms came before anybody could know the key, and was not good.
    assert!((jwks.good_tokens_refused_share - 0.25).abs() < 1e-9);
}

#[test]
fn an_answer_that_comes_late_is_no_sooner_for_that() {
    // Sent before the one that was accepted, refused long after: it waited for a fetch.
    let late = KeyAnswer { ended: 1600 * MILLISECOND, ..answer(1200, 1, 0, false) };
    let jwks = told(&plan(ONE), &[late, answer(1201, 1, 0, true)], &rotation());
    let change = &jwks.rotations[0];
    assert!(is(change.accept_us, 600_000.0), "{change:?}");
}

#[test]
fn workers_that_disagree_are_found_among_answers_that_overlap() {
    let plan = plan(ONE);
    // A token a millisecond, 10 ms to each answer, every third one refused.
    let answers: Vec<KeyAnswer> = (0..40)
        .map(|at| KeyAnswer {
            ended: (at + 10) * MILLISECOND,
            ..answer(at, 0, 0, !at.is_multiple_of(3))
        })
        .collect();
    let flips = told(&plan, &answers, &[]).flips;
    assert!(flips >= 10, "{flips}");
    let steady: Vec<KeyAnswer> = (0..40).map(|at| answer(at, 0, 0, true)).collect();
    assert_eq!(told(&plan, &steady, &[]).flips, 0);
}

#[test]
fn forgeries_in_the_name_of_a_key_say_nothing_of_when_it_was_first_used() {
    let answers = [bad(answer(1500, 1, 0, false)), answer(2010, 1, 0, true)];
    let jwks = told(&plan(ONE), &answers, &rotation());
    assert!(is(jwks.rotations[0].accept_us, 12_000.0));
}

#[test]
fn a_key_that_was_revoked_is_good_again_from_when_it_is_published_again() {
    let happened = [happened(3000, Action::Revoke(Some(0))), happened(5000, Action::Publish(0))];
    let answers = [answer(4000, 0, 0, false), answer(6000, 0, 0, false)];
    assert_eq!(told(&plan(ONE), &answers, &happened).good_tokens_refused, 1, "the one at 6 s");
}

#[test]
fn a_key_that_nobody_used_before_it_signed_counts_from_then() {
    let jwks = told(&plan(ONE), &[answer(2010, 1, 0, true)], &rotation());
    assert!(is(jwks.rotations[0].accept_us, 12_000.0));
}

#[test]
fn an_old_key_is_refused_when_its_last_acceptance_is_over() {
    let answers = [
        answer(2900, 0, 0, true),
        answer(3100, 0, 0, true),
        answer(3500, 0, 0, false),
        answer(3600, 0, 0, false),
    ];
    let change = &told(&plan(ONE), &answers, &rotation()).rotations[0];
    assert!(is(change.refuse_us, 502_000.0), "{change:?}");
    assert!((change.refuse_uncertainty_us.unwrap() - 402_000.0).abs() < 1.0);
    assert_eq!(change.good_tokens_refused, 0, "an old token is none any more");
}

#[test]
fn what_never_came_about_is_longer_than_any_time_and_what_nobody_tried_is_unknown() {
    let plan = plan(ONE);
    let never = told(&plan, &[answer(1500, 1, 0, false), answer(3500, 0, 0, true)], &rotation());
    assert_eq!(never.time_to_accept_new_key_us, Some(Percentile::Beyond(9_000_000.0)));
    assert_eq!(never.time_to_refuse_old_key_us, Some(Percentile::Beyond(7_000_000.0)));
    let silent = told(&plan, &[answer(500, 0, 0, true)], &rotation());
    assert_eq!((silent.time_to_accept_new_key_us, silent.time_to_refuse_old_key_us), (None, None));
}

#[test]
fn brokers_of_a_cluster_that_accept_a_key_at_different_times_are_apart() {
    let plan = plan(TWO);
    let answers = [
        answer(1100, 1, 0, true),
        answer(1100, 1, 1, false),
        answer(1900, 1, 0, true),
        answer(1900, 1, 1, true),
    ];
    let jwks = told(&plan, &answers, &rotation());
    assert!(is(jwks.brokers_apart_us, 800_000.0), "{jwks:?}");
    assert_eq!(jwks.flips, 0, "no broker went back on itself");
    // One that never accepts it is further away than any.
    let never = told(&plan, &answers[..3], &rotation());
    assert!(matches!(never.brokers_apart_us, Some(Percentile::Beyond(_))), "{never:?}");
}

#[test]
fn a_key_that_signs_before_it_is_published_costs_good_tokens() {
    let happened = [happened(1000, Action::SignWith(1)), happened(2000, Action::Publish(1))];
    let answers = [answer(900, 1, 0, false), answer(1500, 1, 0, false), answer(2100, 1, 0, true)];
    let jwks = told(&plan(ONE), &answers, &happened);
    assert_eq!(jwks.good_tokens_refused, 1, "the one at 1500 ms was the issuer's own");
}

#[test]
fn an_outage_is_open_closed_or_neither_by_who_got_in() {
    let plan = plan(ONE);
    let away =
        [happened(1000, Action::Away(crate::scenario::Outage::Hang)), happened(2000, Action::Back)];
    let verdict = |answers: &[KeyAnswer]| {
        let jwks = told(&plan, answers, &away);
        jwks.outages[0].verdict.clone()
    };
    let (good_in, good_out) = (answer(1500, 0, 0, true), answer(1500, 0, 0, false));
    let (bad_in, bad_out) = (bad(good_in), bad(good_out));
    assert_eq!(verdict(&[good_in, bad_out]).as_deref(), Some("keeps known keys"));
    assert_eq!(verdict(&[good_out, bad_out]).as_deref(), Some("closed"));
    assert_eq!(verdict(&[good_in, bad_in]).as_deref(), Some("open"));
    // What gets in at all times says nothing of outages.
    let always = bad(answer(500, 0, 0, true));
    assert_eq!(verdict(&[always, good_in, bad_in]).as_deref(), Some("keeps known keys"));
    // A cache lasts for a while, then nobody gets in.
    assert_eq!(verdict(&[good_in, answer(1700, 0, 0, false)]).as_deref(), Some("closed"));
    // A token of a key that no set ever had is as bad.
    assert_eq!(verdict(&[answer(1500, 2, 0, true)]).as_deref(), Some("open"));
    assert_eq!(verdict(&[bad_out]), None, "refusing what is bad tells nothing");
    assert_eq!(
        verdict(&[answer(500, 0, 0, false), answer(1999, 0, 0, false)]),
        None,
        "not while it was away"
    );
}

/// A broker that says 3 s late that it refuses.
fn delaying() -> Plan {
    plan_of(ONE, "[policy]\nrefusal_delay = \"3s\"\n")
}

/// An answer of such a broker.
fn delayed(sent: u64, key: u16, accepted: bool) -> KeyAnswer {
    let answer = answer(sent, key, 0, accepted);
    let late = if accepted { 0 } else { 3000 * MILLISECOND };
    KeyAnswer { ended: answer.ended + late, ..answer }
}

#[test]
fn a_refusal_that_is_delayed_counts_in_the_outage_in_which_it_was_decided() {
    let away =
        [happened(1000, Action::Away(crate::scenario::Outage::Hang)), happened(2000, Action::Back)];
    let answers = [
        delayed(1100, 0, true),
        delayed(1500, 0, false),
        bad(delayed(1600, 0, false)),
        delayed(1700, 0, false),
    ];
    let jwks = told(&delaying(), &answers, &away);
    let outage = &jwks.outages[0];
    assert_eq!((outage.good_accepted, outage.good_refused, outage.bad_refused), (1, 2, 1));
    assert_eq!(outage.verdict.as_deref(), Some("closed"));
    assert!((jwks.refused_while_away_share.unwrap() - 2.0 / 3.0).abs() < 1e-9, "{jwks:?}");
    assert_eq!(outage.decided_after, 0);
    // Of a broker that delays nothing they were decided when the outage was over, and that is said.
    let prompt = told(&plan(ONE), &answers, &away);
    let outage = &prompt.outages[0];
    assert_eq!((outage.good_accepted, outage.good_refused, outage.bad_refused), (1, 0, 0));
    assert_eq!(outage.decided_after, 3);
    // One that waited for the key set until it was back tells nothing either, delay or not.
    let waited = KeyAnswer { ended: 5500 * MILLISECOND, ..answer(1500, 0, 0, false) };
    let outage = &told(&delaying(), &[waited], &away).outages[0];
    assert_eq!((outage.good_refused, outage.decided_after), (0, 1));
    assert_eq!(outage.verdict, None);
}

#[test]
fn a_change_of_keys_is_as_quick_as_the_broker_decides_whatever_it_delays() {
    let answers = [
        delayed(1100, 1, false),
        delayed(1300, 1, true),
        delayed(2900, 0, true),
        delayed(3100, 0, true),
        delayed(3500, 0, false),
    ];
    let jwks = told(&delaying(), &answers, &rotation());
    let change = &jwks.rotations[0];
    assert!(is(change.accept_us, 302_000.0), "{change:?}");
    assert!(is(change.refuse_us, 502_000.0), "{change:?}");
    assert_eq!(jwks.flips, 0, "it refused at 1100 ms, before it accepted");
    // Without the delay the same answers are these of one that took 3 s.
    let prompt = told(&plan(ONE), &answers, &rotation());
    assert!(is(prompt.rotations[0].refuse_us, 3_502_000.0));
}

#[test]
fn a_delay_that_was_not_kept_puts_no_answer_before_its_question() {
    let seconds = by_second(&delaying(), &[answer(2500, 0, 0, false)], 0);
    assert_eq!(seconds.into_iter().collect::<Vec<_>>(), [((2, 0, 0), (0, 1))]);
    let seconds = by_second(&delaying(), &[delayed(2500, 0, false)], 0);
    assert_eq!(seconds.into_iter().collect::<Vec<_>>(), [((2, 0, 0), (0, 1))], "not second 5");
}

#[test]
fn fetches_are_those_of_the_key_set_for_a_thousand_answers() {
    let answers: Vec<KeyAnswer> = (0..6).map(|at| answer(at, 0, 0, true)).collect();
    let jwks = told(&plan(ONE), &answers, &[]);
    assert_eq!(jwks.fetches, 3);
    assert!((jwks.fetches_per_1000_connects - 500.0).abs() < 1e-9);
}

#[test]
fn seconds_of_a_key_hold_only_tokens_that_nothing_else_is_wrong_with() {
    let answers = [answer(10, 0, 0, true), bad(answer(20, 0, 0, false)), answer(1999, 0, 0, false)];
    let seconds = by_second(&plan(ONE), &answers, 0);
    let expected = [((0, 0, 0), (1, 0)), ((2, 0, 0), (0, 1))];
    assert_eq!(seconds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_key_that_no_broker_accepted_before_is_not_refused_from_its_removal_on() {
    let refused = [answer(2900, 0, 0, false), answer(3050, 0, 0, false)];
    let jwks = told(&plan(ONE), &refused, &rotation());
    assert_eq!(jwks.time_to_refuse_old_key_us, None, "{jwks:?}");
    assert_eq!(jwks.rotations[0].refuse_uncertainty_us, None);
    // Of a cluster only the broker counts that had accepted it.
    let two = [refused[0], refused[1], answer(2800, 0, 1, true), answer(3500, 0, 1, false)];
    let jwks = told(&plan_of(TWO, ""), &two, &rotation());
    assert!(is(jwks.time_to_refuse_old_key_us, 502_000.0), "{jwks:?}");
}

#[test]
fn a_key_that_was_accepted_before_it_was_published_does_not_begin_to_be() {
    let jwks = told(&plan(ONE), &[answer(500, 1, 0, true), answer(1100, 1, 0, true)], &rotation());
    assert_eq!(jwks.time_to_accept_new_key_us, None, "{jwks:?}");
}
