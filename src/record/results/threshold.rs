//! Thresholds against what was measured.

use super::{
    Jwks,
    series::Difference,
    summary::{Aborted, Judged, Summary, Undecided},
    time::{Percentile, microseconds, percentile},
};
use crate::{
    base::clock::{SECOND, nanoseconds},
    client::{attempt::Phase, verdict::Verdict},
    plan::{
        Plan,
        threshold::{Aggregate, Comparison, Subject, TIMES, Threshold},
    },
    record::measure::{Measurements, Tally},
};

/// Judges thresholds of a plan.
///
/// A percentile among the unfinished fails its threshold, whatever that is: nobody knows how long
/// they would have taken. Where nothing was measured that a threshold speaks of, it can't tell.
pub fn judge(
    thresholds: &[Threshold],
    plan: &Plan,
    all: &Measurements,
    summary: &Summary,
    timeout: u64,
) -> Vec<Judged> {
    let tallies = all.tallies();
    thresholds
        .iter()
        .map(|threshold| {
            let observed = observed(plan, all, &tallies, summary, threshold, timeout);
            let holds = |number| threshold.comparison.holds(number, threshold.bound);
            let passed = observed.as_ref().map(|observed| observed.number().is_some_and(holds));
            let is_limited = summary.validity.verdict == "generator_limited";
            let undecided = match passed {
                Some(passed) if is_limited && hangs(threshold, passed) => {
                    Some(Undecided::GeneratorLimited)
                }
                None if !summary.partial && is_of_change(threshold) => {
                    Some(Undecided::NeverHappened)
                }
                _ => None,
            };
            Judged {
                metric: threshold.metric.clone(),
                condition: threshold.condition.clone(),
                observed,
                passed: passed.filter(|_| undecided.is_none()),
                undecided,
            }
        })
        .collect()
}

/// Whether a threshold bounds the time of a change of keys.
fn is_of_change(threshold: &Threshold) -> bool {
    let is_time = |name: &str| name.starts_with("jwks.") && TIMES.contains(&name);
    matches!(&threshold.subject, Subject::Value(name) if is_time(name))
}

/// Whether the lateness of a generator may have decided a threshold: it only adds to times. A time that is short enough is
/// short enough all the same, and one that was to be long and is short, too short.
fn hangs(threshold: &Threshold, passed: bool) -> bool {
    threshold.is_of_time()
        && match threshold.comparison {
            Comparison::Less | Comparison::LessOrEqual => !passed,
            Comparison::Greater | Comparison::GreaterOrEqual => passed,
            Comparison::Equal | Comparison::NotEqual => true,
        }
}

/// Takes back what a run can't tell that a part of was lost; a count that is too high already stays too high.
pub fn without_a_share(thresholds: &[Threshold], judged: &mut [Judged]) {
    for (threshold, judged) in thresholds.iter().zip(judged) {
        let is_bounded = matches!(
            threshold.comparison,
            Comparison::Less | Comparison::LessOrEqual | Comparison::Equal
        );
        let is_above =
            matches!(judged.observed, Some(Percentile::Number(seen)) if seen > threshold.bound);
        let is_certain = threshold.aggregate == Aggregate::Count && is_bounded && is_above;
        if !(is_certain && judged.passed == Some(false)) {
            judged.passed = None;
        }
    }
}

/// The first threshold that has failed after its grace and ends the run, by a summary as of the end of a second;
/// `judged` are the thresholds of the plan, in their order.
pub fn ends_run(thresholds: &[Threshold], judged: &[Judged], second: u64) -> Option<Aborted> {
    let so_far = (second + 1) * SECOND;
    let is_over = |threshold: &Threshold| {
        threshold.abort_after.is_some_and(|grace| so_far >= nanoseconds(grace))
    };
    let mut failed =
        thresholds.iter().zip(judged).filter(|(_, judged)| judged.passed == Some(false));
    let (_, judged) = failed.find(|(threshold, _)| is_over(threshold))?;
    Some(Aborted {
        metric: judged.metric.clone(),
        condition: judged.condition.clone(),
        observed: judged.observed.clone(),
        second,
        run: None,
    })
}

