//! The crate `mqtt5`, a broker that takes tokens by enhanced authentication alone: `embedded-mqtt5`.
#![cfg(feature = "embedded-mqtt5")]
#![expect(clippy::unwrap_used, reason = "a test that can't set up has failed")]

#[path = "storm/run.rs"]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
mod run;

use std::collections::BTreeSet;

use serde_json::Value;

use run::{Ended, Storm, everything, read_json, tokenstorm};

const CLAIMS: &str =
    "[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{client_id}\"\n";
const FRESH: &str = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n";

/// Clients of the broker with keys of these algorithms; `load` and `more` are below their headings.
fn storm(algorithms: &[&str], load: &str, more: &str) -> Storm {
    let keys: Vec<String> = algorithms
        .iter()
        .map(|name| {
            format!("[keys.{name}]\nalgorithm = \"{name}\"\ngenerate = true\nkid = \"{name}\"\n")
        })
        .collect();
    Storm::new(&format!(
        "name = \"mqtt5\"\n[target]\nbrokers = [\"embedded-mqtt5\"]\ntoken_in = \"auth_data\"\nauth_method = \"JWT\"\n\
         [load]\n{load}\n{}{CLAIMS}{more}",
        keys.concat()
    ))
}

const ONCE: &str = "clients = 120\nconcurrency = 12\nhold = \"0s\"";

fn mix(kinds: &[&str]) -> String {
    let entry = |kind: &&str| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n");
    kinds.iter().map(entry).collect::<Vec<_>>().concat()
}

#[test]
fn it_takes_good_tokens_of_each_algorithm_and_refuses_bad_ones_by_its_codes() {
    let kinds = ["fresh", "expired", "wrong_key", "alg_none", "wrong_audience", "no_credentials"];
    for algorithm in ["HS256", "RS256", "ES256"] {
        let run = storm(&[algorithm], ONCE, &mix(&kinds)).run();
        let summary = run.expect(0);
        let seen = run.verdicts();
        assert_eq!(summary["verdicts"]["correct"], 120, "{algorithm}: {seen:?}");
        assert!(seen.contains_key("fresh accepted 0 correct"), "{algorithm}: {seen:?}");
        assert!(seen.contains_key("expired refused 135 correct"), "{algorithm}: {seen:?}");
        assert!(seen.contains_key("no_credentials refused 140 correct"), "{algorithm}: {seen:?}");
        assert!(summary["embedded"]["embedded-mqtt5"].as_str().unwrap().contains("mqtt5"));
        assert!(!everything(&run).contains("eyJ"));
    }
}

#[test]
fn it_verifies_by_several_keys_side_by_side() {
    let entry = |key: &str| {
        format!("[[mix]]\ntoken = \"fresh\"\nname = \"{key}\"\nkey = \"{key}\"\nshare = 1\n")
    };
    let mix = ["HS256", "RS256", "ES256"].map(entry).concat();
    let run = storm(&["HS256", "RS256", "ES256"], ONCE, &mix).run();
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 120, "{:?}", run.verdicts());
    assert_eq!(summary["by_token"].as_object().unwrap().len(), 3);
}

fn reauthenticated(run: &Ended) -> Vec<(String, String, u64)> {
    let rows = run::rows(&run.out.join("operations.csv"));
    rows.iter()
        .filter(|row| row["operation"] == "reauthenticate")
        .map(|row| {
            let count = row["count"].parse().unwrap();
            (
                row["token"].clone(),
                format!("{} {} {}", row["outcome"], row["code"], row["verdict"]),
                count,
            )
        })
        .collect()
}

