//! When an entry applies, and when its refusal is promised: what several tables ask for.

use serde_json::Value;

use super::Situation;
use crate::{
    oracle::Bound,
    scenario::{Algorithm, Check, Encoding, Group, UnknownKid},
    token::recipe::{Must, Refusal},
};

/// Refused where the policy promises it; why it does not, otherwise.
pub(super) fn refused_if(is_promised: bool, group: impl Into<Refusal>, why: &'static str) -> Must {
    let refusal = group.into();
    if is_promised { Must::Refuse(refusal) } else { Must::Unpromised(refusal, why) }
}

/// Only for keys of EC.
pub(super) fn only_ec(at: &Situation<'_>) -> Option<&'static str> {
    (!matches!(at.algorithm, Some(Algorithm::ES256 | Algorithm::ES384)))
        .then_some("the key is no EC key")
}

/// Only for RSA keys.
pub(super) fn only_rsa(at: &Situation<'_>) -> Option<&'static str> {
    let is_rsa = matches!(
        at.algorithm,
        Some(
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        )
    );
    (!is_rsa).then_some("the key is no RSA key")
}

/// Only for keys that sign by PKCS #1.
pub(super) fn only_pkcs1(at: &Situation<'_>) -> Option<&'static str> {
    let is_pkcs1 =
        matches!(at.algorithm, Some(Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512));
    (!is_pkcs1).then_some("the key does not sign by PKCS #1 (RS256, RS384, RS512)")
}

/// Only for HMAC keys.
pub(super) fn only_hmac(at: &Situation<'_>) -> Option<&'static str> {
    (!at.algorithm.is_some_and(Algorithm::is_hmac)).then_some("the key is no HMAC secret")
}

/// Only for keys that have a public half.
pub(super) fn only_public(at: &Situation<'_>) -> Option<&'static str> {
    at.algorithm
        .is_some_and(Algorithm::is_hmac)
        .then_some("the key is an HMAC secret: it has no public half")
}

/// Only where base64url leaves bits at the end of the signature: those of 48 and 96 bytes have none.
pub(super) fn only_with_loose_bits(at: &Situation<'_>) -> Option<&'static str> {
    matches!(at.algorithm, Some(Algorithm::HS384 | Algorithm::ES384))
        .then_some("base64url leaves no bits at the end of this algorithm's signatures")
}

/// Only where a claim is a text.
pub(super) fn only_with_issuer(at: &Situation<'_>) -> Option<&'static str> {
    (!at.claims.get("iss").is_some_and(Value::is_string)).then_some("the tokens have no `iss`")
}

/// Only where there is an audience.
pub(super) fn only_with_audience(at: &Situation<'_>) -> Option<&'static str> {
    (!at.claims.contains_key("aud")).then_some("the tokens have no `aud`")
}

/// Only where a claim is the client's id.
pub(super) fn only_with_client_id(at: &Situation<'_>) -> Option<&'static str> {
    (!has_bound(at.strict.bound.values(), Bound::ClientId))
        .then_some("no claim of the tokens is the client id")
}

/// Only where a claim is the user name.
pub(super) fn only_with_username(at: &Situation<'_>) -> Option<&'static str> {
    (!has_bound(at.strict.bound.values(), Bound::Username))
        .then_some("no claim of the tokens is the user name")
}

/// Only where a claim is the client's own.
pub(super) fn only_with_bound(at: &Situation<'_>) -> Option<&'static str> {
    at.strict.bound.is_empty().then_some("no claim of the tokens is the client's own")
}

fn has_bound<'a>(mut bound: impl Iterator<Item = &'a Bound>, wanted: Bound) -> bool {
    bound.any(|bound| *bound == wanted)
}

/// Refused where `iss` is checked.
pub(super) fn issuer(at: &Situation<'_>) -> Must {
    let is_checked = at.policy.checks(Check::Iss);
    refused_if(is_checked, Group::Identity, "the policy does not check `iss`")
}

/// Refused where `aud` is checked.
pub(super) fn audience(at: &Situation<'_>) -> Must {
    let is_checked = at.policy.checks(Check::Aud);
    refused_if(is_checked, Group::Identity, "the policy does not check `aud`")
}

/// Refused where a claim is bound to the client id.
pub(super) fn client_id(at: &Situation<'_>) -> Must {
    let is_bound = has_bound(at.expected.bound.values(), Bound::ClientId);
    refused_if(is_bound, Group::Identity, "the policy binds no claim to the client id")
}

/// Refused where a claim is bound to the user name.
pub(super) fn username(at: &Situation<'_>) -> Must {
    let is_bound = has_bound(at.expected.bound.values(), Bound::Username);
    refused_if(is_bound, Group::Identity, "the policy binds no claim to the user name")
}

/// Refused where a claim is bound to the client at all.
pub(super) fn bound(at: &Situation<'_>) -> Must {
    let is_bound = !at.expected.bound.is_empty();
    refused_if(is_bound, Group::Identity, "the policy binds no claim to the connection")
}

/// Refused where the keys are told apart by `kid`.
pub(super) fn kid(at: &Situation<'_>) -> Must {
    let is_promised = at.policy.unknown_kid == UnknownKid::Refuse;
    refused_if(is_promised, Group::Header, "the policy says `unknown_kid = \"ignore\"`")
}

/// Refused where `exp` is checked.
pub(super) fn exp(at: &Situation<'_>) -> Must {
    refused_if(at.policy.checks(Check::Exp), Group::Time, "the policy does not check `exp`")
}

/// Refused where `nbf` is checked.
pub(super) fn nbf(at: &Situation<'_>) -> Must {
    refused_if(at.policy.checks(Check::Nbf), Group::Time, "the policy does not check `nbf`")
}

/// Refused where base64url is demanded exactly.
pub(super) fn encoding(at: &Situation<'_>) -> Must {
    let is_strict = at.policy.encoding == Encoding::Strict;
    refused_if(is_strict, Group::Structure, "the policy says `encoding = \"lenient\"`")
}
