//! Clients that fetch their tokens: from the built-in issuer, and from servers that misbehave on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub(crate) use crate::web::{JSON, Web, discovery, response};
use crate::{
    run::{Ended, Storm, everything, number, program, rows},
    server::{Connect, Server},
};

const SECRET: &str = "client-secret-that-must-not-leak";
const PASSWORD: &str = "password-that-must-not-leak";

/// A storm of eight clients whose tokens are fetched; `oauth` and `more` are further lines.
pub(crate) fn storm(target: &str, oauth: &str, more: &str) -> Storm {
    Storm::new(&format!(
        "name = \"fetched\"\n[target]\nbrokers = [\"{target}\"]\n[load]\nclients = 8\nconcurrency = 4\nhold = \"0s\"\n\
         connect_timeout = \"8s\"\n[keys.main]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"main\"\n\
         [token]\nsource = \"oauth\"\n[token.claims]\nclientid = \"{{client_id}}\"\n[oauth]\n{oauth}\n{more}\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    ))
}

pub(crate) fn own_issuer(oauth: &str, more: &str) -> (Server, Storm) {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = format!("client_secret = \"{SECRET}-{{client_id}}\"\n{oauth}");
    let storm = storm(&server.url(), &oauth, &format!("[issuer]\nkeys = [\"main\"]\n{more}"));
    (server, storm)
}

fn claims(connect: &Connect) -> Value {
    let token = String::from_utf8(connect.password.clone().unwrap()).unwrap();
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no token: {token}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Requests by path and status.
fn visits(run: &Ended) -> BTreeMap<(String, String), u64> {
    let mut visits = BTreeMap::new();
    for row in rows(&run.out.join("issuer.csv")) {
        *visits.entry((row["path"].clone(), row["status"].clone())).or_default() +=
            number(&row, "count");
    }
    visits
}

#[test]
fn every_grant_brings_each_client_a_token_of_its_own() {
    let password = format!("password = \"{PASSWORD}-{{username}}\"");
    let grants = [
        "grant = \"client_credentials\"".to_owned(),
        "grant = \"client_credentials\"\nclient_auth = \"post\"".to_owned(),
        format!("grant = \"password\"\n{password}"),
        format!("grant = \"refresh_token\"\n{password}"),
        "grant = \"device_code\"".to_owned(),
        "grant = \"token_exchange\"".to_owned(),
        format!("grant = \"password\"\n{password}\nsend = \"id_token\"\nscope = \"openid\""),
    ];
    for grant in grants {
        let (server, storm) = own_issuer(&grant, "");
        let run = storm.run();
        let summary = run.expect(0);
        assert_eq!(summary["outcomes"]["accepted"], 8, "{grant}: {}", run.stderr);
        assert_eq!(summary["oauth"]["failed"], 0, "{grant}");
        assert_eq!(summary["phases"]["token"]["count"], 8, "{grant}");
        let ids: BTreeSet<String> = server
            .received()
            .iter()
            .map(|connect| {
                let claims = claims(connect);
                // The resource owner or the client, by whichever name the token has it.
                let is_own = match claims["clientid"].as_str() {
                    Some(client) => client == connect.client_id,
                    None => claims["aud"] == connect.client_id.as_str(),
                };
                assert!(is_own, "{grant}: {claims} of {}", connect.client_id);
                claims["jti"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 8, "{grant}: tokens must differ");
    }
}

#[test]
fn a_client_can_show_an_assertion_in_place_of_a_secret() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let key = "[keys.client]\nalgorithm = \"RS256\"\ngenerate = true\nbits = 3072\n";
    let issuer = format!("{key}[issuer]\nkeys = [\"main\"]\n");
    let storm = storm(&server.url(), "private_key_jwt = \"client\"", &issuer);
    assert_eq!(storm.run().expect(0)["oauth"]["fetched"], 8);
    // The key that signs tokens is not the one that clients are known by.
    let refused = storm.run_again(&[
        "--set",
        "oauth.private_key_jwt=main",
        "--set",
        "issuer.client_key=client",
    ]);
    assert_eq!(refused.expect(3)["oauth"]["statuses"]["401"], 8);
}

#[test]
fn a_token_can_be_shared_and_fetched_before_the_storm() {
    let (server, shared) = own_issuer("", "");
    let run = shared.run_with(&["--set", "token.reuse=4", "--set", "token.claims.clientid=all"]);
    run.expect(0);
    assert_eq!(visits(&run)[&("/token".into(), "200".into())], 2);
    let tokens: BTreeSet<_> =
        server.received().into_iter().map(|connect| connect.password).collect();
    assert_eq!(tokens.len(), 2);

    let (_, ahead) = own_issuer("prefetch = true", "");
    let run = ahead.run();
    let summary = run.expect(0);
    assert!(summary["phases"].get("token").is_none(), "nobody waited: {}", summary["phases"]);
    let early = rows(&run.out.join("issuer.csv"));
    let early = early.iter().filter(|row| row["path"] == "/token");
    assert!(early.map(|row| row["second"].as_str()).all(|second| second == "-1"));
}

#[test]
fn padding_and_lifetime_are_as_the_issuer_is_told() {
    let (server, storm) = own_issuer("", "token_bytes = 3000\nttl = \"1s\"");
    storm.run().expect(0);
    for connect in server.received() {
        let length = connect.password.as_ref().unwrap().len();
        assert!((2990..=3000).contains(&length), "{length}");
        let claims = claims(&connect);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1);
    }
}

#[test]
fn no_secret_is_in_the_run_folder_or_in_what_is_said() {
    let grant = format!("grant = \"refresh_token\"\npassword = \"{PASSWORD}-{{username}}\"");
    let (server, storm) = own_issuer(&grant, "");
    // The second run is refused by a server whose secret is another one.
    for arguments in [&[][..], &["--set", "issuer.client_secret=another-secret-that-must-not-leak"]]
    {
        // Nothing is logged, whatever a library would have to say.
        let run = storm.run_traced(arguments);
        let said = everything(&run);
        for secret in [SECRET, PASSWORD, "another-secret", "PRIVATE KEY"] {
            assert!(!said.contains(secret), "`{secret}` leaks");
        }
        for connect in server.received() {
            let token = String::from_utf8(connect.password.unwrap()).unwrap();
            assert!(!said.contains(&token), "a token leaks");
        }
    }
    assert_eq!(server.received().len(), 8, "the first run got tokens");
}

/// A server that answers every token request like this.
pub(crate) fn tokens(answer: String) -> Web {
    Web::start(move |path, own| match path {
        "/.well-known/openid-configuration" => discovery(own),
        _ => answer.clone(),
    })
}

pub(crate) fn from(web: &Web, oauth: &str) -> (Server, Ended) {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"{SECRET}\"\n{oauth}", web.url);
    let run = storm(&server.url(), &oauth, "").run();
    (server, run)
}

#[test]
fn each_way_in_which_a_server_gives_no_token_is_an_outcome_with_its_code() {
    let refused = |error: &str| json!({ "error": error, "error_description": SECRET }).to_string();
    for (answer, code, error) in [
        (response("200 OK", "Content-Type: text/html\r\n", "<p>Sign in"), "no_json", None),
        (response("200 OK", JSON, "{\"token_type\":\"Bearer\"}"), "no_access_token", None),
        (
            response("401 Unauthorized", JSON, &refused("invalid_client")),
            "401",
            Some("invalid_client"),
        ),
        (
            response("400 Bad Request", JSON, &refused("invalid_scope")),
            "400",
            Some("invalid_scope"),
        ),
        (response("500 Oops", "", ""), "500", None),
        (response("302 Found", "Location: http://127.0.0.1:9/\r\n", ""), "302", None),
        ("HTTP/1.1 ???\r\n\r\n".into(), "broken", None),
    ] {
        let web = tokens(answer);
        let (server, run) = from(&web, "");
        let summary = run.expect(3);
        assert_eq!(
            run.verdicts()[&format!("fresh token_failed {code} not_judged")],
            8,
            "{:?}",
            run.verdicts()
        );
        assert_eq!(server.received().len(), 0, "no CONNECT without a token");
        assert_eq!(web.requests("/token"), 8, "nothing is tried again unless told");
        match error {
            Some(error) => assert_eq!(summary["oauth"]["errors"][error], 8),
            None => assert_eq!(summary["oauth"]["errors"], json!({})),
        }
        assert_eq!(summary["phases"]["token"]["unfinished"], 8);
        assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET));
    }
}

