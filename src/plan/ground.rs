//! What kinds of token are resolved against: keys, brokers, promises and names, each of which follows from a part of the
//! scenario.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    broker::{self, Broker},
    checks, expiry,
    issuance::{self, Issuance},
    kinds::Context,
    model,
    parts::{algorithms, flattened, load_keys, names_of, policy_of},
    spread::Spread,
    strict, token_file,
};
use crate::{
    base::{error::Result, tls::Tls},
    scenario::{Loaded, Scenario},
    token::{
        key::SigningKey, names::Names, oracle::Expected, policy::Policy, rows::Rows,
        template::Template,
    },
};

/// What stands before a kind of token does; the fields are those of [`super::Plan`].
#[derive(Debug)]
pub(super) struct Ground {
    /// The objectives of a search.
    pub(super) objectives: BTreeMap<String, Vec<String>>,
    pub(super) keys: Vec<SigningKey>,
    pub(super) brokers: Vec<Broker>,
    pub(super) spread: Spread,
    pub(super) tls: Option<Tls>,
    pub(super) policy: Policy,
    pub(super) rows: Option<Arc<Rows>>,
    pub(super) names: Names,
    pub(super) probe_topic: Option<Template>,
    pub(super) issuance: Issuance,
    pub(super) expected: Expected,
    /// What a strict broker would promise.
    pub(super) strict: Policy,
    /// What it would compare claims with.
    pub(super) strictly: Expected,
}

impl Ground {
    /// Resolves it, and narrows a series to its first run.
    ///
    /// # Errors
    /// When a part of the scenario is wrong, or does not go with another.
    pub(super) fn of(
        scenario: &mut Scenario,
        loaded: &Loaded,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let base = loaded.folder();
        let objectives = flattened(scenario)?;
        let keys = load_keys(scenario, base)?;
        let brokers = broker::resolve(&scenario.target, warnings)?;
        let spread = Spread::resolve(&scenario.target)?;
        let tls = broker::tls(&scenario.target, &brokers, base, warnings)?;
        let embedded = brokers.iter().any(Broker::is_embedded);
        let jwks = issuance::jwks(scenario, embedded, warnings)?;
        let algorithms = algorithms(scenario, &keys);
        let policy = policy_of(scenario, base, &brokers, jwks.as_ref(), algorithms.clone())?;
        checks::check_delay(&scenario.load, &policy)?;
        model::check_receive_time(&scenario.load, &brokers)?;
        let rows = token_file::resolve(scenario, loaded, warnings)?;
        let names = names_of(scenario, (&brokers, tls.as_ref()), (&keys, base), rows.as_deref())?;
        let probe_topic = expiry::resolve(scenario, &policy, &names, warnings)?;
        let issuance = Issuance::resolve(scenario, jwks, &keys, &names, base)?;
        let expected = strict::expected(&policy, &scenario.token.claims);
        let (strict, strictly) = strict::strict(scenario, &names, algorithms)?;
        Ok(Self {
            objectives,
            keys,
            brokers,
            spread,
            tls,
            policy,
            rows,
            names,
            probe_topic,
            issuance,
            expected,
            strict,
            strictly,
        })
    }

    /// What kinds of token are resolved against.
    pub(super) fn context<'a>(&'a self, scenario: &'a Scenario) -> Context<'a> {
        Context {
            scenario,
            policy: &self.policy,
            expected: &self.expected,
            strict: &self.strictly,
            keys: &self.keys,
            issuance: &self.issuance,
        }
    }
}
