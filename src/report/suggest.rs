//! What a broker did in a matrix, as a profile to edit: the strictest promise that its answers keep.
//!
//! Settings are tried one by one, from the strictest policy on, and the one stays that leaves the fewest answers against
//! the promise, and of these the one that promises most. So a suggestion is right by construction, whatever the catalogue
//! makes of a setting.

mod codes;
mod flips;

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use self::flips::flips;
use super::style::count;
use crate::{
    base::{
        error::{Error, Result},
        words::{Expected, OutcomeKind, Severity},
    },
    client::verdict::{Judge, Validity},
    plan::promising::Promising,
    record::results::{
        Edges, Matrix, Summary,
        matrix::{Cell, State},
    },
    scenario::{PolicySettings, Protocol, SilentClose},
    token::{FRESH, catalogue::defect, policy::Policy},
};

/// Settings are tried so often one after another: one that changes may make another worth it.
const MOST_ROUNDS: usize = 6;
/// Any length of life that is no moment.
const LIFE: Duration = Duration::from_hours(1);

/// What a broker did with an entry of the catalogue in one version of MQTT.
#[derive(Debug)]
struct Answer<'a> {
    cell: &'a Cell,
    protocol: Protocol,
    is_accepted: bool,
}

/// How well a policy describes answers. Less is better, and what stands first goes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Score {
    /// Of how many answers nothing is promised: each one against the policy becomes an exception, of which nothing is.
    open: usize,
    /// How many are against it: settings explain more than exceptions do.
    against: usize,
    /// How many claims and algorithms it names: none that no answer speaks for.
    named: usize,
}

/// The profile of what a matrix, and the probe of its edges, found.
///
/// # Errors
/// When they say nothing of the broker, or of several at once.
pub fn profile(
    promising: &Promising,
    matrix: &Matrix,
    summary: &Summary,
    edges: Option<&Edges>,
) -> Result<String> {
    check(matrix, summary)?;
    let answers = answers(matrix);
    if spoken(&answers).is_empty() {
        return Err(Error::not_measured(
            "no profile can be suggested: no good token was answered in any version of MQTT",
        )
        .hint("`tokenstorm matrix SCENARIO` without `--only` sends good ones, too"));
    }
    let mut settings = started(promising);
    settings.protocols = Some(spoken(&answers));
    settings.leeway = edges.and_then(leeway);
    settings.longest_token = edges.and_then(|edges| edges.longest_token.accepted?.try_into().ok());
    let closes = answers.iter().any(|answer| answer.cell.outcome == OutcomeKind::Closed);
    settings.silent_close = closes.then_some(SilentClose::Correct);
    let strictest = promising.strictest().refuses_with.unwrap_or_default();
    settings.refuses_with = Some(codes::seen(&answers, strictest));
    settings = searched(promising, settings, &answers)?;
    let (accepts, refuses) = exceptions(promising, &settings, &answers)?;
    settings.refuses = Some(refuses).filter(|names| !names.is_empty());
    text(&settings, &accepts, (matrix, summary, edges))
}

fn check(matrix: &Matrix, summary: &Summary) -> Result<()> {
    let why = match matrix.state {
        _ if summary.partial || matrix.partial => "the matrix was interrupted",
        _ if !matrix.died_at.is_empty() => {
            "the broker went away in between, and what followed may have been answered by nobody"
        }
        _ if !matrix.brokers.is_empty() => "the target has several brokers",
        State::AcceptsAll => "the broker lets everybody in",
        State::RefusesAll => "the broker lets nobody in",
        State::Silent => "the broker judged no token",
        State::Judged | State::Unsteady => return Ok(()),
    };
    Err(Error::not_measured(format!("no profile can be suggested: {why}")).hint(
        "`--target URL` names one broker; its key and claims have to be those of the scenario",
    ))
}

/// The strictest policy, of which nothing is said that a matrix does not find out.
fn started(promising: &Promising) -> PolicySettings {
    PolicySettings {
        refusal_delay: None,
        on_expiry: None,
        expiry_within: None,
        expiry_leeway: None,
        accepts: None,
        ..promising.strictest()
    }
}

/// The answers that say something: those of versions of MQTT in which good tokens are accepted.
fn answers(matrix: &Matrix) -> Vec<Answer<'_>> {
    let said = |cell: &Cell| {
        let is_heard = !matrix.unheard.contains(&cell.protocol);
        let is_answer = cell.outcome.is_answer() || cell.outcome == OutcomeKind::Closed;
        is_heard && is_answer
    };
    let answer = |cell| Answer {
        cell,
        protocol: if cell.protocol == 5 { Protocol::V5 } else { Protocol::V4 },
        is_accepted: cell.outcome == OutcomeKind::Accepted,
    };
    matrix.cells.iter().filter(|cell| said(cell)).map(answer).collect()
}

