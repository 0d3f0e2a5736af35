use serde_json::{Value, json};

use super::*;
use crate::{
    base::words::{Counts, LimitedBy},
    record::results::{
        Percentile, Reason, fixture,
        judged::{Aborted, Judged, Undecided},
        matrix::KnownAs,
        series::Capacity,
    },
};

fn said(change: impl FnOnce(&mut Summary)) -> (Tone, String) {
    let mut summary = fixture::summary();
    change(&mut summary);
    let Sentence { tone, words, .. } = of(&summary, None);
    (tone, words)
}

/// Verdicts of the expired tokens; the fresh ones are all right.
fn judged(summary: &mut Summary, verdicts: &Value) {
    let mut counts: Counts<Verdict> = serde_json::from_value(verdicts.clone()).unwrap();
    summary.by_token.get_mut("expired").unwrap().verdicts = counts.clone();
    counts[Verdict::Correct] += 5;
    summary.verdicts = counts;
}

fn threshold(passed: bool) -> Judged {
    let observed = Some(Percentile::Number(1.0));
    Judged {
        metric: "connack".into(),
        condition: "p99 < 2s".into(),
        observed,
        passed: Some(passed),
        undecided: None,
    }
}

#[test]
fn a_threshold_that_is_undecided_is_in_the_title_and_in_the_sentence() {
    let mut summary = fixture::summary();
    summary.thresholds = vec![Judged {
        passed: None,
        undecided: Some(Undecided::GeneratorLimited),
        ..threshold(true)
    }];
    let Sentence { tone, title, words } = of(&summary, None);
    assert_eq!((tone, title), (Tone::Warn, "UNDECIDED"), "{words}");
    assert!(words.contains("1 threshold on a time is undecided"), "{words}");
}

#[test]
fn a_run_as_promised_and_valid_is_good() {
    let (tone, words) = said(|_| {});
    assert_eq!(tone, Tone::Good);
    assert_eq!(words, "All 10 answers were as promised; the numbers are valid.");
}

#[test]
fn a_bad_token_that_was_let_in_is_a_security_failure_with_its_name() {
    let (tone, words) = said(|summary| {
        judged(summary, &json!({"false_accept": 3, "wrong_reason": 1, "correct": 1}));
    });
    assert_eq!(tone, Tone::Bad);
    assert_eq!(
        words,
        "FAILED: 3 tokens that must be refused were accepted (expired): a security failure; 1 refusal gave another \
         reason than promised (expired); the numbers are valid."
    );
}

#[test]
fn a_broken_promise_that_is_no_failure_of_security_is_told_as_one() {
    let (tone, words) = said(|summary| judged(summary, &json!({"false_reject": 5})));
    assert_eq!(tone, Tone::Bad);
    assert!(words.starts_with("NOT AS PROMISED: 5 good tokens were refused (expired)"), "{words}");
}

#[test]
fn a_threshold_that_was_missed_fails_a_run_whose_answers_are_right() {
    let (tone, words) =
        said(|summary| summary.thresholds = vec![threshold(true), threshold(false)]);
    assert_eq!(tone, Tone::Bad);
    assert_eq!(
        words,
        "FAILED: 1 of 2 thresholds was missed (connack p99 < 2s); all 10 answers were as promised; the numbers are valid."
    );
}

#[test]
fn a_run_that_a_threshold_ended_has_failed_also_where_all_hold_in_the_end() {
    let aborted = Aborted {
        metric: "connack".into(),
        condition: "p99 < 2s".into(),
        observed: None,
        second: 3,
        run: None,
    };
    let ended = |summary: &mut Summary| {
        summary.thresholds = vec![threshold(true)];
        summary.aborted = Some(aborted.clone());
    };
    let (tone, words) = said(ended);
    assert_eq!(tone, Tone::Bad);
    assert_eq!(
        words,
        "FAILED: ended early in second 3: `connack` p99 < 2s did not hold; all 10 answers were as promised; the numbers are valid."
    );
    let mut summary = fixture::summary();
    ended(&mut summary);
    let cases = crate::report::junit::of_run(&summary).unwrap();
    assert!(cases.contains("failures=\"1\"") && cases.contains("ended early in second 3"));
    let folder = tempfile::tempdir().unwrap();
    let page = crate::report::html::render(folder.path(), &summary).unwrap();
    assert!(page.contains("ended the run early"), "{page}");
    let text = crate::report::terminal::render(&summary, "folder");
    assert!(text.contains("ended the run early"), "{text}");
    let markdown = crate::report::markdown::render(&summary, None);
    assert!(markdown.contains("**ended early in second 3"), "{markdown}");
}

