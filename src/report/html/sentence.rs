//! The verdict of a run in one sentence.

use crate::{
    report::{
        diagnosis::Diagnosis,
        series,
        style::{count, number},
    },
    results::{
        Matrix, Summary,
        matrix::{Cell, SEVERITIES, State},
        series::Capacity,
        summary::Aborted,
    },
};

/// How good a piece of news is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// A promise was broken, or a threshold.
    Bad,
}

impl Tone {
    /// Its class in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    /// How good it is.
    pub(crate) tone: Tone,
    /// It in a word or two, for a title.
    pub(crate) title: &'static str,
    /// It in words.
    pub(crate) words: String,
}

/// Names in a sentence before the rest is only counted.
const MOST_NAMES: usize = 4;

/// What a run came to; of a matrix, what its cells say.
pub(crate) fn of(summary: &Summary, matrix: Option<&Matrix>) -> Sentence {
    let (mut tone, said) = matrix.map_or_else(|| answers(summary), cells);
    let mut failures = said;
    let (found_tone, mut found) = summary
        .capacity
        .as_ref()
        .map_or_else(|| (Tone::Good, String::new()), |capacity| searched(summary, capacity));
    let misses = misses(summary);
    let has_failed = !misses.is_empty() || failures.contains(SECURITY) || found_tone == Tone::Bad;
    if !misses.is_empty() {
        let misses = misses.join("; ");
        failures = if tone == Tone::Bad {
            format!("{failures}; {misses}")
        } else {
            format!("{misses}; {}", lower(&failures))
        };
        tone = Tone::Bad;
    }
    if found_tone == Tone::Bad {
        failures = std::mem::take(&mut found) + &failures;
    }
    tone = tone.max(found_tone);
    let word = if has_failed { "FAILED" } else { "NOT AS PROMISED" };
    if tone == Tone::Bad {
        failures = format!("{word}: {failures}");
    }
    let (trust_tone, trust) = trust(summary);
    let title = match (tone, tone.max(trust_tone)) {
        (Tone::Bad, _) => word,
        _ if summary.interrupted => "interrupted",
        _ if summary.partial => "not finished",
        _ if has_measured_nothing(summary) => "NOTHING MEASURED",
        (_, Tone::Good) => "as promised",
        _ => "as promised, with reservations",
    };
    let unfinished =
        if summary.partial { "Not finished (still running, or killed); so far: " } else { "" };
    let words = format!("{unfinished}{found}{failures}; {trust}.");
    Sentence { tone: tone.max(trust_tone), title, words }
}

/// What a search found; one that is over and found nothing has failed, unless it is not the broker that it speaks of.
fn searched(summary: &Summary, capacity: &Capacity) -> (Tone, String) {
    let why = capacity.ended.as_ref().or(capacity.reasons.first());
    let (tone, why) = match why {
        _ if capacity.per_s.is_some() => (Tone::Good, String::new()),
        _ if summary.partial => (Tone::Good, " yet".to_owned()),
        Some(why) => (Tone::Warn, format!(" ({why})")),
        None => (Tone::Warn, String::new()),
    };
    let is_broker = capacity.ended.is_none() && capacity.limited_by == "broker";
    let tone = if tone == Tone::Warn && is_broker { Tone::Bad } else { tone };
    (tone, format!("Capacity: {}{why}. ", series::sentence(capacity)))
}

/// What ended the run, and thresholds that were missed.
fn misses(summary: &Summary) -> Vec<String> {
    let mut misses: Vec<String> = summary.aborted.iter().map(Aborted::words).collect();
    let missed: Vec<String> = summary
        .thresholds
        .iter()
        .filter(|threshold| threshold.passed == Some(false))
        .map(|threshold| format!("{} {}", threshold.metric, threshold.condition))
        .collect();
    if !missed.is_empty() {
        let of = plural(summary.thresholds.len() as u64, "threshold", "thresholds");
        let were = if missed.len() == 1 { "was" } else { "were" };
        misses.push(format!("{} of {of} {were} missed ({})", missed.len(), named(&missed)));
    }
    misses
}

const SECURITY: &str = "a security failure";

