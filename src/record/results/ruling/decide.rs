//! The one place that decides what a run came to.

use super::{Failure, Known, NoEnd, Ruling, Unmeasured};
use crate::{
    base::words::{Conclusion, Expected, LimitedBy, Operation, Tone, Validity, Verdict},
    plan::cells::PROBE,
    record::results::{
        Matrix, Summary,
        judged::Undecided,
        matrix::{Cell, State},
        operations::OperationStats,
    },
};

/// What a run is held to beside its thresholds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// A run that the generator limited has not measured what it was to (`load.validity = "strict"`).
    pub is_strict: bool,
    /// What is there of a run that lost agents is judged (`--allow-lost-agents`).
    pub allows_lost_agents: bool,
    /// What it is about beside attempts.
    pub expects: Expects,
}

/// Operations that a run is about: where none of them is decided, it has not measured what it was to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expects {
    /// What becomes of live connections whose tokens end, and some did.
    pub ends: bool,
    /// Clients that authenticate again, and something is promised of that.
    pub reauths: bool,
}

/// What a run came to by its folder: as it was decided at its end; by what is known where it has no end yet, or is of a
/// version that did not write it.
pub fn told(summary: &Summary, matrix: Option<&Matrix>) -> Ruling {
    summary.ruling.clone().unwrap_or_else(|| decide(summary, matrix, Terms::default()))
}

/// Decides what a run came to; a matrix by its cells.
pub fn decide(summary: &Summary, matrix: Option<&Matrix>, terms: Terms) -> Ruling {
    let mut failed = Vec::new();
    let brokers: Vec<String> = summary.broker_gone.iter().map(|gone| gone.broker.clone()).collect();
    let is_killed = matrix.is_some_and(|it| it.died_at.iter().any(|died| died.defect.is_some()));
    if !brokers.is_empty() || is_killed {
        failed.push(Failure::BrokerGone { brokers });
    }
    let mut unmeasured = match matrix {
        Some(matrix) => of_cells(matrix, summary, &mut failed),
        None => of_answers(summary, terms, &mut failed),
    };
    unmeasured.extend(of_harness(summary, terms));
    if !summary.partial {
        match searched(summary) {
            Searched::Nothing => failed.push(Failure::NoCapacity),
            Searched::Open => unmeasured.push(Unmeasured::SearchOpen),
            Searched::Found => {}
        }
    }
    // One that ended the run has failed, also where what came after it made up for that.
    failed.extend(summary.aborted.iter().cloned().map(Failure::EndedEarly));
    let missed = summary.thresholds.iter().filter(|threshold| threshold.passed == Some(false));
    failed.extend(missed.map(|threshold| Failure::Missed {
        metric: threshold.metric.clone(),
        condition: threshold.condition.clone(),
    }));
    let known = matrix.map(known).unwrap_or_default();
    let tone = tone(summary, matrix, (&failed, &unmeasured), &known);
    Ruling {
        conclusion: conclusion(summary, matrix, (&failed, &unmeasured), tone),
        exit: Ruling::exit_of(&failed, &unmeasured, summary.interrupted),
        tone,
        failed,
        known,
        fixed: matrix.map(Matrix::fixed).unwrap_or_default(),
        unmeasured,
    }
}

