//! What authorization servers of the field answer, and the way to them.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    oauth::{JSON, Web, from, own_issuer, response, storm, tokens},
    run::{Ended, Storm, everything},
    server::Server,
};

fn jwt(claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part("{\"alg\":\"ES256\"}"), part(claims))
}

fn good() -> String {
    jwt("{\"exp\":4000000000}")
}

#[test]
fn a_token_is_taken_however_the_answer_around_it_looks() {
    let token = good();
    let json = |more: &str| format!("{{\"access_token\":\"{token}\"{more}}}");
    for (status, headers, body) in [
        ("200 OK", JSON, json(",\"expires_in\":\"3599\",\"token_type\":\"Bearer\"")),
        ("200 OK", JSON, json(",\"expires_in\":3599.5")),
        ("200 OK", JSON, json(",\"expires_in\":\"never\",\"scope\":[\"a\"]")),
        ("200 OK", "Content-Type: text/plain\r\n", json("")),
        ("200 OK", "Content-Type: application/vnd.x+json\r\n", json("")),
        ("200 OK", "", json("")),
        ("201 Created", JSON, json(",\"token_type\":\"mac\"")),
        ("202 Accepted", JSON, json("")),
        ("200 OK", JSON, format!("\u{feff}{}", json(""))),
        (
            "200 OK",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            format!("access_token={token}&expires_in=5108"),
        ),
    ] {
        let (server, run) = from(&tokens(response(status, headers, &body)), "");
        let summary = run.expect(0);
        assert_eq!(summary["outcomes"]["accepted"], 8, "{status} {headers}: {}", run.stdout);
        assert_eq!(summary["oauth"]["tokens"], json!({ "jwt": 8 }));
        let sent = server.received();
        assert!(sent.iter().all(|sent| sent.password.as_deref() == Some(token.as_bytes())));
    }
}

#[test]
fn an_answer_without_the_token_that_is_sent_names_the_member_that_is_missing() {
    let only_id = tokens(response("200 OK", JSON, &json!({ "id_token": good() }).to_string()));
    let (_, run) = from(&only_id, "");
    run.expect(3);
    assert_eq!(run.verdicts()["fresh token_failed no_access_token not_judged"], 8);
    assert!(run.stdout.contains("without the member `access_token`"), "{}", run.stdout);
    let (server, run) = from(&only_id, "send = \"id_token\"");
    run.expect(0);
    assert_eq!(server.received()[0].password.as_deref(), Some(good().as_bytes()));

    let only_access = tokens(response("200 OK", JSON, &json!({ "access_token": "x" }).to_string()));
    let (_, run) = from(&only_access, "send = \"id_token\"");
    run.expect(3);
    assert_eq!(run.verdicts()["fresh token_failed no_token not_judged"], 8);
    assert!(run.stdout.contains("no `id_token`"), "{}", run.stdout);
}

#[test]
fn a_refusal_is_one_in_whatever_shape_it_comes() {
    for (status, body, code, error) in [
        ("200 OK", "{\"error\":\"invalid_client\"}", "200", "invalid_client"),
        ("400 Bad Request", "{\"error\":{\"code\":\"invalid_grant\"}}", "400", "invalid_grant"),
        ("401 No", "{\"errorCode\":\"invalid_client\"}", "401", "invalid_client"),
        ("400 Bad Request", "error=invalid_scope", "400", "invalid_scope"),
        ("400 Bad Request", "{\"error\":{\"message\":\"hunter2\"}}", "400", "other"),
        ("400 Bad Request", "{\"error\":\"hunter2\"}", "400", "other"),
    ] {
        let (server, run) = from(&tokens(response(status, "", body)), "");
        let summary = run.expect(3);
        assert_eq!(run.verdicts()[&format!("fresh token_failed {code} not_judged")], 8, "{body}");
        assert_eq!(summary["oauth"]["errors"][error], 8, "{body}");
        assert!(server.received().is_empty() && !everything(&run).contains("hunter2"));
    }
}