#[test]
fn a_search_that_found_nothing_is_no_good_news_and_says_why() {
    let found = |limited_by: LimitedBy, ended: Option<&str>| {
        said(|summary| {
            summary.capacity = Some(Capacity {
                limited_by,
                reasons: [Reason::FailedAt(20.0, "too slow".into()), Reason::Told("more".into())]
                    .into(),
                ended: ended.map(str::to_owned),
                ..Capacity::default()
            });
        })
    };
    let (tone, words) = found(LimitedBy::Broker, None);
    assert_eq!(tone, Tone::Bad);
    let start = "FAILED: Capacity: not found (at 20 a second: too slow). All 10 answers";
    assert!(words.starts_with(start), "{words}");
    let (tone, words) = found(LimitedBy::Generator, None);
    assert!(tone == Tone::Warn && words.contains("(at 20 a second: too slow)"), "{words}");
    let (tone, words) = found(LimitedBy::Broker, Some("the broker stalled"));
    assert!(
        tone == Tone::Warn && words.starts_with("Capacity: not found (the broker stalled). "),
        "{words}"
    );
    let (tone, words) = said(|summary| {
        summary.capacity = Some(Capacity { per_s: Some(50.0), ..Capacity::default() });
    });
    assert!(tone == Tone::Good && words.starts_with("Capacity: at least 50"), "{words}");
    let (_, words) = said(|summary| {
        summary.partial = true;
        summary.capacity = Some(Capacity { limited_by: LimitedBy::Broker, ..Capacity::default() });
    });
    assert!(words.contains("Capacity: not found yet. All 10"), "{words}");
}

#[test]
fn what_was_not_judged_is_counted_and_never_called_right() {
    let (tone, words) =
        said(|summary| judged(summary, &json!({"not_judged": 4, "indeterminate": 1})));
    assert_eq!(tone, Tone::Good);
    assert_eq!(
        words,
        "All 5 answers that could be judged were as promised; 4 attempts say nothing about the token (40.0 %); 1 fell \
         on a boundary of time; the numbers are valid."
    );
    let (tone, words) = said(|summary| {
        judged(summary, &json!({"not_judged": 5}));
        summary.verdicts = serde_json::from_value(json!({"not_judged": 10})).unwrap();
    });
    assert_eq!(tone, Tone::Warn);
    assert!(words.starts_with("Nothing could be judged: no answer says"), "{words}");
    let (_, words) = said(|summary| summary.verdicts = Counts::default());
    assert!(words.starts_with("Nothing could be judged: there was no attempt"), "{words}");
}

#[test]
fn numbers_that_are_not_to_be_trusted_are_no_good_news() {
    for (verdict, word) in [
        (Validity::Degraded, "degraded"),
        (Validity::GeneratorLimited, "the generator was the limit"),
    ] {
        let (tone, words) = said(|summary| summary.validity.verdict = verdict);
        assert_eq!(tone, Tone::Warn, "{words}");
        assert!(words.contains(word), "{words}");
    }
    let (tone, words) = said(|summary| summary.interrupted = true);
    assert!(tone == Tone::Warn && words.contains("interrupted"), "{words}");
    let (tone, words) = said(|summary| summary.partial = true);
    assert!(tone == Tone::Warn && words.starts_with("Not finished"), "{words}");
}

#[test]
fn many_names_are_cut_and_counted() {
    let names: Vec<String> = (1..=6).map(|number| number.to_string()).collect();
    assert_eq!(named(&names), "1, 2, 3, 4 and 2 more");
    assert_eq!(named(&names[..4]), "1, 2, 3, 4");
}

/// A cell by its entry, what it came to, what a strict broker would have made of it, and how bad that is.
fn cell(
    (defect, verdict, strict_verdict, severity): (&str, &str, &str, &str),
    broker: Option<&str>,
) -> Value {
    json!({
        "defect": defect, "group": "time", "protocol": 5, "expected": "refuse", "strict_expected": "refuse",
        "outcome": "refused", "code": 135, "verdict": verdict, "severity": severity, "attempts": 1,
        "judged": u64::from(verdict != "not_judged"), "false_accepts": 0, "latency_p50_us": null,
        "strict_verdict": strict_verdict, "upper_bound_95": null, "broker": broker
    })
}

fn made(state: &str, cells: &[Value], brokers: &[Value]) -> Matrix {
    let mut matrix = fixture::matrix(cells);
    matrix.state = serde_json::from_value(state.into()).unwrap();
    matrix.brokers = serde_json::from_value(brokers.into()).unwrap();
    matrix
}

