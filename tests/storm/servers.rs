//! What is said of an authorization server that does not give tokens, and how clients show who they are.

use std::fs;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::{
    key_sets::Apart,
    oauth::{JSON, Web, discovery, response, storm},
    run::Ended,
    server::Server,
};

const TAKEN: &[u8] = &[0x20, 3, 0, 0, 0];

fn run(oauth: &str, more: &str, set: &[&str]) -> Ended {
    let server = Server::answering(TAKEN);
    let arguments: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    storm(&server.url(), oauth, more).run_with(&arguments)
}

/// A server whose token endpoint answers like this.
fn answering(status: &'static str, headers: &'static str, body: &str) -> Web {
    let body = body.to_owned();
    Web::start(move |path, own| match path {
        "/.well-known/openid-configuration" => discovery(own),
        _ => response(status, headers, &body),
    })
}

#[test]
fn an_oauth_error_is_explained_before_its_status_and_once() {
    let error =
        |word: &str| json!({ "error": word, "error_description": "secret-words" }).to_string();
    let html = "<html><body>Sign in</body></html>".to_owned();
    for (status, headers, body, key, part) in [
        (
            "401 Unauthorized",
            JSON,
            error("unauthorized_client"),
            "unauthorized_client 401",
            "does not allow this client the grant",
        ),
        (
            "400 Bad Request",
            JSON,
            error("invalid_client"),
            "invalid_client 400",
            "could not show who it is",
        ),
        (
            "400 Bad Request",
            JSON,
            error("invalid_grant"),
            "invalid_grant 400",
            "used up, or have ended",
        ),
        (
            "400 Bad Request",
            JSON,
            error("invalid_scope"),
            "invalid_scope 400",
            "`oauth.scope` asks for",
        ),
        (
            "403 Forbidden",
            JSON,
            error("access_denied"),
            "access_denied 403",
            "does not let it have a token",
        ),
        ("200 OK", JSON, error("invalid_client"), "invalid_client 200", "could not show who it is"),
        (
            "404 Not Found",
            "Content-Type: text/html\r\n",
            html.clone(),
            "html 404",
            "is this the token endpoint?",
        ),
        (
            "403 Forbidden",
            "Content-Type: text/html\r\n",
            html.clone(),
            "html 403",
            "is this the token endpoint?",
        ),
        ("404 Not Found", "", String::new(), "", "no token endpoint at this path"),
        ("403 Forbidden", "", String::new(), "", "forbids it"),
        (
            "200 OK",
            "Content-Type: text/html\r\n",
            html,
            "",
            "is it the right URL, and no login page?",
        ),
    ] {
        let web = answering(status, headers, &body);
        let ended = run(&format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url), "", &[]);
        let summary = ended.expect(3);
        let code = if part.contains("login page") { "no_json" } else { &status[..3] };
        assert_eq!(ended.verdicts()[&format!("fresh token_failed {code} not_judged")], 8, "{key}");
        if key.is_empty() {
            assert!(summary["oauth"].get("refusals").is_none(), "{}", summary["oauth"]);
        } else {
            assert_eq!(summary["oauth"]["refusals"], json!({ key: 8 }));
        }
        assert_eq!(ended.stdout.matches(part).count(), 1, "{key}: {}", ended.stdout);
        // Nothing is said of the status where the error says more.
        let guesses = ["check `oauth.client_id` and `oauth.client_secret`", "without a word"];
        assert!(
            key.is_empty() || guesses.iter().all(|guess| !ended.stdout.contains(guess)),
            "{}",
            ended.stdout
        );
        assert!(!ended.stdout.contains("secret-words") && !ended.stderr.contains("secret-words"));
    }
}