#[test]
fn retries_are_as_many_as_allowed_and_never_of_a_final_refusal() {
    let busy = response(
        "429 Too Many Requests",
        &format!("{JSON}Retry-After: 1\r\n"),
        "{\"error\":\"busy\"}",
    );
    let web = tokens(busy);
    let (_, run) = from(&web, "retries = 2\nbackoff = \"1ms\"\nmax_backoff = \"20ms\"");
    let summary = run.expect(3);
    assert_eq!((web.requests("/token"), &summary["oauth"]["retries"]), (24, &json!(16)));
    assert_eq!(summary["oauth"]["statuses"]["429"], 24);

    let web = tokens(response("400 Bad Request", JSON, "{\"error\":\"invalid_grant\"}"));
    let (_, run) = from(&web, "retries = 5\nbackoff = \"1ms\"");
    run.expect(3);
    assert_eq!(web.requests("/token"), 8, "a grant that is refused stays refused");
}

#[test]
fn requests_at_one_time_are_as_many_as_connections_are_allowed() {
    let (now, most) = (Arc::new(Mutex::new(0_u32)), Arc::new(Mutex::new(0_u32)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let web = Web::start(move |path, own| {
        if path != "/token" {
            return discovery(own);
        }
        let here = {
            let mut now = counted.lock().unwrap();
            *now += 1;
            *now
        };
        let mut most = seen.lock().unwrap();
        *most = (*most).max(here);
        drop(most);
        // Long enough that the others of the four that are under way would be here too, if they might.
        thread::sleep(std::time::Duration::from_millis(100));
        *counted.lock().unwrap() -= 1;
        response("500 Oops", "", "")
    });
    let (_, run) = from(&web, "connections = 1");
    let summary = run.expect(3);
    assert_eq!((*most.lock().unwrap(), web.requests("/token")), (1, 8));
    // Three wait for the one that is served: that is our queue, and no time of the server's.
    let queued = summary["oauth"]["queued"]["max_us"].as_f64().unwrap();
    assert!(queued >= 100_000.0, "{queued}");
    *most.lock().unwrap() = 0;
    let (_, run) = from(&web, "connections = 64\nrate = 20");
    let duration = run.expect(3)["duration_s"].as_f64().unwrap();
    // The first at once, the others every 50 ms.
    assert!(duration >= 0.35, "{duration}");
}

#[test]
fn retry_after_is_waited_for_where_that_is_allowed() {
    let busy = response("429 Too Many Requests", "Retry-After: 1\r\n", "");
    let web = tokens(busy);
    let (_, run) =
        from(&web, "retries = 1\nbackoff = \"1ms\"\nmax_backoff = \"5s\"\njitter = false");
    let duration = run.expect(3)["duration_s"].as_f64().unwrap();
    // Four at a time, two rounds, each with a wait of a second.
    assert!(duration >= 2.0, "{duration}");
}

#[test]
fn a_token_without_an_end_is_counted_and_has_to_be_refused_where_exp_is_required() {
    let payload = URL_SAFE_NO_PAD.encode("{\"sub\":\"x\"}");
    let token = format!("{}.{payload}.c2ln", URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}"));
    let answer =
        json!({ "access_token": token, "token_type": "bearer", "expires_in": 60 }).to_string();
    let web = tokens(response("200 OK", JSON, &answer));
    let (_, run) = from(&web, "");
    // The profile `strict` requires `exp`, and this broker lets everybody in.
    let summary = run.expect(1);
    assert_eq!(summary["oauth"]["without_expiry"], 8);
    assert_eq!(summary["verdicts"]["false_accept"], 8);
    let replays = rows(&run.out.join("findings.csv"));
    assert!(replays.iter().all(|row| row["replay"].is_empty()), "nobody can mint it again");
}

/// A server that eight clients log in to, and that answers what they refresh by `answers` in turn.
fn refreshing(answers: impl Fn(usize) -> String + Send + Sync + 'static) -> Web {
    let first = json!({ "access_token": "a", "token_type": "bearer", "refresh_token": REFRESH });
    let first = first.to_string();
    let seen = Mutex::new(0);
    Web::start(move |path, own| {
        if path != "/token" {
            return discovery(own);
        }
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        if *seen <= 8 { response("200 OK", JSON, &first) } else { answers(*seen - 9) }
    })
}

const REFRESH: &str = "refresh-token-that-must-not-leak";

#[test]
fn a_refresh_token_that_is_refused_is_an_outcome() {
    let refused = format!("{{\"error\":\"invalid_grant\",\"error_description\":\"{REFRESH}\"}}");
    let web = refreshing(move |_| response("400 Bad Request", JSON, &refused));
    let (_, run) = from(&web, "grant = \"refresh_token\"\npassword = \"p\"");
    let summary = run.expect(3);
    assert_eq!(summary["outcomes"]["token_failed"], 8);
    assert_eq!(summary["oauth"]["errors"]["invalid_grant"], 8);
    assert!(!everything(&run).contains(REFRESH));
    // An error that no standard knows may repeat what was sent.
    let made_up = format!("{{\"error\":\"bad_{REFRESH}\"}}");
    let web = refreshing(move |_| response("400 Bad Request", JSON, &made_up));
    let (_, run) = from(&web, "grant = \"refresh_token\"\npassword = \"p\"");
    assert_eq!(run.expect(3)["oauth"]["errors"]["other"], 8);
    assert!(!everything(&run).contains(REFRESH));
}

#[test]
fn a_token_by_an_algorithm_that_the_policy_does_not_allow_has_to_be_refused() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.{}.c2ln", part("{\"alg\":\"ES256\"}"), part("{\"exp\":4000000000}"));
    let answer = json!({ "access_token": token, "token_type": "bearer" }).to_string();
    let web = tokens(response("200 OK", JSON, &answer));
    assert_eq!(from(&web, "").1.expect(0)["verdicts"]["correct"], 8);
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url);
    let strict = storm(&server.url(), &oauth, "[policy]\nalgorithms = [\"RS256\"]\n");
    assert_eq!(strict.run().expect(1)["verdicts"]["false_accept"], 8);
}

