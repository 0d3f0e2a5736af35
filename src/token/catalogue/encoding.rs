//! base64url that is not as RFC 7515 has it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Severity::Info,
    entry::Defect,
    when::{encoding, only_with_loose_bits, only_with_padding},
};
use crate::{
    scenario::Group,
    token::{
        oracle::Fault,
        recipe::{GOOD, Recipe, Twist},
    },
};

const STRUCTURE: Defect =
    Defect { group: Some(Group::Structure), severity: Info, must: encoding, ..Defect::BASE };

/// base64url that is not as RFC 7515 has it; the signature is over it as it is sent.
macro_rules! encoded {
    ($name:literal, $step:ident, $change:expr, $fault:ident, $summary:literal) => {
        Defect {
            name: $name,
            summary: $summary,
            source: "RFC 7515, 2; Wycheproof base64",
            build: |_| Recipe { twist: Twist::$step($change), ..GOOD },
            faults: &[Fault::$fault],
            ..STRUCTURE
        }
    };
}

/// Appends the `=` that base64 has here (RFC 4648, 3.2): two, one, or none.
fn pad(segment: &mut Vec<u8>) {
    while !segment.len().is_multiple_of(4) {
        segment.push(b'=');
    }
}

/// Pads the segment of a JSON text.
fn pad_json(segment: &mut Vec<u8>) {
    stretch(segment, 1);
    pad(segment);
}

/// Appends white space to the JSON of a segment until it has this many bytes beyond a multiple of three. A lenient
/// decoder may take one length and refuse another, so the length must not differ from client to client.
fn stretch(segment: &mut Vec<u8>, beyond: usize) {
    let mut json = URL_SAFE_NO_PAD.decode(&*segment).unwrap_or_default();
    while json.len() % 3 != beyond {
        json.push(b' ');
    }
    *segment = URL_SAFE_NO_PAD.encode(json).into_bytes();
}

/// Puts bytes into the middle, between two groups of four characters.
fn put(segment: &mut Vec<u8>, bytes: &[u8]) {
    let middle = segment.len() / 8 * 4;
    segment.splice(middle..middle, bytes.iter().copied());
}

/// Puts bytes into the middle of the segment of a JSON text.
fn put_in_json(segment: &mut Vec<u8>, bytes: &[u8]) {
    stretch(segment, 0);
    put(segment, bytes);
}

/// The same in the alphabet of RFC 4648, 4.
fn to_standard(segment: &mut Vec<u8>) {
    for byte in segment {
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
}

/// Sets a bit at the end that carries nothing.
fn loosen(segment: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if let Some(last) = segment.last_mut()
        && let Some(at) = ALPHABET.iter().position(|letter| letter == last)
    {
        *last = ALPHABET[at | 1];
    }
}

/// Sets such a bit at the end of a JSON text.
fn loosen_json(segment: &mut Vec<u8>) {
    stretch(segment, 1);
    loosen(segment);
}

pub(super) static DEFECTS: [Defect; 15] = [
    encoded!("padded_header", HeaderText, pad_json, Padding, "the header has `=` at its end"),
    encoded!("padded_payload", PayloadText, pad_json, Padding, "the payload has `=` at its end"),
    Defect {
        name: "padded_signature",
        summary: "the signature has `=` at its end",
        source: "RFC 7515, 2; Wycheproof base64",
        build: |_| Recipe { twist: Twist::SignatureText(pad), ..GOOD },
        faults: &[Fault::Padding],
        inapplicable: only_with_padding,
        ..STRUCTURE
    },
    Defect {
        name: "standard_alphabet",
        summary: "the payload has `+` or `/` for `-` or `_`",
        source: "RFC 7515, 2; Wycheproof base64",
        build: |_| Recipe {
            claims: &[("+note", "\"????????\"")],
            twist: Twist::PayloadText(to_standard),
            ..GOOD
        },
        faults: &[Fault::Alphabet],
        ..STRUCTURE
    },
    encoded!(
        "space_inside",
        PayloadText,
        |text| put_in_json(text, b" "),
        Space,
        "there is a space in the payload"
    ),
    encoded!(
        "line_break_inside",
        PayloadText,
        |text| put_in_json(text, b"\r\n"),
        Space,
        "there is a line break in the payload"
    ),
    encoded!(
        "tab_inside",
        PayloadText,
        |text| put_in_json(text, b"\t"),
        Space,
        "there is a tab in the payload"
    ),
    encoded!(
        "character_inside",
        PayloadText,
        |text| put_in_json(text, b"!"),
        Character,
        "there is a `!` in the payload"
    ),
    encoded!(
        "character_in_signature",
        SignatureText,
        |text| put(text, b"!"),
        Character,
        "there is a `!` in the signature"
    ),
    encoded!(
        "space_before",
        Token,
        |token| token.insert(0, b' '),
        OuterSpace,
        "there is a space before the token"
    ),
    encoded!(
        "space_after",
        Token,
        |token| token.push(b' '),
        OuterSpace,
        "there is a space after the token"
    ),
    encoded!(
        "line_break_after",
        Token,
        |token| token.push(b'\n'),
        OuterSpace,
        "there is a line break after the token"
    ),
    encoded!(
        "loose_bits_header",
        HeaderText,
        loosen_json,
        LooseBits,
        "bits that carry nothing are set at the end of the header"
    ),
    encoded!(
        "loose_bits_payload",
        PayloadText,
        loosen_json,
        LooseBits,
        "bits that carry nothing are set at the end of the payload"
    ),
    Defect {
        name: "loose_bits_signature",
        summary: "bits that carry nothing are set at the end of the signature",
        source: "RFC 7515, 2; Wycheproof ModifiedUnusedBits",
        build: |_| Recipe { twist: Twist::SignatureText(|text| loosen(text)), ..GOOD },
        faults: &[Fault::LooseBits],
        inapplicable: only_with_loose_bits,
        ..STRUCTURE
    },
];
