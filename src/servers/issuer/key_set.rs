//! The keys of an issuer: which are published, which one signs.

use serde_json::{Value, json};

use crate::{
    base::error::Result,
    scenario::{self, Outage},
    token::key::SigningKey,
};

/// Bytes of a key set that is far too large.
const HUGE: usize = 10 * 1024 * 1024;

pub(super) struct KeySet {
    /// Those of the plan, by their index there, then those that only fill the set.
    keys: Vec<SigningKey>,
    /// How many are the plan's.
    own: usize,
    published: Vec<usize>,
    revoked: Vec<usize>,
    signing: usize,
    /// As it is served, made anew with each change.
    text: String,
}

impl KeySet {
    /// These keys, of which some are published, the first of them signs, and so many more that sign nothing.
    pub(super) fn new(mut keys: Vec<SigningKey>, published: &[usize], extra: u16) -> Result<Self> {
        let own = keys.len();
        let signing = published.first().copied().unwrap_or_default();
        let algorithm = keys[signing].algorithm;
        for number in 0..extra {
            let made = scenario::Key::made(algorithm, &format!("extra-{number}"));
            keys.push(SigningKey::load(&format!("extra-{number}"), &made, ".".as_ref())?);
        }
        // The one that is looked for stands last: a verifier that tries them in order tries them all.
        let published = (own..keys.len()).chain(published.iter().rev().copied()).collect();
        let mut set =
            Self { keys, own, published, revoked: Vec::new(), signing, text: String::new() };
        set.write();
        Ok(set)
    }

    pub(super) fn publish(&mut self, key: usize) {
        self.revoked.retain(|revoked| *revoked != key);
        if !self.published.contains(&key) {
            self.published.push(key);
        }
        self.write();
    }

    pub(super) fn remove(&mut self, key: usize) {
        self.published.retain(|published| *published != key);
        self.write();
    }

    pub(super) fn revoke(&mut self, key: usize) {
        self.revoked.push(key);
        self.remove(key);
    }

    pub(super) fn sign_with(&mut self, key: usize) {
        self.signing = key;
    }

    /// The key that signs, and its index.
    pub(super) fn signing(&self) -> (usize, &SigningKey) {
        (self.signing, &self.keys[self.signing])
    }

    /// A key that signs or did, by its `kid`.
    pub(super) fn named(&self, kid: Option<&str>) -> Option<&SigningKey> {
        let mut own = (0..self.own).filter(|key| !self.revoked.contains(key));
        own.find(|key| self.keys[*key].kid.as_deref() == kid).map(|key| &self.keys[key])
    }

    pub(super) fn kids(&self) -> Vec<Option<String>> {
        self.keys[..self.own].iter().map(|key| key.kid.clone()).collect()
    }

    /// Algorithms that it signs with.
    pub(super) fn algorithms(&self) -> Vec<String> {
        let mut all: Vec<String> = self.keys[..self.own]
            .iter()
            .filter(|key| !key.algorithm.is_hmac())
            .map(|key| key.algorithm.to_string())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// As it is served.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Copies of the keys that are published.
    pub(super) fn published(&self) -> Vec<SigningKey> {
        let keys = self.published.iter().map(|key| &self.keys[*key]);
        keys.map(|key| key.with_algorithm(key.algorithm)).collect()
    }

    fn write(&mut self) {
        let keys: Vec<Value> = self.published.iter().map(|key| jwk(&self.keys[*key])).collect();
        self.text = json!({ "keys": keys }).to_string();
    }
}

/// What is served in place of a key set with these keys, in an outage that changes what is in it.
pub(super) fn wrong_set(keys: &[SigningKey], outage: Outage) -> Result<Option<String>> {
    Ok(Some(match outage {
        Outage::EmptySet => json!({ "keys": [] }).to_string(),
        Outage::DuplicateKid => {
            let mut all = Vec::new();
            for key in keys {
                all.push(jwk(&key.stranger()?));
                all.push(jwk(key));
            }
            json!({ "keys": all }).to_string()
        }
        Outage::Huge => {
            let keys: Vec<Value> = keys.iter().map(jwk).collect();
            json!({ "keys": keys, "padding": "x".repeat(HUGE) }).to_string()
        }
        _ => return Ok(None),
    }))
}

/// A key as a key set has it (RFC 7517, 4).
fn jwk(key: &SigningKey) -> Value {
    let mut jwk = key.public_jwk();
    jwk["use"] = "sig".into();
    jwk["alg"] = key.algorithm.to_string().into();
    if let Some(kid) = &key.kid {
        jwk["kid"] = kid.as_str().into();
    }
    jwk
}
