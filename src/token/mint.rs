//! Minting: claims of one client into one signed token, without allocating more than the signature.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::JwtSigner;
use serde_json::{Map, Value};

use super::{
    Kind,
    given::Given,
    jwe::Envelope,
    mixed, press,
    recipe::{Exp, Form, Kid, Recipe, Signer, Twist, span},
    template::{Names, Piece, decimal},
};
use crate::{
    base::{
        clock::{SECOND, of_seconds},
        error::{Error, Result},
    },
    token::key::{SigningKey, rsa::RawRsa},
};

/// What every token of a run is made from.
#[derive(Clone, Debug)]
pub struct Mould {
    /// The scenario's seed: token ids follow from it.
    pub seed: u64,
    /// Keys, in the order that [`Kind::key`] counts.
    pub keys: Arc<Vec<SigningKey>>,
    /// Keys that are made from them for kinds that another signs: index of the key, who signs, the key. Made once, so
    /// that all threads sign with the same.
    pub derived: Vec<(usize, Signer, Arc<SigningKey>)>,
    /// Kinds, in the order of the mix.
    pub kinds: Vec<Kind>,
    /// `[token.claims]`.
    pub claims: Map<String, Value>,
    /// Claims among them that are the client's own.
    pub bound: Vec<String>,
    /// Client ids and user names.
    pub names: Names,
    /// `exp` - `iat`.
    pub ttl: Duration,
    /// The number of client 0 in names and claims: clients of a volley come after all that were there before.
    pub first_client: u64,
    /// Where the canary listens: `host:port`.
    pub canary: String,
}

/// What a token's password field is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Password {
    /// These bytes.
    Given,
    /// The field is absent, and the user name with it.
    Absent,
}

/// The time claims of a token, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// When it ends.
    pub exp: Option<i64>,
    /// When it begins.
    pub nbf: Option<i64>,
}

/// Mints tokens; each thread has its own.
pub struct Minter {
    seed: u64,
    ttl: i64,
    first_client: u64,
    /// By kind, then by turn of the rotations that it follows.
    kinds: Vec<Vec<Press>>,
    payload: Vec<u8>,
}

/// What is ready made of a kind of token.
pub(super) struct Press {
    pub(super) recipe: Recipe,
    /// Moments that the scenario gives.
    pub(super) given: Given,
    /// The JSON of the header.
    pub(super) header: Vec<u8>,
    /// Where in it the digits of an unknown `kid` are.
    pub(super) kid_digits: Option<usize>,
    /// `base64url(header).`
    pub(super) prefix: Vec<u8>,
    pub(super) payload: Vec<Piece>,
    pub(super) signer: Option<Box<dyn JwtSigner>>,
    /// The key as numbers, for blocks of our own.
    pub(super) raw: Option<RawRsa>,
    pub(super) envelope: Option<Envelope>,
}

impl std::fmt::Debug for Minter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minter").field("kinds", &self.kinds.len()).finish_non_exhaustive()
    }
}

impl Minter {
    /// Parses the keys and compiles the claims of all kinds.
    ///
    /// # Errors
    /// When a key can't sign, or a claim can't be compiled.
    pub fn new(mould: &Mould) -> Result<Self> {
        let presses = |kind: &Kind| -> Result<Vec<Press>> {
            (0..=kind.later.len())
                .map(|turn| press::press(&Kind { key: kind.key_at(turn), ..kind.clone() }, mould))
                .collect()
        };
        let kinds = mould.kinds.iter().map(presses).collect::<Result<_>>()?;
        Ok(Self {
            seed: mould.seed,
            ttl: span(mould.ttl),
            first_client: mould.first_client,
            kinds,
            payload: Vec::with_capacity(1024),
        })
    }

    /// Appends what client `n` brings to `out`, for use at the wall time `at` (nanoseconds since 1970).
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn mint(
        &mut self,
        kind: usize,
        n: u64,
        at: i64,
        out: &mut Vec<u8>,
    ) -> Result<(Password, Times)> {
        self.mint_in_turn((kind, 0), n, at, out)
    }

    /// The same with the key that signs a kind at a turn of the rotations.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn mint_in_turn(
        &mut self,
        (kind, turn): (usize, usize),
        n: u64,
        at: i64,
        out: &mut Vec<u8>,
    ) -> Result<(Password, Times)> {
        let n = self.first_client + n;
        let presses = &self.kinds[kind];
        let press = &presses[turn.min(presses.len() - 1)];
        match press.recipe.form {
            Form::Nothing => return Ok((Password::Absent, Times::default())),
            Form::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                return Ok((Password::Given, Times::default()));
            }
            Form::Jwt | Form::Jwe(_) => {}
        }
        let times = press.times(at, self.ttl);
        let id = mixed(self.seed, n);
        self.payload.clear();
        press.render(&mut self.payload, times, n, id);
        match &press.envelope {
            Some(envelope) => envelope.seal(&self.payload, out)?,
            None => press.sign(&mut self.payload, times, (n, id), out)?,
        }
        let times = Times { exp: times.exp.map(of_seconds), nbf: times.nbf.map(of_seconds) };
        Ok((Password::Given, times))
    }
}

/// The time claims of one token, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Seconds {
    /// The second of the moment of use.
    now: i64,
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
}

impl Press {
    /// Rounded so that what is claimed holds at the moment of use: an expired token is at least so
    /// long expired, one not yet valid at least so far from valid.
    fn times(&self, at: i64, ttl: i64) -> Seconds {
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
                (now, Some(from.saturating_add(ttl).div_euclid(second)))
            }
        };
        let iat = self.given.iat.map_or(issued, |moment| moment.of(issued));
        let nbf = nbf.or(self.given.nbf.map(|moment| moment.of(issued)));
        Seconds { now, iat, exp, nbf }
    }

    fn render(&self, out: &mut Vec<u8>, times: Seconds, n: u64, id: u64) {
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
            }
        }
    }

    /// Appends the token whose claims are in `payload`.
    fn sign(
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
                press::add_free_member(&mut other, "note", b"1");
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
            let mut digits = Vec::with_capacity(press::KID_DIGITS);
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
        press::add_free_member(&mut padded, "pad", b"\"\"");
        // Where there is no room for a claim, it is nearly as long.
        if let Some(filler) = room.checked_sub(padded.len() - payload.len()) {
            let end = padded.len() - b"\"}".len();
            padded.splice(end..end, std::iter::repeat_n(b'x', filler));
            *payload = padded;
        }
        Ok(())
    }
}

/// Changes what stands in `out` from `start` on.
fn change_tail(out: &mut Vec<u8>, start: usize, change: fn(&mut Vec<u8>)) {
    let mut tail = out.split_off(start);
    change(&mut tail);
    out.extend_from_slice(&tail);
}

pub(super) fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len() * 4 / 3 + 4, 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..16).rev().map(|digit| DIGITS[(number >> (digit * 4)) as usize & 15]));
}
