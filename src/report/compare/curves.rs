//! Distributions of both sides, for charts: of several runs the median of each percentile.

use serde::{Deserialize, Serialize};

use crate::{
    base::words::Phase,
    record::results::{Percentile, PhaseStats, Summary, trend::median},
};

/// The distribution of a phase on both sides.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Curve {
    /// The phase.
    pub phase: Phase,
    /// The kind of token; `None` for all.
    pub token: Option<String>,
    /// Of the baseline: counts are those of the run that has the fewest, as percentiles are those of runs.
    pub baseline: PhaseStats,
    /// Of the candidate.
    pub candidate: PhaseStats,
}

/// The phases that both sides have, and `connack` by kind of token.
pub(super) fn of(before: &[Summary], after: &[Summary]) -> Vec<Curve> {
    let mut curves = Vec::new();
    let mut add = |phase: Phase, token: Option<&String>| {
        let stats = |runs: &[Summary]| -> Option<PhaseStats> {
            let of_run = |run: &Summary| match token {
                None => run.phases.get(&phase).cloned(),
                Some(kind) => run.by_token.get(kind)?.phases.get(&phase).cloned(),
            };
            middle(&runs.iter().filter_map(of_run).collect::<Vec<_>>())
        };
        if let (Some(baseline), Some(candidate)) = (stats(before), stats(after)) {
            curves.push(Curve { phase, token: token.cloned(), baseline, candidate });
        }
    };
    for phase in Phase::ALL {
        add(phase, None);
    }
    let kinds = before.first().map(|run| &run.by_token);
    for kind in kinds.into_iter().flatten().map(|(kind, _)| kind) {
        add(Phase::Connack, Some(kind));
    }
    curves
}

fn middle(runs: &[PhaseStats]) -> Option<PhaseStats> {
    let least = runs.iter().min_by_key(|run| run.count + run.unfinished)?;
    // Where half of the runs have none, as it lies beyond the timeout, neither has their median.
    let percentile = |of: fn(&PhaseStats) -> Percentile| -> Percentile {
        let beyond = runs.iter().find(|run| of(run).number().is_none()).map(of);
        let mut values: Vec<f64> =
            runs.iter().map(|run| of(run).number().unwrap_or(f64::INFINITY)).collect();
        let middle = median(&mut values);
        match beyond {
            Some(beyond) if middle.is_infinite() => beyond,
            _ => Percentile::Number(middle),
        }
    };
    let optional = |of: fn(&PhaseStats) -> Option<f64>| -> Option<f64> {
        let mut values: Vec<f64> = runs.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(&mut values))
    };
    Some(PhaseStats {
        count: least.count,
        unfinished: least.unfinished,
        min_us: optional(|run| run.min_us),
        mean_us: optional(|run| run.mean_us),
        p50_us: percentile(|run| run.p50_us),
        p90_us: percentile(|run| run.p90_us),
        p95_us: percentile(|run| run.p95_us),
        p99_us: percentile(|run| run.p99_us),
        p999_us: percentile(|run| run.p999_us),
        p9999_us: percentile(|run| run.p9999_us),
        max_us: percentile(|run| run.max_us),
    })
}

#[cfg(test)]
mod tests;
