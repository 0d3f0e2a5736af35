use crate::scenario::{Overrides, parse};

const SMALLEST: &str = "name = \"a\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 1\nconcurrency = 1\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";

/// What is said of a text, way out included.
fn said(text: &str) -> Option<String> {
    let error = parse(text, &Overrides::default()).err()?;
    Some(format!("{error}\n{}", error.way_out().unwrap_or_default()))
}

fn of_keys(line: &str) -> String {
    said(&format!("{SMALLEST}[keys.main]\nalgorithm = \"HS256\"\n{line}\n")).unwrap()
}

#[test]
fn an_unknown_key_that_may_hold_a_secret_gets_the_keys_allowed_and_not_its_value() {
    for (line, name, near) in [
        ("secret_hex = \"MARKER\"", "secret_hex", "secret_env"),
        ("secret_hex = true", "secret_hex", "secret_env"),
        ("private_key_env = \"MARKER\"", "private_key_env", "private_key"),
        ("passphrase = 'MARKER'", "passphrase", ""),
        ("k = \"MARKER\"", "k", ""),
        ("secret_text = '''\nMARKER\n'''", "secret_text", "secret_env"),
        ("Secret = ['MARKER', 'MARKER']", "Secret", "secret"),
    ] {
        let said = of_keys(line);
        assert!(
            said.contains(&format!(
                "unknown field `{name}`, expected one of `algorithm`, `secret`"
            )),
            "{said}"
        );
        assert!(said.contains("line 12, column 1") && !said.contains("MARKER"), "{said}");
        assert!(near.is_empty() || said.contains(&format!("did you mean `{near}")), "{said}");
    }
    let said = said(&format!("{SMALLEST}[oauth]\nclient_secret_hex = 'MARKER'\n")).unwrap();
    assert!(said.contains("unknown field `client_secret_hex`, expected one of `issuer`"), "{said}");
    assert!(!said.contains("MARKER"), "{said}");
    let open = parse(
        &format!("{SMALLEST}[oauth]\nclient_auth = \"client_secret_post\"\n"),
        &Overrides::default(),
    )
    .unwrap_err();
    assert!(
        open.to_string()
            .contains("unknown variant `client_secret_post`, expected `basic` or `post`"),
        "{open}"
    );
    assert_eq!(open.way_out(), Some("did you mean `post`?"));
}

#[test]
fn an_algorithm_in_another_case_is_named_as_it_is_written() {
    let text = format!("{SMALLEST}[keys.main]\nalgorithm = \"hs256\"\ngenerate = true\n");
    let said = said(&text).unwrap();
    assert!(
        said.contains("unknown variant `hs256`") && said.contains("did you mean `HS256`?"),
        "{said}"
    );
}

