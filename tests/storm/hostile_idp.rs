//! Authorization servers that answer what nobody should: the run stays within what its user allowed, and ends.

use serde_json::json;

use crate::{
    issued::jwt,
    oauth::{JSON, Web, discovery, response, storm},
    run::Ended,
    server::Server,
};

/// A run of eight clients against a server of tokens that answers like this.
fn run(web: &Web, oauth: &str, arguments: &[&str]) -> (Server, Ended) {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"s\"\n{oauth}", web.url);
    let run = storm(&server.url(), &oauth, "").run_with(arguments);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    (server, run)
}

/// The same with a document in which these members are.
fn documented(members: &serde_json::Value, oauth: &str) -> (Web, Server, Ended) {
    let members = members.clone();
    let web = Web::start(move |path, own| {
        let mut document = json!({ "issuer": own, "token_endpoint": format!("{own}/token") });
        for (name, value) in members.as_object().unwrap() {
            document[name] = value.clone();
        }
        let token = json!({ "access_token": "t", "device_code": "d", "user_code": "u", "verification_uri": own });
        match path {
            "/.well-known/openid-configuration" => response("200 OK", JSON, &document.to_string()),
            "/token" | "/device" => response("200 OK", JSON, &token.to_string()),
            _ => response("404 Not Found", "", ""),
        }
    });
    let (server, run) = run(&web, oauth, &[]);
    (web, server, run)
}

#[test]
fn no_document_leads_to_a_server_that_nobody_allowed() {
    for (place, part) in [
        ("http://no-such.invalid/token", "--authorized"),
        ("https://no-such.invalid/token", "--authorized"),
        ("http://192.0.2.1/token", "--authorized"),
        ("http://0.0.0.0:9/token", "--authorized"),
        ("file:///etc/passwd", "no URL of a server"),
        ("data:text/plain,hello", "no URL of a server"),
        ("ftp://127.0.0.1/token", "no URL of a server"),
    ] {
        for (name, oauth) in [
            ("token_endpoint", ""),
            ("device_authorization_endpoint", "grant = \"device_code\""),
            ("device_authorization_endpoint", ""),
        ] {
            let (web, server, run) = documented(&json!({ name: place }), oauth);
            assert!(
                matches!(run.code, Some(2 | 3)),
                "{name} {place}: {:?} {}",
                run.code,
                run.stderr
            );
            assert!(run.stderr.contains(part), "{name} {place}: {}", run.stderr);
            assert!(server.received().is_empty() && !run.out.exists(), "nothing was measured");
            assert_eq!((web.requests("/token"), web.requests("/device")), (0, 0));
        }
    }
    let long = format!("https://127.0.0.1/{}", "x".repeat(20_000));
    let (_, _, run) = documented(&json!({ "jwks_uri": long }), "");
    assert!(run.stderr.contains("over 8000 bytes") && run.stderr.len() < 2000, "{}", run.stderr);
}

#[test]
fn a_device_that_is_told_to_wait_for_ever_gives_up_when_its_client_does() {
    let web = Web::start(|path, own| {
        match path {
        "/.well-known/openid-configuration" => response(
            "200 OK",
            JSON,
            &json!({ "issuer": own, "token_endpoint": format!("{own}/token"), "device_authorization_endpoint": format!("{own}/device") }).to_string(),
        ),
        "/device" => response(
            "200 OK",
            JSON,
            "{\"device_code\":\"d\",\"user_code\":\"u\",\"verification_uri\":\"x\",\"expires_in\":1e18,\"interval\":18446744073709551615}",
        ),
        _ => response("400 Bad Request", JSON, "{\"error\":\"slow_down\"}"),
    }
    });
    for prefetch in ["", "prefetch = true"] {
        let oauth = format!("grant = \"device_code\"\n{prefetch}");
        let (_, run) = run(&web, &oauth, &["--set", "load.connect_timeout=1s"]);
        assert_eq!(run.expect(3)["outcomes"]["token_failed"], 8, "{prefetch}: {}", run.stderr);
    }
}

#[test]
fn tokens_that_no_connect_can_carry_are_not_kept_and_refresh_tokens_neither() {
    let answering = |member: &'static str| {
        Web::start(move |path, own| {
            if path == "/.well-known/openid-configuration" {
                discovery(own)
            } else {
                let mut answer = json!({ "access_token": "t", "refresh_token": "r" });
                answer[member] = "x".repeat(900_000).into();
                response("200 OK", JSON, &answer.to_string())
            }
        })
    };
    for prefetch in ["", "prefetch = true"] {
        let (_, run) = run(&answering("access_token"), prefetch, &[]);
        run.expect(3);
        assert_eq!(run.verdicts()["fresh token_failed token_too_long not_judged"], 8);
        assert!(run.stdout.contains("65535 bytes"), "{}", run.stdout);
    }
    let refreshing = "grant = \"refresh_token\"\npassword = \"p\"";
    let (_, refused) = run(&answering("refresh_token"), refreshing, &[]);
    refused.expect(3);
    assert_eq!(refused.verdicts()["fresh token_failed refresh_token_too_long not_judged"], 8);
    // Nobody needs it, nobody keeps it.
    let (_, run) = run(&answering("refresh_token"), "", &[]);
    assert_eq!(run.expect(3)["outcomes"]["accepted"], 8, "{}", run.stderr);
}

#[test]
fn an_error_without_end_is_counted_and_not_kept() {
    let web = Web::start(|path, own| match path {
        "/.well-known/openid-configuration" => discovery(own),
        _ => response("400 Bad", JSON, &json!({ "error": "e".repeat(900_000) }).to_string()),
    });
    let (_, run) = run(&web, "", &[]);
    assert_eq!(run.expect(3)["oauth"]["errors"]["other"], 8, "{}", run.stderr);
}

#[test]
fn a_token_that_is_good_since_ever_or_for_ever_is_good_and_one_that_never_was_is_not() {
    for (claims, code, verdict) in [
        ("{\"nbf\":-9300000000,\"exp\":9999999999}", 0, "correct"),
        ("{\"nbf\":-7600000000,\"exp\":9999999999}", 0, "correct"),
        ("{\"nbf\":-1e300,\"exp\":1e300}", 0, "correct"),
        ("{\"nbf\":-9223372036854775808,\"exp\":9223372036854775807}", 0, "correct"),
        ("{\"exp\":-9300000000}", 1, "false_accept"),
        ("{\"exp\":-1e300}", 1, "false_accept"),
        ("{\"nbf\":1e300,\"exp\":1e301}", 1, "false_accept"),
        ("{\"nbf\":9300000000,\"exp\":9300000001}", 1, "false_accept"),
    ] {
        let token = jwt("{\"alg\":\"ES256\",\"typ\":\"JWT\"}", claims);
        let answer = json!({ "access_token": token }).to_string();
        let web = Web::start(move |path, own| match path {
            "/.well-known/openid-configuration" => discovery(own),
            _ => response("200 OK", JSON, &answer),
        });
        let (_, run) = run(&web, "", &["--set", "policy.algorithms=[\"ES256\"]"]);
        run.expect(code);
        assert_eq!(run.verdicts(), [(format!("fresh accepted 0 {verdict}"), 8)].into(), "{claims}");
    }
}
