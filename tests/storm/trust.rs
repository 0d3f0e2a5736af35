//! Certificates as brokers of the field have them, and what it takes to get in.

use std::{
    fs,
    io::{Read, Write},
    sync::{Arc, Mutex},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey, date_time_ymd,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
    client::danger::HandshakeSignatureValid,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tempfile::TempDir;

use crate::{
    layered::{Tls, listen},
    oauth::{JSON, response, storm},
    run::{Ended, Storm, scenario},
    server::Server,
};

/// An authority, and a folder for what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate with its private key.
struct Identity {
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let authority = Self { issuer: Issuer::new(params, key), folder: TempDir::new().unwrap() };
        authority.write("ca.pem", &[("CERTIFICATE", own.der())]);
        authority
    }

    /// Writes blocks into a PEM file of the folder, and says where it is.
    fn write(&self, name: &str, blocks: &[(&str, &[u8])]) -> String {
        let block = |(label, der): &(&str, &[u8])| pem::encode(&pem::Pem::new(*label, *der));
        let path = self.folder.path().join(name);
        fs::write(&path, blocks.iter().map(block).collect::<String>()).unwrap();
        path.display().to_string()
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Identity { certificate, key }
    }

    /// The same of version 1, as `openssl x509 -req` without extensions makes it.
    fn sign_version_one(&self) -> Identity {
        let Identity { certificate, key } = self.sign(|_| ());
        let certificate = version_one(&certificate, self.issuer.key());
        Identity { certificate, key }
    }
}

/// A certificate without its version and its extensions, signed once more (RFC 5280, 4.1).
fn version_one(certificate: &[u8], signer: &KeyPair) -> Vec<u8> {
    let outer = elements(elements(certificate)[0].1);
    let inner = elements(outer[0].1);
    let kept: Vec<u8> = inner[1..7].iter().flat_map(|(whole, _)| whole.to_vec()).collect();
    let signed = wrapped(0x30, &kept);
    let signature = [vec![0], signer.sign(&signed).unwrap()].concat();
    wrapped(0x30, &[signed, outer[1].0.to_vec(), wrapped(3, &signature)].concat())
}

