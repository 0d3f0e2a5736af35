use super::*;
use crate::{
    base::{error::Exit, words::Counts},
    record::results::{
        agents::Crew,
        fetches::KeySetCounts,
        fixture,
        gone::{BrokerGone, Sign},
        judged::{Aborted, Judged},
        matrix::KnownAs,
        series::{Capacity, SweepRun},
    },
};

fn ruled(change: impl FnOnce(&mut Summary)) -> Ruling {
    let mut summary = fixture::summary();
    change(&mut summary);
    decide(&summary, None, Terms::default())
}

fn exit(change: impl FnOnce(&mut Summary)) -> Exit {
    ruled(change).exit
}

fn aborted() -> Aborted {
    let (metric, condition) = ("connack".into(), "p99 < 2s".into());
    Aborted { metric, condition, observed: None, second: 3, run: None }
}

fn judged(passed: Option<bool>, undecided: Option<Undecided>) -> Judged {
    let Aborted { metric, condition, observed, .. } = aborted();
    Judged { metric, condition, observed, passed, undecided }
}

fn gone() -> BrokerGone {
    BrokerGone {
        broker: "127.0.0.1:1883".into(),
        at_s: 1.0,
        by: Sign::Port,
        back_after_s: None,
        on_the_way: Vec::new(),
    }
}

#[test]
fn a_run_whose_answers_are_as_promised_is_fine() {
    let ruling = ruled(|_| {});
    assert_eq!((ruling.exit, ruling.tone), (Exit::Fine, Tone::Good));
    assert_eq!(ruling.conclusion, Conclusion::AsPromised);
    assert!(ruling.failed.is_empty() && ruling.unmeasured.is_empty());
}

#[test]
fn a_run_that_a_threshold_ended_has_failed_also_where_all_hold_in_the_end() {
    let ruling = ruled(|summary| summary.aborted = Some(aborted()));
    assert_eq!(ruling.exit, Exit::Failed);
    assert_eq!(ruling.failed, [Failure::EndedEarly(aborted())]);
}

#[test]
fn a_run_whose_good_tokens_all_had_to_be_refused_has_measured_nothing_good() {
    let nothing_good = |summary: &mut Summary| summary.nothing_good = vec!["time".into()];
    let ruling = ruled(nothing_good);
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::NotMeasured, Conclusion::NothingMeasured));
    let ruling = ruled(|summary| {
        nothing_good(summary);
        summary.verdicts[Verdict::FalseAccept] = 1;
    });
    assert_eq!(ruling.exit, Exit::Failed, "a false accept weighs more");
    assert_eq!(ruling.conclusion, Conclusion::Failed);
}

#[test]
fn a_run_in_which_each_answer_was_right_has_judged_nothing() {
    let ruling = ruled(|summary| summary.nothing_promised = true);
    assert_eq!(ruling.exit, Exit::NotMeasured);
    assert!(ruling.unmeasured[0].to_string().starts_with("nothing was judged"));
}

#[test]
fn a_time_that_may_be_the_generators_own_decides_nothing() {
    assert_eq!(exit(|summary| summary.thresholds = vec![judged(None, None)]), Exit::Fine);
    let late = Undecided::GeneratorLimited;
    let ruling = ruled(|summary| {
        summary.thresholds = vec![judged(Some(true), None), judged(None, Some(late))];
    });
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::NotMeasured, Conclusion::Undecided));
    let open = Unmeasured::Undecided { because: late, thresholds: 1 };
    assert_eq!(ruling.unmeasured, [open]);
}

#[test]
fn the_heaviest_of_several_reasons_decides_the_exit_code() {
    let (correct, accepted) = ((Verdict::Correct, 5), (Verdict::FalseAccept, 1));
    let mute = [(Verdict::NotJudged, 5), (Verdict::Indeterminate, 1)];
    for (counts, interrupted, is_limited, has_failed, exit) in [
        (&[correct] as &[(Verdict, u64)], false, false, false, Exit::Fine),
        (&[correct], false, false, true, Exit::Failed),
        (&[correct, (Verdict::FalseReject, 1)], false, false, false, Exit::Failed),
        (&[correct, (Verdict::WrongReason, 1)], false, false, false, Exit::Failed),
        (&[correct, (Verdict::NotJudged, 9)], false, false, false, Exit::Fine),
        (&[correct], false, true, true, Exit::NotMeasured),
        (&mute, false, false, true, Exit::NotMeasured),
        (&[accepted], false, true, true, Exit::Failed),
        (&[accepted], true, true, true, Exit::Interrupted),
        (&mute, true, false, false, Exit::Interrupted),
    ] {
        let mut summary = fixture::summary();
        summary.verdicts = counts.iter().copied().collect();
        summary.interrupted = interrupted;
        if is_limited {
            summary.validity.verdict = Validity::GeneratorLimited;
        }
        summary.thresholds = vec![judged(Some(!has_failed), None)];
        let terms = Terms { is_strict: true, ..Terms::default() };
        assert_eq!(decide(&summary, None, terms).exit, exit, "{counts:?}");
    }
}

