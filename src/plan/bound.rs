//! Tokens that are bound to their clients' certificates (RFC 8705): whether what a scenario says of them fits together.

use std::sync::atomic::AtomicBool;

use super::{Plan, broker::Broker};
use crate::{
    base::error::{Error, Result},
    scenario::{Check, Scenario, TokenSource},
    token::{
        names::{Names, X5T_S256, is_bound},
        policy::Policy,
        recipe::Certificate,
        template::THUMBPRINT,
    },
};

/// Certificates where a time ends the run, and nobody knows how many clients there will be: they take turns with them.
const UNCOUNTED: u64 = 10_000;

/// Refuses a promise about certificates that no client or no broker of this run could keep.
///
/// # Errors
/// With key and way out.
pub(super) fn check(
    scenario: &Scenario,
    policy: &Policy,
    names: &Names,
    brokers: &[Broker],
) -> Result<()> {
    let is_bound = is_bound(&scenario.token.claims);
    let is_written = scenario.policy.checks.as_ref().is_some_and(|it| it.contains(&Check::Cnf));
    // A profile may promise it of clients that this run has none of.
    if !policy.checks(Check::Cnf) || !is_written && !is_bound {
        return Ok(());
    }
    if brokers.iter().any(Broker::is_embedded) {
        return Err(Error::usage(
            "the policy checks `cnf`, but embedded brokers do not see the certificates of their clients",
        )
        .hint("take it out of `policy.checks`, or name a broker that compares them"));
    }
    if let Some(broker) = brokers.iter().find(|broker| !broker.tls) {
        return Err(Error::usage(format!(
            "the policy checks `cnf`, but no client shows a certificate to `{}`, which is not behind TLS",
            broker.label
        ))
        .hint("write `mqtts://` or `wss://`, or leave that broker out"));
    }
    if scenario.token.source == TokenSource::File && names.x5t_s256.is_some() {
        return Err(Error::usage(
            "tokens of a file can't be bound to `cert = \"per_client\"`: those certificates are made for each run",
        )
        .hint("give the certificate that they are bound to, as `target.tls.cert` and `key`, or take `cnf` out of `policy.checks`"));
    }
    if scenario.token.source != TokenSource::Mint {
        return Ok(());
    }
    if names.x5t_s256.is_none() {
        return Err(Error::usage(
            "the policy checks `cnf`, but clients have no certificates of their own that tokens could be bound to",
        )
        .hint("write `cert = \"per_client\"`, `client_ca` and `client_ca_key` under `[target.tls]`"));
    }
    if !is_bound {
        return Err(Error::usage(
            "the policy checks `cnf`, but `token.claims.cnf` does not hold the client's certificate",
        )
        .hint(format!("write `cnf = {{ \"{X5T_S256}\" = \"{{{THUMBPRINT}}}\" }}` under `[token.claims]`")));
    }
    Ok(())
}

impl Plan {
    /// The number of the client with whose certificate client `n` comes, with this kind of token: its own, but where a kind
    /// comes without.
    pub fn certificate_of(&self, kind: usize, n: u64) -> Option<u64> {
        let is_own = self.mould.kinds[kind].recipe.certificate == Certificate::Own;
        is_own.then(|| self.named(n))
    }

    /// Makes the certificates of all clients on so many threads, where each has one of its own, until `stop` is set. A client's
    /// is made out to its client id.
    ///
    /// # Errors
    /// When they can't be made, or it was stopped.
    pub fn certify(&self, threads: usize, stop: &AtomicBool) -> Result<()> {
        let Some(certificates) = self.tls.as_ref().and_then(|tls| tls.clients()) else {
            return Ok(());
        };
        let clients = match self.known_attempts() {
            0 => UNCOUNTED,
            _ => self.clients,
        };
        certificates.make(clients, threads, stop, |n| self.mould.names.client_id.text(n))
    }
}