/// What the answers of a run came to.
fn of_answers(summary: &Summary, terms: Terms, failed: &mut Vec<Failure>) -> Vec<Unmeasured> {
    for verdict in Verdict::WRONG {
        let count = summary.verdicts[verdict];
        if count > 0 {
            let own = summary.by_token.iter().filter(|(_, part)| part.verdicts[verdict] > 0);
            let tokens = own.map(|(token, _)| token.clone()).collect();
            failed.push(Failure::Wrong { verdict, count, tokens });
        }
    }
    for (operation, stats) in &summary.operations {
        for verdict in Verdict::WRONG {
            let count = stats.verdicts[verdict];
            if count > 0 {
                failed.push(Failure::WrongOperation { operation: *operation, verdict, count });
            }
        }
    }
    let expire = summary.operations.get(&Operation::Expire);
    let decides =
        |of: Option<&OperationStats>| of.is_some_and(|it| it.verdicts.of(Verdict::is_judged) > 0);
    let reauth = summary.operations.get(&Operation::Reauthenticate);
    let none_met = reauth.is_none_or(|reauth| reauth.count == 0);
    let undecided = |because| {
        let open = summary.thresholds.iter().filter(|it| it.undecided == Some(because));
        let thresholds = open.count() as u64;
        (thresholds > 0, Unmeasured::Undecided { because, thresholds })
    };
    let agents = summary.agents.as_ref().map_or(0, |agents| agents.lost.len());
    let groups = summary.nothing_good.clone();
    let known = [
        (agents > 0 && !terms.allows_lost_agents, Unmeasured::AgentsLost { agents }),
        (has_no_keys(summary), Unmeasured::NoKeys),
        (summary.judged() == 0, Unmeasured::NothingJudged),
        undecided(Undecided::NeverHappened),
        undecided(Undecided::GeneratorLimited),
        // Bad tokens alone say nothing about good ones.
        (!groups.is_empty(), Unmeasured::NothingGood { groups }),
        (summary.nothing_promised, Unmeasured::NothingPromised),
        (
            terms.expects.ends && !decides(expire),
            Unmeasured::NoEndDecided { because: no_end(expire) },
        ),
        (terms.expects.reauths && !decides(reauth), Unmeasured::NoReauthDecided { none_met }),
    ];
    known.into_iter().filter_map(|(is_so, why)| is_so.then_some(why)).collect()
}

/// Why no end of a token was decided.
fn no_end(expire: Option<&OperationStats>) -> NoEnd {
    match expire.filter(|expire| expire.count > 0) {
        None => NoEnd::NoneMet,
        Some(expire) if expire.verdicts[Verdict::NotJudged] == expire.count => {
            NoEnd::NothingPromised
        }
        Some(_) => NoEnd::AllLeft,
    }
}

/// What this program itself could not do, whatever the answers were.
fn of_harness(summary: &Summary, terms: Terms) -> impl Iterator<Item = Unmeasured> {
    let is_limited = summary.validity.verdict == Validity::GeneratorLimited;
    let workers = summary.validity.missing_workers;
    let limited = (terms.is_strict && is_limited).then_some(Unmeasured::GeneratorLimited);
    let missing = (workers > 0).then_some(Unmeasured::WorkersMissing { workers });
    [limited, missing].into_iter().flatten()
}

