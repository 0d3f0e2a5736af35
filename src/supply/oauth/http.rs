//! The clients' way to their authorization server: one for all, or, where each has a certificate, one for each.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;

use super::{AGENT, Failure};
use crate::{
    base::{
        error::{Error, Result},
        tls::{self, Trust, clients::ClientCertificates},
        web::{self, Reach, Way},
    },
    plan::Plan,
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
    pub(super) fn new(plan: &Plan, trust: &Trust, reach: Reach, way: Way) -> Result<Self> {
        let fetching = plan.issuance.fetching.as_ref();
        let settings = fetching.map(|fetching| &fetching.settings);
        // The run's own server asks nobody for a certificate, and `[oauth.tls]` says which one all show.
        let shows_own =
            way != Way::Direct && settings.is_none_or(|settings| settings.tls.is_none());
        let certificates = plan.tls.as_ref().and_then(|tls| tls.clients()).filter(|_| shows_own);
        let tls = tls::client_of(trust)?;
        let timeout = settings.map_or(Duration::MAX, |settings| settings.timeout);
        let connections = settings.map_or(1, |settings| settings.connections as usize);
        let shared = built(tls.clone(), (&reach, way), timeout, connections)
            .map_err(|error| Error::not_measured(format!("no client for tokens: {error}")))?;
        let certificates = certificates.cloned();
        Ok(Self { shared, tls, way, reach, timeout, connections, certificates })
    }

    /// What client `n` asks with.
    ///
    /// # Errors
    /// When no client can be built.
    pub(super) fn of(&self, n: u64) -> std::result::Result<reqwest::Client, Failure> {
        let Some(certificates) = &self.certificates else { return Ok(self.shared.clone()) };
        let tls = Arc::unwrap_or_clone(certificates.settings(&self.tls, n));
        built(tls, (&self.reach, self.way), self.timeout, self.connections)
            .map_err(|_| Failure::word("no_client"))
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