/// The versions of MQTT in which good tokens were accepted.
fn spoken(answers: &[Answer<'_>]) -> Vec<Protocol> {
    let good = |protocol: &Protocol| {
        let mut own = answers.iter().filter(|answer| answer.protocol == *protocol);
        own.any(|answer| answer.cell.defect == FRESH && answer.is_accepted)
    };
    [Protocol::V4, Protocol::V5].into_iter().filter(good).collect()
}

/// Up to how long after `exp` tokens were accepted, or before `nbf`.
fn leeway(edges: &Edges) -> Option<Duration> {
    let past = [edges.leeway_exp_s, edges.leeway_nbf_s];
    let most =
        past.into_iter().filter(|edge| edge.accepted.is_some()).filter_map(|edge| edge.refused);
    most.max().map(Duration::from_secs)
}

/// The settings that describe the answers best.
fn searched(
    promising: &Promising,
    mut best: PolicySettings,
    answers: &[Answer<'_>],
) -> Result<PolicySettings> {
    let mut least = score(promising, &best, answers)?;
    let flips = flips(promising, &best);
    for _ in 0..MOST_ROUNDS {
        let before = least;
        for flip in &flips {
            let mut tried = best.clone();
            flip.apply(&mut tried);
            // A promise that is none, such as one without the key's own algorithm, is not tried.
            let Ok(score) = score(promising, &tried, answers) else { continue };
            if score < least {
                (best, least) = (tried, score);
            }
        }
        if least == before {
            break;
        }
    }
    // Of what would be the same the other way round nothing was found out.
    for flip in flips {
        let mut tried = best.clone();
        flip.apply(&mut tried);
        if score(promising, &tried, answers).is_ok_and(|score| score == least) {
            flip.forget(&mut best);
        }
    }
    Ok(best)
}

/// What a policy says of each answer.
fn expected<'a>(
    promising: &Promising,
    settings: &PolicySettings,
    answers: &'a [Answer<'a>],
) -> Result<Vec<(&'a Answer<'a>, Expected)>> {
    let (policy, kinds) = promising.kinds(settings)?;
    let judge = |protocol| Judge::new(&policy, protocol, Duration::ZERO);
    let judges = [judge(Protocol::V4), judge(Protocol::V5)];
    let of = |answer: &'a Answer<'a>| {
        let kind = kinds.iter().find(|kind| {
            kind.defect.name == answer.cell.defect && kind.protocol == answer.protocol
        })?;
        let (from, until) = kind.recipe.good_in(0, LIFE);
        let judge = &judges[usize::from(answer.protocol == Protocol::V5)];
        let validity = Validity { from, until };
        Some((answer, judge.expectation(kind.must, validity, 0, 0).kind()))
    };
    Ok(answers.iter().filter_map(of).collect())
}

fn is_against(answer: &Answer<'_>, expected: Expected) -> bool {
    match expected {
        Expected::Accept => !answer.is_accepted,
        Expected::Refuse => answer.is_accepted,
        _ => false,
    }
}

fn score(
    promising: &Promising,
    settings: &PolicySettings,
    answers: &[Answer<'_>],
) -> Result<Score> {
    let all = expected(promising, settings, answers)?;
    let against = all.iter().filter(|(answer, expected)| is_against(answer, *expected)).count();
    let is_open = |expected: Expected| !matches!(expected, Expected::Accept | Expected::Refuse);
    let open = all.iter().filter(|(_, expected)| is_open(*expected)).count();
    // What has no cell under this policy is promised nothing of.
    let open = against + open + answers.len() - all.len();
    let length = |list: Option<usize>| list.unwrap_or_default();
    let named = length(settings.requires.as_ref().map(Vec::len))
        + length(settings.checks.as_ref().map(Vec::len))
        + length(settings.algorithms.as_ref().map(Vec::len));
    Ok(Score { open, against, named })
}

/// The kinds that no setting explains: let in, and turned away.
fn exceptions(
    promising: &Promising,
    settings: &PolicySettings,
    answers: &[Answer<'_>],
) -> Result<(BTreeSet<String>, Vec<String>)> {
    let all = expected(promising, settings, answers)?;
    let names = |is_accepted: bool| -> BTreeSet<String> {
        let own = all.iter().filter(|(answer, expected)| {
            answer.is_accepted == is_accepted && is_against(answer, *expected)
        });
        own.map(|(answer, _)| answer.cell.defect.clone()).collect()
    };
    Ok((names(true), names(false).into_iter().collect()))
}

/// The profile itself.
fn text(
    settings: &PolicySettings,
    accepts: &BTreeSet<String>,
    (matrix, summary, edges): (&Matrix, &Summary, Option<&Edges>),
) -> Result<String> {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    let _ = writeln!(
        out,
        "# What {} did on {}, as a profile to edit: {} cells of a matrix by tokenstorm {}{}.\n\
         # A profile says what a broker promises. This one says what it did: each name under `accepts` is a weakness,\n\
         # unless its maker documents it.",
        matrix.target,
        summary.started_at.split('T').next().unwrap_or_default(),
        count(matrix.cells.len() as u64),
        env!("CARGO_PKG_VERSION"),
        if edges.is_some() { ", and its edges" } else { "; `--probe` finds leeway and lengths" },
    );
    if !accepts.is_empty() {
        out.push_str("accepts = [\n");
        for name in accepts {
            let known = defect(name);
            let severity = known.map_or(Severity::None, |defect| defect.severity);
            let summary = known.map(|defect| defect.summary).unwrap_or_default();
            let _ = writeln!(out, "    \"{name}\",    # {severity}: {summary}");
        }
        out.push_str("]\n");
    }
    let rest = toml::to_string(settings)
        .map_err(|error| Error::not_measured(format!("the profile can't be written: {error}")))?;
    Ok(out + &rest)
}

/// The policy that a suggestion makes, to see that it is one.
///
/// # Errors
/// When it is none.
pub fn checked(text: &str) -> Result<Policy> {
    let settings: PolicySettings = toml::from_str(text).map_err(|error| {
        Error::not_measured(format!("the profile that was suggested is broken: {error}"))
    })?;
    Policy::over(String::new(), settings, &PolicySettings::default(), Vec::new())
}
