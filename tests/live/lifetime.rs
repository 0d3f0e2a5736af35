//! Live connections whose tokens end: what brokers of other makers do at `exp`, and what that is worth by their profiles.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    broker::{Broker, Stopped, end, wait_until},
    run::{Ended, Storm, number, rows},
    verdicts::CLAIMS,
};

/// Clients of each run, all with good tokens.
const CLIENTS: u64 = 60;
/// Tokens of 3 to 5 s.
const SHORT: &str = "ttl = \"3s\"\nttl_jitter = \"2s\"";
/// What a broker is judged by that is expected to end connections, whatever its profile says.
const MUST_END: &str = "[policy]\non_expiry = \"disconnect\"\n";

/// Clients whose tokens end while they hold, and who ping after that; `target` are lines under `[target]`, `key` one under
/// `[keys]`, `token` lines under `[token]`, `more` tables.
fn scenario(target: &str, key: &str, token: &str, claims: &str, more: &str) -> Storm {
    Storm::new(&format!(
        "name = \"lifetime\"\n[target]\n{target}\n[load]\nclients = {CLIENTS}\nconcurrency = 10\nhold = \"11s\"\n\
         keep_alive = \"2s\"\n[session]\ngrace = \"5s\"\n[identity]\nclient_id = \"storm-{{n}}\"\n\
         username = \"user-{{n}}@es256\"\n[keys.main]\nalgorithm = \"ES256\"\nkid = \"es256\"\n{key}\n[token]\n{token}\n\
         {claims}jid = \"{{username}}\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n{more}"
    ))
}

fn target(url: &str, profile: &str, protocol: u8) -> String {
    format!("brokers = [\"{url}\"]\nprofile = \"{profile}\"\nprotocol = {protocol}")
}

fn key(broker: &Broker) -> String {
    format!("private_key = \"{}\"", broker.get("ES256_PRIVATE_KEY"))
}

/// A run at a broker of `scripts/broker`.
fn run(broker: &Broker, profile: &str, protocol: u8, more: &str) -> Ended {
    let target = target(broker.get("MQTT"), profile, protocol);
    scenario(&target, &key(broker), SHORT, CLAIMS, more).run()
}

/// What became of connections whose tokens ended, as `expected outcome code verdict`, with their counts.
fn ends(run: &Ended) -> BTreeMap<String, u64> {
    rows(&run.out.join("operations.csv"))
        .iter()
        .filter(|row| row["operation"] == "expire")
        .map(|row| {
            let name = ["expected", "outcome", "code", "verdict"]
                .map(|column| row[column].as_str())
                .join(" ");
            (name, number(row, "count"))
        })
        .collect()
}

/// Checks that the same became of all connections, and that the summary says so too.
fn expect_all(run: &Ended, code: i32, end: &str) -> Value {
    let summary = run.expect(code);
    assert_eq!(summary["outcomes"]["accepted"], CLIENTS, "{}", summary["outcomes"]);
    assert_eq!(ends(run), BTreeMap::from([(end.to_owned(), CLIENTS)]), "{}", run.stdout);
    let [_, outcome, _, verdict] = end.split(' ').collect::<Vec<_>>()[..] else {
        panic!("`{end}` has no four words")
    };
    let expire = &summary["operations"]["expire"];
    assert_eq!(expire["outcomes"][outcome], CLIENTS, "{expire}");
    assert_eq!(expire["verdicts"][verdict], CLIENTS, "{expire}");
    assert_eq!(summary["lifetime"]["expired"], CLIENTS, "{}", summary["lifetime"]);
    summary
}

/// Checks that the broker ended all connections like this, as it promises, and that none outlived its token.
fn expect_ended(run: &Ended, code: &str) {
    let summary = expect_all(run, 0, &format!("end ended {code} correct"));
    let lifetime = &summary["lifetime"];
    assert_eq!(lifetime["outlived"], 0, "{lifetime}");
    assert_eq!(lifetime["undecided"], 0, "{lifetime}");
    let sessions = &summary["sessions"];
    assert_eq!(sessions["dropped_by_code"][code], CLIENTS, "{sessions}");
    assert!(
        run.stdout.contains(&format!("none of {CLIENTS} outlived its token")),
        "{}",
        run.stdout
    );
}

/// Checks that all connections outlived their tokens and were still served, and that this is worth a verdict and an exit code.
fn expect_stayed(run: &Ended, code: i32, expected: &str, verdict: &str) {
    let summary = expect_all(run, code, &format!("{expected} open open {verdict}"));
    let lifetime = &summary["lifetime"];
    for count in ["outlived", "pinged_after", "answered_after"] {
        assert_eq!(lifetime[count], CLIENTS, "{lifetime}");
    }
    assert_eq!(summary["sessions"]["dropped"], 0, "{}", summary["sessions"]);
    let phase = &summary["phases"]["expiry_enforcement"];
    assert_eq!(phase["unfinished"], CLIENTS, "{phase}");
}

