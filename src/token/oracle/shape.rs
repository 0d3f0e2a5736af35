//! What a token that others made is, before anybody asks what it says.

use serde_json::Value;

use super::foreign::Foreign;

/// From here on an `exp` is in milliseconds, not in seconds: the year 5138.
const MILLISECONDS: f64 = 1e11;

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

    /// What a token is.
    pub fn of(token: &Foreign) -> Self {
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