fn observed(
    plan: &Plan,
    all: &Measurements,
    tallies: &[(Tally, u64)],
    summary: &Summary,
    threshold: &Threshold,
    timeout: u64,
) -> Option<Percentile> {
    let kind = threshold
        .token
        .as_ref()
        .and_then(|name| plan.mould.kinds.iter().position(|kind| kind.label == *name));
    let broker = threshold
        .broker
        .as_ref()
        .and_then(|name| plan.brokers.iter().position(|broker| broker.label == *name));
    let chosen = |tally: &Tally| {
        kind.is_none_or(|kind| kind == tally.kind)
            && broker.is_none_or(|broker| broker == tally.broker)
    };
    let attempts: u64 =
        tallies.iter().filter(|(tally, _)| chosen(tally)).map(|(_, count)| count).sum();
    let counted = |is_it: &dyn Fn(&Tally) -> bool| {
        let count: u64 = tallies
            .iter()
            .filter(|(tally, _)| chosen(tally) && is_it(tally))
            .map(|(_, count)| count)
            .sum();
        match threshold.aggregate {
            _ if attempts == 0 => None,
            Aggregate::Rate => Some(Percentile::Number(count as f64 / attempts as f64)),
            _ => Some(Percentile::Number(count as f64)),
        }
    };
    match &threshold.subject {
        // Where nothing was judged, nothing was judged wrongly either: that tells nothing.
        Subject::Verdict(name)
            if *name != Verdict::NotJudged.name()
                && !tallies
                    .iter()
                    .any(|(tally, _)| chosen(tally) && tally.verdict != Verdict::NotJudged) =>
        {
            None
        }
        // What an event of the run had deprived of its broker is left out.
        Subject::Verdict(_) if threshold.is_default => {
            let (count, of) = all.not_judged(|kind| !plan.is_aside(kind));
            let (count, of) =
                (count.saturating_sub(summary.excused), of.saturating_sub(summary.excused));
            (of > 0).then(|| Percentile::Number(count as f64 / of as f64))
        }
        Subject::Verdict(name) => counted(&|tally| tally.verdict.name() == name),
        Subject::Outcome(name) => counted(&|tally| tally.outcome.name() == name),
        Subject::Value(name) => value(summary, name),
        Subject::Phase(name) => {
            let phase = Phase::ALL.into_iter().find(|phase| phase.name() == name)?;
            let latency = all.latency(phase, kind, broker, None);
            if threshold.aggregate == Aggregate::Count {
                return Some(Percentile::Number(latency.count() as f64));
            }
            if latency.is_empty() {
                return None;
            }
            Some(match threshold.aggregate {
                Aggregate::Min => latency.least().map_or_else(
                    || percentile(&latency, 0.0, timeout),
                    |least| Percentile::Number(microseconds(least as f64)),
                ),
                // A mean without those that never came back would flatter: it is beyond as soon as one is missing.
                Aggregate::Mean if latency.unfinished == 0 => {
                    Percentile::Number(microseconds(latency.mean()?))
                }
                Aggregate::Percentile(percent) => percentile(&latency, percent, timeout),
                _ => percentile(&latency, 100.0, timeout),
            })
        }
    }
}