/// What the cells of a matrix came to.
fn of_cells(matrix: &Matrix, summary: &Summary, failed: &mut Vec<Failure>) -> Vec<Unmeasured> {
    let is_judged = is_judged(matrix);
    if matrix.state == State::AcceptsAll {
        failed.push(Failure::LetsEverybodyIn);
    }
    let new = wrong(matrix, Cell::is_new);
    failed.extend(new.map(|Known { verdict, count, tokens }| Failure::Wrong {
        verdict,
        count,
        tokens,
    }));
    if !matrix.fetches.is_empty() {
        let mut tokens: Vec<String> =
            matrix.fetches.iter().map(|fetch| fetch.defect.clone()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        failed.push(Failure::HeaderFollowed { tokens });
    }
    let edges = summary.by_token.get(PROBE).map_or(0, |part| part.verdicts[Verdict::FalseAccept]);
    if edges > 0 {
        failed.push(Failure::EdgeAccepted { count: edges });
    }
    if is_judged { Vec::new() } else { vec![Unmeasured::NothingJudged] }
}

/// Whether the cells of a matrix say something of the broker.
fn is_judged(matrix: &Matrix) -> bool {
    // Good tokens alone say nothing about bad ones.
    let must_refuse = matrix.cells.iter().any(|cell| cell.expected == Expected::Refuse);
    matrix.state != State::Silent
        && matrix.cells.iter().any(|cell| cell.verdict.is_judged())
        && !(must_refuse && matrix.is_mostly_mute())
}

/// What is wrong in a matrix and was known before.
fn known(matrix: &Matrix) -> Vec<Known> {
    wrong(matrix, Cell::is_known).collect()
}

/// The wrong verdicts of cells that are wanted, each with its kinds of token; none of a broker whose single cells say nothing.
fn wrong(matrix: &Matrix, is_wanted: fn(&Cell) -> bool) -> impl Iterator<Item = Known> {
    // Who lets nobody in, or does not answer, is not blamed for single refusals.
    let is_mute = matches!(matrix.state, State::RefusesAll | State::Silent) && !is_judged(matrix);
    let is_told = matrix.state != State::AcceptsAll && !is_mute;
    let of = move |verdict: Verdict| {
        let tokens = matrix.kinds(|cell| cell.verdict == verdict && is_wanted(cell));
        Known { verdict, count: tokens.len() as u64, tokens }
    };
    Verdict::WRONG.into_iter().filter(move |_| is_told).map(of).filter(|found| found.count > 0)
}

/// What came of a search, or of several in a sweep.
enum Searched {
    /// A rate; or there was no search.
    Found,
    /// That the objectives hold at no rate.
    Nothing,
    /// No answer: it ended before, or what the generator could not do says nothing of the broker.
    Open,
}

fn searched(summary: &Summary) -> Searched {
    if let Some(capacity) = &summary.capacity {
        return match (&capacity.ended, capacity.per_s, capacity.limited_by) {
            (Some(_), ..) | (None, None, LimitedBy::Generator) => Searched::Open,
            (None, None, _) => Searched::Nothing,
            (None, Some(_), _) => Searched::Found,
        };
    }
    let searches = || summary.sweep.iter().filter(|run| run.capacity_limited_by.is_some());
    if searches().next().is_none() || searches().any(|search| search.capacity_per_s.is_some()) {
        return Searched::Found;
    }
    // One search whose objectives do not hold at the lowest rate is an answer; one that ended is none.
    let is_answer = searches().any(|search| {
        search.capacity_ended.is_none() && search.capacity_limited_by == Some(LimitedBy::Broker)
    });
    if is_answer { Searched::Nothing } else { Searched::Open }
}

fn has_no_keys(summary: &Summary) -> bool {
    summary.key_sets.values().any(|set| set.fetched == 0)
}

/// Whether no answer says anything of a token, or none of a good one.
fn is_all(why: &Unmeasured) -> bool {
    use Unmeasured::{NoKeys, NothingGood, NothingJudged, NothingPromised};
    matches!(why, NoKeys | NothingJudged | NothingGood { .. } | NothingPromised)
}

fn tone(
    summary: &Summary,
    matrix: Option<&Matrix>,
    (failed, unmeasured): (&[Failure], &[Unmeasured]),
    known: &[Known],
) -> Tone {
    let is_trusted =
        summary.validity.verdict == Validity::Valid && !summary.interrupted && !summary.partial;
    let is_reserved = !known.is_empty()
        || matrix.is_some_and(|it| it.is_remarkable() || it.cells.iter().any(Cell::is_weak));
    if !failed.is_empty() {
        Tone::Bad
    } else if unmeasured.is_empty() && is_trusted && !is_reserved {
        Tone::Good
    } else {
        Tone::Warn
    }
}

fn conclusion(
    summary: &Summary,
    matrix: Option<&Matrix>,
    (failed, unmeasured): (&[Failure], &[Unmeasured]),
    tone: Tone,
) -> Conclusion {
    let is_mild =
        |failure: &Failure| matches!(failure, Failure::Wrong { .. }) && !failure.is_of_security();
    match tone {
        Tone::Bad if failed.iter().all(is_mild) => Conclusion::NotAsPromised,
        Tone::Bad => Conclusion::Failed,
        _ if summary.interrupted => Conclusion::Interrupted,
        _ if summary.partial => Conclusion::NotFinished,
        _ if unmeasured.iter().any(is_all) => Conclusion::NothingMeasured,
        _ if matrix.is_some_and(Matrix::says_nothing) => Conclusion::NothingMeasured,
        _ if !unmeasured.is_empty() => Conclusion::Undecided,
        Tone::Warn => Conclusion::WithReservations,
        Tone::Good => Conclusion::AsPromised,
    }
}

#[cfg(test)]
mod tests;
