//! `alg` is none, another, or used with a key of another kind.

use super::{
    Severity::{Critical, High, Low, Medium},
    Situation,
    entry::Defect,
    when::{only_ec, only_hmac, only_public, only_rsa, only_with_kid, refused_if},
};
use crate::{
    scenario::{Algorithm, Group},
    token::{
        key::{SigningKey, public::PublicForm},
        oracle::Fault,
        recipe::{GOOD, Kid, Must, Recipe, Signer},
    },
};

const ALGORITHM: Defect = Defect {
    group: Some(Group::Algorithm),
    severity: Critical,
    must: |_| Must::Refuse(Group::Algorithm.into()),
    ..Defect::BASE
};

/// `none` in a spelling of its own.
macro_rules! none {
    ($name:literal, $alg:literal, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 8725, 2.1; PortSwigger; jwt_tool",
            build: |_| Recipe {
                signer: Signer::None,
                header: &[("alg", concat!("\"", $alg, "\""))],
                ..GOOD
            },
            faults: &[Fault::AlgNone],
            ..ALGORITHM
        }
    };
}

/// HS256 keyed with a form of the public key, which everybody knows.
macro_rules! confusion {
    ($name:literal, $form:ident, $summary:literal, $source:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: $source,
            build: |_| Recipe { signer: Signer::Confused(PublicForm::$form), ..GOOD },
            faults: &[Fault::PublicKeyAsSecret],
            inapplicable: |at| only_public(at).or_else(|| without_form(at, PublicForm::$form)),
            ..ALGORITHM
        }
    };
}

/// The header's `alg` is this text; the key signs as ever, so that only `alg` is wrong.
macro_rules! odd {
    ($name:literal, $text:literal, $fault:ident, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            severity: Medium,
            source: "RFC 7515, 4.1.1; RFC 7518, 3.1",
            build: |_| Recipe { header: &[("alg", $text)], ..GOOD },
            faults: &[Fault::$fault],
            ..ALGORITHM
        }
    };
}

