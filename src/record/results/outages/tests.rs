use super::*;
use crate::{
    client::{
        attempt::{Attempt, Close, Phase, Step, Steps},
        verdict::Expectation,
    },
    record::{
        measure::Measurements,
        results::{decided::Decisions, fixture},
    },
};

const MS: u64 = SECOND / 1000;
/// When the storm of these tests starts.
const STORM: u64 = 5 * SECOND;

fn plan() -> Plan {
    plan_of("2s", "0s")
}

fn plan_of(connect_timeout: &str, refusal_delay: &str) -> Plan {
    fixture::plan(&format!(
        "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\", \"mqtt://127.0.0.1:2\", \"mqtt://127.0.0.1:3\"]\n\
         [load]\nclients = 9\nconcurrency = 1\nconnect_timeout = \"{connect_timeout}\"\n\
         [policy]\nrefusal_delay = \"{refusal_delay}\"\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n\
         [[events]]\nat = \"2s\"\ndo = \"stop_broker\"\nbroker = \"mqtt://127.0.0.1:2\"\ncommand = \"x\"\n"
    ))
}

/// A second of attempts, each with its broker, its outcome, and how long CONNACK took in milliseconds.
fn second(attempts: &[(usize, Outcome, u64)]) -> Measurements {
    let mut seen = Measurements::new(1, 3);
    for (broker, outcome, took) in attempts {
        let ended = STORM + took * MS;
        let (tcp, connack) = if outcome.is_answer() {
            (Step::At(STORM), Step::At(ended))
        } else {
            (Step::Unfinished, Step::NotEntered)
        };
        let attempt = Attempt {
            broker: *broker,
            steps: Steps { tcp, connack, ..Steps::default() },
            ended,
            ..Attempt::example(STORM, *outcome)
        };
        let verdict = match outcome {
            outcome if outcome.is_answer() => Verdict::Correct,
            // Of a bad token.
            Outcome::Closed(Close::Fin) => Verdict::WrongReason,
            _ => Verdict::NotJudged,
        };
        seen.start(STORM, STORM);
        seen.record(&attempt, Expectation::Accept, verdict, STORM, 0);
    }
    seen
}

fn deed(broker: usize, starts: bool, second: f64) -> Deed {
    let began = STORM + (second * SECOND as f64) as u64;
    Deed { broker, starts, began, ended: Some(began), ..Deed::default() }
}

const YES: Outcome = Outcome::Accepted;
const NO: Outcome = Outcome::TcpFailed("ECONNREFUSED");
const WAITS: Outcome = Outcome::Timeout(Phase::TcpConnect);
/// An orderly end where CONNACK should have been.
const FIN: Outcome = Outcome::Closed(Close::Fin);
const ENDS: Outcome = Outcome::Closed(Close::Rst);

fn told(seconds: &[Measurements], deeds: &[Deed]) -> Vec<Outage> {
    let plan = plan();
    let mut outages = Outages::default();
    for (at, seen) in (0..).zip(seconds) {
        // What has not begun at the end of a second is not known yet.
        let end = STORM + (at + 1) * SECOND;
        let known: Vec<Deed> = deeds.iter().filter(|deed| deed.began < end).cloned().collect();
        outages.second(&plan, (STORM, at), &Decided::at_once(seen, 3), &known);
    }
    outages.told(&plan, STORM, 2 * SECOND, deeds)
}

/// All brokers answer: the first in `took` ms.
fn calm(took: u64) -> Measurements {
    second(&[(0, YES, took), (1, YES, 1), (2, YES, 1)])
}

#[test]
fn an_outage_is_told_by_its_clients_and_by_those_of_the_others() {
    let seconds = [
        calm(10),
        calm(10),
        second(&[(0, YES, 20), (1, ENDS, 1), (1, NO, 1), (2, YES, 1)]),
        second(&[(0, YES, 90), (1, NO, 1), (1, WAITS, 1), (2, NO, 1)]),
        // Started in this second. As the broker was gone before it, what was answered in it was so after the start.
        second(&[(0, YES, 20), (1, NO, 1), (1, YES, 1)]),
        second(&[(0, YES, 30), (1, YES, 1)]),
        // One that waited for its deadline comes after all others.
        second(&[(0, YES, 30), (1, YES, 1), (1, WAITS, 1)]),
        calm(30),
        calm(30),
        calm(30),
        second(&[(1, NO, 1)]),
    ];
    let mut deeds = [deed(1, false, 2.5), deed(1, true, 4.25)];
    let outages = told(&seconds, &deeds);
    assert_eq!(outages.len(), 1);
    let one = &outages[0];
    assert_eq!(one.broker, "mqtt://127.0.0.1:2");
    assert_eq!(
        (one.refused, one.hanging, one.failed),
        (3, 2, 1),
        "the last second is another story"
    );
    assert_eq!(one.all_back_s, Some(7));
    // Nobody saw the answer itself: the end of its second.
    assert_eq!((one.time_until_back_us, one.time_until_back_exact), (Some(0.75e6), Some(false)));
    let p99 = |span: &Span| match span.connack_p99_us {
        Some(Percentile::Number(us)) => (us / 1e4).round() as u64,
        ref other => panic!("{other:?}"),
    };
    let others = &one.others;
    assert_eq!([&others.before, &others.during, &others.after].map(p99), [1, 9, 3]);
    assert_eq!(
        (others.before.attempts, others.during.attempts, others.during.not_as_promised),
        (4, 5, 1)
    );
    assert_eq!((others.before.seconds, others.during.seconds, others.after.seconds), (2, 3, 6));
    deeds[1].back = Some(deeds[1].began + 7 * MS);
    let one = &told(&seconds, &deeds)[0];
    assert_eq!((one.time_until_back_us, one.time_until_back_exact), (Some(7000.0), Some(true)));
}

