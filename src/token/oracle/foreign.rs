//! Tokens that others made: read leniently, and held against a policy. Whether their signature is right is not asked.

use serde_json::Value;

use super::{
    Fault, Faults, Oracle, Presented,
    claims::thumbprint,
    encoding::{Segment, unwrapped},
    json,
};
use crate::scenario::{Algorithm, Protocol};

/// Faults by which a text is no JWT in its compact form (RFC 7519, 3), whatever a lenient reader finds in it.
const NO_JWT: [Fault; 9] = [
    Fault::NotAscii,
    Fault::OuterSpace,
    Fault::Prefix,
    Fault::Quoted,
    Fault::PercentEncoded,
    Fault::JsonSerialization,
    Fault::Utf8,
    Fault::TooDeep,
    Fault::NotJson,
];

/// Faults that time decides: whoever judges knows the instant.
const OF_TIME: [Fault; 5] = [
    Fault::Expired,
    Fault::NotYetValid,
    Fault::IatFuture,
    Fault::ExpBeforeNbf,
    Fault::ExpBeforeIat,
];

/// What a token that another made says of itself.
#[derive(Clone, Debug)]
pub struct Foreign {
    header: json::Object,
    claims: json::Object,
    /// What is wrong with how it is written.
    faults: Faults,
    /// Whether it has the parts of a signed JWT, and they can be read.
    is_jwt: bool,
    is_encrypted: bool,
}

/// The `alg` of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alg<'a> {
    /// There is none, or it is no text.
    Missing,
    /// `none`, however it is written: nobody signed it.
    None,
    /// One that has a name here.
    Known(Algorithm),
    /// Another one.
    Other(&'a str),
}

impl Foreign {
    /// Reads a token. What can't be read is no JWT.
    pub fn read(token: &[u8]) -> Self {
        let mut faults = Faults::default();
        let text = unwrapped(token, &mut faults);
        let segments: Vec<&str> = text.split('.').collect();
        let object = |segment: &str, faults: &mut Faults| {
            let decoded = Segment::decode(segment, faults);
            json::object(&decoded, faults)
        };
        let header = object(segments[0], &mut faults);
        let claims = match segments[..] {
            [_, payload, signature] => {
                if signature.is_empty() {
                    faults.add(Fault::SignatureMissing);
                }
                // Its bytes say nothing here, but base64url they have to be.
                drop(Segment::decode(signature, &mut faults));
                object(payload, &mut faults)
            }
            _ => None,
        };
        let is_read = header.is_some() && claims.is_some();
        let header = header.unwrap_or_default();
        Self {
            is_jwt: is_read && !NO_JWT.iter().any(|fault| faults.has(*fault)),
            is_encrypted: segments.len() == 5 && header.contains_key("enc"),
            header,
            claims: claims.unwrap_or_default(),
            faults,
        }
    }

    /// Whether it is a signed JWT.
    pub fn is_jwt(&self) -> bool {
        self.is_jwt
    }

    /// Whether it is a JWE (RFC 7516), which only the owner of the key can read.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// How it says it is signed.
    pub fn alg(&self) -> Alg<'_> {
        match self.header.get("alg").and_then(Value::as_str) {
            None => Alg::Missing,
            Some(name) if name.trim().eq_ignore_ascii_case("none") => Alg::None,
            Some(name) => Algorithm::named(name)
                .filter(|named| named.is_registered())
                .map_or(Alg::Other(name), Alg::Known),
        }
    }

    /// Its `kid`, where that is a text.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// Its `typ`; nothing where there is none, an empty text where it is no text.
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ").map(|kind| kind.as_str().unwrap_or_default())
    }

    /// A claim of it, where it is a JWT.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name).filter(|_| self.is_jwt)
    }

    /// A moment among its claims, in seconds since 1970.
    pub fn moment(&self, name: &str) -> Option<f64> {
        self.claim(name)?.as_f64()
    }

    /// About how many bytes it takes in memory, as it was read: of short values many times what they take in the token.
    pub fn size(&self) -> usize {
        let of = |object: &json::Object| {
            object.iter().map(|(name, value)| member(name, value)).sum::<usize>()
        };
        of(&self.header) + of(&self.claims)
    }

    /// What is wrong with how it is written.
    pub fn faults(&self) -> Faults {
        self.faults
    }
}

/// What a member of an object takes: its name and value, and what is around them.
fn member(name: &str, value: &Value) -> usize {
    const NODE: usize = 64;
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| member("", item)).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| member(name, value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    NODE + name.len() + inner
}

impl Foreign {
    /// The thumbprint of the certificate that it is bound to, where it is (RFC 8705, 3.1).
    pub fn thumbprint(&self) -> Option<&Value> {
        thumbprint(&self.claims)
    }
}

impl Oracle {
    /// All that is wrong with a token that another made, whoever brings it, but for its signature, which is taken for good,
    /// and for what time decides.
    pub fn faults_of(&self, token: &Foreign) -> Faults {
        let nobody = Presented {
            protocol: Protocol::V5,
            client_id: b"",
            username: None,
            password: None,
            method: None,
            data: None,
            carried: None,
            certificate: None,
            is_malformed: false,
        };
        let mut faults = token.faults();
        match token.alg() {
            Alg::Missing => faults.add(Fault::AlgMissing),
            Alg::None => faults.add(Fault::AlgNone),
            Alg::Other(_) => faults.add(Fault::AlgUnknown),
            Alg::Known(named) if !self.policy().algorithms.contains(&named) => {
                faults.add(Fault::AlgOther);
            }
            Alg::Known(_) => {}
        }
        self.check_header(&token.header, &mut faults);
        self.check_claims(&token.claims, nobody, 0.0, &mut faults);
        // Whose certificate it is bound to, whoever brings it.
        faults.without(Faults::of(&OF_TIME)).without(Faults::of(&[Fault::Confirmation]))
    }
}

#[cfg(test)]
mod tests;
