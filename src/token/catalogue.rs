//! The catalogue of token defects: one table. To add a defect, add an entry.

use std::time::Duration;

use serde::Serialize;

use super::recipe::{After, Exp, Form, Kid, Must, Owner, Recipe, Signer};
use crate::{
    policy::Policy,
    scenario::{Algorithm, Check, Group, OnAnonymous, TokenIn, UnknownKid},
};

/// A way in which a token can be wrong; `fresh` is the one in which it is not.
#[derive(Debug)]
pub struct Defect {
    /// Its name in scenarios and results.
    pub name: &'static str,
    /// The group it is refused with; `None` for a positive control, which must be accepted.
    pub group: Option<Group>,
    /// What it is, in one sentence.
    pub summary: &'static str,
    /// How bad it is when it is accepted.
    pub severity: Severity,
    /// Where it is described.
    pub source: &'static str,
    /// The parameters it takes.
    pub parameters: &'static [Parameter],
    /// How it is built, given its distance in time (its default where the scenario gives none).
    pub build: fn(by: Duration) -> Recipe,
    /// What a verifier of this policy must do with it.
    pub must: fn(&Policy) -> Must,
    /// Why it does not apply here, where it does not.
    pub inapplicable: fn(&Situation<'_>) -> Option<&'static str>,
}

/// A parameter of a defect.
#[derive(Debug, Serialize)]
pub struct Parameter {
    /// Its key in `[[mix]]`.
    pub name: &'static str,
    /// What it is when it is not given.
    pub default: &'static str,
    /// What it means.
    pub summary: &'static str,
}

/// How bad it is when a defect is accepted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is wrong with the token.
    None,
    /// Leniency.
    Info,
    /// A weakness next to others.
    Low,
    /// A rule of the standard is broken.
    Medium,
    /// Access lasts longer or reaches further than granted.
    High,
    /// Anybody gets in, or anybody becomes somebody else.
    Critical,
}

/// What decides whether a defect applies.
#[derive(Debug)]
pub struct Situation<'a> {
    /// What the broker promises.
    pub policy: &'a Policy,
    /// The algorithm of the key that signs; `None` without a key.
    pub algorithm: Option<Algorithm>,
    /// Where the token is put.
    pub token_in: TokenIn,
}

/// The entry of that name.
pub fn defect(name: &str) -> Option<&'static Defect> {
    DEFECTS.iter().find(|defect| defect.name == name)
}

impl Defect {
    /// The distance in time where the scenario gives none; `None` where the defect takes no such parameter.
    pub fn default_by(&self) -> Option<Duration> {
        let by = self.parameters.iter().find(|parameter| parameter.name == "by")?;
        humantime::parse_duration(by.default).ok()
    }

    /// Whether something is signed for it.
    pub fn needs_key(&self) -> bool {
        (self.build)(Duration::ZERO).form == Form::Jwt
    }
}

fn good(_: Duration) -> Recipe {
    Recipe::default()
}

