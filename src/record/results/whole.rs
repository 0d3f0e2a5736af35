//! The summary of what was measured, of one run or of a series.

use super::{
    Summary,
    asked::Asked,
    environment::tool,
    operations::{self, Lifetime},
    summary::FORMAT,
    tables,
    turns::{Renewals, Returns},
};
use crate::{
    base::{
        error::{Error, Result},
        words::Operation,
    },
    client::attempt::Phase,
    plan::Plan,
    record::measure::{Count, Measurements},
};

/// What is told of measurements alone: nothing is judged yet.
pub fn measured(plan: &Plan, all: &Measurements) -> Summary {
    let tallies = all.tallies();
    let (outcomes, verdicts) = tables::counts(&tallies, |_| true);
    let kinds = plan.mould.kinds.iter().enumerate();
    let brokers = plan.brokers.iter().enumerate();
    Summary {
        format: FORMAT,
        tool: tool(),
        scenario: plan.scenario.name.clone(),
        tags: plan.scenario.tags.clone(),
        asked: Asked::of(plan),
        model: plan.model.name().into(),
        protocol: plan.protocol.into(),
        profile: plan.policy.profile.clone(),
        refusal_delay_s: plan.policy.refusal_delay.as_secs_f64(),
        clients: all.clients(),
        attempts: all.attempts(),
        abandoned: all.abandoned(),
        nothing_good: tables::nothing_good(plan, &tallies),
        nothing_promised: tables::nothing_promised(plan, &tallies),
        outcomes,
        codes: tables::codes(&tallies),
        verdicts,
        phases: tables::phases(plan, |phase| all.latency(phase, None, None, None)),
        by_token: kinds
            .map(|(at, kind)| (at, kind, tables::token(plan, all, &tallies, at)))
            .filter(|(at, kind, part)| {
                // What clients only authenticate again with stands behind the mix, and no CONNECT brings it.
                let is_of_mix = *at < plan.scenario.mix.len() || plan.cells.is_some();
                is_of_mix || kind.share > 0.0 || part.attempts > 0
            })
            .map(|(_, kind, part)| (kind.label.clone(), part))
            .collect(),
        by_broker: brokers
            .map(|(at, broker)| (broker.label.clone(), tables::broker(plan, all, &tallies, at)))
            .collect(),
        sessions: tables::sessions(all),
        operations: operations::operations(all),
        lifetime: {
            let lifetime = Lifetime::of(all, None, None);
            let is_denied = lifetime.probe_denied > 0;
            let probe_topic = is_denied.then(|| plan.session().probe_topic);
            Lifetime { probe_topic, ..lifetime }
        },
        renewals: Renewals::of(all),
        auth_challenged: all[Count::AuthChallenged],
        auth_method_missing: all[Count::AuthMethodMissing],
        upgrade_brings_token: plan.mould.names.upgrade_brings_token(),
        tls: tables::tls(all, None),
        ..Summary::default()
    }
}

/// started = attempts + abandoned, attempts = sum of outcomes = sum of verdicts, and each attempt that
/// was timed entered the phases that all enter; or the numbers are not written.
///
/// # Errors
/// When they do not add up, which would be a bug.
pub fn check_conserved(all: &Measurements, summary: &Summary) -> Result<()> {
    let attempts = summary.attempts;
    let Returns { drops, back, gave_up, still_away, .. } = summary.returns;
    // A worker that is missing does not tell what became of its clients.
    if summary.validity.missing_workers == 0 && !summary.returns.adds_up() {
        return Err(Error::not_measured(format!(
            "{drops} connections ended whose clients may come back, but {back} came back, {gave_up} gave up and {still_away} stayed away: this is a bug of tokenstorm"
        ))
        .hint("please report it, with the scenario"));
    }
    let settled = all.settled_operations();
    let ended = |operation: Operation| {
        let own = settled.iter().filter(|(tally, _)| tally.operation == operation);
        own.map(|(_, count)| count).sum::<u64>()
    };
    let reauths = ended(Operation::Reauthenticate) + all[Count::ReauthsAbandoned];
    let asked = summary.renewals.count + summary.renewals.token_failed;
    let begun = all[Count::ReauthsBegun].saturating_sub(all[Count::ReauthsForsaken]);
    if all[Count::ReauthsBegun] > 0
        && summary.validity.missing_workers == 0
        && (reauths != begun || reauths != asked)
    {
        return Err(Error::not_measured(format!(
            "{begun} clients were to authenticate again, {asked} of them with or without a token, but {reauths} of these have an end: this is a bug of tokenstorm"
        ))
        .hint("please report it, with the scenario"));
    }
    let expires = ended(Operation::Expire);
    let timed = |phase| {
        let latency = all.latency(phase, None, None, None);
        latency.count() + latency.unfinished
    };
    let timed = timed(Phase::ExpiryEnforcement) + timed(Phase::ExpiryEarly);
    if timed != expires || summary.lifetime.expired != expires {
        return Err(Error::not_measured(format!(
            "{expires} connections whose token ended, but {timed} of them with a time, and {} told: this is a bug of tokenstorm",
            summary.lifetime.expired
        ))
        .hint("please report it, with the scenario"));
    }
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
