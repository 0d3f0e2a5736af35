//! The verifier of a broker that others made: alone, in waves, and beside the same broker without it.

use crate::{
    broker::{Broker, anonymous},
    run::{Storm, rows, scenario},
};

/// Tokens of the key that the plugin knows by `kid`.
fn keys(broker: &Broker) -> String {
    format!(
        "[keys.ec]\nalgorithm = \"ES256\"\nkid = \"es256\"\nprivate_key = \"{}\"\n[token]\nkey = \"ec\"\n\
         [token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{username}}\"\n",
        broker.get("ES256_PRIVATE_KEY")
    )
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn waves_are_judged_by_mosquitto_and_its_process_is_watched_by_name() {
    let broker = Broker::start("mosquitto-jwt");
    let more = format!(
        "profile = \"mosquitto-jwt\"\nprotocol = 4\n---\n{}[monitor]\nprocess = [\"mosquitto\"]\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n",
        keys(&broker)
    );
    let load = "mode = \"preconnect\"\nclients = 960\nwave = 320";
    let ended = Storm::new(&scenario(broker.get("MQTT"), load, &more)).run();
    let summary = ended.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 960, "{}", summary["codes"]);
    let used = &summary["monitor"]["broker"];
    assert!(used["cpu_us_per_verdict"].as_f64() > Some(0.0), "{used}");
    assert!(used["rss_most_bytes"].as_u64() > Some(100_000), "{used}");
    assert!(summary["monitor"]["warnings"].as_array().unwrap().is_empty(), "{summary}");
    let readings = rows(&ended.out.join("monitor.csv"));
    assert!(readings.iter().all(|row| !row["cpu_s"].is_empty()), "{readings:?}");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn runs_without_tokens_go_to_a_mosquitto_that_looks_at_none() {
    let (tokens, nobody) = (Broker::start("mosquitto-jwt"), Broker::start("mosquitto"));
    anonymous(nobody.get("MQTT"), "clients = 8", "profile = \"strict\"").run().expect(0);
    let more = format!(
        "profile = \"mosquitto-jwt\"\nprotocol = 4\n---\n{}[monitor]\nprocess = [\"mosquitto\"]\n\
         [control]\narms = [\"without\", \"unique\"]\nrepeat = 2\nrest = \"0s\"\ntarget = [\"{}\"]\n",
        keys(&tokens),
        nobody.get("MQTT")
    );
    let load = "stages = [{ rate = 200, for = \"2s\" }]";
    let summary = Storm::new(&scenario(tokens.get("MQTT"), load, &more)).run().expect(0);
    let outcomes = &summary["outcomes"];
    assert_eq!(outcomes["accepted"], summary["attempts"], "{outcomes}");
    assert!(summary["by_token"]["anonymous"]["attempts"].as_u64() > Some(0));
    let cost = &summary["control"]["differences"]["unique - without"];
    for what in ["connack_p50_us", "broker_cpu_us_per_verdict"] {
        assert_eq!(cost[what]["pairs"], 2, "{cost}");
    }
}
