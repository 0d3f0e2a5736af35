//! One cause that explains a whole run in which nobody was let in: told once, in place of guesses.

use std::collections::BTreeMap;

use super::{Summary, matrix::Cell};
use crate::{base::words::OutcomeKind, token::oracle::shape::Shape};

/// Codes by which a broker says that it does not speak the version of MQTT: 1 in 3.1.1 (3.2.2.3), and in the format of 5.0 by
/// brokers that know no other; 0x84 in 5.0 (3.2.2.2).
const UNSUPPORTED_VERSION: [&str; 2] = ["1", "132"];
/// Bad authentication method (MQTT 5.0, 3.2.2.2).
const BAD_METHOD: [&str; 1] = ["140"];

/// Why nobody was let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Diagnosis {
    /// Each refusal says that the broker does not speak this version of MQTT.
    VersionNotSpoken {
        /// The version, as CONNECT has it.
        protocol: u8,
        /// The codes of its refusals.
        codes: Vec<u8>,
    },
    /// Each refusal asks for enhanced authentication.
    WantsMethod,
    /// None of the fetched tokens is a JWT that the broker could verify.
    NoJwt {
        /// Whether some of them are encrypted.
        encrypted: bool,
    },
    /// The broker was to take keys from a key set that nobody asked for.
    KeySetUnread {
        /// Where the key set was.
        url: Option<String>,
    },
}

impl Diagnosis {
    /// By what is known of a run; `None` where somebody was let in, or nothing explains all refusals.
    pub fn of(summary: &Summary) -> Option<Self> {
        if summary.codes.contains_key(&OutcomeKind::Accepted) {
            return None;
        }
        let refused = summary.codes.get(&OutcomeKind::Refused)?;
        Self::of_codes(summary.protocol, refused).or_else(|| Self::of_tokens(summary)).or_else(
            || {
                let jwks = summary.jwks.as_ref().filter(|jwks| jwks.fetches == 0)?;
                Some(Self::KeySetUnread { url: jwks.url.clone() })
            },
        )
    }

    /// By what the fetched tokens are.
    fn of_tokens(summary: &Summary) -> Option<Self> {
        let tokens = &summary.oauth.as_ref()?.tokens;
        let is_no_jwt =
            |name: &String| [Shape::Opaque, Shape::Jwe].iter().any(|it| it.name() == name);
        (!tokens.is_empty() && tokens.keys().all(is_no_jwt))
            .then(|| Self::NoJwt { encrypted: tokens.contains_key(Shape::Jwe.name()) })
    }

    /// Why a version of MQTT lets nobody in, by its cells; `None` where somebody was let in, or nothing explains all refusals.
    pub fn of_cells<'a>(protocol: u8, cells: impl Iterator<Item = &'a Cell>) -> Option<Self> {
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        for cell in cells.filter(|cell| cell.protocol == protocol) {
            match cell.outcome {
                OutcomeKind::Accepted => return None,
                OutcomeKind::Refused => {
                    *refused.entry(cell.code.to_string()).or_default() += cell.attempts;
                }
                _ => {}
            }
        }
        Self::of_codes(protocol, &refused)
    }

    /// By the codes of all refusals of one version of MQTT, where nobody was let in.
    fn of_codes(protocol: u8, refused: &BTreeMap<String, u64>) -> Option<Self> {
        let are_all = |known: &[&str]| {
            !refused.is_empty() && refused.keys().all(|code| known.contains(&code.as_str()))
        };
        if are_all(&UNSUPPORTED_VERSION) {
            let codes = refused.keys().filter_map(|code| code.parse().ok()).collect();
            return Some(Self::VersionNotSpoken { protocol, codes });
        }
        are_all(&BAD_METHOD).then_some(Self::WantsMethod)
    }

    /// It in words, with the way out.
    pub fn words(&self) -> String {
        match self {
            Self::VersionNotSpoken { protocol, codes } => {
                let (name, other, key) =
                    if *protocol == 5 { ("5.0", "3.1.1", 4) } else { ("3.1.1", "5.0", 5) };
                let codes: Vec<String> =
                    codes.iter().map(|code| format!("0x{code:02X}")).collect();
                format!(
                    "the broker does not speak MQTT {name}: it refuses each CONNECT with {} (unsupported protocol version). \
                     For MQTT {other} write `target.protocol = {key}`",
                    codes.join(" or ")
                )
            }
            Self::WantsMethod => {
                "the broker refuses each CONNECT with 0x8C (Bad authentication method): it wants an authentication method \
                 (MQTT 5.0, 4.12) and takes no token in the password or user name here, or it does not know the method that was \
                 sent. `target.token_in` and `target.auth_method` say what is sent"
                    .to_owned()
            }
            Self::NoJwt { encrypted } => {
                let what = if *encrypted { "encrypted (JWE)" } else { "opaque, and no JWT" };
                format!(
                    "the tokens that the authorization server issues are {what}: a broker that verifies JWTs can't take them. \
                     Servers issue signed JWTs for an `audience` or a `scope` of their own; or the client is set to another \
                     token format"
                )
            }
            Self::KeySetUnread { url } => {
                let at = url.as_ref().map_or_else(String::new, |url| format!(" at `{url}`"));
                format!(
                    "nobody asked for the key set{at}, so the broker knows no key that could verify these tokens. Is it told \
                     this URL, can it reach it (`issuer.jwks_listen` is loopback unless written otherwise), and does it trust \
                     its certificate?"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
