//! Embedded brokers that end by themselves in mid-run.

use std::{fs, process::Child, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Storm, rows, scenario};

/// The broker that a run has started: its child.
fn broker_of(run: &Child) -> Option<Pid> {
    let is_child = |stat: &str| {
        // The name, which may hold anything, ends with the last bracket; state and parent follow.
        let mut rest = stat.rsplit(')').next()?.split_whitespace();
        let (state, parent) = (rest.next()?, rest.next()?);
        (parent == run.id().to_string() && state != "Z").then_some(())
    };
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut own = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        is_child(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
        Pid::from_raw(pid)
    });
    own.next()
}

fn accepted(storm: &Storm) -> u64 {
    let path = storm.out().join("timeline.csv");
    let rows = if path.is_file() { rows(&path) } else { Vec::new() };
    let counts = rows.iter().filter_map(|row| row["accepted"].parse::<u64>().ok());
    counts.sum()
}

/// Waits until more clients were accepted.
fn wait_for_more(storm: &Storm, run: &mut Child, than: u64) {
    while accepted(storm) <= than {
        assert!(run.try_wait().unwrap().is_none(), "the run is over");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_embedded_broker_that_ends_by_itself_is_started_again_at_its_port_three_times() {
    let load = "stages = [{ rate = 50, for = \"60s\" }]\nconnect_timeout = \"1s\"";
    let storm = Storm::new(&scenario("embedded", load, ""));
    let mut run = storm.start();
    let mut killed = Vec::new();
    for _ in 0..4 {
        let broker = loop {
            if let Some(broker) = broker_of(&run).filter(|broker| !killed.contains(broker)) {
                break broker;
            }
            assert!(run.try_wait().unwrap().is_none(), "the run is over");
            thread::sleep(Duration::from_millis(20));
        };
        wait_for_more(&storm, &mut run, accepted(&storm));
        kill_process(broker, Signal::KILL).unwrap();
        killed.push(broker);
    }
    let seconds = || rows(&storm.out().join("timeline.csv")).len();
    let last = seconds() + 3;
    while seconds() < last {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(broker_of(&run), None, "a fourth time it is left where it is");
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let run = storm.wait(run);
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    let gone = run.summary()["broker_gone"].clone();
    let back: Vec<bool> =
        gone.as_array().unwrap().iter().map(|gone| gone["back_after_s"].is_f64()).collect();
    assert_eq!(back, [true, true, true, false], "{gone}");
}

#[test]
fn a_broker_that_an_event_stops_is_started_by_an_event_alone() {
    let load = "stages = [{ rate = 50, for = \"7s\" }]\nconnect_timeout = \"1s\"";
    let events = "[[events]]\nat = \"1s\"\ndo = \"stop_broker\"\nbroker = \"embedded\"\n\
                  [[events]]\nat = \"4s\"\ndo = \"start_broker\"\nbroker = \"embedded\"\n";
    let run = Storm::new(&scenario("embedded", load, events)).run();
    let summary = run.summary();
    let reasons = summary["validity"]["reasons"].to_string();
    assert!(!reasons.contains("by itself"), "{reasons}");
    let away = summary["outages"][0].clone();
    let failed = summary["outcomes"]["tcp_failed"].as_u64().unwrap();
    assert!(failed > 100, "three seconds at 50 a second, but for their edges: {failed}, {away}");
}