/// Whether the numbers can be trusted.
fn trust(summary: &Summary) -> (Tone, &'static str) {
    match summary.validity.verdict.as_str() {
        _ if summary.interrupted => (Tone::Warn, "the run was interrupted before its end"),
        _ if summary.partial => (Tone::Warn, "nobody has judged yet whether the numbers are valid"),
        "valid" => (Tone::Good, "the numbers are valid"),
        "generator_limited" => {
            (Tone::Warn, "the numbers are not the broker's: the generator was the limit")
        }
        "degraded" if summary.agents.as_ref().is_some_and(|agents| !agents.lost.is_empty()) => {
            (Tone::Warn, "a part of the run was lost with the agents that had it")
        }
        "degraded" => (Tone::Warn, "take the times with care: the run was degraded"),
        _ => (Tone::Warn, "the numbers are not valid"),
    }
}

/// Whether no answer says anything of a token, or none of a good one.
fn has_measured_nothing(summary: &Summary) -> bool {
    let verdict = |name: &str| Summary::count(&summary.verdicts, name);
    let judged = Summary::sum(&summary.verdicts) - verdict("not_judged") - verdict("indeterminate");
    judged == 0 || !summary.nothing_good.is_empty()
}

/// What the answers of a run say.
fn answers(summary: &Summary) -> (Tone, String) {
    let verdict = |name: &str| Summary::count(&summary.verdicts, name);
    let all = Summary::sum(&summary.verdicts);
    let of = |name: &str| {
        let has = |(token, part): (&String, &crate::results::summary::Part)| {
            (Summary::count(&part.verdicts, name) > 0).then(|| token.clone())
        };
        named(&summary.by_token.iter().filter_map(has).collect::<Vec<_>>())
    };
    let mut wrong = Vec::new();
    if verdict("false_accept") > 0 {
        let what = plural(
            verdict("false_accept"),
            "token that must be refused was",
            "tokens that must be refused were",
        );
        wrong.push(format!("{what} accepted ({}): {SECURITY}", of("false_accept")));
    }
    if verdict("false_reject") > 0 {
        let what = plural(verdict("false_reject"), "good token was", "good tokens were");
        wrong.push(format!("{what} refused ({})", of("false_reject")));
    }
    if verdict("wrong_reason") > 0 {
        let what = plural(verdict("wrong_reason"), "refusal gave", "refusals gave");
        wrong.push(format!("{what} another reason than promised ({})", of("wrong_reason")));
    }
    if !wrong.is_empty() {
        return (Tone::Bad, wrong.join("; "));
    }
    let (mute, boundary) = (verdict("not_judged"), verdict("indeterminate"));
    let judged = all - mute - boundary;
    if !summary.nothing_good.is_empty() && judged > 0 {
        let groups = summary.nothing_good.join(", ");
        return (
            Tone::Warn,
            format!(
                "Nothing good was measured: each token that should be good had to be refused ({groups})"
            ),
        );
    }
    if judged == 0 {
        let why = match Diagnosis::of(summary) {
            _ if all == 0 => "there was no attempt".to_owned(),
            Some(diagnosis) => diagnosis.words(),
            None => "no answer says anything about its token".to_owned(),
        };
        return (Tone::Warn, format!("Nothing could be judged: {why}"));
    }
    let mut parts = vec![if mute + boundary == 0 {
        format!("All {} answers were as promised", count(all))
    } else {
        format!("All {} answers that could be judged were as promised", count(judged))
    }];
    if mute > 0 {
        let share = 100.0 * mute as f64 / all as f64;
        let what = plural(mute, "attempt says", "attempts say");
        parts.push(format!("{what} nothing about the token ({} %)", number(share)));
    }
    if boundary > 0 {
        parts.push(format!("{} fell on a boundary of time", count(boundary)));
    }
    (Tone::Good, parts.join("; "))
}