#[test]
fn each_fault_of_a_certificate_is_said_once_and_with_its_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let made = |name: &str, host: &str, change: fn(&mut CertificateParams)| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().pem();
        (
            file(&format!("{name}.pem"), certificate),
            file(&format!("{name}.key"), key.serialize_pem()),
        )
    };
    let own = made("own", "127.0.0.1", |_| ());
    let authority = made("authority", "127.0.0.1", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let expired = made("expired", "127.0.0.1", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    for ((cert, key), ca, word, part) in [
        (&own, "", "unknown_issuer", "`oauth.ca` names its authority"),
        (&authority, "", "", "`oauth.ca` names its authority"),
        (&expired, expired.0.as_str(), "certificate_expired", "has expired: renew it"),
    ] {
        let tls =
            format!("client_secret = \"x\"\n[issuer.tls]\ncert = \"{cert}\"\nkey = \"{key}\"\n");
        let issuer = Apart::start(&tls);
        let ca = if ca.is_empty() { String::new() } else { format!("ca = \"{ca}\"\n") };
        let found =
            run(&format!("issuer = \"{}\"\nclient_secret = \"x\"\n{ca}", issuer.url), "", &[]);
        assert_eq!(found.code, Some(3), "{}", found.stderr);
        assert_eq!(found.stderr.matches(part).count(), 1, "{word}: {}", found.stderr);
        let endpoint =
            format!("token_endpoint = \"{}/token\"\nclient_secret = \"x\"\n{ca}", issuer.url);
        let ended = run(&endpoint, "", &[]);
        ended.expect(3);
        assert!(ended.verdicts().keys().all(|row| row.contains(word)), "{:?}", ended.verdicts());
        assert_eq!(ended.stdout.matches(part).count(), 1, "{word}: {}", ended.stdout);
    }
}

#[test]
fn http_on_https_and_the_other_way_round_are_called_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, private) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    let tls = format!(
        "client_secret = \"x\"\n[issuer.tls]\ncert = \"{}\"\nkey = \"{}\"\n",
        cert.display(),
        private.display()
    );
    let (plain, secure) = (Apart::start("client_secret = \"x\""), Apart::start(&tls));
    for (url, code, part) in [
        (plain.url.replace("http://", "https://"), "not_tls", "speaks no TLS"),
        (secure.url.replace("https://", "http://"), "https_port", "speaks TLS at this port"),
    ] {
        let found = run(&format!("issuer = \"{url}\"\nclient_secret = \"x\""), "", &[]);
        assert_eq!(found.code, Some(3), "{}", found.stderr);
        assert_eq!(found.stderr.matches(part).count(), 1, "{}", found.stderr);
        let ended =
            run(&format!("token_endpoint = \"{url}/token\"\nclient_secret = \"x\""), "", &[]);
        ended.expect(3);
        assert_eq!(ended.verdicts(), [(format!("fresh token_failed {code} not_judged"), 8)].into());
        assert_eq!(ended.stdout.matches(part).count(), 1, "{}", ended.stdout);
    }
}

#[test]
fn the_documents_own_url_stands_for_its_issuer() {
    let web = Web::start(|path, own| match path {
        "/.well-known/oauth-authorization-server/t/1" => response(
            "200 OK",
            JSON,
            &json!({ "issuer": format!("{own}/t/1"), "token_endpoint": format!("{own}/token") })
                .to_string(),
        ),
        "/token" => response("200 OK", JSON, "{\"access_token\":\"abcd\"}"),
        _ => response("404 Not Found", "", ""),
    });
    for place in [
        "/.well-known/oauth-authorization-server/t/1",
        "/t/1",
        "/t/1/.well-known/openid-configuration",
    ] {
        let ended =
            run(&format!("issuer = \"{}{place}\"\nclient_secret = \"x\"", web.url), "", &[]);
        assert_eq!(ended.expect(3)["outcomes"]["accepted"], 8, "{place}: {}", ended.stderr);
    }
}

#[test]
fn a_device_that_nobody_approves_ends_with_the_last_answer() {
    let web = Web::start(|path, own| match path {
        "/.well-known/openid-configuration" => response(
            "200 OK",
            JSON,
            &json!({
                "issuer": own,
                "token_endpoint": format!("{own}/token"),
                "device_authorization_endpoint": format!("{own}/device"),
            })
            .to_string(),
        ),
        "/device" => response(
            "200 OK",
            JSON,
            &json!({
                "device_code": "d", "user_code": "u", "verification_uri": "http://127.0.0.1/",
                "expires_in": 600, "interval": 1,
            })
            .to_string(),
        ),
        _ => response("400 Bad Request", JSON, "{\"error\":\"authorization_pending\"}"),
    });
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"x\"\ngrant = \"device_code\"", web.url);
    let ended = run(&oauth, "", &["load.connect_timeout=2s"]);
    let summary = ended.expect(3);
    assert_eq!(ended.verdicts(), [("fresh token_failed 400 not_judged".to_owned(), 8)].into());
    assert_eq!(summary["oauth"]["errors"], json!({ "authorization_pending": 8 }));
    assert_eq!(ended.stdout.matches("nobody approved the device").count(), 1, "{}", ended.stdout);
}

