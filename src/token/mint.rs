//! Minting: claims of one client into one signed token, without allocating more than the signature.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::JwtSigner;
use serde_json::{Map, Value};

use super::{
    Kind, mixed,
    recipe::{After, Exp, Form, Kid, Owner, Signer, span},
    template::{Names, Piece, compile_claims, decimal},
};
use crate::{
    clock::SECOND,
    error::{Error, Result},
    key::SigningKey,
};

/// What every token of a run is made from.
#[derive(Debug)]
pub struct Mould {
    /// The scenario's seed: token ids follow from it.
    pub seed: u64,
    /// Keys, in the order that [`Kind::key`] counts.
    pub keys: Vec<SigningKey>,
    /// For each key one that is not it (`wrong_key`), and its public half as a secret
    /// (`alg_confusion`), where a kind needs them; made once, so that all threads sign with the same.
    pub strangers: Vec<(Option<SigningKey>, Option<SigningKey>)>,
    /// Kinds, in the order of the mix.
    pub kinds: Vec<Kind>,
    /// `[token.claims]`.
    pub claims: Map<String, Value>,
    /// Client ids and user names.
    pub names: Names,
    /// `exp` - `iat`.
    pub ttl: Duration,
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
    kinds: Vec<Press>,
    payload: Vec<u8>,
}

/// What is ready made of a kind of token.
struct Press {
    form: Form,
    exp: Exp,
    nbf_after: Option<i64>,
    owner: Owner,
    after: After,
    /// `base64url(header).`
    header: Vec<u8>,
    payload: Vec<Piece>,
    signer: Option<Box<dyn JwtSigner>>,
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
        let kinds =
            mould.kinds.iter().map(|kind| Press::new(kind, mould)).collect::<Result<_>>()?;
        Ok(Self {
            seed: mould.seed,
            ttl: span(mould.ttl),
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
        let press = &self.kinds[kind];
        match press.form {
            Form::Nothing => return Ok((Password::Absent, Times::default())),
            Form::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                return Ok((Password::Given, Times::default()));
            }
            Form::Jwt => {}
        }
        let times = press.times(at, self.ttl);
        let owner = if press.owner == Owner::Another { n.wrapping_add(1) } else { n };
        let start = out.len();
        out.extend_from_slice(&press.header);
        self.payload.clear();
        press.render(&mut self.payload, times, owner, mixed(self.seed, n));
        append_base64(&self.payload, out);
        let signature = match &press.signer {
            Some(signer) => signer.try_sign(&out[start..]).map_err(|error| {
                Error::not_measured(format!("a token can't be signed: {error}"))
            })?,
            None => Vec::new(),
        };
        if press.after == After::TamperPayload {
            tamper(&mut self.payload);
            out.truncate(start + press.header.len());
            append_base64(&self.payload, out);
        }
        out.push(b'.');
        if press.after != After::StripSignature {
            append_base64(&signature, out);
        }
        let nanoseconds = |seconds: i64| seconds.saturating_mul(SECOND as i64);
        Ok((
            Password::Given,
            Times { exp: times.exp.map(nanoseconds), nbf: times.nbf.map(nanoseconds) },
        ))
    }
}

/// The time claims of one token, in seconds since 1970.
#[derive(Clone, Copy)]
struct Seconds {
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
}

impl Press {
    fn new(kind: &Kind, mould: &Mould) -> Result<Self> {
        let recipe = &kind.recipe;
        let key = kind.key.map(|index| (&mould.keys[index], &mould.strangers[index]));
        let signer = match (recipe.signer, key) {
            (Signer::None, _) | (_, None) => None,
            (Signer::Own, Some((key, _))) => Some(key),
            (Signer::Stranger, Some((_, (stranger, _)))) => stranger.as_ref(),
            (Signer::Confused, Some((_, (_, confused)))) => confused.as_ref(),
        };
        Ok(Self {
            form: recipe.form,
            exp: recipe.exp,
            nbf_after: recipe.nbf_after.map(span),
            owner: recipe.owner,
            after: recipe.after,
            header: header(
                signer,
                recipe.kid,
                key.and_then(|(key, _)| key.kid.as_deref()),
                mould.seed,
            ),
            payload: payload(kind, mould)?,
            signer: signer.map(SigningKey::signer).transpose()?,
        })
    }

    /// Rounded so that what is claimed holds at the moment of use: an expired token is at least so
    /// long expired, one not yet valid at least so far from valid.
    fn times(&self, at: i64, ttl: i64) -> Seconds {
        let second = SECOND as i64;
        let nbf = self
            .nbf_after
            .map(|after| at.saturating_add(after).saturating_add(second - 1).div_euclid(second));
        let iat = at.div_euclid(second);
        match self.exp {
            Exp::Absent => Seconds { iat, exp: None, nbf },
            Exp::Ago(ago) => {
                let exp = at.saturating_sub(span(ago)).div_euclid(second);
                Seconds { iat: exp.saturating_sub(ttl / second), exp: Some(exp), nbf }
            }
            Exp::Ttl => {
                let from = nbf.map_or(at, |nbf| nbf.saturating_mul(second));
                Seconds { iat, exp: Some(from.saturating_add(ttl).div_euclid(second)), nbf }
            }
        }
    }

    fn render(&self, out: &mut Vec<u8>, times: Seconds, owner: u64, id: u64) {
        for piece in &self.payload {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Number => decimal(owner, out),
                Piece::IssuedAt => decimal(times.iat.max(0) as u64, out),
                Piece::Expires => decimal(times.exp.unwrap_or_default().max(0) as u64, out),
                Piece::NotBefore => decimal(times.nbf.unwrap_or_default().max(0) as u64, out),
                Piece::TokenId => hexadecimal(id, out),
            }
        }
    }
}

fn header(signer: Option<&SigningKey>, kid: Kid, own_kid: Option<&str>, seed: u64) -> Vec<u8> {
    let mut header = Map::new();
    let algorithm = signer.map_or_else(|| "none".to_owned(), |key| key.algorithm.to_string());
    header.insert("alg".into(), algorithm.into());
    header.insert("typ".into(), "JWT".into());
    match (kid, own_kid) {
        (Kid::Own, Some(kid)) => drop(header.insert("kid".into(), kid.into())),
        (Kid::Own, None) => {}
        (Kid::Unknown, _) => drop(
            header.insert("kid".into(), format!("unknown-{:08x}", mixed(seed, 0) as u32).into()),
        ),
    }
    let mut encoded = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string()).into_bytes();
    encoded.push(b'.');
    encoded
}

fn payload(kind: &Kind, mould: &Mould) -> Result<Vec<Piece>> {
    let mut claims = mould.claims.clone();
    for (name, value) in kind.recipe.claims {
        claims.insert((*name).to_owned(), (*value).into());
    }
    let mut times = vec![("iat", Piece::IssuedAt)];
    if kind.recipe.exp != Exp::Absent {
        times.push(("exp", Piece::Expires));
    }
    if kind.recipe.nbf_after.is_some() {
        times.push(("nbf", Piece::NotBefore));
    }
    times.push(("jti", Piece::TokenId));
    compile_claims(&claims, &mould.names, &times)
}

/// Changes the last digit of the token id, the claim that stands last: still JSON, of the same
/// length, and no other check of a verifier can notice it.
fn tamper(payload: &mut [u8]) {
    if let Some(digit) = payload.len().checked_sub(3).and_then(|at| payload.get_mut(at)) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
}

fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len() * 4 / 3 + 4, 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..16).rev().map(|digit| DIGITS[(number >> (digit * 4)) as usize & 15]));
}
