//! What every token of a run is made from.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Kind, carrier::Shown, key::SigningKey, names::Names, recipe::Signer};

/// What every token of a run is made from.
#[derive(Clone, Debug)]
pub struct Mould {
    /// The scenario's seed: token ids follow from it.
    pub seed: u64,
    /// Keys, in the order that [`Kind::key`] counts.
    pub keys: Arc<Vec<SigningKey>>,
    /// Keys that are made from them for kinds that another signs: index of the key, who signs, the key. Made once, so
    /// that all threads sign with the same.
    pub derived: Vec<(usize, Signer, Arc<SigningKey>)>,
    /// Kinds, in the order of the mix.
    pub kinds: Vec<Kind>,
    /// `[token.claims]`.
    pub claims: Map<String, Value>,
    /// Claims among them that are the client's own.
    pub bound: Vec<String>,
    /// Client ids and user names.
    pub names: Names,
    /// `exp` - `iat`.
    pub ttl: Duration,
    /// Up to so much more, drawn for each turn.
    pub ttl_jitter: Duration,
    /// When tokens of first turns end, where they all do together: so long after the start of the storm.
    pub exp_at: Option<Duration>,
    /// The number of client 0 in names and claims: clients of a volley come after all that were there before.
    pub first_client: u64,
    /// Where the canary listens: `host:port`.
    pub canary: String,
}

impl Mould {
    /// What a client shows, of what was made ready for it: the token, and the signature over it behind that.
    pub fn shown<'a>(&self, bytes: &'a [u8]) -> Shown<'a> {
        let signed = self.names.carriers.as_ref().and_then(|it| it.countersigned.as_ref());
        let length = signed.map_or(0, |it| it.length);
        let (token, signature) = bytes.split_at(bytes.len().saturating_sub(length));
        Shown { token, signature }
    }
}
