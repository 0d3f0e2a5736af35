//! Tokens in templates and in headers: what arrives, what its answers are worth, and what nobody may read.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    sync::{Arc, Mutex},
};

use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tungstenite::{
    Message, WebSocket, accept_hdr,
    handshake::server::{ErrorResponse, Request, Response},
    http::StatusCode,
};

use crate::{
    layered::{Asks, listen, tls_server},
    run::{Ended, SECRET, Storm, everything, rows, scenario},
    server::Server,
};

/// CONNACK of MQTT 5.0 that lets the client in.
const ACCEPT: &[u8] = &[0x20, 3, 0, 0, 0];

/// What came to a gateway: the path, the header `Authorization`, and the header `X-Key`.
type Came = Arc<Mutex<Vec<[Option<String>; 3]>>>;

/// A gateway before a broker that lets everybody in, which answers an upgrade by the status that `status` gives; 101 is none.
fn gateway(status: impl Fn(&Request) -> u16 + Send + Sync + 'static) -> (String, Came) {
    let came = Came::default();
    let seen = Arc::clone(&came);
    let address = listen(move |stream| serve(stream, &status, &seen));
    (format!("ws://{address}"), came)
}

fn serve<S: Read + Write>(stream: S, status: &dyn Fn(&Request) -> u16, seen: &Came) {
    if let Some(mut socket) = asked(stream, status, seen) {
        // A client that leaves before has said nothing.
        let Ok(connect) = socket.read() else { return };
        assert_eq!(connect.into_data()[0], 0x10);
        socket.send(Message::binary(ACCEPT)).unwrap();
        while socket.read().is_ok() {}
    }
}

