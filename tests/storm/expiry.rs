//! Live connections whose tokens end: what brokers make of them, against servers that keep a log of what they did.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    run::{Ended, Storm, rows, scenario},
    server::{Connect, Server},
};

const ACCEPT_V5: [u8; 5] = [0x20, 3, 0, 0, 0];
const PING: [u8; 2] = [0xC0, 0];
const PONG: [u8; 2] = [0xD0, 0];
const LOAD: &str = "clients = 8\nconcurrency = 8\nhold = \"9s\"";

/// The `exp` of a client's token, as an instant.
pub(crate) fn exp(connect: &Connect) -> SystemTime {
    exp_of(&connect.password.clone().unwrap())
}

/// The `exp` of a token, as an instant.
pub(crate) fn exp_of(token: &[u8]) -> SystemTime {
    let payload = token.split(|byte| *byte == b'.').nth(1).unwrap().to_vec();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    UNIX_EPOCH + Duration::from_secs(claims["exp"].as_u64().unwrap())
}

/// The number of a client, by its id.
pub(crate) fn number(connect: &Connect) -> u64 {
    connect.client_id.rsplit('-').next().unwrap().parse().unwrap()
}

/// The wall clock, by which tokens end.
#[expect(clippy::disallowed_methods, reason = "a server of these tests has no clock of a run")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Sleeps until so many milliseconds after an instant; before it where negative.
pub(crate) fn until(at: SystemTime, after_ms: i64) {
    let by = Duration::from_millis(after_ms.unsigned_abs());
    let at = if after_ms < 0 { at - by } else { at + by };
    thread::sleep(at.duration_since(wall()).unwrap_or_default());
}

/// Answers pings until the client leaves or closes.
fn keep(stream: &mut TcpStream) {
    let mut packet = [0; 2];
    while stream.read_exact(&mut packet).is_ok() && packet == PING {
        if stream.write_all(&PONG).is_err() {
            return;
        }
    }
}

/// Rows of `operations.csv`, each as `expected outcome code verdict`, with its count.
fn operations(ended: &Ended) -> Vec<(String, String)> {
    let row = |row: &std::collections::BTreeMap<String, String>| {
        assert_eq!((row["operation"].as_str(), row["token"].as_str()), ("expire", "fresh"));
        let words = ["expected", "outcome", "code", "verdict"].map(|name| row[name].as_str());
        (words.join(" "), row["count"].clone())
    };
    let mut rows: Vec<_> = rows(&ended.out.join("operations.csv")).iter().map(row).collect();
    rows.sort();
    rows
}

fn counted(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(row, count)| ((*row).into(), (*count).into())).collect()
}

/// Count, outcomes and verdicts of an operation add up, and are those of the lifetime.
pub(crate) fn check_operations(summary: &Value) {
    let expire = &summary["operations"]["expire"];
    assert_eq!(crate::run::sum(&expire["outcomes"]), expire["count"].as_u64().unwrap());
    assert_eq!(crate::run::sum(&expire["verdicts"]), expire["count"].as_u64().unwrap());
    let number = |name: &str| summary["lifetime"][name].as_u64().unwrap();
    let parts = ["enforced", "ended_early", "outlived", "undecided"].map(number);
    assert_eq!(parts.iter().sum::<u64>(), number("expired"));
    assert_eq!(expire["count"].as_u64().unwrap(), number("expired"));
}