/// Checks that a broker keeps connections in both versions of MQTT, as its profile says, and that a promise to end them is
/// found to be broken.
fn expect_kept(broker: &Broker, profile: &str) {
    for protocol in [4, 5] {
        expect_stayed(&run(broker, profile, protocol, ""), 0, "stay", "correct");
    }
    expect_stayed(&run(broker, profile, 5, MUST_END), 1, "end", "false_accept");
}

#[test]
#[ignore = "needs RabbitMQ 4: scripts/test-live"]
fn rabbitmq_4_ends_each_connection_at_exp_by_a_code_in_5_0_and_by_fin_in_3_1_1() {
    let broker = Broker::start("rabbitmq-4");
    for (protocol, code) in [(4, "fin"), (5, "160")] {
        expect_ended(&run(&broker, "rabbitmq-4", protocol, ""), code);
    }
    let other = "[policy]\nends_with = { v5 = [0x87] }\n";
    expect_all(&run(&broker, "rabbitmq-4", 5, other), 1, "end ended 160 wrong_reason");
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn rabbitmq_3_10_ends_a_connection_when_it_publishes_after_exp_and_lets_a_silent_one_stay() {
    let broker = Broker::start("rabbitmq");
    let profile = "rabbitmq-3.10";
    expect_ended(&run(&broker, profile, 4, ""), "fin");
    let silent = "[policy]\nends_on = \"time\"\non_expiry = ";
    let kept = run(&broker, profile, 4, &format!("{silent}\"keep\"\n"));
    expect_stayed(&kept, 0, "stay", "correct");
    let outlived = run(&broker, profile, 4, &format!("{silent}\"disconnect\"\n"));
    expect_stayed(&outlived, 1, "end", "false_accept");
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn a_topic_that_clients_may_not_publish_to_is_named_and_judges_nothing() {
    let broker = Broker::start("rabbitmq");
    let claims = CLAIMS.replace(" mqtt.write:*/*/*", "");
    assert_ne!(claims, CLAIMS);
    let target = target(broker.get("MQTT"), "rabbitmq-3.10", 4);
    let run = scenario(&target, &key(&broker), "ttl = \"8s\"", &claims, "").run();
    let summary = run.expect(3);
    assert_eq!(ends(&run), BTreeMap::new(), "{}", run.stdout);
    assert_eq!(summary["lifetime"]["probe_denied"], CLIENTS, "{}", summary["lifetime"]);
    assert_eq!(summary["sessions"]["dropped"], CLIENTS, "{}", summary["sessions"]);
    assert!(run.stdout.contains("may these clients publish there"), "{}", run.stdout);
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_with_a_plugin_keeps_connections_whose_tokens_end() {
    expect_kept(&Broker::start("mosquitto-jwt"), "mosquitto-jwt");
}

#[test]
#[ignore = "needs ejabberd: scripts/test-live"]
fn ejabberd_keeps_connections_whose_tokens_end() {
    expect_kept(&Broker::start("ejabberd"), "ejabberd");
}

#[test]
#[ignore = "needs NATS and Go: scripts/test-live"]
fn nats_with_an_auth_callout_ends_each_connection_at_exp_by_fin() {
    let (_end, broker) = (Stopped("nats-callout"), Broker::start("nats-callout"));
    let run = run(&broker, "nats", 4, "[policy]\nchecks = [\"exp\"]\n");
    expect_ended(&run, "fin");
}

#[test]
#[cfg(feature = "embedded")]
#[ignore = "one of a kind with those that need brokers: scripts/test-live"]
fn rmqtt_ends_a_connection_at_its_next_packet_or_keeps_it_as_it_is_set_up() {
    for protocol in [4, 5] {
        let run = |promise: &str| {
            let policy = format!("[policy]\non_expiry = \"{promise}\"\n");
            let target = target("embedded", "rmqtt", protocol);
            scenario(&target, "generate = true", SHORT, CLAIMS, &policy).run()
        };
        expect_ended(&run("disconnect"), "fin");
        expect_stayed(&run("keep"), 0, "stay", "correct");
    }
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_broker_that_is_killed_after_exp_has_ended_no_connection() {
    let broker = Broker::start("mosquitto-jwt");
    let target = target(broker.get("MQTT"), "mosquitto-jwt", 5);
    let storm = scenario(&target, &key(&broker), "exp_at = \"4s\"", CLAIMS, MUST_END);
    let mut child = storm.start();
    // All tokens end in the fifth second, and are outlived five seconds later.
    wait_until(&storm, &mut child, "the end of the tokens", |rows| rows.len() > 6);
    end("kill", "mosquitto-jwt");
    let run = storm.wait(child);
    let summary = expect_all(&run, 1, "end left gap indeterminate");
    assert_eq!(summary["lifetime"]["undecided"], CLIENTS, "{}", summary["lifetime"]);
    assert_eq!(summary["broker_gone"].as_array().map(Vec::len), Some(1), "{summary}");
    assert_eq!(summary["sessions"]["dropped"], CLIENTS, "{}", summary["sessions"]);
}
