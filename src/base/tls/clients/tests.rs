use rcgen::{BasicConstraints, CertifiedIssuer};
use rustls::{RootCertStore, server::WebPkiClientVerifier};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::*;

fn name(n: u64) -> String {
    format!("device-{n}")
}

fn own(certificate: &rcgen::Certificate, key: &KeyPair) -> OwnCertificate {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    OwnCertificate::made(vec![certificate.der().clone()], key)
}

/// The chain that client `n` would show.
fn chain(all: &ClientCertificates, n: u64) -> Vec<CertificateDer<'static>> {
    let made = all.made.get().unwrap();
    let shown = made[place(n, made.len())].clone();
    let resolver: Arc<dyn ResolvesClientCert> = shown;
    resolver.resolve(&[], &[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap().cert.clone()
}

/// Whether a broker that trusts this root takes a client's certificate.
fn is_trusted(root: &CertificateDer<'static>, chain: &[CertificateDer<'static>]) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now()).is_ok()
}

#[test]
fn each_client_has_a_certificate_of_its_own_that_the_authority_has_signed_with_its_name() {
    let all = ClientCertificates::new(None).unwrap();
    all.make(50, 2, &AtomicBool::new(false), name).unwrap();
    let root = all.authority.chain[0].clone();
    let mut thumbprints = std::collections::HashSet::new();
    for n in 0..50 {
        let chain = chain(&all, n);
        assert!(is_trusted(&root, &chain));
        let (_, read) = X509Certificate::from_der(&chain[0]).unwrap();
        let common_name = read.subject().iter_common_name().next().unwrap();
        assert_eq!(common_name.as_str().unwrap(), name(n));
        let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, &chain[0]));
        assert_eq!(all.thumbprints.of(n, 0), expected.as_bytes());
        assert_eq!(all.thumbprints.of(n, 1), all.thumbprints.of((n + 1) % 50, 0));
        thumbprints.insert(expected);
    }
    assert_eq!(thumbprints.len(), 50);
    // Clients beyond share them, thumbprint and certificate alike.
    assert_eq!(all.thumbprints.of(50, 0), all.thumbprints.of(0, 0));
    assert_eq!(chain(&all, 50), chain(&all, 0));
    // Made once, they stay.
    let before = chain(&all, 7);
    all.make(50, 1, &AtomicBool::new(false), name).unwrap();
    assert_eq!(chain(&all, 7), before);
}

#[test]
fn there_is_always_a_certificate_of_somebody_else() {
    let all = ClientCertificates::new(None).unwrap();
    assert_ne!(all.thumbprints.of(0, 0), all.thumbprints.of(0, 1), "before they are made");
    all.make(1, 1, &AtomicBool::new(false), name).unwrap();
    assert_ne!(all.thumbprints.of(0, 0), all.thumbprints.of(0, 1));
}

#[test]
fn an_authority_below_a_root_stands_between_them_and_the_root_itself_is_not_sent() {
    let root = made::authority_of(1).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut between = CertificateParams::new(Vec::new()).unwrap();
    between.distinguished_name.push(DnType::CommonName, "between");
    between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    between.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let between = CertifiedIssuer::signed_by(between, key, &root).unwrap();
    let chains = [[between.as_ref().der(), root.der()], [root.der(), between.as_ref().der()]];
    for certificates in chains {
        let mut given = own(between.as_ref(), between.key());
        // In whichever order they stand in the file.
        given.chain = certificates.map(Clone::clone).to_vec();
        let all = ClientCertificates::new(Some(given)).unwrap();
        all.make(1, 1, &AtomicBool::new(false), name).unwrap();
        let chain = chain(&all, 0);
        assert_eq!(chain[1..], [between.as_ref().der().clone()]);
        assert!(is_trusted(root.der(), &chain));
    }
}

#[test]
fn a_certificate_that_is_that_of_no_authority_signs_nothing() {
    let plain = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    let error = ClientCertificates::new(Some(own(&plain.cert, &plain.signing_key))).unwrap_err();
    assert!(error.to_string().contains("that of no authority"), "{error}");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().unwrap();
    let unfit = params.self_signed(&key).unwrap();
    assert!(ClientCertificates::new(Some(own(&unfit, &key))).is_err(), "by its key usage");
    let other = KeyPair::generate().unwrap();
    let authority = made::authority().unwrap();
    let error = ClientCertificates::new(Some(own(authority.as_ref(), &other))).unwrap_err();
    assert!(error.to_string().contains("is not the private key"), "{error}");
}

#[test]
fn an_authority_whose_name_the_library_would_shorten_is_refused() {
    // Two domain components, as directories of companies have them.
    let pem = include_str!("tests/two-components.pem");
    let key = include_str!("tests/two-components.key");
    let own = OwnCertificate::read(("ca", pem.as_bytes()), ("key", key.as_bytes())).unwrap();
    let error = ClientCertificates::new(Some(own)).unwrap_err();
    assert!(error.to_string().contains("an attribute stands in it twice"), "{error}");
}

#[test]
fn making_them_ends_when_it_is_told_to() {
    let all = ClientCertificates::new(None).unwrap();
    let error = all.make(1_000_000, 2, &AtomicBool::new(true), name).unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
    assert!(all.made.get().is_none());
}
