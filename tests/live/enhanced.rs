//! Tokens as authentication data at brokers of other makers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    broker::Broker,
    run::{Storm, read_json, rows, tokenstorm},
    verdicts::CLAIMS,
};

/// Clients that bring their tokens as `token_in` says, and what they bring.
fn storm(broker: &Broker, token_in: &str, mix: &[&str]) -> Storm {
    let mix: Vec<String> =
        mix.iter().map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).collect();
    Storm::new(&format!(
        "name = \"enhanced\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"mosquitto-jwt\"\n{token_in}\n[load]\nclients = 60\nconcurrency = 6\nhold = \"0s\"\n\
         [identity]\nclient_id = \"storm-{{n}}\"\nusername = \"user-{{n}}\"\n\
         [keys.main]\nalgorithm = \"ES256\"\nkid = \"es256\"\nprivate_key = \"{}\"\n{CLAIMS}{}",
        broker.get("MQTT"),
        broker.get("ES256_PRIVATE_KEY"),
        mix.concat()
    ))
}

fn by_method(method: &str) -> String {
    format!("token_in = \"auth_data\"\nauth_method = \"{method}\"")
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_with_a_plugin_takes_tokens_by_enhanced_authentication_with_and_without_a_challenge() {
    let broker = Broker::start("mosquitto-jwt");
    let kinds = ["fresh", "expired", "wrong_key", "stolen", "not_a_jwt"];
    for (method, is_challenged) in [("OAUTH2-JWT", false), ("OAUTH2-JWT-CHALLENGED", true)] {
        let run = storm(&broker, &by_method(method), &kinds).run();
        let summary = run.expect(0);
        assert_eq!(summary["verdicts"]["correct"], 60, "{:?}", run.verdicts());
        let accepted = run.verdicts()["fresh accepted 0 correct"];
        assert!((1..60).contains(&accepted), "{:?}", run.verdicts());
        let challenged = summary["auth_challenged"].as_u64().unwrap();
        assert_eq!(challenged, if is_challenged { 60 } else { 0 }, "{method}");
    }
    let run = storm(&broker, &by_method("OTHER"), &["fresh"]).run();
    run.expect(1);
    assert_eq!(run.verdicts()["fresh refused 140 false_reject"], 60, "{:?}", run.verdicts());
}

/// The verdicts of a matrix in MQTT 5.0, by entry of the catalogue.
fn verdicts(storm: &Storm) -> BTreeMap<String, String> {
    let (path, out) = (storm.scenario(), storm.out());
    let ended = tokenstorm(&[
        "matrix",
        path.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--progress",
        "none",
    ]);
    let matrix = read_json(&out.join("matrix.json")).unwrap_or_else(|| panic!("{}", ended.stderr));
    let cells = matrix["cells"].as_array().unwrap().iter();
    let text = |cell: &Value, name: &str| cell[name].as_str().unwrap().to_owned();
    cells
        .filter(|cell| cell["protocol"] == 5)
        .map(|cell| (text(cell, "defect"), text(cell, "verdict")))
        .collect()
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquittos_plugin_verifies_authentication_data_as_it_does_passwords() {
    let broker = Broker::start("mosquitto-jwt");
    let by_data = verdicts(&storm(&broker, &by_method("OAUTH2-JWT"), &["fresh"]));
    let by_password = verdicts(&storm(&broker, "", &["fresh"]));
    let mut compared = 0;
    for (name, verdict) in &by_data {
        if let Some(other) = by_password.get(name) {
            compared += 1;
            assert_eq!(verdict, other, "{name}");
        }
    }
    assert!(compared > 150, "{compared}");
    // What only authentication data can be.
    for name in ["data_without_method", "no_data", "empty_data", "method_twice"] {
        assert_eq!(by_data[name], "correct", "{name}");
    }
    // A bad token in AUTH is answered by a CONNACK, one with another method as MQTT asks for.
    for (name, verdict) in by_data.iter().filter(|(name, _)| name.starts_with("reauth_")) {
        let is_told = matches!(name.as_str(), "reauth_fresh" | "reauth_unknown_method");
        assert_eq!(verdict, if is_told { "correct" } else { "not_judged" }, "{name}");
    }
    // It closes with the rest of that packet unread, which makes a reset: that says nothing.
    assert_eq!(by_data["auth_first"], "not_judged");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_refuses_in_auth_what_it_refuses_in_connect_and_takes_what_is_good() {
    let broker = Broker::start("mosquitto-jwt");
    let kinds = ["fresh", "expired", "wrong_key", "stolen", "not_a_jwt"];
    for method in ["OAUTH2-JWT", "OAUTH2-JWT-CHALLENGED"] {
        let entries: Vec<String> =
            kinds.iter().map(|kind| format!("{{ token = \"{kind}\", share = 1 }}")).collect();
        let session = format!(
            "[session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\nrenew_with = [{}]\n\
             [policy]\nreauthentication = \"accept\"\n[token]\nttl = \"6s\"\n",
            entries.join(", ")
        );
        let text =
            std::fs::read_to_string(storm(&broker, &by_method(method), &["fresh"]).scenario())
                .unwrap()
                .replace("concurrency = 6\nhold = \"0s\"", "concurrency = 60\nhold = \"4500ms\"")
                .replace("[keys.main]", &format!("{session}[keys.main]"));
        let run = Storm::new(&text).run();
        let summary = run.expect(0);
        let reauth = &summary["operations"]["reauthenticate"];
        assert_eq!(reauth["count"], 60, "{method}: {reauth}");
        let rows = rows(&run.out.join("operations.csv"));
        let rows: Vec<_> = rows.iter().filter(|row| row["operation"] == "reauthenticate").collect();
        for row in &rows {
            // It says no to each bad token, and says it by a CONNACK, which nothing is concluded from.
            let wanted = match row["token"].as_str() {
                "fresh" => ("accept", "renewed", "0", "correct"),
                _ => ("refuse", "protocol_error", "second_connack", "not_judged"),
            };
            let [expected, outcome, code, verdict] =
                ["expected", "outcome", "code", "verdict"].map(|name| row[name].as_str());
            assert_eq!((expected, outcome, code, verdict), wanted, "{method}: {row:?}");
        }
        assert_eq!(rows.len(), kinds.len(), "each kind was drawn");
    }
}
