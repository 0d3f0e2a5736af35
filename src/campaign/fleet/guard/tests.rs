use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use super::*;
use crate::campaign::fleet::{message::Task, name::Name, task::take};

/// What stands in files that an agent must not tell of.
const CONTENT: &str = "TOPSECRET-of-the-host = not toml";

/// What an order is changed by.
type Forge = fn(&mut Task);
type Change = Box<dyn FnOnce(&mut Task)>;

/// An order as a coordinator gives it, of a run of one agent.
fn order() -> Task {
    Task {
        scenario: json!({
            "name": "order",
            "target": { "brokers": ["mqtt://127.0.0.1:1"] },
            "load": { "clients": 10, "concurrency": 1 },
            "keys": { "main": { "algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef" } },
            "mix": [{ "token": "fresh", "share": 1.0 }],
        }),
        keys: std::collections::BTreeMap::new(),
        promise: None,
        tls: None,
        weights: vec![1000],
        index: 0,
        ports: (*Limits::read().ports.start(), *Limits::read().ports.end()),
        ahead: 0,
        uncertainty: 1000,
        embedded: vec![None],
    }
}

fn run() -> Name {
    Name::of("run").unwrap()
}

fn own(files: &Path) -> Own<'_> {
    Own { files, variables: &[], authorized: false, source_addresses: &[], clock: Clock::start() }
}

/// What an agent says of an order that was changed like this, which it refuses.
fn refused(files: &Path, change: impl FnOnce(&mut Task)) -> String {
    let mut task = order();
    change(&mut task);
    let error = take(&task, &own(files), &run()).unwrap_err();
    let told = format!("{error} {}", error.way_out().unwrap_or_default());
    assert!(!told.contains("TOPSECRET"), "what is in a file goes over the bus: {told}");
    told
}

/// Names a file in an order, in each of the places that have one.
fn naming(file: &str) -> Vec<(&'static str, impl FnOnce(&mut Task))> {
    let key = |source: &'static str, algorithm: &'static str| {
        (source, json!({ "main": { "algorithm": algorithm, source: file } }))
    };
    let keys = [key("secret_file", "HS256"), key("private_key", "ES256"), key("jwk", "ES256")];
    let tls = ["ca", "crl", "cert", "key"].map(|of| (of, json!({ of: file })));
    let file = Value::from(file);
    let mut all: Vec<(&'static str, Change)> = Vec::new();
    for (of, keys) in keys {
        all.push((of, Box::new(move |task| task.scenario["keys"] = keys)));
    }
    for (of, tls) in tls {
        let named = move |task: &mut Task| {
            task.scenario["target"]["brokers"] = json!(["mqtts://127.0.0.1:1"]);
            task.scenario["target"]["tls"] = tls;
        };
        all.push((of, Box::new(named)));
    }
    all.push(("profile", Box::new(move |task| task.scenario["target"]["profile"] = file)));
    all
}

#[test]
fn an_order_as_it_is_meant_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let taken = take(&order(), &own(folder.path()), &run()).unwrap();
    assert_eq!((taken.ready.clients, taken.ready.attempts), (10, 10));
}

#[test]
fn no_file_outside_of_the_agents_folder_is_opened() {
    let all = tempfile::tempdir().unwrap();
    let folder = all.path().join("files");
    fs::create_dir(&folder).unwrap();
    fs::write(all.path().join("outside.toml"), CONTENT).unwrap();
    symlink("../outside.toml", folder.join("linked.toml")).unwrap();
    symlink("/", folder.join("root")).unwrap();
    let absolute = all.path().join("outside.toml").display().to_string();
    for file in
        [&absolute, "../outside.toml", "./../outside.toml", "linked.toml", "root/etc/passwd"]
    {
        for (place, change) in naming(file) {
            let told = refused(&folder, change);
            let is_told =
                told.contains("leaves the folder") || told.contains("no profile that is built in");
            assert!(is_told, "{place} is {file}: {told}");
        }
    }
}

#[test]
fn what_never_ends_or_never_begins_does_not_hold_an_agent_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::create_dir(folder.path().join("folder.toml")).unwrap();
    for file in ["pipe.toml", "folder.toml", "/dev/zero"] {
        for (_, change) in naming(file) {
            refused(folder.path(), change);
        }
    }
}

#[test]
fn what_is_in_a_file_of_the_agents_own_goes_nowhere_either() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), CONTENT).unwrap();
    let pem = format!("-----BEGIN {CONTENT}-----\n{CONTENT}\n-----END {CONTENT}-----\n");
    fs::write(folder.path().join("mine.pem"), pem).unwrap();
    fs::write(folder.path().join("mine.jwk"), format!("{{\"kty\": \"{CONTENT}\"}}")).unwrap();
    for file in ["mine.toml", "mine.pem", "mine.jwk"] {
        for (place, change) in naming(file) {
            // As a secret anything will do.
            if place != "secret_file" {
                refused(folder.path(), change);
            }
        }
    }
}