fn value(summary: &Summary, name: &str) -> Option<Percentile> {
    if let Some(name) = name.strip_prefix("jwks.") {
        return of_keys(summary.jwks.as_ref()?, name);
    }
    Some(Percentile::Number(match name {
        "attempts" => summary.attempts as f64,
        "throughput.verdicts_per_s" => summary.throughput.verdicts_per_s,
        "throughput.offered_per_s" => summary.throughput.offered_per_s?,
        "oauth.requests" => summary.oauth.as_ref()?.requests as f64,
        "oauth.retries" => summary.oauth.as_ref()?.retries as f64,
        "oauth.failed" => summary.oauth.as_ref()?.failed as f64,
        "oauth.without_expiry" => summary.oauth.as_ref()?.without_expiry as f64,
        "sessions.held" => summary.sessions.held as f64,
        "tls.resumed_share" => summary.tls.as_ref()?.resumed_share,
        "sessions.dropped" => summary.sessions.dropped as f64,
        "capacity.per_s" => summary.capacity.as_ref()?.per_s?,
        "capacity.low_per_s" => summary.capacity.as_ref()?.low_per_s?,
        "capacity.high_per_s" => summary.capacity.as_ref()?.high_per_s?,
        "control.connack" => cost(summary)?.connack_p50_us?.mean,
        "control.cpu_us_per_verdict" => cost(summary)?.broker_cpu_us_per_verdict?.mean,
        "monitor.cpu_us_per_verdict" => summary.monitor.as_ref()?.broker.cpu_us_per_verdict?,
        "monitor.bytes_per_connection" => summary.monitor.as_ref()?.broker.bytes_per_connection?,
        "monitor.rss_drift_bytes_per_h" => summary.monitor.as_ref()?.broker.rss_drift_bytes_per_h?,
        "monitor.harness_rss_drift_bytes_per_h" => {
            summary.monitor.as_ref()?.harness.rss_drift_bytes_per_h?
        }
        "monitor.connack_drift_per_h" => summary.monitor.as_ref()?.connack_drift_us_per_h?,
        "yardstick.broker_share" => summary.yardstick.as_ref()?.broker_share?,
        "generator.cpu_us_per_attempt" => summary.generator.cpu_us_per_attempt,
        "generator.cpu_s" => summary.generator.cpu_s,
        "generator.tokens_minted_per_s" => summary.generator.tokens_minted_per_s,
        _ => return None,
    }))
}

/// What a token of one's own costs more than none.
fn cost(summary: &Summary) -> Option<&Difference> {
    summary.control.as_ref()?.differences.get("unique - without")
}

fn of_keys(jwks: &Jwks, name: &str) -> Option<Percentile> {
    Some(Percentile::Number(match name {
        "time_to_accept_new_key" => return jwks.time_to_accept_new_key_us.clone(),
        "time_to_refuse_old_key" => return jwks.time_to_refuse_old_key_us.clone(),
        "brokers_apart" => return jwks.brokers_apart_us.clone(),
        "good_tokens_refused" => jwks.good_tokens_refused as f64,
        "good_tokens_refused_share" => jwks.good_tokens_refused_share,
        "fetches" => jwks.fetches as f64,
        "fetches_per_1000_connects" => jwks.fetches_per_1000_connects,
        "flips" => jwks.flips as f64,
        // Where no bad token was sent meanwhile nobody knows.
        "accepted_while_away"
            if jwks.outages.iter().any(|outage| outage.bad_accepted + outage.bad_refused > 0) =>
        {
            jwks.accepted_while_away as f64
        }
        "refused_while_away_share" => jwks.refused_while_away_share?,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failure_ends_the_run_only_where_it_is_to_and_after_its_grace() {
        let threshold = |condition: &str, after: Option<u64>| {
            let parsed = Threshold::parse("thresholds", "connack", condition, &[], &[]).unwrap();
            parsed.aborting(after.map(Duration::from_secs)).unwrap()
        };
        let judged = |condition: &str, passed| Judged {
            metric: "connack".into(),
            condition: condition.into(),
            observed: Some(Percentile::Number(9.0)),
            passed,
            undecided: None,
        };
        let (first, second, third) = ("p50 < 1us", "p90 < 1us", "p99 < 1us");
        let thresholds =
            [threshold(first, None), threshold(second, Some(3)), threshold(third, Some(0))];
        let ended = |passed: [Option<bool>; 3], at| {
            let all = [first, second, third].into_iter().zip(passed);
            let all: Vec<Judged> = all.map(|(text, passed)| judged(text, passed)).collect();
            ends_run(&thresholds, &all, at).map(|aborted| aborted.condition)
        };
        let (held, failed) = (Some(true), Some(false));
        assert_eq!(ended([failed, held, held], 9), None, "it is not to end the run");
        assert_eq!(ended([held, failed, held], 1), None, "two of three seconds are over");
        assert_eq!(ended([held, failed, held], 2).as_deref(), Some(second));
        assert_eq!(ended([held, held, failed], 0).as_deref(), Some(third));
        assert_eq!(ended([held, None, None], 9), None, "what can't tell does not fail");
    }
}
