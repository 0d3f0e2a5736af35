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
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_on_this_host_is_here() {
        let here = |url: &str| is_here(&Url::parse(url).unwrap());
        for url in
            ["http://127.0.0.1/", "https://127.9.9.9:1/x", "http://[::1]:80/", "http://localhost/"]
        {
            assert!(here(url), "{url}");
        }
        for url in [
            "http://192.0.2.1/",
            "http://no-such.invalid/token",
            "https://127.0.0.1.invalid/",
            "http://[2001:db8::1]/",
            "http://0.0.0.0/",
            "file:///etc/passwd",
            "file://localhost/etc/passwd",
            "ftp://127.0.0.1/",
            "data:text/plain,hello",
        ] {
            assert!(!here(url), "{url}");
            let url = Url::parse(url).unwrap();
            assert!(Reach::ThisHost.check("the server", &url).is_err(), "{url}");
            assert!(Reach::Anywhere.check("the server", &url).is_ok(), "{url}");
        }
        let unknown = Url::parse("http://no-such.invalid/").unwrap();
        let error = Reach::of(false).check("the server", &unknown).unwrap_err();
        assert!(error.to_string().contains("nobody knows"), "{error}");
        assert!(error.way_out().unwrap().contains("--authorized"));
    }

    #[tokio::test]
    async fn a_name_that_has_moved_away_meanwhile_is_not_asked() {
        let found = Here.resolve("localhost".parse().unwrap()).await.unwrap().collect::<Vec<_>>();
        assert!(!found.is_empty() && found.iter().all(is_loopback), "{found:?}");
        // An address is its own name for the resolver of the system.
        assert!(Here.resolve("192.0.2.1".parse().unwrap()).await.is_err());
    }
}