#[test]
fn it_re_authenticates_by_good_tokens_and_takes_one_of_another_subject_which_is_a_false_accept() {
    let session = "[session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\nrenew_with = [\n\
                   { token = \"fresh\", share = 2 }, { token = \"expired\", by = \"1h\", share = 1 }, { token = \"stolen\", share = 1 }]\n\
                   [token]\nttl = \"6s\"\n";
    let load = "clients = 60\nconcurrency = 60\nhold = \"4500ms\"";
    let text = format!("{session}{FRESH}");
    // `[token]` has to stand before its claims.
    let run = storm(&["HS256"], load, &text.replace("[token]\nttl = \"6s\"\n", ""))
        .run_with(&["--set", "token.ttl=6s"]);
    run.expect(1);
    let seen = reauthenticated(&run);
    let has =
        |token: &str, what: &str| seen.iter().any(|(name, is, _)| name == token && is == what);
    assert!(has("fresh", "renewed 0 correct"), "{seen:?}");
    assert!(has("expired", "refused 135 correct"), "{seen:?}");
    // The connection is the other subject's from then on.
    assert!(has("stolen", "renewed 0 false_accept"), "{seen:?}");
    assert_eq!(seen.iter().map(|(.., count)| count).sum::<u64>(), 60, "{seen:?}");
}

#[test]
fn it_keeps_connections_whose_tokens_have_ended_as_its_profile_says() {
    let set = ["--set", "token.exp_at=2s", "--set", "policy.expiry_leeway=0s"];
    let load = "clients = 40\nconcurrency = 40\nhold = \"9s\"";
    let run = storm(&["HS256"], load, FRESH).run_with(&set);
    let summary = run.expect(0);
    let expire = &summary["operations"]["expire"];
    assert_eq!(expire["outcomes"]["open"], 40, "{expire}");
    assert_eq!(expire["verdicts"]["correct"], 40, "{expire}");
}

/// The entries of a verdict in a matrix.
fn entries<'a>(matrix: &'a Value, verdict: &str) -> BTreeSet<&'a str> {
    let cells = matrix["cells"].as_array().unwrap().iter();
    cells
        .filter(|cell| cell["verdict"] == verdict)
        .map(|cell| cell["defect"].as_str().unwrap())
        .collect()
}

#[test]
fn the_matrix_finds_that_it_does_not_look_at_alg_and_refuses_good_tokens_with_fractions() {
    for algorithm in ["HS256", "RS256"] {
        let storm = storm(&[algorithm], ONCE, FRESH);
        let (path, out) = (storm.scenario(), storm.out());
        let arguments = ["matrix", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let ended = tokenstorm(&[&arguments[..], &["--progress", "none"]].concat());
        let matrix =
            read_json(&out.join("matrix.json")).unwrap_or_else(|| panic!("{}", ended.stderr));
        let let_in = entries(&matrix, "false_accept");
        for name in ["alg_none_signed", "alg_unknown", "alg_empty", "crit_unknown"] {
            assert!(let_in.contains(name), "{algorithm}: {name}: {let_in:?}");
        }
        for name in ["wrong_key", "alg_none", "expired", "tampered_payload", "alg_confusion"] {
            assert!(!let_in.contains(name), "{algorithm}: {name}");
        }
        let refused = entries(&matrix, "false_reject");
        for name in ["exp_fraction", "nbf_fraction", "audience_array"] {
            assert!(refused.contains(name), "{algorithm}: {name}: {refused:?}");
        }
    }
}

#[test]
fn what_it_can_not_be_asked_for_is_refused_with_a_way_out() {
    let refused = |set: &[&str], what: &str| {
        let storm = storm(&["HS256"], ONCE, FRESH);
        let run = storm.run_with(set);
        assert_eq!(run.code, Some(2), "{set:?}: {}", run.stdout);
        assert!(run.stderr.contains(what), "{set:?}: {}", run.stderr);
    };
    refused(&["--set", "keys.HS256.algorithm=ES384"], "does not know");
    refused(
        &["--set", "target.brokers=[\"embedded-mqtt5\", \"embedded\"]"],
        "embedded brokers of two makes",
    );
    refused(&["--set", "target.protocol=4"], "MQTT 3.1.1 has no enhanced authentication");
}