/// What the cells of a matrix say.
fn cells(matrix: &Matrix) -> (Tone, String) {
    let state = match matrix.state {
        State::Judged | State::Unsteady => None,
        State::AcceptsAll => Some((
            Tone::Bad,
            format!("this broker lets everybody in, whatever the token: {SECURITY}"),
        )),
        State::RefusesAll => Some((
            Tone::Warn,
            "Nothing could be judged: this broker lets nobody in, with good tokens neither"
                .to_owned(),
        )),
        State::Silent => {
            Some((Tone::Warn, "Nothing could be judged: no cell was answered".to_owned()))
        }
    };
    if let Some(state) = state {
        return state;
    }
    let severity = |cell: &Cell| SEVERITIES.iter().position(|one| one.name() == cell.severity);
    let kinds = |wanted: &dyn Fn(&Cell) -> bool| -> Vec<String> {
        let mut found: Vec<&Cell> = matrix.cells.iter().filter(|cell| wanted(cell)).collect();
        // The worst first, as only the first are named.
        found.sort_by_key(|cell| (severity(cell), &cell.defect));
        found.dedup_by_key(|cell| &cell.defect);
        found.into_iter().map(|cell| cell.defect.clone()).collect()
    };
    let mut wrong = Vec::new();
    for (verdict, one, many, end) in [
        (
            "false_accept",
            "kind of bad token was accepted",
            "kinds of bad token were accepted",
            SECURITY,
        ),
        ("false_reject", "kind of good token was refused", "kinds of good token were refused", ""),
        (
            "wrong_reason",
            "kind of token was refused for another reason than promised",
            "kinds of token were refused for another reason than promised",
            "",
        ),
    ] {
        let names = kinds(&|cell| cell.verdict == verdict);
        if !names.is_empty() {
            let end = if end.is_empty() { String::new() } else { format!(": {end}") };
            wrong.push(format!(
                "{} ({}){end}",
                plural(names.len() as u64, one, many),
                named(&names)
            ));
        }
    }
    if !matrix.fetches.is_empty() {
        wrong.push(format!(
            "the verifier followed a header of the token to a server of its sender: {SECURITY}"
        ));
    }
    if !wrong.is_empty() {
        return (Tone::Bad, wrong.join("; "));
    }
    let is_mute = |cell: &Cell| ["not_judged", "indeterminate"].contains(&cell.verdict.as_str());
    let (mute, weak) = (kinds(&is_mute), kinds(&Cell::is_weak));
    let judged = kinds(&|cell| !is_mute(cell));
    if judged.is_empty() {
        return (
            Tone::Warn,
            "Nothing could be judged: no answer says anything about its token".to_owned(),
        );
    }
    let judged = judged.len();
    let mut parts = vec![if judged == 1 {
        "The one kind of token that could be judged was answered as promised".to_owned()
    } else {
        format!("All {judged} kinds of token that could be judged were answered as promised")
    }];
    if !mute.is_empty() {
        parts.push(format!("{} could not ({})", mute.len(), named(&mute)));
    }
    if !weak.is_empty() {
        let names = named(&weak);
        parts.push(format!(
            "{} bad ones are let in by the broker's configuration ({names})",
            weak.len()
        ));
    }
    let is_fine = weak.is_empty()
        && crate::report::matrix::state(matrix).is_none()
        && matrix.state == State::Judged;
    (if is_fine { Tone::Good } else { Tone::Warn }, parts.join("; "))
}

/// A number and what it counts.
fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// The first names, and how many more there are.
fn named(names: &[String]) -> String {
    match names.len().saturating_sub(MOST_NAMES) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..MOST_NAMES].join(", ")),
    }
}

