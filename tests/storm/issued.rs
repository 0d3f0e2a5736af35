//! Tokens that a server issued are judged by the whole policy: what they claim, how they are signed, and what nobody knows.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokenstorm::base::clock::wall_seconds;

use crate::{
    oauth::{JSON, Web, response, storm, tokens},
    run::{Ended, Storm, rows},
    server::{Connect, Server, until_closed},
};

const TAKEN: &[u8] = &[0x20, 3, 0, 0, 0];
const REFUSED: &[u8] = &[0x20, 3, 0, 0x87, 0];

const CLAIMS: &str = "{\"exp\":4000000000,\"iss\":\"https://idp.example\",\"aud\":\"mqtt\"}";
const POLICY: &str = "[policy]\nchecks = [\"exp\", \"iss\", \"aud\"]\n";
const RIGHT: &str = "token.claims={ iss = \"https://idp.example\", aud = \"mqtt\" }";

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(crate) fn jwt(header: &str, claims: &str) -> String {
    format!("{}.{}.c2ln", part(header), part(claims))
}

fn issuing(token: &str) -> Web {
    let answer = json!({ "access_token": token, "token_type": "bearer" }).to_string();
    tokens(response("200 OK", JSON, &answer))
}

/// A run with this token at a broker that gives this answer.
fn judged(token: &str, answer: &'static [u8], policy: &str, set: &[&str]) -> Ended {
    let server = Server::answering(answer);
    let web = issuing(token);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url);
    let mut arguments = Vec::new();
    for set in set {
        arguments.extend(["--set", set]);
    }
    storm(&server.url(), &oauth, policy).run_with(&arguments)
}

#[test]
fn a_token_for_another_audience_is_refused_rightly_and_said_to_be_wrong_once() {
    let other = jwt("{\"alg\":\"RS256\"}", &CLAIMS.replace("mqtt", "account"));
    let run = judged(&other, REFUSED, POLICY, &[RIGHT]);
    let summary = run.expect(3);
    assert_eq!(summary["verdicts"]["correct"], 8);
    assert_eq!(summary["nothing_good"], json!(["identity"]));
    assert_eq!(summary["oauth"]["to_refuse"], json!({ "aud": 8 }));
    assert_eq!(run.stdout.matches("its `aud` is not the right one").count(), 1, "{}", run.stdout);
    assert!(!run.stdout.contains("good tokens were refused"), "{}", run.stdout);
    // The same let in is what a run is for.
    let run = judged(&other, TAKEN, POLICY, &[RIGHT]);
    assert_eq!(run.expect(1)["verdicts"]["false_accept"], 8);
}

#[test]
fn a_token_of_another_issuer_that_is_let_in_is_a_false_accept() {
    let other = jwt("{\"alg\":\"RS256\"}", &CLAIMS.replace("idp.example", "other.example"));
    let run = judged(&other, TAKEN, POLICY, &[RIGHT]);
    assert_eq!(run.expect(1)["verdicts"]["false_accept"], 8);
    let good = jwt("{\"alg\":\"RS256\"}", CLAIMS);
    let summary = judged(&good, TAKEN, POLICY, &[RIGHT]).expect(0);
    assert_eq!(summary["verdicts"]["correct"], 8);
    assert!(summary["oauth"].get("to_refuse").is_none(), "{}", summary["oauth"]);
    assert_eq!(judged(&good, REFUSED, POLICY, &[RIGHT]).expect(1)["verdicts"]["false_reject"], 8);
}

