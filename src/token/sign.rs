//! One token out of what is ready made of its kind: its times, its claims, its signature.

use super::{
    encode::{append_base64, change_tail, hexadecimal},
    key::nkey,
    mint::Occasion,
    press::{KID_DIGITS, Press, add_free_member},
    recipe::{Exp, Kid, Twist, span},
    template::{Piece, append, decimal},
};
use crate::base::{
    clock::SECOND,
    error::{Error, Result},
};

/// The time claims of one token, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Seconds {
    /// The second of the moment of use.
    now: i64,
    iat: i64,
    pub(super) exp: Option<i64>,
    pub(super) nbf: Option<i64>,
}

impl Press {
    /// Rounded so that what is claimed holds at the moment of use: an expired token is at least so
    /// long expired, one not yet valid at least so far from valid.
    pub(super) fn times(&self, Occasion { at, exp: given }: Occasion, ttl: i64) -> Seconds {
        let second = SECOND as i64;
        let now = at.div_euclid(second);
        let nbf = self.recipe.nbf_after.map(|after| match span(after) {
            // The second that it is: valid from its beginning.
            0 => now,
            after => at.saturating_add(after).saturating_add(second - 1).div_euclid(second),
        });
        let (issued, exp) = match self.recipe.exp {
            Exp::Absent => (now, None),
            Exp::Ago(ago) => {
                let exp = at.saturating_sub(span(ago)).div_euclid(second);
                (exp.saturating_sub(ttl / second), Some(exp))
            }
            Exp::In(after) => (now, Some(now.saturating_add(span(after) / second))),
            Exp::Ttl => {
                let from = nbf.map_or(at, |nbf| nbf.saturating_mul(second).max(at));
                (now, given.or(Some(from.saturating_add(ttl).div_euclid(second))))
            }
        };
        let iat = self.given.iat.map_or(issued, |moment| moment.of(issued));
        let nbf = nbf.or(self.given.nbf.map(|moment| moment.of(issued)));
        Seconds { now, iat, exp, nbf }
    }

    pub(super) fn render(&self, out: &mut Vec<u8>, times: Seconds, n: u64, id: u64) {
        for piece in &self.payload {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Number => decimal(n, out),
                Piece::Another => decimal(n.wrapping_add(1), out),
                Piece::IssuedAt => decimal(times.iat.max(0) as u64, out),
                Piece::Expires => decimal(times.exp.unwrap_or_default().max(0) as u64, out),
                Piece::NotBefore => decimal(times.nbf.unwrap_or_default().max(0) as u64, out),
                Piece::At(offset) => decimal(times.now.saturating_add(*offset).max(0) as u64, out),
                Piece::TokenId => hexadecimal(id, out),
                // No tokens are made for clients of a list.
                Piece::Listed(texts) => append(texts, n, out),
                Piece::User => out.extend_from_slice(&nkey::user(n, id)),
                Piece::Thumbprint(of, after) => out.extend_from_slice(&of.of(n, *after)),
            }
        }
    }

    /// Appends the token whose claims are in `payload`.
    pub(super) fn sign(
        &self,
        payload: &mut Vec<u8>,
        times: Seconds,
        (n, id): (u64, u64),
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        let twist = self.recipe.twist;
        match twist {
            Twist::Payload(change) => change(payload),
            Twist::Length(length) => self.lengthen(payload, length)?,
            Twist::Nested => {
                let inner = self.compact(payload)?;
                *payload = inner;
            }
            _ => {}
        }
        match self.recipe.kid {
            Kid::Unknown => self.append_header_of(id, out),
            _ => out.extend_from_slice(&self.prefix),
        }
        let text = out.len();
        append_base64(payload, out);
        if let Twist::PayloadText(change) = twist {
            change_tail(out, text, change);
        }
        let mut signature = match twist {
            Twist::Spliced => {
                let mut other = Vec::new();
                self.render(&mut other, times, n, id ^ 1);
                // Where the scenario gives all tokens one id, that is not enough to make another of it.
                add_free_member(&mut other, "note", b"1");
                let mut message = self.prefix.clone();
                append_base64(&other, &mut message);
                self.signature(&message)?
            }
            Twist::Block(change) => {
                self.raw.as_ref().map(|raw| raw.sign(&out[start..], change)).unwrap_or_default()
            }
            _ => self.signature(&out[start..])?,
        };
        match twist {
            Twist::TamperPayload(change) => {
                change(payload);
                out.truncate(text);
                append_base64(payload, out);
            }
            Twist::TamperHeader(change) => {
                let mut header = self.header.clone();
                change(&mut header);
                let payload = out.split_off(text);
                out.truncate(start);
                append_base64(&header, out);
                out.push(b'.');
                out.extend_from_slice(&payload);
            }
            Twist::Signature(change) => change(&mut signature),
            _ => {}
        }
        out.push(b'.');
        let text = out.len();
        append_base64(&signature, out);
        match twist {
            Twist::SignatureText(change) => change_tail(out, text, change),
            Twist::Token(change) => change_tail(out, start, change),
            _ => {}
        }
        Ok(())
    }

    /// Appends the header whose `kid` names no key, with digits of the token's own.
    fn append_header_of(&self, id: u64, out: &mut Vec<u8>) {
        let mut header = self.header.clone();
        if let Some(at) = self.kid_digits {
            let mut digits = Vec::with_capacity(KID_DIGITS);
            hexadecimal(id, &mut digits);
            header[at..at + digits.len()].copy_from_slice(&digits);
        }
        append_base64(&header, out);
        out.push(b'.');
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>> {
        let Some(signer) = &self.signer else { return Ok(Vec::new()) };
        signer
            .try_sign(message)
            .map_err(|error| Error::not_measured(format!("a token can't be signed: {error}")))
    }

    /// A token with these claims and nothing done to it.
    fn compact(&self, payload: &[u8]) -> Result<Vec<u8>> {
        let mut token = self.prefix.clone();
        append_base64(payload, &mut token);
        let signature = self.signature(&token)?;
        token.push(b'.');
        append_base64(&signature, &mut token);
        Ok(token)
    }

    /// Adds a claim that makes the token so long.
    fn lengthen(&self, payload: &mut Vec<u8>, length: usize) -> Result<()> {
        let now = self.compact(payload)?.len();
        let room = length.saturating_sub(now) / 4 * 3;
        let mut padded = payload.clone();
        add_free_member(&mut padded, "pad", b"\"\"");
        // Where there is no room for a claim, it is nearly as long.
        if let Some(filler) = room.checked_sub(padded.len() - payload.len()) {
            let end = padded.len() - b"\"}".len();
            padded.splice(end..end, std::iter::repeat_n(b'x', filler));
            *payload = padded;
        }
        Ok(())
    }
}
