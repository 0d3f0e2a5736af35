//! A token that was fetched: what CONNECT will carry, and what it says of itself.

use serde_json::Value;

use super::held::Place;
use crate::{
    clock::{of_date, of_seconds},
    oracle::foreign::Foreign,
    token::Times,
};

/// From here on an `exp` is in milliseconds, not in seconds: the year 5138.
const MILLISECONDS: f64 = 1e11;

/// A token.
pub struct Token {
    /// As CONNECT carries it.
    pub bytes: Vec<u8>,
    /// Index of the key of the run's own issuer that signed it, where that is known.
    pub key: Option<u16>,
    /// Whether it is a JWT without an `exp` that is a number. A token that can't be read may have an end that nobody told
    /// us.
    pub never_ends: bool,
    /// What it says of itself.
    pub foreign: Foreign,
    /// Its `exp`, and from when on it is good; of one that can't be read, what the server said of its lifetime.
    pub times: Times,
    /// What it is.
    pub shape: Shape,
    /// What it takes of the room for tokens.
    #[expect(dead_code, reason = "it is given back when the token is dropped")]
    place: Option<Place>,
}

/// What a token is, as far as anybody but its issuer can tell.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Shape {
    /// No JWT: only the authorization server knows what it means.
    Opaque,
    /// An encrypted one (RFC 7516): only the owner of the key can read it.
    Jwe,
    /// A signed one (RFC 7515) with JSON in it.
    Jwt(Exp),
}

/// The `exp` of a JWT (RFC 7519, 4.1.4: a number of seconds since 1970).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exp {
    /// A whole number of seconds.
    Whole,
    /// A number with a fraction, which RFC 7519, 2, allows, and not every broker.
    Fraction,
    /// A number that can only be one of milliseconds.
    Milliseconds,
    /// There is none.
    Missing,
    /// Text, which is no date to a verifier.
    Text,
    /// Of another type.
    Other,
}

impl Shape {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwe => "jwe",
            Self::Jwt(Exp::Whole) => "jwt",
            Self::Jwt(Exp::Fraction) => "jwt_exp_fraction",
            Self::Jwt(Exp::Milliseconds) => "jwt_exp_milliseconds",
            Self::Jwt(Exp::Missing) => "jwt_exp_missing",
            Self::Jwt(Exp::Text) => "jwt_exp_text",
            Self::Jwt(Exp::Other) => "jwt_exp_other",
        }
    }

    fn of(token: &Foreign) -> Self {
        match token.is_encrypted() {
            true => Self::Jwe,
            false if token.is_jwt() => Self::Jwt(Exp::of(token.claim("exp"))),
            false => Self::Opaque,
        }
    }
}

impl Exp {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value::String(_)) => Self::Text,
            Some(Value::Number(number)) => match number.as_f64() {
                Some(seconds) if seconds >= MILLISECONDS => Self::Milliseconds,
                Some(seconds) if seconds.fract() != 0.0 => Self::Fraction,
                _ => Self::Whole,
            },
            Some(_) => Self::Other,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("key", &self.key)
            .field("times", &self.times)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Reads what a token says; `now` in nanoseconds since 1970, `expires_in` in seconds.
    pub(super) fn read(
        text: &str,
        expires_in: Option<u64>,
        now: i64,
        kids: &[Option<String>],
    ) -> Self {
        let foreign = Foreign::read(text.as_bytes());
        let shape = Shape::of(&foreign);
        let said = || {
            let seconds = i64::try_from(expires_in?).ok()?;
            Some(now.saturating_add(of_seconds(seconds)))
        };
        // A JWT without `exp` has no end, whatever the server says of it: the broker sees the token only.
        let exp = if foreign.is_jwt() { foreign.moment("exp").map(of_date) } else { said() };
        let kid = foreign.kid();
        let key = kids.iter().position(|known| known.is_some() && known.as_deref() == kid);
        Self {
            bytes: text.as_bytes().to_vec(),
            never_ends: foreign.is_jwt() && exp.is_none(),
            key: key.map(|key| key as u16),
            times: Times { exp, nbf: None },
            foreign,
            shape,
            place: None,
        }
    }

    /// The same in its place in memory.
    pub(super) fn placed(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same, good from that second on.
    pub(super) fn good_from(mut self, second: Option<f64>) -> Self {
        self.times.nbf = second.map(of_date);
        self
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn part(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn read(text: &str) -> Token {
        Token::read(text, Some(60), 0, &[])
    }

    #[test]
    fn a_token_is_told_by_its_parts_and_a_jwt_by_the_type_of_its_exp() {
        let jwt = |claims: &str| format!("{}.{}.c2ln", part("{\"alg\":\"HS256\"}"), part(claims));
        for (claims, name, exp_s) in [
            ("{\"exp\":4000000000}", "jwt", Some(4_000_000_000.0)),
            ("{\"exp\":4e9}", "jwt", Some(4_000_000_000.0)),
            ("{\"exp\":-1}", "jwt", Some(-1.0)),
            ("{\"exp\":4000000000.5}", "jwt_exp_fraction", Some(4_000_000_000.5)),
            ("{\"exp\":4000000000000}", "jwt_exp_milliseconds", None),
            ("{\"exp\":\"4000000000\"}", "jwt_exp_text", None),
            ("{\"exp\":\"2099-01-01\"}", "jwt_exp_text", None),
            ("{\"exp\":null}", "jwt_exp_other", None),
            ("{\"exp\":true}", "jwt_exp_other", None),
            ("{\"exp\":[4000000000]}", "jwt_exp_other", None),
            ("{\"sub\":\"x\"}", "jwt_exp_missing", None),
        ] {
            let token = read(&jwt(claims));
            assert_eq!(token.shape.name(), name, "{claims}");
            if let Some(seconds) = exp_s {
                assert_eq!(token.times.exp, Some((seconds * 1e9) as i64), "{claims}");
            }
            assert_eq!(
                token.never_ends,
                name.ends_with("text") || name.ends_with("other") || name.ends_with("missing")
            );
        }
        let jwe = format!("{}.key.iv.text.tag", part("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"));
        for (text, name) in [
            (jwe.as_str(), "jwe"),
            ("KBSxkmG-OcpA6-cgdemo", "opaque"),
            ("", "opaque"),
            ("a.b.c", "opaque"),
            ("....", "opaque"),
            (&format!("Bearer {}", jwt("{\"exp\":4000000000}")), "opaque"),
            (&format!("{}.{}.c2ln", part("{\"alg\":\"HS256\"}"), part("[1]")), "opaque"),
            (&format!("v2.local.{}", part("{\"exp\":1}")), "opaque"),
        ] {
            let token = read(text);
            assert_eq!(token.shape.name(), name, "{text}");
            // What can't be read ends when the server said so.
            assert_eq!((token.times.exp, token.never_ends), (Some(60_000_000_000), false));
        }
    }
}
