//! `oauth` of the summary: what came of the requests for tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::PhaseStats;

/// Requests to the authorization server, with those before the storm.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OAuth {
    /// Tokens that were fetched.
    pub fetched: u64,
    /// Fetches that failed in the end.
    pub failed: u64,
    /// Requests that were sent. One fetch may take several.
    pub requests: u64,
    /// Fetches that were tried again.
    pub retries: u64,
    /// JWTs without an `exp` that is a number. They never end.
    pub without_expiry: u64,
    /// Tokens by form: `jwt` (with a whole number as `exp`), `opaque` (no JWT: a broker that checks
    /// JWTs refuses them), `jwe` (encrypted, RFC 7516); JWTs without `exp`, or with one that is
    /// text or of another type (`jwt_exp_missing`, `jwt_exp_text`, `jwt_exp_other`: they never
    /// end); JWTs whose `exp` has a fraction, or can only be meant in milliseconds
    /// (`jwt_exp_fraction`, `jwt_exp_milliseconds`).
    #[serde(default)]
    pub tokens: BTreeMap<String, u64>,
    /// Tokens that must be refused by the policy, by reason: `aud` and `iss` (another value),
    /// `binds` (a claim that the policy binds is not the client's), `claim_missing`, `exp_missing`,
    /// `exp_type`, `exp_far`, `nbf_type`, `lifetime`, `alg`, `alg_none`, `alg_missing`, `typ`,
    /// `encoding`, `signature_missing`. Each client that brings one counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_refuse: BTreeMap<String, u64>,
    /// Tokens for which both answers are right, by reason: `opaque`, `jwe`, `alg` with the
    /// algorithm's name, `crit`, `b64`, `duplicate` (a member twice), `exp_type`, `typ`,
    /// `encoding`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, u64>,
    /// Requests by HTTP status, or by the word for what happened instead of an answer, such as
    /// `gave_up`: the client did not wait any longer.
    pub statuses: BTreeMap<String, u64>,
    /// Failed fetches by their last OAuth error. Errors that no standard knows count as `other`,
    /// since their text may repeat a secret.
    pub errors: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error and HTTP status, such as `invalid_client 401`; `html` is a
    /// page in place of JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<String, u64>,
    /// What came of refresh tokens. All counts are 0 if no client had one.
    #[serde(default)]
    pub refreshes: Refreshes,
    /// The times from a request to its answer, with DNS, TCP and TLS of a new connection. Null if
    /// none was answered.
    pub request: Option<PhaseStats>,
    /// The key set of a server that is not the run's own, as the run watched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_set: Option<KeySet>,
    /// Waits for the rate limit and for a free connection: the generator's time, not the server's.
    /// Null if there were none.
    pub queued: Option<PhaseStats>,
}

/// Refresh tokens that were sent, by what came of them, and what clients did without one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refreshes {
    /// The refresh token brought a token.
    pub brought: u64,
    /// No answer tells of it: a timeout, a reset, or an answer that says nothing of it. It is not
    /// sent again, since servers end the session on a second use.
    pub lost: u64,
    /// The server refused it (`invalid_grant`).
    pub refused: u64,
    /// Logins that were begun since a refresh token was lost or refused. One may wait for the rate
    /// limit or a connection, and be given up.
    pub logins: u64,
}

/// What the run saw of a key set that it watched.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct KeySet {
    /// Fetches that brought the key set.
    pub fetched: u64,
    /// Fetches that did not, by HTTP status, or by the word for what happened instead of an answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// Keys that came into it during the run.
    pub appeared: u64,
    /// Keys that left it during the run.
    pub withdrawn: u64,
    /// Tokens that named a key which it did not have until then. Nothing is promised of them.
    #[serde(default)]
    pub unlisted: u64,
}

/// How often a broker has fetched its key set, and what came of that.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeySetCounts {
    /// Fetches that brought keys.
    pub fetched: u64,
    /// Fetches that failed, by HTTP status, or by the word for what happened instead of an answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
}
