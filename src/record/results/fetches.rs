//! `oauth` of the summary: what came of the requests for tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::PhaseStats;

/// Requests to the authorization server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OAuth {
    /// Tokens that were fetched.
    pub fetched: u64,
    /// Fetches that failed in the end.
    pub failed: u64,
    /// Requests that were sent; one fetch may take several.
    pub requests: u64,
    /// Fetches that were tried again.
    pub retries: u64,
    /// JWTs without an `exp` that is a number: they never end.
    pub without_expiry: u64,
    /// Tokens by what they are: `jwt` (with a whole number as `exp`), `opaque` (no JWT), `jwe` (encrypted), and JWTs with
    /// another `exp`: `jwt_exp_missing`, `jwt_exp_text`, `jwt_exp_fraction`, `jwt_exp_milliseconds`, `jwt_exp_other`.
    #[serde(default)]
    pub tokens: BTreeMap<String, u64>,
    /// Tokens that the policy has refused, by why: `aud` and `iss` (another value), `binds` (a claim that the
    /// policy binds is not the client's), `claim_missing`, `exp_missing`, `exp_type`, `exp_far`, `nbf_type`, `lifetime`, `alg`,
    /// `alg_none`, `alg_missing`, `typ`, `encoding`, `signature_missing`. Each client that brings one counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_refuse: BTreeMap<String, u64>,
    /// Tokens of which the policy promises nothing, by why: `opaque`, `jwe`, `alg` with the algorithm's name, `crit`,
    /// `b64`, `duplicate` (a member twice), `exp_type`, `typ`, `encoding`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, u64>,
    /// Requests by HTTP status, or by the word for what happened instead of an answer.
    pub statuses: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error.
    pub errors: BTreeMap<String, u64>,
    /// Failed fetches by OAuth error and HTTP status, such as `invalid_client 401`; `html` stands for a page for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<String, u64>,
    /// What came of refresh tokens; all zero where no client had one.
    #[serde(default)]
    pub refreshes: Refreshes,
    /// Request sent to answer read.
    pub request: Option<PhaseStats>,
    /// The key set of a server that is not the run's own, as the run watched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_set: Option<KeySet>,
    /// Waits for the rate limit and for a free connection: the generator's, not the server's.
    pub queued: Option<PhaseStats>,
}

/// Refresh tokens that were sent, by what came of them, and what clients did without one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refreshes {
    /// Those that brought a token.
    pub brought: u64,
    /// Those that were sent and that no answer tells of: a timeout, a reset, or an answer that says nothing of them. They
    /// are not sent again, since servers end the session on a second use.
    pub lost: u64,
    /// Those that the server refused (`invalid_grant`).
    pub refused: u64,
    /// Logins that were begun since a refresh token was lost or refused; one may wait for the rate limit or a connection, and
    /// be given up.
    pub logins: u64,
}

/// What the run saw of a key set that it watched.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct KeySet {
    /// Fetches that brought it.
    pub fetched: u64,
    /// Fetches that did not, by HTTP status, or by the word for what happened instead of an answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
    /// Keys that came into it during the run.
    pub appeared: u64,
    /// Keys that left it during the run.
    pub withdrawn: u64,
    /// Tokens that named a key which it did not have until then: nothing is promised of them.
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