#[test]
fn a_token_that_nobody_but_the_server_can_read_judges_nobody() {
    let answer = json!({ "access_token": "opaque", "token_type": "bearer" }).to_string();
    let (_, run) = from(&tokens(response("200 OK", JSON, &answer)), "");
    let summary = run.expect(3);
    assert_eq!(
        (&summary["verdicts"]["correct"], &summary["oauth"]["without_expiry"]),
        (&8.into(), &0.into())
    );
}

#[test]
fn a_refresh_token_is_tried_again_when_the_server_had_enough() {
    let payload = URL_SAFE_NO_PAD.encode("{\"exp\":4000000000}");
    let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}");
    let token =
        json!({ "access_token": format!("{header}.{payload}.c2ln"), "token_type": "bearer" });
    let token = token.to_string();
    // Busy for a while, then not.
    let web = refreshing(move |turn| match turn {
        0..16 => response("429 Too Many Requests", JSON, "{\"error\":\"slow_down\"}"),
        _ => response("200 OK", JSON, &token),
    });
    let oauth = "grant = \"refresh_token\"\npassword = \"p\"\nretries = 20\nbackoff = \"1ms\"";
    let summary = from(&web, oauth).1.expect(0);
    assert_eq!(
        (&summary["oauth"]["retries"], &summary["oauth"]["failed"]),
        (&16.into(), &0.into())
    );
    assert_eq!(summary["outcomes"]["accepted"], 8);
}