#[test]
fn the_summary_says_what_the_tokens_have_that_were_fetched() {
    let jwe =
        format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"));
    for (token, name, said, never_end, code) in [
        ("KBSxkmG".into(), "opaque", "the tokens are opaque: they are no JWT", 0, 3),
        (jwe, "jwe", "the tokens are encrypted (JWE)", 0, 3),
        (jwt("{\"exp\":\"4000000000\"}"), "jwt_exp_text", "have `exp` as text", 8, 1),
        (jwt("{\"exp\":4000000000.5}"), "jwt_exp_fraction", "with a fraction", 0, 0),
        (jwt("{\"exp\":4000000000000}"), "jwt_exp_milliseconds", "in milliseconds", 0, 0),
        (jwt("{\"exp\":null}"), "jwt_exp_other", "neither number nor text", 8, 1),
        (jwt("{}"), "jwt_exp_missing", "have no `exp`: they never end", 8, 1),
    ] {
        let answer = json!({ "access_token": token, "expires_in": 60 }).to_string();
        let (_, run) = from(&tokens(response("200 OK", JSON, &answer)), "");
        let summary = run.expect(code);
        assert_eq!(summary["oauth"]["tokens"], json!({ name: 8 }));
        assert_eq!(summary["oauth"]["without_expiry"], never_end, "{name}");
        assert!(run.stdout.contains(said), "{name}: {}", run.stdout);
    }
}

#[test]
fn the_query_of_a_token_endpoint_is_sent_and_shown_nowhere() {
    let answer = json!({ "access_token": good() }).to_string();
    let web = tokens(response("200 OK", JSON, &answer));
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let endpoint = format!("{}/token?p=hunter2&x=1", web.url);
    let storm = storm(
        &server.url(),
        &format!("token_endpoint = \"{endpoint}\"\nclient_secret = \"x\""),
        "",
    );
    let run = storm.run();
    run.expect(0);
    assert_eq!(web.requests("/token?p=hunter2&x=1"), 8);
    assert!(!everything(&run).contains("hunter2"), "{}", everything(&run));
    // What was taken out has to be filled in again.
    let again = std::fs::read_to_string(run.out.join("scenario.toml")).unwrap();
    let again = again.replace("client_secret = \"<redacted>\"", "client_secret = \"x\"");
    let again = Storm::new(&again).run();
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("query of `token_endpoint` was taken out"), "{}", again.stderr);
}

/// Runs with a server whose discovery document is this.
fn discovered(
    document: impl Fn(&str) -> serde_json::Value + Send + Sync + 'static,
) -> (Web, Ended) {
    let token = json!({ "access_token": good() }).to_string();
    let web = Web::start(move |path, own| match path {
        path if path.contains("/.well-known/") => {
            response("200 OK", JSON, &format!("\u{feff}{}", document(own)))
        }
        _ => response("200 OK", JSON, &token),
    });
    let run = from(&web, "").1;
    (web, run)
}

#[test]
fn a_document_of_another_issuer_names_a_way_out_that_can_be_gone() {
    let (web, run) = discovered(
        |own| json!({ "issuer": format!("{own}/{{tenantid}}/v2.0"), "token_endpoint": format!("{own}/t?p=1") }),
    );
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("no URL can be that"), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("`token_endpoint = \"{}/t?p=1\"`", web.url)));

    // By the name that was asked, since the other one may be known within a network of containers only.
    let (web, run) = discovered(
        |_| json!({ "issuer": "http://keycloak:8080/realms/m", "token_endpoint": "http://keycloak:8080/realms/m/t" }),
    );
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let written = format!("`token_endpoint = \"{}/realms/m/t\"`", web.url);
    assert!(run.stderr.contains(&written), "{}", run.stderr);

    let (web, run) =
        discovered(|own| json!({ "issuer": format!("{own}/other"), "token_endpoint": own }));
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("`issuer = \"{}/other\"`", web.url)), "{}", run.stderr);
    assert!(run.stderr.contains("`token_endpoint = "), "{}", run.stderr);

    let (_, run) = discovered(|own| json!({ "issuer": own }));
    assert!(run.stderr.contains("has no `token_endpoint`"), "{}", run.stderr);
    let (_, run) = discovered(|own| json!({ "issuer": own, "token_endpoint": "urn:x" }));
    assert!(run.stderr.contains("no URL of a server"), "{}", run.stderr);
}

#[test]
fn a_document_counts_whose_issuer_differs_in_writing_only() {
    for (issuer, endpoint) in [("{own}/", "{own}/t"), ("{OWN}", "/t"), ("{own}", "{own}/t?p=1")] {
        let (_, run) = discovered(move |own| {
            let shout = own.replace("http", "HTTP");
            let filled = |text: &str| text.replace("{own}", own).replace("{OWN}", &shout);
            json!({
                "issuer": filled(issuer),
                "token_endpoint": filled(endpoint),
                "device_authorization_endpoint": null,
            })
        });
        assert_eq!(run.expect(0)["outcomes"]["accepted"], 8, "{issuer} {endpoint}");
    }
}

