//! Several brokers as one target: round robin by client, everything also by broker.

use std::{collections::BTreeMap, path::Path};

use crate::{
    broker::{Broker, Stopped, anonymous, end},
    run::{Storm, rows},
    verdicts::CLAIMS,
};

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn clients_go_to_brokers_in_turn_whatever_lies_between_and_results_are_kept_apart() {
    let broker = Broker::start("mosquitto");
    let tls = format!("[target.tls]\nca = \"{}\"", broker.get("CA"));
    let storm = anonymous(broker.get("MQTT"), "clients = 40", &tls);
    let urls = ["MQTT", "MQTTS", "WS", "WSS"].map(|name| broker.get(name));
    let arguments: Vec<&str> = urls.iter().flat_map(|url| ["--target", url]).collect();
    let run = storm.run_with(&arguments);
    let summary = run.expect(0);
    for url in urls {
        let part = &summary["by_broker"][url];
        assert_eq!(part["outcomes"]["accepted"], 10, "{url}");
        let has = |phase: &str| part["phases"].get(phase).is_some();
        assert_eq!(
            has("tls_handshake"),
            url.starts_with("mqtts") || url.starts_with("wss"),
            "{url}"
        );
        assert_eq!(has("ws_upgrade"), url.starts_with("ws"), "{url}");
        assert_eq!(part.get("tls").is_some(), has("tls_handshake"), "{url}");
    }
    let latencies = rows(&run.out.join("latency.csv"));
    let of = |phase: &str, broker: &str| {
        let is_it = |row: &&BTreeMap<String, String>| {
            row["phase"] == phase
                && row["broker"] == broker
                && row["token"] == "all"
                && row["outcome"] == "all"
        };
        latencies.iter().find(is_it).map(|row| row["count"].clone())
    };
    assert_eq!(of("tls_handshake", "all").as_deref(), Some("20"));
    assert_eq!(of("ws_upgrade", urls[3]).as_deref(), Some("10"));
    assert_eq!(of("ws_upgrade", urls[0]), None);
}

/// A storm of good tokens and expired ones at the three nodes of `RabbitMQ`'s cluster.
fn at_cluster(cluster: &Broker, rate: u32, seconds: u32, events: &str) -> Storm {
    let nodes = ["A", "B", "C"].map(|node| format!("\"{}\"", cluster.get(node)));
    Storm::new(&format!(
        "name = \"cluster\"\n[target]\nbrokers = [{}]\nprotocol = 4\nprofile = \"rabbitmq-3.10\"\n\
         [load]\nstages = [{{ rate = {rate}, for = \"{seconds}s\" }}]\nhold = \"0s\"\nconnect_timeout = \"5s\"\n\
         [keys.main]\nalgorithm = \"HS256\"\nsecret_file = \"{}\"\nkid = \"hs256\"\n{CLAIMS}\
         [[mix]]\ntoken = \"fresh\"\nshare = 4\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n{events}",
        nodes.join(", "),
        cluster.get("HS256_SECRET_FILE"),
    ))
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn the_node_that_was_given_another_key_is_named_with_its_seconds() {
    end("stop", "rabbitmq-cluster");
    let _stopped = Stopped("rabbitmq-cluster");
    let cluster = Broker::start_with("rabbitmq-cluster", &[("OTHER_SECRET", "b")]);
    let run = at_cluster(&cluster, 60, 6, "").run();
    let summary = run.expect(1);
    let [a, b, c] = ["A", "B", "C"].map(|node| cluster.get(node));
    let found = summary["divergent"].as_array().unwrap();
    let verdicts: Vec<_> = found.iter().filter(|one| one["what"] == "verdict").collect();
    assert_eq!(verdicts.len(), 1, "{found:?}");
    let one = verdicts[0];
    assert_eq!((&one["token"], &one["expected"]), (&"fresh".into(), &"accept".into()));
    assert_eq!(one["minority"], serde_json::json!([b]));
    assert_eq!(one["against_promise"], serde_json::json!([b]));
    let last = one["last_second"].as_u64().unwrap();
    assert!(one["first_second"].as_u64().unwrap() <= 1 && last >= 5, "{one}");
    for (node, rejects) in [(a, false), (b, true), (c, false)] {
        let verdicts = &summary["by_broker"][node]["verdicts"];
        assert_eq!(verdicts["false_reject"].as_u64().unwrap() > 0, rejects, "{node}: {verdicts}");
        assert_eq!(verdicts["false_accept"], 0);
    }
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn a_node_that_is_killed_under_load_costs_its_clients_and_the_others_go_on() {
    end("stop", "rabbitmq-cluster");
    let _stopped = Stopped("rabbitmq-cluster");
    let cluster = Broker::start("rabbitmq-cluster");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/broker");
    let event = |at: &str, deed: &str, how: &str| {
        format!(
            "[[events]]\nat = \"{at}\"\ndo = \"{deed}\"\nbroker = \"{}\"\ncommand = \"{} {how} rabbitmq-b\"\n",
            cluster.get("B"),
            script.display()
        )
    };
    let events = event("5s", "stop_broker", "kill") + &event("8s", "start_broker", "start");
    let run = at_cluster(&cluster, 60, 45, &events).run();
    // A token in flight when its node died may have been answered by an end of the connection: that is judged.
    assert!(matches!(run.code, Some(0 | 1)), "{}\n{}", run.stdout, run.stderr);
    let summary = run.summary();
    let outage = &summary["outages"][0];
    assert_eq!(outage["broker"], cluster.get("B"), "{}\n{}", run.stdout, run.stderr);
    assert!(outage["refused"].as_u64().unwrap() > 20, "{outage}");
    assert!(outage["time_until_back_us"].as_f64().unwrap() > 0.0, "{outage}");
    assert!(outage["all_back_s"].as_u64().unwrap() > 8, "{outage}");
    for node in ["A", "C"] {
        let part = &summary["by_broker"][cluster.get(node)];
        let [correct, all] =
            [&part["verdicts"]["correct"], &part["attempts"]].map(|it| it.as_f64().unwrap());
        assert!(correct > 0.9 * all, "{node}: {part}");
    }
    let events: Vec<String> =
        rows(&run.out.join("events.csv")).iter().map(|row| row["event"].clone()).collect();
    assert_eq!(events, ["stop_broker", "start_broker"]);
    println!("{}", run.stdout);
}