#[test]
fn nobody_may_take_none_and_what_has_no_name_here_judges_nobody() {
    for none in ["none", "None", "NONE"] {
        let token = jwt(&format!("{{\"alg\":\"{none}\"}}"), CLAIMS);
        let run = judged(&token, TAKEN, "", &[]);
        assert_eq!(run.expect(1)["verdicts"]["false_accept"], 8, "{none}");
    }
    let es512 = jwt("{\"alg\":\"ES512\"}", CLAIMS);
    for answer in [TAKEN, REFUSED] {
        let run = judged(&es512, answer, "", &[]);
        let summary = run.expect(3);
        assert_eq!(summary["nothing_promised"], true);
        assert_eq!(summary["oauth"]["open"], json!({ "alg ES512": 8 }));
        assert_eq!(rows(&run.out.join("verdicts.csv"))[0]["expected"], "either");
        assert_eq!(run.stdout.matches("ES512").count(), 1, "{}", run.stdout);
        assert!(run.stderr.contains("nothing was judged"), "{}", run.stderr);
    }
    // A list that somebody wrote is a promise.
    let written = "[policy]\nalgorithms = [\"RS256\"]\n";
    assert_eq!(judged(&es512, TAKEN, written, &[]).expect(1)["verdicts"]["false_accept"], 8);
    judged(&es512, REFUSED, written, &[]).expect(3);
}

#[test]
fn what_is_no_jwt_says_nothing_and_is_never_shown() {
    let jwe = format!("{}.key.iv.text.tag", part("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}"));
    let long = "opaque-token-that-must-not-leak".repeat(700);
    for token in [
        "opaque-token-that-must-not-leak".to_owned(),
        long,
        jwe,
        jwt("{\"alg\":\"RS256\"}", "[\"no object\"]"),
        format!(
            "{}.{}.c2ln",
            part("{\"alg\":\"RS256\"}"),
            URL_SAFE_NO_PAD.encode(b"{\"a\":\"\xff\"}")
        ),
        jwt("{\"alg\":\"RS256\"}", "{\"exp\":1,\"exp\":4000000000}"),
        jwt("{\"alg\":\"ES256K-and-far-too-long-a-name-to-show\"}", CLAIMS),
    ] {
        for answer in [TAKEN, REFUSED] {
            let run = judged(&token, answer, "", &[]);
            let summary = run.expect(3);
            assert_eq!(summary["verdicts"]["correct"], 8, "{token}");
            let said = crate::run::everything(&run);
            assert!(!said.contains("must-not-leak") && !said.contains("too-long-a-name"));
            assert!(!said.contains(&token), "{token}");
        }
    }
}

#[test]
fn a_claim_of_another_client_that_the_policy_binds_has_to_be_refused() {
    let bound = "[policy]\nbinds = [\"clientid\"]\nrequires = [\"role\"]\n";
    let claims = "{\"exp\":4000000000,\"clientid\":\"storm-3\",\"role\":7}";
    let run = judged(&jwt("{\"alg\":\"RS256\"}", claims), TAKEN, bound, &[]);
    let summary = run.expect(1);
    assert_eq!(
        (&summary["verdicts"]["false_accept"], &summary["verdicts"]["correct"]),
        (&7.into(), &1.into())
    );
    assert_eq!(summary["oauth"]["to_refuse"], json!({ "binds": 7 }));
}

