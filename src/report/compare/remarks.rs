//! What is worth knowing of a comparison beside its numbers.

use super::{Compared, Design, GONE, Role, Rule, statistics::least_p, thresholds::Source};

/// Thresholds from history that are wider have to be told.
const WIDE: f64 = 0.25;

/// What a threshold from history lets pass, where that is much.
pub(super) fn wide(metric: &Compared) -> Option<String> {
    let threshold = metric.threshold.filter(|threshold| *threshold > WIDE)?;
    let is_asked = metric.threshold_source == Source::Asked;
    (metric.role == Role::Gate && !is_asked).then(|| {
        format!(
            "the threshold of {} is {:.0} % ({}): they differ so much among each other that little would be found; results of several runs each differ less",
            metric.metric,
            threshold * 100.0,
            metric.threshold_source
        )
    })
}

/// That brokers of both sides went away by themselves: what was measured is then that of the rest of their runs.
pub(super) fn dead(metric: &Compared) -> Option<String> {
    let is_it = metric.metric == GONE && metric.role == Role::Reading;
    let runs = |runs: &[f64]| {
        format!("{} of {}", runs.iter().filter(|count| **count > 0.0).count(), runs.len())
    };
    is_it.then(|| {
        format!(
            "brokers of both sides went away by themselves: in {} runs of the baseline, in {} of the candidate. Nothing \
             follows from that, and what was measured in these runs is that of the rest of them",
            runs(&metric.baseline_runs),
            runs(&metric.candidate_runs)
        )
    })
}

/// Why so few runs can't decide anything; `None` where they can.
pub(super) fn too_few(
    design: Design,
    before: usize,
    after: usize,
    gated: usize,
    rule: &Rule,
) -> Option<String> {
    let gated = gated.max(1) as f64;
    match design {
        Design::Single => Some(
            "one run can't tell a change from chance: two runs of the same build differ as well. Only verdicts that were counted decide here; five runs a side, in a folder each, can decide on times".into(),
        ),
        Design::Unpaired if least_p(before, after) * gated > rule.alpha => Some(format!(
            "{before} runs against {after} can't decide {gated} metrics at an error rate of {}, whatever they measured: five a side can decide six",
            rule.alpha
        )),
        _ => None,
    }
}
