//! What stands around a token, and base64url: named where it is wrong, and read all the same.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD},
    },
};
use serde_json::Value;

use super::{Fault, Faults};

/// Reads what has bits at its end that carry nothing.
const LOOSE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A segment of a token.
pub(super) struct Segment;

impl Segment {
    /// Its bytes, as a lenient decoder would read them; faults are what a strict one would stop at.
    pub(super) fn decode(text: &str, faults: &mut Faults) -> Vec<u8> {
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) {
            return bytes;
        }
        let body = text.trim_end_matches('=');
        if body.len() < text.len() {
            faults.add(Fault::Padding);
        }
        let mut plain = String::with_capacity(body.len());
        for c in body.chars() {
            match c {
                '+' | '/' => {
                    faults.add(Fault::Alphabet);
                    plain.push(if c == '+' { '-' } else { '_' });
                }
                c if c.is_ascii_whitespace() => faults.add(Fault::Space),
                'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' => plain.push(c),
                _ => faults.add(Fault::Character),
            }
        }
        URL_SAFE_NO_PAD.decode(&plain).unwrap_or_else(|_| {
            faults.add(Fault::LooseBits);
            LOOSE.decode(&plain).unwrap_or_default()
        })
    }
}

/// A token without what stands around it; faults are what did.
pub(super) fn unwrapped<'a>(token: &'a [u8], faults: &mut Faults) -> Cow<'a, str> {
    let mut text = match std::str::from_utf8(token) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => {
            faults.add(Fault::NotAscii);
            let ascii: Vec<u8> = token.iter().copied().filter(u8::is_ascii).collect();
            Cow::Owned(String::from_utf8_lossy(&ascii).into_owned())
        }
    };
    let trimmed = text.trim();
    if trimmed.len() < text.len() {
        faults.add(Fault::OuterSpace);
        text = Cow::Owned(trimmed.to_owned());
    }
    if let Some(bare) = text.strip_prefix("Bearer ") {
        faults.add(Fault::Prefix);
        text = Cow::Owned(bare.to_owned());
    }
    if let Some(bare) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        faults.add(Fault::Quoted);
        text = Cow::Owned(bare.to_owned());
    }
    if text.contains("%2E") {
        faults.add(Fault::PercentEncoded);
        text = Cow::Owned(text.replace("%2E", "."));
    }
    if text.starts_with('{')
        && let Some(compact) = compact(&text)
    {
        faults.add(Fault::JsonSerialization);
        text = Cow::Owned(compact);
    }
    text
}

/// The compact form of a JWS in JSON (RFC 7515, 7.2), by its first signature.
fn compact(text: &str) -> Option<String> {
    let jws: Value = serde_json::from_str(text).ok()?;
    let first = jws.get("signatures").map_or(&jws, |signatures| &signatures[0]);
    let member = |from: &Value, name: &str| from[name].as_str().map(str::to_owned);
    Some(format!(
        "{}.{}.{}",
        member(first, "protected")?,
        member(&jws, "payload")?,
        member(first, "signature")?
    ))
}
