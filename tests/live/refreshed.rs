//! Tokens of Keycloak for later turns: by refresh tokens that stay good, that are good once, whose answer is lost, and whose
//! session ends.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::{broker::Broker, run::Storm};

/// Eight clients `IDENTITY-N` that renew tokens of 6 s, which they get by `oauth`, for so long.
fn renewing(keycloak: &Broker, realm: &str, [identity, oauth, hold]: [&str; 3]) -> Value {
    let jwks = format!("{}/protocol/openid-connect/certs", keycloak.get(realm));
    let storm = Storm::new(&format!(
        "name = \"refreshed\"\n[target]\nbrokers = [\"embedded\"]\nprofile = \"rmqtt\"\njwks = {{ url = \"{jwks}\" }}\n\
         [load]\nclients = 8\nconcurrency = 4\nhold = \"{hold}\"\n[identity]\nclient_id = \"{identity}-{{n}}\"\n\
         [session]\nrenew = \"reconnect\"\nrenew_before = \"2500ms\"\nreconnect = \"fresh_token\"\n\
         backoff = {{ first = \"200ms\" }}\n\
         [token]\nsource = \"oauth\"\n[token.claims]\naud = \"mqtt\"\nsub = \"{{client_id}}\"\n\
         [oauth]\n{oauth}\nclient_auth = \"post\"\nclient_secret = \"of-no-value-{{client_id}}\"\nretries = 3\n\
         [policy]\non_expiry = \"disconnect\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
    ));
    let summary = storm.run().expect(0);
    assert_eq!(summary["verdicts"]["correct"], summary["attempts"], "{summary}");
    assert_eq!(summary["renewals"]["failed"], 0, "{summary}");
    assert_eq!(summary["renewals"]["late"], 0, "{summary}");
    summary
}

fn of_refreshes(summary: &Value) -> [u64; 4] {
    ["brought", "lost", "refused", "logins"]
        .map(|name| summary["oauth"]["refreshes"][name].as_u64().unwrap())
}

/// A way to a server at which the first `many` answers to a refresh are lost.
fn losing(server: &str, many: usize) -> String {
    let server = server.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let lost = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&server).unwrap();
            let is_refresh = Arc::new(AtomicUsize::new(0));
            let (lost, seen) = (Arc::clone(&lost), Arc::clone(&is_refresh));
            let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || {
                pass(from, to, |bytes| {
                    let text = String::from_utf8_lossy(bytes);
                    let refreshes = text.contains("grant_type=refresh_token");
                    seen.store(usize::from(refreshes), Ordering::SeqCst);
                    true
                });
            });
            thread::spawn(move || {
                pass(far, near, |_| {
                    let refreshes = is_refresh.load(Ordering::SeqCst) == 1;
                    !refreshes || lost.fetch_add(1, Ordering::SeqCst) >= many
                });
            });
        }
    });
    address
}

/// Passes on what comes until `goes_on` says no: then both ends are closed.
fn pass(mut from: TcpStream, mut to: TcpStream, goes_on: impl Fn(&[u8]) -> bool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !goes_on(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
#[ignore = "needs Keycloak: scripts/test-live"]
fn keycloaks_refresh_tokens_bring_the_tokens_of_later_turns_whether_each_is_good_once_or_not() {
    let keycloak = Broker::start("keycloak");
    for realm in ["ISSUER", "ISSUER_REFRESH_ONCE"] {
        let issuer = format!("issuer = \"{}\"", keycloak.get(realm));
        let summary = renewing(&keycloak, realm, ["session", &issuer, "9s"]);
        let renewed = summary["renewals"]["count"].as_u64().unwrap();
        assert!(renewed >= 16, "{summary}");
        let [brought, rest @ ..] = of_refreshes(&summary);
        // A client may leave while its last token is on the way.
        assert!((renewed..=renewed + 8).contains(&brought), "{realm}: {brought} of {renewed}");
        assert_eq!(rest, [0, 0, 0], "{realm}");
        assert_eq!(summary["lifetime"]["outlived"], 0, "{summary}");
    }
}

#[test]
#[ignore = "needs Keycloak: scripts/test-live"]
fn after_an_answer_of_keycloak_that_was_lost_each_client_logs_in_anew() {
    let keycloak = Broker::start("keycloak");
    let issuer = keycloak.get("ISSUER_REFRESH_ONCE");
    let (server, path) = issuer.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let proxy = losing(server, 8);
    let endpoint =
        format!("token_endpoint = \"http://{proxy}/{path}/protocol/openid-connect/token\"");
    let summary = renewing(&keycloak, "ISSUER_REFRESH_ONCE", ["session", &endpoint, "9s"]);
    let [brought, lost, refused, logins] = of_refreshes(&summary);
    // Sent again, each of them would have ended its client's session.
    assert_eq!((lost, refused, logins), (8, 0, 8), "{summary}");
    let renewed = summary["renewals"]["count"].as_u64().unwrap();
    assert!((renewed..=renewed + 8).contains(&(brought + logins)), "{summary}");
    assert_eq!(summary["oauth"]["retries"], 0);
}

#[test]
#[ignore = "needs Keycloak: scripts/test-live"]
fn when_a_session_of_keycloak_comes_to_its_end_tokens_get_shorter_and_then_clients_log_in_anew() {
    let keycloak = Broker::start("keycloak");
    let issuer = format!("issuer = \"{}\"", keycloak.get("ISSUER"));
    let summary = renewing(&keycloak, "ISSUER", ["ending", &issuer, "20s"]);
    let [brought, lost, refused, logins] = of_refreshes(&summary);
    assert!(brought >= 16 && refused >= 8, "{summary}");
    assert_eq!((lost, logins), (0, refused), "{summary}");
    assert!(summary["renewals"]["at_half_life"].as_u64().unwrap() >= 8, "{summary}");
    assert_eq!(summary["renewals"]["token_failed"], 0, "{summary}");
    // Its last token lasts too short to be renewed: it ends on the connection, and the client comes back by a login.
    let returns = |key: &str| summary["returns"][key].as_u64().unwrap();
    // The run may end while the next such token has just ended.
    assert_eq!(returns("back") + returns("still_away"), returns("drops"), "{summary}");
    assert!(returns("back") >= 8 && returns("gave_up") == 0, "{summary}");
    assert_eq!(summary["lifetime"]["outlived"], 0, "{summary}");
}