fn always(_: &Situation<'_>) -> Option<&'static str> {
    None
}

fn accept(_: &Policy) -> Must {
    Must::AcceptInTime
}

/// The whole catalogue, in the order in which it is printed.
pub static DEFECTS: [Defect; 16] = [
    Defect {
        name: "fresh",
        group: None,
        summary: "a good token, minted for this client and this moment",
        severity: Severity::None,
        source: "RFC 7519, 7.2",
        parameters: &[],
        build: good,
        must: accept,
        inapplicable: always,
    },
    Defect {
        name: "expired",
        group: Some(Group::Time),
        summary: "`exp` has passed",
        severity: Severity::High,
        source: "RFC 7519, 4.1.4",
        parameters: &[Parameter { name: "by", default: "1h", summary: "how long ago" }],
        build: |by| Recipe { exp: Exp::Ago(by), ..Recipe::default() },
        must: accept,
        inapplicable: |at| {
            (!at.policy.checks(Check::Exp)).then_some("the policy does not check `exp`")
        },
    },
    Defect {
        name: "not_yet_valid",
        group: Some(Group::Time),
        summary: "`nbf` lies ahead",
        severity: Severity::Medium,
        source: "RFC 7519, 4.1.5",
        parameters: &[Parameter { name: "by", default: "1h", summary: "how far ahead" }],
        build: |by| Recipe { nbf_after: Some(by), ..Recipe::default() },
        must: accept,
        inapplicable: |at| {
            (!at.policy.checks(Check::Nbf)).then_some("the policy does not check `nbf`")
        },
    },
    Defect {
        name: "no_exp",
        group: Some(Group::Time),
        summary: "there is no `exp`: the token never ends",
        severity: Severity::High,
        source: "RFC 9068, 2.2; rabbitmq-server#16878",
        parameters: &[],
        build: |_| Recipe { exp: Exp::Absent, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Time),
        inapplicable: |at| {
            (!at.policy.requires("exp")).then_some("the policy does not require `exp`")
        },
    },
    Defect {
        name: "wrong_key",
        group: Some(Group::Signature),
        summary: "signed with another key of the same algorithm, under the same `kid`",
        severity: Severity::Critical,
        source: "RFC 7515, 5.2",
        parameters: &[],
        build: |_| Recipe { signer: Signer::Stranger, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Signature),
        inapplicable: always,
    },
    Defect {
        name: "tampered_payload",
        group: Some(Group::Signature),
        summary: "a claim was changed after signing",
        severity: Severity::Critical,
        source: "RFC 7515, 5.2; Wycheproof rejectsModifiedPayload",
        parameters: &[],
        build: |_| Recipe { after: After::TamperPayload, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Signature),
        inapplicable: always,
    },
    Defect {
        name: "signature_stripped",
        group: Some(Group::Signature),
        summary: "the signature is empty, `alg` unchanged",
        severity: Severity::Critical,
        source: "CVE-2020-28042; Wycheproof rejectsMissingSignature",
        parameters: &[],
        build: |_| Recipe { after: After::StripSignature, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Signature),
        inapplicable: always,
    },
    Defect {
        name: "alg_none",
        group: Some(Group::Algorithm),
        summary: "`alg` is `none` and the signature empty",
        severity: Severity::Critical,
        source: "RFC 8725, 2.1; CVE-2015-9235; CVE-2021-22160",
        parameters: &[],
        build: |_| Recipe { signer: Signer::None, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Algorithm),
        inapplicable: always,
    },
    Defect {
        name: "alg_confusion",
        group: Some(Group::Algorithm),
        summary: "HS256 keyed with the public key's PEM, which everybody knows",
        severity: Severity::Critical,
        source: "RFC 8725, 2.1; CVE-2015-9235; CVE-2016-10555",
        parameters: &[],
        build: |_| Recipe { signer: Signer::Confused, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Algorithm),
        inapplicable: |at| {
            at.algorithm
                .is_some_and(Algorithm::is_hmac)
                .then_some("the key is an HMAC secret: it has no public half")
        },
    },
    Defect {
        name: "unknown_kid",
        group: Some(Group::Header),
        summary: "`kid` names no key",
        severity: Severity::Medium,
        source: "OpenID Connect Core, 10.1.1",
        parameters: &[],
        build: |_| Recipe { kid: Kid::Unknown, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Header),
        inapplicable: |at| {
            (at.policy.unknown_kid == UnknownKid::Ignore)
                .then_some("the policy says `unknown_kid = \"ignore\"`")
        },
    },
    Defect {
        name: "wrong_issuer",
        group: Some(Group::Identity),
        summary: "`iss` is another issuer",
        severity: Severity::High,
        source: "RFC 7519, 4.1.1; RFC 8725, 3.8",
        parameters: &[],
        build: |_| Recipe {
            claims: &[("iss", "https://other-issuer.example")],
            ..Recipe::default()
        },
        must: |_| Must::Refuse(Group::Identity),
        inapplicable: |at| {
            (!at.policy.checks(Check::Iss)).then_some("the policy does not check `iss`")
        },
    },
    Defect {
        name: "wrong_audience",
        group: Some(Group::Identity),
        summary: "`aud` is another service",
        severity: Severity::High,
        source: "RFC 7519, 4.1.3; CVE-2020-26160",
        parameters: &[],
        build: |_| Recipe { claims: &[("aud", "other-service")], ..Recipe::default() },
        must: |_| Must::Refuse(Group::Identity),
        inapplicable: |at| {
            (!at.policy.checks(Check::Aud)).then_some("the policy does not check `aud`")
        },
    },
    Defect {
        name: "stolen",
        group: Some(Group::Identity),
        summary: "another client's good token",
        severity: Severity::Critical,
        source: "RFC 8725, 2.8; MQTT 3.1.1, 3.1.4-3",
        parameters: &[],
        build: |_| Recipe { owner: Owner::Another, ..Recipe::default() },
        must: |_| Must::Refuse(Group::Identity),
        inapplicable: |at| {
            at.policy.binds.is_empty().then_some("the policy binds no claim to the connection")
        },
    },
    Defect {
        name: "not_a_jwt",
        group: Some(Group::Structure),
        summary: "an ordinary password",
        severity: Severity::Critical,
        source: "emqx-auth-jwt#49",
        parameters: &[],
        build: |_| Recipe { form: Form::Bytes(b"hunter2"), ..Recipe::default() },
        must: |_| Must::Refuse(Group::Structure),
        inapplicable: always,
    },
    Defect {
        name: "empty_password",
        group: Some(Group::Placement),
        summary: "a user name and a password of length 0",
        severity: Severity::Critical,
        source: "MQTT 3.1.1, 3.1.3.5",
        parameters: &[],
        build: |_| Recipe { form: Form::Bytes(b""), ..Recipe::default() },
        must: |_| Must::Refuse(Group::Placement),
        inapplicable: |at| {
            (at.token_in == TokenIn::Username)
                .then_some("the token is the user name: there is no password")
        },
    },
    Defect {
        name: "no_credentials",
        group: Some(Group::Placement),
        summary: "neither user name nor password",
        severity: Severity::Critical,
        source: "MQTT 3.1.1, 3.1.2.8",
        parameters: &[],
        build: |_| Recipe { form: Form::Nothing, ..Recipe::default() },
        must: |policy| match policy.anonymous {
            OnAnonymous::Accept => Must::AcceptInTime,
            OnAnonymous::Refuse => Must::Refuse(Group::Placement),
        },
        inapplicable: always,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_only_controls_are_harmless() {
        for (index, defect) in DEFECTS.iter().enumerate() {
            assert!(
                DEFECTS[..index].iter().all(|other| other.name != defect.name),
                "{}",
                defect.name
            );
            assert_eq!(
                defect.group.is_none(),
                defect.severity == Severity::None,
                "{}",
                defect.name
            );
            assert!(!defect.summary.ends_with('.') && !defect.source.is_empty(), "{}", defect.name);
        }
    }

    #[test]
    fn every_default_of_a_parameter_can_be_read() {
        for defect in DEFECTS.iter().filter(|defect| !defect.parameters.is_empty()) {
            assert!(defect.default_by().is_some(), "{}", defect.name);
        }
    }
}
