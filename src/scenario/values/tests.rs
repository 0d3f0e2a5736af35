use super::*;

fn error_of(text: &str) -> Option<Error> {
    check(&toml::from_str(text).unwrap()).err()
}

/// What was pasted; the marker in it must not be shown.
const PASTED: [&str; 6] = [
    "'''-----BEGIN PRIVATE KEY-----\nMIIEvgMARKERKCAQEA\n-----END PRIVATE KEY-----\n'''",
    "'{\"kty\":\"oct\",\"k\":\"MARKER\"}'",
    "'{\"keys\":[{\"kty\":\"oct\",\"k\":\"MARKER\"}]}'",
    "'eyJhbGciOiJIUzI1NiJ9.e30.MARKER'",
    "'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCrDkEHsoptvWEtMARKER'",
    "['ok.pem', '''MARKER\nsecond line''']",
];

#[test]
fn no_key_that_takes_a_path_or_a_name_takes_what_belongs_into_it() {
    for key in [
        "keys.main.private_key",
        "keys.main.jwk",
        "keys.main.secret_file",
        "keys.main.secret_env",
        "keys.main.kid",
        "target.tls.ca",
        "target.tls.crl",
        "target.tls.cert",
        "target.tls.key",
        "issuer.tls.cert",
        "issuer.tls.key",
        "issuer.tls.expired_key",
        "issuer.client_secret_env",
        "issuer.keys",
        "oauth.client_secret_file",
        "oauth.client_secret_env",
        "oauth.password_env",
        "oauth.refresh_token_env",
        "oauth.subject_token_env",
        "oauth.private_key_jwt",
        "oauth.ca",
        "control.password_env",
        "token.key",
        "target.profile",
        "mix.key",
    ] {
        // A `kid` may have several lines.
        let most = PASTED.len() - usize::from(key == "keys.main.kid");
        for pasted in &PASTED[..most] {
            let error = error_of(&format!("{key} = {pasted}")).expect(key);
            let said = format!("{error} {}", error.way_out().unwrap());
            assert!(said.contains(&format!("`{key}`")), "{said}");
            assert!(said.contains("(not shown)") && !said.contains("MARKER"), "{said}");
        }
    }
    let said = error_of("keys.main.private_key = '-----BEGIN PRIVATE KEY-----'").unwrap();
    assert_eq!(
        said.to_string(),
        "`keys.main.private_key` takes the path of a file, but its value is a private key (not shown)"
    );
}

#[test]
fn a_private_key_is_refused_wherever_it_stands_but_in_a_secret() {
    let key = PASTED[0];
    for text in [
        format!("name = {key}"),
        format!("target.brokers = [{key}]"),
        format!("token.claims.x = {{ y = [{key}] }}"),
        "[keys.'-----BEGIN PRIVATE KEY----- MARKER']\nx = 1".to_owned(),
        "['{\"kty\":\"oct\",\"k\":\"MARKER\"}']\nx = 1".to_owned(),
    ] {
        let said = error_of(&text).expect(&text).to_string();
        assert!(said.contains("(not shown)") && !said.contains("MARKER"), "{said}");
    }
    assert!(error_of(&format!("keys.main.secret = {key}")).is_none(), "HMAC takes any text");
    assert!(error_of("keys.main.secret_env = 'my secret'").is_some());
}

#[test]
fn a_claim_may_have_any_name_but_a_private_key() {
    for name in ["{n}", "{{x}}", "[a]", "a\\nb", "https://example.org/{x}"] {
        for place in ["token.claims", "issuer.claims", "token.claims.acl"] {
            let text = format!("[{place}]\n\"{name}\" = 1\n");
            assert!(error_of(&text).is_none(), "{text}");
        }
    }
    let text = "[token.claims]\n\"-----BEGIN PRIVATE KEY----- MARKER\" = 1\n";
    assert!(!error_of(text).unwrap().to_string().contains("MARKER"));
}

#[test]
fn paths_names_and_claims_are_left_alone() {
    let text = "keys.main = { private_key = '../keys/a b.pem', jwk = 'key', secret_env = 'broker.secret-1' }\n\
                    target = { profile = 'profiles/own.toml', brokers = ['mqtt://[::1]:1883'], tls.key = '/etc/x' }\n\
                    token.claims = { key = '{{\"a\":1}}', ca = 'x\ny', cert = '-----BEGIN CERTIFICATE-----' }";
    let text = text.replace("'x\ny'", "'''x\ny'''");
    assert!(error_of(&text).is_none(), "{:?}", error_of(&text));
}

#[test]
fn dates_and_numbers_that_json_has_not_are_refused_with_what_to_write() {
    let date = error_of("token.claims.until = 2027-01-01T00:00:00Z").unwrap();
    assert_eq!(
        date.to_string(),
        "`token.claims.until` is the date `2027-01-01T00:00:00Z`, which JSON has not"
    );
    assert_eq!(
        date.way_out().unwrap(),
        "write a text, `\"2027-01-01T00:00:00Z\"`, or seconds since 1970, `1798761600`"
    );
    for value in ["2027-01-01", "07:32:00", "1979-05-27T07:32:00", "nan", "inf", "-inf", "+nan"] {
        for place in ["token.claims.a", "issuer.claims.a", "load.rate"] {
            let error = error_of(&format!("{place} = [{{ b = {value} }}]")).expect(value);
            assert!(error.to_string().contains(place) && error.way_out().is_some(), "{error}");
        }
    }
}
