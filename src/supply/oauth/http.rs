//! The clients' way to their authorization server: one for all, or, where each has a certificate, one for each.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;

use super::AGENT;
use crate::{
    base::{
        error::{Error, Result},
        tls::{self, Trust, clients::ClientCertificates},
        web::{self, Reach, Way},
    },
    plan::{Plan, fetching::Fetching},
};

/// How requests are made.
pub(super) struct Http {
    /// For what no client asks by itself.
    pub(super) shared: reqwest::Client,
    tls: ClientConfig,
    way: Way,
    reach: Reach,
    timeout: Duration,
    connections: usize,
    /// The certificates that clients show, each its own: a token is bound to that of whoever asks for it (RFC 8705, 3).
    certificates: Option<Arc<ClientCertificates>>,
}

impl Http {
    /// Requests within this reach, by this way, to servers of this trust.
    ///
    /// # Errors
    /// When no client can be built.
    pub(super) fn new(
        plan: &Plan,
        fetching: &Fetching,
        trust: &Trust,
        (reach, way): (Reach, Way),
    ) -> Result<Self> {
        let certificates = plan.tls.as_ref().and_then(|tls| tls.clients());
        let certificates = certificates.filter(|_| fetching.shows_own).cloned();
        let tls = tls::client_of(trust)?;
        let timeout = fetching.settings.timeout;
        let connections = fetching.settings.connections as usize;
        let shared = built(tls.clone(), (&reach, way), timeout, connections)
            .map_err(|error| Error::not_measured(format!("no client for tokens: {error}")))?;
        Ok(Self { shared, tls, way, reach, timeout, connections, certificates })
    }

    /// What client `n` asks with.
    ///
    /// # Errors
    /// When no client can be built.
    pub(super) fn of(&self, n: u64) -> reqwest::Result<reqwest::Client> {
        let Some(certificates) = &self.certificates else { return Ok(self.shared.clone()) };
        let tls = Arc::unwrap_or_clone(certificates.settings(&self.tls, n));
        built(tls, (&self.reach, self.way), self.timeout, self.connections)
    }
}

fn built(
    tls: ClientConfig,
    (reach, way): (&Reach, Way),
    timeout: Duration,
    connections: usize,
) -> reqwest::Result<reqwest::Client> {
    reach
        .keep(web::client(tls, way))
        .user_agent(AGENT)
        .timeout(timeout)
        .pool_max_idle_per_host(connections)
        // A secret must not be carried to where nobody meant it to go.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
}
