//! Faults of brokers, hosts and people: the run goes on where it can, and says what it can't do.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    net::{AddressFamily, SocketType, bind, getsockname, socket},
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};

use crate::{
    run::{Storm, check_conserved, everything, read_json, rows, scenario, tokenstorm},
    server::{Gate, Server, until_closed},
};

const ACCEPT: [u8; 5] = [0x20, 3, 0, 0, 0];

fn accepting() -> Server {
    Server::start(|stream, _| {
        stream.write_all(&ACCEPT).unwrap();
        until_closed(stream);
    })
}

/// An address that refuses: bound as long as the socket is kept, so that no other test gets it, and
/// nobody listens there.
fn refusing() -> (OwnedFd, SocketAddr) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// Waits until something is there; a host that is slow is no fault of the program.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

fn attempts_in(storm: &Storm) -> Option<Value> {
    let summary = read_json(&storm.out().join("summary.json"))?;
    (summary["attempts"].as_u64()? > 0).then_some(summary)
}

#[test]
fn without_a_broker_there_is_one_line_and_no_folder() {
    let (_bound, address) = refusing();
    for load in ["", "stages = [{ rate = 100, for = \"10m\" }]\nconnect_timeout = \"1h\""] {
        let storm = Storm::new(&scenario(&format!("mqtt://{address}"), load, ""));
        let ended = storm.run();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let first = ended.stderr.lines().next().unwrap();
        assert!(first.starts_with(&format!("error: no broker answers at `{address}`")), "{first}");
        assert!(first.contains("ECONNREFUSED"), "{first}");
        assert!(!storm.out().exists(), "a folder full of zeros");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_broker_that_dies_in_mid_run_does_not_end_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = AtomicUsize::new(0);
    let stop = Arc::new(listener.try_clone().unwrap());
    let server = Server::on(listener, move |stream, _| {
        if seen.fetch_add(1, Ordering::SeqCst) == 20 {
            // Nobody accepts any more; what still waits in the backlog runs into the timeout.
            rustix::net::shutdown(&*stop, rustix::net::Shutdown::Both).unwrap();
        }
        stream.write_all(&ACCEPT).unwrap();
        until_closed(stream);
    });
    let load = "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"2s\" }]\nconnect_timeout = \"1s\"";
    let ended = Storm::new(&scenario(&format!("mqtt://{address}"), load, "")).run();
    let summary = ended.expect(1);
    assert_eq!(summary["attempts"], 200, "the run went on to its last attempt");
    assert!(summary["outcomes"]["accepted"].as_u64().unwrap() >= 20);
    assert!(summary["outcomes"]["tcp_failed"].as_u64().unwrap() > 0, "{}", summary["outcomes"]);
    drop(server);
}

fn long_run() -> (Server, Storm) {
    let server = accepting();
    let load = "arrivals = \"constant\"\nstages = [{ rate = 200, for = \"120s\" }]\nhold = \"60s\"";
    let storm = Storm::new(&scenario(&server.url(), load, ""));
    (server, storm)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupted_run_writes_what_it_measured_and_exits_130() {
    for wanted in [Signal::INT, Signal::TERM] {
        let (_server, storm) = long_run();
        let child = storm.start();
        until("the first second", || attempts_in(&storm));
        signal(&child, wanted);
        let summary = storm.wait(child).expect(130);
        assert_eq!(summary["interrupted"], true);
        assert_eq!(summary["partial"], false);
        assert_eq!(summary["validity"]["verdict"], "interrupted");
        assert!(summary["attempts"].as_u64().unwrap() < 24_000);
        for file in ["latency.csv", "verdicts.csv", "timeline.csv", "environment.json"] {
            assert!(storm.out().join(file).exists(), "{file}");
        }
    }
}

#[test]
fn a_run_that_is_interrupted_before_any_answer_exits_130_too() {
    let silent = Server::start(|stream, _| until_closed(stream));
    let (_bound, refusing) = refusing();
    let load = "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"60s\" }]\nconnect_timeout = \"60s\"";
    let text = scenario(&silent.url(), load, "");
    let two = text.replace("brokers = [", &format!("brokers = [\"mqtt://{refusing}\", "));
    for text in [text, two] {
        let storm = Storm::new(&text);
        let before = silent.received().len();
        let child = storm.start();
        until("the fifth client", || (silent.received().len() >= before + 5).then_some(()));
        signal(&child, Signal::INT);
        let summary = storm.wait(child).expect(130);
        assert_eq!(summary["validity"]["verdict"], "interrupted");
        assert!(summary["abandoned"].as_u64().unwrap() >= 5, "{summary}");
    }
}

#[test]
fn one_broker_of_two_that_is_down_does_not_end_the_run() {
    let (_bound, down) = refusing();
    // Each worker meets one of the two brokers. The good one says nothing for longer than the timeout,
    // and so for as long as it takes to give the other up.
    let gate = Gate::new(30);
    let up = Server::start(move |stream, _| {
        gate.pass();
        stream.write_all(&ACCEPT).unwrap();
        until_closed(stream);
    });
    let load = "arrivals = \"constant\"\nworkers = 2\nconnect_timeout = \"1s\"\n\
                stages = [{ rate = 50, for = \"3s\" }]";
    let text = scenario(&up.url(), load, "")
        .replace("brokers = [", &format!("brokers = [\"mqtt://{down}\", "));
    let summary = Storm::new(&text).run().expect(1);
    assert_eq!(summary["attempts"], 150);
    let of = |url: &str| &summary["by_broker"][url]["outcomes"];
    assert!(of(&up.url())["accepted"].as_u64() > Some(30), "{}", of(&up.url()));
    assert_eq!(of(&format!("mqtt://{down}"))["tcp_failed"], 75);
    let reasons = summary["validity"]["reasons"].to_string();
    assert!(reasons.contains("could not be judged"), "{reasons}");
}

#[test]
fn a_killed_run_leaves_what_it_had_measured() {
    let server = accepting();
    let load = "arrivals = \"constant\"\nstages = [{ rate = 200, for = \"120s\" }]";
    let storm =
        Storm::new(&scenario(&server.url(), load, "[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n"));
    let mut child = storm.start();
    until("the second second", || {
        attempts_in(&storm).filter(|summary| summary["attempts"].as_u64() > Some(250))
    });
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let summary = read_json(&storm.out().join("summary.json")).unwrap();
    check_conserved(&summary);
    assert_eq!(summary["partial"], true);
    let attempts = summary["attempts"].as_u64().unwrap();
    let verdicts = rows(&storm.out().join("verdicts.csv"));
    assert_eq!(verdicts[0]["verdict"], "false_accept");
    assert!(!rows(&storm.out().join("timeline.csv")).is_empty());
    assert!(
        rows(&storm.out().join("findings.csv")).len() as u64 >= attempts,
        "every finding of the summary"
    );
    let shown = tokenstorm(&["report", storm.out().to_str().unwrap()]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("still running or killed"), "{}", shown.stdout);
}

#[test]
fn no_secret_and_no_token_leaves_the_program() {
    let server = Server::start(|stream, _| {
        stream.write_all(&[0x20, 3, 0, 0x8C, 0]).unwrap();
        until_closed(stream);
    });
    let ended =
        Storm::new(&scenario(&server.url(), "", "[[mix]]\ntoken = \"expired\"\nshare = 1\n")).run();
    ended.expect(1);
    let all = everything(&ended);
    assert!(all.contains("wrong_reason"), "the findings are among what was read");
    assert!(!all.contains(crate::run::SECRET));
    for connect in server.received() {
        let token = String::from_utf8(connect.password.unwrap()).unwrap();
        let signature = token.rsplit('.').next().unwrap();
        assert!(!all.contains(&token) && !all.contains(signature));
    }
}

#[test]
fn too_few_descriptors_are_told_before_the_start_and_counted_where_they_could_not_be_known() {
    let server = accepting();
    let open = "stages = [{ rate = 200, for = \"2s\" }]\nhold = \"10s\"";
    let storm = Storm::new(&scenario(&server.url(), open, ""));
    let ended = storm.run_limited("-n 100");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("descriptors") && ended.stderr.contains("load.hold"),
        "{}",
        ended.stderr
    );
    assert!(!storm.out().exists());

    // That bad tokens are let in, and then hold, no plan can know.
    let load = "clients = 400\nconcurrency = 10\nhold = \"2s\"";
    let bad = "[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
    let ended = Storm::new(&scenario(&server.url(), load, bad)).run_limited("-n 150");
    let summary = ended.expect(1);
    assert!(summary["codes"]["local_error"]["no_descriptor"].as_u64() > Some(0), "{summary}");
    assert!(summary["outcomes"]["accepted"].as_u64() >= Some(100), "{}", summary["outcomes"]);
    assert_eq!(summary["validity"]["verdict"], "degraded");
}

#[test]
fn connections_that_are_over_give_way_where_descriptors_are_short() {
    // Refuses, and never closes first.
    let stubborn = Server::start(|stream, _| {
        stream.write_all(&[0x20, 3, 0, 0x87, 0]).unwrap();
        until_closed(stream);
    });
    let load = "clients = 600\nconcurrency = 10";
    let bad = "[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
    let ended = Storm::new(&scenario(&stubborn.url(), load, bad)).run_limited("-n 100");
    let summary = ended.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 600, "{}", summary["outcomes"]);
}

