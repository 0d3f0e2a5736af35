//! Tokens that a client authenticates again with (MQTT 5.0, 4.12.1): its connection was opened by a good one.

use super::{
    Severity::{Critical, High, Medium},
    Situation,
    entry::Defect,
    placement::only_as_data,
};
use crate::{
    scenario::{Group, Reauthentication},
    token::{
        oracle::Fault,
        recipe::{GOOD, Must, Recipe, Refusal},
    },
};

const REAUTHENTICATION: Defect = Defect {
    group: Some(Group::Reauthentication),
    severity: Critical,
    source: "MQTT 5.0, 4.12.1",
    must: |_| Must::Refuse(Group::Reauthentication.into()),
    inapplicable: only_as_data,
    ..Defect::BASE
};

/// The entry of another group that is sent so.
fn entry(name: &str) -> &'static Defect {
    match super::defect(name) {
        Some(entry) => entry,
        // The names stand below, and a test has all of them built.
        None => unreachable!("`{name}` is in the catalogue"),
    }
}

/// What another entry is in AUTH: wrong in the same way. What is promised of it is what is promised of that.
macro_rules! again {
    ($name:literal, $of:literal, $severity:ident, [$($fault:ident),*], $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: $severity,
            build: |_| {
                let of = entry($of);
                Recipe { again: true, ..(of.build)(of.default_by().unwrap_or_default()) }
            },
            faults: &[$(Fault::$fault),*],
            must: |at| in_auth((entry($of).must)(at)),
            inapplicable: |at| only_as_data(at).or_else(|| (entry($of).inapplicable)(at)),
            ..REAUTHENTICATION
        }
    };
}

/// The same promise of a token in AUTH, where a refusal has codes of its own.
fn in_auth(must: Must) -> Must {
    let group = Group::Reauthentication;
    match must {
        Must::AcceptInTime => Must::AcceptInTime,
        Must::Refuse(refusal) => Must::Refuse(Refusal { group, ..refusal }),
        Must::Unpromised(refusal, why) => Must::Unpromised(Refusal { group, ..refusal }, why),
    }
}

/// What is promised of a good token in AUTH.
fn good(at: &Situation<'_>) -> Must {
    match at.policy.reauth.promise {
        Some(Reauthentication::Accept) => Must::AcceptInTime,
        Some(Reauthentication::Refuse) => Must::Unpromised(
            Group::Reauthentication.into(),
            "the policy says that re-authentication is refused",
        ),
        None => Must::Unpromised(
            Group::Reauthentication.into(),
            "nothing is promised of re-authentication",
        ),
    }
}

/// The control: a good token, which has to be taken.
pub(super) static CONTROL: Defect = Defect {
    name: "reauth_fresh",
    summary: "a good token in AUTH, on a connection that another good one opened",
    source: "MQTT 5.0, 4.12.1",
    build: |_| Recipe { again: true, ..GOOD },
    must: good,
    inapplicable: only_as_data,
    ..Defect::BASE
};

pub(super) static DEFECTS: [Defect; 14] = [
    again!("reauth_expired", "expired", High, [Expired], "in AUTH, a token whose `exp` has passed"),
    again!(
        "reauth_not_yet_valid",
        "not_yet_valid",
        Medium,
        [NotYetValid],
        "in AUTH, a token whose `nbf` lies ahead"
    ),
    again!(
        "reauth_wrong_key",
        "wrong_key",
        Critical,
        [Signature],
        "in AUTH, a token that another key signed"
    ),
    again!(
        "reauth_tampered_payload",
        "tampered_payload",
        Critical,
        [Signature],
        "in AUTH, a token that was changed after signing"
    ),
    again!(
        "reauth_signature_stripped",
        "signature_stripped",
        Critical,
        [SignatureMissing],
        "in AUTH, a token whose signature is empty"
    ),
    again!(
        "reauth_alg_none",
        "alg_none",
        Critical,
        [AlgNone],
        "in AUTH, a token with `alg` `none`"
    ),
    again!(
        "reauth_wrong_issuer",
        "wrong_issuer",
        High,
        [Issuer],
        "in AUTH, a token of another issuer"
    ),
    again!(
        "reauth_wrong_audience",
        "wrong_audience",
        High,
        [Audience],
        "in AUTH, a token for another audience"
    ),
    Defect {
        name: "reauth_stolen",
        summary: "in AUTH, another client's good token: the connection is the first one's",
        build: |by| Recipe { again: true, ..(entry("stolen").build)(by) },
        faults: &[Fault::ClientId, Fault::Username, Fault::Confirmation],
        inapplicable: |at| only_as_data(at).or_else(|| (entry("stolen").inapplicable)(at)),
        ..REAUTHENTICATION
    },
    again!("reauth_not_a_jwt", "not_a_jwt", Critical, [Segments], "in AUTH, an ordinary password"),
    again!("reauth_no_data", "no_data", Critical, [NoToken], "AUTH without authentication data"),
    again!(
        "reauth_unknown_method",
        "unknown_method",
        Medium,
        [Method],
        "AUTH with another method than CONNECT had"
    ),
    again!(
        "reauth_without_method",
        "data_without_method",
        Medium,
        [Method],
        "AUTH without an authentication method"
    ),
    again!(
        "reauth_method_twice",
        "method_twice",
        Medium,
        [Packet],
        "AUTH with its authentication method twice"
    ),
];