/// Why a key has no such form.
fn without_form(at: &Situation<'_>, form: PublicForm) -> Option<&'static str> {
    let is_rsa = only_rsa(at).is_none();
    match form {
        PublicForm::Pkcs1Pem if !is_rsa => Some("only RSA keys have a PEM of PKCS #1"),
        PublicForm::Point if is_rsa => Some("an RSA key is no point"),
        _ => None,
    }
}

/// Refused where the policy does not allow the algorithm that the same key can do as well.
fn pinned(at: &Situation<'_>, other: fn(Algorithm) -> Option<Algorithm>) -> Must {
    let is_allowed =
        at.algorithm.and_then(other).is_some_and(|other| at.policy.algorithms.contains(&other));
    refused_if(!is_allowed, Group::Algorithm, "the policy allows this algorithm as well")
}

pub(super) static DEFECTS: [Defect; 28] = [
    Defect {
        name: "alg_none",
        summary: "`alg` is `none` and the signature empty",
        source: "RFC 8725, 2.1; CVE-2015-9235; CVE-2021-22160",
        build: |_| Recipe { signer: Signer::None, ..GOOD },
        faults: &[Fault::AlgNone],
        ..ALGORITHM
    },
    none!("alg_none_capital", "None", "`alg` is `None`"),
    none!("alg_none_upper", "NONE", "`alg` is `NONE`"),
    none!("alg_none_mixed", "nOnE", "`alg` is `nOnE`"),
    none!("alg_none_space", "none ", "`alg` is `none` and a space"),
    Defect {
        name: "alg_none_signed",
        summary: "`alg` is `none`, but there is a signature",
        source: "RFC 8725, 2.1; Wycheproof algIsNone",
        build: |_| Recipe { header: &[("alg", "\"none\"")], ..GOOD },
        faults: &[Fault::AlgNone],
        ..ALGORITHM
    },
    Defect {
        name: "alg_none_no_kid",
        summary: "`alg` is `none`, the signature empty, and there is no `kid`",
        source: "RFC 8725, 2.1; RFC 7515, 4.1.4: `kid` is optional",
        build: |_| Recipe { signer: Signer::None, kid: Kid::Absent, ..GOOD },
        faults: &[Fault::AlgNone],
        inapplicable: only_with_kid,
        ..ALGORITHM
    },
    confusion!(
        "alg_confusion",
        Pem,
        "HS256 keyed with the public key's PEM, which everybody knows",
        "RFC 8725, 2.1; CVE-2015-9235; CVE-2016-10555"
    ),
    confusion!(
        "alg_confusion_trimmed",
        PemTrimmed,
        "HS256 keyed with the public key's PEM without its last line break",
        "RFC 8725, 2.1; CVE-2016-5431"
    ),
    confusion!(
        "alg_confusion_spaced",
        PemSpaced,
        "HS256 keyed with the public key's PEM after a line break",
        "CVE-2023-48223; CVE-2026-34950"
    ),
    confusion!(
        "alg_confusion_pkcs1",
        Pkcs1Pem,
        "HS256 keyed with the public key's PEM of PKCS #1",
        "RFC 8725, 2.1; CVE-2015-9235"
    ),
    confusion!("alg_confusion_der", Der, "HS256 keyed with the public key's DER", "CVE-2024-33663"),
    confusion!("alg_confusion_jwk", Jwk, "HS256 keyed with the public key's JWK", "CVE-2024-33663"),
    confusion!(
        "alg_confusion_openssh",
        OpenSsh,
        "HS256 keyed with the public key's line of OpenSSH",
        "CVE-2022-29217"
    ),
    confusion!(
        "alg_confusion_point",
        Point,
        "HS256 keyed with the bare point of the public key",
        "Wycheproof rejectsSymmetryConfusion"
    ),
    Defect {
        name: "alg_confusion_no_kid",
        summary: "HS256 keyed with the public key's PEM, and there is no `kid`",
        source: "RFC 8725, 2.1; CVE-2015-9235; RFC 7515, 4.1.4: `kid` is optional",
        build: |_| Recipe { signer: Signer::Confused(PublicForm::Pem), kid: Kid::Absent, ..GOOD },
        faults: &[Fault::PublicKeyAsSecret],
        inapplicable: |at| only_public(at).or_else(|| only_with_kid(at)),
        ..ALGORITHM
    },
    Defect {
        name: "alg_other_hash",
        summary: "the right RSA key by another hash than the policy's",
        severity: Medium,
        source: "RFC 8725, 3.1",
        build: |_| Recipe { signer: Signer::OtherHash, ..GOOD },
        faults: &[Fault::AlgOther],
        must: |at| pinned(at, SigningKey::other_hash),
        inapplicable: only_rsa,
        ..ALGORITHM
    },
    Defect {
        name: "alg_other_padding",
        summary: "the right RSA key by the other padding than the policy's",
        severity: Medium,
        source: "RFC 8725, 3.1; Wycheproof UsingPS256",
        build: |_| Recipe { signer: Signer::OtherPadding, ..GOOD },
        faults: &[Fault::AlgOther],
        must: |at| pinned(at, SigningKey::other_padding),
        inapplicable: only_rsa,
        ..ALGORITHM
    },
    Defect {
        name: "alg_other_hmac",
        summary: "the right secret by another hash than the policy's",
        severity: Low,
        source: "RFC 8725, 3.1",
        build: |_| Recipe { signer: Signer::OtherHash, ..GOOD },
        faults: &[Fault::AlgOther],
        must: |at| pinned(at, SigningKey::other_hash),
        inapplicable: only_hmac,
        ..ALGORITHM
    },
    Defect {
        name: "alg_missing",
        summary: "there is no `alg`",
        severity: Medium,
        source: "RFC 7515, 4.1.1",
        build: |_| Recipe { header: &[("alg", "")], ..GOOD },
        faults: &[Fault::AlgMissing],
        ..ALGORITHM
    },
    odd!("alg_null", "null", AlgMissing, "`alg` is null"),
    odd!("alg_number", "256", AlgMissing, "`alg` is a number"),
    odd!("alg_array", "[\"none\"]", AlgMissing, "`alg` is an array that holds `none`"),
    odd!("alg_empty", "\"\"", AlgUnknown, "`alg` is an empty text"),
    odd!("alg_unknown", "\"FOO256\"", AlgUnknown, "`alg` is `FOO256`, which nobody knows"),
    odd!("alg_hs1", "\"HS1\"", AlgUnknown, "`alg` is `HS1`, HMAC with SHA-1"),
    odd!("alg_es256k", "\"ES256K\"", AlgUnknown, "`alg` is `ES256K`, a curve of block chains"),
    Defect {
        name: "alg_other_curve",
        summary: "signed with a key of the other curve under the name of the right one",
        severity: High,
        source: "CVE-2022-23539; RFC 7518, 3.4",
        build: |_| Recipe { signer: Signer::OtherCurve, ..GOOD },
        faults: &[Fault::CurveMismatch],
        inapplicable: only_ec,
        ..ALGORITHM
    },
];
