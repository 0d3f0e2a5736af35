//! Several brokers as one target: round robin by client, everything also by broker.

use crate::{
    broker::{Broker, anonymous},
    run::rows,
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
        let is_it = |row: &&std::collections::BTreeMap<String, String>| {
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
