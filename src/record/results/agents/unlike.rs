//! Agents to which something happened that did not happen to the others: their host, or its path to a broker, is the likelier
//! cause, and the run says so before a broker is blamed.

use std::collections::BTreeMap;

use super::Agent;
use crate::base::error::plain::line;

/// Failures of one agent that are told of: fewer may be chance.
const LEAST_FAILED: u64 = 10;
/// How many times as often as those of all others its attempts must have failed.
const TIMES_AS_OFTEN: f64 = 3.0;
/// Answers by which an agent's percentiles are compared: of fewer the 99th is the slowest one.
const LEAST_ANSWERED: u64 = 150;
/// How many times as long as the others' its 99th percentile must be.
const TIMES_AS_LONG: f64 = 3.0;
/// How much longer it must be, in microseconds: below that all hosts differ.
const LONGER_BY_US: f64 = 10_000.0;

/// What is said of agents that are unlike the others, in words.
pub fn reasons(all: &[Agent]) -> Vec<String> {
    let mut times: Vec<f64> = all.iter().filter_map(p99).collect();
    times.sort_by(f64::total_cmp);
    // By broker: attempts and failures of all.
    let mut whole: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for own in all.iter().flat_map(|agent| &agent.failures) {
        let (tried, failed) = whole.entry(&own.broker).or_default();
        (*tried, *failed) = (*tried + own.tried, *failed + own.count);
    }
    let told = |agent: &Agent| [failures(agent, &whole), slowness(agent, &times)];
    all.iter().flat_map(told).flatten().collect()
}

/// That its attempts failed much more often than those of the others at the same broker; of all agents `whole` has attempts and
/// failures at each.
fn failures(agent: &Agent, whole: &BTreeMap<&str, (u64, u64)>) -> Option<String> {
    let places: Vec<String> = agent.failures.iter().filter_map(|own| {
        let (tried, failed) = *whole.get(own.broker.as_str())?;
        let (others, others_failed) = (tried - own.tried, failed - own.count);
        // As if one of the others had failed besides, so that none is not infinitely rarer than some.
        let often = own.count as f64 * others as f64;
        let is_unlike = own.count >= LEAST_FAILED
            && others > 0
            && often > TIMES_AS_OFTEN * (others_failed + 1) as f64 * own.tried as f64;
        let share = own.tried as f64 * 100.0 / tried.max(1) as f64;
        let broker = line(&own.broker);
        is_unlike.then(|| {
            format!(
                "{} of {failed} at `{broker}`, from second {} on, with {share:.1} % of all attempts there",
                own.count, own.since
            )
        })
    }).collect();
    (!places.is_empty()).then(|| {
        format!(
            "agent `{}` on {} had most of the attempts that ended without an answer: {}; its host, or its path there, may be why",
            line(&agent.agent),
            line(&agent.host),
            places.join("; "),
        )
    })
}

/// The 99th percentile of its answers, in microseconds, where there are enough.
fn p99(agent: &Agent) -> Option<f64> {
    let has_enough = agent.accepted + agent.refused >= LEAST_ANSWERED;
    agent.connack_p99_us.as_ref().filter(|_| has_enough)?.number()
}

/// That its answers came much later than those of the others; `times` are the percentiles of all, in their order.
fn slowness(agent: &Agent, times: &[f64]) -> Option<String> {
    let own = p99(agent)?;
    // The median of those that are left without its own.
    let at = times.partition_point(|time| *time < own);
    let middle = times.len().saturating_sub(1) / 2;
    let usual = *times.get(middle + usize::from(at <= middle))?;
    let is_unlike = own > TIMES_AS_LONG * usual && own - usual > LONGER_BY_US;
    is_unlike.then(|| {
        format!(
            "p99 of connack of agent `{}` on {} is {:.1} ms, of the others {:.1} ms: its host, or its path to the brokers, may be why",
            line(&agent.agent),
            line(&agent.host),
            own / 1e3,
            usual / 1e3
        )
    })
}

#[cfg(test)]
mod tests;
