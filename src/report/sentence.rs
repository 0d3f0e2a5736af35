//! The verdict of a run in one sentence.

use crate::{
    base::words::{Tone, Validity, Verdict},
    record::results::{
        Matrix, Ruling, Summary,
        diagnosis::Diagnosis,
        judged::Undecided,
        matrix::{Cell, State},
        ruling::{Failure, Known, decide::told},
    },
    report::{
        died, gone, lifetime, series,
        style::{count, first, number},
    },
};

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

const SECURITY: &str = "a security failure";

/// Before what is known of a run that may have been killed.
const UNFINISHED: &str = "Not finished (still running, or killed); so far: ";
/// Before what is known of one that goes on.
const UNDER_WAY: &str = "Under way; so far: ";

/// What a run came to; of a matrix, what its cells say.
pub(crate) fn of(summary: &Summary, matrix: Option<&Matrix>) -> Sentence {
    put(summary, matrix, if summary.partial { UNFINISHED } else { "" })
}

/// What a run that goes on has come to.
pub(crate) fn under_way(summary: &Summary, matrix: Option<&Matrix>) -> Sentence {
    put(summary, matrix, UNDER_WAY)
}

fn put(summary: &Summary, matrix: Option<&Matrix>, before: &str) -> Sentence {
    let ruling = told(summary, matrix);
    let title = ruling.conclusion.label();
    let found = searched(summary);
    let mut words = match (ruling.failed.is_empty(), summary.capacity.is_some()) {
        (true, _) if !ruling.known.is_empty() => {
            let known = known(&ruling).join("; ");
            match matrix.filter(|matrix| matrix.says_nothing()) {
                Some(matrix) => format!("{}; {known}", of_cells(matrix)),
                None => format!("No new finding: {known}"),
            }
        }
        (true, _) => found + &answers(summary, matrix),
        (false, true) if ruling.failed.contains(&Failure::NoCapacity) => {
            format!("{title}: {found}{}", failed(&ruling, summary, matrix))
        }
        (false, _) => format!("{found}{title}: {}", failed(&ruling, summary, matrix)),
    };
    for (why, because) in [
        (Undecided::GeneratorLimited, "as the generator was late"),
        (Undecided::NeverHappened, "as the change was never seen"),
    ] {
        let open = summary.thresholds.iter().filter(|it| it.undecided == Some(why)).count() as u64;
        if open > 0 {
            let what = plural(open, "threshold on a time is", "thresholds on times are");
            words = format!("{words}; {what} undecided, {because}");
        }
    }
    Sentence { tone: ruling.tone, title, words: format!("{before}{words}; {}.", trust(summary)) }
}

/// What a search found; nothing where there was none.
fn searched(summary: &Summary) -> String {
    let Some(capacity) = &summary.capacity else { return String::new() };
    let decided = || capacity.reasons.first().map(ToString::to_string);
    let why = match capacity.ended.clone().or_else(decided) {
        _ if capacity.per_s.is_some() => String::new(),
        _ if summary.partial => " yet".to_owned(),
        Some(why) => format!(" ({why})"),
        None => String::new(),
    };
    format!("Capacity: {}{why}. ", series::sentence(capacity))
}

/// What failed, and what the answers say where it was not they: what went away first, what was missed last.
fn failed(ruling: &Ruling, summary: &Summary, matrix: Option<&Matrix>) -> String {
    let gone = ruling.failed.iter().any(|it| matches!(it, Failure::BrokerGone { .. }));
    let gone = gone.then(|| matrix.and_then(died::summed_up).or_else(|| gone::summed_up(summary)));
    let new = ruling.failed.iter().filter_map(|failure| broken(failure, matrix.is_some()));
    let wrong: Vec<String> = new.chain(known(ruling)).collect();
    let asked = missed(ruling, summary);
    let mut parts: Vec<String> = gone.flatten().into_iter().collect();
    let asked_first = parts.is_empty() && wrong.is_empty();
    let answered = if wrong.is_empty() {
        let said = answers(summary, matrix);
        // A sentence goes on after a semicolon.
        vec![if parts.is_empty() && asked.is_empty() { said } else { lower(&said) }]
    } else {
        wrong
    };
    let (first, last) = if asked_first { (asked, answered) } else { (answered, asked) };
    parts.extend(first.into_iter().chain(last));
    parts.join("; ")
}

/// What was asked for beside right answers, and did not hold.
fn missed(ruling: &Ruling, summary: &Summary) -> Vec<String> {
    let mut told = Vec::new();
    let mut names = Vec::new();
    for failure in &ruling.failed {
        match failure {
            Failure::NoCapacity if summary.capacity.is_none() => {
                told.push("no search found a rate at which its objectives hold".to_owned());
            }
            Failure::EndedEarly(aborted) => told.push(aborted.words()),
            Failure::Missed { metric, condition } => names.push(format!("{metric} {condition}")),
            // What answers broke is `broken`, and what a search found is said before all else.
            _ => {}
        }
    }
    if !names.is_empty() {
        let of = plural(summary.thresholds.len() as u64, "threshold", "thresholds");
        let were = if names.len() == 1 { "was" } else { "were" };
        told.push(format!("{} of {of} {were} missed ({})", names.len(), named(&names)));
    }
    told
}

/// Whether the numbers can be trusted.
fn trust(summary: &Summary) -> &'static str {
    match summary.validity.verdict {
        _ if summary.interrupted => "the run was interrupted before its end",
        _ if summary.partial => "nobody has judged yet whether the numbers are valid",
        Validity::Valid => "the numbers are valid",
        Validity::GeneratorLimited => {
            "times and rates are not the broker's, as the generator was the limit; verdicts are unaffected"
        }
        Validity::Degraded
            if summary.agents.as_ref().is_some_and(|agents| !agents.lost.is_empty()) =>
        {
            "a part of the run was lost with the agents that had it"
        }
        Validity::Degraded => "take the times with care: the run was degraded",
        Validity::Interrupted => "the numbers are not valid",
    }
}