#[test]
fn a_server_that_is_not_the_one_that_was_named_is_refused_before_the_storm() {
    let other = Web::start(|_, _| discovery("https://another.example"));
    let none = Web::start(|_, _| response("404 Not Found", "", ""));
    let html = Web::start(|_, _| response("200 OK", "Content-Type: text/html\r\n", "<p>hello"));
    for (web, part) in [
        (&other, "is that of `https://another.example`"),
        (&none, "has no discovery document"),
        (&html, "no discovery document (expected"),
    ] {
        let (server, run) = from(web, "");
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains(part), "{}", run.stderr);
        assert!(server.received().is_empty() && !run.out.exists(), "nothing was measured");
    }
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let secret =
        storm(&server.url(), &format!("issuer = \"https://u:{SECRET}@x.example\""), "").run();
    assert!(secret.code == Some(2) && !secret.stderr.contains(SECRET), "{}", secret.stderr);
    // RFC 8414 is tried where OpenID has nothing.
    let fallback = Web::start(|path, own| match path {
        "/.well-known/oauth-authorization-server" => discovery(own),
        "/token" => response("500 Oops", "", ""),
        _ => response("404 Not Found", "", ""),
    });
    let (_, run) = from(&fallback, "");
    assert_eq!(run.expect(3)["outcomes"]["token_failed"], 8);
}

