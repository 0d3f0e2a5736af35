//! Builds against each other: what is found, what is said of builds that fail, and that no process is left behind.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use procfs::process::all_processes;

use crate::{
    own_broker::OwnBroker,
    run::{Ended, Storm, children, ended, program, read_json, rows, scenario},
};

/// A scenario that a command can start a broker for, short enough to be run again and again.
fn storm(load: &str) -> Storm {
    let more = "profile = \"rmqtt\"\n---\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\n\
                share = 1\n[policy]\nchecks = [\"exp\"]\nrequires = [\"exp\"]\n";
    Storm::new(&scenario("embedded", load, more))
}

/// A command that starts the embedded broker, marked so that its processes can be told from all others.
fn build(storm: &Storm, more: &str) -> String {
    format!(
        "{} broker {} --listen 127.0.0.1:{{port}} {more}",
        env!("CARGO_BIN_EXE_tokenstorm"),
        storm.scenario().display()
    )
}

fn ab(storm: &Storm, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("ab").arg(storm.scenario()).arg("--out").arg(storm.out());
    command.args(["--progress", "none", "--rest", "0s"]).args(arguments);
    command
}

fn run(storm: &Storm, arguments: &[&str]) -> Ended {
    ended(ab(storm, arguments).output().unwrap(), storm.out())
}

/// Processes whose command line names the scenario of a test: the brokers of its builds.
fn left(storm: &Storm) -> Vec<String> {
    let name = storm.scenario().display().to_string();
    let lines = all_processes().unwrap().flatten().filter_map(|process| process.cmdline().ok());
    lines.map(|line| line.join(" ")).filter(|line| line.contains(&name)).collect()
}

/// Waits until there are no such processes any more, and fails if that takes far longer than it ever may.
fn wait_until_gone(storm: &Storm) {
    for _ in 0..1500 {
        if left(storm).is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("still there: {:?}", left(storm));
}

fn wait_for_broker(storm: &Storm, child: &mut Child) {
    let is_there = || left(storm).iter().any(|line| line.contains("warden"));
    while !(storm.out().join("baseline").exists() || storm.out().join("candidate").exists())
        || !is_there()
    {
        assert!(child.try_wait().unwrap().is_none(), "it ended before a broker was there");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_build_that_skips_exp_is_found_in_the_first_pair_and_ends_the_trials() {
    let storm = storm("clients = 100\nconcurrency = 8");
    let (baseline, candidate) =
        (build(&storm, "--mutant healthy"), build(&storm, "--mutant skips_exp"));
    let ended = run(&storm, &["--baseline-cmd", &baseline, "--candidate-cmd", &candidate]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("lets in tokens that the baseline refuses"), "{}", ended.stdout);
    let comparison = read_json(&storm.out().join("comparison.json")).unwrap();
    assert_eq!(comparison["verdict"], "worse");
    assert_eq!(comparison["runs"], serde_json::json!([1, 1]), "there is nothing left to decide");
    let trials = rows(&storm.out().join("trials.csv"));
    assert_eq!(trials.len(), 2);
    assert!(trials.iter().all(|trial| trial["status"] == "done"), "{trials:?}");
    for file in [
        "comparison.md",
        "comparison.xml",
        "comparison.csv",
        "report.html",
        "benchmark.json",
        "bencher.json",
    ] {
        assert!(storm.out().join(file).is_file(), "{file}");
    }
    assert_eq!(left(&storm), [] as [String; 0]);
}

#[test]
fn the_same_build_on_both_sides_is_no_worse_and_takes_turns() {
    let storm = storm("clients = 120\nconcurrency = 8");
    let baseline = build(&storm, "--mutant healthy");
    let arguments = [
        "--baseline-cmd",
        &baseline,
        "--aa",
        "--max-trials",
        "12",
        "--gate",
        "connack.p50",
        "--ready",
        "connack",
        // At 5 % one run in twenty would be a false alarm, as is promised: here it must not fail the test.
        "--threshold",
        "400%",
    ];
    let ended = run(&storm, &arguments);
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}{}", ended.code, ended.stdout, ended.stderr);
    let comparison = read_json(&storm.out().join("comparison.json")).unwrap();
    assert_eq!(comparison["runs"], serde_json::json!([6, 6]));
    assert_eq!(comparison["partial"], false);
    let trials = rows(&storm.out().join("trials.csv"));
    let sides: Vec<&str> = trials.iter().map(|trial| trial["side"].as_str()).collect();
    for block in sides.chunks(4) {
        assert_eq!((block[0], block[1]), (block[3], block[2]), "A B B A or B A A B: {sides:?}");
    }
    // A good token has asked whether each was ready: counted, in a folder of its own.
    assert!(trials.iter().all(|trial| trial["ready_attempts"] != "0"), "{trials:?}");
    assert!(storm.out().join("ready/baseline-001/001/summary.json").is_file());
}

#[test]
fn a_build_that_never_gets_ready_is_told_with_what_it_said_and_is_gone() {
    let storm = storm("clients = 8");
    let baseline = build(&storm, "--mutant healthy");
    let silent = format!("echo no licence for {}; sleep 600", storm.scenario().display());
    let arguments = [
        "--baseline-cmd",
        &baseline,
        "--candidate-cmd",
        &silent,
        "--target",
        "mqtt://127.0.0.1:{port}",
        "--ready-timeout",
        "500ms",
    ];
    // The command takes no port, so that its URL must name one.
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is told no port"), "{}", ended.stderr);
    let silent = format!("{silent} # {{port}}");
    let arguments =
        ["--baseline-cmd", &baseline, "--candidate-cmd", &silent, "--ready-timeout", "5s"];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("does not listen at 127.0.0.1:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no licence for"), "the log is shown: {}", ended.stderr);
    assert!(ended.stderr.contains("--ready-timeout"), "{}", ended.stderr);
    assert_eq!(left(&storm), [] as [String; 0]);
}

#[test]
fn a_build_that_dies_in_trial_7_leaves_what_came_before_named_as_partial() {
    let storm = storm("clients = 40\nconcurrency = 4\nhold = \"1s\"");
    let count = storm.out().with_extension("count");
    // Of both builds together the seventh that is started dies when its run has begun: the first of the fourth pair.
    let dying = format!(
        "echo x >> {count}; {} & pid=$!; [ $(wc -l < {count}) -ne 7 ] || \
         (until [ -e {out}/baseline/004 -o -e {out}/candidate/004 ]; do sleep 0.02; done; kill -9 $pid) & wait $pid",
        build(&storm, "--mutant healthy"),
        count = count.display(),
        out = storm.out().display()
    );
    let arguments =
        ["--baseline-cmd", &dying, "--aa", "--max-trials", "12", "--gate", "connack.p50"];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("trial 7 ("), "{}", ended.stderr);
    assert!(ended.stderr.contains("the broker died in it"), "{}", ended.stderr);
    let comparison = read_json(&storm.out().join("comparison.json")).unwrap();
    assert_eq!(comparison["partial"], true);
    assert_eq!(comparison["runs"], serde_json::json!([3, 3]), "what was measured is kept");
    assert_eq!(comparison["verdict"], "inconclusive");
    assert!(
        comparison["remarks"][0].as_str().unwrap().contains("trial 7"),
        "{}",
        comparison["remarks"]
    );
    let trials = rows(&storm.out().join("trials.csv"));
    assert_eq!(trials[6]["status"], "failed");
    assert!(trials[6]["run"].starts_with("failed/007-"), "{:?}", trials[6]);
    assert_eq!(left(&storm), [] as [String; 0]);
}

