//! Header parameters that mislead.

use super::{
    Severity::{Critical, High, Low, Medium},
    Situation,
    entry::Defect,
    when::{
        audience, kid, long, only_with_audience, only_with_kid, only_with_other_secret, refused_if,
    },
};
use crate::{
    scenario::{Check, Group},
    token::{
        oracle::Fault,
        recipe::{GOOD, Kid, Must, Recipe, Signer, Twist},
    },
};

const HEADER: Defect = Defect {
    group: Some(Group::Header),
    severity: High,
    must: |_| Must::Refuse(Group::Header.into()),
    ..Defect::BASE
};

/// A stranger's key signs, and the header brings it or says where it is.
macro_rules! own_key {
    ($name:literal, $header:expr, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Critical,
            source: $source,
            build: |_| Recipe { signer: Signer::Stranger, header: $header, ..GOOD },
            faults: &[Fault::OwnKey],
            ..HEADER
        }
    };
}

/// A `kid` that means something else to the store that it is looked up in; signed by the right key.
macro_rules! injected {
    ($name:literal, $kid:expr, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 8725, 3.10; jwt_tool",
            build: |_| Recipe { kid: $kid, ..GOOD },
            faults: &[Fault::Kid],
            must: kid,
            ..HEADER
        }
    };
}

/// `crit` as RFC 7515 forbids it.
macro_rules! critical {
    ($name:literal, $header:expr, $severity:ident, $must:expr, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: $severity,
            source: "RFC 7515, 4.1.11; CVE-2025-59420",
            build: |_| Recipe { header: $header, ..GOOD },
            faults: &[Fault::Crit],
            must: $must,
            ..HEADER
        }
    };
}

/// What it names is not understood, so that the token is invalid.
fn not_understood(_: &Situation<'_>) -> Must {
    Must::Refuse(Group::Header.into())
}

/// It breaks a rule for those who write it; those who read it may take offence.
fn ill_formed(_: &Situation<'_>) -> Must {
    let why = "RFC 7515, 4.1.11 leaves it to the recipient (MAY)";
    Must::Unpromised(Group::Header.into(), why)
}

/// Another kind of token by the same key.
macro_rules! typed {
    ($name:literal, $typ:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Medium,
            source: "RFC 8725, 3.11; RFC 9068, 4",
            build: |_| Recipe { header: &[("typ", concat!("\"", $typ, "\""))], ..GOOD },
            faults: &[Fault::Typ],
            must: |at| {
                let is_checked = at.policy.checks(Check::Typ);
                refused_if(is_checked, Group::Header, "the policy does not check `typ`")
            },
            ..HEADER
        }
    };
}

