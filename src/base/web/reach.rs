//! Which hosts may be asked: this one alone, where nobody said that others may be loaded.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{
    ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::Url;

use super::is_proxied;
use crate::base::{
    error::{Error, Result},
    host::loopback,
};

/// How far requests may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// No further than this host.
    ThisHost,
    /// To every host: the user may load it.
    Anywhere,
}

impl Reach {
    /// By what the user said (`--authorized`).
    pub fn of(authorized: bool) -> Self {
        if authorized { Self::Anywhere } else { Self::ThisHost }
    }

    /// Refuses a server that may not be asked; `what` it is, for the error.
    ///
    /// # Errors
    /// When it is not certainly on this host, and no other may be asked.
    pub fn check(self, what: &str, url: &Url) -> Result<()> {
        if self == Self::Anywhere || is_here(url) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let why = if addresses(url).is_empty() && !is_proxied(url) {
            "has no address that this host can find out, so nobody knows whether it is on this host"
        } else {
            "is not on this host"
        };
        Err(Error::usage(format!("{what} `{host}` {why}"))
            .hint("if you may load it, say so: `--authorized`"))
    }

    /// A client that goes no further, whatever a name turns out to be when it is asked for, and wherever an answer sends
    /// it.
    pub fn keep(self, client: ClientBuilder) -> ClientBuilder {
        match self {
            Self::Anywhere => client,
            Self::ThisHost => client.dns_resolver(Arc::new(Here)).redirect(Policy::none()),
        }
    }
}

/// Whether a server is certainly on this host. What a proxy is asked for is not, whatever this host knows of its name; what
/// has no address may be anywhere.
pub fn is_here(url: &Url) -> bool {
    let addresses = addresses(url);
    let is_web = matches!(url.scheme(), "http" | "https");
    is_web && !addresses.is_empty() && addresses.iter().all(is_loopback) && !is_proxied(url)
}

fn addresses(url: &Url) -> Vec<SocketAddr> {
    url.socket_addrs(|| None).unwrap_or_default()
}

fn is_loopback(address: &SocketAddr) -> bool {
    loopback::is_loopback(address.ip())
}

/// Finds addresses of this host only: between being looked at and being asked, a name may have got another.
#[derive(Debug)]
struct Here;

impl Resolve for Here {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(is_loopback) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err("the name is no longer one of this host, and no other may be asked".into())
            }
        })
    }
}

#[cfg(test)]
mod tests;