#[test]
fn neither_a_kill_nor_ctrl_c_leaves_a_broker_behind_not_even_one_that_hides() {
    for signal in ["-KILL", "-INT"] {
        let storm = storm("clients = 40\nconcurrency = 4\nhold = \"600s\"");
        // A session of its own, and no parent: what a daemon does.
        let daemon =
            format!("setsid sh -c '{} & sleep 600' & sleep 600", build(&storm, "--mutant healthy"));
        let mut command = ab(&storm, &["--baseline-cmd", &daemon, "--aa"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_broker(&storm, &mut child);
        let told = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
        assert!(told.success());
        let status = child.wait().unwrap();
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130));
            let trials = rows(&storm.out().join("trials.csv"));
            assert_eq!(trials[0]["status"], "interrupted", "{trials:?}");
        }
        wait_until_gone(&storm);
    }
}

#[test]
fn a_warden_that_is_killed_takes_no_broker_out_of_sight() {
    let storm = storm("clients = 40\nconcurrency = 4\nhold = \"600s\"");
    let baseline = build(&storm, "--mutant healthy");
    let mut child = ab(&storm, &["--baseline-cmd", &baseline, "--aa"]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_broker(&storm, &mut child);
    let is_warden = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').any(|word| word == "warden")
    };
    let warden = children(child.id()).into_iter().find(is_warden).unwrap();
    for (signal, pid) in [("-KILL", warden.to_string()), ("-INT", child.id().to_string())] {
        assert!(Command::new("kill").arg(signal).arg(pid).status().unwrap().success());
    }
    child.wait().unwrap();
    wait_until_gone(&storm);
}

#[test]
fn a_port_that_somebody_listens_at_is_no_build() {
    let storm = storm("clients = 8");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", taken.local_addr().unwrap());
    let arguments = ["--baseline-cmd", "sleep 600", "--aa", "--target", &url];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("somebody listens at 127.0.0.1:"), "{}", ended.stderr);
}

