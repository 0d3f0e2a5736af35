//! Texts that bring a client's token in something longer: user name, password, and path and headers of the upgrade to
//! WebSocket. `{token}` is the token, `{signature}` a signature over it; `:url` percent-encodes them (RFC 3986, 2.1).

use super::{
    braces::{Part, parts},
    countersign::Countersigned,
    template::Template,
};
use crate::{
    base::error::Result,
    scenario::{Scenario, TokenIn},
};

/// What a client has to show.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Its token.
    pub token: &'a [u8],
    /// The signature over that, where templates hold one; else empty.
    pub signature: &'a [u8],
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("token", &self.token.len()).finish_non_exhaustive()
    }
}

/// A text that may hold what a client has to show, compiled.
#[derive(Clone, Eq, PartialEq)]
pub struct Carrier(Vec<Piece>);

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What stands in it for all may be a secret.
        f.debug_struct("Carrier").field("pieces", &self.0.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Template),
    Token(Form),
    Signature(Form),
}

/// How something stands in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    AsIs,
    Url,
}

/// The placeholders of what a client shows.
const SHOWN: [&str; 4] = ["token", "token:url", "signature", "signature:url"];

impl Piece {
    /// What a placeholder stands for, where that is something that a client shows.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "token" => Self::Token(Form::AsIs),
            "token:url" => Self::Token(Form::Url),
            "signature" => Self::Signature(Form::AsIs),
            "signature:url" => Self::Signature(Form::Url),
            _ => return None,
        })
    }
}

impl Carrier {
    /// Compiles a text.
    ///
    /// # Errors
    /// When it has a placeholder that there is not, or a brace that is neither of one nor written twice.
    pub fn compile(text: &str, names: &[(&str, &Template)]) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let close = |plain: &mut Vec<Part<'_>>, pieces: &mut Vec<Piece>| -> Result<()> {
            if !plain.is_empty() {
                pieces.push(Piece::Text(Template::of_parts(text, plain, names, &SHOWN)?));
                plain.clear();
            }
            Ok(())
        };
        for part in parts(text)? {
            let shown = match part {
                Part::Name(name) => Piece::named(name),
                Part::Literal(_) | Part::Foreign(_) => None,
            };
            match shown {
                Some(piece) => {
                    close(&mut plain, &mut pieces)?;
                    pieces.push(piece);
                }
                None => plain.push(part),
            }
        }
        close(&mut plain, &mut pieces)?;
        Ok(Self(pieces))
    }

    /// Whether it holds the token.
    pub fn holds_token(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Token(_)))
    }

    /// Whether it holds the token as it is.
    fn holds_plain_token(&self) -> bool {
        self.0.contains(&Piece::Token(Form::AsIs))
    }

    /// Whether it holds a signature as it is.
    pub fn holds_plain_signature(&self) -> bool {
        self.0.contains(&Piece::Signature(Form::AsIs))
    }

    /// Whether it holds a signature.
    pub fn holds_signature(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Signature(_)))
    }

    /// Whether a byte of what stands in it for all clients is one of these.
    pub fn has_literal(&self, is_it: impl Fn(u8) -> bool + Copy) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Text(text) => text.has_literal(is_it),
            Piece::Token(_) | Piece::Signature(_) => false,
        })
    }

    /// Appends the text of one client.
    pub fn render(&self, n: u64, shown: Shown<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            let (bytes, form) = match piece {
                Piece::Text(text) => {
                    text.render(n, out);
                    continue;
                }
                Piece::Token(form) => (shown.token, form),
                Piece::Signature(form) => (shown.signature, form),
            };
            match form {
                Form::AsIs => out.extend_from_slice(bytes),
                Form::Url => percent_encode(bytes, out),
            }
        }
    }
}

/// Whether a byte means itself wherever it stands in a URI (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Appends bytes percent-encoded: all but the unreserved characters (RFC 3986, 2.3).
fn percent_encode(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if is_unreserved(byte) {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// The texts of a scenario's clients beside client id and plain user name.
#[derive(Clone, Debug, Default)]
pub struct Carriers {
    /// The user name, where it holds something that a client shows.
    pub username: Option<Carrier>,
    /// The password.
    pub password: Option<Carrier>,
    /// The path of the upgrade to WebSocket.
    pub path: Option<Carrier>,
    /// Its headers, by name.
    pub headers: Vec<(String, Carrier)>,
    /// What signs tokens for them, where one holds a signature.
    pub countersigned: Option<Countersigned>,
}

/// What a client adds to its request for the upgrade to WebSocket.
#[derive(Clone, Copy)]
pub struct InUpgrade<'a> {
    /// The path, where that is not the one of the broker's URL.
    pub path: Option<&'a [u8]>,
    /// Header lines, each with its line end.
    pub headers: &'a [u8],
    /// Whether there is a place for the token among them: the answer says something of it then.
    pub is_about_token: bool,
}

impl std::fmt::Debug for InUpgrade<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InUpgrade")
            .field("is_about_token", &self.is_about_token)
            .finish_non_exhaustive()
    }
}

