//! Every token of a matrix is looked at before it is sent: is it wrong as the catalogue claims, and in no other way?

use super::{Plan, strict};
use crate::{
    clock::SECOND,
    error::{Error, Result},
    key::{SigningKey, VerifyingKey},
    oracle::{Bound, Expected, Fault, Faults, Oracle, Presented},
    scenario::{Algorithm, Protocol, Scenario},
    token::{Kind, Password, placing::Scratch, template::Names},
};

/// An oracle that looks at everything.
pub(super) fn examiner(scenario: &Scenario, names: &Names, keys: &[SigningKey]) -> Result<Oracle> {
    let mut algorithms: Vec<Algorithm> = keys.iter().map(|key| key.algorithm).collect();
    algorithms.dedup();
    let (policy, expected) = strict::examiner(scenario, names, algorithms)?;
    let verifying: Vec<VerifyingKey> = keys.iter().map(SigningKey::verifying).collect();
    let keys = keys.iter().zip(&verifying);
    let parts = keys.map(|(key, verifying)| (key.algorithm, key.kid.clone(), verifying));
    Oracle::new(parts, policy, expected, scenario.target.token_in)
}

/// What the catalogue claims to be wrong with a kind, as far as this scenario shows it.
fn claimed(kind: &Kind, expected: &Expected) -> Faults {
    let has = |wanted| expected.bound.values().any(|bound| *bound == wanted);
    let mut unseen = Faults::default();
    for (is_seen, fault) in [
        (has(Bound::ClientId), Fault::ClientId),
        (has(Bound::Username), Fault::Username),
        (kind.protocol == Protocol::V4, Fault::NoUsername),
    ] {
        if !is_seen {
            unseen.add(fault);
        }
    }
    Faults::of(kind.defect.faults).without(unseen)
}

impl Plan {
    /// Looks at what client `n` with this kind of token is about to bring; `at` is the moment of use, in nanoseconds
    /// since 1970. Does nothing where no matrix is planned.
    ///
    /// # Errors
    /// When it is not wrong as the catalogue claims, or wrong in another way too: nothing could be concluded from it.
    pub fn examine(
        &self,
        (kind, n): (usize, u64),
        at: i64,
        (password, token): (Password, &[u8]),
    ) -> Result<()> {
        let Some(oracle) = &self.examiner else { return Ok(()) };
        let kind = &self.mould.kinds[kind];
        let mut scratch = Scratch::default();
        let given = (password, token);
        let brought =
            scratch.fields(&self.mould.names, &kind.recipe, self.token_in, self.named(n), given);
        let presented = Presented {
            protocol: kind.protocol,
            client_id: brought.client_id,
            username: brought.username,
            password: brought.password,
            method: brought.method,
        };
        let found = oracle.faults(presented, at as f64 / SECOND as f64);
        let claimed = claimed(kind, oracle.expected());
        if found == claimed {
            return Ok(());
        }
        Err(Error::not_measured(format!(
            "a token `{}` is wrong in the ways {found:?}, but should be in {claimed:?}: this is a bug of tokenstorm",
            kind.label
        ))
        .hint("please report it, with the scenario"))
    }

    /// The client by whose names client `n` goes: itself, but where all share one's token and names.
    pub fn named(&self, n: u64) -> u64 {
        if self.shares_names { self.minted_as(n) } else { n }
    }
}
