//! Texts with placeholders in them, compiled so that rendering only copies.

use serde_json::Value;

use super::{
    braces::{BRACES, Part, parts},
    key::nkey,
    rows::Column,
};
use crate::base::{
    error::{Error, Result},
    tls::clients::Thumbprints,
};

/// A piece of a compiled text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// Bytes as they are.
    Literal(Vec<u8>),
    /// The client's number, in decimal.
    Number,
    /// That of another client.
    Another,
    /// `iat`, seconds since 1970.
    IssuedAt,
    /// `exp`, seconds since 1970.
    Expires,
    /// `nbf`, seconds since 1970.
    NotBefore,
    /// So many seconds after the moment of use, in seconds since 1970.
    At(i64),
    /// `jti`, the token's id.
    TokenId,
    /// A text of each client, by its number.
    Listed(Column),
    /// A user of NATS that nobody has the key of, another one in each token.
    User,
    /// The thumbprint of the certificate of the client so many after this one.
    Thumbprint(Thumbprints, u64),
}

/// The placeholder for the thumbprint of a client's certificate.
pub const THUMBPRINT: &str = "x5t_s256";

/// A text with placeholders. Every placeholder comes down to the client's number, so a compiled
/// text is literals and numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    pub(super) pieces: Vec<Piece>,
}

impl Template {
    /// Compiles a text; `names` are the placeholders it may use besides `{n}`.
    ///
    /// # Errors
    /// When it has a placeholder that there is not, or a brace that is neither of one nor written twice.
    pub fn compile(text: &str, names: &[(&str, &Self)]) -> Result<Self> {
        Self::of_parts(text, &parts(text)?, names, &[])
    }

