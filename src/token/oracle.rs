//! The reference verifier: everything that is wrong with a CONNECT, not only the first thing.
//!
//! It shares no code with minting. Before a token is sent, it says whether the token is wrong in the way that the
//! catalogue claims and in no other; in the embedded broker it verifies by a policy, or, as a mutant, by all of it but
//! one fault. Speed is not its aim, but it parses each key once.

mod claims;
mod encoding;
pub mod fault;
pub mod foreign;
mod json;
pub mod shape;
mod signature;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use fault::{Fault, Faults};

use self::{
    encoding::{Segment, unwrapped},
    signature::Material,
};
use crate::{
    base::error::{Error, Result},
    scenario::{Algorithm, OnAnonymous, Protocol, TokenIn, UnknownKid},
    token::{key::VerifyingKey, policy::Policy},
};

/// What a bound claim is compared with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Bound {
    /// The client id of CONNECT.
    ClientId,
    /// The user name of CONNECT.
    Username,
}

/// What is right, besides the policy: the values that claims are compared with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Expected {
    /// The right `iss`, where that is checked.
    pub iss: Option<String>,
    /// The right values of `aud`, where that is checked.
    pub aud: Vec<String>,
    /// Claims that are compared with the connection.
    pub bound: BTreeMap<String, Bound>,
    /// The Authentication Method, where tokens are Authentication Data.
    #[serde(default)]
    pub auth_method: Option<String>,
}

/// What a CONNECT brings.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Its version of MQTT.
    pub protocol: Protocol,
    /// Client id.
    pub client_id: &'a [u8],
    /// User name, where there is one.
    pub username: Option<&'a [u8]>,
    /// Password, where there is one.
    pub password: Option<&'a [u8]>,
    /// Authentication Method (MQTT 5.0, 3.1.2.11.9), where there is one.
    pub method: Option<&'a [u8]>,
    /// Authentication Data (3.1.2.11.10), where there is some.
    pub data: Option<&'a [u8]>,
    /// The token, where it did not come in a field of its own.
    pub carried: Option<&'a [u8]>,
    /// The thumbprint of the client's certificate, where it came with one (RFC 8705, 3.1).
    pub certificate: Option<&'a [u8]>,
    /// Whether the packet itself breaks a rule of MQTT.
    pub is_malformed: bool,
}

/// A key, parsed.
struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    material: Material,
}

impl Key {
    fn parse(algorithm: Algorithm, kid: Option<String>, key: &VerifyingKey) -> Option<Self> {
        Some(Self { algorithm, kid, material: Material::parse(key, algorithm)? })
    }
}

/// Verifies by a policy.
pub struct Oracle {
    keys: Vec<Key>,
    policy: Policy,
    expected: Expected,
    token_in: TokenIn,
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Oracle {
    /// A verifier with these keys (algorithm, `kid`, key), by this policy.
    ///
    /// # Errors
    /// When a key can't be used.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = (Algorithm, Option<String>, &'a VerifyingKey)>,
        policy: Policy,
        expected: Expected,
        token_in: TokenIn,
    ) -> Result<Self> {
        let parsed = |(algorithm, kid, key): (Algorithm, Option<String>, &VerifyingKey)| {
            Key::parse(algorithm, kid, key).ok_or_else(|| {
                Error::usage(format!("a verifying key can't be used for {algorithm}"))
            })
        };
        let keys = keys.into_iter().map(parsed).collect::<Result<_>>()?;
        Ok(Self { keys, policy, expected, token_in })
    }

    /// The same verifier with other keys; those that can't be used are passed over.
    #[must_use]
    pub fn rekeyed<'a>(
        &self,
        keys: impl IntoIterator<Item = (Algorithm, Option<String>, &'a VerifyingKey)>,
    ) -> Self {
        let keys =
            keys.into_iter().filter_map(|(algorithm, kid, key)| Key::parse(algorithm, kid, key));
        Self {
            keys: keys.collect(),
            policy: self.policy.clone(),
            expected: self.expected.clone(),
            token_in: self.token_in,
        }
    }

    /// A verifier by the same policy that compares claims with other values, and has no keys.
    #[must_use]
    pub fn expecting(&self, expected: Expected) -> Self {
        Self { keys: Vec::new(), policy: self.policy.clone(), expected, token_in: self.token_in }
    }

