//! Verdicts of real verifiers on the kinds of token that their profiles promise something about.

use std::path::Path;

use tokenstorm::{
    scenario::{Algorithm, Check, PolicySettings, UnknownKid},
    token::policy::Policy,
};

use crate::{
    broker::{ANONYMOUS, Broker, end, expect_all},
    run::{Ended, Storm, scenario},
};

/// Claims that `RabbitMQ` and the plugin of Mosquitto both want.
pub(crate) const CLAIMS: &str = "[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{username}\"\n\
                      scope = \"mqtt.read:*/*/* mqtt.write:*/*/* mqtt.configure:*/*/*\"\n";

/// Kinds that a storm has clients bring; a matrix sends them all.
const KINDS: [&str; 16] = [
    "fresh",
    "expired",
    "not_yet_valid",
    "no_exp",
    "wrong_key",
    "tampered_payload",
    "signature_stripped",
    "alg_none",
    "alg_confusion",
    "unknown_kid",
    "wrong_issuer",
    "wrong_audience",
    "stolen",
    "not_a_jwt",
    "empty_password",
    "no_credentials",
];

/// Whether a mix may hold a kind: what a profile promises nothing about is an error there.
fn is_promised(kind: &str, policy: &Policy, algorithm: Algorithm) -> bool {
    match kind {
        "not_yet_valid" => policy.checks(Check::Nbf),
        "no_exp" => policy.requires("exp"),
        "alg_confusion" => !algorithm.is_hmac(),
        "unknown_kid" => policy.unknown_kid == UnknownKid::Refuse,
        "wrong_issuer" => policy.checks(Check::Iss),
        "stolen" => !policy.binds.is_empty(),
        _ => true,
    }
}

/// A storm of twelve tokens of each kind that the profile says something about.
fn storm(broker: &Broker, profile: &str, algorithm: Algorithm, protocol: u8) -> Storm {
    let policy =
        Policy::resolve(profile, Path::new("."), &PolicySettings::default(), vec![algorithm])
            .unwrap();
    let kinds: Vec<String> = KINDS
        .iter()
        .filter(|kind| is_promised(kind, &policy, algorithm))
        .map(|kind| format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n"))
        .collect();
    let mix = kinds.concat();
    let kid = algorithm.to_string().to_lowercase();
    let key = match algorithm {
        Algorithm::HS256 => format!("secret_file = \"{}\"", broker.get("HS256_SECRET_FILE")),
        _ => format!("private_key = \"{}\"", broker.get(&format!("{algorithm}_PRIVATE_KEY"))),
    };
    Storm::new(&format!(
        "name = \"kinds\"\n[target]\nbrokers = [\"{}\"]\nprotocol = {protocol}\nprofile = \"{profile}\"\n\
         [load]\nclients = {}\nconcurrency = 8\nhold = \"0s\"\n[keys.main]\nalgorithm = \"{algorithm}\"\n{key}\n\
         kid = \"{kid}\"\n{CLAIMS}{mix}",
        broker.get("MQTT"),
        12 * kinds.len(),
    ))
}

/// Checks that every verdict is right, that nothing was left unjudged, and that times are possible.
fn expect_as_promised(run: &Ended, at: &str) {
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], summary["attempts"], "{at}: {:?}", run.verdicts());
    let connack = &summary["phases"]["connack"];
    let connect = &summary["phases"]["connect"];
    assert_eq!(connack["count"], summary["attempts"], "{at}");
    let us = |stats: &serde_json::Value, name: &str| stats[name].as_f64().unwrap();
    assert!(us(connack, "min_us") > 1.0 && us(connack, "max_us") < 5e6, "{at}: {connack}");
    assert!(us(connack, "p50_us") <= us(connect, "p50_us"), "{at}: {connect}");
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256];

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn rabbitmq_judges_each_kind_as_its_profile_says() {
    let broker = Broker::start("rabbitmq");
    for algorithm in ALGORITHMS {
        let run = storm(&broker, "rabbitmq-3.10", algorithm, 4).run();
        expect_as_promised(&run, &algorithm.to_string());
        // All but those that the profile promises nothing about, and the public key of an HMAC secret.
        let kinds = if algorithm == Algorithm::HS256 { 11 } else { 12 };
        assert_eq!(run.verdicts().len(), kinds, "{:?}", run.verdicts());
    }
}

#[test]
#[ignore = "needs RabbitMQ: scripts/test-live"]
fn rabbitmq_3_10_is_not_asked_in_mqtt_5_unless_the_policy_says_so() {
    let broker = Broker::start("rabbitmq");
    let run = storm(&broker, "rabbitmq-3.10", Algorithm::HS256, 5).run();
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert!(
        run.stderr.contains("`target.protocol` is 5") && run.stderr.contains("speaks 4"),
        "{}",
        run.stderr
    );
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_with_a_plugin_judges_each_kind_as_its_profile_says_in_both_versions() {
    let broker = Broker::start("mosquitto-jwt");
    for algorithm in ALGORITHMS {
        for protocol in [4, 5] {
            let run = storm(&broker, "mosquitto-jwt", algorithm, protocol).run();
            expect_as_promised(&run, &format!("{algorithm} {protocol}"));
            let code = if protocol == 4 { "5" } else { "135" };
            let is_refused = |row: &String| row.ends_with(&format!("refused {code} correct"));
            assert_eq!(run.verdicts().keys().filter(|row| !is_refused(row)).count(), 1);
        }
    }
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn each_check_that_a_verifier_leaves_out_is_found_and_no_other() {
    for (letter, kind) in [
        ("a", "alg_confusion"),
        ("e", "expired"),
        ("n", "not_yet_valid"),
        ("x", "no_exp"),
        ("i", "wrong_issuer"),
        ("u", "wrong_audience"),
        ("s", "stolen"),
    ] {
        end("stop", "mosquitto-jwt");
        let broker = Broker::start_with("mosquitto-jwt", &[("CHECKS_OFF", letter)]);
        let run = storm(&broker, "mosquitto-jwt", Algorithm::RS256, 5).run();
        run.expect(1);
        let let_in: Vec<String> =
            run.verdicts().into_keys().filter(|row| row.contains("false_accept")).collect();
        assert_eq!(let_in, [format!("{kind} accepted 0 false_accept")], "without `{letter}`");
    }
    end("stop", "mosquitto-jwt");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_without_authentication_lets_all_in_and_with_passwords_no_token() {
    let open = Broker::start("mosquitto");
    let closed = Broker::start("mosquitto-password");
    for protocol in [4, 5] {
        let keys = format!("protocol = {protocol}\n---\n");
        let more = format!("{keys}{ANONYMOUS}[[mix]]\ntoken = \"fresh\"\nshare = 1\n");
        let run = Storm::new(&scenario(open.get("MQTT"), "", &more)).run();
        run.expect(0);
        expect_all(&run, "accepted 0");

        let more = format!(
            "{keys}[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n[[mix]]\ntoken = \"no_credentials\"\nshare = 1\n"
        );
        let run = Storm::new(&scenario(closed.get("MQTT"), "clients = 20", &more)).run();
        run.expect(0);
        expect_all(&run, if protocol == 4 { "refused 5" } else { "refused 135" });
    }
}