/// The elements of DER, each whole and its content.
fn elements(mut der: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut all = Vec::new();
    while let [_, first, ..] = der {
        let more = usize::from(first.saturating_sub(0x80));
        let length = match more {
            0 => usize::from(*first),
            _ => der[2..2 + more].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let (whole, rest) = der.split_at(2 + more + length);
        all.push((whole, &whole[2 + more..]));
        der = rest;
    }
    all
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// Takes any certificate of a client, and keeps it.
#[derive(Debug)]
struct Keeps(Arc<Mutex<Vec<Vec<u8>>>>);

impl ClientCertVerifier for Keeps {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.lock().unwrap().push(certificate.to_vec());
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A broker that shows a certificate, signs with a key, lets everybody in, and keeps the clients' certificates.
struct Broker {
    url: String,
    clients: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Broker {
    fn start(certificate: &[u8], key: &KeyPair, is_mutual: bool) -> Self {
        Self::behaving(certificate, key, is_mutual, |mut stream| {
            if stream.read_exact(&mut [0; 2]).is_ok() {
                stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
                stream.flush().unwrap();
                drop(stream.read_to_end(&mut Vec::new()));
            }
        })
    }

    fn behaving(
        certificate: &[u8],
        key: &KeyPair,
        is_mutual: bool,
        behave: impl Fn(Tls) + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let signer = provider.key_provider.load_private_key(private).unwrap();
        // Not what the library checks: it reads no certificate of version 1.
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate.to_vec())], signer);
        let clients: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if is_mutual {
            builder.with_client_cert_verifier(Arc::new(Keeps(Arc::clone(&clients))))
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        let config = Arc::new(config);
        let address = listen(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            behave(StreamOwned::new(connection, stream));
        });
        Self { url: format!("mqtts://localhost:{}", address.port()), clients }
    }

    fn run(&self, tls: &str) -> Ended {
        Storm::new(&scenario(&self.url, "", &format!("[target.tls]\n{tls}\n---\n"))).run()
    }

    fn gets(&self, tls: &str, row: &str) -> Ended {
        for version in ["1.2", "1.3"] {
            let run = self.run(&format!("{tls}\nversion = \"{version}\""));
            assert_eq!(
                run.verdicts(),
                [(format!("fresh {row}"), 8)].into(),
                "{tls} {version}: {}",
                run.stderr
            );
        }
        self.run(tls)
    }
}

const IN: &str = "accepted 0 correct";

#[test]
fn a_certificate_of_version_1_is_taken_unchecked_or_where_it_is_known_itself() {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.sign_version_one();
    let broker = Broker::start(&certificate, &key, false);
    let itself = authority.write("server.pem", &[("CERTIFICATE", &certificate)]);
    broker.gets("verify = false", IN);
    broker.gets(&format!("ca = \"{itself}\""), IN);
    let by_authority = format!("ca = \"{}\"", authority.ca());
    let run = broker.gets(&by_authority, "tls_failed certificate_version_1 not_judged");
    run.expect(3);
    for way_out in ["itself as `target.tls.ca`", "`target.tls.verify = false`"] {
        assert!(run.stdout.contains(way_out), "{}", run.stdout);
    }
}

#[test]
fn a_broker_that_does_not_have_the_key_of_its_certificate_is_refused_whatever_is_checked() {
    let authority = Authority::new();
    let other = KeyPair::generate().unwrap();
    for Identity { certificate, .. } in [authority.sign_version_one(), authority.sign(|_| ())] {
        let broker = Broker::start(&certificate, &other, false);
        let itself = authority.write("server.pem", &[("CERTIFICATE", &certificate)]);
        broker.gets("verify = false", "tls_failed bad_signature not_judged");
        broker.gets(&format!("ca = \"{itself}\""), "tls_failed bad_signature not_judged");
    }
}

#[test]
fn a_certificate_with_a_common_name_only_gets_advice_that_helps() {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.sign(|_| ());
    let broker = Broker::start(&certificate, &key, false);
    let by_authority = format!("ca = \"{}\"", authority.ca());
    for name in ["", "server_name = \"localhost\""] {
        let tls = format!("{by_authority}\n{name}");
        let run = broker.gets(&tls, "tls_failed no_names not_judged");
        assert!(run.stdout.contains("no `server_name` fits"), "{}", run.stdout);
        assert!(run.stdout.contains("itself as `target.tls.ca`"), "{}", run.stdout);
    }
    let itself = authority.write("server.pem", &[("CERTIFICATE", &certificate)]);
    broker.gets(&format!("ca = \"{itself}\""), IN);
    broker.gets("verify = false", IN);
    // With names there is one that fits.
    let named = authority.sign(|params| {
        params.subject_alt_names =
            vec!["a.example".try_into().map(rcgen::SanType::DnsName).unwrap()];
    });
    let broker = Broker::start(&named.certificate, &named.key, false);
    let run = broker.gets(&by_authority, "tls_failed wrong_name not_judged");
    assert!(run.stdout.contains("`target.tls.server_name`"), "{}", run.stdout);
    broker.gets(&format!("{by_authority}\nserver_name = \"a.example\""), IN);
}

#[test]
fn a_self_signed_certificate_is_its_own_authority_and_its_dates_count_all_the_same() {
    let authority = Authority::new();
    for is_ca in [true, false] {
        let mut params = CertificateParams::new(vec!["elsewhere.example".into()]).unwrap();
        params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        let broker = Broker::start(&certificate, &key, false);
        let itself = authority.write("server.pem", &[("CERTIFICATE", &certificate)]);
        broker.gets(&format!("ca = \"{itself}\""), IN);
        let word = if is_ca { "authority_as_server" } else { "unknown_issuer" };
        let other = format!("ca = \"{}\"", authority.ca());
        broker.gets(&other, &format!("tls_failed {word} not_judged"));

        let version_one = version_one(&certificate, &key);
        let broker = Broker::start(&version_one, &key, false);
        let itself = authority.write("server.pem", &[("CERTIFICATE", &version_one)]);
        broker.gets(&format!("ca = \"{itself}\""), IN);

        params.not_after = date_time_ymd(2020, 1, 1);
        let expired = params.self_signed(&key).unwrap().der().to_vec();
        let broker = Broker::start(&expired, &key, false);
        let itself = authority.write("server.pem", &[("CERTIFICATE", &expired)]);
        let tls = format!("ca = \"{itself}\"");
        broker.gets(&tls, "tls_failed certificate_expired not_judged");
        broker.gets("verify = false", IN);
    }
}

#[test]
fn a_client_certificate_of_any_version_is_sent_from_two_files_or_from_one() {
    let authority = Authority::new();
    let server = authority.sign(|_| ());
    let broker = Broker::start(&server.certificate, &server.key, true);
    for client in [authority.sign_version_one(), authority.sign(|_| ())] {
        let key = client.key.serialize_der();
        let (certificate, key) =
            (("CERTIFICATE", &client.certificate[..]), ("PRIVATE KEY", &key[..]));
        let apart =
            [authority.write("client.pem", &[certificate]), authority.write("client.key", &[key])];
        let both = authority.write("both.pem", &[key, certificate]);
        let behind = authority
            .write("behind.pem", &[("CERTIFICATE", &server.certificate), certificate, key]);
        for own in [
            format!("cert = \"{}\"\nkey = \"{}\"", apart[0], apart[1]),
            format!("cert = \"{both}\"\nkey = \"{both}\""),
            format!("cert = \"{both}\""),
            format!("cert = \"{behind}\""),
        ] {
            broker.clients.lock().unwrap().clear();
            broker.gets(&format!("verify = false\n{own}"), IN);
            let seen = broker.clients.lock().unwrap();
            assert_eq!(seen.len(), 24, "three runs of eight clients");
            assert!(seen.iter().all(|sent| *sent == client.certificate), "{own}");
        }
        let other = authority.write("other.key", &[("PRIVATE KEY", &server.key.serialize_der())]);
        let mixed_up =
            broker.run(&format!("verify = false\ncert = \"{}\"\nkey = \"{other}\"", apart[0]));
        assert_eq!(mixed_up.code, Some(2));
        assert!(mixed_up.stderr.contains("is not the private key"), "{}", mixed_up.stderr);
    }
}

#[test]
fn an_authorization_server_is_trusted_as_a_broker_is() {
    let authority = Authority::new();
    let localhost = |params: &mut CertificateParams| {
        params.subject_alt_names =
            CertificateParams::new(vec!["localhost".into()]).unwrap().subject_alt_names;
    };
    let good = authority.sign(localhost);
    let old = authority.sign_version_one();
    for (Identity { certificate, key }, by_authority) in [(&good, true), (&old, false)] {
        let token = response("200 OK", JSON, "{\"access_token\":\"abcd\"}");
        let tokens = Broker::behaving(certificate, key, false, move |mut stream| {
            if stream.read(&mut [0; 4096]).is_ok() {
                stream.write_all(token.as_bytes()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                drop(stream.sock.read_to_end(&mut Vec::new()));
            }
        });
        let endpoint = tokens.url.replace("mqtts", "https");
        let itself = authority.write("server.pem", &[("CERTIFICATE", certificate)]);
        let server = Server::answering(&[0x20, 3, 0, 0, 0]);
        for (keys, is_in) in [
            (format!("ca = \"{itself}\""), true),
            ("verify = false".into(), true),
            (format!("ca = \"{}\"", authority.ca()), by_authority),
            (String::new(), false),
        ] {
            let oauth = format!("token_endpoint = \"{endpoint}/t\"\nclient_secret = \"x\"\n{keys}");
            let run = storm(&server.url(), &oauth, "").run();
            let row = match (is_in, by_authority) {
                (true, _) => "accepted 0 correct",
                (false, true) => "token_failed unknown_issuer not_judged",
                (false, false) => "token_failed certificate_version_1 not_judged",
            };
            assert_eq!(
                run.verdicts(),
                [(format!("fresh {row}"), 8)].into(),
                "{keys}: {}",
                run.stderr
            );
            assert_eq!(run.stderr.contains("`oauth.verify` is off"), keys.contains("verify"));

            let oauth = format!("issuer = \"{endpoint}\"\nclient_secret = \"x\"\n{keys}");
            let discovery = storm(&server.url(), &oauth, "").run();
            assert_eq!(discovery.code, Some(3), "{}", discovery.stderr);
            // What answers there is no document, but it is read where the certificate is trusted.
            let is_told = discovery.stderr.contains("`oauth.verify = false` takes any certificate");
            assert_eq!(is_told, !is_in, "{}", discovery.stderr);
        }
    }
    let der = authority.folder.path().join("ca.der");
    fs::write(&der, &good.certificate).unwrap();
    let oauth = format!("token_endpoint = \"https://localhost:1/t\"\nca = \"{}\"", der.display());
    let run = storm("mqtt://127.0.0.1:1", &oauth, "").run();
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("openssl x509 -inform DER"), "{}", run.stderr);
}

#[test]
fn the_runs_own_issuer_shows_a_certificate_of_any_version() {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.sign_version_one();
    let cert = authority.write("issuer.pem", &[("CERTIFICATE", &certificate)]);
    let key = authority.write("issuer.key", &[("PRIVATE KEY", &key.serialize_der())]);
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let issuer = |key: &str| {
        let tls = format!("[issuer.tls]\ncert = \"{cert}\"\nkey = \"{key}\"");
        let oauth = format!("client_secret = \"x-{{client_id}}\"\nca = \"{cert}\"");
        storm(&server.url(), &oauth, &format!("[issuer]\nkeys = [\"main\"]\n{tls}")).run()
    };
    assert_eq!(issuer(&key).expect(0)["oauth"]["fetched"], 8);
    let encrypted = authority.write("encrypted.key", &[("ENCRYPTED PRIVATE KEY", &[1])]);
    let refused = issuer(&encrypted);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for part in ["`issuer.tls.key`", "encrypted", "openssl pkey -in FILE"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
}

#[test]
fn clients_show_their_certificate_to_the_authorization_server() {
    let authority = Authority::new();
    let server = authority.sign(|_| ());
    let client = authority.sign(|_| ());
    let key = client.key.serialize_der();
    let cert = authority.write("client.pem", &[("CERTIFICATE", &client.certificate)]);
    let key = authority.write("client.key", &[("PRIVATE KEY", &key)]);
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&bodies);
    let token = response("200 OK", JSON, "{\"access_token\":\"abcd\"}");
    let tokens = Broker::behaving(&server.certificate, &server.key, true, move |mut stream| {
        let mut request = [0; 4096];
        if let Ok(count) = stream.read(&mut request) {
            seen.lock().unwrap().push(String::from_utf8_lossy(&request[..count]).into_owned());
            stream.write_all(token.as_bytes()).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            drop(stream.sock.read_to_end(&mut Vec::new()));
        }
    });
    let endpoint = tokens.url.replace("mqtts", "https");
    let broker = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = |tls: &str| {
        format!("token_endpoint = \"{endpoint}/t\"\nverify = false\n[oauth.tls]\n{tls}")
    };
    let run =
        storm(&broker.url(), &oauth(&format!("cert = \"{cert}\"\nkey = \"{key}\"")), "").run();
    assert_eq!(
        run.verdicts(),
        [("fresh accepted 0 correct".to_owned(), 8)].into(),
        "{}",
        run.stderr
    );
    let shown = tokens.clients.lock().unwrap();
    // Sessions that are resumed show none again.
    assert!(!shown.is_empty() && shown.iter().all(|sent| *sent == client.certificate));
    // Who it is goes by the certificate; which client, by its id (RFC 8705, 2).
    assert!(bodies.lock().unwrap().iter().all(|body| body.contains("client_id=storm-")));
    let other = authority.write("other.key", &[("PRIVATE KEY", &server.key.serialize_der())]);
    for (tls, part) in [
        (format!("cert = \"{cert}\""), "`tls.cert` and `tls.key` one is missing"),
        (format!("cert = \"{cert}\"\nkey = \"nothing.key\""), "`tls.key` names"),
        (format!("cert = \"{cert}\"\nkey = \"{other}\""), "is not the private key"),
    ] {
        let run = storm(&broker.url(), &oauth(&tls), "").run();
        assert!(run.code == Some(2) && run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let plain = format!(
        "token_endpoint = \"http://127.0.0.1:9/t\"\n[oauth.tls]\ncert = \"{cert}\"\nkey = \"{key}\""
    );
    let run = storm(&broker.url(), &plain, "").run();
    assert!(run.code == Some(2) && run.stderr.contains("plain HTTP"), "{}", run.stderr);
}
