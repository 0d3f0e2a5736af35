//! Verifiers that are broken on purpose, each against the matrix: every one is found, by the tokens that are meant to
//! find it, and no other cell turns red.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test that can't start a broker has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use tokenstorm::{
    servers::broker::mutant::{MUTANTS, Mutant, Trait, mutant},
    token::{
        catalogue::defect,
        oracle::{Fault, Faults},
    },
};

/// Matrices that are made at one time.
const AT_ONE_TIME: usize = 3;
const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenstorm");

/// A broker of this program, ended when dropped.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A policy with one code a version, so that another one is seen, and keys that have what a mutant is blind to.
fn scenario(folder: &Path, mutant: &Mutant) -> String {
    let hmac = ["accepts_empty_secret", "accepts_weak_secret", "any_algorithm"];
    let key = if hmac.contains(&mutant.name) {
        "algorithm = \"HS256\"\nsecret_file = \"hmac.txt\""
    } else {
        "algorithm = \"ES256\"\nprivate_key = \"ec256.pkcs8.pem\""
    };
    for name in ["hmac.txt", "ec256.pkcs8.pem"] {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        fs::copy(keys.join(name), folder.join(name)).unwrap();
    }
    let text = format!(
        r#"
name = "mutant"
[target]
brokers = ["embedded"]
profile = "strict"
[load]
clients = 1
concurrency = 1
[identity]
client_id = "storm-{{n}}"
username = "user-{{n}}"
[keys.main]
{key}
kid = "main"
[token.claims]
iss = "https://issuer.example"
aud = "mqtt"
sub = "{{client_id}}"
clientid = "{{client_id}}"
username = "{{username}}"
[[mix]]
token = "fresh"
share = 1
[policy]
checks = ["exp", "nbf", "iss", "aud", "typ"]
requires = ["exp"]
binds = ["clientid", "username"]
refuses_with = {{ v4 = [5], v5 = [0x87] }}
longest_token = 65535
"#
    );
    let path = folder.join("mutant.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn broker(scenario: &str, mutant: &str) -> (Broker, String) {
    let mut child = Command::new(PROGRAM)
        .args(["broker", scenario, "--mutant", mutant, "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("ready ").unwrap();
    (Broker(child), format!("mqtt://{address}"))
}

/// The matrix of a mutant.
fn matrix(mutant: &Mutant) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(folder.path(), mutant);
    let (_broker, url) = broker(&scenario, mutant.name);
    let out = folder.path().join("out");
    let mut command = Command::new(PROGRAM);
    command.args(["matrix", &scenario, "--target", &url, "--progress", "none", "--out"]).arg(&out);
    if mutant.name == "one_in_a_thousand" {
        // Its one chance in a thousand comes several times.
        command.args(["--repeat", "400", "--only", "wrong_key", "--only", "tampered_*"]);
    }
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let file = fs::read_to_string(out.join("matrix.json"));
    serde_json::from_str(&file.unwrap_or_else(|_| panic!("{}: {said}", mutant.name))).unwrap()
}

/// What a probe finds of a mutant.
fn edges(name: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(folder.path(), mutant(name).unwrap());
    let (_broker, url) = broker(&scenario, name);
    let out = folder.path().join("out");
    let ended = Command::new(PROGRAM)
        .args(["matrix", &scenario, "--target", &url, "--only", "fresh", "--probe"])
        .args(["--progress", "none", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let file = fs::read_to_string(out.join("probe.json"));
    let said = String::from_utf8_lossy(&ended.stderr);
    serde_json::from_str(&file.unwrap_or_else(|_| panic!("{name}: {said}"))).unwrap()
}

/// Entries of which some cell is red: wrong, not judged though it must be refused, late, or fetched for.
fn red(matrix: &Value) -> BTreeSet<String> {
    let cells = matrix["cells"].as_array().unwrap().iter();
    let others = matrix["slow"].as_array().unwrap().iter();
    let others = others.chain(matrix["fetches"].as_array().unwrap());
    cells
        .filter(|cell| match cell["verdict"].as_str().unwrap() {
            "false_accept" | "false_reject" | "wrong_reason" => true,
            "not_judged" => cell["expected"] == "refuse",
            _ => false,
        })
        .chain(others)
        .map(|row| row["defect"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether an entry must turn red by what a mutant is, named by it or not.
fn follows(mutant: &Mutant, name: &str) -> bool {
    let entry = defect(name).unwrap();
    match &mutant.is {
        Trait::Blind(to) | Trait::BlindIn(_, to) | Trait::OneIn(_, to) => {
            // Of MQTT 5.0 a missing user name is none.
            let mut unseen = Faults::of(to);
            unseen.add(Fault::NoUsername);
            Faults::of(entry.faults).without(unseen).is_empty()
        }
        Trait::OtherCode(Some(group)) => entry.group == Some(*group),
        _ => false,
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    globset::Glob::new(pattern).unwrap().compile_matcher().is_match(name)
}

/// The matrices of mutants, in their order; some at a time, since a matrix waits for its broker most of the time.
fn matrices(mutants: &[&'static Mutant]) -> Vec<Value> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONE_TIME {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let matrix = matrix(mutant);
                    found.lock().unwrap().insert(mutant.name, matrix);
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    mutants.iter().map(|mutant| found.remove(mutant.name).unwrap()).collect()
}

/// What is wrong with what a matrix found of a mutant.
fn wrong(mutant: &Mutant, matrix: &Value, red: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    if matches!(mutant.is, Trait::Stalls(_)) && matrix["slow"].as_array().unwrap().is_empty() {
        wrong.push(format!("`{}` is not seen to be slow", mutant.name));
    }
    for pattern in mutant.caught_by {
        if !red.iter().any(|name| matches(pattern, name)) {
            wrong.push(format!("`{}` is not caught by `{pattern}`", mutant.name));
        }
    }
    for name in red {
        let is_meant = mutant.caught_by.iter().any(|pattern| matches(pattern, name));
        if !is_meant && !follows(mutant, name) {
            wrong.push(format!("`{}` turns `{name}` red, which is healthy", mutant.name));
        }
    }
    wrong
}

#[test]
fn every_mutant_is_caught_by_what_is_meant_to_catch_it_and_by_nothing_else() {
    let mut all_wrong = Vec::new();
    println!("| mutant | what is wrong with it | red cells |\n|---|---|---|");
    // One that dies leaves nothing to judge: what a matrix says of it is tested in tests/storm/dying.rs. Those of sessions
    // have a test below.
    let of_matrix = |is: &Trait| !matches!(is, Trait::Dies(_)) && !is.is_of_sessions();
    let mutants: Vec<_> = MUTANTS.iter().filter(|mutant| of_matrix(&mutant.is)).collect();
    for (mutant, matrix) in mutants.iter().zip(matrices(&mutants)) {
        let red = red(&matrix);
        let names = red.iter().map(String::as_str).collect::<Vec<_>>();
        let shown = match names.len() {
            0 => "none".to_owned(),
            1..=6 => names.join(", "),
            count => format!("{} and {} more", names[..5].join(", "), count - 5),
        };
        println!("| `{}` | {} | {shown} |", mutant.name, mutant.summary);
        all_wrong.extend(wrong(mutant, &matrix, &red));
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

/// Twenty clients whose tokens end while they hold, at a broker that promises to end their connections then.
fn sessions(name: &str) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("sessions.toml");
    let text = "name = \"sessions\"\n[target]\nbrokers = [\"embedded\"]\nprofile = \"rmqtt\"\n\
                [load]\nclients = 20\nconcurrency = 20\nhold = \"15s\"\nkeep_alive = \"1s\"\n\
                [session]\ngrace = \"8s\"\n[token]\nttl = \"5s\"\nttl_jitter = \"1s\"\n\
                [keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
                [policy]\non_expiry = \"disconnect\"\nexpiry_within = \"2s\"\n\
                [[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    fs::write(&scenario, text).unwrap();
    let scenario = scenario.display().to_string();
    let (_broker, url) = broker(&scenario, name);
    let out = folder.path().join("out");
    let ended = Command::new(PROGRAM)
        .args(["run", &scenario, "--target", &url, "--progress", "none", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let file = fs::read_to_string(out.join("summary.json"));
    let said = String::from_utf8_lossy(&ended.stderr);
    let summary = serde_json::from_str(&file.unwrap_or_else(|_| panic!("{name}: {said}"))).unwrap();
    (ended.status.code(), summary)
}

#[test]
fn every_mutant_of_sessions_is_found_at_each_connection_by_when_that_ends() {
    // Enforced, ended early, outlived, then the verdict of all.
    let expected = |name: &str| match name {
        "healthy" => ([20, 0, 0], "correct"),
        "keeps_after_exp" => ([0, 0, 20], "false_accept"),
        "ends_early" => ([0, 20, 0], "false_reject"),
        "ends_late" => ([20, 0, 0], "wrong_reason"),
        other => panic!("`{other}` has no expectation here"),
    };
    let mutants = MUTANTS.iter().filter(|mutant| mutant.is.is_of_sessions());
    let names = mutants.map(|mutant| mutant.name).chain(["healthy"]);
    thread::scope(|scope| {
        for name in names {
            scope.spawn(move || {
                let (code, summary) = sessions(name);
                let (ends, verdict) = expected(name);
                assert_eq!(code, Some(i32::from(verdict != "correct")), "{name}: {summary}");
                let lifetime = &summary["lifetime"];
                let seen = ["enforced", "ended_early", "outlived"]
                    .map(|it| lifetime[it].as_u64().unwrap());
                assert_eq!(seen, ends, "{name}: {lifetime}");
                let expire = &summary["operations"]["expire"];
                assert_eq!(expire["verdicts"][verdict], 20, "{name}: {expire}");
            });
        }
    });
}

#[test]
fn a_probe_finds_the_leeway_to_a_second_and_the_second_in_which_a_token_turns() {
    let found = edges("more_leeway");
    // A token is as old as it says and up to a second more: at 59 s it has not had its minute.
    assert_eq!(found["leeway_exp_s"], json!({ "accepted": 59, "refused": 60 }));
    assert_eq!(found["leeway_nbf_s"], json!({ "accepted": 60, "refused": 61 }));
    // Within a slot, and the time that an answer takes.
    let is_at = |found: &Value, name: &str, seconds: f64| {
        let at = found[name].as_f64().unwrap_or(f64::NAN);
        assert!((at - seconds).abs() < 0.5, "{name}: {found}");
    };
    is_at(&found, "turns_good_s", -60.0);
    is_at(&found, "turns_bad_s", 60.0);
    let found = edges("refuses_long_tokens");
    is_at(&found, "turns_good_s", 0.0);
    is_at(&found, "turns_bad_s", 0.0);
    assert_eq!(found["leeway_exp_s"], json!({ "accepted": null, "refused": 0 }));
    assert_eq!(found["leeway_nbf_s"], json!({ "accepted": null, "refused": 1 }));
    let bytes = |side: &str| found["longest_token"][side].as_u64().unwrap();
    assert!((4090..=4096).contains(&bytes("accepted")), "{found}");
    assert!((4096..=4100).contains(&bytes("refused")), "{found}");
}
