//! TLS with real brokers: good handshakes, and every way in which one fails.

use crate::{
    broker::{Broker, anonymous, expect_all},
    run::Ended,
};

/// Runs against `url` with these keys under `[target.tls]`.
fn run(url: &str, tls: &str) -> Ended {
    anonymous(url, "", &format!("[target.tls]\n{tls}")).run()
}

/// Checks that all attempts failed in TLS, by this code, and that the screen has a line of advice.
fn expect_failed(run: &Ended, code: &str, advice: &str) {
    let summary = run.expect(3);
    expect_all(run, &format!("tls_failed {code}"));
    assert_eq!(summary["verdicts"]["not_judged"], summary["attempts"], "{code}");
    assert!(run.stdout.contains(advice), "{code}: {}", run.stdout);
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn handshakes_are_timed_apart_and_sessions_resumed_where_asked_for() {
    let broker = Broker::start("mosquitto");
    let ca = format!("ca = \"{}\"", broker.get("CA"));
    for (version, suite) in [("1.2", "TLS 1.2 TLS_ECDHE_"), ("1.3", "TLS 1.3 TLS_AES_")] {
        for resumption in [false, true] {
            let tls = format!("{ca}\nversion = \"{version}\"\nresumption = {resumption}");
            let run = run(broker.get("MQTTS"), &tls);
            let summary = run.expect(0);
            expect_all(&run, "accepted 0");
            assert_eq!(summary["phases"]["tls_handshake"]["count"], 8);
            assert_eq!(summary["tls"]["handshakes"], 8);
            let resumed = summary["tls"]["resumed"].as_u64().unwrap();
            // The first four start together, before there is a session to resume.
            assert!(
                if resumption { resumed >= 4 } else { resumed == 0 },
                "{version} {resumption} {resumed}"
            );
            let suites = summary["tls"]["suites"].as_object().unwrap();
            assert!(suites.keys().all(|name| name.starts_with(suite)), "{suites:?}");
        }
    }
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_client_certificate_gets_in_and_its_absence_or_a_strangers_is_a_failure_of_tls() {
    let broker = Broker::start("mosquitto");
    let ca = format!("ca = \"{}\"", broker.get("CA"));
    let own = |cert: &str, key: &str| format!("{ca}\ncert = \"{cert}\"\nkey = \"{key}\"");
    let (cert, key) = (broker.get("CLIENT_CERT"), broker.get("CLIENT_KEY"));
    let good = run(broker.get("MTLS"), &own(cert, key));
    good.expect(0);
    expect_all(&good, "accepted 0");

    // TLS 1.3: the client thinks that the handshake is over, and hears of the refusal while it waits for CONNACK.
    let bare = run(broker.get("MTLS"), &format!("{ca}\nversion = \"1.3\""));
    expect_failed(&bare, "alert_certificate_required", "give `target.tls.cert`");
    let phases = &bare.summary()["phases"];
    assert_eq!(phases["tls_handshake"]["count"], 8);
    assert_eq!(phases["connack"]["unfinished"], 8);
    let bare = run(broker.get("MTLS"), &format!("{ca}\nversion = \"1.2\""));
    expect_failed(&bare, "alert_handshake_failure", "give `target.tls.cert`");
    assert_eq!(bare.summary()["phases"]["tls_handshake"]["unfinished"], 8);

    let stranger = cert.replace("client.pem", "self-signed.pem");
    let its_key = stranger.replace(".pem", ".key");
    let run_of_stranger = run(broker.get("MTLS"), &own(&stranger, &its_key));
    expect_failed(
        &run_of_stranger,
        "alert_unknown_ca",
        "does not trust the certificate in `target.tls.cert`",
    );

    let mixed_up = run(broker.get("MTLS"), &own(cert, &its_key));
    assert_eq!(mixed_up.code, Some(2));
    assert!(
        mixed_up.stderr.contains("`target.tls.key` is not the private key"),
        "{}",
        mixed_up.stderr
    );
    assert!(!mixed_up.stderr.contains("PRIVATE KEY-"), "{}", mixed_up.stderr);
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_bad_certificate_fails_by_what_is_wrong_with_it() {
    let broker = Broker::start("mosquitto-bad-tls");
    let ca = format!("ca = \"{}\"", broker.get("CA"));
    let crl = format!("{ca}\ncrl = \"{}\"", broker.get("CRL"));
    for (url, tls, code, advice) in [
        ("EXPIRED", &ca, "certificate_expired", "has expired"),
        ("NOT_YET_VALID", &ca, "certificate_not_yet_valid", "not valid yet"),
        ("SELF_SIGNED", &ca, "unknown_issuer", "not signed by an authority"),
        ("WRONG_NAME", &ca, "wrong_name", "`target.tls.server_name`"),
        ("REVOKED", &crl, "certificate_revoked", "`target.tls.crl`"),
    ] {
        expect_failed(&run(broker.get(url), tls), code, advice);
    }
    let found = run(broker.get("WRONG_NAME"), &format!("{ca}\nserver_name = \"other.example\""));
    found.expect(0);
    // A certificate that is known itself needs neither authority nor name; its dates count all the same.
    let known = |file: &str| format!("ca = \"{}\"", broker.get("CA").replace("ca.pem", file));
    run(broker.get("SELF_SIGNED"), &known("self-signed.pem")).expect(0);
    run(broker.get("WRONG_NAME"), &known("wrong-name.pem")).expect(0);
    let expired = run(broker.get("EXPIRED"), &known("expired.pem"));
    expect_failed(&expired, "certificate_expired", "has expired");
    // A list that names others says nothing of this one.
    run(broker.get("TLS12"), &crl).expect(0);
    let unchecked = run(broker.get("EXPIRED"), "verify = false");
    unchecked.expect(0);
    assert!(unchecked.stderr.contains("`target.tls.verify` is off"), "{}", unchecked.stderr);
    // No version in common.
    let too_new = run(broker.get("TLS12"), &format!("{ca}\nversion = \"1.3\""));
    expect_failed(&too_new, "alert_protocol_version", "`target.tls.version`");
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn tls_to_a_plain_port_and_plain_to_a_tls_port_say_so() {
    let broker = Broker::start("mosquitto");
    let url = broker.get("MQTT").replace("mqtt:", "mqtts:");
    let secured = run(&url, &format!("ca = \"{}\"", broker.get("CA")));
    let code = if secured.verdicts().keys().any(|row| row.contains("tls_failed fin")) {
        "fin"
    } else {
        "rst"
    };
    expect_failed(&secured, code, "the port of plain MQTT");

    let url = broker.get("MQTTS").replace("mqtts:", "mqtt:");
    let plain = anonymous(&url, "", "").run();
    let summary = plain.expect(3);
    assert_eq!(summary["verdicts"]["not_judged"], summary["attempts"]);
    assert!(
        plain
            .verdicts()
            .keys()
            .all(|row| row.contains("closed") || row.contains("protocol_error tls")),
        "{:?}",
        plain.verdicts()
    );
    assert!(plain.stdout.contains("`mqtts://`"), "{}", plain.stdout);
}