#[test]
fn a_run_that_the_generator_limited_counts_unless_it_is_strict() {
    let ruling = ruled(|summary| summary.validity.verdict = Validity::GeneratorLimited);
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::Fine, Conclusion::WithReservations));
}

#[test]
fn a_broker_that_went_away_fails_a_run_of_which_nothing_else_could_be_judged() {
    let nothing = |summary: &mut Summary| summary.verdicts = Counts::default();
    assert_eq!(exit(nothing), Exit::NotMeasured);
    let dead = |summary: &mut Summary| {
        nothing(summary);
        summary.broker_gone = vec![gone()];
    };
    assert_eq!(exit(dead), Exit::Failed);
    let ruling = ruled(|summary| {
        dead(summary);
        summary.interrupted = true;
    });
    assert_eq!((ruling.exit, ruling.tone), (Exit::Interrupted, Tone::Bad));
}

#[test]
fn a_run_lacks_the_part_of_agents_that_were_lost_unless_that_is_allowed() {
    let lost = |summary: &mut Summary| {
        summary.agents = Some(Crew { count: 2, lost: vec!["a".into()], ..Crew::default() });
    };
    assert_eq!(exit(lost), Exit::NotMeasured);
    let mut summary = fixture::summary();
    lost(&mut summary);
    let allowed = Terms { allows_lost_agents: true, ..Terms::default() };
    assert_eq!(decide(&summary, None, allowed).exit, Exit::Fine);
    summary.verdicts[Verdict::FalseReject] = 1;
    assert_eq!(decide(&summary, None, Terms::default()).exit, Exit::NotMeasured);
    summary.verdicts[Verdict::FalseAccept] = 1;
    assert_eq!(decide(&summary, None, Terms::default()).exit, Exit::Failed, "it weighs more");
}

#[test]
fn refusals_of_a_broker_that_never_had_a_key_say_nothing() {
    let ruling = ruled(|summary| {
        summary.key_sets.insert("127.0.0.1:1883".into(), KeySetCounts::default());
    });
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::NotMeasured, Conclusion::NothingMeasured));
    assert!(ruling.unmeasured.contains(&Unmeasured::NoKeys));
}

#[test]
fn a_search_that_found_nothing_failed_only_where_the_broker_was_the_limit() {
    let search = |limited_by, ended: Option<&str>| {
        let ended = ended.map(str::to_owned);
        let capacity = Capacity { limited_by, ended, ..Capacity::default() };
        ruled(|summary| summary.capacity = Some(capacity))
    };
    let broker = search(LimitedBy::Broker, None);
    assert_eq!((broker.exit, broker.conclusion), (Exit::Failed, Conclusion::Failed));
    assert_eq!(search(LimitedBy::Generator, None).exit, Exit::NotMeasured);
    assert_eq!(search(LimitedBy::Broker, Some("interrupted")).exit, Exit::NotMeasured);
    let of_sweep = |limits: &[(LimitedBy, Option<f64>)]| {
        let run = |(limited_by, per_s): &(LimitedBy, Option<f64>)| SweepRun {
            capacity_limited_by: Some(*limited_by),
            capacity_per_s: *per_s,
            ..SweepRun::default()
        };
        exit(|summary| summary.sweep = limits.iter().map(run).collect())
    };
    let (broker, generator) = ((LimitedBy::Broker, None), (LimitedBy::Generator, None));
    assert_eq!(of_sweep(&[generator, broker]), Exit::Failed);
    assert_eq!(of_sweep(&[generator]), Exit::NotMeasured);
    assert_eq!(of_sweep(&[broker, (LimitedBy::Broker, Some(100.0))]), Exit::Fine);
}

#[test]
fn a_ruling_is_read_from_a_file_as_it_was_written() {
    let mut summary = fixture::summary();
    summary.verdicts[Verdict::FalseAccept] = 2;
    summary.by_token.get_mut("expired").unwrap().verdicts[Verdict::FalseAccept] = 2;
    summary.broker_gone = vec![gone()];
    summary.aborted = Some(aborted());
    summary.nothing_good = vec!["time".into()];
    summary.thresholds = vec![judged(Some(false), None)];
    let ruling = decide(&summary, None, Terms::default());
    summary.ruling = Some(ruling.clone());
    let text = serde_json::to_string(&summary).unwrap();
    assert!(
        text.contains("\"ruling\":{\"conclusion\":\"failed\",\"exit_code\":1,\"tone\":\"bad\""),
        "{text}"
    );
    let wrong =
        "{\"what\":\"wrong\",\"verdict\":\"false_accept\",\"count\":2,\"tokens\":[\"expired\"]}";
    assert!(text.contains(wrong), "{text}");
    let read: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(read.ruling.as_ref(), Some(&ruling));
    assert_eq!(told(&read, None), ruling);
}

/// A matrix of these cells: an entry, what had to happen and what that was worth.
fn matrix(cells: &[(&str, &str, &str)]) -> Matrix {
    let cell =
        |(defect, expected, verdict): &(&str, &str, &str)| fixture::cell(defect, expected, verdict);
    fixture::matrix(&cells.iter().map(cell).collect::<Vec<_>>())
}