impl Carriers {
    /// All of them, each with the key that a scenario writes it under.
    pub fn all(&self) -> impl Iterator<Item = (String, &Carrier)> {
        let headers = self.headers.iter();
        [
            ("identity.username", &self.username),
            ("identity.password", &self.password),
            ("target.ws.path", &self.path),
        ]
        .into_iter()
        .filter_map(|(key, carrier)| Some((key.to_owned(), carrier.as_ref()?)))
        .chain(headers.map(|(name, carrier)| (format!("target.ws.headers.{name}"), carrier)))
    }

    /// Whether the upgrade to WebSocket brings the token.
    pub fn upgrade_brings_token(&self) -> bool {
        self.path.iter().chain(self.headers.iter().map(|(_, it)| it)).any(Carrier::holds_token)
    }

    /// Whether the user name holds the token as it is.
    pub fn username_is_token(&self) -> bool {
        self.username.as_ref().is_some_and(Carrier::holds_plain_token)
    }

    /// Why a token can't stand where it would have to, where it can't: another text would arrive, or none.
    pub fn unfit(&self, token: &[u8]) -> Option<&'static str> {
        let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
        let headers = self.headers.iter().map(|(_, carrier)| carrier);
        if headers.into_iter().any(Carrier::holds_plain_token)
            && (token.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
                || is_blank(token.first())
                || is_blank(token.last()))
        {
            return Some("its token has bytes that no header carries (RFC 9110, 5.5)");
        }
        if self.path.as_ref().is_some_and(Carrier::holds_plain_token)
            && !token.iter().all(|byte| is_unreserved(*byte))
        {
            return Some("its token has bytes that mean something else in a path (RFC 3986, 2.2)");
        }
        if self.username_is_token() && !str::from_utf8(token).is_ok_and(|text| !text.contains('\0'))
        {
            return Some("its token is no text, and the user name has to be one (MQTT 5.0, 1.5.4)");
        }
        None
    }

    /// What a client adds to its request for the upgrade; one that shows nothing leaves the headers out that would.
    pub(super) fn in_upgrade<'a>(
        &self,
        n: u64,
        shown: Option<Shown<'_>>,
        (path, headers): (&'a mut Vec<u8>, &'a mut Vec<u8>),
    ) -> Option<InUpgrade<'a>> {
        if self.path.is_none() && self.headers.is_empty() {
            return None;
        }
        path.clear();
        headers.clear();
        let nothing = Shown { token: &[], signature: &[] };
        if let Some(carrier) = &self.path {
            carrier.render(n, shown.unwrap_or(nothing), path);
        }
        for (name, carrier) in &self.headers {
            let is_empty = shown.is_none() && (carrier.holds_token() || carrier.holds_signature());
            if !is_empty {
                headers.extend_from_slice(name.as_bytes());
                headers.extend_from_slice(b": ");
                carrier.render(n, shown.unwrap_or(nothing), headers);
                headers.extend_from_slice(b"\r\n");
            }
        }
        Some(InUpgrade {
            path: self.path.as_ref().map(|_| path.as_slice()),
            headers,
            is_about_token: self.upgrade_brings_token(),
        })
    }
}

/// Whether a text of a scenario holds something that a client shows.
pub fn holds_shown(text: &str) -> bool {
    let shown = |part: &Part<'_>| matches!(part, Part::Name(name) if Piece::named(name).is_some());
    parts(text).is_ok_and(|parts| parts.iter().any(shown))
}

/// Whether a text of a scenario holds the token.
fn holds_token(text: &str) -> bool {
    let token = |part: &Part<'_>| matches!(part, Part::Name("token" | "token:url"));
    parts(text).is_ok_and(|parts| parts.iter().any(token))
}

/// The keys of a scenario whose texts hold the token.
pub fn templates(scenario: &Scenario) -> impl Iterator<Item = String> {
    let ws = scenario.target.ws.as_ref();
    let headers = ws.into_iter().flat_map(|ws| &ws.headers);
    [
        ("identity.username", Some(&scenario.identity.username)),
        ("identity.password", scenario.identity.password.as_ref()),
        ("target.ws.path", ws.and_then(|ws| ws.path.as_ref())),
    ]
    .into_iter()
    .filter_map(|(key, text)| Some((key.to_owned(), text?)))
    .chain(headers.map(|(name, text)| (format!("target.ws.headers.{name}"), text)))
    .filter(|(_, text)| holds_token(text))
    .map(|(key, _)| key)
}

/// Where a scenario's clients have their token.
pub fn token_in(scenario: &Scenario) -> TokenIn {
    let by_template = || templates(scenario).next().map(|_| TokenIn::Template);
    scenario.target.token_in.or_else(by_template).unwrap_or_default()
}

#[cfg(test)]
mod tests;
