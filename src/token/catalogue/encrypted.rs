//! Encrypted tokens: anybody can encrypt to a public key, which proves nothing.

use super::{
    Severity::{Critical, High},
    Situation,
    entry::Defect,
    when::{long, only_public},
};
use crate::{
    scenario::{Algorithm, Group},
    token::{
        oracle::Fault,
        recipe::{Form, GOOD, Jwe, Must, Recipe},
    },
};

const ENCRYPTED: Defect = Defect {
    group: Some(Group::Encrypted),
    severity: Critical,
    faults: &[Fault::Encrypted],
    must: |_| Must::Refuse(Group::Encrypted.into()),
    ..Defect::BASE
};

/// Only for keys that can be encrypted to.
fn only_to_key(at: &Situation<'_>) -> Option<&'static str> {
    at.algorithm
        .is_some_and(Algorithm::is_ed25519)
        .then_some("an Ed25519 key can't be encrypted to")
        .or_else(|| only_public(at))
}

pub(super) static DEFECTS: [Defect; 5] = [
    Defect {
        name: "jwe_to_key",
        summary: "good claims, encrypted to the broker's public key and not signed",
        source: "CVE-2023-51774; sign/encrypt confusion, Black Hat 2023",
        build: |_| Recipe { form: Form::Jwe(Jwe::ToPublicKey), ..GOOD },
        inapplicable: only_to_key,
        ..ENCRYPTED
    },
    Defect {
        name: "jwe_direct",
        summary: "good claims, encrypted with a key of zeros and not signed",
        source: "RFC 8725, 3.2",
        build: |_| Recipe { form: Form::Jwe(Jwe::Direct), ..GOOD },
        ..ENCRYPTED
    },
    Defect {
        name: "jwe_plain_inside",
        summary: "a token of `alg: none`, encrypted to the broker's public key",
        source: "RFC 8725, 2.5; CVE-2026-29000",
        build: |_| Recipe { form: Form::Jwe(Jwe::PlainInside), ..GOOD },
        inapplicable: only_to_key,
        ..ENCRYPTED
    },
    Defect {
        name: "jwe_bomb",
        summary: "32 MiB, compressed to some 43 KB and encrypted (`zip` is `DEF`)",
        severity: High,
        source: "RFC 8725, 3.6; CVE-2024-28180; CVE-2024-33664",
        build: |_| Recipe { form: Form::Jwe(Jwe::Bomb), ..GOOD },
        must: |at| Must::Refuse(long(Group::Encrypted, 44_000, at)),
        ..ENCRYPTED
    },
    Defect {
        name: "jwe_many_rounds",
        summary: "a password that asks for 2^31 - 1 rounds (`p2c` of PBES2)",
        severity: High,
        source: "CVE-2022-36083; CVE-2023-50966; CVE-2023-52428",
        build: |_| Recipe { form: Form::Jwe(Jwe::ManyRounds), ..GOOD },
        ..ENCRYPTED
    },
];
