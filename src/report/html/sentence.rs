//! The verdict of a run in one sentence.

use crate::{
    report::{
        series,
        style::{count, number},
    },
    results::{
        Matrix, Summary,
        matrix::{Cell, State},
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
    /// It in words.
    pub(crate) words: String,
}

/// Names in a sentence before the rest is only counted.
const MOST_NAMES: usize = 4;

/// What a run came to; of a matrix, what its cells say.
pub(crate) fn of(summary: &Summary, matrix: Option<&Matrix>) -> Sentence {
    let (mut tone, said) = matrix.map_or_else(|| answers(summary), cells);
    let mut failures = said;
    let missed: Vec<String> = summary
        .thresholds
        .iter()
        .filter(|threshold| threshold.passed == Some(false))
        .map(|threshold| format!("{} {}", threshold.metric, threshold.condition))
        .collect();
    let has_failed = !missed.is_empty() || failures.contains(SECURITY);
    if !missed.is_empty() {
        let were = if missed.len() == 1 { "threshold was" } else { "thresholds were" };
        let of = count(summary.thresholds.len() as u64);
        let missed = format!("{} of {of} {were} missed ({})", missed.len(), named(&missed));
        failures = if tone == Tone::Bad {
            format!("{failures}; {missed}")
        } else {
            format!("{missed}; {}", lower(&failures))
        };
        tone = Tone::Bad;
    }
    if tone == Tone::Bad {
        let word = if has_failed { "FAILED" } else { "NOT AS PROMISED" };
        failures = format!("{word}: {failures}");
    }
    let (trust_tone, trust) = trust(summary);
    let found = summary
        .capacity
        .as_ref()
        .map_or_else(String::new, |capacity| format!("Capacity: {}. ", series::sentence(capacity)));
    let unfinished =
        if summary.partial { "Not finished, still running or killed. So far: " } else { "" };
    let words = format!("{unfinished}{found}{failures}; {trust}.");
    Sentence { tone: tone.max(trust_tone), words }
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
        "degraded" => (Tone::Warn, "take its times with care, the run was degraded"),
        _ => (Tone::Warn, "the numbers are not valid"),
    }
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
    if judged == 0 {
        let why = if all == 0 {
            "there was no attempt"
        } else {
            "no answer says anything about its token"
        };
        return (Tone::Warn, format!("Nothing could be judged: {why}"));
    }
    let mut words = if mute + boundary == 0 {
        format!("All {} answers were as promised", count(all))
    } else {
        format!("All {} answers that could be judged were as promised", count(judged))
    };
    if mute > 0 {
        let share = 100.0 * mute as f64 / all as f64;
        let what = plural(mute, "attempt says", "attempts say");
        words += &format!("; {what} nothing about the token ({} %)", number(share));
    }
    if boundary > 0 {
        words += &format!("; {} fell on a boundary of time", count(boundary));
    }
    (Tone::Good, words)
}

/// What the cells of a matrix say.
fn cells(matrix: &Matrix) -> (Tone, String) {
    let state = match matrix.state {
        State::Judged => None,
        State::AcceptsAll => Some((
            Tone::Bad,
            format!("this broker lets everybody in, whatever the token: {SECURITY}"),
        )),
        State::RefusesAll => Some((
            Tone::Warn,
            "Nothing could be judged: this broker lets nobody in, with good tokens neither"
                .to_owned(),
        )),
        State::Unsteady => None,
        State::Silent => {
            Some((Tone::Warn, "Nothing could be judged: no cell was answered".to_owned()))
        }
    };
    if let Some(state) = state {
        return state;
    }
    let kinds = |wanted: &dyn Fn(&Cell) -> bool| -> Vec<String> {
        let mut names: Vec<String> = matrix
            .cells
            .iter()
            .filter(|cell| wanted(cell))
            .map(|cell| cell.defect.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
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
    let (mute, weak) = (kinds(&|cell| cell.verdict == "not_judged"), kinds(&Cell::is_weak));
    let judged = kinds(&|cell| cell.verdict != "not_judged");
    if judged.is_empty() {
        return (
            Tone::Warn,
            "Nothing could be judged: no answer says anything about its token".to_owned(),
        );
    }
    let mut words = format!(
        "All {} kinds of token that could be judged were answered as promised",
        judged.len()
    );
    if !mute.is_empty() {
        words += &format!("; {} could not ({})", mute.len(), named(&mute));
    }
    if !weak.is_empty() {
        words += &format!(
            "; {} bad ones are let in by the broker's configuration ({})",
            weak.len(),
            named(&weak)
        );
    }
    let is_fine = weak.is_empty() && !matrix.is_mostly_mute() && matrix.state == State::Judged;
    (if is_fine { Tone::Good } else { Tone::Warn }, words)
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
