//! Tokens that are bound to their clients' certificates (RFC 8705): whether what a scenario says of them fits together.

use super::{Plan, broker::Broker};
use crate::{
    base::{
        error::{Error, Result},
        tls::Tls,
    },
    scenario::{Check, Scenario, TokenSource},
    token::{
        names::{X5T_S256, is_bound},
        recipe::Certificate,
        template::THUMBPRINT,
    },
};

/// Refuses a promise about certificates that no client or no broker of this run could keep.
///
/// # Errors
/// With key and way out.
pub(super) fn check(scenario: &Scenario, tls: Option<&Tls>, brokers: &[Broker]) -> Result<()> {
    let is_promised = scenario.policy.checks.as_ref().is_some_and(|it| it.contains(&Check::Cnf));
    if !is_promised {
        return Ok(());
    }
    if brokers.iter().any(Broker::is_embedded) {
        return Err(Error::usage(
            "`policy.checks` has `cnf`, but embedded brokers do not see the certificates of their clients",
        )
        .hint("take it out, or name a broker that compares them"));
    }
    if tls.and_then(Tls::clients).is_none() {
        return Err(Error::usage(
            "`policy.checks` has `cnf`, but clients have no certificates of their own that tokens could be bound to",
        )
        .hint("write `cert = \"per_client\"`, `client_ca` and `client_ca_key` under `[target.tls]`, with a broker at `mqtts://` or `wss://`"));
    }
    if scenario.token.source == TokenSource::Mint && !is_bound(&scenario.token.claims) {
        return Err(Error::usage(
            "`policy.checks` has `cnf`, but `token.claims.cnf` does not hold the client's certificate",
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

    /// Makes the certificates of all clients on so many threads, where each has one of its own. A client's is made out to its
    /// client id.
    ///
    /// # Errors
    /// When they can't be made.
    pub fn certify(&self, threads: usize) -> Result<()> {
        let Some(certificates) = self.tls.as_ref().and_then(|tls| tls.clients()) else {
            return Ok(());
        };
        certificates.make(self.clients, threads, |n| self.mould.names.client_id.text(n))
    }
}
