//! `RabbitMQ` with a key set: of the built-in issuer over HTTP and HTTPS, and of an `OpenID` provider of another maker that
//! gives the clients their tokens too.

use std::{env, fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    broker::{Broker, Stopped, end},
    run::{Storm, number, rows},
};

/// What `RabbitMQ` wants in a token.
const CLAIMS: &str = "[token.claims]\naud = \"mqtt\"\nsub = \"{client_id}\"\n\
                      scope = \"mqtt.read:*/*/* mqtt.write:*/*/* mqtt.configure:*/*/*\"\n";

/// A port that `scripts/broker` gives to nobody.
fn free_port(offset: u16) -> u16 {
    let base = env::var("TOKENSTORM_PORT_BASE").ok().and_then(|base| base.parse().ok());
    base.unwrap_or(21_000) + offset
}

fn rabbitmq(url: &str, ca: Option<&Path>) -> (Stopped, Broker) {
    // One that runs has other keys.
    end("stop", "rabbitmq");
    let mut variables = vec![("JWKS_URL", url)];
    variables.extend(ca.map(|ca| ("JWKS_CA", ca.to_str().unwrap())));
    (Stopped("rabbitmq"), Broker::start_with("rabbitmq", &variables))
}

/// A storm of 8 s at 60/s; `issuer` is `[issuer]` and below, `more` mix and events.
fn storm(broker: &Broker, issuer: &str, more: &str) -> Storm {
    let key = |name: &str, algorithm: &str| {
        format!("[keys.{name}]\nalgorithm = \"{algorithm}\"\ngenerate = true\nkid = \"{name}\"\n")
    };
    Storm::new(&format!(
        "name = \"keys\"\n[target]\nbrokers = [\"{}\"]\nprotocol = 4\nprofile = \"rabbitmq-3.10\"\n[load]\n\
         stages = [{{ rate = 60, for = \"8s\" }}]\nhold = \"0s\"\n{}{}{CLAIMS}[issuer]\nkeys = [\"a\"]\n{issuer}\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 6\n[[mix]]\ntoken = \"unknown_kid\"\nshare = 1\n{more}",
        broker.get("MQTT"),
        key("a", "ES256"),
        key("b", "RS256"),
    ))
}

fn microseconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no time"))
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn rabbitmq_follows_a_rotation_and_fetches_the_key_set_for_every_kid_that_it_does_not_know() {
    let port = free_port(940);
    let (_end, broker) = rabbitmq(&format!("http://127.0.0.1:{port}/jwks"), None);
    let more = "[[mix]]\ntoken = \"fresh\"\nname = \"held\"\nkey = \"a\"\nshare = 2\n\
                [[events]]\nat = \"2s\"\ndo = \"rotate_keys\"\nto = \"b\"\nstep = \"1s\"\nkeep_old = \"1s\"\n";
    let run = storm(&broker, &format!("jwks_listen = \"127.0.0.1:{port}\""), more).run();
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], summary["attempts"], "{:?}", run.verdicts());
    let change = &summary["jwks"]["rotations"][0];
    // The new key is fetched by the client that brings it first; the old one goes with the first unknown `kid` after.
    assert!(microseconds(&change["accept_us"]) < 3e6, "{change}");
    assert!(microseconds(&change["refuse_us"]) < 3e6, "{change}");
    assert_eq!(summary["jwks"]["good_tokens_refused"], 0, "{change}");
    let unknown = summary["by_token"]["unknown_kid"]["attempts"].as_u64().unwrap();
    let refused = |row: &&std::collections::BTreeMap<String, String>| row["key"] == "a";
    let old: u64 = rows(&run.out.join("keys.csv"))
        .iter()
        .filter(refused)
        .map(|row| number(row, "refused"))
        .sum();
    let fetches = summary["jwks"]["fetches"].as_u64().unwrap();
    // One for the first good token and one for each key that is new or gone, as often as it comes.
    let most = unknown + old + 4;
    assert!((unknown + old..=most).contains(&fetches), "{fetches} for {unknown} and {old}");
}

/// Certificates of an issuer at localhost, in a folder: `ca`, `good`, `expired`, as PEM.
fn certificates() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", &authority.pem());
    for (name, year) in [("good", 2090), ("expired", 2021)] {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
        server.not_before = date_time_ymd(2020, 1, 1);
        server.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        write(&format!("{name}.pem"), &server.signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    folder
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn rabbitmq_takes_keys_over_https_and_goes_on_with_them_when_the_certificate_expires() {
    let port = free_port(941);
    let certificates = certificates();
    let path = |name: &str| certificates.path().join(name);
    let (_end, broker) = rabbitmq(&format!("https://localhost:{port}/jwks"), Some(&path("ca.pem")));
    let issuer = format!(
        "jwks_listen = \"127.0.0.1:{port}\"\n[issuer.tls]\ncert = {:?}\nkey = {:?}\nexpired_cert = {:?}\nexpired_key = {:?}",
        path("good.pem"),
        path("good.key"),
        path("expired.pem"),
        path("expired.key")
    );
    let event = "[[events]]\nat = \"3s\"\ndo = \"jwks_outage\"\nhow = \"expired_certificate\"\nfor = \"3s\"\n";
    let run = storm(&broker, &issuer, event).run();
    let summary = run.expect(0);
    let outage = &summary["jwks"]["outages"][0];
    assert_eq!(outage["verdict"], "keeps known keys", "{outage}");
    assert_eq!((&outage["good_refused"], &outage["bad_accepted"]), (&0.into(), &0.into()));
    let tls = rows(&run.out.join("issuer.csv"));
    assert!(tls.iter().any(|row| row["path"] == "tls"), "handshakes that failed are counted");
    assert!(tls.iter().any(|row| row["path"] == "/jwks" && row["status"] == "200"));
}

#[test]
#[ignore = "needs RabbitMQ and oidc-provider: scripts/test-live"]
fn tokens_of_another_makers_provider_are_fetched_by_discovery_and_let_in_by_rabbitmq() {
    let (_ends, provider) = (Stopped("oidc-provider"), Broker::start("oidc-provider"));
    let (_end, broker) = rabbitmq(provider.get("JWKS"), None);
    let storm = |secret: &str| {
        Storm::new(&format!(
            "name = \"provider\"\n[target]\nbrokers = [\"{}\"]\nprotocol = 4\nprofile = \"rabbitmq-3.10\"\n[load]\n\
             clients = 60\nconcurrency = 8\nhold = \"0s\"\n[token]\nsource = \"oauth\"\n{CLAIMS}[oauth]\nissuer = \"{}\"\n\
             client_secret = \"{secret}\"\nscope = \"mqtt.read:*/*/* mqtt.write:*/*/* mqtt.configure:*/*/*\"\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 5\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n",
            broker.get("MQTT"),
            provider.get("ISSUER"),
        ))
    };
    let run = storm(provider.get("CLIENT_SECRET")).run();
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 60, "{:?}", run.verdicts());
    let fresh = &summary["by_token"]["fresh"];
    assert_eq!(fresh["outcomes"]["accepted"], fresh["attempts"]);
    assert_eq!(summary["oauth"]["fetched"], fresh["attempts"]);
    // A secret that is another one: the provider says so, and nobody connects.
    let run = storm("wrong").run();
    let summary = run.expect(1);
    let refused = summary["by_token"]["fresh"]["attempts"].as_u64().unwrap();
    assert_eq!(run.verdicts()["fresh token_failed 401 not_judged"], refused);
    assert_eq!(summary["oauth"]["errors"]["invalid_client"], refused);
}
