//! Keys of a server that is not the run's own, which come and go while clients bring tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    oauth::{JSON, Web, response, storm},
    run::Ended,
    server::Server,
};

const TAKEN: &[u8] = &[0x20, 3, 0, 0, 0];
const REFUSED: &[u8] = &[0x20, 3, 0, 0x87, 0];

fn token(kid: &str) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = format!("{{\"alg\":\"ES256\",\"kid\":\"{kid}\"}}");
    let token = format!("{}.{}.c2ln", part(header), part("{\"exp\":4000000000}".into()));
    response("200 OK", JSON, &json!({ "access_token": token }).to_string())
}

fn keys(kids: &[&str]) -> String {
    let keys: Vec<Value> = kids.iter().map(|kid| json!({ "kty": "EC", "kid": kid })).collect();
    response("200 OK", JSON, &json!({ "keys": keys }).to_string())
}

/// The discovery document of a server whose key set is at `/keys`.
pub(crate) fn discovery(own: &str) -> String {
    let document = json!({
        "issuer": own,
        "token_endpoint": format!("{own}/token"),
        "jwks_uri": format!("{own}/keys"),
    });
    response("200 OK", JSON, &document.to_string())
}

/// A server whose key set and tokens are these, by how many asked for them before.
fn server(
    set: impl Fn(usize) -> String + Send + Sync + 'static,
    kid: impl Fn(usize) -> &'static str + Send + Sync + 'static,
) -> Web {
    let asked = std::sync::Mutex::new((0, 0));
    Web::start(move |path, own| {
        let mut asked = asked.lock().unwrap();
        match path {
            "/.well-known/openid-configuration" => discovery(own),
            "/keys" => {
                asked.0 += 1;
                set(asked.0 - 1)
            }
            _ => {
                asked.1 += 1;
                token(kid(asked.1 - 1))
            }
        }
    })
}

fn run(web: &Web, answer: &'static [u8], policy: &str, set: &[&str]) -> Ended {
    let broker = Server::answering(answer);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url);
    let arguments: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    storm(&broker.url(), &oauth, &format!("[policy]\n{policy}\n")).run_with(&arguments)
}

const SLOWLY: &str = "load={ arrivals = \"constant\", stages = [{ rate = 10, for = \"4s\" }] }";

#[test]
fn a_broker_that_takes_a_withdrawn_key_lets_in_who_must_stay_out() {
    // The second client's key has not been seen, so that the set is looked at again soon.
    let web = server(
        |asked| if asked == 0 { keys(&["a"]) } else { keys(&["b"]) },
        |asked| if asked == 1 { "b" } else { "a" },
    );
    let ended = run(&web, TAKEN, "old_key_within = \"0s\"", &[SLOWLY]);
    let summary = ended.expect(1);
    let verdict = |name: &str| summary["verdicts"][name].as_u64().unwrap();
    assert!(verdict("false_accept") > 5 && verdict("correct") > 5, "{}", summary["verdicts"]);
    assert_eq!(
        (&summary["oauth"]["key_set"]["withdrawn"], &summary["oauth"]["key_set"]["appeared"]),
        (&1.into(), &1.into())
    );
    assert!(ended.stdout.contains("1 were withdrawn"), "{}", ended.stdout);
    // Where nothing is promised, both answers are right for ever.
    let web = server(
        |asked| if asked == 0 { keys(&["a"]) } else { keys(&["b"]) },
        |asked| if asked == 1 { "b" } else { "a" },
    );
    assert_eq!(run(&web, TAKEN, "", &[SLOWLY]).expect(0)["verdicts"]["false_accept"], 0);
}

#[test]
fn a_broker_that_refuses_a_withdrawn_key_is_not_accused() {
    let web = server(|asked| if asked == 0 { keys(&["a"]) } else { keys(&["b"]) }, |_| "a");
    let ended = run(&web, REFUSED, "old_key_within = \"0s\"", &[]);
    let summary = ended.summary();
    assert_eq!(summary["verdicts"]["false_reject"], 0, "{}", summary["verdicts"]);
    assert_eq!(summary["attempts"], 8);
    // As long as the key is there, it is.
    let web = server(|_| keys(&["a"]), |_| "a");
    let ended = run(&web, REFUSED, "old_key_within = \"0s\"", &[]);
    assert_eq!(ended.expect(1)["verdicts"]["false_reject"], 8);
}

#[test]
fn a_key_that_is_new_may_be_unknown_as_long_as_the_policy_says() {
    let web = || server(|asked| if asked == 0 { keys(&["a"]) } else { keys(&["a", "n"]) }, |_| "n");
    for policy in ["", "new_key_within = \"1h\""] {
        let ended = run(&web(), REFUSED, policy, &[]);
        let summary = ended.expect(3);
        assert_eq!(summary["verdicts"]["correct"], 8, "{policy}: {}", summary["verdicts"]);
    }
    let ended = run(&web(), REFUSED, "new_key_within = \"0s\"", &[SLOWLY]);
    assert!(ended.expect(1)["verdicts"]["false_reject"].as_u64().unwrap() > 5);
}

#[test]
fn a_key_set_that_is_not_to_be_had_changes_nothing_and_is_told() {
    for answer in [
        response("503 Service Unavailable", "", ""),
        response("200 OK", JSON, "{"),
        response("200 OK", JSON, "{\"keys\":7}"),
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned(),
    ] {
        let web = server(move |_| answer.clone(), |_| "a");
        let ended = run(&web, TAKEN, "old_key_within = \"0s\"", &[]);
        let summary = ended.expect(0);
        assert_eq!(summary["verdicts"]["correct"], 8);
        assert_eq!(summary["oauth"]["key_set"]["fetched"], 0);
        assert!(ended.stdout.contains("could not be watched"), "{}", ended.stdout);
    }
}

#[test]
fn a_set_that_is_empty_for_a_while_accuses_no_broker() {
    for answer in [TAKEN, REFUSED] {
        // The second client's key has not been seen, so that the set is looked at again soon.
        let web = server(
            |asked| if asked == 0 { keys(&["a"]) } else { keys(&[]) },
            |asked| if asked == 1 { "b" } else { "a" },
        );
        let ended = run(&web, answer, "old_key_within = \"0s\"", &[SLOWLY]);
        let summary = ended.summary();
        assert_eq!(summary["verdicts"]["false_accept"], 0, "{}", summary["verdicts"]);
        assert_eq!(summary["oauth"]["key_set"]["withdrawn"], 0);
        assert!(ended.stdout.contains("could not be watched"), "{}", ended.stdout);
        if answer == REFUSED {
            // Those before the set was empty were refused without a reason.
            let refused = summary["verdicts"]["false_reject"].as_u64().unwrap();
            assert!(refused <= 1, "{}", summary["verdicts"]);
        }
    }
}

#[test]
fn tokens_whose_key_is_in_no_set_are_named_as_what_leaves_both_answers_open() {
    let web = server(|_| keys(&["a"]), |_| "b");
    let ended = run(&web, REFUSED, "", &[]);
    assert_eq!(ended.expect(3)["oauth"]["key_set"]["unlisted"], 8);
    assert!(ended.stdout.contains("8 tokens named a key"), "{}", ended.stdout);
}
