//! Claims that come by themselves, where the scenario sets them: `iat` and `nbf`. (`jti` is a claim like others then.)

use serde_json::{Map, Value};

use crate::{
    base::error::{Error, Result},
    scenario::bounds,
};

/// When a good token was issued, or begins to be valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// This instant, in seconds since 1970.
    At(f64),
    /// So many seconds after the token is issued.
    After(i64),
}

impl Moment {
    /// The moment in a token that is issued at this second. A token that is issued before an instant, as one that has
    /// expired may have to be, has its own second in place of that.
    pub fn of(self, issued: i64) -> i64 {
        match self {
            Self::At(instant) => (instant.floor() as i64).min(issued),
            Self::After(seconds) => issued.saturating_add(seconds),
        }
    }
}

/// The claims among those of a scenario that else come by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given {
    /// `iat`.
    pub iat: Option<Moment>,
    /// `nbf`.
    pub nbf: Option<Moment>,
}

impl Given {
    /// Those of claims as they are written.
    ///
    /// # Errors
    /// When one is neither a number nor a text that says a moment, `jti` is no text, or `exp` is among them.
    pub fn of(claims: &Map<String, Value>) -> Result<Self> {
        Self::of_place(claims, "token.claims")
    }

    /// Those of claims that stand under this key of a scenario.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_place(claims: &Map<String, Value>, place: &str) -> Result<Self> {
        if claims.contains_key("exp") {
            return Err(Error::usage(format!("`{place}.exp` is given, but comes by itself")).hint(
                "`ttl` sets it; the kinds `expired` and `no_exp` of the mix have another, or none",
            ));
        }
        if let Some(jti) = claims.get("jti").filter(|jti| !jti.is_string()) {
            return Err(Error::usage(format!("`{place}.jti` is `{jti}`, which is no text (RFC 7519, 4.1.7)"))
                .hint("write `jti = \"{client_id}-{n}\"`, or leave it out: then each token has one of its own"));
        }
        let moment =
            |name: &str| claims.get(name).map(|value| moment(place, name, value)).transpose();
        Ok(Self { iat: moment("iat")?, nbf: moment("nbf")? })
    }

    /// Refuses moments that lie after `now` (seconds since 1970): no token would be good.
    ///
    /// # Errors
    /// When one does.
    pub fn check(&self, now: f64) -> Result<()> {
        self.check_place(now, "token.claims")
    }

    /// The same of claims that stand under this key of a scenario.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_place(&self, now: f64, place: &str) -> Result<()> {
        for (name, moment, kind, what) in [
            ("nbf", self.nbf, "not_yet_valid", "good tokens would not be valid yet"),
            ("iat", self.iat, "iat_future", "good tokens would be of the future"),
        ] {
            let is_ahead = match moment {
                Some(Moment::At(instant)) => instant > now,
                Some(Moment::After(seconds)) => seconds > 0,
                None => false,
            };
            if is_ahead {
                return Err(Error::usage(format!("`{place}.{name}` lies ahead: {what}")).hint(
                    format!("write `{name} = \"now\"` or a moment before; the kind `{kind}` of the mix lies ahead on purpose"),
                ));
            }
        }
        Ok(())
    }
}

/// A number as it is, or a text: `now`, or how long before or after it.
fn moment(place: &str, name: &str, value: &Value) -> Result<Moment> {
    let read = match value {
        Value::Number(number) => number.as_f64().map(Moment::At),
        Value::String(text) => after(text).map(Moment::After),
        _ => None,
    };
    read.ok_or_else(|| {
        Error::usage(format!("`{place}.{name}` is `{value}`, which is no moment")).hint(
            "write a number (seconds since 1970), or a text: `\"now\"`, `\"-10s\"`, `\"-1h 30m\"`",
        )
    })
}

/// The seconds of `now`, `-10s` or `now - 10s`; parts of a second count towards the past.
fn after(text: &str) -> Option<i64> {
    let plain = text.trim();
    let rest = plain.strip_prefix("now").unwrap_or(plain).trim_start();
    if rest.is_empty() {
        return plain.starts_with("now").then_some(0);
    }
    let (is_before, duration) = match rest.strip_prefix('-') {
        Some(duration) => (true, duration),
        None => (false, rest.strip_prefix('+')?),
    };
    let duration = bounds::duration(duration.trim()).ok()?;
    let whole = i64::try_from(duration.as_secs()).ok()?;
    let part = i64::from(duration.subsec_nanos() > 0);
    Some(if is_before { -(whole.checked_add(part)?) } else { whole })
}

#[cfg(test)]
mod tests;
