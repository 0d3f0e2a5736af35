//! Builds of a broker that others made, compared with each other; and a disk that fills up meanwhile.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    broker::{Broker, apart},
    run::{Ended, Storm, ended, program, read_json, rows, scenario},
};

/// Tokens of the key that the plugin knows by `kid`, half of them expired.
fn storm(broker: &Broker, load: &str) -> Storm {
    let more = format!(
        "profile = \"mosquitto-jwt\"\nprotocol = 4\n---\n[keys.ec]\nalgorithm = \"ES256\"\nkid = \"es256\"\n\
         private_key = \"{}\"\n[token]\nkey = \"ec\"\n[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\n\
         sub = \"{{username}}\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n",
        broker.get("ES256_PRIVATE_KEY")
    );
    Storm::new(&scenario("mqtt://127.0.0.1:1883", load, &more))
}

/// A command that starts Mosquitto with the plugin, at a port of its own, without these checks.
fn mosquitto(storm: &Storm, checks_off: &str) -> String {
    let state = env::var_os("TOKENSTORM_BROKERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/brokers"),
        PathBuf::from,
    );
    let settings = state.join("mosquitto-jwt/mosquitto.conf");
    let off = match checks_off {
        "" => String::new(),
        letters => format!(" -e '/^plugin_opt_aud/a plugin_opt_checks_off {letters}'"),
    };
    // The first of its listeners alone: the second speaks TLS.
    format!(
        "PATH=$PATH:/usr/sbin; sed -e 's/^listener .*/listener {{port}} 127.0.0.1/'{off} -e '/^max_connections/q' {} > {own}.{{port}} && exec mosquitto -c {own}.{{port}}",
        settings.display(),
        own = storm.out().with_extension("conf").display()
    )
}

fn ab(storm: &Storm, arguments: &[&str]) -> (Ended, Value) {
    let mut command = program();
    command.arg("ab").arg(storm.scenario()).arg("--out").arg(storm.out());
    let arguments = command.args(["--progress", "none", "--rest", "100ms"]).args(arguments);
    let ended = ended(arguments.output().unwrap(), storm.out());
    let comparison = read_json(&storm.out().join("comparison.json"))
        .unwrap_or_else(|| panic!("{}{}", ended.stdout, ended.stderr));
    (ended, comparison)
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_is_no_worse_than_itself() {
    let broker = Broker::start("mosquitto-jwt");
    let storm = storm(&broker, "stages = [{ rate = 200, for = \"2s\" }]");
    let command = mosquitto(&storm, "");
    let arguments = [
        "--baseline-cmd",
        &command,
        "--candidate-cmd",
        &command,
        "--max-trials",
        "14",
        "--gate",
        "connack.p50",
        "--ready",
        "connack",
        // At 5 % one run in twenty would be a false alarm, as is promised: here it must not fail the test.
        "--threshold",
        "50%",
    ];
    let (ended, comparison) = ab(&storm, &arguments);
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}{}", ended.code, ended.stdout, ended.stderr);
    assert_ne!(comparison["verdict"], "worse", "{}", ended.stdout);
    let counts = &comparison["metrics"].as_array().unwrap();
    let correct = counts.iter().find(|metric| metric["metric"] == "verdict.correct").unwrap();
    assert_eq!(correct["verdict"], "equivalent", "{correct}");
    // The process that a command has started is watched without being named.
    assert!(counts.iter().any(|metric| metric["metric"] == "monitor.cpu_us_per_verdict"));
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn mosquitto_with_checks_switched_off_is_worse_for_what_it_lets_in() {
    let broker = Broker::start("mosquitto-jwt");
    let storm = storm(&broker, "stages = [{ rate = 200, for = \"2s\" }]");
    let (baseline, candidate) = (mosquitto(&storm, ""), mosquitto(&storm, "e"));
    let (ended, comparison) =
        ab(&storm, &["--baseline-cmd", &baseline, "--candidate-cmd", &candidate]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(comparison["verdict"], "worse");
    let metrics = comparison["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|it| it["metric"] == "verdict.false_accept{token:expired}");
    assert_eq!(found.unwrap()["verdict"], "worse", "{}", ended.stdout);
    assert_eq!(found.unwrap()["baseline"], 0.0);
}

#[test]
#[ignore = "needs namespaces: scripts/test-live"]
fn a_disk_that_fills_up_ends_the_trials_keeps_what_was_measured_and_leaves_no_broker() {
    let broker = Broker::start("mosquitto-jwt");
    let storm = storm(&broker, "clients = 200\nconcurrency = 8");
    let command = mosquitto(&storm, "");
    // A disk of its own, which holds a few trials and no more.
    let script = "mkdir -p \"$1\" && mount -t tmpfs -o size=1m none \"$1\" && shift\n\
                  \"$0\" \"$@\" && code=0 || code=$?\n\
                  cp \"${OUT}/trials.csv\" \"${OUT}/comparison.json\" \"$KEPT\"; exit $code";
    let (out, kept) = (storm.out(), storm.out().with_extension("kept"));
    fs::create_dir(&kept).unwrap();
    let inner = out.join("ab");
    let scenario = storm.scenario();
    let words: Vec<&OsStr> = [
        OsStr::new(env!("CARGO_BIN_EXE_tokenstorm")),
        out.as_os_str(),
        "ab".as_ref(),
        scenario.as_os_str(),
        "--out".as_ref(),
        inner.as_os_str(),
        "--baseline-cmd".as_ref(),
        command.as_ref(),
        "--aa".as_ref(),
        "--progress".as_ref(),
        "none".as_ref(),
        "--rest".as_ref(),
        "0s".as_ref(),
    ]
    .into();
    let output =
        apart("--mount", script, &words).env("OUT", &inner).env("KEPT", &kept).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("trials and comparison: "), "{said}");
    let trials = rows(&kept.join("trials.csv"));
    assert!(trials.len() > 1 && trials[0]["status"] == "done", "{trials:?}");
    let comparison = read_json(&kept.join("comparison.json")).unwrap();
    assert!(comparison["runs"][0].as_u64() > Some(0), "{comparison}");
    assert_eq!(comparison["partial"], true, "{comparison}");
    let name = storm.out().with_extension("conf").display().to_string();
    let left = procfs::process::all_processes()
        .unwrap()
        .flatten()
        .filter_map(|process| process.cmdline().ok())
        .filter(|line| line.join(" ").contains(&name));
    assert_eq!(left.count(), 0, "a broker is left");
}