#[test]
fn no_variable_is_read_but_those_that_the_agent_was_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let naming = |variable: &str| {
        let mut task = order();
        let key = json!({ "algorithm": "HS256", "secret_env": variable });
        task.scenario["keys"]["main"] = key;
        task
    };
    let told = refused(folder.path(), |task| *task = naming("PATH"));
    assert!(told.contains("`keys.main`") && told.contains("--env NAME"), "{told}");
    let variables = ["PATH".to_owned(), "TOKENSTORM_NATS_TOKEN".to_owned()];
    let allowing = Own { variables: &variables, ..own(folder.path()) };
    take(&naming("PATH"), &allowing, &run()).unwrap();
    assert!(take(&naming("TOKENSTORM_NATS_TOKEN"), &allowing, &run()).is_err());
}

#[test]
fn nothing_off_the_host_is_connected_to_whatever_the_order_says() {
    let folder = tempfile::tempdir().unwrap();
    for away in [
        "mqtt://192.0.2.1:1883",
        "mqtt://0.0.0.0:1883",
        "mqtt://[::ffff:192.0.2.1]:1883",
        "mqtt://localhost.example:1883",
        "mqtt://2130706433:1883",
        "ws://192.0.2.1/mqtt",
    ] {
        let told = refused(folder.path(), |task| {
            task.scenario["target"]["brokers"] = json!([away]);
            task.scenario["target"]["authorized"] = json!(true);
        });
        assert!(told.contains("not started with `--authorized`"), "{away}: {told}");
    }
    for here in ["mqtt://[::ffff:127.0.0.1]:1883", "mqtt://localhost.:1883"] {
        let mut task = order();
        task.scenario["target"]["brokers"] = json!([here]);
        take(&task, &own(folder.path()), &run()).unwrap();
    }
    for (place, authorized) in
        [("192.0.2.1:1883", false), ("192.0.2.1:1883", true), ("127.0.0.1:0", false)]
    {
        let mut task = order();
        task.scenario["target"]["brokers"] = json!(["embedded"]);
        task.embedded = vec![Some(place.parse().unwrap())];
        let told =
            take(&task, &Own { authorized, ..own(folder.path()) }, &run()).unwrap_err().to_string();
        assert!(told.contains("not on this host's loopback"), "{place}: {told}");
    }
    let mut task = order();
    task.scenario["target"]["brokers"] = json!(["embedded"]);
    task.embedded = vec![Some("127.0.0.1:1".parse().unwrap())];
    take(&task, &own(folder.path()), &run()).unwrap();
    for embedded in [vec![], vec![None], vec![None, Some("127.0.0.1:1".parse().unwrap())]] {
        task.embedded = embedded;
        let told = take(&task, &own(folder.path()), &run()).unwrap_err().to_string();
        assert!(told.contains("without a place"), "{told}");
    }
    for (section, of) in [
        (
            "oauth",
            json!({ "token_endpoint": "http://192.0.2.1/token", "client_id": "x", "client_secret_file": "/etc/passwd" }),
        ),
        ("issuer", json!({ "keys": ["main"], "listen": "0.0.0.0:0" })),
    ] {
        let told = refused(folder.path(), |task| task.scenario[section] = of);
        assert!(told.contains("they fetch nothing"), "{section}: {told}");
    }
}

#[test]
fn numbers_that_no_coordinator_sends_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let forged: [(&str, Forge); 15] = [
        ("no weights", |task| task.weights.clear()),
        ("no such segment", |task| task.index = 5),
        ("weights that overflow", |task| task.weights = vec![1 << 63, 1 << 63]),
        ("weights of nothing", |task| task.weights = vec![0, 0]),
        ("more weights than agents", |task| task.weights = vec![1; 100_000]),
        ("ports in reverse", |task| task.ports = (60_000, 40_000)),
        ("no ports", |task| task.ports = (0, 0)),
        ("ports of services", |task| task.ports = (1, 1023)),
        ("a clock before all time", |task| task.ahead = i64::MIN),
        ("a clock after all time", |task| task.ahead = i64::MAX),
        ("an uncertainty of centuries", |task| task.uncertainty = u64::MAX),
        ("gigabytes of recorders", |task| {
            task.scenario["mix"] = vec![json!({ "token": "fresh", "share": 1.0 }); 20_000].into();
        }),
        ("as many by workers", |task| {
            task.scenario["load"]["workers"] = json!(256);
            task.scenario["mix"] = vec![json!({ "token": "fresh", "share": 1.0 }); 1000].into();
        }),
        ("a key that each agent would make", |task| {
            task.scenario["keys"]["main"] =
                json!({ "algorithm": "RS256", "generate": true, "bits": 4096 });
        }),
        ("an address for each port", |task| {
            task.scenario["load"]["source_addresses"] = vec![json!("127.0.0.1"); 20_000].into();
        }),
    ];
    for (what, change) in forged {
        let told = refused(folder.path(), change);
        assert!(told.contains("the order can't be followed"), "{what}: {told}");
    }
}

#[test]
fn a_run_starts_soon_or_not_at_all() {
    let clock = Clock::start();
    let now = clock.wall(clock.now());
    let second = SECOND as i64;
    assert!(start(clock, now + 5 * second).unwrap() >= 5 * SECOND);
    assert_eq!(start(clock, now - 5 * second).unwrap(), 0, "the order came late");
    for at in [i64::MIN, i64::MAX, 0, now + 7200 * second, now - 120 * second] {
        assert!(start(clock, at).is_err(), "{at}");
    }
}
