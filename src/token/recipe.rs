//! How a kind of token is built, and what a verifier must do with it.

use std::time::Duration;

use crate::scenario::Group;

/// How a kind of token differs from a good one. [`Recipe::default`] is the good one.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// What CONNECT carries.
    pub form: Form,
    /// Its `exp`.
    pub exp: Exp,
    /// Its `nbf`, so far after the moment of use; `None` for no `nbf` at all.
    pub nbf_after: Option<Duration>,
    /// Who signs it.
    pub signer: Signer,
    /// Its `kid`.
    pub kid: Kid,
    /// Claims that take the place of those of the scenario.
    pub claims: &'static [(&'static str, &'static str)],
    /// Whose claims are in it.
    pub owner: Owner,
    /// What is done to it after it was signed.
    pub after: After,
}

impl Recipe {
    /// How far the moment of use may be from the one that a token was minted for, before what its
    /// kind says of time is blurred: a tenth of the time that it speaks of, 10 s at most.
    pub fn shelf_life(&self, ttl: Duration) -> Duration {
        let span = match (self.exp, self.nbf_after) {
            (Exp::Ttl, Some(after)) => after.min(ttl),
            (Exp::Ttl, None) => ttl,
            (_, after) => after.unwrap_or(LONGEST_SHELF_LIFE * 10),
        };
        (span / 10).min(LONGEST_SHELF_LIFE)
    }

    /// From when to when a token for the moment `at` is good by its time, in the unit of `at`
    /// (nanoseconds), without the rounding to seconds.
    pub fn good_in(&self, at: i64, ttl: Duration) -> (i64, i64) {
        let from = self.nbf_after.map_or(i64::MIN, |after| at.saturating_add(span(after)));
        let until = match self.exp {
            Exp::Absent => i64::MAX,
            Exp::Ago(ago) => at.saturating_sub(span(ago)),
            Exp::Ttl => from.max(at).saturating_add(span(ttl)),
        };
        (from, until)
    }
}

/// A duration in nanoseconds; what is longer than 292 years is that long.
pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Tokens that wait for their use for longer are minted again, however long they last.
const LONGEST_SHELF_LIFE: Duration = Duration::from_secs(10);

/// What CONNECT carries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Form {
    /// A token of three segments.
    #[default]
    Jwt,
    /// Other bytes.
    Bytes(&'static [u8]),
    /// Neither user name nor password.
    Nothing,
}

/// The `exp` of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Exp {
    /// The scenario's `ttl` after `iat`.
    #[default]
    Ttl,
    /// So long before the moment of use.
    Ago(Duration),
    /// No `exp`.
    Absent,
}

/// Who signs a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Signer {
    /// The key of the scenario.
    #[default]
    Own,
    /// A new key under the same `kid`.
    Stranger,
    /// HMAC keyed with the public key's PEM.
    Confused,
    /// Nobody: `alg` is `none` and the signature empty.
    None,
}

/// The `kid` of a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kid {
    /// The key's own.
    #[default]
    Own,
    /// One that names no key.
    Unknown,
}

/// Whose claims are in a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Owner {
    /// The client that brings it.
    #[default]
    Bearer,
    /// Another client.
    Another,
}

/// What is done to a token after it was signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum After {
    /// Nothing.
    #[default]
    Nothing,
    /// A claim is changed, the signature kept.
    TamperPayload,
    /// The signature is cut off, its dot kept.
    StripSignature,
}

/// What a verifier that keeps its promise must do with a kind of token, time apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Must {
    /// Accept it while `exp` and `nbf` allow.
    AcceptInTime,
    /// Refuse it, whatever the time.
    Refuse(Group),
}
