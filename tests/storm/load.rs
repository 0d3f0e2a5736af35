//! That the load is the one of the scenario, whatever the broker does, and that the run says so where
//! it was not.

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    run::{Storm, children, number, read_json, rows, scenario},
    server::{Gate, Server, until_closed},
};

fn accept(stream: &mut TcpStream) {
    stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
    until_closed(stream);
}

#[test]
fn arrivals_of_the_open_model_do_not_wait_for_a_broker_that_stalls_and_response_shows_it() {
    let gate = Gate::new(100);
    let server = Server::start(move |stream, _| {
        gate.pass();
        accept(stream);
    });
    let load = "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"2s\" }]";
    let ended = Storm::new(&scenario(&server.url(), load, "")).run();
    let summary = ended.expect(0);
    assert_eq!(summary["outcomes"]["accepted"], 200, "the hundredth came while 99 waited");
    // The first waited for the hundredth, which is due 990 ms after it.
    let slowest = |phase: &str| summary["phases"][phase]["max_us"].as_f64().unwrap();
    assert!(slowest("response") > 980_000.0, "{}", slowest("response"));
    // By as much shorter as the first was late.
    assert!(slowest("connack") > 500_000.0, "{}", slowest("connack"));
}

#[test]
fn no_second_is_lost_before_the_first_answer() {
    let gate = Gate::new(50);
    let server = Server::start(move |stream, _| {
        gate.pass();
        accept(stream);
    });
    // The fiftieth comes in the third second. Whatever it brings, it is let in.
    let load = "arrivals = \"constant\"\nstages = [{ rate = 20, for = \"4s\" }]";
    let bad = "[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
    let ended = Storm::new(&scenario(&server.url(), load, bad)).run();
    let summary = ended.expect(1);
    assert_eq!(summary["attempts"], 80);
    let timeline = rows(&ended.out.join("timeline.csv"));
    let seconds: Vec<u64> = timeline.iter().map(|row| number(row, "second")).collect();
    assert_eq!(seconds, (0..seconds.len() as u64).collect::<Vec<_>>(), "a row a second");
    let started: Vec<u64> = timeline.iter().map(|row| number(row, "started")).collect();
    assert_eq!(started.iter().sum::<u64>(), 80, "{started:?}");
    assert!(started[0] > 0 && number(&timeline[0], "accepted") == 0, "{:?}", timeline[0]);
    assert_eq!(rows(&ended.out.join("findings.csv")).len(), 80);
}

#[test]
fn the_closed_model_has_as_many_under_way_as_asked_for_and_no_more() {
    let (gate, under_way, most) =
        (Gate::new(4), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::start(move |stream, _| {
        seen.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Nobody is answered before four have come, and a fifth would have the time to be seen.
        gate.pass();
        thread::sleep(Duration::from_millis(20));
        under_way.fetch_sub(1, Ordering::SeqCst);
        accept(stream);
    });
    let load = "clients = 40\nconcurrency = 4\nhold = \"1s\"";
    let summary = Storm::new(&scenario(&server.url(), load, "")).run().expect(0);
    assert_eq!(summary["outcomes"]["accepted"], 40);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[test]
fn tokens_of_the_closed_model_are_young_when_they_are_used_however_slow_the_broker_is() {
    // All forty could be minted before the first is used, and would be over before the last.
    let server = Server::start(|stream, _| {
        thread::sleep(Duration::from_millis(80));
        accept(stream);
    });
    let ended = Storm::new(&scenario(
        &server.url(),
        "clients = 40\nconcurrency = 1",
        "[token]\nttl = \"2s\"\n[token.claims]\nsub = \"{client_id}\"\n",
    ))
    .run();
    let summary = ended.expect(0);
    assert_eq!(ended.verdicts(), [("fresh accepted 0 correct".into(), 40)].into());
    let issued = |at: usize| -> i64 {
        let connect = &server.received()[at];
        let token = String::from_utf8(connect.password.clone().unwrap()).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["sub"], connect.client_id.as_str(), "another client's token");
        claims["iat"].as_i64().unwrap()
    };
    assert!(issued(39) >= issued(0) + 2, "{} {}", issued(0), issued(39));
    // To sign one again is a wait for a token, and no part of the TCP connection.
    assert!(summary["phases"]["token"]["count"].as_u64() > Some(0), "{}", summary["phases"]);
    assert_eq!(summary["verdicts"]["correct"], 40);
}

#[test]
fn a_run_whose_tokens_come_late_is_limited_by_the_generator_and_strict_ones_say_so_by_their_code() {
    let server = Server::start(|stream, _| accept(stream));
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/rsa.pkcs8.pem");
    let more = format!(
        "[keys.rsa]\nalgorithm = \"RS256\"\nprivate_key = \"{keys}\"\n[token]\nkey = \"rsa\"\nahead = 1\n"
    );
    // Nobody signs two thousand in a hundredth of a second.
    let load = "arrivals = \"constant\"\nstages = [{ rate = 200000, for = \"10ms\" }]";
    for (validity, code) in [("report", 0), ("strict", 3)] {
        let load = format!("{load}\nvalidity = \"{validity}\"\nconnect_timeout = \"60s\"");
        let ended = Storm::new(&scenario(&server.url(), &load, &more)).run();
        let summary = ended.expect(code);
        assert_eq!(summary["validity"]["verdict"], "generator_limited", "{summary}");
        let reasons = summary["validity"]["reasons"].to_string();
        assert!(reasons.contains("for their token"), "{reasons}");
        assert!(ended.stdout.contains("generator_limited"), "{}", ended.stdout);
    }
}

#[test]
fn an_embedded_broker_that_ends_by_itself_is_told() {
    let storm = Storm::new(&scenario("embedded", "stages = [{ rate = 50, for = \"4s\" }]", ""));
    let mut child = storm.start();
    let start = std::time::Instant::now();
    let broker = loop {
        let has_begun = storm.out().join("summary.json").exists();
        if let (Some(pid), true) = (children(child.id()).first(), has_begun) {
            break *pid;
        }
        assert!(start.elapsed().as_secs() < 60, "the run does not begin");
        thread::yield_now();
    };
    kill_process(Pid::from_raw(broker).unwrap(), Signal::KILL).unwrap();
    child.wait().unwrap();
    let summary = read_json(&storm.out().join("summary.json")).unwrap();
    assert_ne!(summary["validity"]["verdict"], "valid", "{summary}");
    let reasons = summary["validity"]["reasons"].to_string();
    assert!(reasons.contains("the broker `embedded` ended during the run"), "{reasons}");
}