#[test]
fn each_way_to_end_a_connection_gets_its_row_and_its_verdict() {
    let log: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let ends = Arc::clone(&log);
    let server = Server::start(move |stream, connect| {
        stream.write_all(&ACCEPT_V5).unwrap();
        let end = exp(connect);
        // When, and what is sent before the connection is closed.
        let (after_ms, last): (i64, &[u8]) = match number(connect) {
            0 => (200, &[0xE0, 1, 0x87]),
            1 => (200, &[]),
            2 => (200, &[0xE0, 1, 0xA0]),
            3 => (-1_000, &[0xE0, 1, 0x87]),
            // Nothing of the token is in these.
            4 => (-1_000, &[]),
            5 => (-1_000, &[0xE0, 1, 0x8E]),
            _ => return keep(stream),
        };
        until(end, after_ms);
        if after_ms > 0 {
            ends.lock().unwrap().push(wall().duration_since(end).unwrap());
        }
        let _ = stream.write_all(last);
    });
    let policy = "[session]\ngrace = \"2s\"\n[token]\nttl = \"3s\"\n\
                  [policy]\non_expiry = \"disconnect\"\nends_with = { v5 = [0x87] }\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, policy)).run();
    let summary = ended.expect(1);
    check_operations(&summary);
    assert_eq!(
        operations(&ended),
        counted(&[
            ("end ended 135 correct", "1"),
            ("end ended 135 false_reject", "1"),
            ("end ended 160 wrong_reason", "1"),
            ("end ended fin wrong_reason", "1"),
            ("end open open false_accept", "2"),
        ]),
        "{}",
        ended.stdout
    );
    let lifetime = json!({
        "expired": 6, "enforced": 3, "ended_early": 1, "outlived": 2, "undecided": 0,
    });
    let mut seen = summary["lifetime"].clone();
    let around = seen.as_object_mut().unwrap().remove("around").unwrap();
    assert_eq!(seen, lifetime);
    let around = around.as_array().unwrap();
    let early = |it: &&Value| it["to_us"].as_f64().unwrap() <= 0.0;
    let sum = |them: Vec<&Value>| them.iter().map(|it| it["count"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(around.iter().filter(early).collect()), 1, "ended before exp");
    assert_eq!(sum(around.iter().filter(|it| !early(it)).collect()), 3, "ended after it");
    assert_eq!(summary["sessions"]["dropped"], 6, "those that nothing says of the token as well");
    let times = &summary["phases"]["expiry_enforcement"];
    assert_eq!((times["count"].as_u64(), times["unfinished"].as_u64()), (Some(3), Some(2)));
    // Nobody hears of an end before it is said.
    let first = log.lock().unwrap().iter().min().unwrap().as_micros() as f64;
    assert!(times["min_us"].as_f64().unwrap() * 1.001 >= first, "{times} after {first}");
    let findings = rows(&ended.out.join("findings.csv"));
    assert_eq!(findings.len(), 5, "{findings:?}");
    for row in &findings {
        assert_eq!((row["operation"].as_str(), row["turn"].as_str()), ("expire", "0"));
        assert!(row["replay"].starts_with("tokenstorm token mint"), "{row:?}");
    }
    assert!(ended.stdout.contains("2 OUTLIVED their token"), "{}", ended.stdout);
    assert!(ended.stdout.contains("2 connections outlived their tokens"), "{}", ended.stdout);
    let failed = summary["ruling"]["failed"].to_string();
    assert!(failed.contains("\"operation\":\"expire\""), "{failed}");
}

#[test]
fn a_broker_of_3_1_1_may_say_disconnect_where_that_is_promised() {
    let server = Server::start(|stream, connect| {
        stream.write_all(&[0x20, 2, 0, 0]).unwrap();
        until(exp(connect), 100);
        let _ = stream.write_all(&[0xE0, 0]);
    });
    let more = "protocol = 4\n---\n[session]\ngrace = \"2s\"\n[token]\nttl = \"2s\"\n\
                [policy]\non_expiry = \"disconnect\"\nends_with = { v4 = [\"disconnect\"] }\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, more)).run();
    let summary = ended.expect(0);
    assert_eq!(operations(&ended), counted(&[("end ended disconnect correct", "8")]));
    assert_eq!(summary["sessions"]["dropped_by_code"], json!({ "disconnect": 8 }));
}

#[test]
fn where_nothing_is_promised_ends_are_told_and_not_judged_and_who_asks_has_measured_nothing() {
    let server = Server::start(|stream, connect| {
        stream.write_all(&ACCEPT_V5).unwrap();
        until(exp(connect), 100);
    });
    let more = "profile = \"hivemq-ese\"\n---\n[token]\nttl = \"2s\"\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, more)).run();
    let summary = ended.expect(0);
    assert_eq!(operations(&ended), counted(&[("none ended fin not_judged", "8")]));
    assert_eq!(summary["lifetime"]["enforced"], 8);
    assert!(rows(&ended.out.join("findings.csv")).is_empty());
    let asks = format!("{more}[session]\n");
    let ended = Storm::new(&scenario(&server.url(), LOAD, &asks)).run();
    let summary = ended.expect(3);
    let why = summary["ruling"]["unmeasured"].to_string();
    assert!(why.contains("nothing_promised"), "{why}");
    assert!(ended.stderr.contains("`policy.on_expiry`"), "{}", ended.stderr);
}

#[test]
fn a_client_that_leaves_about_then_is_told_apart_and_a_run_of_such_has_measured_nothing() {
    let server = Server::start(|stream, _| {
        stream.write_all(&ACCEPT_V5).unwrap();
        keep(stream);
    });
    let more = "[token]\nttl = \"2s\"\n[policy]\non_expiry = \"disconnect\"\n";
    let load = "clients = 8\nconcurrency = 8\nhold = \"3s\"";
    let ended = Storm::new(&scenario(&server.url(), load, more)).run();
    ended.expect(3);
    assert_eq!(operations(&ended), counted(&[("end left hold indeterminate", "8")]));
    assert!(ended.stderr.contains("`load.hold` is 3s"), "the plan warns: {}", ended.stderr);
    assert!(ended.stderr.contains("has to be longer than lifetime"), "{}", ended.stderr);
    assert!(ended.stdout.contains("ended about then otherwise (8 x hold)"), "{}", ended.stdout);
}

#[test]
fn a_broker_that_looks_at_packets_is_pinged_twice_and_ends_what_it_finds_expired() {
    let pings: Arc<Mutex<Vec<(u64, bool)>>> = Arc::default();
    let log = Arc::clone(&pings);
    let server = Server::start(move |stream, connect| {
        stream.write_all(&ACCEPT_V5).unwrap();
        let (n, end) = (number(connect), exp(connect));
        let mut packet = [0; 2];
        while stream.read_exact(&mut packet).is_ok() && packet == PING {
            let is_after = wall() >= end;
            log.lock().unwrap().push((n, is_after));
            let _ = stream.write_all(&PONG);
            // Half of them count whole seconds, and look at the second ping only.
            let seen = log.lock().unwrap().iter().filter(|(of, _)| *of == n).count();
            if n >= 2 && (n % 2 == 0 || seen == 2) {
                return;
            }
        }
    });
    let more = "[session]\ngrace = \"4s\"\n[token]\nttl = \"2s\"\n[policy]\n\
                on_expiry = \"disconnect\"\nends_on = \"packet\"\nends_with = { v5 = [\"fin\"] }\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, more)).run();
    let summary = ended.expect(1);
    assert_eq!(
        operations(&ended),
        counted(&[("end ended fin correct", "6"), ("end open open false_accept", "2")])
    );
    assert_eq!(summary["lifetime"]["pinged_after"], 2);
    assert_eq!(summary["lifetime"]["answered_after"], 2);
    let pings = pings.lock().unwrap();
    let of = |n: u64| pings.iter().filter(|(of, _)| *of == n).count();
    assert_eq!((of(0), of(1), of(2), of(3)), (2, 2, 1, 2));
    assert!(pings.iter().all(|(_, is_after)| *is_after), "none before the end: {pings:?}");
}

/// Reads packets with short bodies, one after the other, and hands each on until that says no.
fn packets(stream: &mut TcpStream, mut each: impl FnMut(u8, &[u8], &mut TcpStream) -> bool) {
    let mut head = [0; 2];
    while stream.read_exact(&mut head).is_ok() {
        let mut body = vec![0; usize::from(head[1])];
        if stream.read_exact(&mut body).is_err() || !each(head[0], &body, stream) {
            return;
        }
    }
}

#[test]
fn a_broker_that_looks_at_publishes_is_shown_some_and_who_may_not_publish_is_not_taken_for_expired()
{
    let published: Arc<Mutex<Vec<(u64, String)>>> = Arc::default();
    let log = Arc::clone(&published);
    let server = Server::start(move |stream, connect| {
        stream.write_all(&ACCEPT_V5).unwrap();
        let (n, end) = (number(connect), exp(connect));
        packets(stream, |first, body, stream| match first {
            0x30 => {
                let topic = String::from_utf8(body[2..body.len() - 1].to_vec()).unwrap();
                log.lock().unwrap().push((n, topic));
                // The first two may not publish at all.
                n >= 2 && wall() < end
            }
            0xC0 => stream.write_all(&PONG).is_ok(),
            _ => false,
        });
    });
    let more = "[session]\ngrace = \"4s\"\nprobe_topic = \"probes/{client_id}\"\n[token]\nttl = \"2s\"\n\
                [policy]\non_expiry = \"disconnect\"\nends_on = \"publish\"\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, more)).run();
    let summary = ended.expect(0);
    assert_eq!(operations(&ended), counted(&[("end ended fin correct", "6")]));
    assert_eq!(summary["lifetime"]["probe_denied"], 2);
    assert!(ended.stdout.contains("`session.probe_topic`"), "{}", ended.stdout);
    let published = published.lock().unwrap();
    let of = |n: u64| published.iter().filter(|(of, _)| *of == n).count();
    assert_eq!((of(0), of(2)), (1, 2), "one at once, and one at the end: {published:?}");
    assert!(published.iter().any(|(_, topic)| topic == "probes/storm-5"), "{published:?}");
}

#[test]
fn tokens_of_all_clients_end_in_one_second_or_spread_out_as_the_scenario_says() {
    let ends = |token: &str| {
        let seen: Arc<Mutex<Vec<SystemTime>>> = Arc::default();
        let log = Arc::clone(&seen);
        let server = Server::start(move |stream, connect| {
            log.lock().unwrap().push(exp(connect));
            stream.write_all(&ACCEPT_V5).unwrap();
            keep(stream);
        });
        let load = "clients = 40\nconcurrency = 4\nhold = \"0s\"";
        let started = wall();
        let ended = Storm::new(&scenario(&server.url(), load, token)).run();
        ended.expect(0);
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        (started, seen)
    };
    let (started, together) = ends("[token]\nexp_at = \"20s\"\n");
    assert_eq!(together.first(), together.last());
    assert!(*together.first().unwrap() >= started + Duration::from_secs(20));
    let (_, spread) = ends("[token]\nttl = \"100s\"\nttl_jitter = \"1000s\"\n");
    let length = spread.last().unwrap().duration_since(*spread.first().unwrap()).unwrap();
    assert!(length > Duration::from_secs(500), "{length:?}");
}

#[test]
fn a_run_that_is_interrupted_when_tokens_end_says_of_each_what_is_known() {
    let server = Server::start(|stream, connect| {
        stream.write_all(&ACCEPT_V5).unwrap();
        if number(connect) < 4 {
            until(exp(connect), 50);
            return;
        }
        keep(stream);
    });
    let more =
        "[token]\nttl = \"2s\"\n[policy]\non_expiry = \"disconnect\"\n[session]\ngrace = \"60s\"\n";
    let load = "clients = 8\nconcurrency = 8\nhold = \"90s\"";
    let storm = Storm::new(&scenario(&server.url(), load, more));
    let child = storm.start();
    // Four have ended, and a summary says so.
    let start = wall();
    let has_ended = || {
        let summary = crate::run::read_json(&storm.out().join("summary.json"));
        summary.is_some_and(|it| it["lifetime"]["enforced"] == 4)
    };
    while !has_ended() {
        assert!(start.elapsed().unwrap() < Duration::from_mins(1), "nothing ends");
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = storm.wait(child);
    let summary = ended.expect(130);
    check_operations(&summary);
    assert_eq!(
        operations(&ended),
        counted(&[("end ended fin correct", "4"), ("end left interrupted indeterminate", "4")])
    );
}
