//! MQTT in `WebSocket`s of real brokers, and web servers that speak none.

use crate::broker::{Broker, anonymous, expect_all};

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn websockets_with_and_without_tls_carry_mqtt_in_both_versions() {
    let broker = Broker::start("mosquitto");
    for (url, tls) in
        [("WS", String::new()), ("WSS", format!("[target.tls]\nca = \"{}\"", broker.get("CA")))]
    {
        for protocol in [4, 5] {
            // Held for a keep alive, so that a ping goes to and fro.
            let load = "hold = \"2s\"\nkeep_alive = \"1s\"";
            let run =
                anonymous(broker.get(url), load, &format!("protocol = {protocol}\n{tls}")).run();
            let summary = run.expect(0);
            expect_all(&run, "accepted 0");
            assert_eq!(summary["phases"]["ws_upgrade"]["count"], 8, "{url}");
            assert_eq!(summary["sessions"]["held"], 8, "{url}");
            assert_eq!(summary["sessions"]["dropped"], 0, "{url}: {}", summary["sessions"]);
        }
    }
}

#[test]
#[ignore = "needs haproxy: scripts/test-live"]
fn a_web_server_that_is_no_websocket_fails_by_its_status_and_says_what_to_do() {
    let servers = Broker::start("http-faults");
    for (url, status, advice) in [
        ("UNAUTHORIZED", 401, "a login that MQTT does not carry"),
        ("MOVED", 301, "write that URL"),
        ("HTML", 200, "no WebSocket at this path"),
    ] {
        let run = anonymous(servers.get(url), "", "").run();
        let summary = run.expect(3);
        expect_all(&run, &format!("ws_failed {status}"));
        assert_eq!(summary["verdicts"]["not_judged"], summary["attempts"], "{url}");
        assert_eq!(summary["phases"]["ws_upgrade"]["unfinished"], 8, "{url}");
        assert!(run.stdout.contains(advice), "{}", run.stdout);
    }
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_websocket_to_plain_mqtt_and_plain_mqtt_to_a_websocket_say_so() {
    let broker = Broker::start("mosquitto");
    let run = anonymous(&broker.get("MQTT").replace("mqtt:", "ws:"), "", "").run();
    run.expect(3);
    assert!(run.verdicts().keys().all(|row| row.contains("ws_failed")), "{:?}", run.verdicts());
    assert!(run.stdout.contains("no WebSocket server"), "{}", run.stdout);

    let plain = broker.get("WS").replace("ws:", "mqtt:").replace("/mqtt", "");
    let run = anonymous(&plain, "", "").run();
    run.expect(3);
    expect_all(&run, "protocol_error http");
    assert!(run.stdout.contains("`ws://"), "{}", run.stdout);
}