pub(super) static DEFECTS: [Defect; 27] = [
    own_key!(
        "jwk_embedded",
        &[("jwk", "$jwk")],
        "a stranger's key signs, and the header brings it",
        "CVE-2018-0114; Wycheproof rejectsAttackerProvidedEmbeddedJwk"
    ),
    own_key!(
        "jku_canary",
        &[("jku", "\"http://$canary/jku_canary/jwks.json\"")],
        "`jku` is the address of a stranger's key set",
        "RFC 8725, 3.10; PortSwigger"
    ),
    own_key!(
        "jku_userinfo",
        &[("jku", "\"http://issuer.example@$canary/jku_userinfo/jwks.json\"")],
        "`jku` looks like the issuer's, but leads to a stranger's host",
        "RFC 8725, 3.10; PortSwigger"
    ),
    own_key!(
        "jku_redirect",
        &[("jku", "\"http://$canary/jku_redirect/redirect\"")],
        "`jku` leads to a stranger's key set over a redirect",
        "RFC 8725, 3.10; PortSwigger"
    ),
    own_key!(
        "x5u_canary",
        &[("x5u", "\"http://$canary/x5u_canary/chain.pem\"")],
        "`x5u` is the address of a stranger's certificate",
        "RFC 7515, 4.1.5; RFC 8725, 3.10"
    ),
    own_key!(
        "x5c_chain",
        &[("x5c", "[\"$x5c\"]")],
        "a stranger's key signs, and the header brings a certificate that it gave itself",
        "RFC 7515, 4.1.6"
    ),
    Defect {
        name: "unknown_kid",
        summary: "`kid` names no key",
        severity: Medium,
        source: "OpenID Connect Core, 10.1.1",
        build: |_| Recipe { kid: Kid::Unknown, ..GOOD },
        faults: &[Fault::Kid],
        must: kid,
        ..HEADER
    },
    Defect {
        name: "kid_absent",
        summary: "there is no `kid`",
        severity: Medium,
        source: "RFC 7515, 4.1.4; lavinmq#2077",
        build: |_| Recipe { kid: Kid::Absent, ..GOOD },
        must: |_| {
            let why = "`kid` is optional (RFC 7515, 4.1.4)";
            Must::Unpromised(Group::Header.into(), why)
        },
        inapplicable: only_with_kid,
        ..HEADER
    },
    Defect {
        name: "kid_traversal",
        summary: "`kid` is a path to an empty file, whose bytes are the secret that signs",
        severity: Critical,
        source: "RFC 8725, 3.10; PortSwigger",
        build: |_| Recipe {
            signer: Signer::Secret(b""),
            kid: Kid::Text("../../../../../../../dev/null"),
            ..GOOD
        },
        faults: &[Fault::Kid, Fault::EmptySecret],
        inapplicable: |at| only_with_other_secret(at, b""),
        ..HEADER
    },
    injected!("kid_sql", Kid::Text("x' UNION SELECT 'tokenstorm';--"), "`kid` is a piece of SQL"),
    injected!("kid_ldap", Kid::Text("*)(uid=*))(|(uid=*"), "`kid` is a piece of an LDAP filter"),
    injected!("kid_command", Kid::Text("key.pem; true #"), "`kid` is a piece of a shell command"),
    injected!("kid_line_break", Kid::Text("main\r\nX-Key: main"), "`kid` holds a line break"),
    injected!("kid_nul", Kid::Text("main\0.pem"), "`kid` holds a NUL"),
    Defect {
        name: "kid_long",
        summary: "`kid` has 20 000 bytes",
        source: "RFC 8725, 3.10; jwt_tool",
        build: |_| Recipe { kid: Kid::Long(20_000), ..GOOD },
        faults: &[Fault::Kid],
        must: |at| match kid(at) {
            Must::Refuse(_) => Must::Refuse(long(Group::Header, 27_000, at)),
            Must::Unpromised(_, why) => Must::Unpromised(long(Group::Header, 27_000, at), why),
            must @ Must::AcceptInTime => must,
        },
        ..HEADER
    },
    Defect {
        name: "kid_of_another",
        summary: "`kid` names another key, of another family than the one that signed",
        source: "Wycheproof mixedSymmetry",
        build: |_| Recipe { kid: Kid::OfAnother, ..GOOD },
        faults: &[Fault::Kid],
        must: kid,
        inapplicable: |at| {
            (!at.has_other_kid)
                .then_some("there is no second key, of another family, with a `kid` of its own")
        },
        ..HEADER
    },
    critical!(
        "crit_unknown",
        &[("crit", "[\"storm\"]"), ("storm", "1")],
        High,
        not_understood,
        "`crit` names an extension that nobody knows"
    ),
    critical!("crit_empty", &[("crit", "[]")], Medium, ill_formed, "`crit` is an empty list"),
    critical!(
        "crit_absent",
        &[("crit", "[\"storm\"]")],
        Medium,
        not_understood,
        "`crit` names a parameter that is not there"
    ),
    critical!("crit_standard", &[("crit", "[\"alg\"]")], Medium, ill_formed, "`crit` names `alg`"),
    Defect {
        name: "b64_false",
        summary: "`b64` is false: the payload is said to be unencoded",
        severity: Medium,
        source: "RFC 7797, 7",
        build: |_| Recipe { header: &[("b64", "false")], ..GOOD },
        faults: &[Fault::Unencoded],
        must: |_| {
            let why = "who does not know `b64` must ignore it (RFC 7515, 4)";
            Must::Unpromised(Group::Header.into(), why)
        },
        ..HEADER
    },
    Defect {
        name: "b64_false_crit",
        summary: "`b64` is false, and `crit` says so",
        severity: Medium,
        source: "RFC 7797, 6 and 7",
        build: |_| Recipe { header: &[("b64", "false"), ("crit", "[\"b64\"]")], ..GOOD },
        faults: &[Fault::Unencoded, Fault::Crit],
        ..HEADER
    },
    typed!("typ_logout", "logout+jwt", "`typ` is that of a logout token"),
    typed!("typ_dpop", "dpop+jwt", "`typ` is that of a proof of possession"),
    typed!("typ_secevent", "secevent+jwt", "`typ` is that of a security event"),
    Defect {
        name: "id_token",
        summary: "an ID token by the same issuer and key: for an application, not for us",
        source: "RFC 9068, 6; RFC 8725, 2.8",
        build: |_| Recipe {
            claims: &[("aud", "\"an-application\""), ("+nonce", "\"n-0S6_WzA2Mj\"")],
            ..GOOD
        },
        faults: &[Fault::Audience],
        must: audience,
        inapplicable: only_with_audience,
        ..HEADER
    },
    Defect {
        name: "nested",
        summary: "a signed token within a signed token (`cty` is `JWT`)",
        severity: Low,
        source: "RFC 7519, 5.2",
        build: |_| Recipe { header: &[("cty", "\"JWT\"")], twist: Twist::Nested, ..GOOD },
        faults: &[Fault::NotJson],
        must: |_| {
            let why = "RFC 7519, 7.2 lets a verifier open it";
            Must::Unpromised(Group::Header.into(), why)
        },
        ..HEADER
    },
];
