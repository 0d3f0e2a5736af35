//! What clients are called, and claims that say so.

use serde_json::{Map, Value};

use super::{
    carrier::{Carriers, holds_shown},
    key::SigningKey,
    rows::Column,
    template::{Piece, THUMBPRINT, Template, json, literal},
};
use crate::{
    base::error::{Error, Result},
    scenario::Identity,
};

/// Client id and user name, compiled.
#[derive(Clone, Debug)]
pub struct Names {
    /// Client id.
    pub client_id: Template,
    /// User name; `None` where it holds something that the client shows: no claim can repeat that.
    pub username: Option<Template>,
    /// The thumbprint of the client's certificate, where each has one of its own.
    pub x5t_s256: Option<Template>,
    /// What claims of user JWTs of NATS may hold, where a key signs such.
    pub nkeys: Option<Nkeys>,
    /// The texts that bring the token in something longer, where there are any.
    pub carriers: Option<std::sync::Arc<Carriers>>,
    /// The Authentication Method that their tokens are brought with, where those are Authentication Data.
    pub auth_method: Option<std::sync::Arc<str>>,
}

/// What user JWTs of NATS hold.
#[derive(Clone, Debug)]
pub struct Nkeys {
    /// A user, another one in each token. Nobody has its key: a bearer token needs none.
    pub user: Template,
    /// The account whose key signs.
    pub issuer: Template,
}

impl Nkeys {
    /// Of tokens by this key; `None` where it signs none for NATS.
    pub fn of(key: &SigningKey) -> Option<Self> {
        Some(Self { user: Template::user(), issuer: Template::literal(&key.nkey()?) })
    }
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
        Ok(Self {
            client_id,
            username,
            x5t_s256: None,
            nkeys: None,
            carriers: None,
            auth_method: None,
        })
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

    /// What texts may hold of them, by the names of the placeholders.
    pub fn placeholders(&self) -> Vec<(&str, &Template)> {
        let username = self.username.as_ref().map(|username| ("username", username));
        let thumbprint = self.x5t_s256.as_ref().map(|thumbprint| (THUMBPRINT, thumbprint));
        [("client_id", &self.client_id)].into_iter().chain(username).chain(thumbprint).collect()
    }

    /// What claims may hold, by the names of the placeholders.
    fn of_claims(&self) -> Vec<(&str, &Template)> {
        let nkeys = self.nkeys.iter();
        let nkeys = nkeys.flat_map(|own| [("user_nkey", &own.user), ("issuer_nkey", &own.issuer)]);
        self.placeholders().into_iter().chain(nkeys).collect()
    }

    /// Compiles a text that may hold both.
    ///
    /// # Errors
    /// When a placeholder is unknown.
    pub fn text(&self, text: &str) -> Result<Template> {
        Template::compile(text, &self.placeholders())
    }
}

/// The claim that binds a token (RFC 7800, 3.1).
pub const CNF: &str = "cnf";
/// Its member that names a certificate (RFC 8705, 3.1).
pub const X5T_S256: &str = "x5t#S256";

/// Whether tokens with these claims are bound to the certificates of their clients.
pub fn is_bound(claims: &Map<String, Value>) -> bool {
    let thumbprint = claims.get(CNF).and_then(|cnf| cnf.get(X5T_S256));
    thumbprint.and_then(Value::as_str) == Some(&format!("{{{THUMBPRINT}}}"))
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
    let placeholders = names.of_claims();
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
