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
fn a_key_of_another_kind_is_refused_with_what_it_is_and_never_with_a_new_one() {
    for (algorithm, source, words, way_out) in [
        ("ES256", "private_key = \"rsa.pkcs8.pem\"", "an RSA key", "\"RS256\""),
        ("ES256", "private_key = \"ec384.pkcs8.pem\"", "P-384 (ES384)", "\"ES384\""),
        ("RS256", "private_key = \"ed25519.pkcs8.pem\"", "an Ed25519 key", "\"EdDSA\""),
        ("EdDSA", "private_key = \"README.md\"", "neither PEM nor DER", "BEGIN PRIVATE KEY"),
        ("RS256", "private_key = \"rsa.jwk.json\"", "holds a JWK", "write `jwk`"),
        ("RS256", "jwk = \"rsa.pkcs8.pem\"", "not a JWK", "write `private_key`"),
        ("RS256", "jwk = \"ec256.jwk.json\"", "`kty` `EC` and `crv` `P-256`", "\"ES256\""),
        ("ES384", "jwk = \"ec256.jwk.json\"", "`kty` `EC` and `crv` `P-256`", "\"ES256\""),
        ("RS256", "jwk = \"hmac.jwk.json\"", "`kty` `oct`", "\"HS256\""),
        ("HS256", "jwk = \"rsa.jwk.json\"", "`kty` `RSA`", "\"RS256\""),
    ] {
        let toml = format!("algorithm = \"{algorithm}\"\n{source}");
        let error = SigningKey::load("main", &key(&toml), &folder()).unwrap_err();
        let hint = error.way_out().unwrap();
        assert!(error.to_string().contains(words), "{toml}: {error}");
        assert!(hint.contains(way_out) && !hint.contains("genpkey"), "{toml}: {hint}");
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys")
}

/// A key of a file with this content.
fn of_file(algorithm: &str, source: &str, content: &[u8]) -> Result<SigningKey> {
    of_file_and(algorithm, source, content, "")
}

fn of_file_and(algorithm: &str, source: &str, content: &[u8], more: &str) -> Result<SigningKey> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.key"), content).unwrap();
    let toml = format!("algorithm = \"{algorithm}\"\n{source} = \"file.key\"\n{more}");
    SigningKey::load("main", &key(&toml), folder.path())
}

/// Whether two keys have the same public half, or the same secret.
fn is_same(one: &SigningKey, other: &SigningKey) -> bool {
    match (one.verifying(), other.verifying()) {
        (VerifyingKey::Secret(one), VerifyingKey::Secret(other)) => one == other,
        (VerifyingKey::PublicPem(one), VerifyingKey::PublicPem(other)) => one == other,
        _ => false,
    }
}

fn told(name: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn without(name: &str, members: &[&str]) -> Vec<u8> {
    let mut jwk = told(name);
    for member in members {
        jwk.remove(*member).unwrap();
    }
    serde_json::to_vec(&jwk).unwrap()
}

fn own(algorithm: &str, source: &str) -> SigningKey {
    let toml = format!("algorithm = \"{algorithm}\"\n{source}");
    SigningKey::load("main", &key(&toml), &folder()).unwrap()
}

#[test]
fn what_follows_from_the_private_key_may_be_missing_in_a_jwk() {
    let factors = ["p", "q", "dp", "dq", "qi"];
    for (algorithm, name, members) in [
        ("RS256", "rsa.jwk.json", &factors[..]),
        ("PS512", "rsa.jwk.json", &["dp", "dq", "qi"]),
        ("RS256", "rsa.jwk.json", &["p", "qi"]),
        ("ES256", "ec256.jwk.json", &["x", "y"]),
        ("ES384", "ec384.jwk.json", &["x", "y"]),
        ("EdDSA", "ed25519.jwk.json", &["x"]),
    ] {
        let jwk = of_file(algorithm, "jwk", &without(name, members)).unwrap();
        assert!(is_same(&jwk, &own(algorithm, &format!("jwk = \"{name}\""))), "{name} {members:?}");
        let signature = jwk.signer().unwrap().try_sign(b"storm").unwrap();
        assert!(jwk.verifier().unwrap().verify(b"storm", &signature).is_ok(), "{algorithm}");
    }
}

#[test]
fn members_of_a_jwk_may_be_padded_or_in_standard_base64_or_have_zeros_before_them() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    fn zeros(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([&[0, 0], bytes].concat())
    }
    fn zeroless(bytes: &[u8]) -> String {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(&bytes[zeros..])
    }
    for (algorithm, name, numbers) in [
        ("RS256", "rsa.jwk.json", true),
        ("ES256", "ec256.jwk.json", true),
        ("ES384", "ec384.jwk.json", true),
        ("EdDSA", "ed25519.jwk.json", false),
        ("HS256", "hmac.jwk.json", false),
    ] {
        let mut encodings: Vec<fn(&[u8]) -> String> =
            vec![|bytes| STANDARD.encode(bytes), |bytes| URL_SAFE.encode(bytes), |bytes| {
                format!("{}\n ", STANDARD.encode(bytes))
            }];
        if numbers {
            encodings.extend([zeros as fn(&[u8]) -> String, zeroless]);
        }
        for encode in &encodings {
            let mut jwk = told(name);
            for (member, value) in &mut jwk {
                let is_number = matches!(
                    member.as_str(),
                    "n" | "e" | "d" | "p" | "q" | "dp" | "dq" | "qi" | "x" | "y" | "k"
                );
                if is_number {
                    let bytes = URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
                    *value = encode(&bytes).into();
                }
            }
            let text = serde_json::to_vec(&jwk).unwrap();
            let read = of_file(algorithm, "jwk", &text).unwrap();
            assert!(is_same(&read, &own(algorithm, &format!("jwk = \"{name}\""))), "{name}");
        }
    }
}

