//! What a scenario's broker could promise: which kinds of token a policy has to refuse, for one policy after another.

use super::{
    cells::{self, Ask},
    ground::Ground,
    kinds::Context,
    strict,
};
use crate::{
    base::error::Result,
    scenario::{Loaded, PolicySettings, Scenario},
    token::{Kind, policy::Policy},
};

/// The kinds of a matrix under policies that are tried.
#[derive(Debug)]
pub struct Promising {
    scenario: Scenario,
    ground: Ground,
}

impl Promising {
    /// Of the broker of a scenario.
    ///
    /// # Errors
    /// As [`super::Plan::matrix`].
    pub fn of(loaded: &Loaded) -> Result<Self> {
        let mut scenario = loaded.scenario.clone();
        cells::prepare(&mut scenario);
        let ground = Ground::of(&mut scenario, loaded, &mut Vec::new())?;
        Ok(Self { scenario, ground })
    }

    /// What a broker promises that checks all that it can with these tokens.
    pub fn strictest(&self) -> PolicySettings {
        self.ground.strict.settings()
    }

    /// The policy of these settings alone, and every kind of a matrix with what it must do with it.
    ///
    /// # Errors
    /// When the settings make no policy.
    pub fn kinds(&self, settings: &PolicySettings) -> Result<(Policy, Vec<Kind>)> {
        let algorithms = self.ground.keys.iter().map(|key| key.algorithm).collect();
        let nothing = PolicySettings::default();
        let policy = Policy::over(String::new(), nothing, settings, algorithms)?;
        let expected = strict::expected(&policy, &self.scenario.token.claims);
        let context =
            Context { policy: &policy, expected: &expected, ..self.ground.context(&self.scenario) };
        let seed = self.scenario.seed;
        let (kinds, _) = cells::resolve(context, &self.ground.strict, &Ask::default(), seed)?;
        Ok((policy, kinds))
    }
}