    /// The policy that it verifies by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What it compares claims with.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Everything that is wrong with a CONNECT at `now` (seconds since 1970); nothing means that it is let in.
    pub fn faults(&self, connect: Presented<'_>, now: f64) -> Faults {
        let mut faults = Faults::default();
        let is_anonymous = connect.username.is_none()
            && connect.password.is_none()
            && connect.method.is_none()
            && connect.data.is_none()
            && connect.carried.is_none();
        if is_anonymous && self.policy.anonymous == OnAnonymous::Accept {
            return faults;
        }
        if connect.is_malformed {
            faults.add(Fault::Packet);
        }
        let is_own = match &self.expected.auth_method {
            // Without a method there must be no data (MQTT 5.0, 3.1.2.11.10).
            Some(own) if connect.data.is_some() => connect.method == Some(own.as_bytes()),
            Some(own) => connect.method.is_none_or(|method| method == own.as_bytes()),
            None => connect.method.is_none(),
        };
        if !is_own {
            faults.add(Fault::Method);
        }
        // MQTT 3.1.1, 3.1.2-22.
        if connect.protocol == Protocol::V4
            && connect.username.is_none()
            && connect.password.is_some()
        {
            faults.add(Fault::NoUsername);
        }
        let token = match self.token_in {
            TokenIn::Password => connect.password,
            TokenIn::Username => connect.username,
            TokenIn::AuthData => connect.data,
            TokenIn::WsHeader | TokenIn::Template => connect.carried,
        };
        match token {
            None | Some([]) => faults.add(Fault::NoToken),
            Some(token) => self.examine(token, connect, now, &mut faults),
        }
        faults
    }

    fn examine(&self, token: &[u8], connect: Presented<'_>, now: f64, faults: &mut Faults) {
        let text = unwrapped(token, faults);
        let segments: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = segments[..] else {
            let header = Segment::decode(segments[0], &mut Faults::default());
            let is_encrypted = segments.len() == 5
                && json::object(&header, &mut Faults::default())
                    .is_some_and(|header| header.contains_key("enc"));
            faults.add(if is_encrypted { Fault::Encrypted } else { Fault::Segments });
            return;
        };
        let message = &text[..header.len() + 1 + payload.len()];
        let decoded = Segment::decode(header, faults);
        let Some(header) = json::object(&decoded, faults) else { return };
        let signature = Segment::decode(signature, faults);
        self.check_header(&header, faults);
        self.check_signature(&header, message, &signature, faults);
        let payload = Segment::decode(payload, faults);
        if let Some(claims) = json::object(&payload, faults) {
            self.check_claims(&claims, connect, now, faults);
        }
    }

    /// Header parameters that have nothing to do with the signature.
    fn check_header(&self, header: &json::Object, faults: &mut Faults) {
        // Nothing that a token calls critical is understood here (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            faults.add(Fault::Crit);
        }
        // RFC 7797, 7: a JWT must not be unencoded.
        if header.get("b64").is_some_and(|b64| b64 != true) {
            faults.add(Fault::Unencoded);
        }
        if self.policy.checks(crate::scenario::Check::Typ) && !has_known_type(header) {
            faults.add(Fault::Typ);
        }
    }

    /// The keys that the header's `kid` allows, and whether it names any.
    fn chosen(&self, header: &json::Object) -> (Vec<&Key>, bool) {
        let kid = match (self.policy.unknown_kid, header.get("kid")) {
            (UnknownKid::Ignore, _) | (_, None) => return (self.keys.iter().collect(), true),
            (UnknownKid::Refuse, Some(kid)) => kid.as_str(),
        };
        let named: Vec<&Key> =
            self.keys.iter().filter(|key| kid.is_some() && key.kid.as_deref() == kid).collect();
        let is_named = !named.is_empty();
        (named, is_named)
    }
}

/// Whether `typ` is that of a token that may be brought (RFC 7519, 5.1; RFC 9068, 2.1), in any case of letters.
fn has_known_type(header: &json::Object) -> bool {
    let Some(kind) = header.get("typ") else { return true };
    let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}

#[cfg(test)]
mod tests;
