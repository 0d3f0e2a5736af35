//! What the program is to its host: when signals end it, whether it leaves a core, what of it everybody can read.

use std::{
    fs,
    io::Write,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    run::{SECRET, Storm, scenario, tokenstorm},
    server::{Server, until_closed},
};

fn accepting() -> Server {
    Server::start(|stream, _| {
        // A CONNACK of MQTT 5 with code 0 and no properties.
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        until_closed(stream);
    })
}

/// Starts a run by a shell that does something before.
fn start_after(before: &str, storm: &Storm) -> Child {
    let script = format!("{before}; exec \"$@\"");
    // Whoever runs the tests may have them ignore it.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", "sh", "-c", &script, "sh"]);
    command.args([env!("CARGO_BIN_EXE_tokenstorm"), "run"]);
    command.arg(storm.scenario()).arg("--out").arg(storm.out()).args(["--progress", "none"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_for_results(storm: &Storm) {
    let start = Instant::now();
    while !storm.out().join("summary.json").exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "no results come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A mask of signals of a process.
fn signals(child: &Child, mask: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(mask)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

#[test]
fn a_run_that_was_started_by_nohup_outlives_its_terminal() {
    let server = accepting();
    let storm =
        Storm::new(&scenario(&server.url(), "stages = [{ rate = 100, for = \"60s\" }]", ""));
    let hangup = 1 << (Signal::HUP.as_raw() - 1);
    for (before, is_ignored) in [("trap '' HUP", true), ("true", false)] {
        let child = start_after(before, &storm);
        wait_for_results(&storm);
        assert_eq!(signals(&child, "SigIgn") & hangup > 0, is_ignored, "{before}");
        assert_eq!(signals(&child, "SigCgt") & hangup > 0, !is_ignored, "{before}");
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        if is_ignored {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
        storm.wait(child).expect(130);
        fs::remove_dir_all(storm.out()).unwrap();
    }
}

#[test]
fn the_program_leaves_no_core_and_its_commands_may() {
    let server = accepting();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let event = format!(
        "[[events]]\nat = \"500ms\"\ndo = \"stop_broker\"\nbroker = \"{}\"\ncommand = \"ulimit -S -c >{}\"\n",
        server.url(),
        told.display()
    );
    let load = "stages = [{ rate = 100, for = \"2s\" }]";
    let storm = Storm::new(&scenario(&server.url(), load, &event));
    let child = start_after("ulimit -S -c 100 || ulimit -S -c 0", &storm);
    wait_for_results(&storm);
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    storm.wait(child);
    let hard = core.split_whitespace().nth(5).unwrap();
    let expected = if hard == "0" { "0" } else { "100" };
    assert_eq!(fs::read_to_string(told).unwrap().trim(), expected, "as it was found");
}

#[test]
fn secrets_on_the_command_line_are_warned_of_once_with_a_way_out() {
    let storm = Storm::new(&scenario("mqtt://127.0.0.1:1", "", ""));
    let plan = |set: &[&str]| {
        let path = storm.scenario().display().to_string();
        let set = set.iter().flat_map(|set| ["--set", set]);
        tokenstorm(&["plan", &path].into_iter().chain(set).collect::<Vec<_>>())
    };
    let secret = format!("keys.main.secret={SECRET}-new");
    let other = format!("keys.more={{ algorithm = \"HS256\", secret = \"{SECRET}-more\" }}");
    let run = plan(&[&secret, &other, "token.key=main"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr.matches("stands on the command line").count(), 1, "{}", run.stderr);
    for part in ["`keys.main.secret`, `keys.more.secret`", "`keys.main.secret_env`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    let run = plan(&["load.clients=9"]);
    assert!(!run.stderr.contains("command line"), "{}", run.stderr);
}
