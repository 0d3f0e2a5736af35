//! Tokens that a server issued are judged by the whole policy: what they claim, how they are signed, and what nobody knows.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    oauth::{JSON, Web, response, storm, tokens},
    run::{Ended, rows},
    server::Server,
};

const TAKEN: &[u8] = &[0x20, 3, 0, 0, 0];
const REFUSED: &[u8] = &[0x20, 3, 0, 0x87, 0];

const CLAIMS: &str = "{\"exp\":4000000000,\"iss\":\"https://idp.example\",\"aud\":\"mqtt\"}";
const POLICY: &str = "[policy]\nchecks = [\"exp\", \"iss\", \"aud\"]\n";
const RIGHT: &str = "token.claims={ iss = \"https://idp.example\", aud = \"mqtt\" }";

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn jwt(header: &str, claims: &str) -> String {
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
