//! Verdicts on a real broker: the scenarios that come along, made small.

use crate::run::{Ended, tokenstorm};

/// Runs a scenario that comes along, changed by `set`.
fn shipped(name: &str, set: &[&str]) -> (tempfile::TempDir, Ended) {
    let folder = tempfile::TempDir::new().unwrap();
    let out = folder.path().join("out");
    let file = format!("scenarios/{name}.toml");
    let mut arguments = vec!["run", &file, "--progress", "none", "--out", out.to_str().unwrap()];
    for assignment in set {
        arguments.extend(["--set", assignment]);
    }
    let ended = tokenstorm(&arguments).with_out(out.clone());
    (folder, ended)
}

const SMALL: &str = "load.stages=[{ rate = 150, for = \"2s\" }]";

#[test]
fn the_embedded_broker_tells_good_tokens_from_every_kind_of_bad_one() {
    for (protocol, code) in [("4", "5"), ("5", "135")] {
        let (_folder, ended) =
            shipped("bad-tokens", &[SMALL, &format!("target.protocol={protocol}")]);
        ended.expect(0);
        for (row, count) in ended.verdicts() {
            let expected =
                if row.starts_with("fresh") { "accepted 0" } else { &format!("refused {code}") };
            assert!(row.ends_with(&format!("{expected} correct")), "{row}: {count}");
        }
        assert_eq!(ended.verdicts().len(), 14, "one row a kind: {:?}", ended.verdicts());
    }
}

#[test]
fn several_algorithms_are_verified_side_by_side_by_the_hook() {
    let (_folder, ended) = shipped("algorithms", &[SMALL, "load.warmup=0s"]);
    let summary = ended.expect(0);
    assert_eq!(summary["by_token"].as_object().unwrap().len(), 3);
    assert!(summary["embedded"]["embedded"].as_str().unwrap().contains("hook"));
}

#[test]
fn the_same_token_is_refused_before_nbf_and_accepted_after() {
    let (_folder, ended) =
        shipped("not-before", &["mix.0.by=1s", "load.stages=[{ rate = 50, for = \"4s\" }]"]);
    let summary = ended.expect(0);
    assert!(
        summary["outcomes"]["accepted"].as_u64() > Some(0)
            && summary["outcomes"]["refused"].as_u64() > Some(0)
    );
    assert!(summary["verdicts"]["correct"].as_u64() > Some(150), "{}", summary["verdicts"]);
}

#[test]
fn the_control_is_accepted_without_credentials() {
    let (_folder, ended) = shipped("baseline-no-auth", &[SMALL]);
    let summary = ended.expect(0);
    assert_eq!(summary["outcomes"]["accepted"], summary["attempts"]);
    assert!(summary["embedded"]["embedded"].as_str().unwrap().contains("without authentication"));
}

#[test]
fn only_clients_without_credentials_are_let_in_where_that_is_all_that_is_promised() {
    let set = [
        "load={ clients = 60, concurrency = 8, hold = \"0s\" }",
        "policy.anonymous=accept",
        "mix=[{ token = \"fresh\", share = 1 }, { token = \"expired\", share = 1 }, { token = \"no_credentials\", share = 1 }]",
    ];
    let (_folder, ended) = shipped("quickstart", &set);
    let summary = ended.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 60, "{:?}", ended.verdicts());
    assert_eq!(summary["by_token"].as_object().unwrap().len(), 3);
}

#[test]
fn a_promise_that_the_broker_does_not_keep_is_a_false_accept() {
    let set = [
        "load.stages=[{ rate = 100, for = \"1s\" }]",
        "policy.requires=[\"exp\"]",
        "mix=[{ token = \"no_exp\", share = 1 }]",
        "thresholds={}",
    ];
    let (_folder, ended) = shipped("quickstart", &set);
    let summary = ended.expect(1);
    assert_eq!(
        summary["verdicts"]["false_accept"], summary["attempts"],
        "rmqtt's plugin accepts a token without `exp`"
    );
    assert!(ended.stderr.contains("can't be told to require claims"), "{}", ended.stderr);
    assert!(ended.stdout.contains("were ACCEPTED"), "{}", ended.stdout);
}

#[test]
fn every_algorithm_is_verified_by_the_plugin_of_the_embedded_broker() {
    for algorithm in ["HS384", "RS512", "PS256", "ES384", "EdDSA"] {
        let set = [
            "load={ clients = 40, concurrency = 8, hold = \"0s\" }".to_owned(),
            format!("keys.main.algorithm={algorithm}"),
        ];
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let (_folder, ended) = shipped("quickstart", &set);
        let summary = ended.expect(0);
        assert_eq!(summary["verdicts"]["correct"], 40, "{algorithm}");
    }
}
