//! When an entry applies, and when its refusal is promised: what several tables ask for.

use super::Situation;
use crate::{
    scenario::{Algorithm, Check, Encoding, Group, UnknownKid},
    token::{
        names::is_bound,
        oracle::Bound,
        recipe::{Also, Must, Refusal},
    },
};

/// Refused where the policy promises it; why it does not, otherwise.
pub(super) fn refused_if(is_promised: bool, group: impl Into<Refusal>, why: &'static str) -> Must {
    let refusal = group.into();
    if is_promised { Must::Refuse(refusal) } else { Must::Unpromised(refusal, why) }
}

/// The refusal of a token of about so many bytes: one that is longer than the broker takes may be closed upon.
pub(super) fn long(group: Group, bytes: usize, at: &Situation<'_>) -> Refusal {
    let is_too_long = bytes > usize::from(at.policy.longest_token);
    Refusal { group, also: if is_too_long { Also::Close } else { Also::Nothing } }
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

/// Only where base64url leaves bits at the end of the signature: those of a multiple of three bytes have none.
pub(super) fn only_with_loose_bits(at: &Situation<'_>) -> Option<&'static str> {
    at.signature_length
        .is_multiple_of(3)
        .then_some("base64url leaves no bits at the end of this key's signatures")
}

/// Only where base64 would pad the signature: that of a multiple of three bytes has no padding.
pub(super) fn only_with_padding(at: &Situation<'_>) -> Option<&'static str> {
    at.signature_length
        .is_multiple_of(3)
        .then_some("base64 has no padding at the end of this key's signatures")
}

/// Only where no key of the scenario has this secret.
pub(super) fn only_with_other_secret(at: &Situation<'_>, secret: &[u8]) -> Option<&'static str> {
    at.keys
        .iter()
        .any(|key| key.secret().is_some_and(|own| is_same_to_hmac(key.algorithm, own, secret)))
        .then_some("a key of the scenario has this secret: it must be changed")
}

/// Whether a secret of the scenario makes the same signatures as one that is shorter than a block of its hash: HMAC
/// fills secrets with zeros up to a block, and hashes longer ones (RFC 2104, 2).
fn is_same_to_hmac(algorithm: Algorithm, own: &[u8], other: &[u8]) -> bool {
    let block = if algorithm == Algorithm::HS256 { 64 } else { 128 };
    let filled = |secret: &[u8]| {
        let mut filled = secret.to_vec();
        filled.resize(block, 0);
        filled
    };
    own.len() <= block && filled(own) == filled(other)
}

/// Only where good tokens have a `kid` to leave out.
pub(super) fn only_with_kid(at: &Situation<'_>) -> Option<&'static str> {
    (!at.has_kid).then_some("the key has no `kid`: its good tokens have none")
}

/// Only where a claim is a text.
pub(super) fn only_with_issuer(at: &Situation<'_>) -> Option<&'static str> {
    at.strict.iss.is_none().then_some("the tokens have no `iss` that is the same for all")
}

/// Only where there is an audience.
pub(super) fn only_with_audience(at: &Situation<'_>) -> Option<&'static str> {
    at.strict.aud.is_empty().then_some("the tokens have no `aud` that is the same for all")
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

/// The same where the client id itself is one that a broker may not serve (MQTT 3.1.1, 3.1.3-5 and 3.1.3-9).
pub(super) fn odd_client_id(at: &Situation<'_>) -> Must {
    let odd = |refusal: Refusal| Refusal { also: Also::ClientId, ..refusal };
    match client_id(at) {
        Must::Refuse(refusal) => Must::Refuse(odd(refusal)),
        Must::Unpromised(refusal, why) => Must::Unpromised(odd(refusal), why),
        must @ Must::AcceptInTime => must,
    }
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

/// Only where good tokens are bound to their clients' certificates.
pub(super) fn only_with_certificate(at: &Situation<'_>) -> Option<&'static str> {
    (!is_bound(at.claims)).then_some("the tokens are not bound to certificates of their clients")
}

/// Refused where the certificate that a token is bound to is compared.
pub(super) fn confirmed(at: &Situation<'_>) -> Must {
    let is_checked = at.policy.checks(Check::Cnf);
    refused_if(is_checked, Group::Identity, "the policy does not check `cnf`")
}

/// The same where the broker may ask for a certificate itself, and end the handshake without one.
pub(super) fn certified(at: &Situation<'_>) -> Must {
    let asked = |refusal: Refusal| Refusal { also: Also::NoCertificate, ..refusal };
    match confirmed(at) {
        Must::Refuse(refusal) => Must::Refuse(asked(refusal)),
        Must::Unpromised(refusal, why) => Must::Unpromised(asked(refusal), why),
        must @ Must::AcceptInTime => must,
    }
}

/// Refused where a token has to be bound.
pub(super) fn confirmation(at: &Situation<'_>) -> Must {
    refused_if(at.policy.requires("cnf"), Group::Identity, "the policy does not require `cnf`")
}

/// Another client's token, which shows by a claim, or by the certificate that it is bound to.
pub(super) fn stolen(at: &Situation<'_>) -> Must {
    if is_bound(at.claims) && at.policy.checks(Check::Cnf) { confirmed(at) } else { bound(at) }
}

/// Only where a good token shows whose it is.
pub(super) fn only_with_holder(at: &Situation<'_>) -> Option<&'static str> {
    let shows = is_bound(at.claims) && at.policy.checks(Check::Cnf);
    if shows { None } else { only_with_bound(at) }
}

/// Refused where the keys are told apart by `kid`.
pub(super) fn kid(at: &Situation<'_>) -> Must {
    let refusal = Refusal::from(Group::Header);
    if !at.has_kid {
        return Must::Unpromised(refusal, "the key has no `kid` to compare it with");
    }
    let is_promised = at.policy.unknown_kid == UnknownKid::Refuse;
    refused_if(is_promised, refusal, "the policy says `unknown_kid = \"ignore\"`")
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
