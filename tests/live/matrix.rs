//! Whole matrices of real verifiers, against what is committed of them under results/matrix: a cell that turns red, or is
//! red no more, is news about the broker or about us.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    broker::{Broker, end},
    run::{Storm, rows, tokenstorm},
};

/// The claims that any of the brokers wants.
const CLAIMS: &str = "[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{username}\"\n\
                      clientid = \"{client_id}\"\nscope = \"mqtt.read:*/*/* mqtt.write:*/*/* mqtt.configure:*/*/*\"\n";

/// A cell that is red: defect, version of MQTT, what was answered and the verdict.
type Red = (String, String, String, String);

/// The red cells of a CSV; `not_judged` is red where a verdict was owed.
fn red(csv: &Path) -> BTreeSet<Red> {
    let is_red = |verdict: &str| {
        ["false_accept", "false_reject", "wrong_reason", "not_judged"].contains(&verdict)
    };
    rows(csv)
        .into_iter()
        .filter(|row| is_red(&row["verdict"]))
        .map(|row| {
            let [defect, protocol, code, verdict] =
                ["defect", "protocol", "code", "verdict"].map(|column| row[column].clone());
            (defect, protocol, code, verdict)
        })
        .collect()
}

fn committed(name: &str) -> BTreeSet<Red> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results/matrix");
    red(&path.join(name).with_extension("csv"))
}

/// The red cells of a broker.
fn matrix(url: &str, profile: &str, algorithm: &str, key: &str, policy: &str) -> BTreeSet<Red> {
    let storm = Storm::new(&format!(
        "name = \"matrix\"\n[target]\nbrokers = [\"{url}\"]\nprofile = \"{profile}\"\n[load]\nclients = 1\nconcurrency = 1\n\
         [identity]\nclient_id = \"storm-{{n}}\"\nusername = \"user-{{n}}\"\n[keys.main]\nalgorithm = \"{algorithm}\"\n{key}\n\
         kid = \"{}\"\n{CLAIMS}[[mix]]\ntoken = \"fresh\"\nshare = 1\n{policy}",
        algorithm.to_lowercase()
    ));
    let (scenario, out) = (storm.scenario(), storm.out());
    let run = tokenstorm(&[
        "matrix",
        scenario.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--progress",
        "none",
    ]);
    let red = red(&out.join("matrix.csv"));
    assert_eq!(run.code, Some(i32::from(!red.is_empty())), "{}{}", run.stdout, run.stderr);
    red
}

/// The key that a broker of `scripts/broker` knows, as a line under `[keys]`.
fn key(broker: &Broker, algorithm: &str) -> String {
    match algorithm {
        "HS256" => format!("secret_file = \"{}\"", broker.get("HS256_SECRET_FILE")),
        _ => format!("private_key = \"{}\"", broker.get(&format!("{algorithm}_PRIVATE_KEY"))),
    }
}

fn of_broker(broker: &Broker, profile: &str, algorithm: &str) -> BTreeSet<Red> {
    matrix(broker.get("MQTT"), profile, algorithm, &key(broker, algorithm), "")
}

/// What is in one of two sets and not in the other.
fn expect_same(found: &BTreeSet<Red>, known: &BTreeSet<Red>, at: &str) {
    let new: Vec<&Red> = found.difference(known).collect();
    let gone: Vec<&Red> = known.difference(found).collect();
    assert!(new.is_empty() && gone.is_empty(), "{at}: new {new:?}, gone {gone:?}");
}

#[test]
#[cfg(feature = "embedded")]
#[ignore = "one of a kind with those that need brokers: scripts/test-live"]
fn the_matrix_of_rmqtt_is_as_committed() {
    let policy = "[policy]\nchecks = [\"exp\", \"nbf\", \"iss\", \"aud\"]\nbinds = [\"sub\", \"clientid\"]\n";
    for algorithm in ["HS256", "RS256", "ES256"] {
        let name = format!("rmqtt-{}", algorithm.to_lowercase());
        let found = matrix("embedded", "rmqtt", algorithm, "generate = true", policy);
        expect_same(&found, &committed(&name), &name);
    }
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn the_matrix_of_rabbitmq_is_as_committed() {
    let broker = Broker::start("rabbitmq");
    for algorithm in ["HS256", "RS256"] {
        let name = format!("rabbitmq-{}", algorithm.to_lowercase());
        expect_same(&of_broker(&broker, "rabbitmq-3.10", algorithm), &committed(&name), &name);
    }
}

#[test]
#[ignore = "needs NATS and Go: scripts/test-live"]
fn nats_with_an_auth_callout_lets_in_whom_its_service_lets_in_and_nobody_else() {
    let broker = Broker::start("nats-callout");
    // What scripts/brokers/nats-callout/main.go checks.
    let policy = "[policy]\nchecks = [\"exp\", \"nbf\", \"iss\", \"aud\"]\nrequires = [\"exp\", \"iss\", \"aud\", \"sub\"]\n\
                  binds = [\"sub\"]\nencoding = \"strict\"\n";
    for algorithm in ["HS256", "RS256", "ES256"] {
        let found = matrix(broker.get("MQTT"), "nats", algorithm, &key(&broker, algorithm), policy);
        expect_same(&found, &BTreeSet::new(), algorithm);
    }
    end("stop", "nats-callout");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn the_matrix_of_mosquitto_is_as_committed_and_shows_each_check_that_is_left_out() {
    let broker = Broker::start("mosquitto-jwt");
    for algorithm in ["HS256", "RS256"] {
        let name = format!("mosquitto-{}", algorithm.to_lowercase());
        expect_same(&of_broker(&broker, "mosquitto-jwt", algorithm), &committed(&name), &name);
    }
    let known = committed("mosquitto-rs256");
    for (letter, kinds) in [
        ("a", &["alg_confusion"][..]),
        ("e", &["expired", "expired_1s", "exp_now"]),
        ("n", &["not_yet_valid", "exp_before_nbf"]),
        ("x", &["no_exp"]),
        ("i", &["wrong_issuer", "issuer_missing"]),
        ("u", &["wrong_audience", "audience_missing"]),
        ("s", &["stolen", "stolen_username", "bound_missing"]),
    ] {
        end("stop", "mosquitto-jwt");
        let broker = Broker::start_with("mosquitto-jwt", &[("CHECKS_OFF", letter)]);
        let found = of_broker(&broker, "mosquitto-jwt", "RS256");
        for kind in kinds {
            for protocol in ["4", "5"] {
                let is_it = |(defect, at, _, verdict): &Red| {
                    defect == kind && at == protocol && verdict == "false_accept"
                };
                assert!(found.iter().any(is_it), "`{kind}` is not seen without `{letter}`");
                assert!(!known.iter().any(is_it), "`{kind}` is seen always");
            }
        }
    }
    end("stop", "mosquitto-jwt");
}