/// A sentence as it goes on after a semicolon.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::fixture, *};
    use crate::results::{Percentile, summary::Judged};

    fn said(change: impl FnOnce(&mut Summary)) -> (Tone, String) {
        let mut summary = fixture::summary();
        change(&mut summary);
        let Sentence { tone, words, .. } = of(&summary, None);
        (tone, words)
    }

    /// Verdicts of the expired tokens; the fresh ones are all right.
    fn judged(summary: &mut Summary, verdicts: &serde_json::Value) {
        let counts = verdicts.as_object().unwrap();
        let part = summary.by_token.get_mut("expired").unwrap();
        part.verdicts.clone_from(counts);
        summary.verdicts.clone_from(counts);
        let correct = Summary::count(counts, "correct") + 5;
        summary.verdicts.insert("correct".into(), correct.into());
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
        assert!(
            words.starts_with("NOT AS PROMISED: 5 good tokens were refused (expired)"),
            "{words}"
        );
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
        let page = super::super::facts::thresholds(&summary).unwrap().into_string();
        assert!(page.contains("ended the run early"), "{page}");
        let text = crate::report::terminal::render(&summary, "folder");
        assert!(text.contains("ended the run early"), "{text}");
        let markdown = crate::report::markdown::render(&summary, None);
        assert!(markdown.contains("**ended early in second 3"), "{markdown}");
    }

    #[test]
    fn a_search_that_found_nothing_is_no_good_news_and_says_why() {
        let found = |limited_by: &str, ended: Option<&str>| {
            said(|summary| {
                summary.capacity = Some(Capacity {
                    limited_by: limited_by.into(),
                    reasons: vec!["at 20 a second: too slow".into(), "more".into()],
                    ended: ended.map(str::to_owned),
                    ..Capacity::default()
                });
            })
        };
        let (tone, words) = found("broker", None);
        assert_eq!(tone, Tone::Bad);
        let start = "FAILED: Capacity: not found (at 20 a second: too slow). All 10 answers";
        assert!(words.starts_with(start), "{words}");
        let (tone, words) = found("generator", None);
        assert!(tone == Tone::Warn && words.contains("(at 20 a second: too slow)"), "{words}");
        let (tone, words) = found("broker", Some("the broker stalled"));
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
            summary.capacity =
                Some(Capacity { limited_by: "broker".into(), ..Capacity::default() });
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
        let (_, words) = said(|summary| summary.verdicts.clear());
        assert!(words.starts_with("Nothing could be judged: there was no attempt"), "{words}");
    }

    #[test]
    fn numbers_that_are_not_to_be_trusted_are_no_good_news() {
        for (verdict, word) in
            [("degraded", "degraded"), ("generator_limited", "the generator was the limit")]
        {
            let (tone, words) = said(|summary| summary.validity.verdict = verdict.into());
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

    fn matrix(state: &str, cells: &[(&str, &str, &str, &str)]) -> (Tone, String) {
        let cell = |(defect, verdict, strict_verdict, severity): &(&str, &str, &str, &str)| {
            json!({
                "defect": defect, "group": "time", "protocol": 5, "expected": "refuse", "strict_expected": "refuse",
                "outcome": "refused", "code": 135, "verdict": verdict, "severity": severity, "attempts": 1, "judged": 1,
                "false_accepts": 0, "latency_p50_us": null, "strict_verdict": strict_verdict, "upper_bound_95": null
            })
        };
        let cells: Vec<serde_json::Value> = cells.iter().map(cell).collect();
        let matrix: Matrix = serde_json::from_value(json!({
            "format": 1, "partial": false, "target": "embedded", "profile": "strict", "overridden": [],
            "command": "tokenstorm matrix", "state": state, "unheard": [], "cells": cells, "skipped": [],
            "unspoken": [], "slow": [], "fetches": [], "bad_judged": 1, "false_accepts": 0, "upper_bound_95": null
        }))
        .unwrap();
        let Sentence { tone, words, .. } = of(&fixture::summary(), Some(&matrix));
        (tone, words)
    }

    #[test]
    fn of_several_brokers_the_one_that_judged_too_little_is_named() {
        let cell = |broker: &str, verdict: &str| {
            json!({
                "defect": "expired", "group": "time", "protocol": 5, "expected": "refuse", "strict_expected": "refuse",
                "outcome": "refused", "code": 135, "verdict": verdict, "severity": "high", "attempts": 1, "judged": 1,
                "false_accepts": 0, "latency_p50_us": null, "strict_verdict": verdict, "upper_bound_95": null, "broker": broker
            })
        };
        let of = |verdicts: [&str; 3]| -> Matrix {
            let names = ["a", "b", "c"];
            let cells: Vec<_> =
                names.iter().zip(verdicts).map(|(name, verdict)| cell(name, verdict)).collect();
            let brokers =
                names.map(|name| json!({ "broker": name, "state": "judged", "unheard": [] }));
            serde_json::from_value(json!({
                "format": 1, "partial": false, "target": "a, b, c", "profile": "strict", "overridden": [],
                "command": "tokenstorm matrix", "state": "judged", "unheard": [], "cells": cells, "skipped": [],
                "unspoken": [], "slow": [], "fetches": [], "bad_judged": 1, "false_accepts": 0,
                "upper_bound_95": null, "brokers": brokers
            }))
            .unwrap()
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
        let (tone, words) =
            matrix("judged", &[correct, ("no_exp", "correct", "false_accept", "high")]);
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
}