#[test]
fn a_redirect_is_told_with_the_place_that_it_leads_to_and_not_followed() {
    let moved = |to: &'static str| {
        Web::start(move |_, own| {
            response("301 Moved", &format!("Location: {}\r\n", to.replace("{own}", own)), "")
        })
    };
    let web = moved("{own}/new/.well-known/openid-configuration?state=hunter2");
    let run = from(&web, "").1;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("`issuer = \"{}/new\"`", web.url)), "{}", run.stderr);
    assert_eq!(web.requests("/new/.well-known/openid-configuration?state=hunter2"), 0);
    let web = moved("/login?state=hunter2");
    let run = from(&web, "").1;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("a redirect to {}/login", web.url)), "{}", run.stderr);
    assert!(run.stderr.contains("`token_endpoint = "), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

/// A proxy that answers all requests with 502, and their first lines.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://ann:hunter2@{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..count]).into_owned();
            seen.lock().unwrap().extend(text.lines().next().map(str::to_owned));
            let _ = stream
                .write_all(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, asked)
}

#[test]
fn this_host_is_asked_by_no_proxy_whatever_the_environment_says() {
    let (url, asked) = proxy();
    let (_, own) = own_issuer("", "");
    let answer = json!({ "access_token": good() }).to_string();
    let web = tokens(response("200 OK", JSON, &answer));
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let by_name = web.url.replace("127.0.0.1", "localhost");
    let oauth = format!("token_endpoint = \"{by_name}/token\"\nclient_secret = \"x\"");
    let other =
        storm(&server.url(), &oauth, &format!("[monitor]\nprometheus = \"{}/metrics\"\n", web.url));
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "Http_Proxy"] {
        for storm in [&own, &other] {
            let run = storm.run_in(&[(name, &url)], &[]);
            assert_eq!(run.expect(0)["outcomes"]["accepted"], 8, "{name}: {}", run.stderr);
            assert!(!run.stderr.contains("proxy"), "{}", run.stderr);
        }
    }
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_proxy_that_is_used_is_told_without_its_password_and_needs_permission() {
    let (url, asked) = proxy();
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = "token_endpoint = \"http://idp.invalid/token\"\nclient_secret = \"x\"";
    let away = storm(
        &server.url(),
        oauth,
        "[monitor]\nprometheus = \"http://metrics.invalid/m?token=hunter2\"\n",
    );
    let refused = away.run_in(&[("http_proxy", &url)], &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("`--authorized`"), "{}", refused.stderr);
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());

    let run = away.run_in(&[("http_proxy", &url)], &["--authorized"]);
    run.expect(3);
    assert_eq!(run.verdicts()["fresh token_failed 502 not_judged"], 8);
    for host in ["idp.invalid", "metrics.invalid"] {
        let said = format!("requests to `{host}` go through the proxy `http://127.0.0.1:");
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
    assert!(run.stderr.contains("(`http_proxy`)"), "{}", run.stderr);
    assert!(!everything(&run).contains("hunter2"));
    let asked = asked.lock().unwrap();
    assert!(asked.contains(&"POST http://idp.invalid/token HTTP/1.1".to_owned()), "{asked:?}");
}

#[cfg(feature = "embedded")]
#[test]
fn embedded_brokers_fetch_their_keys_by_a_proxy_that_is_told() {
    let (url, asked) = proxy();
    let text = "name = \"keys\"\n[target]\nbrokers = [\"embedded\"]\n[target.jwks]\nurl = \"http://keys.invalid/jwks\"\n\
                [load]\nclients = 2\nconcurrency = 1\nhold = \"0s\"\n[keys.main]\nalgorithm = \"ES256\"\ngenerate = true\n\
                kid = \"main\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let away = Storm::new(text);
    let refused = away.run_in(&[("http_proxy", &url)], &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("`--authorized`"), "{}", refused.stderr);
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    let run = away.run_in(&[("http_proxy", &url)], &["--authorized"]);
    assert!(
        run.stderr.contains("requests to `keys.invalid` go through the proxy"),
        "{}",
        run.stderr
    );
    let asked = asked.lock().unwrap();
    assert!(asked.contains(&"GET http://keys.invalid/jwks HTTP/1.1".to_owned()), "{asked:?}");
}
