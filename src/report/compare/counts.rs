//! What is counted, not timed: verdicts, and how often brokers went away. A new false accept needs no statistics.

use std::collections::BTreeSet;

use super::{Compared, Design, GONE, Role, Rule, Seen, Verdict, record::Side, thresholds::Source};
use crate::{base::words, record::results::Summary};

/// By how much more of all attempts may be left unjudged before times are no longer compared.
const LITTLE: f64 = 0.01;
/// By how much more in every run is a finding of its own.
const MUCH: f64 = 0.1;

/// Every count of verdicts, by token kind and in all, that is not 0 on both sides.
pub(super) fn verdicts(
    before: &[Summary],
    after: &[Summary],
    design: Design,
    rule: &Rule,
) -> Vec<Compared> {
    let mut kinds: BTreeSet<Option<&String>> = [None].into();
    kinds.extend(before.iter().chain(after).flat_map(|summary| summary.by_token.keys()).map(Some));
    let mut all = Vec::new();
    for kind in kinds {
        for verdict in words::Verdict::ALL {
            let count = |summary: &Summary| {
                let counts = match kind {
                    None => Some((&summary.verdicts, summary.attempts)),
                    Some(kind) => {
                        summary.by_token.get(kind).map(|part| (&part.verdicts, part.attempts))
                    }
                };
                let (counts, attempts) = counts?;
                Some((counts[verdict], attempts))
            };
            let tag = kind.map(|kind| format!("{{token:{kind}}}")).unwrap_or_default();
            let counted = |runs: &[Summary]| -> Vec<(u64, u64)> {
                runs.iter().map(|run| count(run).unwrap_or_default()).collect()
            };
            let metric = format!("verdict.{verdict}{tag}");
            all.extend(compared(metric, verdict, &counted(before), &counted(after), design, rule));
        }
    }
    all
}

/// The same of operations of connected clients, where there were any: a connection that outlives its token in one build and
/// did not in the other needs no statistics either.
pub(super) fn operations(
    before: &[Summary],
    after: &[Summary],
    design: Design,
    rule: &Rule,
) -> Vec<Compared> {
    let mut all = Vec::new();
    for operation in words::Operation::OF_SESSIONS {
        let counts = |runs: &[Summary], verdict| -> Vec<(u64, u64)> {
            let of = |run: &Summary| {
                let stats = run.operations.get(&operation)?;
                Some((stats.verdicts[verdict], stats.count))
            };
            runs.iter().map(|run| of(run).unwrap_or_default()).collect()
        };
        let has_any = |runs: &[Summary]| {
            runs.iter().any(|run| run.operations.get(&operation).is_some_and(|it| it.count > 0))
        };
        if !has_any(before) && !has_any(after) {
            continue;
        }
        for verdict in words::Verdict::ALL {
            let metric = format!("operation.{operation}.{verdict}");
            let (before, after) = (counts(before, verdict), counts(after, verdict));
            let compared = compared(metric, verdict, &before, &after, design, rule);
            all.extend(compared.map(|it| Compared { unit: "operations".into(), ..it }));
        }
    }
    all
}

fn compared(
    metric: String,
    verdict: words::Verdict,
    before: &[(u64, u64)],
    after: &[(u64, u64)],
    design: Design,
    rule: &Rule,
) -> Option<Compared> {
    let counts =
        |runs: &[(u64, u64)]| -> Vec<f64> { runs.iter().map(|(count, _)| *count as f64).collect() };
    let is_none = |runs: &[(u64, u64)]| runs.iter().all(|(count, _)| *count == 0);
    let is_wrong = verdict.is_wrong();
    let is_total = !metric.contains('{');
    // Services that keep a history can only tell of a count that they have known before it went up from 0.
    if is_none(before) && is_none(after) && !(is_wrong && is_total) {
        return None;
    }
    let (role, result, why) = if share(before) == share(after) {
        let role = if is_wrong { Role::Count } else { Role::Reading };
        (role, Verdict::Equivalent, String::new())
    } else if is_wrong && is_none(before) {
        let what = verdict.words();
        (Role::Count, Verdict::Worse, format!("new: the baseline has no {what}"))
    } else if is_wrong && is_none(after) {
        (Role::Count, Verdict::Better, "gone".to_owned())
    } else if verdict == words::Verdict::NotJudged && is_total {
        unjudged(before, after, design)
    } else {
        (Role::Reading, by_runs(verdict, before, after, design, rule), String::new())
    };
    Some(Compared {
        threshold_source: if role == Role::Count { Source::Counted } else { Source::None },
        verdict: result,
        unit: "attempts".into(),
        role,
        why,
        ..counted(metric, counts(before), counts(after))
    })
}

