//! What could not be measured is said, and does not pass for a success.

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_linger;

use crate::{
    run::{Ended, Storm, rows, scenario, tokenstorm},
    server::{Server, until_closed},
};

const ACCEPT: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Accepts every second client, and closes before it has answered the others: that says nothing of a good token.
fn half_mute() -> Server {
    Server::start(|stream, connect| {
        if connect.number.is_multiple_of(2) {
            stream.write_all(&ACCEPT).unwrap();
            until_closed(stream);
        }
    })
}

fn report(ended: &Ended, format: &str) -> String {
    let folder = ended.out.to_str().unwrap();
    tokenstorm(&["report", folder, "--format", format]).stdout
}

#[test]
fn a_run_of_which_over_one_in_a_hundred_could_not_be_judged_fails_unless_the_scenario_says_otherwise()
 {
    let server = half_mute();
    let ended = Storm::new(&scenario(&server.url(), "clients = 20", "")).run();
    let summary = ended.expect(1);
    let threshold = &summary["thresholds"][0];
    assert_eq!(threshold["metric"], "verdict.not_judged");
    assert_eq!(threshold["condition"], "rate <= 0.01");
    assert_eq!((&threshold["observed"], &threshold["passed"]), (&0.5.into(), &false.into()));
    let more = "[thresholds]\n\"verdict.not_judged\" = [\"rate <= 0.5\"]\n";
    let server = half_mute();
    let ended = Storm::new(&scenario(&server.url(), "clients = 20", more)).run();
    let summary = ended.expect(0);
    assert_eq!(
        summary["thresholds"].as_array().unwrap().len(),
        1,
        "its own in place of the default"
    );
}

#[test]
fn a_pull_request_is_told_in_its_title_that_bad_tokens_were_accepted() {
    let server = Server::answering(&ACCEPT);
    let more = "[[mix]]\ntoken = \"expired\"\nshare = 1\n";
    let ended = Storm::new(&scenario(&server.url(), "", more)).run();
    ended.expect(1);
    let text = report(&ended, "markdown");
    let mut lines = text.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("### tokenstorm: test: FAILED"), "{text}");
    let sentence = lines.next().unwrap();
    assert!(
        sentence.starts_with("**FAILED: 8 tokens that must be refused were accepted (expired)"),
        "{sentence}"
    );
    assert!(lines.next().unwrap().starts_with("8 attempts: 0 correct, 8 false accept;"), "{text}");
}

#[test]
fn findings_without_a_row_are_counted_and_said() {
    let server = Server::answering(&[0x20, 3, 0, 0x88, 0]);
    let load = "clients = 10040\nconcurrency = 40";
    let ended = Storm::new(&scenario(&server.url(), load, "")).run();
    let summary = ended.expect(3);
    let found = rows(&ended.out.join("findings.csv"));
    let (last, others) = found.split_last().unwrap();
    assert_eq!(others.len(), 10_000);
    assert!(others.iter().all(|row| row["operation"] == "connect"));
    assert_eq!(
        (&*last["operation"], &*last["code"]),
        ("left_out", "40"),
        "the file says so itself"
    );
    let is_empty = |(name, cell): (&String, &String)| {
        matches!(name.as_str(), "operation" | "code") || cell.is_empty()
    };
    assert!(last.iter().all(is_empty), "{last:?}");
    assert_eq!(summary["findings_left_out"], 40);
    let folder = ended.out.display().to_string();
    let end = tokenstorm(&["replay", &folder, "10002"]);
    assert_eq!(end.code, Some(2), "{}", end.stderr);
    assert!(end.stderr.contains("no finding at line 10002; 40 findings more"), "{}", end.stderr);
    for text in [report(&ended, "markdown"), report(&ended, "html")] {
        assert!(text.contains("no room for 40"), "{text}");
    }
    assert!(
        ended.stdout.contains("findings.csv, which has no room for 40 of them"),
        "{}",
        ended.stdout
    );
}