#[test]
fn the_heaviest_cell_of_a_matrix_decides_its_exit_code() {
    let (good, bad) = (("fresh", "accept", "correct"), ("expired", "refuse", "correct"));
    let mute = ("alg_none", "refuse", "not_judged");
    let exit = |cells: &[(&str, &str, &str)], change: fn(&mut Matrix)| {
        let mut matrix = matrix(cells);
        change(&mut matrix);
        decide(&fixture::summary(), Some(&matrix), Terms::default()).exit
    };
    assert_eq!(exit(&[good, bad], |_| {}), Exit::Fine);
    assert_eq!(exit(&[good, bad, ("fresh", "accept", "false_reject")], |_| {}), Exit::Failed);
    assert_eq!(exit(&[good, mute], |_| {}), Exit::NotMeasured, "nothing that is bad was judged");
    assert_eq!(exit(&[good], |_| {}), Exit::Fine, "nothing bad was sent");
    assert_eq!(exit(&[mute, mute, ("none", "refuse", "false_accept")], |_| {}), Exit::Failed);
    assert_eq!(exit(&[good, bad], |it| it.state = State::Silent), Exit::NotMeasured);
    assert_eq!(exit(&[], |_| {}), Exit::NotMeasured);
    assert_eq!(exit(&[good, bad], |it| it.state = State::AcceptsAll), Exit::Failed);
}

#[test]
fn a_run_that_exits_with_3_is_not_called_as_promised() {
    let strict = Terms { is_strict: true, ..Terms::default() };
    let mut summary = fixture::summary();
    summary.validity.verdict = Validity::GeneratorLimited;
    let ruling = decide(&summary, None, strict);
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::NotMeasured, Conclusion::Undecided));
    // Of a matrix, too.
    let cells = matrix(&[("fresh", "accept", "correct"), ("alg_none", "refuse", "correct")]);
    assert_eq!(decide(&summary, Some(&cells), strict).exit, Exit::NotMeasured);
    let mut summary = fixture::summary();
    summary.validity.missing_workers = 1;
    let ruling = decide(&summary, Some(&cells), Terms::default());
    assert_eq!(ruling.unmeasured, [Unmeasured::WorkersMissing { workers: 1 }]);
    assert_eq!(ruling.exit, Exit::NotMeasured);
}

#[test]
fn a_broker_that_lets_nobody_in_is_not_blamed_for_single_refusals() {
    let cells = [("fresh", "accept", "false_reject"), ("alg_none", "refuse", "not_judged")];
    let mut matrix = matrix(&cells);
    matrix.state = State::RefusesAll;
    let ruling = decide(&fixture::summary(), Some(&matrix), Terms::default());
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::NotMeasured, Conclusion::NothingMeasured));
    assert_eq!(ruling.failed, []);
}

#[test]
fn a_bad_token_that_was_let_in_while_edges_were_looked_for_fails_a_matrix() {
    let mut summary = fixture::summary();
    let mut part = summary.by_token["expired"].clone();
    part.verdicts[Verdict::FalseAccept] = 3;
    summary.by_token.insert(PROBE.to_owned(), part);
    let matrix = matrix(&[("expired", "refuse", "correct")]);
    let ruling = decide(&summary, Some(&matrix), Terms::default());
    assert_eq!((ruling.exit, ruling.conclusion), (Exit::Failed, Conclusion::Failed));
    assert_eq!(ruling.failed, [Failure::EdgeAccepted { count: 3 }]);
}

#[test]
fn what_was_known_fails_no_matrix_and_is_counted_apart() {
    let cells = [
        ("fresh", "accept", "correct"),
        ("expired", "refuse", "false_accept"),
        ("alg_none", "refuse", "correct"),
    ];
    let mut matrix = matrix(&cells);
    (matrix.cells[1].known, matrix.cells[2].known) = (Some(KnownAs::Wrong), Some(KnownAs::Fixed));
    let ruling = decide(&fixture::summary(), Some(&matrix), Terms::default());
    assert_eq!((ruling.exit, ruling.tone), (Exit::Fine, Tone::Warn));
    let tokens = vec!["expired".to_owned()];
    assert_eq!(ruling.known, [Known { verdict: Verdict::FalseAccept, count: 1, tokens }]);
    assert_eq!(ruling.fixed, ["alg_none-v5"]);
    // One that nobody knew fails it all the same.
    matrix.cells[0].verdict = Verdict::FalseReject;
    let ruling = decide(&fixture::summary(), Some(&matrix), Terms::default());
    assert_eq!((ruling.exit, ruling.count(Verdict::FalseReject)), (Exit::Failed, 1));
    assert_eq!(ruling.count(Verdict::FalseAccept), 0, "it is known");
    // Of a broker that lets everybody in, nothing is excused.
    (matrix.state, matrix.cells[0].verdict) = (State::AcceptsAll, Verdict::Correct);
    let ruling = decide(&fixture::summary(), Some(&matrix), Terms::default());
    assert_eq!((ruling.exit, ruling.known), (Exit::Failed, Vec::new()));
}
