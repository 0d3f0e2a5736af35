//! How a policy has an upgrade to WebSocket refused that brings the token (RFC 6455, 4.2.2; RFC 9110, 15.5).

use serde::{Deserialize, Serialize};

use crate::{
    base::error::{Error, Result},
    scenario::PolicySettings,
};

/// The statuses that say something of a token: 401 (Unauthorized) and 403 (Forbidden).
pub const REFUSALS: [u16; 2] = [401, 403];

/// The statuses that a bad token is refused with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct HttpPolicy(Option<Vec<u16>>);

impl HttpPolicy {
    /// That of a profile with `settings` over it.
    pub(super) fn over(base: &PolicySettings, settings: &PolicySettings) -> Self {
        let statuses =
            |of: &PolicySettings| of.refuses_with.as_ref().and_then(|it| it.http.clone());
        Self(statuses(settings).or_else(|| statuses(base)))
    }

    /// Refuses what no refusal can look like.
    pub(super) fn check(&self) -> Result<()> {
        let statuses = self.statuses();
        if statuses.is_empty() {
            return Err(Error::usage(
                "`policy.refuses_with.http` is empty: no refusal of an upgrade would be right",
            )
            .hint("leave it out for 401 and 403, or name one of them"));
        }
        match statuses.iter().find(|status| !REFUSALS.contains(status)) {
            None => Ok(()),
            Some(status) => Err(Error::usage(format!(
                "`policy.refuses_with.http` holds {status}, but an upgrade is refused for its token by 401 or 403 alone"
            ))
            .hint("any other status says nothing of the token, and the attempt is `ws_failed`")),
        }
    }

    /// The statuses that a bad token is refused with.
    pub fn statuses(&self) -> &[u16] {
        self.0.as_deref().unwrap_or(&REFUSALS)
    }

    /// The statuses as a scenario writes them.
    pub(super) fn written(&self) -> Option<Vec<u16>> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::RefusesWith;

    fn settings(http: Option<Vec<u16>>) -> PolicySettings {
        let refuses_with = RefusesWith { http, ..RefusesWith::default() };
        PolicySettings { refuses_with: Some(refuses_with), ..PolicySettings::default() }
    }

    #[test]
    fn statuses_are_those_of_the_scenario_then_of_the_profile_and_only_401_and_403() {
        let of = |own, below| HttpPolicy::over(&settings(below), &settings(own));
        assert_eq!(of(None, None).statuses(), [401, 403]);
        assert_eq!(of(None, Some(vec![403])).statuses(), [403]);
        assert_eq!(of(Some(vec![401]), Some(vec![403])).statuses(), [401]);
        for wrong in [vec![], vec![400], vec![401, 500]] {
            let error = of(Some(wrong.clone()), None).check().unwrap_err();
            assert!(error.to_string().contains("policy.refuses_with.http"), "{wrong:?}: {error}");
        }
    }
}
