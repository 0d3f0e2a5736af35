//! Signatures that are not those of these bytes by the key.

use super::{
    Severity::{Critical, High, Low},
    entry::Defect,
    when::{only_ec, only_hmac, only_pkcs1, only_with_other_secret},
};
use crate::{
    scenario::Group,
    token::{
        oracle::Fault,
        press::add_free_member,
        recipe::{GOOD, Must, Recipe, Signer, Twist},
    },
};

const SIGNATURE: Defect = Defect {
    group: Some(Group::Signature),
    severity: Critical,
    faults: &[Fault::Signature],
    must: |_| Must::Refuse(Group::Signature.into()),
    ..Defect::BASE
};

/// A secret of examples; the entry does not apply where a key of the scenario has it, which is a finding by itself.
macro_rules! weak_secret {
    ($name:literal, $secret:literal, $where:literal) => {
        Defect {
            name: $name,
            summary: concat!("signed with the secret `", $secret, "`, ", $where),
            source: "RFC 8725, 3.5",
            build: |_| Recipe { signer: Signer::Secret($secret.as_bytes()), ..GOOD },
            faults: &[Fault::WeakSecret],
            inapplicable: |at| {
                only_with_other_secret(at, $secret.as_bytes()).or_else(|| only_hmac(at))
            },
            ..SIGNATURE
        }
    };
}

/// An ECDSA signature whose `r` and `s` are these numbers, in the width of the curve.
macro_rules! edge {
    ($name:literal, $summary:literal, $r:expr, $s:expr) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "CVE-2022-21449; Wycheproof SpecialCaseEs256",
            build: |_| Recipe {
                twist: Twist::Signature(|signature| {
                    let half = signature.len() / 2;
                    let (r, s): (fn(usize) -> Vec<u8>, fn(usize) -> Vec<u8>) = ($r, $s);
                    *signature = [r(half), s(half)].concat();
                }),
                ..GOOD
            },
            faults: &[Fault::EcdsaRange],
            inapplicable: only_ec,
            ..SIGNATURE
        }
    };
}

/// The order of the curve of that width, big-endian (FIPS 186-4, D.1.2.3 and D.1.2.4).
fn order(width: usize) -> Vec<u8> {
    let mut order = vec![0xFF; width];
    let end: &[u8] = if width == 32 {
        order[4..8].fill(0);
        &[
            0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63,
            0x25, 0x51,
        ]
    } else {
        &[
            0xC7, 0x63, 0x4D, 0x81, 0xF4, 0x37, 0x2D, 0xDF, 0x58, 0x1A, 0x0D, 0xB2, 0x48, 0xB0,
            0xA7, 0x7A, 0xEC, 0xEC, 0x19, 0x6A, 0xCC, 0xC5, 0x29, 0x73,
        ]
    };
    order[width - end.len()..].copy_from_slice(end);
    order
}

/// One less than the order, which is odd.
fn order_minus_one(width: usize) -> Vec<u8> {
    let mut number = order(width);
    number[width - 1] -= 1;
    number
}

fn one(width: usize) -> Vec<u8> {
    let mut number = vec![0; width];
    number[width - 1] = 1;
    number
}

fn largest(width: usize) -> Vec<u8> {
    vec![0xFF; width]
}

/// A number as DER has it (X.690, 8.3).
fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
    let mut number = bytes[zeros..].to_vec();
    if number[0] >= 0x80 {
        number.insert(0, 0);
    }
    [&[2, number.len() as u8], &number[..]].concat()
}

fn to_der(signature: &mut Vec<u8>) {
    let (r, s) = signature.split_at(signature.len() / 2);
    let both = [der_integer(r), der_integer(s)].concat();
    *signature = [&[0x30, both.len() as u8], &both[..]].concat();
}

/// Changes the last digit of the token id where that is the last claim: still JSON, of the same length, and no other
/// check of a verifier can notice it. The scenario may have an id of its own: then a claim is added.
fn other_token_id(payload: &mut Vec<u8>) {
    const DIGITS: usize = 16;
    let name = b"\"jti\":\"";
    let from_end = name.len() + DIGITS + b"\"}".len();
    let tail = payload.len().checked_sub(from_end).map(|start| &payload[start..]);
    let is_last = tail.is_some_and(|tail| {
        tail.starts_with(name)
            && tail[name.len()..][..DIGITS].iter().all(u8::is_ascii_hexdigit)
            && tail.ends_with(b"\"}")
    });
    if !is_last {
        add_free_member(payload, "note", b"1");
        return;
    }
    let last = payload.len() - 3;
    payload[last] = if payload[last] == b'0' { b'1' } else { b'0' };
}

