//! `HiveMQ` with an extension that takes tokens by enhanced authentication: in one round, in two, again on a live connection, and
//! with an end when the token ends.

use std::collections::BTreeSet;

use crate::{
    broker::{Broker, Stopped},
    run::{Storm, read_json, rows, tokenstorm},
};

/// Clients whose tokens `target` brings; `more` stands at the end.
fn storm(broker: &Broker, target: &str, load: &str, more: &str) -> Storm {
    Storm::new(&format!(
        "name = \"hivemq\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"hivemq\"\n{target}\n[load]\n{load}\n\
         [identity]\nclient_id = \"storm-{{n}}\"\nusername = \"user-{{n}}\"\n\
         [keys.main]\nalgorithm = \"ES256\"\nprivate_key = \"{}\"\n\
         [token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{username}}\"\n{more}",
        broker.get("MQTT"),
        broker.get("ES256_PRIVATE_KEY"),
    ))
}

fn by_method(method: &str) -> String {
    format!("token_in = \"auth_data\"\nauth_method = \"{method}\"")
}

/// What the extension does, beyond the profile: no leeway, and no `kid`.
const POLICY: &str = "[policy]\nleeway = \"1s\"\nunknown_kid = \"ignore\"\n";
const ONCE: &str = "clients = 60\nconcurrency = 6\nhold = \"0s\"";

fn mix(kinds: &[&str]) -> String {
    let entry = |kind: &&str| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n");
    kinds.iter().map(entry).collect::<Vec<_>>().concat()
}

#[test]
#[ignore = "needs HiveMQ: scripts/test-live"]
fn hivemq_takes_tokens_in_one_round_and_after_a_challenge_and_a_second_challenge_is_told() {
    let (_end, broker) = (Stopped("hivemq"), Broker::start("hivemq"));
    let mix = mix(&["fresh", "expired", "wrong_key", "not_a_jwt"]);
    let more = format!("{POLICY}{mix}");
    for (method, challenged) in [("OAUTH2-JWT", 0), ("OAUTH2-JWT-CHALLENGED", 60)] {
        let run = storm(&broker, &by_method(method), ONCE, &more).run();
        let summary = run.expect(0);
        assert_eq!(summary["verdicts"]["correct"], 60, "{method}: {:?}", run.verdicts());
        assert_eq!(summary["auth_challenged"], challenged, "{method}");
    }
    let run = storm(&broker, &by_method("OAUTH2-JWT-TWICE"), ONCE, &more).run();
    let summary = run.summary();
    assert_eq!(summary["outcomes"]["protocol_error"], 60, "{:?}", run.verdicts());
    assert!(run.verdicts().contains_key("fresh protocol_error auth_continue not_judged"));
    let run = storm(&broker, &by_method("OTHER"), ONCE, &more).run();
    assert!(run.verdicts().contains_key("fresh refused 140 false_reject"), "{:?}", run.verdicts());
    // Without a method the token is the password, in both versions.
    for protocol in [4, 5] {
        let target = format!("protocol = {protocol}");
        let run = storm(&broker, &target, ONCE, &more).run();
        assert_eq!(run.expect(0)["verdicts"]["correct"], 60, "{:?}", run.verdicts());
    }
}

#[test]
#[ignore = "needs HiveMQ: scripts/test-live"]
fn hivemq_re_authenticates_with_and_without_a_challenge_and_judged_are_codes_not_its_texts() {
    let (_end, broker) = (Stopped("hivemq"), Broker::start("hivemq"));
    let session = "[session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\nrenew_with = [\n\
                   { token = \"fresh\", share = 4 }, { token = \"expired\", by = \"1h\", share = 1 },\n\
                   { token = \"wrong_key\", share = 1 }, { token = \"stolen\", share = 1 }]\n";
    let load = "clients = 70\nconcurrency = 70\nhold = \"9s\"";
    let ends = "on_expiry = \"disconnect\"\nexpiry_leeway = \"0s\"\nends_with = { v5 = [0x87] }\n";
    let more = format!("{POLICY}{ends}{session}{}", mix(&["fresh"]));
    for method in ["OAUTH2-JWT", "OAUTH2-JWT-CHALLENGED"] {
        let run =
            storm(&broker, &by_method(method), load, &more).run_with(&["--set", "token.ttl=6s"]);
        let summary = run.expect(0);
        let operations = &summary["operations"];
        let (all, good) =
            (&operations["reauthenticate"]["count"], &operations["reauthenticate"]["verdicts"]);
        assert!(all.as_u64() >= Some(70) && *all == good["correct"], "{method}: {operations}");
        let seen = rows(&run.out.join("operations.csv"));
        for (token, outcome, code) in
            [("fresh", "renewed", "0"), ("expired", "refused", "135"), ("stolen", "refused", "135")]
        {
            let is_it = |row: &&std::collections::BTreeMap<String, String>| {
                row["token"] == token && row["outcome"] == outcome && row["code"] == code
            };
            assert!(seen.iter().any(|row| is_it(&row)), "{method} {token}: {seen:?}");
        }
    }
}

#[test]
#[ignore = "needs HiveMQ: scripts/test-live"]
fn the_extension_ends_connections_with_their_tokens_by_fin_and_by_disconnect() {
    let (_end, broker) = (Stopped("hivemq"), Broker::start("hivemq"));
    let load = "clients = 60\nconcurrency = 60\nhold = \"11s\"";
    let ends = "on_expiry = \"disconnect\"\nexpiry_leeway = \"0s\"\n";
    for (protocol, code) in [(4, "fin"), (5, "135")] {
        let more = format!("{POLICY}{ends}{}", mix(&["fresh"]));
        let run = storm(&broker, &format!("protocol = {protocol}"), load, &more)
            .run_with(&["--set", "token.exp_at=4s"]);
        let summary = run.expect(0);
        let expire = &summary["operations"]["expire"];
        assert_eq!(expire["verdicts"]["correct"], 60, "{expire}");
        assert_eq!(expire["codes"]["ended"][code], 60, "{expire}");
    }
}

#[test]
#[ignore = "needs HiveMQ: scripts/test-live"]
fn the_matrix_of_authentication_data_finds_what_nimbus_overlooks_and_nothing_else() {
    let (_end, broker) = (Stopped("hivemq"), Broker::start("hivemq"));
    let storm =
        storm(&broker, &by_method("OAUTH2-JWT"), ONCE, &format!("{POLICY}{}", mix(&["fresh"])));
    let (path, out) = (storm.scenario(), storm.out());
    let arguments = ["matrix", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let ended = tokenstorm(&[&arguments[..], &["--progress", "none"]].concat());
    let matrix = read_json(&out.join("matrix.json")).unwrap_or_else(|| panic!("{}", ended.stderr));
    let cells = matrix["cells"].as_array().unwrap();
    let of = |verdict: &str| -> BTreeSet<&str> {
        let cells = cells.iter().filter(|cell| cell["verdict"] == verdict);
        cells.map(|cell| cell["defect"].as_str().unwrap()).collect()
    };
    let known = ["exp_null", "nbf_null", "utf8_invalid", "utf8_overlong"];
    assert_eq!(of("false_accept"), known.into());
    assert_eq!(of("false_reject"), BTreeSet::new());
    let reauth = cells.iter().filter(|cell| cell["group"] == "reauthentication").count();
    assert!(reauth >= 12, "{reauth}");
    assert!(of("correct").len() > 200, "{}", of("correct").len());
}