/// The bytes of brokers that do not speak 5.0, and of one that wants an authentication method.
#[test]
fn a_broker_that_speaks_no_5_0_is_said_to_and_no_other_cause_is_guessed() {
    for bytes in [&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0], &[0x20, 3, 0, 1, 0]] {
        let server = Server::answering(bytes.to_vec().leak());
        let ended = Storm::new(&scenario(&server.url(), "", "")).run();
        ended.expect(3);
        for text in [&ended.stdout, &report(&ended, "markdown"), &report(&ended, "html")] {
            assert!(text.contains("the broker does not speak MQTT 5.0"), "{bytes:?}: {text}");
            assert!(!text.contains("every answer was as promised"), "{text}");
        }
    }
    let server = Server::answering(&[0x20, 3, 0, 0x8C, 0]);
    let ended = Storm::new(&scenario(&server.url(), "", "")).run();
    ended.expect(1);
    assert!(ended.stdout.contains("it wants an authentication method"), "{}", ended.stdout);
}

/// The cells of `connack` over all attempts: p50, p99 and `beyond`.
fn connack(ended: &Ended) -> [String; 3] {
    let row = rows(&ended.out.join("latency.csv"))
        .into_iter()
        .find(|row| row["phase"] == "connack" && row["outcome"] == "all")
        .unwrap();
    ["p50_us", "p99_us", "beyond"].map(|column| row[column].clone())
}

fn reset(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_cell_of_latency_csv_is_a_number_or_empty_and_beyond_names_what_is_longer() {
    let mute = Server::start(|stream, _| until_closed(stream));
    let load = "connect_timeout = \"500ms\"\nconcurrency = 8";
    let ended = Storm::new(&scenario(&mute.url(), load, "")).run();
    assert_eq!(ended.expect(3)["phases"]["connack"]["p50_us"], ">500000");
    assert_eq!(connack(&ended), ["500000", "500000", "p50;p90;p95;p99;p999;p9999;max"]);
    let rude = Server::start(|stream, _| reset(stream));
    let ended = Storm::new(&scenario(&rude.url(), "", "")).run();
    ended.expect(3);
    assert_eq!(connack(&ended), ["", "", ""], "ended without an answer, and not by a timeout");
    for file in ["latency.csv", "timeline.csv"] {
        for row in rows(&ended.out.join(file)) {
            assert!(row.values().all(|cell| !cell.starts_with('>')), "{file}: {row:?}");
        }
    }
}

#[test]
fn a_run_that_was_interrupted_before_an_attempt_ended_does_not_say_that_all_was_well() {
    let mute = Server::start(|stream, _| until_closed(stream));
    let storm = Storm::new(&scenario(&mute.url(), "connect_timeout = \"60s\"", ""));
    let child = storm.start_and_show();
    let begun = Instant::now();
    while mute.received().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody came");
        thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = storm.wait(child);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(!ended.stdout.contains("as promised"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("interrupted: interrupted"), "{}", ended.stdout);
}

#[test]
fn a_client_id_that_no_connect_can_hold_is_refused_by_the_plan() {
    let long = format!("[identity]\nclient_id = \"{}-{{n}}\"\n", "x".repeat(70_000));
    let ended = Storm::new(&scenario("mqtt://127.0.0.1:1", "", &long)).run();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("`identity.client_id` is 70002 bytes long for client 7"),
        "{}",
        ended.stderr
    );
}

#[test]
fn client_ids_that_no_topic_can_hold_are_refused_only_where_their_clients_publish() {
    let ids = "[identity]\nclient_id = \"#/+/{n}\"\n";
    let publishes =
        "[policy]\non_expiry = \"disconnect\"\nends_on = \"publish\"\n[session]\ngrace = \"5s\"\n";
    for (more, code) in [(ids.to_owned(), Some(0)), (format!("{ids}{publishes}"), Some(2))] {
        let server = Server::answering(&ACCEPT);
        let ended = Storm::new(&scenario(&server.url(), "hold = \"0s\"", &more)).run();
        assert_eq!(ended.code, code, "{more}: {}", ended.stderr);
    }
}

#[test]
fn a_run_that_was_killed_is_no_success_to_a_ci_server() {
    let server = Server::answering(&ACCEPT);
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"60s\" }]";
    let storm = Storm::new(&scenario(&server.url(), load, ""));
    let mut child = storm.start();
    let begun = Instant::now();
    while !storm.out().join("summary.json").exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no summary came");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = storm.out();
    let report =
        |format: &str| tokenstorm(&["report", folder.to_str().unwrap(), "--format", format]).stdout;
    assert!(report("junit").contains("it is still running, or was killed"), "{}", report("junit"));
    let markdown = report("markdown");
    assert!(markdown.starts_with("### tokenstorm: test: not finished"), "{markdown}");
    assert!(markdown.contains("validity: not judged yet"), "{markdown}");
}
