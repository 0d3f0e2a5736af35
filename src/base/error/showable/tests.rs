use super::*;

#[test]
fn what_can_be_no_path_is_recognised() {
    let der = format!("MC4CAQAwBQYDK2VwBCIEI{}", "A".repeat(43));
    for (text, is) in [
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n", Pasted::PrivateKey),
        ("  \u{feff}-----BEGIN EC PRIVATE KEY----- MIIE", Pasted::PrivateKey),
        ("-----BEGIN CERTIFICATE-----\\nMIIE", Pasted::Pem),
        ("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}", Pasted::Json),
        ("[{\"kty\":\"oct\"}]", Pasted::Json),
        ("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", Pasted::Token),
        (der.as_str(), Pasted::Base64),
        ("hunter2\nhunter3", Pasted::Lines),
    ] {
        assert_eq!(pasted(text), Some(is), "{text}");
    }
    for text in ["key.pem", "../keys/main.key", "/run/secrets/jwt", "MY_SECRET", "hunter2"] {
        assert_eq!(pasted(text), None, "{text}");
    }
}

#[test]
fn a_path_is_shown_and_what_may_be_a_secret_is_not() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["key.pem", "no/such/hmac.txt", "tests/no-such-file", "/etc/none", "Cargo.toml"] {
        assert_eq!(file(Path::new(path), base), format!("`{path}`"));
    }
    let long = format!("{}.pem", "A".repeat(80));
    for secret in ["hunter2", "correct horse", "s3cret/w0rd", "MIIEvgIBADAN", &long, "a\u{1}.pem"] {
        assert!(!file(Path::new(secret), base).contains(secret), "{secret}");
    }
}

#[test]
fn the_name_of_a_variable_is_shown_and_what_may_be_a_secret_is_not() {
    for name in ["BROKER_JWT_SECRET", "SECRET", "_X", "KEY_2"] {
        assert_eq!(variable(name), format!("`{name}`"));
    }
    for secret in
        ["hunter2", "my_secret", "JBSWY3DPEHPK3PXP", "4E1243BD22C66E76C2BA9EDDC1F91394", ""]
    {
        assert!(!variable(secret).contains('`'), "{secret}");
    }
}

#[test]
fn a_private_key_is_recognised_wherever_it_stands() {
    let der = format!("MC4CAQAwBQYDK2VwBCIEI{}", "A".repeat(43));
    for text in [
        "main = -----BEGIN RSA PRIVATE KEY-----",
        "jwk = { kty = \"oct\", \"k\" = 1 }",
        &format!("x = \"{der}\""),
    ] {
        assert!(holds_private_key(text), "{text}");
    }
    assert!(!holds_private_key("https://issuer.example/{client_id}?x=MIIE"));
}
