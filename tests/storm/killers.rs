//! Matrices of brokers that a token ends: the token is named, and the rest is judged.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::{
    run::{Ended, Storm, check_conserved, program, read_json, rows, scenario, tokenstorm},
    server::{Server, until_closed},
};

/// A broker of this program whose process is started again each time that it ends.
struct Revived {
    url: String,
    over: Arc<AtomicBool>,
    running: Arc<Mutex<Child>>,
    thread: Option<JoinHandle<()>>,
}

fn started(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child
}

impl Revived {
    /// One that is broken like this, and is back so long after its end, so many times.
    fn start(storm: &Storm, mutant: &str, times: u32) -> Self {
        let port = free_port();
        let (listen, scenario) = (format!("127.0.0.1:{port}"), storm.scenario());
        let mutant = mutant.to_owned();
        let command = move || {
            let mut command = program();
            command.arg("broker").arg(&scenario).args(["--target", "embedded"]);
            command.args(["--listen", &listen, "--mutant", &mutant]);
            command
        };
        let running = Arc::new(Mutex::new(started(&mut command())));
        let over = Arc::new(AtomicBool::new(false));
        let (own, is_over) = (Arc::clone(&running), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut left = times;
            while !is_over.load(Ordering::SeqCst) {
                let has_ended = own.lock().unwrap().try_wait().unwrap().is_some();
                if has_ended && left > 0 {
                    left -= 1;
                    thread::sleep(Duration::from_millis(700));
                    *own.lock().unwrap() = started(&mut command());
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let url = format!("mqtt://127.0.0.1:{port}");
        Self { url, over, running, thread: Some(thread) }
    }
}

impl Drop for Revived {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        let mut running = self.running.lock().unwrap();
        let _ = running.kill();
        running.wait().unwrap();
    }
}

/// A port below those that clients come from.
fn free_port() -> u16 {
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let first = 23_000 + (std::process::id() % 800) as u16;
    let first = first + ASKED.fetch_add(20, Ordering::SeqCst);
    (first..23_999).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn asked() -> Storm {
    let more = "profile = \"strict\"\n---\n[token.claims]\nclientid = \"{client_id}\"\n\
                [policy]\nbinds = [\"clientid\"]\nrefuses_with = { v4 = [5], v5 = [0x87] }\n";
    Storm::new(&scenario("embedded", "connect_timeout = \"2s\"", more))
}

fn matrix(storm: &Storm, url: &str, arguments: &[&str]) -> Ended {
    let (scenario, out) = (storm.scenario(), storm.out());
    let fixed = ["matrix", scenario.to_str().unwrap(), "--target", url, "--progress", "none"];
    let more = ["--out", out.to_str().unwrap()];
    tokenstorm(&[&fixed[..], &more, arguments].concat()).with_out(out)
}

fn result(run: &Ended) -> Value {
    read_json(&run.out.join("matrix.json")).unwrap_or_else(|| panic!("{}", run.stderr))
}

fn cells(run: &Ended) -> Vec<Value> {
    result(run)["cells"].as_array().unwrap().clone()
}

#[test]
fn the_token_that_ends_a_broker_is_named_and_all_others_are_judged() {
    let storm = asked();
    let broker = Revived::start(&storm, "dies_of_two_segments", 20);
    let run = matrix(&storm, &broker.url, &[]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let summary = run.summary();
    check_conserved(&summary);
    let died = result(&run)["died_at"].as_array().unwrap().clone();
    let first = &died[0];
    assert_eq!(first["defect"], Value::Null, "{died:?}");
    let named: Vec<(&str, u64)> = died
        .iter()
        .filter_map(|died| Some((died["defect"].as_str()?, died["protocol"].as_u64()?)))
        .collect();
    assert!(!named.is_empty() && named.iter().all(|(name, _)| *name == "segments_2"), "{died:?}");
    assert_eq!(summary["broker_gone"].as_array().unwrap().len(), died.len());
    assert!(died.iter().all(|died| died["back_after_s"].is_f64()), "{died:?}");
    for cell in cells(&run) {
        let is_killer = cell["defect"] == "segments_2";
        let verdict = cell["verdict"].as_str().unwrap();
        assert_eq!(verdict == "not_judged", is_killer, "{cell}");
        assert!(is_killer || verdict == "correct", "{cell}");
        let label = format!("{}-v{}", cell["defect"].as_str().unwrap(), cell["protocol"]);
        assert_eq!(summary["by_token"][&label]["attempts"], cell["attempts"], "{label}");
    }
    assert!(run.stdout.contains("critical: BROKER GONE"), "{}", run.stdout);
    assert!(run.stdout.contains("`segments_2` ends the broker"), "{}", run.stdout);
    assert!(run.stdout.contains("--only segments_2"), "{}", run.stdout);
    let page = std::fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(page.contains("FAILED: the token `segments_2` (MQTT "), "{page}");
    let tests = tokenstorm(&["report", run.out.to_str().unwrap(), "--format", "junit"]).stdout;
    assert!(tests.contains("type=\"broker_gone\""), "{tests}");
    let counted = rows(&run.out.join("verdicts.csv"));
    assert!(counted.iter().any(|row| row["token"] == "witness"));
}

#[test]
fn a_broker_that_does_not_come_back_leaves_the_rest_not_judged_and_ends_the_matrix() {
    let storm = asked();
    let broker = Revived::start(&storm, "dies_of_two_segments", 1);
    let run = matrix(&storm, &broker.url, &["--only", "segments_2", "--only", "expired*"]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    check_conserved(&run.summary());
    let died = result(&run)["died_at"].as_array().unwrap().clone();
    assert!(died.len() >= 2, "{died:?}");
    assert_eq!(died.last().unwrap()["back_after_s"], Value::Null);
    assert!(run.stdout.contains("it did not come back"), "{}", run.stdout);
}

#[test]
fn a_healthy_broker_is_held_by_three_good_clients_and_never_gone() {
    let storm = asked();
    let broker = Revived::start(&storm, "healthy", 0);
    let run = matrix(&storm, &broker.url, &["--only", "expired*"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let result = result(&run);
    assert_eq!(result["witnesses"], serde_json::json!({ "attempts": 3, "accepted": 3 }));
    assert!(result.get("died_at").is_none(), "{result}");
    let summary = run.summary();
    assert_eq!(summary["by_token"]["witness"]["attempts"], 3);
    assert_eq!(summary["sessions"]["held"], 3);
    assert_eq!(summary["sessions"]["dropped"], 0, "they leave by themselves");
    assert!(!run.stdout.contains("no good client could be held"), "{}", run.stdout);
}

#[test]
fn where_no_good_client_can_be_held_the_matrix_says_so() {
    let server = Server::start(|stream, connect| {
        use std::io::Write;
        let bytes: &[u8] =
            if connect.level == 5 { &[0x20, 3, 0, 0x87, 0] } else { &[0x20, 2, 0, 5] };
        let _ = stream.write_all(bytes);
        until_closed(stream);
    });
    let run = matrix(&asked(), &server.url(), &["--only", "fresh"]);
    assert!(run.stdout.contains("no good client could be held"), "{}", run.stdout);
}
