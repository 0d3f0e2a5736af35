//! A token that was fetched: what CONNECT will carry, and what it says of itself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{clock::SECOND, scenario::Algorithm, token::Times};

/// A token.
pub struct Token {
    /// As CONNECT carries it.
    pub bytes: Vec<u8>,
    /// Index of the key of the run's own issuer that signed it, where that is known.
    pub key: Option<u16>,
    /// Whether it is a JWT without `exp`. A token that can't be read may have an end that nobody told us.
    pub never_ends: bool,
    /// The `alg` of its header, where it can be read and is one that is known.
    pub algorithm: Option<Algorithm>,
    /// Its `exp` and `nbf`; of one that can't be read, what the server said of its lifetime.
    pub times: Times,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("key", &self.key)
            .field("times", &self.times)
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
        let segment = |index| -> Option<Value> {
            let segment = text.split('.').nth(index)?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
        };
        let claims = segment(1).filter(Value::is_object);
        let time = |name: &str| {
            let seconds = claims.as_ref()?.get(name)?.as_f64()?;
            Some((seconds * SECOND as f64) as i64)
        };
        let said = || {
            let seconds = i64::try_from(expires_in?).ok()?;
            Some(now.saturating_add(seconds.saturating_mul(SECOND as i64)))
        };
        // A JWT without `exp` has no end, whatever the server says of it: the broker sees the token only.
        let exp = if claims.is_some() { time("exp") } else { said() };
        let algorithm = segment(0).and_then(|header| Algorithm::named(header["alg"].as_str()?));
        let kid = segment(0).and_then(|header| header["kid"].as_str().map(str::to_owned));
        let key = kids.iter().position(|known| known.is_some() && *known == kid);
        Self {
            bytes: text.as_bytes().to_vec(),
            algorithm,
            never_ends: claims.is_some() && exp.is_none(),
            key: key.map(|key| key as u16),
            times: Times { exp, nbf: time("nbf") },
        }
    }
}