#[test]
fn an_answer_in_the_second_of_the_start_counts_only_where_it_can_not_be_from_before() {
    let (lost, back) =
        (second(&[(0, YES, 1), (1, NO, 1)]), second(&[(0, YES, 1), (1, NO, 1), (1, YES, 1)]));
    let within = |seconds: &[Measurements], deeds: &[Deed]| {
        let one = &told(seconds, deeds)[0];
        assert_eq!(one.time_until_back_exact, one.time_until_back_us.map(|_| false));
        one.time_until_back_us
    };
    // Stopped in that second too.
    let deeds = [deed(1, false, 1.25), deed(1, true, 1.75)];
    let seconds = [calm(1), back.clone(), calm(1)];
    assert_eq!(within(&seconds, &deeds), Some(1.25e6));
    // Its command was done only then.
    let mut deeds = [deed(1, false, 1.25), deed(1, true, 3.5)];
    let seconds = [calm(1), lost.clone(), lost.clone(), back.clone(), calm(1)];
    assert_eq!(within(&seconds, &deeds), Some(0.5e6));
    deeds[0].ended = Some(STORM + 3 * SECOND + 1);
    assert_eq!(within(&seconds, &deeds), Some(1.5e6));
    // It was stopped, and answers as if nothing were.
    let deeds = [deed(1, false, 1.25), deed(1, true, 3.5)];
    let seconds = [calm(1), lost, back.clone(), back, calm(1)];
    assert_eq!(within(&seconds, &deeds), Some(1.5e6));
}

#[test]
fn an_orderly_close_is_no_answer_and_what_closes_always_is_back_all_the_same() {
    let closes = || second(&[(0, YES, 1), (1, FIN, 1)]);
    let both = || second(&[(0, YES, 1), (1, FIN, 1), (1, YES, 1)]);
    let seconds = [calm(1), closes(), closes(), closes(), both(), both()];
    let one = &told(&seconds, &[deed(1, false, 1.5), deed(1, true, 2.0)])[0];
    assert_eq!(one.time_until_back_us, Some(3e6));
    assert_eq!((one.failed, one.all_back_s), (4, Some(4)));
}

#[test]
fn a_stop_that_takes_its_time_and_fails_in_the_end_leaves_no_trace() {
    let plan = plan();
    let mut outages = Outages::default();
    let mut deeds = vec![Deed { ended: None, ..deed(0, false, 1.5) }];
    let mut look = |at: u64, seen: &Measurements, deeds: &[Deed]| {
        outages.second(&plan, (STORM, at), &Decided::at_once(seen, 3), deeds);
        outages.told(&plan, STORM, 2 * SECOND, deeds)
    };
    look(0, &calm(1), &deeds[..0]);
    assert_eq!(look(1, &calm(1), &deeds).len(), 1, "it is under way");
    look(2, &calm(1), &deeds);
    (deeds[0].ended, deeds[0].failed) = (Some(STORM + 3 * SECOND), true);
    assert!(look(3, &calm(1), &deeds).is_empty());
    look(4, &calm(1), &deeds);
    deeds.extend([deed(1, false, 5.0), deed(1, true, 6.0)]);
    look(5, &second(&[(0, YES, 1), (1, NO, 1), (2, YES, 1)]), &deeds);
    let told = look(6, &calm(1), &deeds);
    assert_eq!(told.len(), 1);
    let others = &told[0].others;
    // Of the seconds in which it was not known yet, none is claimed.
    assert_eq!((others.before.seconds, others.before.attempts), (3, 6));
    assert_eq!((others.during.seconds, others.during.attempts), (2, 4));
    let told = look(7, &calm(1), &deeds);
    assert_eq!((told[0].others.after.seconds, told[0].others.after.attempts), (1, 2));
}

