//! Run folders that can't be written, and those that somebody else has written.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    run::{Ended, Storm, ended, read_json, rows, scenario, tokenstorm},
    server::Server,
};

const ACCEPT: &[u8] = &[0x20, 3, 0, 0, 0];
const LOAD: &str = "arrivals = \"constant\"\nstages = [{ rate = 20, for = \"3s\" }]";

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A run in whose folder some names are taken before it is over, by folders that no file can replace.
fn obstructed(names: &[&str]) -> Ended {
    let server = Server::answering(ACCEPT);
    let storm = Storm::new(&scenario(&server.url(), LOAD, ""));
    let child = storm.start_and_show();
    until("the first second", || read_json(&storm.out().join("summary.json")).is_some());
    for name in names {
        // In a run without a full disk, this is how a file can't be written.
        let _ = fs::remove_file(storm.out().join(name));
        fs::create_dir_all(storm.out().join(name).join("taken")).unwrap();
    }
    storm.wait(child)
}

#[test]
fn a_run_whose_page_cannot_be_written_is_told_and_judged_as_if_it_had_been() {
    let ended = obstructed(&["report.html", "latency.csv"]);
    let summary = ended.expect(0);
    assert_eq!((&summary["partial"], &summary["attempts"]), (&false.into(), &60.into()));
    assert!(ended.stdout.contains("\nvalidity    "), "{}", ended.stdout);
    for name in ["report.html", "latency.csv"] {
        let said: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(name)).collect();
        let [said] = said[..] else { panic!("{}", ended.stderr) };
        assert!(said.starts_with("warning: ") && said.contains("os error"), "{said}");
    }
}

#[test]
fn a_run_whose_summary_cannot_be_written_is_told_before_that_is_an_error() {
    let ended = obstructed(&["environment.json"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stdout.contains("60 attempts"), "{}", ended.stdout);
    assert!(ended.stderr.contains("environment.json"), "{}", ended.stderr);
}

#[test]
fn a_series_whose_table_cannot_be_written_tells_of_the_runs_that_were_measured() {
    let server = Server::answering(ACCEPT);
    let sweep = "[sweep]\ntoken_bytes = [600, 3000]\nrest = \"0s\"\n";
    let storm = Storm::new(&scenario(&server.url(), LOAD, sweep));
    let child = storm.start_and_show();
    until("the first run", || storm.out().join("runs").is_dir());
    fs::create_dir_all(storm.out().join("sweep.csv").join("taken")).unwrap();
    let ended = storm.wait(child);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stdout.contains("60 attempts"), "the first run's: {}", ended.stdout);
    assert!(ended.stdout.contains("can't write the results"), "{}", ended.stdout);
    assert!(ended.stderr.contains("sweep.csv"), "{}", ended.stderr);
}

/// A run whose folder is changed by a function of the text of one of its files.
fn changed(run: &Ended, name: &str, change: impl Fn(&str) -> String) {
    let path = run.out.join(name);
    fs::write(&path, change(&fs::read_to_string(&path).unwrap())).unwrap();
}

fn report(run: &Ended, format: &str) -> Ended {
    tokenstorm(&["report", run.out.to_str().unwrap(), "--format", format])
}

#[test]
fn what_a_run_folder_says_steers_neither_a_terminal_nor_whoever_reads_a_report() {
    let server = Server::answering(ACCEPT);
    let run = Storm::new(&scenario(&server.url(), LOAD, "")).run();
    run.expect(0);
    let theirs = "\\u001b]0;title\\u0007\\u001b[8mhidden\\u001b[0m\\u009b31m\u{9b}\u{202e}\\nvalidity    valid";
    changed(&run, "summary.json", |text| {
        text.replace("\"scenario\": \"test\"", &format!("\"scenario\": \"{theirs}\""))
    });
    changed(&run, "latency.csv", |text| text.replace("fresh", "\u{1b}[8mfresh\u{202e}"));
    changed(&run, "scenario.toml", |text| format!("# \u{202e}\u{9b}\n{text}"));
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t' || c == '\u{202e}';
    for format in ["terminal", "html", "markdown", "junit", "json", "csv"] {
        let said = report(&run, format);
        assert_eq!(said.code, Some(0), "{format}: {}", said.stderr);
        let at = said.stdout.find(steers);
        assert_eq!(at.map(|at| &said.stdout[at.saturating_sub(20)..at]), None, "{format}");
    }
    let said = report(&run, "terminal").stdout;
    // Its own, which is the machine's to say.
    let own = usize::from(run.summary()["validity"]["verdict"] == "valid");
    assert_eq!(said.matches("\nvalidity    valid").count(), own, "{said}");
    assert_eq!(said.matches("\nvalidity    ").count(), 1, "{said}");
}

