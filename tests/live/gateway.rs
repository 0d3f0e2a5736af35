//! A gateway that reads the token in a header of the WebSocket upgrade, before a broker that lets everybody in.

use std::collections::BTreeMap;

use crate::{
    broker::Broker,
    run::{Storm, everything, read_json, tokenstorm},
};

/// Clients that bring these kinds of token in a header; `more` stands at the end.
fn storm(broker: &Broker, mix: &[&str], more: &str) -> Storm {
    let mix: Vec<String> =
        mix.iter().map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).collect();
    Storm::new(&format!(
        "name = \"gateway\"\n[target]\nbrokers = [\"{}/mqtt\"]\nprofile = \"strict\"\ntoken_in = \"ws_header\"\n\
         [load]\nclients = 80\nconcurrency = 8\nhold = \"0s\"\n[keys.main]\nalgorithm = \"RS256\"\nprivate_key = \"{}\"\n\
         [token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{client_id}}\"\n{}\
         [policy]\nchecks = [\"exp\", \"nbf\", \"iss\", \"aud\"]\nrequires = [\"exp\"]\nunknown_kid = \"ignore\"\n\
         encoding = \"lenient\"\n{more}",
        broker.get("WS"),
        broker.get("RS256_PRIVATE_KEY"),
        mix.concat()
    ))
}

#[test]
#[ignore = "needs haproxy and Mosquitto: scripts/test-live"]
fn haproxy_refuses_bad_tokens_of_a_header_by_the_status_of_the_upgrade() {
    let broker = Broker::start("gateway");
    let kinds = [
        ("fresh", "accepted 0 correct"),
        ("expired", "refused 403 correct"),
        ("wrong_audience", "refused 403 correct"),
        ("wrong_key", "refused 401 correct"),
        ("alg_none", "refused 401 correct"),
        ("not_a_jwt", "refused 401 correct"),
        ("no_credentials", "refused 401 correct"),
    ];
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
    let run = storm(&broker, &names, "").run();
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 80, "{:?}", run.verdicts());
    let seen = run.verdicts();
    for (kind, answer) in kinds {
        assert!(seen.contains_key(&format!("{kind} {answer}")), "{kind}: {seen:?}");
    }
    assert_eq!(summary["upgrade_brings_token"], true);
    let (refused, accepted) = (&summary["outcomes"]["refused"], &summary["outcomes"]["accepted"]);
    assert_eq!(summary["phases"]["ws_upgrade"]["count"], 80);
    assert_eq!(&summary["phases"]["connack"]["count"], accepted);
    assert!(refused.as_u64() > Some(20));
    assert!(!everything(&run).contains("eyJ"));
    // A gateway whose policy is told to answer by 401 alone answers some by another.
    let strict = "refuses_with = { http = [401] }\n";
    let run = storm(&broker, &["expired", "wrong_key"], strict).run();
    run.expect(1);
    let seen = run.verdicts();
    assert!(seen.contains_key("expired refused 403 wrong_reason"), "{seen:?}");
    assert!(seen.contains_key("wrong_key refused 401 correct"), "{seen:?}");
}

#[test]
#[ignore = "needs haproxy and Mosquitto: scripts/test-live"]
fn every_entry_that_a_header_carries_is_sent_to_haproxy_and_what_it_lets_in_is_known() {
    let broker = Broker::start("gateway");
    let storm = storm(&broker, &["fresh"], "");
    let (path, out) = (storm.scenario(), storm.out());
    let arguments = ["matrix", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let ended = tokenstorm(&[&arguments[..], &["--progress", "none"]].concat());
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let matrix = read_json(&out.join("matrix.json")).unwrap();
    let cells = matrix["cells"].as_array().unwrap();
    let mut by_verdict: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell["protocol"] == 5) {
        let verdict = cell["verdict"].as_str().unwrap();
        by_verdict.entry(verdict).or_default().push(cell["defect"].as_str().unwrap());
    }
    // `jwt_payload_query` reads the JSON of a token loosely.
    let mut let_in = by_verdict["false_accept"].clone();
    let_in.sort_unstable();
    let known = [
        "b64_false_crit",
        "crit_absent",
        "crit_unknown",
        "duplicate_alg_none",
        "duplicate_exp_past",
        "exp_digits",
        "exp_negative",
        "nbf_null",
        "payload_garbage",
        "utf8_invalid",
        "utf8_overlong",
    ];
    assert_eq!(let_in, known);
    assert!(by_verdict["correct"].len() > 140, "{by_verdict:?}");
    let skipped = matrix["skipped"].as_array().unwrap();
    let has = |name: &str, why: &str| {
        skipped
            .iter()
            .any(|it| it["defect"] == name && it["reason"].as_str().unwrap().contains(why))
    };
    assert!(has("line_break_after", "no header carries") && has("no_password", "in a text"));
}