#[test]
fn a_start_that_failed_keeps_its_figures_where_the_broker_was_answered_all_the_same() {
    let lost = || second(&[(0, YES, 1), (1, NO, 1), (2, YES, 1)]);
    let failed = Deed { failed: true, ..deed(1, true, 2.5) };
    let mut deeds = [deed(1, false, 1.0), failed];
    let one = &told(&[calm(1), lost(), lost(), lost()], &deeds)[0];
    assert_eq!((one.started_s, one.time_until_back_us), (None, None));
    let seconds = [calm(1), lost(), lost(), calm(1), calm(1)];
    let one = &told(&seconds, &deeds)[0];
    assert_eq!((one.started_s, one.time_until_back_us), (Some(2.5), Some(1.5e6)));
    assert_eq!(one.all_back_s, Some(3));
    deeds[1].back = Some(deeds[1].began + 7 * MS);
    assert_eq!(told(&seconds, &deeds)[0].time_until_back_us, Some(7000.0));
}

#[test]
fn a_broker_that_does_not_come_back_has_no_time_and_one_that_could_not_be_stopped_no_outage() {
    let seconds = [calm(1), second(&[(0, YES, 1), (1, NO, 1)]), second(&[(0, YES, 1), (1, NO, 1)])];
    let stop = deed(1, false, 1.0);
    let one = &told(&seconds, std::slice::from_ref(&stop))[0];
    assert_eq!((one.started_s, one.time_until_back_us, one.all_back_s), (None, None, None));
    assert_eq!((one.refused, one.others.after.seconds), (2, 0));
    let failed = Deed { failed: true, ..stop };
    assert!(told(&seconds, &[failed]).is_empty());
}

#[test]
fn of_two_outages_of_one_broker_each_has_its_own_failures() {
    let lost = || second(&[(0, YES, 1), (1, NO, 1), (2, YES, 1)]);
    let seconds = [calm(1), lost(), calm(1), calm(1), lost(), lost(), calm(1), calm(1)];
    let deeds = [deed(1, false, 1.1), deed(1, true, 1.9), deed(1, false, 4.1), deed(1, true, 5.9)];
    let outages = told(&seconds, &deeds);
    let counts: Vec<_> = outages.iter().map(|one| (one.refused, one.all_back_s)).collect();
    assert_eq!(counts, [(1, Some(2)), (2, Some(6))]);
    // What came after the first was before the second.
    assert_eq!(outages[1].others.before.attempts, 4);
}

#[test]
fn refusals_that_are_delayed_are_of_the_second_in_which_they_were_decided() {
    const REFUSED: Outcome = Outcome::Refused(0x86);
    let plan = plan_of("9s", "3s");
    // The second broker is away from 2.5 s to 4.25 s and refuses whatever comes; the first one lets all in, but refuses
    // while the second is away. Both say so 3 s late.
    let seconds = [
        second(&[(0, YES, 1)]),
        second(&[(0, YES, 1)]),
        second(&[(1, NO, 1)]),
        second(&[(1, NO, 1), (1, REFUSED, 3000)]),
        second(&[(0, YES, 1), (1, REFUSED, 3000)]),
        second(&[(0, YES, 1), (0, REFUSED, 3000), (1, REFUSED, 3000)]),
        second(&[(0, YES, 1), (0, REFUSED, 3000)]),
        second(&[(0, YES, 1), (1, REFUSED, 3000)]),
        second(&[(0, YES, 1), (1, REFUSED, 3000)]),
    ];
    let deeds = [deed(1, false, 2.5), deed(1, true, 4.25)];
    let (mut decisions, mut outages) = (Decisions::default(), Outages::default());
    for (at, seen) in (0..).zip(&seconds) {
        for (second, decided) in decisions.second(&plan, at, seen) {
            outages.second(&plan, (STORM, second), &decided, &deeds);
        }
    }
    for (second, decided) in decisions.rest() {
        outages.second(&plan, (STORM, *second), decided, &deeds);
    }
    let one = &outages.told(&plan, STORM, 9 * SECOND, &deeds)[0];
    assert_eq!(one.refused, 2);
    assert_eq!(one.time_until_back_us, Some(0.75e6), "the end of second 4, not of second 7");
    assert_eq!(one.all_back_s, Some(5));
    // Its own refusals are from before the stop, or from after the start.
    let spans = [&one.others.before, &one.others.during, &one.others.after];
    assert_eq!(spans.map(|span| span.attempts), [2, 3, 4], "{:?}", one.others);
    assert_eq!(spans.map(|span| span.seconds), [2, 3, 4]);
    let late = &one.others.during.connack_p99_us;
    assert!(matches!(late, Some(Percentile::Number(us)) if *us > 2.9e6), "as it was: {late:?}");
}
