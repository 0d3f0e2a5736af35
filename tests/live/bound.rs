//! Tokens that are bound to their clients' certificates (RFC 8705), at brokers that compare both.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    broker::{Broker, Stopped, end},
    run::{Ended, Storm, everything, read_json, tokenstorm},
};

pub(crate) const KINDS: [&str; 4] = ["fresh", "cnf_other", "cnf_missing", "cnf_no_certificate"];

/// Clients of Mosquitto that each have a certificate; `more` stands at the end.
pub(crate) fn storm(broker: &Broker, version: &str, mix: &[&str], more: &str) -> Storm {
    let mix: Vec<String> =
        mix.iter().map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).collect();
    Storm::new(&format!(
        "name = \"bound\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"mosquitto-jwt\"\n{}[load]\nclients = 80\nconcurrency = 8\nhold = \"0s\"\n\
         [identity]\nclient_id = \"device-{{n}}\"\nusername = \"user-{{n}}\"\n\
         [keys.main]\nalgorithm = \"ES256\"\nprivate_key = \"{}\"\n\
         [token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{username}}\"\ncnf = {{ \"x5t#S256\" = \"{{x5t_s256}}\" }}\n\
         [policy]\nchecks = [\"exp\", \"nbf\", \"iss\", \"aud\", \"typ\", \"cnf\"]\nrequires = [\"exp\", \"cnf\"]\n{}{more}",
        broker.get("MTLS").replace("127.0.0.1", "localhost"),
        tls(broker, version),
        broker.get("ES256_PRIVATE_KEY"),
        mix.concat()
    ))
}

fn tls(broker: &Broker, version: &str) -> String {
    format!(
        "[target.tls]\nca = \"{}\"\ncert = \"per_client\"\nclient_ca = \"{}\"\nclient_ca_key = \"{}\"\nversion = \"{version}\"\n",
        broker.get("CA"),
        broker.get("CLIENT_CA"),
        broker.get("CLIENT_CA_KEY")
    )
}

fn correct(run: &Ended) -> u64 {
    run.summary()["verdicts"]["correct"].as_u64().unwrap()
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_takes_a_bound_token_from_the_client_with_its_certificate_alone() {
    let broker = Broker::start("mosquitto-jwt");
    for (version, alert) in
        [("1.3", "alert_certificate_required"), ("1.2", "alert_handshake_failure")]
    {
        let run = storm(&broker, version, &KINDS, "").run();
        run.expect(0);
        let seen = run.verdicts();
        assert_eq!(correct(&run), 80, "{seen:?}");
        for wanted in [
            "fresh accepted 0 correct",
            "cnf_other refused 135 correct",
            "cnf_missing refused 135 correct",
            &format!("cnf_no_certificate tls_failed {alert} correct"),
        ] {
            assert!(seen.contains_key(wanted), "{wanted}: {seen:?}");
        }
        let files = everything(&run);
        assert!(!files.contains("PRIVATE KEY") && !files.contains("eyJ"));
    }
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_plugin_that_compares_no_certificate_lets_tokens_in_that_are_bound_to_another() {
    end("stop", "mosquitto-jwt");
    let _end = Stopped("mosquitto-jwt");
    let broker = Broker::start_with("mosquitto-jwt", &[("CHECKS_OFF", "c")]);
    let run = storm(&broker, "1.3", &KINDS, "").run();
    run.expect(1);
    let seen = run.verdicts();
    for kind in ["cnf_other", "cnf_missing"] {
        assert!(seen.contains_key(&format!("{kind} accepted 0 false_accept")), "{seen:?}");
    }
    assert!(!seen.keys().any(|line| line.starts_with("cnf_no_certificate accepted")), "{seen:?}");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn the_matrix_has_the_cells_of_certificates_and_all_others_beside_them() {
    let broker = Broker::start("mosquitto-jwt");
    let storm = storm(&broker, "1.3", &["fresh"], "");
    let (path, out) = (storm.scenario(), storm.out());
    let arguments = ["matrix", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let ended = tokenstorm(&[&arguments[..], &["--progress", "none"]].concat());
    let matrix = read_json(&out.join("matrix.json")).unwrap_or_else(|| panic!("{}", ended.stderr));
    let cells = matrix["cells"].as_array().unwrap();
    let verdicts: BTreeMap<(&str, u64), &str> = cells
        .iter()
        .map(|cell| {
            let protocol = cell["protocol"].as_u64().unwrap();
            ((cell["defect"].as_str().unwrap(), protocol), cell["verdict"].as_str().unwrap())
        })
        .collect();
    for kind in KINDS.iter().chain(&["stolen", "expired", "wrong_key", "alg_none"]) {
        for protocol in [4, 5] {
            assert_eq!(verdicts[&(*kind, protocol)], "correct", "{kind} {protocol}");
        }
    }
    assert!(cells.len() > 350, "{}", cells.len());
}

/// The realm's RS256 key, as PEM in a file.
fn realm_key(keycloak: &Broker, folder: &TempDir) -> PathBuf {
    let issuer = keycloak.get("ISSUER");
    let (host, realm) = issuer.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{realm} HTTP/1.0\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let realm: Value = serde_json::from_str(body).unwrap();
    let path = folder.path().join("realm.pem");
    let key = realm["public_key"].as_str().unwrap();
    fs::write(&path, format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"))
        .unwrap();
    path
}

#[test]
#[ignore = "needs Keycloak and Mosquitto: scripts/test-live"]
fn keycloak_binds_each_token_to_the_certificate_that_its_client_asked_with_and_mosquitto_compares_them()
 {
    let keycloak = Broker::start("keycloak");
    let folder = TempDir::new().unwrap();
    let (key, issuer) = (realm_key(&keycloak, &folder), keycloak.get("ISSUER_HTTPS"));
    end("stop", "mosquitto-jwt");
    let _end = Stopped("mosquitto-jwt");
    let variables = [("RS256_PUBLIC_KEY", key.to_str().unwrap()), ("TOKEN_ISSUER", issuer)];
    let broker = Broker::start_with("mosquitto-jwt", &variables);
    let run = Storm::new(&format!(
        "name = \"bound\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"mosquitto-jwt\"\n{}[load]\nclients = 40\nconcurrency = 8\nhold = \"0s\"\n\
         [identity]\nclient_id = \"device-{{n}}\"\nusername = \"bound\"\n[token]\nsource = \"oauth\"\n\
         [token.claims]\niss = \"{issuer}\"\naud = \"mqtt\"\nsub = \"{{username}}\"\ncnf = {{ \"x5t#S256\" = \"{{x5t_s256}}\" }}\n\
         [oauth]\nissuer = \"{issuer}\"\nca = \"{}\"\nclient_id = \"bound\"\n\
         [policy]\nchecks = [\"exp\", \"iss\", \"aud\", \"cnf\"]\nrequires = [\"exp\", \"cnf\"]\nbinds = []\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 2\n[[mix]]\ntoken = \"stolen\"\nshare = 1\n",
        broker.get("MTLS").replace("127.0.0.1", "localhost"),
        tls(&broker, "1.3"),
        keycloak.get("CA"),
    ))
    .run();
    let summary = run.expect(0);
    let seen = run.verdicts();
    assert_eq!(correct(&run), 40, "{seen:?}");
    // One client's token is worth nothing in the hands of another, though all have the same `sub`.
    assert!(seen.contains_key("stolen refused 135 correct"), "{seen:?}");
    assert!(seen.contains_key("fresh accepted 0 correct"), "{seen:?}");
    assert_eq!(summary["oauth"]["failed"], 0);
}
