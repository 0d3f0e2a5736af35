//! The numbers of one run for github-action-benchmark, tool `customSmallerIsBetter`: a list of name, unit and value.

use serde_json::{Value, json};

use crate::{
    base::words::{Phase, Verdict},
    record::results::{Percentile, Summary},
};

/// Phases that a history is kept of.
const KEPT: [Phase; 3] = [Phase::Connack, Phase::Connect, Phase::Response];

/// The entries of a run. Rates are turned into the time that one takes, so that less is better there as well; a time that
/// was not measured has no entry.
pub(super) fn entries(summary: &Summary) -> Vec<Value> {
    let mut all = Vec::new();
    let mut say = |name: String, unit: &str, value: f64| {
        all.push(json!({ "name": format!("{}: {name}", summary.scenario), "unit": unit, "value": value }));
    };
    for phase in KEPT {
        let Some(stats) = summary.phases.get(&phase) else { continue };
        for (name, time) in [("p50", &stats.p50_us), ("p99", &stats.p99_us)] {
            if let Percentile::Number(us) = time {
                say(format!("{}.{name}", phase.name()), "us", *us);
            }
        }
    }
    let rate = summary.throughput.verdicts_per_s;
    if rate > 0.0 {
        say("verdicts (time of one)".to_owned(), "us", 1e6 / rate);
    }
    for verdict in Verdict::WRONG {
        say(format!("verdict.{}", verdict.name()), "attempts", summary.verdicts[verdict] as f64);
    }
    all
}