#[test]
fn a_row_that_no_run_can_have_is_an_error_with_its_place() {
    let server = Server::answering(ACCEPT);
    let run = Storm::new(&scenario(&server.url(), LOAD, "")).run();
    run.expect(0);
    let keys = |second: &str| {
        let text = format!("second,key,broker,accepted,refused\n{second},main,b,1,0\n");
        fs::write(run.out.join("keys.csv"), text).unwrap();
    };
    for second in ["2000000000", "18446744073709551615", "1e300"] {
        keys(second);
        let said = report(&run, "html");
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        let named = format!("keys.csv` can't be read: line 2: `second` is `{second}`");
        assert!(said.stderr.contains(&named), "{}", said.stderr);
    }
    // What is far away, and may be.
    keys("999999999");
    assert_eq!(report(&run, "html").code, Some(0));
    fs::remove_file(run.out.join("keys.csv")).unwrap();
    changed(&run, "summary.json", |text| {
        text.replace("\"attempts\": 60", "\"attempts\": 18446744073709551615")
    });
    let said = report(&run, "terminal");
    assert!(said.code == Some(2) && said.stderr.contains("`attempts` is 1844"), "{}", said.stderr);
    assert!(rows(&run.out.join("verdicts.csv")).len() == 1);
}

#[test]
fn a_page_that_may_not_become_so_long_is_a_warning_and_not_the_end_without_a_word() {
    let server = Server::answering(ACCEPT);
    let storm = Storm::new(&scenario(&server.url(), LOAD, ""));
    // 20 or 40 KB, as the shell counts: the summary takes half of that, the page more.
    let ended = storm.run_limited("-f 40");
    let summary = ended.expect(0);
    assert_eq!((&summary["partial"], &summary["attempts"]), (&false.into(), &60.into()));
    assert!(ended.stdout.contains("60 attempts"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("warning: ") && ended.stderr.contains("report.html"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_file_that_cannot_grow_ends_with_a_whole_row_and_the_run_goes_on_and_says_so() {
    let server = Server::answering(ACCEPT);
    let load = "arrivals = \"constant\"\nstages = [{ rate = 40, for = \"6s\" }]";
    let storm =
        Storm::new(&scenario(&server.url(), load, "[[mix]]\ntoken = \"expired\"\nshare = 1\n"));
    // 20 or 40 KB: a finding takes 200 bytes, so that there is room for those of some seconds.
    let ended = storm.run_limited("-f 40");
    let summary = ended.expect(1);
    assert_eq!((&summary["attempts"], &summary["partial"]), (&240.into(), &false.into()));
    assert_eq!(summary["verdicts"]["false_accept"], 240);
    let kept = rows(&ended.out.join("findings.csv"));
    assert!(!kept.is_empty() && kept.len() < 240, "{}", kept.len());
    assert!(kept.iter().all(|row| row["replay"].contains("tokenstorm token mint")), "whole rows");
    assert_eq!(summary["findings_left_out"], 240 - kept.len());
    let said: Vec<&str> =
        ended.stderr.lines().filter(|line| line.contains("findings.csv")).collect();
    let [said] = said[..] else { panic!("once: {}", ended.stderr) };
    assert!(said.starts_with("warning: ") && said.contains("ends before second"), "{said}");
    // A host that is busy makes it the generator's fault as well.
    assert_ne!(summary["validity"]["verdict"], "valid", "{}", summary["validity"]);
    let reasons = summary["validity"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|it| said.ends_with(it.as_str().unwrap())), "{said}: {reasons:?}");
    assert_eq!(rows(&ended.out.join("timeline.csv")).len(), 6, "other files go on");
}

#[test]
fn a_matrix_whose_file_cannot_be_written_is_shown_before_that_is_an_error() {
    let server = Server::answering(ACCEPT);
    let storm = Storm::new(&scenario(&server.url(), "", ""));
    let mut command = Command::new("sh");
    let limited = "ulimit -f 20; exec \"$@\" --only wrong_key --progress none";
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_tokenstorm"), "matrix"]);
    command.arg(storm.scenario()).arg("--out").arg(storm.out()).stdin(Stdio::null());
    let ended = ended(command.output().unwrap(), storm.out());
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stdout.contains("wrong_key"), "{}", ended.stdout);
    assert!(ended.stderr.contains("can't write the results"), "{}", ended.stderr);
}