#[test]
fn two_brokers_that_run_are_compared_and_nothing_is_started() {
    let storm = storm("clients = 16");
    let arguments = [
        "--aa",
        "--max-trials",
        "12",
        "--gate",
        "connack.p50",
        "--threshold",
        "400%",
        "--set",
        "load.concurrency=2",
    ];
    let ended = run(&storm, &arguments);
    assert!(matches!(ended.code, Some(0 | 4)), "{}{}", ended.stdout, ended.stderr);
    assert!(!storm.out().join("logs").exists(), "no command, no log");
    let (strict, lax) = (
        OwnBroker::start(&storm.scenario(), "healthy"),
        OwnBroker::start(&storm.scenario(), "skips_exp"),
    );
    fs::remove_dir_all(storm.out()).unwrap();
    let ended = run(&storm, &["--baseline", &strict.url, "--candidate", &lax.url]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let comparison = read_json(&storm.out().join("comparison.json")).unwrap();
    assert_eq!(comparison["candidate"], format!("candidate: {}", lax.url));
    let missing = run(&storm, &["--baseline", "mqtt://127.0.0.1:1"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("one of them is missing"), "{}", missing.stderr);
    let few = run(&storm, &["--aa", "--max-trials", "10"]);
    assert_eq!(few.code, Some(2));
    assert!(few.stderr.contains("10 trials can't decide 2 metrics"), "{}", few.stderr);
    assert!(few.stderr.contains("at least 14 trials"), "{}", few.stderr);
}

#[test]
fn a_key_that_is_made_for_each_run_is_known_to_no_command() {
    let text = scenario("embedded", "", "")
        .replace(&format!("secret = \"{}\"", crate::run::SECRET), "generate = true");
    let storm = Storm::new(&text);
    let ended = run(&storm, &["--baseline-cmd", "broker {port}", "--aa"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("`keys.main` is made for each run"), "{}", ended.stderr);
    assert!(!Path::new(&storm.out()).join("trials.csv").exists());
    let _ = fs::remove_dir_all(storm.out());
}

#[test]
fn a_candidate_that_dies_where_the_baseline_does_not_is_worse() {
    let storm = storm("clients = 40\nconcurrency = 4\nhold = \"1s\"");
    let baseline = build(&storm, "--mutant healthy");
    // It dies when its run has begun.
    let dying = format!(
        "{baseline} & pid=$!; (until [ -e {}/candidate/001 ]; do sleep 0.02; done; kill -9 $pid) & wait $pid",
        storm.out().display()
    );
    let arguments =
        ["--baseline-cmd", &baseline, "--candidate-cmd", &dying, "--gate", "connack.p50"];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("the broker died in it"), "{}", ended.stderr);
    let comparison = read_json(&storm.out().join("comparison.json")).unwrap();
    assert_eq!(comparison["verdict"], "worse");
    let metrics = comparison["metrics"].as_array().unwrap();
    let gone = metrics.iter().find(|metric| metric["metric"] == "broker_gone").unwrap();
    assert_eq!((&gone["candidate"], &gone["baseline"]), (&1.0.into(), &0.0.into()));
    let trials = rows(&storm.out().join("trials.csv"));
    let status: Vec<&str> = trials.iter().map(|trial| trial["status"].as_str()).collect();
    assert!(status.contains(&"died") && status.contains(&"done"), "{status:?}");
    wait_until_gone(&storm);
}

#[test]
fn a_candidate_that_dies_before_anything_is_measured_is_worse() {
    let storm = storm("clients = 40\nconcurrency = 4");
    let baseline = build(&storm, "--mutant healthy");
    // It knows another key, so it never gets ready, and dies when it was asked once.
    let other = build(&storm, "--set keys.main.secret=0123456789abcdef0123456789abcdef");
    let dying = format!(
        "{other} & pid=$!; (until [ -e {}/ready/candidate-001 ]; do sleep 0.02; done; kill -9 $pid) & wait $pid",
        storm.out().display()
    );
    let arguments = ["--ready", "connack", "--baseline-cmd", &baseline, "--candidate-cmd", &dying];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("worse: the candidate's broker went away"), "{}", ended.stderr);
    let trials = rows(&storm.out().join("trials.csv"));
    let mut status: Vec<&str> = trials.iter().map(|trial| trial["status"].as_str()).collect();
    status.sort_unstable();
    assert_eq!(status, ["died", "done"], "{trials:?}");
    wait_until_gone(&storm);
}

#[test]
fn trials_that_are_too_few_for_the_gates_that_there_will_be_are_refused_before_any_is_made() {
    // The median, the tail of a hundred, the rate of a closed model, and the CPU of a broker that is started.
    let storm = storm("clients = 200\nconcurrency = 4");
    let arguments = ["--baseline-cmd", "sleep 600 {port}", "--aa", "--max-trials", "12"];
    let ended = run(&storm, &arguments);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("12 trials can't decide"), "{}", ended.stderr);
    assert!(!storm.out().exists(), "no trial, no folder");
}
