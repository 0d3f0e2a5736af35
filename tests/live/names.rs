//! Names, families and several addresses, with a real broker behind them.

use std::{ffi::OsStr, fs, path::Path};

use crate::{
    broker::{Broker, anonymous, apart, expect_all},
    run::{Ended, Storm, ended},
};

/// Runs a storm where `setup` was done before, in a namespace of its own.
fn run_apart(storm: &Storm, namespace: &str, setup: &str) -> Ended {
    let out = storm.out();
    let script = format!("{setup}\nexec \"$0\" run \"$1\" --out \"$2\" --progress none");
    let program = OsStr::new(env!("CARGO_BIN_EXE_tokenstorm"));
    let scenario = storm.scenario();
    let arguments = [program, scenario.as_os_str(), out.as_os_str()];
    ended(apart(namespace, &script, &arguments).output().unwrap(), out)
}

/// What makes a hosts file the system's, for those who see it.
fn hosts(folder: &Path, lines: &str) -> String {
    let file = folder.join("hosts");
    fs::write(&file, lines).unwrap();
    format!("mount --bind {} /etc/hosts", file.display())
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_name_is_looked_up_once_or_by_each_attempt_which_is_then_timed() {
    let broker = Broker::start("mosquitto");
    let url = broker.get("MQTT").replace("127.0.0.1", "localhost");
    let once = anonymous(&url, "", "").run();
    let summary = once.expect(0);
    assert!(summary["phases"].get("dns").is_none(), "{}", summary["phases"]);
    let each = anonymous(&url, "", "resolve = \"each\"").run();
    let summary = each.expect(0);
    expect_all(&each, "accepted 0");
    assert_eq!(summary["phases"]["dns"]["count"], 8);
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_name_without_an_address_is_a_failure_of_its_attempts_and_of_no_other_broker() {
    let broker = Broker::start("mosquitto");
    for resolve in ["once", "each"] {
        let keys = format!("authorized = true\nresolve = \"{resolve}\"");
        let alone = anonymous("mqtt://no-such-name.invalid", "", &keys).run();
        assert_eq!(alone.code, Some(3), "{}", alone.stderr);
        assert!(alone.stderr.contains("8 x tcp_failed (dns)"), "{}", alone.stderr);
        assert!(
            alone.stderr.contains("hint: the broker's name has no address"),
            "{}",
            alone.stderr
        );

        let storm = anonymous("mqtt://no-such-name.invalid", "", &keys);
        let run = storm.run_with(&[
            "--target",
            broker.get("MQTT"),
            "--target",
            "mqtt://no-such-name.invalid",
        ]);
        let summary = run.expect(1);
        let part = |label: &str| &summary["by_broker"][label];
        assert_eq!(part(broker.get("MQTT"))["outcomes"]["accepted"], 4);
        assert_eq!(part("mqtt://no-such-name.invalid")["outcomes"]["tcp_failed"], 4);
        assert_eq!(part("mqtt://no-such-name.invalid")["phases"]["dns"]["unfinished"], 4);
    }
}

#[test]
#[ignore = "needs Mosquitto and unshare: scripts/test-live"]
fn clients_take_turns_at_the_addresses_of_a_name() {
    let broker = Broker::start("mosquitto");
    let port = broker.get("MQTT").rsplit(':').next().unwrap().to_owned();
    let folder = tempfile::TempDir::new().unwrap();
    // At the second address nobody listens.
    let setup = hosts(folder.path(), "127.0.0.1 cluster.example\n127.0.0.9 cluster.example\n");
    let storm = anonymous(&format!("mqtt://cluster.example:{port}"), "", "authorized = true");
    let run = run_apart(&storm, "--mount", &setup);
    let summary = run.expect(1);
    assert_eq!(summary["outcomes"]["accepted"], 4, "{}", run.stdout);
    assert_eq!(summary["codes"]["tcp_failed"]["ECONNREFUSED"], 4);
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn ipv6_reaches_a_broker_from_its_own_source_addresses() {
    let broker = Broker::start("mosquitto");
    let load = "source_addresses = [\"::1\", \"127.0.0.3\"]";
    let storm = anonymous(broker.get("MQTT6"), load, "");
    let run = storm.run_with(&["--target", broker.get("MQTT6"), "--target", broker.get("MQTT")]);
    let summary = run.expect(0);
    expect_all(&run, "accepted 0");
    assert_eq!(summary["by_broker"][broker.get("MQTT6")]["attempts"], 4);
}

#[test]
#[ignore = "needs unshare: scripts/test-live"]
fn ipv6_where_there_is_none_fails_at_once_and_says_so() {
    let storm = anonymous("mqtt://[2001:db8::1]", "", "authorized = true");
    // A network of its own that has loopback only, without IPv6.
    let run = run_apart(
        &storm,
        "--net",
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up",
    );
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("this host can't reach [2001:db8::1]:1883"), "{}", run.stderr);
    assert!(run.stderr.contains("8 x tcp_failed (E"), "{}", run.stderr);
    assert!(run.stderr.contains("it has no IPv6"), "{}", run.stderr);
}
