//! The canary: a web server that a header of a token names, and that no verifier should ever ask.
//!
//! It gives whoever asks the key that signed such tokens, so that a verifier which follows the header also accepts them.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;

use axum::http::{Method, StatusCode, header, request::Parts};
use bytes::Bytes;
use serde_json::json;

use crate::{
    base::{
        error::{Error, Result},
        web::server::{Answer, Manner, Server, Site},
    },
    plan::Plan,
    record::results::canary::Fetch,
    token::{catalogue::defect, key::SigningKey, recipe::Signer},
};

/// Fetches that are kept, beside the first one of each defect: one is a finding already.
const MOST_FETCHES: usize = 1000;
/// Longest path that is kept: those that tokens name take a tenth of it.
const LONGEST_PATH: usize = 256;
/// How it is served: a verifier may ask for each of its tokens by a connection of its own.
const MANNER: Manner = Manner { name: "canary", most: 512, gives_way: false };

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub struct Canary {
    /// Where it will be served; connections wait there until then.
    listener: Option<TcpListener>,
    address: SocketAddr,
    fetches: Arc<Fetches>,
    server: Option<Server>,
}

/// The requests so far.
#[derive(Debug, Default)]
struct Fetches(Mutex<Vec<Fetch>>);

/// What it gives away.
#[derive(Debug, Default)]
struct Bait {
    jwks: Bytes,
    chain: Bytes,
    fetches: Arc<Fetches>,
}

impl Canary {
    /// Listens at an address; port 0 for a free one.
    ///
    /// # Errors
    /// When it can't.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let failed = |why: std::io::Error| {
            Error::not_measured(format!("the canary can't listen on `{address}`: {why}"))
                .hint("`--canary 127.0.0.1:0` takes a free port")
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener: Some(listener), address, fetches: Arc::default(), server: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the keys with which strangers sign in this plan, from the first call on.
    ///
    /// # Errors
    /// When no certificate can be made, or no thread started.
    pub fn serve(&mut self, plan: &Plan) -> Result<()> {
        let derived = plan.mould.derived.iter();
        let strangers =
            derived.filter(|(_, signer, _)| *signer == Signer::Stranger).map(|(.., key)| &**key);
        let bait = Bait { fetches: Arc::clone(&self.fetches), ..bait(strangers)? };
        if let Some(listener) = self.listener.take() {
            let server = Server::start(listener, MANNER, bait);
            let failed = |why| Error::not_measured(format!("the canary has no thread: {why}"));
            self.server = Some(server.map_err(failed)?);
        }
        Ok(())
    }

    /// Ends it: what it was asked until now is known.
    pub fn close(&mut self) {
        self.listener = None;
        self.server = None;
    }

    /// The requests so far.
    pub fn fetches(&self) -> Vec<Fetch> {
        self.fetches.0.lock().clone()
    }
}

fn bait<'a>(strangers: impl Iterator<Item = &'a SigningKey>) -> Result<Bait> {
    let mut chain = String::new();
    let mut keys = Vec::new();
    for key in strangers {
        let mut jwk = key.public_jwk();
        jwk["alg"] = key.algorithm.to_string().into();
        jwk["use"] = "sig".into();
        if let Some(kid) = &key.kid {
            jwk["kid"] = kid.as_str().into();
        }
        keys.push(jwk);
        chain.push_str(&pem::encode(&pem::Pem::new("CERTIFICATE", key.self_signed()?)));
    }
    let jwks = json!({ "keys": keys }).to_string();
    Ok(Bait { jwks: jwks.into(), chain: chain.into(), fetches: Arc::default() })
}

/// The path of the first line of a request (RFC 9112, 3), whatever its method, its version and the form of its target.
fn path(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let target = line.split_ascii_whitespace().nth(1)?;
    // In the absolute form, of those who take this for a proxy, the path comes after the authority.
    let path = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => &rest[rest.find('/')?..],
        _ => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(path.chars().filter(char::is_ascii_graphic).take(LONGEST_PATH).collect())
}

impl Fetches {
    fn note(&self, line: &[u8], from: SocketAddr) {
        let Some(path) = path(line) else { return };
        // Whoever looks around on this host asks for something else.
        let Some(defect) = path.split('/').nth(1).and_then(defect) else { return };
        let mut fetches = self.0.lock();
        // However often one is asked for, it does not hide another.
        if fetches.len() < MOST_FETCHES || !fetches.iter().any(|it| it.defect == defect.name) {
            fetches.push(Fetch { defect: defect.name.to_owned(), path, from: from.to_string() });
        }
    }
}

impl Site for Bait {
    fn hears(&self, line: &[u8], from: SocketAddr) {
        self.fetches.note(line, from);
    }

    fn answer(&self, request: &Parts) -> Answer {
        let path = request.uri.path();
        if request.method != Method::GET {
            Answer::status(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, "GET")
        } else if let Some(start) = path.strip_suffix("/redirect") {
            Answer::status(StatusCode::FOUND).with(header::LOCATION, &format!("{start}/jwks.json"))
        } else if path.contains("/chain") {
            Answer::page("application/pem-certificate-chain", self.chain.clone())
        } else {
            Answer::page("application/jwk-set+json", self.jwks.clone())
        }
    }
}

#[cfg(test)]
mod tests;
