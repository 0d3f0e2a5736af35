//! The verdict of a run in one sentence.

use crate::{
    base::words::{LimitedBy, Validity, Verdict},
    record::results::{
        Matrix, Summary,
        judged::{Aborted, Undecided},
        matrix::{Cell, State},
        series::Capacity,
    },
    report::{
        diagnosis::Diagnosis,
        died, gone, series,
        style::{count, number},
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

/// What the answers say.
struct Said {
    tone: Tone,
    words: String,
    /// Whether a bad token was let in, or a verifier did what its sender wanted.
    is_security: bool,
}

impl Said {
    fn new(tone: Tone, words: String) -> Self {
        Self { tone, words, is_security: false }
    }
}

/// Names in a sentence before the rest is only counted.
const MOST_NAMES: usize = 4;

/// What a run came to; of a matrix, what its cells say.
pub(crate) fn of(summary: &Summary, matrix: Option<&Matrix>) -> Sentence {
    let Said { mut tone, words: mut failures, is_security } =
        matrix.map_or_else(|| answers(summary), cells);
    let (found_tone, mut found) = summary
        .capacity
        .as_ref()
        .map_or_else(|| (Tone::Good, String::new()), |capacity| searched(summary, capacity));
    let killer = matrix.and_then(died::summed_up);
    if let Some(gone) = killer.or_else(|| gone::summed_up(summary)) {
        failures = match tone {
            Tone::Bad => format!("{gone}; {failures}"),
            _ => format!("{gone}; {}", lower(&failures)),
        };
        tone = Tone::Bad;
    }
    let misses = misses(summary);
    let has_failed = !summary.broker_gone.is_empty()
        || !misses.is_empty()
        || is_security
        || found_tone == Tone::Bad;
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
    for (why, words) in [
        (Undecided::GeneratorLimited, "as the generator was late"),
        (Undecided::NeverHappened, "as the change was never seen"),
    ] {
        let open = undecided(summary).filter(|undecided| *undecided == why).count() as u64;
        if open > 0 {
            let what = plural(open, "threshold on a time is", "thresholds on times are");
            failures = format!("{failures}; {what} undecided, {words}");
            tone = tone.max(Tone::Warn);
        }
    }
    let (trust_tone, trust) = trust(summary);
    let title = match (tone, tone.max(trust_tone)) {
        (Tone::Bad, _) => word,
        _ if summary.interrupted => "interrupted",
        _ if summary.partial => "not finished",
        _ if matrix.is_some_and(Matrix::says_nothing) || has_measured_nothing(summary) => {
            "NOTHING MEASURED"
        }
        _ if undecided(summary).next().is_some() => "UNDECIDED",
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
    let decided = || capacity.reasons.first().map(ToString::to_string);
    let why = capacity.ended.clone().or_else(decided);
    let (tone, why) = match why {
        _ if capacity.per_s.is_some() => (Tone::Good, String::new()),
        _ if summary.partial => (Tone::Good, " yet".to_owned()),
        Some(why) => (Tone::Warn, format!(" ({why})")),
        None => (Tone::Warn, String::new()),
    };
    let is_broker = capacity.ended.is_none() && capacity.limited_by == LimitedBy::Broker;
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
    match summary.validity.verdict {
        _ if summary.interrupted => (Tone::Warn, "the run was interrupted before its end"),
        _ if summary.partial => (Tone::Warn, "nobody has judged yet whether the numbers are valid"),
        Validity::Valid => (Tone::Good, "the numbers are valid"),
        Validity::GeneratorLimited => {
            (Tone::Warn, "the numbers are not the broker's: the generator was the limit")
        }
        Validity::Degraded
            if summary.agents.as_ref().is_some_and(|agents| !agents.lost.is_empty()) =>
        {
            (Tone::Warn, "a part of the run was lost with the agents that had it")
        }
        Validity::Degraded => (Tone::Warn, "take the times with care: the run was degraded"),
        Validity::Interrupted => (Tone::Warn, "the numbers are not valid"),
    }
}

/// Why thresholds on times are undecided.
fn undecided(summary: &Summary) -> impl Iterator<Item = Undecided> {
    summary.thresholds.iter().filter_map(|threshold| threshold.undecided)
}

/// Whether no answer says anything of a token, or none of a good one.
fn has_measured_nothing(summary: &Summary) -> bool {
    summary.judged() == 0 || !summary.nothing_good.is_empty() || summary.nothing_promised
}

/// What the answers of a run say.
fn answers(summary: &Summary) -> Said {
    let verdicts = &summary.verdicts;
    let all = summary.verdicts.sum();
    let of = |verdict: Verdict| {
        let has = |(token, part): (&String, &crate::record::results::summary::Part)| {
            (part.verdicts[verdict] > 0).then(|| token.clone())
        };
        named(&summary.by_token.iter().filter_map(has).collect::<Vec<_>>())
    };
    let wrong: Vec<String> = Verdict::WRONG
        .into_iter()
        .filter(|verdict| verdicts[*verdict] > 0)
        .map(|verdict| broken(verdict, verdicts[verdict], &of(verdict)))
        .collect();
    if !wrong.is_empty() {
        return Said {
            tone: Tone::Bad,
            words: wrong.join("; "),
            is_security: verdicts[Verdict::FalseAccept] > 0,
        };
    }
    let (mute, boundary) = (verdicts[Verdict::NotJudged], verdicts[Verdict::Indeterminate]);
    let judged = summary.judged();
    if !summary.nothing_good.is_empty() && judged > 0 {
        let groups = summary.nothing_good.join(", ");
        return Said::new(
            Tone::Warn,
            format!(
                "Nothing good was measured: each token that should be good had to be refused ({groups})"
            ),
        );
    }
    if summary.nothing_promised {
        return Said::new(
            Tone::Warn,
            "Nothing was judged: of each token both answers were right".to_owned(),
        );
    }
    if judged == 0 {
        let why = match Diagnosis::of(summary) {
            _ if all == 0 => "there was no attempt".to_owned(),
            Some(diagnosis) => diagnosis.words(),
            None => "no answer says anything about its token".to_owned(),
        };
        return Said::new(Tone::Warn, format!("Nothing could be judged: {why}"));
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
    Said::new(Tone::Good, parts.join("; "))
}

/// That so many attempts with these tokens broke a promise.
fn broken(verdict: Verdict, number: u64, tokens: &str) -> String {
    match verdict {
        Verdict::FalseAccept => {
            let what = plural(
                number,
                "token that must be refused was",
                "tokens that must be refused were",
            );
            format!("{what} accepted ({tokens}): {SECURITY}")
        }
        Verdict::FalseReject => {
            format!("{} refused ({tokens})", plural(number, "good token was", "good tokens were"))
        }
        Verdict::WrongReason => {
            let what = plural(number, "refusal gave", "refusals gave");
            format!("{what} another reason than promised ({tokens})")
        }
        // No run fails by these.
        Verdict::Correct | Verdict::NotJudged | Verdict::Indeterminate => String::new(),
    }
}

/// What kinds of token that broke a promise are called: one, and many.
fn kinds_of(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::FalseAccept => {
            ("kind of bad token was accepted", "kinds of bad token were accepted")
        }
        Verdict::FalseReject => {
            ("kind of good token was refused", "kinds of good token were refused")
        }
        Verdict::WrongReason => (
            "kind of token was refused for another reason than promised",
            "kinds of token were refused for another reason than promised",
        ),
        Verdict::Correct | Verdict::NotJudged | Verdict::Indeterminate => ("", ""),
    }
}

/// What the cells of a matrix say.
fn cells(matrix: &Matrix) -> Said {
    let state = match matrix.state {
        State::Judged | State::Unsteady => None,
        State::AcceptsAll => Some(Said {
            tone: Tone::Bad,
            words: format!("this broker lets everybody in, whatever the token: {SECURITY}"),
            is_security: true,
        }),
        State::RefusesAll => Some(Said::new(
            Tone::Warn,
            "Nothing could be judged: this broker lets nobody in, with good tokens neither"
                .to_owned(),
        )),
        State::Silent => {
            Some(Said::new(Tone::Warn, "Nothing could be judged: no cell was answered".to_owned()))
        }
    };
    if let Some(state) = state {
        return state;
    }
    let severity = |cell: &Cell| std::cmp::Reverse(cell.severity);
    let kinds = |wanted: &dyn Fn(&Cell) -> bool| -> Vec<String> {
        let mut found: Vec<&Cell> = matrix.cells.iter().filter(|cell| wanted(cell)).collect();
        // The worst first, as only the first are named.
        found.sort_by_key(|cell| (severity(cell), &cell.defect));
        found.dedup_by_key(|cell| &cell.defect);
        found.into_iter().map(|cell| cell.defect.clone()).collect()
    };
    let mut wrong = Vec::new();
    for verdict in Verdict::WRONG {
        let names = kinds(&|cell| cell.verdict == verdict);
        if names.is_empty() {
            continue;
        }
        let (one, many) = kinds_of(verdict);
        let mut words = format!("{} ({})", plural(names.len() as u64, one, many), named(&names));
        if verdict == Verdict::FalseAccept {
            words = format!("{words}: {SECURITY}");
        }
        wrong.push(words);
    }
    if !matrix.fetches.is_empty() {
        wrong.push(format!(
            "the verifier followed a header of the token to a server of its sender: {SECURITY}"
        ));
    }
    if !wrong.is_empty() {
        let is_accepted = |cell: &Cell| cell.verdict == Verdict::FalseAccept;
        return Said {
            tone: Tone::Bad,
            words: wrong.join("; "),
            is_security: matrix.cells.iter().any(is_accepted) || !matrix.fetches.is_empty(),
        };
    }
    let is_mute = |cell: &Cell| !cell.verdict.is_judged();
    let (mute, weak) = (kinds(&is_mute), kinds(&Cell::is_weak));
    let judged = kinds(&|cell| !is_mute(cell));
    if judged.is_empty() {
        return Said::new(
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
    Said::new(if is_fine { Tone::Good } else { Tone::Warn }, parts.join("; "))
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
mod tests;