fn claims_of(connect: &Connect) -> Value {
    let token = String::from_utf8(connect.password.clone().unwrap()).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A broker that lets in whom `is_good` says, and what it said, in order.
fn verifying(
    is_good: impl Fn(&Connect, &Value) -> bool + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Vec<bool>>>) {
    let said: Arc<Mutex<Vec<bool>>> = Arc::default();
    let seen = Arc::clone(&said);
    let server = Server::start(move |stream, connect| {
        let is_let_in = is_good(connect, &claims_of(connect));
        seen.lock().unwrap().push(is_let_in);
        stream.write_all(if is_let_in { TAKEN } else { REFUSED }).unwrap();
        until_closed(stream);
    });
    (server, said)
}

/// A mix of 24 clients that fetch from the run's own issuer, one at a time.
fn mixed(server: &Server, kind: &str, ttl: &str, policy: &str) -> Storm {
    let issuer = format!("[issuer]\nkeys = [\"main\"]\nttl = \"{ttl}\"\n{policy}");
    let mix = format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n");
    storm(&server.url(), "client_secret = \"x-{client_id}\"", &format!("{issuer}{mix}"))
}

const ONE_AT_A_TIME: [&str; 4] = ["--set", "load.clients=24", "--set", "load.concurrency=1"];

#[test]
fn an_expired_token_is_fetched_and_waited_for_without_a_slot() {
    let (server, said) = verifying(|_, claims| {
        let now = wall_seconds();
        now < claims["exp"].as_f64().unwrap()
    });
    let run = mixed(&server, "expired", "2s", "").run_with(&ONE_AT_A_TIME);
    let summary = run.expect(0);
    let kinds = &summary["by_token"];
    assert_eq!(kinds["expired"]["outcomes"]["refused"], kinds["expired"]["attempts"]);
    assert_eq!(kinds["fresh"]["outcomes"]["accepted"], kinds["fresh"]["attempts"]);
    assert!(kinds["expired"]["attempts"].as_u64().unwrap() > 3, "{kinds}");
    assert_eq!(summary["verdicts"]["correct"], 24);
    // The wait is none of the generator's lateness.
    let latest = summary["phases"]["start_delay"]["max_us"].as_f64().unwrap();
    assert!(latest < 1_500_000.0, "{latest}");
    // Whoever waits keeps nobody else from starting, though there is one slot.
    let said = said.lock().unwrap();
    assert!(said.is_sorted_by(|before, after| before >= after), "{said:?}");
}

#[test]
fn a_token_that_has_ended_when_its_client_comes_is_not_late() {
    let (server, _) = verifying(|_, claims| wall_seconds() < claims["exp"].as_f64().unwrap());
    let load =
        "load={ hold = \"0s\", arrivals = \"constant\", stages = [{ rate = 6, for = \"6s\" }] }";
    let run = mixed(&server, "expired", "1s", "").run_with(&["--set", load]);
    let summary = run.expect(0);
    // All tokens ended two seconds after the start, and the last clients are due four seconds later.
    let latest = summary["phases"]["start_delay"]["max_us"].as_f64().unwrap();
    assert!(latest < 1_500_000.0, "{latest}");
}

#[test]
fn a_token_that_will_not_end_is_not_waited_for() {
    let (server, _) = verifying(|_, _| true);
    let mut arguments = ONE_AT_A_TIME.to_vec();
    arguments.extend(["--set", "thresholds={ \"verdict.not_judged\" = [\"rate < 1\"] }"]);
    let run = mixed(&server, "expired", "1h", "").run_with(&arguments);
    let summary = run.expect(0);
    let expired = &summary["by_token"]["expired"];
    assert_eq!(expired["outcomes"]["token_failed"], expired["attempts"]);
    let verdicts = run.verdicts();
    assert_eq!(
        Some(verdicts["expired token_failed still_valid not_judged"]),
        expired["attempts"].as_u64()
    );
}

#[test]
fn a_stolen_token_is_that_of_the_client_before() {
    let (server, said) =
        verifying(|connect, claims| claims["clientid"] == connect.client_id.as_str());
    let policy = "[policy]\nbinds = [\"clientid\"]\n";
    let run = mixed(&server, "stolen", "1h", policy).run_with(&ONE_AT_A_TIME);
    let summary = run.expect(0);
    let kinds = &summary["by_token"];
    assert_eq!(summary["verdicts"]["correct"], 24);
    assert_eq!(kinds["stolen"]["outcomes"]["refused"], kinds["stolen"]["attempts"]);
    let stolen = said.lock().unwrap().iter().filter(|is_let_in| !**is_let_in).count();
    assert_eq!(Some(stolen as u64), kinds["stolen"]["attempts"].as_u64());
    let number = |id: &str| id.rsplit('-').next().unwrap().parse::<i64>().unwrap();
    let mut tokens = BTreeSet::new();
    for connect in server.received() {
        let claims = claims_of(&connect);
        let (own, of) = (number(&connect.client_id), number(claims["clientid"].as_str().unwrap()));
        assert!(of == own || of == own - 1 || (own, of) == (0, 1), "{own} brought that of {of}");
        tokens.insert((of, claims["jti"].as_str().unwrap().to_owned()));
    }
    let subjects: BTreeSet<i64> = tokens.iter().map(|(of, _)| *of).collect();
    assert_eq!(tokens.len(), subjects.len(), "each token was fetched once");
    assert_eq!(summary["oauth"]["fetched"], tokens.len());
}

#[test]
fn what_fetched_tokens_lack_is_said_at_once_and_what_does_nothing_is_refused() {
    let server = Server::answering(TAKEN);
    let foreign = "token_endpoint = \"http://127.0.0.1:9/\"\nclient_secret = \"x\"";
    let policy = "[policy]\nchecks = [\"exp\", \"iss\", \"aud\"]\nbinds = [\"sub\", \"clientid\"]\nrequires = [\"role\", \"nbf\"]\n";
    let lacking = storm(&server.url(), foreign, policy).run();
    assert_eq!(lacking.code, Some(2), "{}", lacking.stderr);
    for part in ["`iss = ", "`aud = ", "`sub = ", "are missing"] {
        assert!(lacking.stderr.contains(part), "{part}: {}", lacking.stderr);
    }
    // What is there, and what only has to be in the tokens, is not asked for.
    for part in ["clientid", "role", "nbf"] {
        assert!(!lacking.stderr.contains(part), "{part}: {}", lacking.stderr);
    }
    for (set, named) in [
        ("token.ttl=1h", "`token.ttl` does nothing here"),
        ("token.key=main", "`token.key` does nothing here"),
        ("token.bytes=2000", "`token.bytes` does nothing here"),
    ] {
        let run = storm(&server.url(), foreign, "").run_with(&["--set", set]);
        assert_eq!(run.code, Some(2), "{set}: {}", run.stderr);
        assert!(run.stderr.contains(named), "{set}: {}", run.stderr);
    }
    let both = ["--set", "token.ttl=1h", "--set", "token.key=main"];
    let run = storm(&server.url(), foreign, "").run_with(&both);
    assert!(run.stderr.contains("`token.ttl` and `token.key` do nothing"), "{}", run.stderr);
    // With the run's own server they are its defaults.
    let own = mixed(&server, "not_a_jwt", "1h", "").run_with(&both);
    own.expect(1);
    for (mix, part) in [
        (
            "[policy]\nbinds = [\"clientid\"]\n[[mix]]\ntoken = \"stolen\"\nshare = 1\n",
            "no other client",
        ),
        ("[[mix]]\ntoken = \"expired\"\nshare = 1\n", "which no client waits"),
    ] {
        let load = if mix.contains("stolen") {
            ["--set", "load={ clients = 1, concurrency = 1 }"]
        } else {
            ["--set", "load={ mode = \"churn\", concurrency = 1, for = \"1s\" }"]
        };
        let run = storm(&server.url(), foreign, mix).run_with(&load);
        assert_eq!(run.code, Some(2), "{mix}: {}", run.stderr);
        assert!(run.stderr.contains(part), "{mix}: {}", run.stderr);
    }
}

fn planned(storm: &Storm, set: &[&str]) -> String {
    let out = crate::run::program()
        .arg("plan")
        .arg(storm.scenario())
        .args(set.iter().flat_map(|set| ["--set", set]))
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn a_plan_says_of_fetched_tokens_only_what_it_knows() {
    let server = Server::answering(TAKEN);
    let foreign = "token_endpoint = \"http://127.0.0.1:9/\"\nclient_secret = \"x\"";
    let said = planned(&storm(&server.url(), foreign, ""), &["load.hold=1h"]);
    assert!(said.contains("a plan can't know") && !said.contains("no token of"), "{said}");
    assert!(said.contains("judged by what it says") && !said.contains("minted"), "{said}");
    let said = planned(&mixed(&server, "not_a_jwt", "2s", ""), &["load.hold=1h"]);
    assert!(said.contains("2s after each connect"), "{said}");
}

#[test]
fn a_made_key_of_an_assertion_is_missed_by_the_server_and_not_by_the_broker() {
    let server = Server::answering(TAKEN);
    let foreign = "token_endpoint = \"http://127.0.0.1:9/\"\nprivate_key_jwt = \"own\"";
    let own = "keys.own={ algorithm = \"ES256\", generate = true }";
    let said = planned(&storm(&server.url(), foreign, ""), &[own]);
    assert!(said.contains("the server that `[oauth]` names can't know it"), "{said}");
    assert!(!said.contains("`own` is made for this run, and `mqtt"), "{said}");
}
