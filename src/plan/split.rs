//! The part of a plan that one agent takes.

use super::{
    Model, Plan,
    budget::Budget,
    kinds,
    segment::{Segment, apportioned},
};
use crate::base::{
    error::{Error, Result},
    host::Limits,
};

impl Plan {
    /// The part of this plan that an agent takes, whose host has these limits.
    ///
    /// # Errors
    /// When its load can't be split so, or no source address of the agent reaches a broker.
    pub fn segment(mut self, segment: Segment, limits: &Limits) -> Result<Self> {
        check_splittable(&self)?;
        let index = segment.index;
        self.attempts = segment.count(self.clients);
        if let Model::Closed { concurrency, .. } = &mut self.model {
            let shares = apportioned(u64::from(*concurrency), &segment.weights);
            if let Some(without) = shares.iter().position(|share| *share == 0) {
                return Err(Error::usage(format!(
                    "`load.concurrency` is {concurrency}, of which segment {without} of {} would get nothing",
                    shares.len()
                ))
                .hint("raise `load.concurrency`, or take fewer agents"));
            }
            *concurrency = shares[index] as u32;
        }
        if self.policy.max_connections > 0 {
            // A share of nothing would mean that it is not known.
            let shares = apportioned(self.policy.max_connections, &segment.weights);
            self.policy.max_connections = shares[index].max(1);
        }
        if self.attempts == 0 {
            return Err(Error::usage(format!(
                "segment {index} of {} has none of the {} clients",
                segment.weights.len(),
                self.clients
            ))
            .hint("raise `load.clients` or the rate, or take fewer agents"));
        }
        self.segment = Some(segment);
        let held = kinds::held_share(&self.mould.kinds, &self.policy);
        let schedule = self.schedule();
        self.budget = Budget::resolve(
            &self.scenario,
            &self.model,
            &self.policy,
            (self.attempts, schedule),
            held,
            (&self.brokers, &self.spread, self.workers),
            limits,
        )?
        .at_random(&self.spread, self.workers);
        Ok(self)
    }

    /// The number of the client that attempt `own` of this plan is: another one only in a segment.
    pub fn client(&self, own: u64) -> u64 {
        self.segment.as_ref().map_or(own, |segment| segment.client(own))
    }
}

/// Refuses what can't be split among agents.
///
/// # Errors
/// For what works only within one process: says which key, and what works.
pub fn check_splittable(plan: &Plan) -> Result<()> {
    let scenario = &plan.scenario;
    for (is_given, what, why, way_out) in [
        (
            matches!(plan.model, Model::Preconnect(_)),
            "`load.mode` is `preconnect`",
            "a wave is released by one process",
            "use the open model, or run it without `--agents`",
        ),
        (
            scenario.issuer.is_some(),
            "`[issuer]` is given",
            "which keys brokers can know is known only where the issuer runs",
            "let it run on its own (`tokenstorm issuer`) and leave `[issuer]` out, or run it without `--agents`",
        ),
        (
            plan.rows.is_some(),
            "`token.source` is `file`",
            "its tokens are on this host alone",
            "mint tokens, or run it without `--agents`",
        ),
        (
            plan.issuance.fetching.is_some(),
            "`token.source` is `oauth`",
            "limits and retries of fetches are those of one process",
            "mint tokens, or run it without `--agents`",
        ),
        (
            plan.brokers.iter().any(|broker| broker.is_embedded() && broker.tls),
            "`target.brokers` has an embedded broker behind TLS",
            "its certificate is known only where it was started",
            "use `embedded` or `embedded+ws`, or a broker of your own behind TLS",
        ),
        (
            plan.cells.is_some(),
            "this is a matrix",
            "its cells are few",
            "run it without `--agents`",
        ),
    ] {
        if is_given {
            return Err(
                Error::usage(format!("{what}, which agents can't share: {why}")).hint(way_out)
            );
        }
    }
    Ok(())
}
