//! The canary: a web server that a header of a token names, and that no verifier should ever ask.
//!
//! It gives whoever asks the key that signed such tokens, so that a verifier which follows the header also accepts them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tiny_http::{Header, Method, Request, Response, Server};

use crate::{
    error::{Error, Result},
    key::SigningKey,
    plan::Plan,
    token::{catalogue::defect, recipe::Signer},
};

/// Fetches that are kept: one is a finding already.
const MOST_FETCHES: usize = 1000;

/// A request that should not have come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fetch {
    /// The defect whose header was followed: the first part of the path.
    pub defect: String,
    /// The path, without its query.
    pub path: String,
    /// Who asked, by address.
    pub from: String,
}

/// The server. It ends when this is dropped.
pub struct Canary {
    server: Arc<Server>,
    address: SocketAddr,
    fetches: Arc<Mutex<Vec<Fetch>>>,
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canary").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What it gives away.
#[derive(Debug, Default)]
struct Bait {
    jwks: String,
    chain: String,
}

impl Canary {
    /// Listens at an address; port 0 for a free one.
    ///
    /// # Errors
    /// When it can't.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let failed = |why: &dyn std::fmt::Display| {
            Error::not_measured(format!("the canary can't listen on `{address}`: {why}"))
                .hint("`--canary 127.0.0.1:0` takes a free port")
        };
        let server = Server::http(address).map_err(|error| failed(&error))?;
        let address = server.server_addr().to_ip().ok_or_else(|| failed(&"no address"))?;
        Ok(Self { server: Arc::new(server), address, fetches: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the keys with which strangers sign in this plan.
    ///
    /// # Errors
    /// When no certificate can be made, or no thread started.
    pub fn serve(&self, plan: &Plan) -> Result<()> {
        let derived = plan.mould.derived.iter();
        let strangers =
            derived.filter(|(_, signer, _)| *signer == Signer::Stranger).map(|(.., key)| &**key);
        let bait = bait(strangers)?;
        let (server, fetches) = (Arc::clone(&self.server), Arc::clone(&self.fetches));
        thread::Builder::new()
            .name("canary".into())
            .spawn(move || {
                for request in server.incoming_requests() {
                    note(&request, &fetches);
                    answer(request, &bait);
                }
            })
            .map_err(|error| Error::not_measured(format!("the canary has no thread: {error}")))?;
        Ok(())
    }

    /// The requests so far.
    pub fn fetches(&self) -> Vec<Fetch> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn bait<'a>(strangers: impl Iterator<Item = &'a SigningKey>) -> Result<Bait> {
    let mut bait = Bait::default();
    let mut keys = Vec::new();
    for key in strangers {
        let mut jwk = key.public_jwk();
        jwk["alg"] = key.algorithm.to_string().into();
        jwk["use"] = "sig".into();
        if let Some(kid) = &key.kid {
            jwk["kid"] = kid.as_str().into();
        }
        keys.push(jwk);
        bait.chain.push_str(&pem::encode(&pem::Pem::new("CERTIFICATE", key.self_signed()?)));
    }
    bait.jwks = json!({ "keys": keys }).to_string();
    Ok(bait)
}

fn note(request: &Request, fetches: &Mutex<Vec<Fetch>>) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    // Whoever looks around on this host asks for something else.
    let Some(defect) = path.split('/').nth(1).and_then(defect) else { return };
    let fetch = Fetch {
        defect: defect.name.to_owned(),
        path: path.chars().filter(char::is_ascii_graphic).collect(),
        from: request.remote_addr().map(ToString::to_string).unwrap_or_default(),
    };
    let mut fetches = fetches.lock().unwrap_or_else(PoisonError::into_inner);
    if fetches.len() < MOST_FETCHES {
        fetches.push(fetch);
    }
}

fn answer(request: Request, bait: &Bait) {
    let path = request.url().to_owned();
    let (status, header, body) = if request.method() != &Method::Get {
        (405, None, "")
    } else if let Some(start) = path.strip_suffix("/redirect") {
        (302, Header::from_bytes("Location", format!("{start}/jwks.json")).ok(), "")
    } else if path.contains("/chain") {
        (
            200,
            Header::from_bytes("Content-Type", "application/pem-certificate-chain").ok(),
            bait.chain.as_str(),
        )
    } else {
        (
            200,
            Header::from_bytes("Content-Type", "application/jwk-set+json").ok(),
            bait.jwks.as_str(),
        )
    };
    let mut response = Response::from_string(body).with_status_code(status);
    if let Some(header) = header {
        response.add_header(header);
    }
    // Whoever asked and left has been noted all the same.
    let _ = request.respond(response);
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        path::Path,
    };

    use super::*;
    use crate::{
        host::Limits,
        plan::cells::Ask,
        scenario::{Loaded, Overrides, parse},
    };

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn it_gives_the_strangers_key_and_remembers_who_asked() {
        let text = "name = \"canary\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.main]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"main\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
        let scenario = parse(text, &Overrides::default()).unwrap();
        let loaded = Loaded { path: Path::new("x.toml").into(), scenario, overrides: Vec::new() };
        let plan = Plan::matrix(&loaded, &Limits::read(), &Ask::default()).unwrap();
        let canary = Canary::listen(([127, 0, 0, 1], 0).into()).unwrap();
        canary.serve(&plan).unwrap();
        let stranger = plan.mould.derived.iter().find(|(_, signer, _)| *signer == Signer::Stranger);
        let jwk = stranger.unwrap().2.public_jwk();
        let jwks = get(canary.address(), "/jku_canary/jwks.json");
        assert!(
            jwks.contains(jwk["x"].as_str().unwrap()) && jwks.contains("\"kid\":\"main\""),
            "{jwks}"
        );
        let moved = get(canary.address(), "/jku_redirect/redirect");
        assert!(
            moved.starts_with("HTTP/1.1 302") && moved.contains("/jku_redirect/jwks.json"),
            "{moved}"
        );
        get(canary.address(), "/robots.txt");
        assert!(get(canary.address(), "/x5u_canary/chain.pem").contains("BEGIN CERTIFICATE"));
        let asked: Vec<String> = canary.fetches().into_iter().map(|fetch| fetch.defect).collect();
        assert_eq!(asked, ["jku_canary", "jku_redirect", "x5u_canary"]);
    }
}
