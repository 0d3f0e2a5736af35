use super::*;

const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn key(toml: &str) -> scenario::Key {
    toml::from_str(toml).unwrap()
}

fn load(toml: &str) -> Result<SigningKey> {
    SigningKey::load("main", &key(toml), Path::new("."))
}

#[test]
fn a_generated_key_of_every_algorithm_verifies_what_it_signed_and_nothing_else() {
    for algorithm in ALL {
        let key = load(&format!("algorithm = \"{algorithm}\"\ngenerate = true")).unwrap();
        let signature = key.signer().unwrap().try_sign(b"storm").unwrap();
        let verifier = key.verifier().unwrap();
        assert!(verifier.verify(b"storm", &signature).is_ok(), "{algorithm}");
        assert!(verifier.verify(b"calm", &signature).is_err(), "{algorithm}");
        let stranger = key.stranger().unwrap().signer().unwrap().try_sign(b"storm").unwrap();
        assert!(verifier.verify(b"storm", &stranger).is_err(), "{algorithm}");
    }
}

#[test]
fn every_encoding_of_a_key_gives_the_same_key() {
    for (algorithm, sources) in [
        (
            "RS256",
            vec![
                "private_key = \"rsa.pkcs8.pem\"",
                "private_key = \"rsa.pkcs1.pem\"",
                "jwk = \"rsa.jwk.json\"",
            ],
        ),
        ("PS384", vec!["private_key = \"rsa.pkcs8.pem\"", "jwk = \"rsa.jwk.json\""]),
        (
            "ES256",
            vec![
                "private_key = \"ec256.pkcs8.pem\"",
                "private_key = \"ec256.sec1.pem\"",
                "jwk = \"ec256.jwk.json\"",
            ],
        ),
        ("ES384", vec!["private_key = \"ec384.pkcs8.pem\"", "jwk = \"ec384.jwk.json\""]),
        ("EdDSA", vec!["private_key = \"ed25519.pkcs8.pem\"", "jwk = \"ed25519.jwk.json\""]),
        (
            "HS256",
            vec![
                "secret = \"0123456789abcdef0123456789abcdef\"",
                "secret_file = \"hmac.txt\"",
                "jwk = \"hmac.jwk.json\"",
            ],
        ),
    ] {
        let keys: Vec<SigningKey> = sources
            .iter()
            .map(|source| {
                let toml = format!("algorithm = \"{algorithm}\"\n{source}");
                let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
                SigningKey::load("main", &key(&toml), &base)
                    .unwrap_or_else(|error| panic!("{toml}: {error}"))
            })
            .collect();
        for (source, signing) in sources.iter().zip(&keys) {
            let signature = signing.signer().unwrap().try_sign(b"storm").unwrap();
            for verifying in &keys {
                assert!(
                    verifying.verifier().unwrap().verify(b"storm", &signature).is_ok(),
                    "{algorithm} {source}"
                );
            }
        }
    }
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_command_that_makes_one() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for (algorithm, source) in [
        ("ES256", "private_key = \"rsa.pkcs8.pem\""),
        ("ES256", "private_key = \"ec384.pkcs8.pem\""),
        ("RS256", "private_key = \"ed25519.pkcs8.pem\""),
        ("EdDSA", "private_key = \"README.md\""),
        ("RS256", "jwk = \"ec256.jwk.json\""),
    ] {
        let toml = format!("algorithm = \"{algorithm}\"\n{source}");
        let error = SigningKey::load("main", &key(&toml), &base).unwrap_err();
        assert!(error.way_out().unwrap().contains("openssl genpkey"), "{toml}: {error}");
    }
}

#[test]
fn a_key_has_exactly_one_source() {
    let none = load("algorithm = \"HS256\"").unwrap_err().to_string();
    assert_eq!(none, "`keys.main`: exactly one source of the key is needed, found none");
    let two =
        load("algorithm = \"HS256\"\nsecret = \"a\"\ngenerate = true").unwrap_err().to_string();
    assert_eq!(
        two,
        "`keys.main`: exactly one source of the key is needed, found secret and generate"
    );
}

#[test]
fn a_source_that_does_not_fit_the_algorithm_is_refused_without_showing_it() {
    let error = load("algorithm = \"RS256\"\nsecret = \"hunter2\"").unwrap_err().to_string();
    assert!(
        error.contains("does not fit the algorithm `RS256`") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn debug_output_shows_no_key() {
    let key = load("algorithm = \"HS256\"\nsecret = \"hunter2\"").unwrap();
    assert!(!format!("{key:?} {:?}", key.verifying()).contains("hunter2"));
}
