//! What a policy promises of clients that authenticate again on their connection (MQTT 5.0, 4.12.1).

use serde::{Deserialize, Serialize};

use crate::{
    base::error::{Error, Result},
    scenario::{PolicySettings, Reauthentication},
};

/// Not authorized: what a bad token is refused with where nothing else is said.
const NOT_AUTHORIZED: u8 = 0x87;
/// Codes of CONNACK and other packets that no DISCONNECT carries (MQTT 5.0, 2.4): what is below 0x80 is no refusal.
const NOT_OF_DISCONNECT: [u8; 7] = [0x84, 0x85, 0x86, 0x88, 0x8A, 0x91, 0x92];

/// What becomes of clients that authenticate again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ReauthPolicy {
    /// What is promised, if anything is.
    pub promise: Option<Reauthentication>,
    /// The codes that a bad token is refused with, where they are written down.
    codes: Option<Vec<u8>>,
}

impl ReauthPolicy {
    /// That of a profile with `settings` over it.
    pub(super) fn over(base: &PolicySettings, settings: &PolicySettings) -> Self {
        let codes = |of: &PolicySettings| of.refuses_with.as_ref().and_then(|it| it.reauth.clone());
        Self {
            promise: settings.reauthentication.or(base.reauthentication),
            codes: codes(settings).or_else(|| codes(base)),
        }
    }

    /// Refuses what no refusal can look like.
    pub(super) fn check(&self) -> Result<()> {
        let codes = self.codes();
        if codes.is_empty() {
            return Err(Error::usage(
                "`policy.refuses_with.reauth` is empty: no refusal of a token in AUTH would be right",
            )
            .hint("leave it out for 0x87, or name codes of DISCONNECT"));
        }
        let is_none = |code: &&u8| **code < 0x80 || NOT_OF_DISCONNECT.contains(code);
        if let Some(code) = codes.iter().find(is_none) {
            return Err(Error::usage(format!(
                "`policy.refuses_with.reauth` holds {code:#04x}, but a token in AUTH is refused by DISCONNECT, which has no such refusal"
            ))
            .hint("write codes such as 0x87 (MQTT 5.0, 3.14.2.1)"));
        }
        Ok(())
    }

    /// The codes that a bad token is refused with.
    pub fn codes(&self) -> &[u8] {
        self.codes.as_deref().unwrap_or(&[NOT_AUTHORIZED])
    }

    /// The codes as a scenario writes them.
    pub(super) fn written(&self) -> Option<Vec<u8>> {
        self.codes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::RefusesWith;

    fn settings(codes: Option<Vec<u8>>) -> PolicySettings {
        let refuses_with = RefusesWith { reauth: codes, ..RefusesWith::default() };
        PolicySettings { refuses_with: Some(refuses_with), ..PolicySettings::default() }
    }

    #[test]
    fn codes_are_those_of_the_scenario_then_of_the_profile_and_only_what_disconnect_carries() {
        let of = |own, below| ReauthPolicy::over(&settings(below), &settings(own));
        assert_eq!(of(None, None).codes(), [0x87]);
        assert_eq!(of(None, Some(vec![0x8C])).codes(), [0x8C]);
        assert_eq!(of(Some(vec![0x83]), Some(vec![0x8C])).codes(), [0x83]);
        assert!(of(Some(vec![0x83, 0x87]), None).check().is_ok());
        for wrong in [vec![], vec![0x86], vec![0x87, 0], vec![0x04]] {
            let error = of(Some(wrong.clone()), None).check().unwrap_err();
            assert!(error.to_string().contains("policy.refuses_with.reauth"), "{wrong:?}: {error}");
        }
    }
}