#[test]
fn the_kid_of_a_jwk_is_kept_and_that_of_the_scenario_goes_over_it() {
    let mut jwk = told("ec256.jwk.json");
    jwk.insert("kid".into(), "dev/2026-05+a=".into());
    let text = serde_json::to_vec(&jwk).unwrap();
    assert_eq!(of_file("ES256", "jwk", &text).unwrap().kid.as_deref(), Some("dev/2026-05+a="));
    let over = of_file_and("ES256", "jwk", &text, "kid = \"main\"").unwrap();
    assert_eq!(over.kid.as_deref(), Some("main"));
    jwk.insert("kid".into(), 7.into());
    let error = of_file("ES256", "jwk", &serde_json::to_vec(&jwk).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`kid` is no text"), "{error}");
}

#[test]
fn a_jwk_for_something_else_is_refused_with_what_it_is_for() {
    for (name, algorithm, member, value, words) in [
        (
            "rsa.jwk.json",
            "RS256",
            "alg",
            "RS512",
            "for `RS512` (its `alg`), but `algorithm` is RS256",
        ),
        ("hmac.jwk.json", "HS256", "alg", "HS512", "`HS512`"),
        ("rsa.jwk.json", "RS256", "alg", "RSA-OAEP-256", "`RSA-OAEP-256`"),
        ("ec256.jwk.json", "ES256", "use", "enc", "for encryption"),
        ("ec256.jwk.json", "ES256", "crv", "P-521", "`crv` `P-521`"),
        ("ed25519.jwk.json", "EdDSA", "crv", "Ed448", "`crv` `Ed448`"),
        ("rsa.jwk.json", "RS256", "n", "AQAB", "has 17 bits"),
        ("rsa.jwk.json", "RS256", "d", "AQAB", "no key"),
        ("rsa.jwk.json", "RS256", "p", "Aw", "no key"),
        ("ec256.jwk.json", "ES256", "d", "AQ", "no key"),
        ("ec256.jwk.json", "ES256", "x", "!", "no base64"),
    ] {
        let mut jwk = told(name);
        jwk.insert(member.into(), value.into());
        let error = of_file(algorithm, "jwk", &serde_json::to_vec(&jwk).unwrap()).unwrap_err();
        assert!(error.to_string().contains(words) && error.way_out().is_some(), "{value}: {error}");
    }
    let mut jwk = told("ed25519.jwk.json");
    jwk.insert("alg".into(), "Ed25519".into());
    assert!(of_file("EdDSA", "jwk", &serde_json::to_vec(&jwk).unwrap()).is_ok(), "RFC 9864");
    let public = of_file("RS256", "jwk", &without("rsa.jwk.json", &["d"])).unwrap_err();
    assert!(public.to_string().contains("the public half"), "{public}");
}

#[test]
fn a_key_is_chosen_from_a_set_by_its_kid_or_by_what_it_is() {
    let named = |name: &str, kid: &str| {
        let mut jwk = told(name);
        jwk.insert("kid".into(), kid.into());
        serde_json::Value::Object(jwk)
    };
    let (one, two) = (named("ec256.jwk.json", "one"), named("rsa.jwk.json", "two"));
    let mut public = told("ec256.jwk.json");
    public.remove("d");
    let set = |keys: &[&serde_json::Value]| {
        serde_json::to_vec(&serde_json::json!({ "keys": keys })).unwrap()
    };
    let only = of_file("ES256", "jwk", &set(&[&one])).unwrap();
    assert_eq!(only.kid.as_deref(), Some("one"));
    let bom = ["\u{feff}".as_bytes(), &set(&[&one])].concat();
    assert!(of_file("ES256", "jwk", &bom).is_ok());
    assert!(of_file_and("ES256", "jwk", &set(&[&one]), "kid = \"x\"").is_ok());
    let several = set(&[&public.into(), &two, &one]);
    assert_eq!(of_file("ES256", "jwk", &several).unwrap().kid.as_deref(), Some("one"));
    assert_eq!(of_file("PS256", "jwk", &several).unwrap().kid.as_deref(), Some("two"));
    let error = of_file("EdDSA", "jwk", &several).unwrap_err();
    assert!(error.way_out().unwrap().contains("`two`, `one`"), "{error}");
    let twice = set(&[&one, &named("ec256.jwk.json", "other")]);
    let error = of_file("ES256", "jwk", &twice).unwrap_err();
    assert!(error.way_out().unwrap().contains("`one`, `other`"), "{error}");
    let chosen = of_file_and("ES256", "jwk", &twice, "kid = \"other\"").unwrap();
    assert_eq!(chosen.kid.as_deref(), Some("other"));
    let error = of_file_and("ES256", "jwk", &twice, "kid = \"none\"").unwrap_err();
    assert!(error.to_string().contains("`none`"), "{error}");
    for text in ["{\"keys\":[]}", "[]", "[1]", "{}", "7", "", "{\"kty\":7}", "{\"keys\":[7]}"] {
        assert!(of_file("ES256", "jwk", text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_private_key_is_found_among_other_blocks_in_any_order() {
    let pem = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["a.example".into()]).unwrap();
    let (certificate, right) = (made.cert.pem(), own("RS256", "private_key = \"rsa.pkcs8.pem\""));
    let VerifyingKey::PublicPem(public) = right.verifying() else { panic!("no public half") };
    let key = pem("rsa.pkcs8.pem");
    for text in [
        format!("{certificate}{key}"),
        format!("{key}{certificate}"),
        format!("{public}{key}"),
        format!("subject=CN = a\n{certificate}Bag Attributes\n{key}{certificate}"),
        format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{key}"
        ),
        format!("{}{key}", pem("ec256.pkcs8.pem")),
        format!("{key}{}", pem("rsa.pkcs1.pem")),
    ] {
        let read = of_file("RS256", "private_key", text.as_bytes()).unwrap();
        assert!(is_same(&read, &right), "{text}");
    }
    let two = format!("{}{}", made.signing_key.serialize_pem(), pem("ec256.pkcs8.pem"));
    let error = of_file("ES256", "private_key", two.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("2 private keys for ES256"), "{error}");
}

#[test]
fn a_file_that_gives_no_key_is_named_with_what_converts_it() {
    let block = |label: &str, body: &str| {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    let made = rcgen::generate_simple_self_signed(vec!["a.example".into()]).unwrap();
    let VerifyingKey::PublicPem(public) =
        own("RS256", "private_key = \"rsa.pkcs8.pem\"").verifying()
    else {
        panic!("no public half")
    };
    let cut = std::fs::read_to_string(folder().join("rsa.pkcs8.pem")).unwrap();
    let account = serde_json::json!({ "private_key": cut, "private_key_id": "k1" }).to_string();
    let traditional =
        block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA");
    for (text, words, way_out) in [
        (String::new(), "empty", "BEGIN PRIVATE KEY"),
        (made.cert.pem(), "a certificate", "private half"),
        (public, "a public key", "private half"),
        ("ssh-rsa AAAAB3 a@b".into(), "public half of an SSH key", ".pub"),
        (block("ENCRYPTED PRIVATE KEY", "MAA="), "encrypted", "openssl pkey -in file.key"),
        (traditional, "encrypted", "openssl pkey -in file.key"),
        (block("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEA"), "OpenSSH", "ssh-keygen -p -m PEM"),
        (block("PRIVATE KEY", "MAA="), "no valid private key", "openssl pkey -in file.key -check"),
        (block("PRIVATE KEY", "*"), "no base64", "copy the file whole"),
        (cut[..cut.len() / 2].to_owned(), "does not end", "copy the file whole"),
        (account, "service account", "jq -r .private_key file.key"),
    ] {
        let error = of_file("RS256", "private_key", text.as_bytes()).unwrap_err();
        let hint = error.way_out().unwrap();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(hint.contains(way_out) && !hint.contains("genpkey"), "{words}: {hint}");
    }
    // A PKCS #12 begins with its version and a PKCS #7.
    let pkcs12 = b"\x30\x10\x02\x01\x03\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let error = of_file("RS256", "private_key", pkcs12).unwrap_err();
    assert!(error.way_out().unwrap().contains("openssl pkcs12 -in file.key -nocerts"), "{error}");
}

#[test]
fn one_line_break_at_the_end_of_a_text_is_not_part_of_the_secret_and_a_binary_one_is_whole() {
    for (content, secret) in [
        (&b"secret\n"[..], &b"secret"[..]),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b"secret", b"secret"),
        (b"secret ", b"secret "),
        (b"\xFFsecret\n", b"\xFFsecret\n"),
        (b"\x80\x0A", b"\x80\x0A"),
    ] {
        let key = of_file("HS256", "secret_file", content).unwrap();
        assert_eq!(key.secret(), Some(secret), "{content:?}");
    }
    assert!(of_file("HS256", "secret_file", b"\n").unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_secret_in_base64_is_what_it_stands_for() {
    let is = |text: &str| {
        let toml = format!("algorithm = \"HS256\"\nsecret_base64 = true\nsecret = \"{text}\"");
        load(&toml).map(|key| key.secret().unwrap().to_vec())
    };
    for text in ["++++", "----", "+-+-"] {
        assert_eq!(is(text).unwrap(), [0xFB, 0xEF, 0xBE]);
    }
    assert_eq!(is("AA==").unwrap(), [0]);
    assert_eq!(is("AA").unwrap(), [0]);
    let file =
        of_file_and("HS256", "secret_file", b"AAEC\nAwQF\n", "secret_base64 = true").unwrap();
    assert_eq!(file.secret(), Some(&[0, 1, 2, 3, 4, 5][..]));
    let error = is("hunter2!").unwrap_err().to_string();
    assert!(error.contains("`secret_base64` is true") && !error.contains("hunter2"), "{error}");
    let jwk = of_file_and("HS256", "jwk", b"{}", "secret_base64 = true").unwrap_err();
    assert!(jwk.to_string().contains("beside `jwk`"), "{jwk}");
}

#[test]
fn a_secret_in_the_place_of_a_path_or_a_name_is_not_shown() {
    for source in ["secret_file", "secret_env"] {
        let error = load(&format!("algorithm = \"HS256\"\n{source} = \"hunter2\"")).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains(source));
    }
    let named = load("algorithm = \"HS256\"\nsecret_env = \"NO_SUCH_SECRET\"").unwrap_err();
    assert!(named.to_string().contains("`NO_SUCH_SECRET`, which is not set"), "{named}");
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

#[test]
fn what_is_wrong_with_a_jwk_or_a_secret_leads_out_and_not_in_a_circle() {
    let said = |algorithm: &str, json: &str, more: &str| {
        let error = of_file_and(algorithm, "jwk", json.as_bytes(), more).unwrap_err();
        format!("{error}\n{}", error.way_out().unwrap_or_default())
    };
    let circle = said("HS256", r#"{"kty":"oct","alg":"RS256","k":"c2VjcmV0"}"#, "");
    assert!(circle.contains("take `alg` out") && !circle.contains("write `algorithm"), "{circle}");
    let verifies = r#"{"kty":"oct","k":"c2VjcmV0","key_ops":["verify"]}"#;
    assert!(said("HS256", verifies, "").contains("`key_ops` has no `sign`"));
    let signs = br#"{"kty":"oct","k":"c2VjcmV0","key_ops":["sign","verify"]}"#;
    assert!(of_file("HS256", "jwk", signs).is_ok());
    let twice = r#"{"keys":[{"kty":"oct","kid":"a","k":"YQ"},{"kty":"oct","kid":"a","k":"Yg"}]}"#;
    let twice = said("HS256", twice, "kid = \"a\"");
    assert!(!twice.contains("say which by its `kid`") && twice.contains("of its own"), "{twice}");
    let broken = said("RS256", r#"{"kty":"RSA","n":"","e":"AQAB","d":"AQAB"}"#, "");
    assert!(broken.contains("`n` of the JWK is") && !broken.contains("openssl"), "{broken}");
    let empty = load("algorithm = \"HS512\"\nsecret = \"\"").unwrap_err();
    assert!(empty.way_out().unwrap().contains("HS512 wants at least 64 bytes"), "{empty}");
    let marked = "\u{feff}c2VjcmV0".as_bytes();
    assert!(of_file_and("HS256", "secret_file", marked, "secret_base64 = true").is_ok());
}