#[test]
fn a_server_that_does_not_answer_is_a_timeout_of_the_phase_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let silent = storm(
        &server.url(),
        &format!("token_endpoint = \"{endpoint}\"\nclient_secret = \"x\""),
        "",
    );
    let run = silent.run_with(&["--set", "load.connect_timeout=300ms"]);
    let summary = run.expect(3);
    assert_eq!(run.verdicts()["fresh timeout token not_judged"], 8);
    // Nobody waited for them any more, but they were sent.
    assert_eq!(summary["oauth"]["statuses"]["gave_up"], 8);
    assert_eq!(summary["oauth"]["failed"], 8);
    // Its own deadline comes first where it is shorter.
    let run = silent.run_again(&["--set", "oauth.timeout=100ms"]);
    assert_eq!(run.verdicts()["fresh token_failed timeout not_judged"], 8);
}

#[test]
fn what_can_not_be_fetched_is_said_before_anything_is_done() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    for (oauth, more, part) in [
        ("", "", "`issuer` is missing"),
        ("issuer = \"ftp://x\"", "", "no URL of a server"),
        ("", "[issuer]\nkeys = [\"main\"]", "gives nobody a token"),
        (
            "grant = \"password\"\nclient_secret = \"x\"",
            "[issuer]\nkeys = [\"main\"]",
            "`password` is missing",
        ),
        (
            "client_secret = \"x\"\nconnections = 0",
            "[issuer]\nkeys = [\"main\"]",
            "`connections` is out of range",
        ),
        ("client_secret = \"{nobody}\"", "[issuer]\nkeys = [\"main\"]", "its value is not shown"),
        ("", "[issuer]\nkeys = [\"man\"]", "no key under `[keys]`"),
        ("token_endpoint = \"http://192.0.2.1/token\"", "", "is not on this host"),
        (
            "client_secret = \"x\"",
            "[issuer]\nkeys = [\"main\"]\n[[mix]]\ntoken = \"alg_none\"\nshare = 1",
            "needs the signing key",
        ),
        (
            "",
            "[[events]]\nat = \"1s\"\ndo = \"restore\"\n[keys.b]\nalgorithm = \"ES256\"\ngenerate = true",
            "there is no `[issuer]`",
        ),
    ] {
        let run = storm(&server.url(), oauth, more).run();
        assert_eq!(run.code, Some(2), "{oauth} {more}: {}", run.stderr);
        assert!(run.stderr.contains(part), "{oauth} {more}: {}", run.stderr);
    }
}

#[test]
fn tokens_are_fetched_over_https_from_an_issuer_whose_certificate_was_made_for_the_run() {
    let (server, storm) = own_issuer("", "[issuer.tls]\ngenerate = true");
    let summary = storm.run().expect(0);
    assert_eq!(summary["oauth"]["fetched"], 8);
    let issuers: BTreeSet<String> = server
        .received()
        .iter()
        .map(|connect| claims(connect)["iss"].as_str().unwrap().to_owned())
        .collect();
    assert!(issuers.iter().all(|issuer| issuer.starts_with("https://127.0.0.1:")), "{issuers:?}");
}

#[test]
fn an_issuer_of_its_own_says_where_it_is_and_leaves_what_was_asked() {
    let (_, storm) = own_issuer("", "");
    let out = storm.out();
    let mut child = program()
        .arg("issuer")
        .arg(storm.scenario())
        .args(["--listen", "127.0.0.1:0", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = |line: String, word: &str| {
        let rest = line.strip_prefix(word).unwrap_or_else(|| panic!("{line}")).to_owned();
        rest.trim().trim_start_matches("http://").to_owned()
    };
    let main = address(lines.next().unwrap().unwrap(), "ready");
    let jwks = address(lines.next().unwrap().unwrap(), "jwks");
    let get = |host: &str, path: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: a-test/1\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let found = get(&main, "/.well-known/openid-configuration");
    assert!(found.contains(&format!("\"issuer\":\"http://{main}\"")), "{found}");
    let (host, path) = jwks.split_once('/').unwrap();
    assert!(get(host, &format!("/{path}")).contains("\"kid\":\"main\""));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let asked: BTreeSet<(String, String)> = rows(&out.join("issuer.csv"))
        .iter()
        .map(|row| (row["path"].clone(), row["caller"].clone()))
        .collect();
    let by_test = |path: &str| (path.to_owned(), "a-test".to_owned());
    assert_eq!(asked, [by_test("/.well-known/openid-configuration"), by_test("/jwks")].into());
}
