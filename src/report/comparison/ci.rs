//! What the candidate came to, for services that keep a history of their own.

use serde_json::{Map, Value, json};

use super::table::percent;
use crate::report::compare::{Compared, Comparison, Role};

/// For github-action-benchmark, tool `customSmallerIsBetter`: a list of name, unit, value, range and extra. Rates are
/// turned into the time that one takes, so that less is better there as well.
pub(super) fn benchmark(comparison: &Comparison) -> Vec<Value> {
    let mut entries = Vec::new();
    for (metric, value) in told(comparison) {
        let (name, unit, value, runs) = match metric.unit.as_str() {
            "per_s" => (
                format!("{} (time of one)", metric.metric),
                "us",
                1e6 / value,
                metric.candidate_runs.iter().map(|rate| 1e6 / rate).collect(),
            ),
            unit => (metric.metric.clone(), unit, value, metric.candidate_runs.clone()),
        };
        entries.push(json!({
            "name": format!("{}: {name}", comparison.scenario),
            "unit": unit,
            "value": value,
            "range": format!("± {:.3}", half_range(&runs)),
            "extra": format!(
                "{} against the baseline of this comparison: {}",
                percent(metric.change),
                metric.verdict.name()
            ),
        }));
    }
    entries
}

/// For Bencher, in its metric format: benchmark, measure, value with its bounds. Times are in nanoseconds, as its built-in
/// measure `latency` has them, rates in operations a second as `throughput`.
pub(super) fn bencher(comparison: &Comparison) -> Map<String, Value> {
    let mut benchmarks = Map::new();
    for (metric, value) in told(comparison) {
        let (measure, factor) = match metric.unit.as_str() {
            "us" => ("latency", 1000.0),
            "per_s" => ("throughput", 1.0),
            other => (other, 1.0),
        };
        let least = metric.candidate_runs.iter().copied().fold(value, f64::min);
        let most = metric.candidate_runs.iter().copied().fold(value, f64::max);
        let bounds = json!({
            "value": value * factor,
            "lower_value": least * factor,
            "upper_value": most * factor,
        });
        let name = format!("{}: {}", comparison.scenario, metric.metric);
        benchmarks.insert(name, json!({ measure: bounds }));
    }
    benchmarks
}

/// What is told of the candidate, with its numbers.
fn told(comparison: &Comparison) -> impl Iterator<Item = (&Compared, f64)> {
    let told = comparison.metrics.iter().filter(|metric| is_told(metric));
    told.filter_map(|metric| Some((metric, metric.candidate.as_ref()?.number()?)))
}

/// What decides, and the wrong verdicts; a history of everything would bury them.
fn is_told(metric: &Compared) -> bool {
    let is_total = !metric.metric.contains('{');
    match metric.role {
        Role::Gate => true,
        Role::Count => is_total && metric.unit == "attempts",
        Role::Reading => false,
    }
}

/// Half of what runs are apart.
fn half_range(runs: &[f64]) -> f64 {
    let least = runs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most > least { (most - least) / 2.0 } else { 0.0 }
}
