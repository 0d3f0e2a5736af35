//! Text that is appended to a token in the making, without allocating.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Changes what stands in `out` from `start` on.
pub(super) fn change_tail(out: &mut Vec<u8>, start: usize, change: fn(&mut Vec<u8>)) {
    let mut tail = out.split_off(start);
    change(&mut tail);
    out.extend_from_slice(&tail);
}

/// Appends bytes as base64url without padding (RFC 7515, 2).
pub(super) fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len() * 4 / 3 + 4, 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

/// Appends a number as sixteen hexadecimal digits.
pub(super) fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..16).rev().map(|digit| DIGITS[(number >> (digit * 4)) as usize & 15]));
}
