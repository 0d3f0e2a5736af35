//! Texts with `{n}`, `{client_id}` and `{username}` in them, compiled so that rendering only copies.

use serde_json::{Map, Value};

use super::{
    braces::{BRACES, Part, parts},
    carrier::{Carriers, holds_shown},
    rows::Column,
};
use crate::{
    base::error::{Error, Result},
    scenario::Identity,
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
}

/// A text with placeholders. Every placeholder comes down to the client's number, so a compiled
/// text is literals and numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
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
    fn of_parts(
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
                return Err(if name == "username" {
                    error.within(
                        "the user name holds what the client shows, and nothing else can repeat it",
                    )
                } else {
                    error.hint(format!("the placeholders here are {}; {BRACES}", known.join(", ")))
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

    /// The same text as it stands inside a JSON string.
    fn escaped(&self) -> Self {
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
        self.pieces.iter().any(|piece| matches!(piece, Piece::Number | Piece::Listed(_)))
    }

    /// Appends the text of one client.
    pub fn render(&self, n: u64, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Another => decimal(n.wrapping_add(1), out),
                Piece::Listed(texts) => append(texts, n, out),
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

/// Client id and user name, compiled.
#[derive(Clone, Debug)]
pub struct Names {
    /// Client id.
    pub client_id: Template,
    /// User name; `None` where it holds something that the client shows: no claim can repeat that.
    pub username: Option<Template>,
    /// The texts that bring the token in something longer, where there are any.
    pub carriers: Option<std::sync::Arc<Carriers>>,
    /// The Authentication Method that their tokens are brought with, where those are Authentication Data.
    pub auth_method: Option<std::sync::Arc<str>>,
}

impl Names {
    /// Compiles `[identity]`.
    ///
    /// # Errors
    /// When a placeholder is unknown, or `{n}` is not in the client id.
    pub fn compile(identity: &Identity) -> Result<Self> {
        Self::with_ids(identity, None)
    }

    /// The same where the client ids are listed.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn with_ids(identity: &Identity, listed: Option<Column>) -> Result<Self> {
        let within =
            |key: &'static str| move |error: Error| error.within(format!("`identity.{key}`"));
        let client_id = match listed {
            Some(ids) => Template::listed(ids),
            None => Template::compile(&identity.client_id, &[]).map_err(within("client_id"))?,
        };
        if !client_id.is_per_client() {
            return Err(Error::usage(format!(
                "`identity.client_id` is `{}`: without `{{n}}` in it the clients would share one id and throw each other out",
                identity.client_id
            ))
            .hint(format!("write `client_id = \"{}-{{n}}\"`", identity.client_id)));
        }
        let username = if holds_shown(&identity.username) {
            None
        } else {
            let names = [("client_id", &client_id)];
            Some(Template::compile(&identity.username, &names).map_err(within("username"))?)
        };
        Ok(Self { client_id, username, carriers: None, auth_method: None })
    }

    /// Why a token can't stand in the texts that would bring it, where it can't.
    pub fn unfit(&self, token: &[u8]) -> Option<&'static str> {
        self.carriers.as_ref()?.unfit(token)
    }

    /// How many names are listed; 0 where none is.
    pub fn listed(&self) -> u64 {
        let pieces = [Some(&self.client_id), self.username.as_ref()];
        let of = |piece: &Piece| match piece {
            Piece::Listed(texts) => texts.len() as u64,
            _ => 0,
        };
        pieces.into_iter().flatten().flat_map(|it| &it.pieces).map(of).max().unwrap_or_default()
    }

    /// Whether the upgrade to WebSocket brings the token.
    pub fn upgrade_brings_token(&self) -> bool {
        self.carriers.as_ref().is_some_and(|carriers| carriers.upgrade_brings_token())
    }

    /// What texts may hold of them.
    fn placeholders(&self) -> Vec<(&str, &Template)> {
        let username = self.username.as_ref().map(|username| ("username", username));
        [("client_id", &self.client_id)].into_iter().chain(username).collect()
    }

    /// Compiles a text that may hold both.
    ///
    /// # Errors
    /// When a placeholder is unknown.
    pub fn text(&self, text: &str) -> Result<Template> {
        Template::compile(text, &self.placeholders())
    }

    /// Compiles parts of a text whose other parts are what a client shows.
    ///
    /// # Errors
    /// When a placeholder is unknown.
    pub(super) fn carrying(&self, text: &str, parts: &[Part<'_>]) -> Result<Template> {
        let shown = ["token", "token:url", "signature", "signature:url"];
        Template::of_parts(text, parts, &self.placeholders(), &shown)
    }
}

/// Compiles claims into the pieces of a JSON object; `texts` are members whose JSON is ready, `times` those that come
/// by themselves.
///
/// # Errors
/// When a string holds an unknown placeholder.
pub fn compile_claims(
    claims: &Map<String, Value>,
    names: &Names,
    texts: &[(&str, Vec<Piece>)],
    times: &[(&str, Piece)],
) -> Result<Vec<Piece>> {
    let placeholders = names.placeholders();
    let mut pieces = Vec::new();
    let mut separator = "{";
    for (name, value) in claims {
        literal(&mut pieces, separator.as_bytes());
        literal(&mut pieces, json(&Value::String(name.clone())).as_bytes());
        literal(&mut pieces, b":");
        value_pieces(value, &placeholders, &mut pieces)
            .map_err(|error| error.within(format!("`token.claims.{name}`")))?;
        separator = ",";
    }
    for (name, text) in texts {
        literal(&mut pieces, format!("{separator}\"{name}\":").as_bytes());
        for piece in text {
            match piece {
                Piece::Literal(bytes) => literal(&mut pieces, bytes),
                other => pieces.push(other.clone()),
            }
        }
        separator = ",";
    }
    for (name, piece) in times {
        let quote = if *piece == Piece::TokenId { "\"" } else { "" };
        literal(&mut pieces, format!("{separator}\"{name}\":{quote}").as_bytes());
        pieces.push(piece.clone());
        literal(&mut pieces, quote.as_bytes());
        separator = ",";
    }
    literal(&mut pieces, if separator == "{" { b"{}" } else { b"}" });
    Ok(pieces)
}

fn value_pieces(value: &Value, names: &[(&str, &Template)], pieces: &mut Vec<Piece>) -> Result<()> {
    match value {
        Value::String(text) => {
            literal(pieces, b"\"");
            for piece in Template::compile(text, names)?.escaped().pieces {
                match piece {
                    Piece::Literal(bytes) => literal(pieces, &bytes),
                    other => pieces.push(other),
                }
            }
            literal(pieces, b"\"");
        }
        Value::Array(items) => {
            literal(pieces, b"[");
            for (index, item) in items.iter().enumerate() {
                literal(pieces, if index == 0 { b"" } else { b"," });
                value_pieces(item, names, pieces)?;
            }
            literal(pieces, b"]");
        }
        Value::Object(members) => {
            for (index, (name, member)) in members.iter().enumerate() {
                literal(pieces, if index == 0 { b"{" } else { b"," });
                literal(pieces, json(&Value::String(name.clone())).as_bytes());
                literal(pieces, b":");
                value_pieces(member, names, pieces)?;
            }
            literal(pieces, if members.is_empty() { b"{}" } else { b"}" });
        }
        other => literal(pieces, json(other).as_bytes()),
    }
    Ok(())
}

/// Appends to the literal at the end, so that pieces stay few.
fn literal(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    match pieces.last_mut() {
        _ if bytes.is_empty() => {}
        Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
        _ => pieces.push(Piece::Literal(bytes.to_vec())),
    }
}

fn json(value: &Value) -> String {
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
