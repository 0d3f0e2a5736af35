use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::*;
use crate::{
    base::host::Limits,
    plan::{cells::Ask, loaded},
};

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn plan() -> Plan {
    let text = "name = \"canary\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.main]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"main\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    Plan::matrix(&loaded(text), &Limits::read(), &Ask::default()).unwrap()
}

fn canary(plan: &Plan) -> Canary {
    let mut canary = Canary::listen(([127, 0, 0, 1], 0).into()).unwrap();
    canary.serve(plan).unwrap();
    canary
}

fn asked(canary: &Canary) -> Vec<String> {
    canary.fetches().into_iter().map(|fetch| fetch.defect).collect()
}

#[test]
fn it_gives_the_strangers_key_and_remembers_who_asked() {
    let plan = plan();
    let canary = canary(&plan);
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
    assert_eq!(asked(&canary), ["jku_canary", "jku_redirect", "x5u_canary"]);
}

#[test]
fn a_fetch_is_noted_however_it_is_asked_for_and_whatever_comes_or_does_not_come_after() {
    let plan = plan();
    let canary = canary(&plan);
    let connect = || TcpStream::connect(canary.address()).unwrap();
    // Bodies that never come, and answers that nobody takes.
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n").unwrap();
        idle.push(stream);
    }
    let long =
        format!("GET /jku_canary/a HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for (number, request) in [
        "GET /jku_canary/a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n",
        "GET /jku_canary/a HTTP/1.0\r\n\r\n",
        "GET http://127.0.0.1:1/jku_canary/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /jku_canary/a?b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /jku_canary/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        "GET /jku_canary/a HTTP/1.1\r\n: a header without a name\r\n\r\n",
        "GET /jku_canary/a\r\n",
        long.as_str(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = connect();
        // Whoever is refused may be so before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // Its end, or its reset: what it asked for was heard before.
        let _ = stream.read_to_end(&mut Vec::new());
        assert_eq!(canary.fetches().len(), number + 1, "{request:.99}");
    }
    assert!(canary.fetches().iter().all(|fetch| fetch.path == "/jku_canary/a"), "{canary:?}");
}

#[test]
fn however_often_a_verifier_asks_for_one_header_it_is_seen_that_it_follows_another() {
    let fetches = Fetches::default();
    let from = ([127, 0, 0, 1], 9).into();
    for _ in 0..2 * MOST_FETCHES {
        fetches.note(b"GET /jku_canary/jwks.json HTTP/1.1", from);
    }
    fetches.note(b"GET /x5u_canary/chain.pem HTTP/1.1", from);
    let kept = fetches.0.into_inner();
    assert_eq!((kept.len(), kept[MOST_FETCHES].defect.as_str()), (MOST_FETCHES + 1, "x5u_canary"));
}
