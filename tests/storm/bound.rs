//! Tokens that are bound to certificates, at a server of ours that knows what it was shown.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{Read, Write},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    layered::{Asks, Tls, tls_server},
    run::{Ended, SECRET, Storm, everything},
    server::{Connect, read_connect},
};

/// What a client showed: the name in its certificate, the thumbprint of that, and the one that its token is bound to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Shown {
    client_id: String,
    common_name: Option<String>,
    certificate: Option<String>,
    bound_to: Option<String>,
}

/// An authority in files, for the clients.
struct Authority {
    folder: TempDir,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "clients");
        let made = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("clients.pem"), made.pem()).unwrap();
        fs::write(folder.path().join("clients.key"), made.key().serialize_pem()).unwrap();
        Self { folder, certificate: made.der().clone() }
    }
}

/// The thumbprint that the token in a CONNECT is bound to.
fn bound_to(connect: &Connect) -> Option<String> {
    let token = String::from_utf8(connect.password.clone()?).ok()?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["cnf"]["x5t#S256"].as_str().map(str::to_owned)
}

fn shown(stream: &mut Tls) -> Option<Shown> {
    let peer = stream.sock.peer_addr().ok()?;
    let connect = read_connect(stream, peer)?;
    let own = stream.conn.peer_certificates().and_then(|chain| chain.first()).cloned();
    let common_name = own.as_ref().map(|own| {
        let (_, read) = X509Certificate::from_der(own).unwrap();
        let name = read.subject().iter_common_name().next().unwrap();
        name.as_str().unwrap().to_owned()
    });
    let digest = |own: &CertificateDer<'_>| {
        URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, own))
    };
    Some(Shown {
        bound_to: bound_to(&connect),
        client_id: connect.client_id,
        common_name,
        certificate: own.as_ref().map(digest),
    })
}

/// What a server lets in.
type Rule = fn(&Shown) -> bool;

/// One that keeps to RFC 8705, 3, and asks for tokens that are bound.
fn compares(shown: &Shown) -> bool {
    shown.bound_to.is_some() && shown.bound_to == shown.certificate
}

/// A storm of clients with certificates of their own at a server of this rule, and all that the server was shown.
fn storm(rule: Rule, mix: &[&str], more: &str) -> (Ended, Vec<Shown>) {
    storm_of("clients = 120\nconcurrency = 12\nhold = \"0s\"", rule, mix, more)
}

/// The same with this `[load]`.
fn storm_of(load: &str, rule: Rule, mix: &[&str], more: &str) -> (Ended, Vec<Shown>) {
    let authority = Authority::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let asks = Asks::SignedBy(authority.certificate.clone());
    let (address, trust, _folder) = tls_server(asks, move |mut stream| {
        let Some(shown) = shown(&mut stream) else { return };
        let code = if rule(&shown) { 0 } else { 0x87 };
        all.lock().unwrap().push(shown);
        let _ = stream.write_all(&[0x20, 3, 0, code, 0]);
        while let Ok(1..) = stream.read(&mut [0; 64]) {}
    });
    let folder = authority.folder.path().display();
    let trust = trust.replace(
        "\n---\n",
        &format!(
            "\ncert = \"per_client\"\nclient_ca = \"{folder}/clients.pem\"\nclient_ca_key = \"{folder}/clients.key\"\n"
        ),
    );
    let mix: Vec<String> =
        mix.iter().map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).collect();
    let run = Storm::new(&format!(
        "name = \"bound\"\n[target]\nbrokers = [\"mqtts://localhost:{}\"]\n{trust}\
         [load]\n{load}\n\
         [keys.main]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\n\
         [token.claims]\ncnf = {{ \"x5t#S256\" = \"{{x5t_s256}}\" }}\n\
         [policy]\nchecks = [\"exp\", \"cnf\"]\nrequires = [\"exp\", \"cnf\"]\n{}{more}",
        address.port(),
        mix.concat()
    ))
    .run();
    let seen = seen.lock().unwrap().clone();
    (run, seen)
}

const KINDS: [&str; 5] = ["fresh", "cnf_other", "cnf_missing", "cnf_no_certificate", "stolen"];

