//! Brokers that die in mid-run, and come back.

use std::{collections::BTreeMap, process::Child};

use crate::{
    broker::{Broker, anonymous, end, timeline, wait_until},
    mortal::{Act, CLOSES, Mortal, stages},
    run::{Storm, number, scenario},
};

type Row = BTreeMap<String, String>;

/// Clients that hold for longer than anybody waits, and the run that brings them.
fn started(broker: &Broker) -> (Storm, Child) {
    let load = "stages = [{ rate = 100, for = \"10s\" }]\nhold = \"30s\"\nclients = 900";
    let storm = anonymous(broker.get("MQTT"), load, "");
    let child = storm.start();
    (storm, child)
}

fn seen(rows: &[Row], column: &str) -> u64 {
    rows.iter().map(|row| number(row, column)).sum()
}

#[test]
#[ignore = "needs Mosquitto: scripts/test-live"]
fn a_broker_that_is_killed_and_started_again_is_seen_to_be_away_and_the_run_goes_on() {
    let broker = Broker::start("mosquitto");
    let (storm, mut child) = started(&broker);
    wait_until(&storm, &mut child, "the first clients", |rows| seen(rows, "accepted") > 50);
    end("kill", "mosquitto");
    wait_until(&storm, &mut child, "the first failures", |rows| seen(rows, "failed") > 20);
    let before = seen(&timeline(&storm), "accepted");
    Broker::start("mosquitto");
    wait_until(&storm, &mut child, "clients after that", |rows| {
        seen(rows, "accepted") > before + 50
    });
    // Those that hold now would hold for long.
    interrupt(&child);
    let run = storm.wait(child);
    let summary = run.expect(130);
    let outcomes = &summary["outcomes"];
    assert!(outcomes["tcp_failed"].as_u64().unwrap() > 0, "{outcomes}");
    assert_eq!(summary["verdicts"]["correct"], outcomes["accepted"], "{}", summary["verdicts"]);
    assert!(summary["sessions"]["dropped"].as_u64().unwrap() > 0, "{}", summary["sessions"]);
    let codes = summary["codes"]["tcp_failed"].as_object().unwrap();
    assert!(codes.contains_key("ECONNREFUSED"), "{codes:?}");
}

#[test]
#[ignore = "needs haproxy and Mosquitto: scripts/test-live"]
fn a_balancer_that_loses_one_of_two_brokers_drops_its_sessions_and_goes_on_with_the_other() {
    let broker = Broker::start("haproxy");
    let (storm, mut child) = started(&broker);
    wait_until(&storm, &mut child, "the first clients", |rows| seen(rows, "accepted") > 100);
    end("kill", "haproxy-a");
    let before = seen(&timeline(&storm), "accepted");
    wait_until(&storm, &mut child, "clients after that", |rows| {
        seen(rows, "accepted") > before + 150
    });
    interrupt(&child);
    let run = storm.wait(child);
    end("stop", "haproxy");
    let summary = run.expect(130);
    let sessions = &summary["sessions"];
    let (held, dropped) =
        (sessions["held"].as_u64().unwrap(), sessions["dropped"].as_u64().unwrap());
    // About half of those that held before.
    assert!(dropped > 20 && dropped < held, "{sessions}");
    assert_eq!(summary["verdicts"]["correct"], summary["outcomes"]["accepted"]);
    assert_eq!(summary["outcomes"]["tcp_failed"], 0, "haproxy itself was there all the time");
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_judge_what_one_of_them_saw_for_all() {
    let broker = Mortal::start(|number| if number == 80 { Act::Die(None) } else { Act::Accept });
    let text = scenario(&broker.url(), &stages(100, "3s", "0s"), CLOSES);
    let ended = Storm::new(&text).run_with(&["--agents", "2"]);
    let summary = ended.expect(1);
    let [gone] = summary["broker_gone"].as_array().unwrap().as_slice() else { panic!("{summary}") };
    assert_eq!(gone["by"], "port");
    assert!(!gone["on_the_way"].as_array().unwrap().is_empty(), "{gone}");
    let all = ended.verdicts();
    let closed: Vec<_> = all.keys().filter(|name| name.contains(" closed ")).collect();
    assert!(
        !closed.is_empty() && closed.iter().all(|name| name.ends_with("not_judged")),
        "{all:?}"
    );
    assert!(summary["broker_checks"].as_u64().unwrap() > 0);
}