/// The value of a parameter in a form.
fn parameter(body: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(body.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

#[test]
fn an_assertion_is_for_the_issuer_where_that_is_known_or_for_whom_the_scenario_says() {
    let web = answering("200 OK", JSON, "{\"access_token\":\"abcd\"}");
    let audiences = |oauth: &str| {
        let before = web.bodies().len();
        let key = "[keys.client]\nalgorithm = \"ES256\"\ngenerate = true\n";
        run(&format!("{oauth}\nprivate_key_jwt = \"client\""), key, &[]).expect(3);
        let bodies = web.bodies().split_off(before);
        let assertions = bodies.iter().filter_map(|body| parameter(body, "client_assertion"));
        let mut all: Vec<String> = assertions
            .map(|assertion| {
                let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
                let claims: Value = serde_json::from_slice(&claims).unwrap();
                claims["aud"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(all.len(), 8);
        all.sort();
        all
    };
    let issuer = format!("issuer = \"{}\"", web.url);
    assert_eq!(audiences(&issuer), vec![web.url.clone(); 8]);
    let endpoint = format!("{}/token", web.url);
    assert_eq!(audiences(&format!("token_endpoint = \"{endpoint}\"")), vec![endpoint; 8]);
    let written =
        audiences(&format!("{issuer}\nassertion_audience = \"https://idp/{{client_id}}\""));
    assert_eq!(written[0], "https://idp/storm-0");
    let nobody =
        run(&format!("{issuer}\nclient_secret = \"x\"\nassertion_audience = \"y\""), "", &[]);
    assert!(
        nobody.code == Some(2) && nobody.stderr.contains("no client shows an assertion"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn refreshing_begins_with_client_credentials_where_there_is_no_password() {
    let answer = "{\"access_token\":\"abcd\",\"refresh_token\":\"r-that-must-not-leak\"}";
    let web = answering("200 OK", JSON, answer);
    let oauth =
        format!("issuer = \"{}\"\ngrant = \"refresh_token\"\nclient_secret = \"x\"", web.url);
    let ended = run(&oauth, "", &[]);
    assert_eq!(ended.expect(3)["outcomes"]["accepted"], 8);
    let grants: Vec<String> =
        web.bodies().iter().filter_map(|body| parameter(body, "grant_type")).collect();
    let count = |grant: &str| grants.iter().filter(|known| *known == grant).count();
    assert_eq!((count("client_credentials"), count("refresh_token"), grants.len()), (8, 8, 16));
    assert!(!ended.stdout.contains("must-not-leak"));
    // A server that gives none is told of by name.
    let none = answering("200 OK", JSON, "{\"access_token\":\"abcd\"}");
    let ended = run(&oauth.replace(&web.url, &none.url), "", &[]);
    ended.expect(3);
    assert_eq!(
        ended.verdicts(),
        [("fresh token_failed no_refresh_token not_judged".to_owned(), 8)].into()
    );
    assert!(ended.stdout.contains("the first answer had no refresh token"), "{}", ended.stdout);
    let nothing = format!("issuer = \"{}\"\ngrant = \"refresh_token\"", web.url);
    let ended = run(&nothing, "", &[]);
    assert!(
        ended.code == Some(2) && ended.stderr.contains("first refresh token"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_empty_variable_or_file_is_no_secret_and_what_is_in_them_is_literal() {
    let web = answering("200 OK", JSON, "{\"access_token\":\"abcd\"}");
    let server = Server::answering(TAKEN);
    let issuer = format!("issuer = \"{}\"\nclient_auth = \"post\"", web.url);
    let by_variable =
        storm(&server.url(), &format!("{issuer}\nclient_secret_env = \"STORM_SECRET\""), "");
    let empty = by_variable.run_in(&[("STORM_SECRET", "")], &[]);
    assert!(empty.code == Some(2) && empty.stderr.contains("which is empty"), "{}", empty.stderr);
    let literal = "a{n}b{{c}}${client_id}}{";
    by_variable.run_in(&[("STORM_SECRET", literal)], &[]).expect(3);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for text in ["", "\n", "\r\n"] {
        fs::write(&file, text).unwrap();
        let empty = run(&format!("{issuer}\nclient_secret_file = \"{}\"", file.display()), "", &[]);
        assert!(
            empty.code == Some(2) && empty.stderr.contains("which is empty"),
            "{}",
            empty.stderr
        );
    }
    fs::write(&file, literal).unwrap();
    run(&format!("{issuer}\nclient_secret_file = \"{}\"", file.display()), "", &[]).expect(3);
    let secrets: Vec<String> =
        web.bodies().iter().filter_map(|body| parameter(body, "client_secret")).collect();
    assert_eq!(secrets, vec![literal.to_owned(); 16]);
}

#[test]
fn a_matrix_of_fetched_tokens_says_that_it_can_not_sign_them() {
    let server = Server::answering(TAKEN);
    let scenario = storm(
        &server.url(),
        "token_endpoint = \"http://127.0.0.1:9/\"\nprivate_key_jwt = \"main\"",
        "",
    );
    let ended = crate::run::program().arg("matrix").arg(scenario.scenario()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("can't be signed with the key of the server"), "{said}");
}
