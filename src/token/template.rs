//! Texts with `{n}`, `{client_id}` and `{username}` in them, compiled so that rendering only copies.

use serde_json::{Map, Value};

use super::braces::{BRACES, Part, parts};
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
        let mut pieces = Vec::new();
        for part in parts(text)? {
            let name = match part {
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
                    .map(|name| format!("`{{{name}}}`"))
                    .collect();
                return Err(Error::usage(format!("`{text}` holds `{{{name}}}`"))
                    .hint(format!("the placeholders here are {}; {BRACES}", known.join(", "))));
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

    /// Whether the client's number is in it.
    pub fn is_per_client(&self) -> bool {
        self.pieces.contains(&Piece::Number)
    }

    /// Appends the text of one client.
    pub fn render(&self, n: u64, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Another => decimal(n.wrapping_add(1), out),
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
    /// User name.
    pub username: Template,
    /// The Authentication Method that their tokens are brought with, where those are Authentication Data.
    pub auth_method: Option<std::sync::Arc<str>>,
}

impl Names {
    /// Compiles `[identity]`.
    ///
    /// # Errors
    /// When a placeholder is unknown, or `{n}` is not in the client id.
    pub fn compile(identity: &Identity) -> Result<Self> {
        let within =
            |key: &'static str| move |error: Error| error.within(format!("`identity.{key}`"));
        let client_id = Template::compile(&identity.client_id, &[]).map_err(within("client_id"))?;
        if !client_id.is_per_client() {
            return Err(Error::usage(format!(
                "`identity.client_id` is `{}`: without `{{n}}` in it the clients would share one id and throw each other out",
                identity.client_id
            ))
            .hint(format!("write `client_id = \"{}-{{n}}\"`", identity.client_id)));
        }
        let username = Template::compile(&identity.username, &[("client_id", &client_id)])
            .map_err(within("username"))?;
        Ok(Self { client_id, username, auth_method: None })
    }

    /// Compiles a text that may hold both.
    ///
    /// # Errors
    /// When a placeholder is unknown.
    pub fn text(&self, text: &str) -> Result<Template> {
        Template::compile(text, &[("client_id", &self.client_id), ("username", &self.username)])
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
    let placeholders = [("client_id", &names.client_id), ("username", &names.username)];
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