#[test]
fn each_client_shows_a_certificate_of_its_own_with_its_name_and_its_token_is_bound_to_that() {
    let (run, seen) = storm(compares, &["fresh"], "");
    run.expect(0);
    assert_eq!(run.verdicts()["fresh accepted 0 correct"], 120, "{:?}", run.verdicts());
    assert_eq!(seen.len(), 120);
    let mut by_certificate = HashMap::new();
    for shown in &seen {
        assert_eq!(shown.common_name.as_ref(), Some(&shown.client_id));
        assert_eq!(shown.bound_to, shown.certificate);
        *by_certificate.entry(shown.certificate.clone()).or_insert(0) += 1;
    }
    assert_eq!(by_certificate.len(), 120, "no two clients share one");
    assert!(!everything(&run).contains("PRIVATE KEY"));
}

#[test]
fn what_is_wrong_with_a_certificate_is_wrong_in_that_way_alone_and_judged_as_the_server_logged_it()
{
    let (run, seen) = storm(compares, &KINDS, "");
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 120, "{:?}", run.verdicts());
    let certificates: BTreeMap<&str, &str> = seen
        .iter()
        .filter_map(|it| Some((it.certificate.as_deref()?, it.client_id.as_str())))
        .collect();
    let (mut good, mut other, mut missing, mut without) = (0, 0, 0, 0);
    for shown in &seen {
        match (&shown.certificate, &shown.bound_to) {
            (Some(own), Some(bound)) if own == bound => good += 1,
            (Some(_), Some(bound)) => {
                other += 1;
                // Somebody else's, and not made up: it is that of a client of the run, where that has come with it.
                if let Some(owner) = certificates.get(bound.as_str()) {
                    assert_ne!(*owner, shown.client_id);
                }
            }
            (Some(_), None) => missing += 1,
            (None, bound) => {
                assert!(bound.is_some(), "{shown:?}");
                without += 1;
            }
        }
    }
    let sum = |kind: &str| summary["by_token"][kind]["attempts"].as_u64().unwrap();
    assert_eq!(good, sum("fresh"));
    assert_eq!(other, sum("cnf_other") + sum("stolen"));
    assert_eq!(missing, sum("cnf_missing"));
    assert_eq!(without, sum("cnf_no_certificate"));
}

#[test]
fn a_server_that_does_not_compare_lets_in_what_it_should_not_and_each_is_counted() {
    let (run, seen) = storm(|_| true, &KINDS, "");
    let summary = run.expect(1);
    let wrong = seen.iter().filter(|shown| !compares(shown)).count() as u64;
    assert_eq!(summary["verdicts"]["false_accept"], wrong, "{:?}", run.verdicts());
    assert!(wrong > 50);
    // One that asks for a certificate of the right authority, and looks at no token.
    let (run, seen) = storm(|shown| shown.certificate.is_some(), &KINDS, "");
    let summary = run.expect(1);
    let wrong = seen.iter().filter(|it| it.certificate.is_some() && !compares(it)).count() as u64;
    assert_eq!(summary["verdicts"]["false_accept"], wrong, "{:?}", run.verdicts());
    assert!(!run.verdicts().contains_key("cnf_no_certificate accepted 0 false_accept"));
}

#[test]
fn clients_that_come_back_have_the_certificate_that_they_had() {
    let more = "[session]\nreconnect = \"fresh_token\"\n\
                [[events]]\nat = \"1s\"\ndo = \"drop_clients\"\nshare = 1.0\nhow = \"close\"\n";
    let load = "clients = 30\nconcurrency = 30\nhold = \"3s\"";
    let (run, seen) = storm_of(load, compares, &["fresh"], more);
    run.expect(0);
    let mut by_client: BTreeMap<&str, Vec<&Shown>> = BTreeMap::new();
    for shown in &seen {
        by_client.entry(&shown.client_id).or_default().push(shown);
    }
    assert_eq!(by_client.len(), 30);
    for shown in by_client.values() {
        assert!(shown.len() > 1, "{shown:?} never came back");
        assert!(shown.iter().all(|it| it.certificate == shown[0].certificate && compares(it)));
    }
}