fn matrix(state: &str, cells: &[(&str, &str, &str, &str)]) -> (Tone, String) {
    let cells: Vec<Value> = cells.iter().map(|words| cell(*words, None)).collect();
    let matrix = made(state, &cells, &[]);
    let Sentence { tone, words, .. } = of(&fixture::summary(), Some(&matrix));
    (tone, words)
}

#[test]
fn of_several_brokers_the_one_that_judged_too_little_is_named() {
    let of = |verdicts: [&str; 3]| -> Matrix {
        let names = ["a", "b", "c"];
        let cells = names
            .iter()
            .zip(verdicts)
            .map(|(name, verdict)| cell(("expired", verdict, verdict, "high"), Some(name)));
        let brokers = names.map(|name| json!({ "broker": name, "state": "judged", "unheard": [] }));
        made("judged", &cells.collect::<Vec<_>>(), &brokers)
    };
    let one = of(["correct", "not_judged", "correct"]);
    let told = crate::report::matrix::state(&one).unwrap();
    assert!(told.starts_with("b: More than half") && told.lines().count() == 1, "{told}");
    assert!(of_matrix_is_warned(&one), "one broker that said too little is no good news");
    let told = crate::report::matrix::state(&of(["not_judged"; 3])).unwrap();
    assert!(told.starts_with("More than half"), "{told}");
    assert!(crate::report::matrix::state(&of(["correct"; 3])).is_none());
}

fn of_matrix_is_warned(matrix: &Matrix) -> bool {
    of(&fixture::summary(), Some(matrix)).tone == Tone::Warn
}

#[test]
fn of_a_matrix_the_kinds_are_counted_and_the_worst_is_named_first() {
    let correct = ("expired", "correct", "correct", "high");
    let (tone, words) = matrix(
        "judged",
        &[
            correct,
            ("a_minor", "false_accept", "false_accept", "low"),
            ("alg_none", "false_accept", "false_accept", "critical"),
        ],
    );
    assert_eq!(tone, Tone::Bad);
    let start =
        "FAILED: 2 kinds of bad token were accepted (alg_none, a_minor): a security failure";
    assert!(words.starts_with(start), "{words}");
    let (tone, words) = matrix("judged", &[correct]);
    assert!(tone == Tone::Good && words.starts_with("The one kind of token"), "{words}");
    let (tone, words) = matrix("judged", &[correct, ("no_exp", "correct", "false_accept", "high")]);
    assert!(tone == Tone::Warn && words.contains("configuration (no_exp)"), "{words}");
    let unsure = ("iat_future", "indeterminate", "indeterminate", "low");
    let (_, words) = matrix("judged", &[correct, unsure]);
    assert!(words.starts_with("The one kind of token"), "{words}");
    assert!(words.contains("1 could not (iat_future)"), "{words}");
    let (tone, words) = matrix("judged", &[unsure]);
    assert!(tone == Tone::Warn && words.starts_with("Nothing could be judged"), "{words}");
    let (tone, words) = matrix("accepts_all", &[correct]);
    assert!(
        tone == Tone::Bad && words.starts_with("FAILED: this broker lets everybody in"),
        "{words}"
    );
    let (tone, words) = matrix("refuses_all", &[correct]);
    assert!(tone == Tone::Warn && words.starts_with("Nothing could be judged"), "{words}");
}

#[test]
fn bad_tokens_that_were_known_to_be_accepted_stay_in_the_sentence() {
    let mut matrix = fixture::matrix(&[
        fixture::cell("expired", "refuse", "false_accept"),
        fixture::cell("alg_none", "refuse", "false_accept"),
        fixture::cell("fresh", "accept", "correct"),
    ]);
    matrix.cells[0].known = Some(KnownAs::Wrong);
    let words = of(&fixture::summary(), Some(&matrix)).words;
    let new = "1 kind of bad token was accepted (alg_none): a security failure";
    let known = "1 known kind of bad token was accepted (expired): a security failure";
    assert!(words.contains(&format!("{new}; {known}")), "{words}");
    // A table has room for so many rows: what is new stands first.
    let markdown = crate::report::markdown::render(&fixture::summary(), Some(&matrix));
    let row = |name: &str| markdown.find(&format!("| {name} | 5.0 |")).unwrap();
    assert!(row("alg\\_none") < row("expired"), "{markdown}");
    matrix.cells[1].known = Some(KnownAs::Wrong);
    let Sentence { tone, words, .. } = of(&fixture::summary(), Some(&matrix));
    assert_eq!(tone, Tone::Warn);
    assert!(
        words.starts_with("No new finding: 2 known kinds of bad token were accepted"),
        "{words}"
    );
}