#[test]
fn an_address_that_is_not_ours_is_refused_by_the_plan() {
    let load = "source_addresses = [\"127.0.0.2\", \"203.0.113.7\"]";
    let ended = Storm::new(&scenario("embedded", load, "")).run();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("`load.source_addresses` names `203.0.113.7`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn source_addresses_take_turns() {
    let server = accepting();
    let load = "workers = 1\nsource_addresses = [\"127.0.0.2\", \"127.0.0.3\"]";
    Storm::new(&scenario(&server.url(), load, "")).run().expect(0);
    let mut sources: Vec<String> =
        server.received().iter().map(|connect| connect.peer.ip().to_string()).collect();
    sources.sort();
    assert_eq!(sources, [["127.0.0.2"; 4], ["127.0.0.3"; 4]].concat());
}

#[test]
fn results_that_can_not_be_written_are_told_before_anything_is_measured() {
    let server = accepting();
    let storm = Storm::new(&scenario(&server.url(), "", ""));
    fs::create_dir(storm.out()).unwrap();
    fs::write(storm.out().join("mine.txt"), "mine").unwrap();
    let ended = storm.run();
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("holds something already"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(storm.out()).unwrap().count(), 1);
    assert!(server.received().is_empty(), "nothing was measured");
}

#[test]
fn a_token_that_ends_during_the_run_is_judged_by_the_time_at_which_it_is_sent() {
    // A broker that accepts everything, and one token for all, good for one to two seconds: `exp` is
    // whole seconds, so one of 1s could be over with the first client.
    let server = accepting();
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"5s\" }]";
    let more = "[token]\nttl = \"2s\"\nreuse = 1000\n";
    let ended = Storm::new(&scenario(&server.url(), load, more)).run();
    let summary = ended.expect(1);
    let verdict = |name: &str| summary["verdicts"][name].as_u64().unwrap();
    assert!(
        verdict("false_accept") >= 140,
        "the last three seconds and more: {}",
        summary["verdicts"]
    );
    assert!(verdict("correct") > 0, "the first moments: {}", summary["verdicts"]);
    assert_eq!(verdict("false_accept") + verdict("correct") + verdict("indeterminate"), 250);
    assert_eq!(summary["outcomes"]["accepted"], json!(250));
}

#[test]
fn of_connects_that_were_refused_at_once_no_time_is_shown_and_no_timeout() {
    let (_bound, address) = refusing();
    let text = scenario(&accepting().url(), "clients = 16", "")
        .replace("brokers = [", &format!("brokers = [\"mqtt://{address}\", "));
    let storm = Storm::new(&text);
    let run = storm.run();
    assert_eq!(run.summary()["outcomes"]["tcp_failed"], 8, "{}", run.stderr);
    let again = tokenstorm(&["report", storm.out().to_str().unwrap()]).stdout;
    let page = fs::read_to_string(storm.out().join("report.html")).unwrap();
    for shown in [&run.stdout, &again, &page] {
        assert!(!shown.contains("> 5.00 s"), "nobody waited so long: {shown}");
    }
}
