//! Thresholds against what was measured.

use super::{
    judged::{Aborted, Judged, Undecided},
    series::Difference,
    summary::Summary,
    time::{Percentile, microseconds, percentile_of},
};
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        words::{Metric, Operation, Validity, Verdict},
    },
    plan::{
        Plan,
        threshold::{Aggregate, Comparison, Subject, Threshold},
    },
    record::measure::{Measurements, Tally, operations::OperationTally, sum},
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
) -> Vec<Judged> {
    let tallies = all.tallies();
    thresholds
        .iter()
        .map(|threshold| {
            let observed = observed(plan, all, &tallies, summary, threshold);
            let holds = |number| threshold.comparison.holds(number, threshold.bound);
            let passed = observed.as_ref().map(|observed| observed.number().is_some_and(holds));
            let is_limited = summary.validity.verdict == Validity::GeneratorLimited;
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
    matches!(threshold.subject, Subject::Value(metric) if metric.is_of_change())
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
    let mut failed =
        thresholds.iter().zip(judged).filter(|(_, judged)| judged.passed == Some(false));
    let (_, judged) = failed.find(|(threshold, _)| {
        threshold.abort_after.is_some_and(|grace| so_far >= nanoseconds(grace))
    })?;
    Some(Aborted {
        metric: judged.metric.clone(),
        condition: judged.condition.clone(),
        observed: judged.observed,
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
) -> Option<Percentile> {
    let (token, broker) = (threshold.token.as_ref(), threshold.broker.as_ref());
    let kind = token.and_then(|name| plan.mould.kinds.iter().position(|it| it.label == *name));
    let broker = broker.and_then(|name| plan.brokers.iter().position(|it| it.label == *name));
    let chosen = |tally: &Tally| {
        kind.is_none_or(|kind| kind == tally.kind)
            && broker.is_none_or(|broker| broker == tally.broker)
    };
    let attempts = sum(tallies, chosen);
    let counted = |is_it: &dyn Fn(&Tally) -> bool| {
        let count = sum(tallies, |tally| chosen(tally) && is_it(tally));
        match threshold.aggregate {
            _ if attempts == 0 => None,
            Aggregate::Rate => Some(Percentile::Number(count as f64 / attempts as f64)),
            _ => Some(Percentile::Number(count as f64)),
        }
    };
    match threshold.subject {
        // Where nothing was judged, nothing was judged wrongly either: that tells nothing.
        Subject::Verdict(verdict)
            if verdict != Verdict::NotJudged
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
        Subject::Verdict(verdict) => counted(&|tally| tally.verdict == verdict),
        Subject::Outcome(kind) => counted(&|tally| tally.outcome.kind() == kind),
        Subject::OperationOutcome(operation, outcome) => {
            of_operations(all, operation, threshold, (kind, broker), |it| it.outcome == outcome)
        }
        Subject::OperationVerdict(operation, verdict) => {
            of_operations(all, operation, threshold, (kind, broker), |it| it.verdict == verdict)
        }
        Subject::Value(metric) => value(summary, metric),
        Subject::Phase(phase) => {
            let latency = all.latency(phase, kind, broker, None);
            if threshold.aggregate == Aggregate::Count {
                return Some(Percentile::Number(latency.count() as f64));
            }
            let percent = match (threshold.aggregate, latency.least()) {
                (Aggregate::Min, Some(least)) => {
                    return Some(Percentile::Number(microseconds(least as f64)));
                }
                (Aggregate::Min, None) => 0.0,
                // A mean without those that never came back would flatter: it is beyond as soon as one is missing.
                (Aggregate::Mean, _) if latency.unfinished == 0 => {
                    return Some(Percentile::Number(microseconds(latency.mean()?)));
                }
                (Aggregate::Percentile(percent), _) => percent,
                _ => 100.0,
            };
            percentile_of(&latency, percent, plan.limit(phase))
        }
    }
}

/// How many operations are wanted, or their share of all of that operation; `None` where there was none.
fn of_operations(
    all: &Measurements,
    operation: Operation,
    threshold: &Threshold,
    (kind, broker): (Option<usize>, Option<usize>),
    is_wanted: impl Fn(&OperationTally) -> bool,
) -> Option<Percentile> {
    let (mut wanted, mut sum) = (0, 0);
    for (tally, count) in all.operation_tallies() {
        let is_chosen = tally.operation == operation
            && kind.is_none_or(|kind| kind == tally.kind)
            && broker.is_none_or(|broker| broker == tally.broker);
        sum += if is_chosen { count } else { 0 };
        wanted += if is_chosen && is_wanted(&tally) { count } else { 0 };
    }
    (sum > 0).then(|| match threshold.aggregate {
        Aggregate::Rate => Percentile::Number(wanted as f64 / sum as f64),
        _ => Percentile::Number(wanted as f64),
    })
}

/// A number of a summary; `None` where the run has no such number.
fn value(summary: &Summary, metric: Metric) -> Option<Percentile> {
    let throughput = &summary.throughput;
    let (oauth, monitor) = (summary.oauth.as_ref(), summary.monitor.as_ref());
    let (capacity, jwks) = (summary.capacity.as_ref(), summary.jwks.as_ref());
    Some(Percentile::Number(match metric {
        Metric::Attempts => summary.attempts as f64,
        Metric::VerdictsPerS => throughput.verdicts_per_s,
        Metric::OfferedPerS => throughput.offered_per_s?,
        Metric::OauthRequests => oauth?.requests as f64,
        Metric::OauthRetries => oauth?.retries as f64,
        Metric::OauthFailed => oauth?.failed as f64,
        Metric::OauthWithoutExpiry => oauth?.without_expiry as f64,
        Metric::SessionsHeld => summary.sessions.held as f64,
        Metric::SessionsDropped => summary.sessions.dropped as f64,
        Metric::LifetimeExpired => summary.lifetime.expired as f64,
        Metric::LifetimeEnforced => summary.lifetime.enforced as f64,
        Metric::LifetimeEndedEarly => summary.lifetime.ended_early as f64,
        Metric::LifetimeOutlived => summary.lifetime.outlived as f64,
        Metric::LifetimeUndecided => summary.lifetime.undecided as f64,
        Metric::RenewalsCount => summary.renewals.count as f64,
        Metric::RenewalsLate => summary.renewals.late as f64,
        Metric::RenewalsFailed => summary.renewals.failed as f64,
        Metric::RenewalsTokenFailed => summary.renewals.token_failed as f64,
        Metric::RenewalsAtHalfLife => summary.renewals.at_half_life as f64,
        Metric::ReturnsDrops => summary.returns.drops as f64,
        Metric::ReturnsAttempts => summary.returns.attempts as f64,
        Metric::ReturnsBack => summary.returns.back as f64,
        Metric::ReturnsGaveUp => summary.returns.gave_up as f64,
        Metric::ReturnsStillAway => summary.returns.still_away as f64,
        Metric::UntilHalfBack => return until_back(summary, summary.returns.until_half_back_us),
        Metric::Until99Back => return until_back(summary, summary.returns.until_99_back_us),
        Metric::ReturnsCpu => summary.returns.cpu_us_per_attempt?,
        Metric::TlsResumedShare => summary.tls.as_ref()?.resumed_share,
        Metric::CapacityPerS => capacity?.per_s?,
        Metric::CapacityLowPerS => capacity?.low_per_s?,
        Metric::CapacityHighPerS => capacity?.high_per_s?,
        Metric::ControlConnack => cost(summary)?.connack_p50_us?.mean,
        Metric::ControlCpuPerVerdict => cost(summary)?.broker_cpu_us_per_verdict?.mean,
        Metric::CpuPerVerdict => monitor?.broker.cpu_us_per_verdict?,
        Metric::BytesPerConnection => monitor?.broker.bytes_per_connection?,
        Metric::RssDrift => monitor?.broker.rss_drift_bytes_per_h?,
        Metric::HarnessRssDrift => monitor?.harness.rss_drift_bytes_per_h?,
        Metric::ConnackDrift => monitor?.connack_drift_us_per_h?,
        Metric::BrokerShare => summary.yardstick.as_ref()?.broker_share?,
        Metric::GeneratorCpuPerAttempt => summary.generator.cpu_us_per_attempt,
        Metric::GeneratorCpu => summary.generator.cpu_s,
        Metric::TokensMintedPerS => summary.generator.tokens_minted_per_s,
        Metric::NewKey => return jwks?.time_to_accept_new_key_us,
        Metric::OldKey => return jwks?.time_to_refuse_old_key_us,
        Metric::BrokersApart => return jwks?.brokers_apart_us,
        Metric::GoodRefused => jwks?.good_tokens_refused as f64,
        Metric::GoodRefusedShare => jwks?.good_tokens_refused_share,
        Metric::KeySetFetches => jwks?.fetches as f64,
        Metric::FetchesPer1000 => jwks?.fetches_per_1000_connects,
        Metric::Flips => jwks?.flips as f64,
        // Where no bad token was sent meanwhile nobody knows.
        Metric::AcceptedWhileAway => {
            let mut outages = jwks?.outages.iter();
            let is_known = outages.any(|outage| outage.bad_accepted + outage.bad_refused > 0);
            jwks.filter(|_| is_known)?.accepted_while_away as f64
        }
        Metric::RefusedWhileAway => jwks?.refused_while_away_share?,
    }))
}

/// A time until clients were back; where that never was, it took longer than the run.
fn until_back(summary: &Summary, time: Option<f64>) -> Option<Percentile> {
    let never = || Percentile::Unanswered(summary.duration_s * 1e6);
    (summary.returns.drops > 0).then(|| time.map_or_else(never, Percentile::Number))
}

/// What a token of one's own costs more than none.
fn cost(summary: &Summary) -> Option<&Difference> {
    summary.control.as_ref()?.differences.get("unique - without")
}

#[cfg(test)]
mod tests;