#[expect(clippy::result_large_err, reason = "the type of the library's callback")]
fn asked<S: Read + Write>(
    stream: S,
    status: &dyn Fn(&Request) -> u16,
    seen: &Came,
) -> Option<WebSocket<S>> {
    let choose = |request: &Request, mut response: Response| {
        let header = |name: &str| {
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let path = Some(request.uri().to_string());
        seen.lock().unwrap().push([path, header("authorization"), header("x-key")]);
        let code = status(request);
        if code != 101 {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::from_u16(code).unwrap();
            return Err(refusal);
        }
        let asked = request.headers()["sec-websocket-protocol"].clone();
        response.headers_mut().insert("sec-websocket-protocol", asked);
        Ok(response)
    };
    accept_hdr(stream, choose).ok()
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Whether a request brings a token that has not ended.
fn is_good(request: &Request) -> bool {
    let bearer = request.headers().get("authorization").and_then(|it| it.to_str().ok());
    let Some(token) = bearer.and_then(|it| it.strip_prefix("Bearer ")) else { return false };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    claims(token)["exp"].as_u64().unwrap() > now
}

/// Half good tokens, half that have ended, and whatever else is said.
fn halves(target: &str, more: &str) -> String {
    let mix = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n";
    scenario(target, "clients = 40\nhold = \"50ms\"", &format!("{more}{mix}"))
}

fn phase(summary: &Value, token: &str, phase: &str) -> u64 {
    summary["by_token"][token]["phases"][phase]["count"].as_u64().unwrap_or_default()
}

#[test]
fn user_name_and_password_hold_what_their_templates_say_and_the_signature_is_over_the_token() {
    let server = Server::answering(ACCEPT);
    let keys = format!("{}/tests/keys", env!("CARGO_MANIFEST_DIR"));
    let text = scenario(
        &server.url(),
        "",
        &format!(
            "---\n[keys.authorizer]\nalgorithm = \"RS256\"\nprivate_key = \"{keys}/rsa.pkcs8.pem\"\n[token]\nkey = \"main\"\n\
             [identity]\nusername = \"dev-{{n}}?name=a&token={{token:url}}&sig={{signature:url}}\"\n\
             password = \"OAUTH~pro-file~{{token}}\"\nsignature_key = \"authorizer\"\n"
        ),
    );
    let ended = Storm::new(&text).run();
    let summary = ended.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 8);
    let pem = pem::parse(fs::read(format!("{keys}/rsa.pkcs8.pem")).unwrap()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(pem.contents()).unwrap();
    let all = everything(&ended);
    for connect in server.received() {
        let password = String::from_utf8(connect.password.unwrap()).unwrap();
        let token = password.strip_prefix("OAUTH~pro-file~").unwrap();
        let n = connect.client_id.strip_prefix("storm-").unwrap();
        let username = String::from_utf8(connect.username.unwrap()).unwrap();
        let rest = username.strip_prefix(&format!("dev-{n}?name=a&token={token}&sig=")).unwrap();
        let signature = rest.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        assert_eq!(signature.len(), 344, "{signature}");
        let bytes = STANDARD.decode(&signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        key.verify(token.as_bytes(), &bytes).unwrap();
        for secret in [token, &signature, rest, "pro-file"] {
            assert!(!all.contains(secret), "{secret}");
        }
    }
}

#[test]
fn a_token_that_is_sent_again_has_its_signature_again() {
    let server = Server::answering(ACCEPT);
    for (key, algorithm) in [("rsa.pkcs8.pem", "RS256"), ("ec256.pkcs8.pem", "ES256")] {
        let from = server.received().len();
        let keys = format!("{}/tests/keys", env!("CARGO_MANIFEST_DIR"));
        let text = scenario(
            &server.url(),
            "clients = 4\nconcurrency = 4\nhold = \"1500ms\"",
            &format!(
                "---\n[keys.signs]\nalgorithm = \"{algorithm}\"\nprivate_key = \"{keys}/{key}\"\n\
                 [keys.authorizer]\nalgorithm = \"RS256\"\nprivate_key = \"{keys}/rsa.pkcs8.pem\"\n\
                 [token]\nkey = \"signs\"\n[identity]\npassword = \"{{token}} {{signature}}\"\nsignature_key = \"authorizer\"\n\
                 [session]\nreconnect = \"same_token\"\nbackoff = {{ first = \"50ms\", jitter = \"none\" }}\n\
                 [[events]]\nat = \"500ms\"\ndo = \"drop_clients\"\nshare = 1.0\n"
            ),
        );
        Storm::new(&text).run().expect(0);
        let mut by_client = std::collections::BTreeMap::<_, Vec<_>>::new();
        for connect in &server.received()[from..] {
            let password = connect.password.clone().unwrap();
            by_client.entry(connect.client_id.clone()).or_default().push(password);
        }
        assert_eq!(by_client.len(), 4);
        for (client, passwords) in by_client {
            assert!(passwords.len() >= 2, "{client}: {}", passwords.len());
            assert!(passwords.windows(2).all(|pair| pair[0] == pair[1]), "{algorithm} {client}");
        }
    }
}

#[test]
fn an_upgrade_that_brings_the_token_is_refused_by_401_or_403_and_judged_by_it() {
    for (status, policy, verdict, code) in [
        (401, "", "correct", 0),
        (403, "", "correct", 0),
        (403, "[policy]\nrefuses_with = { http = [401] }\n", "wrong_reason", 1),
    ] {
        let (url, came) = gateway(move |request| if is_good(request) { 101 } else { status });
        let ended =
            Storm::new(&halves(&url, &format!("token_in = \"ws_header\"\n---\n{policy}"))).run();
        let summary = ended.expect(code);
        let refused = format!("expired refused {status} {verdict}");
        let counts = ended.verdicts();
        let of_expired = counts[&refused];
        assert!(of_expired > 5, "{counts:?}");
        assert_eq!(counts["fresh accepted 0 correct"] + of_expired, 40, "{counts:?}");
        assert_eq!(summary["codes"]["refused"][status.to_string()], of_expired);
        // The refusal ends the upgrade, and CONNECT was never sent.
        assert_eq!(phase(&summary, "expired", "ws_upgrade"), of_expired);
        assert_eq!(phase(&summary, "expired", "connect"), of_expired);
        assert_eq!(phase(&summary, "expired", "connack"), 0);
        assert_eq!(summary["phases"]["connack"]["unfinished"], 0);
        let timed = rows(&ended.out.join("latency.csv"));
        let is_it = |row: &&std::collections::BTreeMap<String, String>| {
            row["phase"] == "ws_upgrade" && row["token"] == "expired" && row["outcome"] == "refused"
        };
        assert_eq!(timed.iter().find(is_it).unwrap()["count"], of_expired.to_string());
        let all = everything(&ended);
        for [path, bearer, _] in came.lock().unwrap().iter() {
            assert_eq!(path.as_deref(), Some("/mqtt"));
            let token = bearer.as_deref().and_then(|it| it.strip_prefix("Bearer ")).unwrap();
            assert!(!all.contains(token));
        }
    }
}

#[test]
fn a_good_token_that_the_upgrade_refuses_is_a_false_reject_and_any_other_status_says_nothing() {
    let (url, _) = gateway(|_| 403);
    let ended = Storm::new(&halves(&url, "token_in = \"ws_header\"\n---\n")).run();
    ended.expect(1);
    let counts = ended.verdicts();
    assert!(counts["fresh refused 403 false_reject"] > 5, "{counts:?}");
    assert!(ended.stdout.contains("HTTP 403"), "{}", ended.stdout);

    let (url, _) = gateway(|_| 101);
    let ended = Storm::new(&halves(&url, "token_in = \"ws_header\"\n---\n")).run();
    ended.expect(1);
    assert!(ended.verdicts()["expired accepted 0 false_accept"] > 5);

    for status in [400, 404, 429, 500, 503] {
        let (url, _) = gateway(move |_| status);
        let ended = Storm::new(&halves(&url, "token_in = \"ws_header\"\n---\n")).run();
        ended.expect(3);
        let counts = ended.verdicts();
        let wanted = format!(" ws_failed {status} not_judged");
        assert!(counts.keys().all(|name| name.ends_with(&wanted)), "{counts:?}");
    }
}

#[test]
fn a_401_to_an_upgrade_that_does_not_bring_the_token_stays_a_failed_upgrade() {
    let (url, came) = gateway(|_| 401);
    let headers = "[target.ws]\nheaders = { X-Key = \"hunter2-{n}\" }\npath = \"/mqtt?key=hunter3&id={client_id}\"\n---\n";
    let ended = Storm::new(&halves(&url, headers)).run();
    ended.expect(3);
    let counts = ended.verdicts();
    assert!(counts.keys().all(|name| name.ends_with(" ws_failed 401 not_judged")), "{counts:?}");
    let came = came.lock().unwrap();
    assert_eq!(came.len(), 40);
    for [path, bearer, key] in came.iter() {
        let n = key.as_deref().unwrap().strip_prefix("hunter2-").unwrap();
        assert_eq!(path.as_deref(), Some(format!("/mqtt?key=hunter3&id=storm-{n}").as_str()));
        assert_eq!(*bearer, None);
    }
    drop(came);
    let all = everything(&ended);
    assert!(!all.contains("hunter"), "{all}");
    // What was taken out has to be put back before it runs again.
    let again =
        crate::run::tokenstorm(&["plan", ended.out.join("scenario.toml").to_str().unwrap()]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("was taken out of this file"), "{}", again.stderr);
}

#[test]
fn a_path_brings_the_token_percent_encoded_and_who_has_none_leaves_its_header_out() {
    let (url, came) = gateway(|request| {
        let is_empty = request.uri().query() == Some("access_token=");
        if is_empty { 401 } else { 101 }
    });
    let more = "[target.ws]\npath = \"/m/{n}?access_token={token:url}\"\nheaders = { X-Key = \"{token}\" }\n---\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"no_credentials\"\nshare = 1\n\
                [[mix]]\ntoken = \"quoted\"\nshare = 1\njudged = false\n";
    let ended = Storm::new(&scenario(&url, "clients = 60", more)).run();
    let summary = ended.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 60, "{:?}", ended.verdicts());
    let came = came.lock().unwrap();
    let (with, without): (Vec<_>, Vec<_>) = came.iter().partition(|[.., key]| key.is_some());
    assert!(with.len() > 5 && without.len() > 5, "{} {}", with.len(), without.len());
    let mut quoted = 0;
    for [path, _, key] in with {
        let (token, path) = (key.as_deref().unwrap(), path.as_deref().unwrap());
        let encoded = path.split_once("?access_token=").unwrap().1;
        assert_eq!(encoded.replace("%22", "\""), token);
        quoted += usize::from(encoded.starts_with("%22"));
    }
    assert!(quoted > 5, "{quoted}");
}

#[test]
fn a_token_with_bytes_that_no_header_carries_is_not_sent() {
    let (url, came) = gateway(|_| 101);
    let more = "token_in = \"ws_header\"\n---\n[[mix]]\ntoken = \"line_break_after\"\nshare = 1\n";
    let ended: Ended = Storm::new(&scenario(&url, "", more)).run();
    ended.expect(3);
    let counts = ended.verdicts();
    assert_eq!(counts["line_break_after local_error unfit_token not_judged"], 8, "{counts:?}");
    assert!(came.lock().unwrap().is_empty());
}

#[test]
fn client_ids_and_user_names_may_carry_every_byte_that_mqtt_allows() {
    let server = Server::answering(ACCEPT);
    let identity = "[identity]\nclient_id = \"é,\\\"{n}\\r\\n\\u0001\\u202e</script>\\u00a0\"\n\
                    username = \"=cmd|{client_id}'\\t\"\n[token.claims]\nsub = \"{username}\"\n[policy]\nbinds = [\"sub\"]\n";
    let ended = Storm::new(&scenario(&server.url(), "", &format!("---\n{identity}"))).run();
    ended.expect(0);
    for connect in server.received() {
        let n = connect.client_id.strip_prefix("é,\"").unwrap();
        let n = n.strip_suffix("\r\n\u{1}\u{202e}</script>\u{a0}").unwrap();
        assert!(n.parse::<u64>().is_ok());
        let username = String::from_utf8(connect.username.unwrap()).unwrap();
        assert_eq!(username, format!("=cmd|{}'\t", connect.client_id));
        let token = String::from_utf8(connect.password.unwrap()).unwrap();
        assert_eq!(claims(&token)["sub"], username);
    }
    let page = fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(!page.contains("\u{202e}</script>"));
    assert!(!everything(&ended).contains(SECRET));
}

#[test]
fn the_header_goes_through_tls_and_a_renewed_token_is_in_the_upgrade_of_its_own_connection() {
    let came = Came::default();
    let seen = Arc::clone(&came);
    let (address, tls, _folder) =
        tls_server(Asks::Nothing, move |stream| serve(stream, &|_| 101, &seen));
    let more = format!(
        "token_in = \"ws_header\"\n{tls}[token]\nttl = \"6s\"\n\
         [session]\nrenew = \"reconnect\"\nrenew_before = \"3s\"\ngrace = \"2s\"\n[policy]\non_expiry = \"keep\"\n"
    );
    let load = "clients = 3\nconcurrency = 3\nhold = \"4500ms\"";
    let ended =
        Storm::new(&scenario(&format!("wss://localhost:{}", address.port()), load, &more)).run();
    let summary = ended.summary();
    assert_eq!(summary["renewals"]["count"], 3, "{}", ended.stdout);
    assert_eq!(summary["outcomes"]["accepted"], 6, "{}", ended.stdout);
    let came = came.lock().unwrap();
    let tokens: BTreeSet<_> = came.iter().map(|[_, bearer, _]| bearer.clone().unwrap()).collect();
    assert_eq!((came.len(), tokens.len()), (6, 6));
}

#[test]
fn a_token_that_ended_after_the_gateway_had_looked_at_it_was_rightly_let_in() {
    // The upgrade is answered at once, CONNECT more than a second later, and tokens end in between.
    let address = listen(|stream| {
        let Some(mut socket) = asked(stream, &|_| 101, &Came::default()) else { return };
        let Ok(_) = socket.read() else { return };
        std::thread::sleep(std::time::Duration::from_millis(2500));
        let _ = socket.send(Message::binary(ACCEPT));
        while socket.read().is_ok() {}
    });
    let more =
        "token_in = \"ws_header\"\n---\n[token]\nttl = \"1s\"\n[policy]\non_expiry = \"keep\"\n";
    let ended = Storm::new(&scenario(&format!("ws://{address}"), "concurrency = 8", more)).run();
    let summary = ended.summary();
    // By CONNACK alone it would be a security failure; nobody can tell when it was decided.
    assert_eq!(summary["verdicts"]["indeterminate"], 8, "{:?}", ended.verdicts());
}

#[test]
fn clients_that_share_a_token_share_its_signature() {
    let server = Server::answering(ACCEPT);
    let keys = format!("{}/tests/keys", env!("CARGO_MANIFEST_DIR"));
    let more = format!(
        "---\n[keys.authorizer]\nalgorithm = \"RS256\"\nprivate_key = \"{keys}/rsa.pkcs8.pem\"\n[token]\nreuse = 4\n\
         [identity]\npassword = \"{{token}} {{signature}}\"\nsignature_key = \"authorizer\"\n"
    );
    // The key that only signs over tokens is none of those that could sign them: `token.key` is not asked for.
    Storm::new(&scenario(&server.url(), "", &more)).run().expect(0);
    let shown: BTreeSet<_> = server.received().into_iter().map(|it| it.password.unwrap()).collect();
    assert_eq!((server.received().len(), shown.len()), (8, 2));
}