    /// Compiles parts of a text, which an error shows; `more` are placeholders that its other parts may use.
    pub(super) fn of_parts(
        text: &str,
        parts: &[Part<'_>],
        names: &[(&str, &Self)],
        more: &[&str],
    ) -> Result<Self> {
        let mut pieces = Vec::new();
        for part in parts {
            let name = match *part {
                Part::Literal(text) | Part::Foreign(text) => {
                    literal(&mut pieces, text.as_bytes());
                    continue;
                }
                Part::Name("n") => {
                    pieces.push(Piece::Number);
                    continue;
                }
                Part::Name(name) => name,
            };
            let Some((_, template)) = names.iter().find(|(known, _)| *known == name) else {
                let known: Vec<String> = ["n"]
                    .iter()
                    .chain(names.iter().map(|(name, _)| name))
                    .chain(more)
                    .map(|name| format!("`{{{name}}}`"))
                    .collect();
                let error = Error::usage(format!("`{text}` holds `{{{name}}}`"));
                return Err(match name {
                    "username" => error.within(
                        "the user name holds what the client shows, and nothing else can repeat it",
                    ),
                    THUMBPRINT => error.hint(
                        "that is the thumbprint of a client's own certificate: it may stand in `[token.claims]` and `identity.password`, with `cert = \"per_client\"` under `[target.tls]`",
                    ),
                    "issuer_nkey" | "user_nkey" => error.hint(
                        "that is of user JWTs of NATS: it may stand in `[token.claims]`, with a key of `algorithm = \"ed25519-nkey\"`",
                    ),
                    _ => error
                        .hint(format!("the placeholders here are {}; {BRACES}", known.join(", "))),
                });
            };
            for piece in &template.pieces {
                match piece {
                    Piece::Literal(bytes) => literal(&mut pieces, bytes),
                    other => pieces.push(other.clone()),
                }
            }
        }
        Ok(Self { pieces })
    }

    /// A text of each client, by its number; nothing for those behind the last.
    pub fn listed(texts: Column) -> Self {
        Self { pieces: vec![Piece::Listed(texts)] }
    }

    /// A user of NATS, another one in each token.
    pub fn user() -> Self {
        Self { pieces: vec![Piece::User] }
    }

    /// This text, whatever is in it.
    pub fn literal(text: &str) -> Self {
        Self { pieces: vec![Piece::Literal(text.as_bytes().to_vec())] }
    }

    /// The thumbprint of each client's certificate.
    pub fn thumbprint(of: &Thumbprints) -> Self {
        Self { pieces: vec![Piece::Thumbprint(of.clone(), 0)] }
    }

    /// The same text as it stands inside a JSON string.
    pub(super) fn escaped(&self) -> Self {
        let escape = |piece: &Piece| match piece {
            Piece::Literal(bytes) => {
                let quoted = json(&Value::String(String::from_utf8_lossy(bytes).into_owned()));
                Piece::Literal(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
            }
            other => other.clone(),
        };
        Self { pieces: self.pieces.iter().map(escape).collect() }
    }

    /// The same text of another client.
    #[must_use]
    pub fn of_another(&self) -> Self {
        let change = |piece: &Piece| match piece {
            Piece::Number => Piece::Another,
            Piece::Thumbprint(of, _) => Piece::Thumbprint(of.clone(), 1),
            other => other.clone(),
        };
        Self { pieces: self.pieces.iter().map(change).collect() }
    }

    /// The same text in capitals.
    #[must_use]
    pub fn in_capitals(&self) -> Self {
        let change = |piece: &Piece| match piece {
            Piece::Literal(bytes) => Piece::Literal(bytes.to_ascii_uppercase()),
            other => other.clone(),
        };
        Self { pieces: self.pieces.iter().map(change).collect() }
    }

    /// The same text with more after it.
    #[must_use]
    pub fn with(&self, more: &str) -> Self {
        let mut pieces = self.pieces.clone();
        literal(&mut pieces, more.as_bytes());
        Self { pieces }
    }

    /// The client's number in a text that this template made; `None` where it did not, or holds the number twice.
    pub fn number_in(&self, text: &str) -> Option<u64> {
        let at = self.pieces.iter().position(|piece| *piece == Piece::Number)?;
        let literal = |pieces: &[Piece]| -> Option<String> {
            let [Piece::Literal(bytes)] = pieces else {
                return pieces.is_empty().then(String::new);
            };
            String::from_utf8(bytes.clone()).ok()
        };
        let (before, after) = (literal(&self.pieces[..at])?, literal(&self.pieces[at + 1..])?);
        let digits = text.strip_prefix(&before)?.strip_suffix(&after)?;
        digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
    }

    /// Whether a byte of what all clients have in it is one of these.
    pub fn has_literal(&self, is_it: impl Fn(u8) -> bool) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(bytes) => bytes.iter().any(|byte| is_it(*byte)),
            Piece::Listed(texts) => texts.iter().any(|text| text.bytes().any(&is_it)),
            _ => false,
        })
    }

    /// Whether the client's number is in it.
    pub fn is_per_client(&self) -> bool {
        let is_own = |piece: &Piece| {
            matches!(piece, Piece::Number | Piece::Listed(_) | Piece::Thumbprint(..))
        };
        self.pieces.iter().any(is_own)
    }

    /// Appends the text of one client.
    pub fn render(&self, n: u64, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Another => decimal(n.wrapping_add(1), out),
                Piece::Listed(texts) => append(texts, n, out),
                Piece::Thumbprint(of, after) => out.extend_from_slice(&of.of(n, *after)),
                Piece::User => out.extend_from_slice(&nkey::user(n, 0)),
                _ => decimal(n, out),
            }
        }
    }

    /// The text of one client.
    pub fn text(&self, n: u64) -> String {
        let mut out = Vec::new();
        self.render(n, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// Appends to the literal at the end, so that pieces stay few.
pub(super) fn literal(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    match pieces.last_mut() {
        _ if bytes.is_empty() => {}
        Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
        _ => pieces.push(Piece::Literal(bytes.to_vec())),
    }
}

pub(super) fn json(value: &Value) -> String {
    value.to_string()
}

/// Appends the text of client `n`.
pub(super) fn append(texts: &Column, n: u64, out: &mut Vec<u8>) {
    let text = usize::try_from(n).ok().and_then(|n| texts.get(n));
    out.extend_from_slice(text.map_or(&[], |text| text.as_bytes()));
}

/// Appends a number in decimal, without allocating.
pub fn decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
