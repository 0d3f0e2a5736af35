//! NATS in operator mode: user JWTs that are signed here, and those of another tool from a file.

use crate::{
    broker::{Broker, Stopped},
    run::{Storm, everything, read_json, tokenstorm},
};

/// Clients of the server whose tokens this account's key signs.
fn storm(broker: &Broker, seed: &str, more: &str) -> Storm {
    Storm::new(&format!(
        "name = \"operator\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"nats-operator\"\nprotocol = 4\n\
         [keys.account]\nalgorithm = \"ed25519-nkey\"\nprivate_key = \"{}\"\n\
         [token.claims]\niss = \"{{issuer_nkey}}\"\nsub = \"{{user_nkey}}\"\nname = \"{{username}}\"\n\
         [token.claims.nats]\ntype = \"user\"\nversion = 2\nbearer_token = true\nallowed_connection_types = [\"MQTT\"]\n\
         subs = -1\ndata = -1\npayload = -1\n{more}",
        broker.get("MQTT"),
        broker.get(seed),
    ))
}

const LOAD: &str = "[load]\nclients = 120\nconcurrency = 12\nhold = \"0s\"\n";
const FRESH: &str = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n";

#[test]
#[ignore = "needs NATS: scripts/test-live"]
fn nats_lets_in_who_has_a_user_jwt_of_its_account_and_refuses_the_rest_by_5() {
    let (_end, broker) = (Stopped("nats-operator"), Broker::start("nats-operator"));
    let kinds =
        ["expired", "not_yet_valid", "wrong_key", "tampered_payload", "alg_none", "not_a_jwt"];
    let mix = kinds.map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n")).concat();
    // NATS makes what an account's clients share when the first one comes.
    let first = LOAD.replace("120", "1").replace("12", "1");
    storm(&broker, "ACCOUNT_SEED", &format!("{first}{FRESH}")).run();
    let run = storm(&broker, "ACCOUNT_SEED", &format!("{LOAD}{FRESH}{mix}")).run();
    let summary = run.expect(0);
    let seen = run.verdicts();
    assert_eq!(summary["verdicts"]["correct"], 120, "{seen:?}");
    assert!(seen.contains_key("fresh accepted 0 correct"), "{seen:?}");
    for kind in kinds {
        assert!(seen.contains_key(&format!("{kind} refused 5 correct")), "{kind}: {seen:?}");
    }
    assert!(!everything(&run).contains("eyJ"));
    // A signing key signs for the account that its token names.
    let seed = std::fs::read_to_string(broker.get("ACCOUNT_SEED")).unwrap();
    let account = nkeys::KeyPair::from_seed(seed.trim()).unwrap().public_key();
    let named = format!("issuer_account = \"{account}\"\n{LOAD}{FRESH}");
    let run = storm(&broker, "SIGNING_SEED", &named).run();
    run.expect(0);
    assert_eq!(run.verdicts()["fresh accepted 0 correct"], 120, "{:?}", run.verdicts());
    // Without that it is no user of an account that the server knows.
    let load = "[load]\nclients = 4\nconcurrency = 4\nhold = \"0s\"\n";
    let run = storm(&broker, "SIGNING_SEED", &format!("{load}{FRESH}")).run();
    run.expect(1);
    assert_eq!(run.verdicts()["fresh refused 5 false_reject"], 4, "{:?}", run.verdicts());
}

#[test]
#[ignore = "needs NATS: scripts/test-live"]
fn nats_ends_a_connection_within_a_second_of_the_end_of_its_user_jwt() {
    let (_end, broker) = (Stopped("nats-operator"), Broker::start("nats-operator"));
    let storm = storm(&broker, "ACCOUNT_SEED", &format!("{LOAD}{FRESH}"));
    let set =
        ["--set", "token.exp_at=5s", "--set", "load.hold=12s", "--set", "load.concurrency=120"];
    let run = storm.run_with(&set);
    let summary = run.expect(0);
    let expire = &summary["operations"]["expire"];
    assert_eq!(expire["verdicts"]["correct"], 120, "{expire}");
    assert_eq!(expire["codes"]["ended"]["fin"], 120, "{expire}");
}

#[test]
#[ignore = "needs NATS: scripts/test-live"]
fn user_jwts_of_another_tool_are_sent_from_a_file_and_judged_by_the_word_of_the_file() {
    let (_end, broker) = (Stopped("nats-operator"), Broker::start("nats-operator"));
    // NATS makes what an account's clients share when the first one comes.
    let first = LOAD.replace("120", "1").replace("12", "1");
    storm(&broker, "ACCOUNT_SEED", &format!("{first}{FRESH}")).run();
    let run = Storm::new(&format!(
        "name = \"operator\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"nats-operator\"\nprotocol = 4\n\
         [load]\nclients = 200\nconcurrency = 20\nhold = \"0s\"\n[token]\nsource = \"file\"\nfile = \"{}\"\n",
        broker.get("MQTT"),
        broker.get("TOKENS")
    ))
    .run();
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 200, "{:?}", run.verdicts());
    assert_eq!(run.verdicts()["file refused 5 correct"], 50, "{:?}", run.verdicts());
}

#[test]
#[ignore = "needs NATS: scripts/test-live"]
fn every_entry_that_a_user_jwt_can_be_is_sent_to_nats_and_what_it_lets_in_is_known() {
    let (_end, broker) = (Stopped("nats-operator"), Broker::start("nats-operator"));
    let storm = storm(&broker, "ACCOUNT_SEED", &format!("{LOAD}{FRESH}"));
    let (path, out) = (storm.scenario(), storm.out());
    let arguments = ["matrix", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let ended = tokenstorm(&[&arguments[..], &["--progress", "none"]].concat());
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let matrix = read_json(&out.join("matrix.json")).unwrap();
    let cells = matrix["cells"].as_array().unwrap();
    let mut let_in: Vec<&str> = cells
        .iter()
        .filter(|cell| cell["verdict"] == "false_accept")
        .map(|cell| cell["defect"].as_str().unwrap())
        .collect();
    let_in.sort_unstable();
    // Critical header parameters are not looked at, and an `exp` of 0 or `null` is none.
    let known = [
        "b64_false_crit",
        "crit_absent",
        "crit_unknown",
        "exp_null",
        "exp_zero",
        "nbf_null",
        "utf8_invalid",
        "utf8_overlong",
    ];
    assert_eq!(let_in, known);
    let correct = cells.iter().filter(|cell| cell["verdict"] == "correct").count();
    assert!(correct > 160, "{correct}");
}
