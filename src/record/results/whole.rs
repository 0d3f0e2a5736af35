//! The summary of what was measured, of one run or of a series.

use std::collections::BTreeMap;

use super::{
    Jwks, Summary,
    environment::tool,
    fetches::OAuth,
    monitor::Monitored,
    summary::{FORMAT, Generator, Throughput, Trust},
    tables,
};
use crate::{
    base::error::{Error, Result},
    client::attempt::Phase,
    plan::Plan,
    record::measure::{Count, Measurements},
};

/// What a summary needs beside the measurements.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// All that was seen.
    pub all: &'a Measurements,
    /// From started to CONNACK at most, in nanoseconds.
    pub timeout: u64,
    /// It goes on.
    pub partial: bool,
    /// The user ended it.
    pub interrupted: bool,
    /// RFC 3339.
    pub started_at: String,
    /// In seconds.
    pub duration_s: f64,
    /// Whether the numbers can be trusted.
    pub validity: Trust,
    /// Embedded brokers by label: what verifies tokens in them.
    pub embedded: &'a BTreeMap<String, String>,
    /// What the harness used.
    pub generator: Generator,
    /// Verdicts a second.
    pub throughput: Throughput,
    /// Where tokens were fetched.
    pub oauth: Option<OAuth>,
    /// Where keys came and went.
    pub jwks: Option<Jwks>,
    /// What both sides used.
    pub monitor: Option<Monitored>,
}

impl Frame<'_> {
    /// The summary; its thresholds are not judged yet.
    pub fn summary(self) -> Summary {
        let Self { plan, all, timeout, .. } = self;
        let tallies = all.tallies();
        let (outcomes, verdicts) = tables::counts(&tallies, |_| true);
        let kinds = plan.mould.kinds.iter().enumerate();
        let brokers = plan.brokers.iter().enumerate();
        Summary {
            format: FORMAT,
            partial: self.partial,
            tool: tool(),
            scenario: plan.scenario.name.clone(),
            started_at: self.started_at,
            duration_s: self.duration_s,
            interrupted: self.interrupted,
            aborted: None,
            validity: self.validity,
            ruling: None,
            model: plan.model.name().into(),
            protocol: plan.protocol.into(),
            profile: plan.policy.profile.clone(),
            refusal_delay_s: plan.policy.refusal_delay.as_secs_f64(),
            embedded: self.embedded.clone(),
            clients: all.attempts() + all[Count::Abandoned],
            attempts: all.attempts(),
            abandoned: all[Count::Abandoned],
            excused: 0,
            findings_left_out: 0,
            nothing_good: tables::nothing_good(plan, &tallies),
            nothing_promised: tables::nothing_promised(plan, &tallies),
            outcomes,
            codes: tables::codes(&tallies),
            verdicts,
            phases: tables::phases(|phase| all.latency(phase, None, None, None), timeout),
            by_token: kinds
                .map(|(at, kind)| (kind.label.clone(), tables::token(all, &tallies, at, timeout)))
                .collect(),
            by_broker: brokers
                .map(|(at, broker)| {
                    (broker.label.clone(), tables::broker(all, &tallies, at, timeout))
                })
                .collect(),
            sessions: tables::sessions(all),
            agents: None,
            tls: tables::tls(all, None),
            oauth: self.oauth,
            jwks: self.jwks,
            key_sets: BTreeMap::new(),
            divergent: Vec::new(),
            outages: Vec::new(),
            broker_gone: Vec::new(),
            connection_limit: None,
            broker_checks: 0,
            monitor: self.monitor,
            yardstick: None,
            capacity: None,
            control: None,
            sweep: Vec::new(),
            throughput: self.throughput,
            generator: self.generator,
            thresholds: Vec::new(),
        }
    }
}

/// started = attempts + abandoned, attempts = sum of outcomes = sum of verdicts, and each attempt that
/// was timed entered the phases that all enter; or the numbers are not written.
///
/// # Errors
/// When they do not add up, which would be a bug.
pub fn check_conserved(all: &Measurements, summary: &Summary) -> Result<()> {
    let attempts = summary.attempts;
    let entered = |phase| {
        let latency = all.latency(phase, None, None, None);
        latency.count() + latency.unfinished + all[Count::Untimed]
    };
    for (what, count) in [
        ("outcomes", summary.outcomes.sum()),
        ("verdicts", summary.verdicts.sum()),
        (
            "starts that were not abandoned",
            all[Count::Started].saturating_sub(all[Count::Abandoned]),
        ),
        ("start delays", entered(Phase::StartDelay)),
        ("responses, finished or not", entered(Phase::Response)),
    ] {
        if count != attempts {
            return Err(Error::not_measured(format!(
                "{attempts} attempts, but {count} {what}: this is a bug of tokenstorm"
            ))
            .hint("please report it, with the scenario"));
        }
    }
    Ok(())
}
