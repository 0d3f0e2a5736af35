//! Embedded brokers that take their keys from the server that issued the tokens, which is not the run's own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::{
    oauth::{JSON, Web, response, storm},
    run::{Ended, Storm, program},
    withdrawn::discovery,
};

/// An issuer that is a process of its own.
pub(crate) struct Apart {
    child: Child,
    pub(crate) url: String,
    pub(crate) jwks: String,
    _scenario: Storm,
}

impl Apart {
    /// With these lines under `[issuer]`.
    pub(crate) fn start(more: &str) -> Self {
        let scenario = storm(
            "mqtt://127.0.0.1:9",
            "client_secret = \"x\"",
            &format!("[issuer]\nkeys = [\"main\"]\n{more}"),
        );
        let mut child = program()
            .arg("issuer")
            .arg(scenario.scenario())
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = |word: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(word).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
        };
        let (url, jwks) = (url("ready"), url("jwks"));
        Self { child, url, jwks, _scenario: scenario }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole answer to a GET over plain HTTP.
fn got(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A POST of the token endpoint, passed on.
fn token_of(issuer: &str) -> String {
    let host = issuer.strip_prefix("http://").unwrap();
    let body = "grant_type=client_credentials&client_id=storm-1&client_secret=x";
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A server that issues the tokens of an issuer that stands apart, and answers its own way where the key set is: `set` has
/// how many asked before.
fn before(issuer: &Apart, set: impl Fn(usize) -> String + Send + Sync + 'static) -> Web {
    // Its address alone: this server is never dropped, and the issuer has to be.
    let (issuer, asked) = (issuer.url.clone(), AtomicUsize::new(0));
    Web::start(move |path, own| match path {
        "/.well-known/openid-configuration" => discovery(own),
        "/keys" => set(asked.fetch_add(1, Ordering::Relaxed)),
        _ => token_of(&issuer),
    })
}

fn run_at(issuer: &str, more: &str, set: &[&str]) -> Ended {
    let oauth = format!("issuer = \"{issuer}\"\nclient_secret = \"x\"");
    let arguments: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    storm("embedded", &oauth, more).run_with(&arguments)
}

#[test]
fn the_key_set_is_where_the_discovery_document_says() {
    let issuer = Apart::start("client_secret = \"x\"");
    let run = run_at(&issuer.url, "", &[]);
    let summary = run.expect(0);
    assert_eq!(summary["outcomes"]["accepted"], 8, "{}", run.stdout);
    assert_eq!(summary["key_sets"]["embedded"], json!({ "fetched": 1 }));
    assert!(!run.stdout.contains("key set "), "nothing was wrong: {}", run.stdout);
    // What is written goes before.
    let nowhere = format!("target.jwks={{ url = \"{}x\" }}", issuer.jwks);
    run_at(&issuer.url, "", &[&nowhere]).expect(3);
}

#[test]
fn refusals_by_a_broker_without_keys_say_nothing_and_why_it_has_none_is_said() {
    let issuer = Apart::start("client_secret = \"x\"");
    for (answer, why) in [
        (response("404 Not Found", "", ""), "404"),
        (response("503 Service Unavailable", "", ""), "503"),
        (response("200 OK", JSON, "<html>"), "no_json"),
        (response("200 OK", JSON, "{\"keys\":[]}"), "no_keys"),
        (response("200 OK", JSON, "[]"), "no_key_set"),
        ("nonsense\r\n\r\n".into(), "broken"),
    ] {
        let web = before(&issuer, move |_| answer.clone());
        let run = run_at(&web.url, "", &[]);
        let summary = run.expect(3);
        assert_eq!(summary["verdicts"]["not_judged"], 8, "{why}: {}", run.stdout);
        assert_eq!(summary["key_sets"]["embedded"]["fetched"], 0);
        let failed = &summary["key_sets"]["embedded"]["failed"];
        assert!(failed[why].as_u64() >= Some(1), "{why}: {failed}");
        assert!(run.stderr.contains("never had a key"), "{}", run.stderr);
        assert!(run.stdout.contains(why), "{}", run.stdout);
    }
    // Nobody is there, or speaks otherwise.
    let discovered = |jwks: &str| format!("target.jwks={{ url = \"{jwks}\" }}");
    let tls = issuer.jwks.replace("http://", "https://");
    for (url, why) in [("http://127.0.0.1:9/keys", "connect"), (tls.as_str(), "not_tls")] {
        let run = run_at(&issuer.url, "", &[&discovered(url)]);
        let summary = run.expect(3);
        let failed = &summary["key_sets"]["embedded"]["failed"];
        assert!(failed[why].as_u64() >= Some(1), "{why}: {failed}");
    }
}

#[test]
fn a_key_set_that_comes_late_makes_no_false_rejects() {
    let issuer = Apart::start("client_secret = \"x\"");
    let keys = got(&issuer.jwks);
    let web = before(&issuer, move |asked| match asked {
        // The run looks at the set as well, first.
        0 | 1 => response("503 Service Unavailable", "", ""),
        _ => keys.clone(),
    });
    let load = "load={ arrivals = \"constant\", stages = [{ rate = 10, for = \"3s\" }] }";
    let threshold = "thresholds={ \"verdict.not_judged\" = [\"rate < 1\"] }";
    let run = run_at(&web.url, "", &[load, threshold]);
    let summary = run.expect(0);
    let verdict = |name: &str| summary["verdicts"][name].as_u64().unwrap();
    assert!(verdict("not_judged") > 0 && verdict("correct") > 0, "{}", summary["verdicts"]);
    assert_eq!(verdict("false_reject"), 0);
    assert_eq!(summary["key_sets"]["embedded"]["failed"], json!({ "503": 1 }));
}

#[test]
fn the_certificate_of_the_key_sets_server_is_trusted_by_a_key_of_its_own_or_that_of_oauth() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let made = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".into(), "127.0.0.1".into()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((good, key), (other, _)) = (made("the server"), made("another"));
    let (good, key, other) =
        (file("good.pem", good), file("key.pem", key), file("other.pem", other));
    let issuer = Apart::start(&format!(
        "client_secret = \"x\"\n[issuer.tls]\ncert = \"{good}\"\nkey = \"{key}\"\n"
    ));
    let trusted = format!("oauth.ca={good}");
    let run = run_at(&issuer.url, "", &[&trusted]);
    assert_eq!(run.expect(0)["outcomes"]["accepted"], 8, "{}", run.stdout);
    let own = format!("[target.jwks]\nca = \"{good}\"\n");
    run_at(&issuer.url, &own, &["oauth.verify=false"]).expect(0);
    let wrong = format!("[target.jwks]\nca = \"{other}\"\n");
    let run = run_at(&issuer.url, &wrong, &[&trusted]);
    let summary = run.expect(3);
    let failed = &summary["key_sets"]["embedded"]["failed"];
    assert!(failed["unknown_issuer"].as_u64() >= Some(1), "{failed}");
    assert!(run.stdout.contains("`target.jwks.ca`"), "{}", run.stdout);
    let missing = run_at(&issuer.url, "[target.jwks]\nca = \"nothing.pem\"\n", &[&trusted]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("`target.jwks.ca`"), "{}", missing.stderr);
}