/// The type in lower case, which is as good (RFC 7519, 5.1).
fn other_type(header: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(header);
    *header = text.replacen("\"typ\":\"JWT\"", "\"typ\":\"jwt\"", 1).into_bytes();
}

fn flip(signature: &mut [u8], at: usize) {
    if let Some(byte) = signature.get_mut(at) {
        *byte ^= 0x10;
    }
}

pub(super) static DEFECTS: [Defect; 26] = [
    Defect {
        name: "wrong_key",
        summary: "signed with another key of the same algorithm, under the same `kid`",
        source: "RFC 7515, 5.2",
        build: |_| Recipe { signer: Signer::Stranger, ..GOOD },
        ..SIGNATURE
    },
    Defect {
        name: "tampered_payload",
        summary: "a claim was changed after signing",
        source: "RFC 7515, 5.2; Wycheproof rejectsModifiedPayload",
        build: |_| Recipe { twist: Twist::TamperPayload(other_token_id), ..GOOD },
        ..SIGNATURE
    },
    Defect {
        name: "tampered_header",
        summary: "the header was changed after signing",
        source: "RFC 7515, 5.2; Wycheproof rejectsModifiedHeader",
        build: |_| Recipe { twist: Twist::TamperHeader(other_type), ..GOOD },
        ..SIGNATURE
    },
    Defect {
        name: "signature_spliced",
        summary: "the signature is that of another token of the same key",
        source: "RFC 7515, 5.2",
        build: |_| Recipe { twist: Twist::Spliced, ..GOOD },
        ..SIGNATURE
    },
    Defect {
        name: "signature_bit_first",
        summary: "a bit in the first byte of the signature is flipped",
        source: "Wycheproof rejectsModifiedSignature",
        build: |_| Recipe { twist: Twist::Signature(|signature| flip(signature, 0)), ..GOOD },
        ..SIGNATURE
    },
    Defect {
        name: "signature_bit_middle",
        summary: "a bit in the middle of the signature is flipped",
        source: "Wycheproof rejectsModifiedSignature",
        build: |_| Recipe {
            twist: Twist::Signature(|signature| {
                let middle = signature.len() / 2;
                flip(signature, middle);
            }),
            ..GOOD
        },
        ..SIGNATURE
    },
    Defect {
        name: "signature_bit_last",
        summary: "a bit in the last byte of the signature is flipped",
        source: "Wycheproof rejectsModifiedSignature",
        build: |_| Recipe {
            twist: Twist::Signature(|signature| {
                let last = signature.len().saturating_sub(1);
                flip(signature, last);
            }),
            ..GOOD
        },
        ..SIGNATURE
    },
    Defect {
        name: "signature_stripped",
        summary: "the signature is empty, `alg` unchanged",
        source: "CVE-2020-28042; Wycheproof rejectsMissingSignature",
        build: |_| Recipe { twist: Twist::Signature(Vec::clear), ..GOOD },
        faults: &[Fault::SignatureMissing],
        ..SIGNATURE
    },
    Defect {
        name: "signature_truncated",
        summary: "the last byte of the signature is missing",
        severity: High,
        source: "Wycheproof truncatedSignature",
        build: |_| Recipe {
            twist: Twist::Signature(|signature| signature.truncate(signature.len() - 1)),
            ..GOOD
        },
        faults: &[Fault::SignatureLength],
        ..SIGNATURE
    },
    Defect {
        name: "signature_extended",
        summary: "a byte of 0 follows the signature",
        severity: High,
        source: "Wycheproof TrailingZeros",
        build: |_| Recipe { twist: Twist::Signature(|signature| signature.push(0)), ..GOOD },
        faults: &[Fault::SignatureLength],
        ..SIGNATURE
    },
    Defect {
        name: "signature_zero",
        summary: "all bytes of the signature are 0 (of ECDSA: psychic)",
        source: "CVE-2022-21449; Wycheproof SpecialCaseEs256",
        build: |_| Recipe { twist: Twist::Signature(|signature| signature.fill(0)), ..GOOD },
        faults: &[Fault::ZeroSignature],
        ..SIGNATURE
    },
    Defect {
        name: "secret_empty",
        summary: "signed with an HMAC secret of no bytes",
        source: "CVE-2019-20933; CVE-2020-28637",
        build: |_| Recipe { signer: Signer::Secret(b""), ..GOOD },
        faults: &[Fault::EmptySecret],
        inapplicable: |at| only_with_other_secret(at, b"").or_else(|| only_hmac(at)),
        ..SIGNATURE
    },
    weak_secret!("secret_weak_secret", "secret", "that of documentation"),
    weak_secret!("secret_weak_emqx", "emqxsecret", "that of EMQX's examples"),
    weak_secret!("secret_weak_rmqtt", "rmqttsecret", "that of rmqtt's examples"),
    weak_secret!("secret_weak_public", "public", "that of EMQX's dashboard"),
    edge!("ecdsa_r_is_n", "`r` is the order of the curve", order, one),
    edge!("ecdsa_s_is_n", "`s` is the order of the curve", one, order),
    edge!(
        "ecdsa_n_minus_one",
        "`r` and `s` are the order less one",
        order_minus_one,
        order_minus_one
    ),
    edge!("ecdsa_one", "`r` and `s` are 1", one, one),
    edge!("ecdsa_too_big", "`r` and `s` have all bits set", largest, largest),
    Defect {
        name: "ecdsa_der",
        summary: "the signature is in DER, not `r || s`",
        severity: Low,
        source: "RFC 7518, 3.4",
        build: |_| Recipe { twist: Twist::Signature(to_der), ..GOOD },
        faults: &[Fault::DerSignature],
        inapplicable: only_ec,
        ..SIGNATURE
    },
    Defect {
        name: "rsa_block_type",
        summary: "the padding of the RSA signature is that of encryption (block type 2)",
        source: "RFC 8017, 9.2; Wycheproof ModifiedPadding",
        build: |_| Recipe { twist: Twist::Block(|block| block[0] = 2), ..GOOD },
        faults: &[Fault::RsaPadding],
        inapplicable: only_pkcs1,
        ..SIGNATURE
    },
    Defect {
        name: "rsa_short_padding",
        summary: "the padding of the RSA signature is short, and garbage follows the hash",
        source: "Bleichenbacher 2006; CVE-2006-4339; Wycheproof ModifiedPadding",
        build: |_| Recipe {
            twist: Twist::Block(|block| {
                let padding = block[1..].iter().take_while(|byte| **byte == 0xFF).count();
                block.drain(1..=padding - 8);
                block.resize(block.len() + padding - 8, 0xA5);
            }),
            ..GOOD
        },
        faults: &[Fault::RsaPadding],
        inapplicable: only_pkcs1,
        ..SIGNATURE
    },
    Defect {
        name: "rsa_no_digest_info",
        summary: "the RSA signature names no hash algorithm",
        source: "RFC 8017, 9.2; Wycheproof ModifiedPadding",
        build: |_| Recipe {
            twist: Twist::Block(|block| {
                // The prefixes of SHA-2 have 19 bytes, whichever of them it is.
                let padding = block[1..].iter().take_while(|byte| **byte == 0xFF).count();
                block[1 + padding..1 + padding + 19].fill(0xFF);
                block[1 + padding + 19] = 0;
            }),
            ..GOOD
        },
        faults: &[Fault::RsaPadding],
        inapplicable: only_pkcs1,
        ..SIGNATURE
    },
    Defect {
        name: "rsa_hash_first",
        summary: "the RSA signature has the hash in front of its padding",
        source: "RFC 8017, 9.2; Wycheproof ModifiedPadding",
        build: |_| Recipe {
            twist: Twist::Block(|block| {
                let padding = block[1..].iter().take_while(|byte| **byte == 0xFF).count();
                block[1..].rotate_left(padding);
            }),
            ..GOOD
        },
        faults: &[Fault::RsaPadding],
        inapplicable: only_pkcs1,
        ..SIGNATURE
    },
];