/// What the answers say where none of them is wrong.
fn answers(summary: &Summary, matrix: Option<&Matrix>) -> String {
    matrix.map_or_else(|| of_run(summary), of_cells)
}

fn of_run(summary: &Summary) -> String {
    let verdicts = &summary.verdicts;
    let all = verdicts.sum();
    let (mute, boundary) = (verdicts[Verdict::NotJudged], verdicts[Verdict::Indeterminate]);
    let judged = summary.judged();
    if !summary.nothing_good.is_empty() && judged > 0 {
        return format!(
            "Nothing good was measured: each token that should be good had to be refused ({})",
            summary.nothing_good.join(", ")
        );
    }
    if summary.nothing_promised {
        return "Nothing was judged: of each token both answers were right".to_owned();
    }
    if judged == 0 {
        let why = match Diagnosis::of(summary) {
            _ if all == 0 => "there was no attempt".to_owned(),
            Some(diagnosis) => diagnosis.words(),
            None => "no answer says anything about its token".to_owned(),
        };
        return format!("Nothing could be judged: {why}");
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
    parts.extend(lifetime::answered(summary));
    parts.join("; ")
}

/// What the cells of a matrix say where none of them is wrong.
fn of_cells(matrix: &Matrix) -> String {
    match matrix.state {
        State::RefusesAll => {
            return "Nothing could be judged: this broker lets nobody in, with good tokens neither"
                .to_owned();
        }
        State::Silent => return "Nothing could be judged: no cell was answered".to_owned(),
        State::Judged | State::Unsteady | State::AcceptsAll => {}
    }
    if matrix.is_mostly_mute() {
        return "Too little could be judged: more than half of the tokens that must be refused were not"
            .to_owned();
    }
    let (mute, weak) =
        (matrix.kinds(|cell| !cell.verdict.is_judged()), matrix.kinds(Cell::is_weak));
    let judged = match matrix.kinds(|cell| cell.verdict.is_judged()).len() {
        0 => {
            return "Nothing could be judged: no answer says anything about its token".to_owned();
        }
        1 => "The one kind of token that could be judged was answered as promised".to_owned(),
        many => format!("All {many} kinds of token that could be judged were answered as promised"),
    };
    let mut parts = vec![judged];
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
    parts.join("; ")
}

/// What answers broke a promise; nothing of what they did not.
fn broken(failure: &Failure, is_matrix: bool) -> Option<String> {
    Some(match failure {
        Failure::LetsEverybodyIn => {
            format!("this broker lets everybody in, whatever the token: {SECURITY}")
        }
        // No run fails by others.
        Failure::Wrong { verdict, .. } if !verdict.is_wrong() => String::new(),
        Failure::Wrong { verdict, count, tokens } => {
            let (one, many) = called(*verdict, is_matrix);
            let words = format!("{} ({})", plural(*count, one, many), named(tokens));
            if failure.is_of_security() { format!("{words}: {SECURITY}") } else { words }
        }
        Failure::WrongOperation { operation, verdict, count } => {
            let words = lifetime::broken(*operation, *verdict, *count);
            if failure.is_of_security() { format!("{words}: {SECURITY}") } else { words }
        }
        Failure::HeaderFollowed { .. } => format!(
            "the verifier followed a header of the token to a server of its sender: {SECURITY}"
        ),
        Failure::EdgeAccepted { count } => {
            let what = plural(*count, "bad token was", "bad tokens were");
            format!("{what} accepted while its edges were looked for: {SECURITY}")
        }
        Failure::BrokerGone { .. }
        | Failure::NoCapacity
        | Failure::EndedEarly(_)
        | Failure::Missed { .. } => return None,
    })
}

/// What broke a promise in a matrix and was known before: it fails nothing, and stays in sight.
fn known(ruling: &Ruling) -> Vec<String> {
    let told = ruling.known.iter().map(|Known { verdict, count, tokens }| {
        let (one, many) = called(*verdict, true);
        let known = plural(*count, &format!("known {one}"), &format!("known {many}"));
        let is_grave = *verdict == Verdict::FalseAccept;
        let grave = if is_grave { format!(": {SECURITY}") } else { String::new() };
        format!("{known} ({}){grave}", named(tokens))
    });
    told.collect()
}

/// What broke a promise is called, one and many: attempts, and of a matrix kinds of token.
fn called(verdict: Verdict, is_matrix: bool) -> (&'static str, &'static str) {
    match (verdict, is_matrix) {
        (Verdict::FalseAccept, true) => {
            ("kind of bad token was accepted", "kinds of bad token were accepted")
        }
        (Verdict::FalseAccept, false) => {
            ("token that must be refused was accepted", "tokens that must be refused were accepted")
        }
        (Verdict::FalseReject, true) => {
            ("kind of good token was refused", "kinds of good token were refused")
        }
        (Verdict::FalseReject, false) => ("good token was refused", "good tokens were refused"),
        (Verdict::WrongReason, true) => (
            "kind of token was refused for another reason than promised",
            "kinds of token were refused for another reason than promised",
        ),
        (Verdict::WrongReason, false) => (
            "refusal gave another reason than promised",
            "refusals gave another reason than promised",
        ),
        // Nothing fails by these.
        (Verdict::Correct | Verdict::NotJudged | Verdict::Indeterminate, _) => ("", ""),
    }
}

/// A number and what it counts.
fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// The first names, and how many more there are.
fn named(names: &[String]) -> String {
    first(names, MOST_NAMES)
}

/// A sentence as it goes on after a semicolon.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