/// What was counted in the runs of both sides, and their means; what that came to is not said yet.
fn counted(metric: String, baseline_runs: Vec<f64>, candidate_runs: Vec<f64>) -> Compared {
    let (baseline, candidate) = (mean(&baseline_runs), mean(&candidate_runs));
    Compared {
        metric,
        baseline: Some(Seen::Number(baseline)),
        candidate: Some(Seen::Number(candidate)),
        change: (baseline > 0.0).then(|| candidate / baseline - 1.0),
        baseline_runs,
        candidate_runs,
        ..Compared::default()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Attempts that could not be judged say nothing of a verifier, and those that were judged are then others than before:
/// times of a candidate that turns half of its clients away are no times of the same work.
fn unjudged(
    before: &[(u64, u64)],
    after: &[(u64, u64)],
    design: Design,
) -> (Role, Verdict, String) {
    let (before, after) = (shares(before), shares(after));
    let more = mean(&after) - mean(&before);
    let most = before.iter().copied().fold(0.0, f64::max);
    if design != Design::Single && after.iter().all(|share| *share > most + MUCH) {
        let why = "every run of the candidate leaves far more unjudged than any of the baseline";
        (Role::Count, Verdict::Worse, why.into())
    } else if more > LITTLE {
        let why = "more of the candidate's attempts could not be judged: its times are those of the others";
        (Role::Count, Verdict::Inconclusive, why.into())
    } else {
        (Role::Reading, Verdict::Equivalent, String::new())
    }
}

/// The share of the attempts of each run.
fn shares(runs: &[(u64, u64)]) -> Vec<f64> {
    runs.iter().map(|(count, attempts)| *count as f64 / (*attempts).max(1) as f64).collect()
}

/// The share of all attempts of a side, in parts of 10^12, so that it can be compared.
fn share(runs: &[(u64, u64)]) -> u64 {
    let (count, attempts) = runs.iter().fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
    (count as f64 / attempts.max(1) as f64 * 1e12) as u64
}

/// Where both sides have some, their shares in each run are compared, for reading: attempts of one run are no independent
/// ones.
fn by_runs(
    verdict: words::Verdict,
    before: &[(u64, u64)],
    after: &[(u64, u64)],
    design: Design,
    rule: &Rule,
) -> Verdict {
    let estimate = design.estimate(&shares(before), &shares(after), rule.alpha, rule.resamples);
    let is_sure = estimate.filter(|estimate| estimate.p <= rule.alpha);
    match (is_sure, verdict) {
        (None, _) | (_, words::Verdict::Indeterminate) => Verdict::Inconclusive,
        (Some(estimate), words::Verdict::Correct) if estimate.log_ratio > 0.0 => Verdict::Better,
        (Some(estimate), words::Verdict::Correct) if estimate.log_ratio < 0.0 => Verdict::Worse,
        (Some(estimate), _) if estimate.log_ratio > 0.0 => Verdict::Worse,
        (Some(estimate), _) if estimate.log_ratio < 0.0 => Verdict::Better,
        _ => Verdict::Inconclusive,
    }
}

/// How often a broker went away by itself: a candidate that does where the baseline did not is worse, whatever it measured.
/// `None` where neither did.
pub(super) fn gone(baseline: &Side, candidate: &Side) -> Option<Compared> {
    let counts = |side: &Side| -> Vec<f64> {
        let lost = std::iter::repeat_n(1.0, side.lost);
        side.runs.iter().map(|run| run.deaths() as f64).chain(lost).collect()
    };
    let (before, after) = (counts(baseline), counts(candidate));
    let (one, other) = (mean(&before) > 0.0, mean(&after) > 0.0);
    let (verdict, why) = match (one, other) {
        (false, false) => return None,
        (false, true) => (Verdict::Worse, "new: no broker of the baseline went away by itself"),
        (true, false) => (Verdict::Better, "gone: no broker of the candidate went away by itself"),
        (true, true) => (Verdict::Inconclusive, "brokers of both sides went away by themselves"),
    };
    Some(Compared {
        threshold_source: Source::Counted,
        verdict,
        unit: "times".into(),
        role: if one && other { Role::Reading } else { Role::Count },
        why: why.into(),
        ..counted(GONE.to_owned(), before, after)
    })
}