#[test]
fn a_key_that_takes_no_secret_shows_none_that_stands_there() {
    let tls = format!("{SMALLEST}[target.tls]\n");
    for line in [
        "algorithm = \"MARKER\"",
        "algorithm = [\"MARKER\"]",
        "generate = \"MARKER\"",
        "generate = \"MARKER\" # MARKER",
        "bits = \"MARKER\"",
        "bits = 7331337",
        "kid = [\"MARKER\"]",
        "kid = { a = \"MARKER\" }",
        "secret_base64 = \"MARKER\"",
    ] {
        let text = format!("{SMALLEST}[keys.main]\n{line}\n");
        let said = said(&text).unwrap();
        assert!(!said.contains("MARKER") && !said.contains("7331337"), "{said}");
        assert!(said.contains("`keys.main."), "{said}");
        assert!(!said.contains("a secret is a string"), "{said}");
    }
    for key in ["ca", "cert", "crl", "server_name"] {
        for value in ["[\"MARKER\"]", "{ a = \"MARKER\" }"] {
            let said = said(&format!("{tls}{key} = {value}\n")).unwrap();
            assert!(!said.contains("MARKER") && said.contains(key), "{said}");
        }
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_type_where_it_may_be_a_secret() {
    for line in [
        "private_key = [\"-----BEGIN MARKER\"]",
        "private_key = { pem = \"MARKER\" }",
        "private_key = [\n  \"MARKER\",\n]",
        "secret = 7331337",
        "secret = [\"MARKER\"]",
        "secret = 1979-05-27",
        "jwk = { kty = \"oct\", k = \"MARKER\" }",
        "[keys.main.private_key]\npem = \"MARKER\"",
        "bits = \"MARKER-----BEGIN PRIVATE KEY-----\"",
    ] {
        let said = of_keys(line);
        assert!(!said.contains("MARKER") && !said.contains("7331337"), "{said}");
        assert!(said.contains("line 1") && said.contains("expected"), "{said}");
    }
    for text in [
        "keys = \"MARKER\"\n",
        "keys.main = \"MARKER\"\n",
        "keys.main.secret = 7331337\n",
        "keys = ['MARKER']\n",
    ] {
        let said = said(&format!("{text}{SMALLEST}")).unwrap();
        assert!(
            !said.contains("MARKER") && !said.contains("7331337") && said.contains("line 1"),
            "{said}"
        );
    }
}

#[test]
fn a_key_that_is_pasted_without_quotes_is_not_shown() {
    for line in [
        "private_key = -----BEGIN PRIVATE KEY-----\nMIIEvgMARKERIBADANBgkq\nMARKER==\n-----END PRIVATE KEY-----",
        "private_key = \"-----BEGIN PRIVATE KEY-----\nMIIEvgMARKERIBADANBgkq\nMARKER==\n-----END PRIVATE KEY-----\"",
        "-----BEGIN PRIVATE KEY-----\nMIIEvgMARKERIBADANBgkq\nMARKER==\n-----END PRIVATE KEY-----",
        "private_key = '-----BEGIN\nMARKER = 7\n'",
        "secret = MARKER",
        "secret MARKER",
        "secret = \"MARKER",
        "secret = \"MARKER\\q\"",
        "secret = \"a\"\nsecret = \"MARKER\"",
        "secret =\n\"MARKER\"",
        "jwk = {\"kty\":\"oct\",\"k\":\"MARKER\"}",
        "jwk = {\n \"kty\": \"oct\",\n \"k\": \"MARKER\"\n}",
        "MARKER",
    ] {
        let said = of_keys(line);
        assert!(!said.contains("MARKER"), "{line}: {said}");
    }
}

#[test]
fn however_a_scenario_is_broken_its_secrets_are_not_shown() {
    let text = format!(
        "{SMALLEST}[keys.main]\nalgorithm = \"HS256\"\nsecret = \"MARKERONE\"\nkid = \"a\"\n[keys.rsa]\nalgorithm = \"RS256\"\n\
         private_key = '''\n-----BEGIN PRIVATE KEY-----\nMARKERTWO\nMARKERSIX=\n-----END PRIVATE KEY-----\n'''\n\
         [oauth]\nclient_secret = \"MARKERTRE\"\npassword = '''MARKERFOR'''\n"
    );
    for at in 0..text.len() {
        let (before, after) = text.split_at(at);
        let mut broken: Vec<String> = ["\"", "'", "\n", "=", "]", "[", "\\", "\u{1}", "#", "7"]
            .iter()
            .map(|more| format!("{before}{more}{after}"))
            .collect();
        broken.push(format!("{before}{}", &after[1..]));
        broken.push(before.to_owned());
        for text in broken {
            let Some(said) = said(&text) else { continue };
            // A cut changes a marker, too: none of its letters may be left.
            let shown = [
                "ARKERO", "ARKERT", "ARKERS", "ARKERF", "ERTWO", "ERONE", "ERSIX", "ERTRE", "ERFOR",
            ]
            .iter()
            .find(|marker| said.contains(**marker));
            assert!(shown.is_none(), "{said}\n---\n{text}");
        }
    }
}

#[test]
fn what_is_set_by_the_command_line_is_not_shown_either() {
    let set = |set: &[&str]| {
        let overrides = Overrides {
            set: set.iter().map(ToString::to_string).collect(),
            ..Overrides::default()
        };
        let text = format!("{SMALLEST}[keys.main]\nalgorithm = \"HS256\"\n");
        let error = parse(&text, &overrides).unwrap_err();
        format!("{error}\n{}", error.way_out().unwrap_or_default())
    };
    for assignment in [
        "keys.main.private_key=-----BEGIN PRIVATE KEY-----\nMARKER\n-----END PRIVATE KEY-----\n",
        "keys.main.private_key=[\"-----BEGIN PRIVATE KEY----- MARKER\"]",
        "keys.main.jwk={\"kty\":\"oct\",\"k\":\"MARKER\"}",
        "keys.main.jwk={ kty = \"oct\", k = \"MARKER\" }",
        "keys.main.secret=[\"MARKER\"]",
        "keys.main.secret_hex=MARKER",
        "keys.main.secret_env=MARKER with space",
        "keys.main={ algorithm = \"HS256\", secret_hex = \"MARKER\" }",
        "keys={ main = \"MARKER\" }",
        "target.tls.key=-----BEGIN EC PRIVATE KEY-----MARKER",
        "oauth.client_secret_env=eyJhbGciOiJIUzI1NiJ9.e30.MARKER",
        "-----BEGIN PRIVATE KEY-----MARKER",
        "name=-----BEGIN PRIVATE KEY-----MARKER",
        "-----BEGIN PRIVATE KEY-----MARKER=7",
        "MARKERhunter2",
        "=MARKER",
        " =MARKER",
        "MARKERc2VjcmV0==",
        "MARKER.x=1",
        "keys.main.secret:MARKER",
        "keys.main.algorithm=MARKER",
        "keys.main.algorithm=[\"MARKER\"]",
        "keys.main.generate=MARKER",
        "keys.main.bits=MARKER",
        "keys.main.secret_base64=MARKER",
        "keys.main.kid=[\"MARKER\"]",
        "keys.main.kid={ a = \"MARKER\" }",
        "target.tls.ca=[\"MARKER\"]",
        "target.tls.cert={ a = \"MARKER\" }",
        "target.tls.crl=[\"MARKER\"]",
        "target.tls.server_name=[\"MARKER\"]",
        "issuer.tls.cert=[\"MARKER\"]",
        "issuer.tls.expired_cert=[\"MARKER\"]",
        "issuer.tls.expired_key={ a = \"MARKER\" }",
        "oauth.ca=[\"MARKER\"]",
        "oauth.ca = { a = \"MARKER\" }",
        "token.key=[\"MARKER\"]",
    ] {
        for more in [
            &[assignment][..],
            &[assignment, "load.clients=none"],
            &["load.clients=none", assignment],
        ] {
            let said = set(more);
            assert!(!said.contains("MARKER"), "{said}");
        }
    }
    let said = set(&["keys.main.secret_hex=MARKER"]);
    assert!(said.contains("unknown field `secret_hex`, expected one of `algorithm`"), "{said}");
    let said = set(&["keys.main.algorithm=hs256"]);
    assert!(
        said.contains(
            "`--set keys.main.algorithm=hs256`: `keys.main.algorithm`: unknown variant `hs256`"
        ) && said.contains("did you mean `HS256`?"),
        "{said}"
    );
    let said = set(&["laod.clients=7"]);
    assert!(said.contains("`laod`") && said.contains("did you mean `load`?"), "{said}");
    let said = set(&["token.claims.until=2027-01-01"]);
    assert!(said.contains("`token.claims.until` is the date"), "{said}");
}
