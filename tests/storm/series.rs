//! Series of runs: searches, comparisons with runs without tokens, sweeps.

use std::{fs, io::Write, net::TcpStream, path::Path, thread};

#[cfg(feature = "embedded")]
use serde_json::Value;

use crate::{
    run::{Storm, check_conserved, everything, program, rows, scenario, tokenstorm},
    server::{Server, until_closed},
};

fn accept(stream: &mut TcpStream) {
    stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
    until_closed(stream);
}

/// A search at a broker, with these keys of `[capacity]` over those of a short one.
fn search(target: &str, load: &str, capacity: &str) -> Storm {
    let text = scenario(
        target,
        load,
        &format!("[capacity]\nwarmup = \"0s\"\nhold = \"8s\"\nrest = \"0s\"\n{capacity}"),
    );
    let own: Vec<&str> = text
        .lines()
        .filter(|line| !["clients", "concurrency"].contains(&line.split(' ').next().unwrap()))
        .collect();
    Storm::new(&own.join("\n"))
}

#[cfg(feature = "embedded")]
fn is_in_order(folder: &Path, columns: &str) {
    let text = fs::read_to_string(folder).unwrap();
    assert!(text.starts_with(columns), "{}", text.lines().next().unwrap());
}

#[test]
#[cfg(feature = "embedded")]
fn a_search_that_no_rate_stops_says_at_least_and_has_a_row_and_a_run_for_each_step() {
    let capacity = "slo = { connack = [\"p50 < 5s\"] }\nstart = 20\nmost = 40\nstep = 2\nconfirm = 2\n\
                    [monitor]\n[thresholds]\n\"capacity.low_per_s\" = [\"value > 10\"]\n";
    let storm = search("embedded", "", capacity);
    let ended = storm.run();
    let summary = ended.expect(0);
    check_conserved(&summary);
    let found = &summary["capacity"];
    assert_eq!(found["limited_by"], "generator", "{found}");
    assert_eq!((&found["confirmed"], &found["ended"]), (&2.into(), &Value::Null), "{found}");
    assert!(found["per_s"].as_f64() > Some(30.0) && found["high_per_s"].is_null(), "{found}");
    assert!(ended.stdout.contains("at least"), "{}", ended.stdout);
    assert_eq!(summary["thresholds"][0]["passed"], true, "{}", summary["thresholds"]);
    let csv = ended.out.join("capacity.csv");
    is_in_order(
        &csv,
        "step,offered_per_s,achieved_per_s,connack_p50_us,connack_p99_us,not_judged_rate,steady,passed",
    );
    let steps = rows(&csv);
    // A step in which this host had a hiccup is run again.
    let mut held: Vec<(&str, &str)> = steps
        .iter()
        .filter(|step| step["passed"] == "true")
        .map(|step| (step["purpose"].as_str(), step["offered_per_s"].as_str()))
        .collect();
    let raised: Vec<_> = held.drain(..2).collect();
    assert_eq!(raised, [("raise", "20.0"), ("raise", "40.0")], "{steps:?}");
    assert!(held.len() >= 2 && held.iter().all(|step| *step == ("confirm", "40.0")), "{steps:?}");
    let mut attempts = 0;
    for step in &steps {
        let run = ended.out.join("runs").join(&step["run"]);
        let own: Value =
            serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
        attempts += own["attempts"].as_u64().unwrap();
    }
    assert_eq!(summary["attempts"], attempts, "no attempt of a step is lost");
    let started: u64 = rows(&ended.out.join("timeline.csv"))
        .iter()
        .map(|row| crate::run::number(row, "started"))
        .sum();
    assert_eq!(started, attempts);
    // CPU of both sides, of the last step that held.
    for side in ["broker", "harness"] {
        let us = summary["monitor"][side]["cpu_us_per_verdict"].as_f64();
        assert!(us > Some(0.0), "{}", summary["monitor"]);
    }
    let page = fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(page.contains("Verdicts by rate") && page.contains("<svg"), "no chart of the search");
}

#[test]
fn objectives_that_do_not_hold_at_the_lowest_rate_are_told_and_the_code_is_1() {
    let server = Server::start(|stream, _| accept(stream));
    let ended =
        search(&server.url(), "", "slo = { connack = [\"p50 < 1ns\"] }\nstart = 20\n").run();
    let summary = ended.expect(1);
    assert!(summary["capacity"]["per_s"].is_null(), "{}", summary["capacity"]);
    assert_eq!(summary["capacity"]["steps"], 1);
    assert!(ended.stdout.contains("do not hold even at the lowest rate"), "{}", ended.stdout);
}

#[test]
fn a_broker_that_stalls_in_a_step_ends_the_search_with_what_is_known() {
    let server = Server::start(|stream, connect| {
        if connect.number < 180 {
            accept(stream);
        } else {
            until_closed(stream);
        }
    });
    let capacity = "slo = { connack = [\"p50 < 5s\"] }\nstart = 20\nstep = 2\n";
    let ended =
        search(&server.url(), "connect_timeout = \"1s\"\narrivals = \"constant\"", capacity).run();
    let summary = ended.expect(3);
    let why = summary["capacity"]["ended"].as_str().unwrap();
    assert!(why.contains("stalled at "), "{why}");
    assert!(ended.stdout.contains(why), "{}", ended.stdout);
    let steps = rows(&ended.out.join("capacity.csv"));
    let (last, before) = steps.split_last().unwrap();
    assert_eq!(last["passed"], "false", "{steps:?}");
    assert!(before.iter().any(|step| step["passed"] == "true"), "{steps:?}");
}

#[test]
fn a_broker_that_is_gone_at_the_next_step_ends_the_search_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        // Those of the first step: 160 in 8 s.
        for mut stream in listener.incoming().take(160).map_while(Result::ok) {
            thread::spawn(move || {
                let mut bytes = [0; 2048];
                let _ = std::io::Read::read(&mut stream, &mut bytes);
                accept(&mut stream);
            });
        }
    });
    let capacity = "slo = { connack = [\"p50 < 5s\"] }\nstart = 20\nstep = 2\n";
    let ended = search(&url, "connect_timeout = \"1s\"\narrivals = \"constant\"", capacity).run();
    let summary = ended.expect(3);
    let why = summary["capacity"]["ended"].as_str().unwrap();
    assert!(why.contains("no broker answers"), "{why}");
    assert!(!rows(&ended.out.join("capacity.csv")).is_empty());
}

#[test]
#[cfg(feature = "embedded")]
fn what_verifying_costs_is_the_difference_of_arms_that_are_run_in_turn() {
    let control = "[token]\n[control]\narms = [\"without\", \"reused\", \"unique\"]\nrepeat = 2\nrest = \"0s\"\n";
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"1s\" }]";
    let ended = Storm::new(&scenario("embedded", load, control)).run();
    let summary = ended.expect(0);
    let runs = rows(&ended.out.join("control.csv"));
    assert_eq!(runs.len(), 6, "{runs:?}");
    for round in ["1", "2"] {
        let mut arms: Vec<&str> = runs
            .iter()
            .filter(|run| run["round"] == round)
            .map(|run| run["arm"].as_str())
            .collect();
        arms.sort_unstable();
        assert_eq!(arms, ["reused", "unique", "without"]);
    }
    assert_eq!(summary["by_token"]["anonymous"]["attempts"], 100, "{}", summary["by_token"]);
    assert_eq!(summary["by_token"]["fresh"]["attempts"], 200);
    assert_eq!(summary["verdicts"]["correct"], 300);
    for names in ["unique - without", "unique - reused", "reused - without"] {
        for what in ["connack_p50_us", "broker_cpu_us_per_verdict"] {
            let interval = &summary["control"]["differences"][names][what];
            assert_eq!(interval["pairs"], 2, "{names}: {}", summary["control"]);
            let [low, mean, high] =
                ["low", "mean", "high"].map(|key| interval[key].as_f64().unwrap());
            assert!(low <= mean && mean <= high, "{interval}");
        }
    }
    assert!(ended.stdout.contains("unique - without: connack p50"), "{}", ended.stdout);
}

#[test]
fn runs_without_tokens_may_bring_a_password_which_nobody_gets_to_see() {
    let (tokens, passwords) =
        (Server::start(|stream, _| accept(stream)), Server::start(|stream, _| accept(stream)));
    let control = format!(
        "[control]\narms = [\"without\", \"unique\"]\nrepeat = 2\nrest = \"0s\"\nwithout = \"password\"\n\
         target = [\"{}\"]\nusername = \"bench-{{n}}\"\npassword_env = \"TOKENSTORM_TEST_PASSWORD\"\n",
        passwords.url()
    );
    let storm = Storm::new(&scenario(&tokens.url(), "", &control));
    let missing = storm.run();
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("TOKENSTORM_TEST_PASSWORD"), "{}", missing.stderr);
    let out = storm.out().with_file_name("with");
    let mut command = program();
    command.env("TOKENSTORM_TEST_PASSWORD", "hunter2-of-the-bench").args(["run"]);
    command.arg(storm.scenario()).arg("--out").arg(&out).args(["--progress", "plain"]);
    let ended = crate::run::ended(command.output().unwrap(), out);
    ended.expect(0);
    let brought = passwords.received();
    assert_eq!(brought.len(), 16);
    for connect in brought {
        assert_eq!(connect.password.as_deref(), Some(&b"hunter2-of-the-bench"[..]));
        assert!(connect.username.unwrap().starts_with(b"bench-"));
    }
    assert_eq!(tokens.received().len(), 16);
    for run in fs::read_dir(ended.out.join("runs")).unwrap() {
        for file in fs::read_dir(run.unwrap().path()).unwrap() {
            let text =
                String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    fs::remove_dir_all(ended.out.join("runs")).unwrap();
    assert!(!everything(&ended).contains("hunter2"));
}

#[test]
#[cfg(feature = "embedded")]
fn a_sweep_runs_each_combination_as_often_as_asked_in_an_order_of_its_seed() {
    let sweep = "[[mix]]\ntoken = \"fresh\"\nshare = 3\n[[mix]]\ntoken = \"expired\"\nshare = 1\n\
                 [sweep]\nalgorithm = [\"HS256\", \"ES256\"]\nbad_share = [0, 100]\nrepeat = 2\nrest = \"0s\"\n";
    let storm = Storm::new(&scenario("embedded", "", sweep));
    let ended = storm.run();
    let summary = ended.expect(0);
    assert_eq!(summary["attempts"], 64);
    assert_eq!(summary["verdicts"]["correct"], 64);
    let runs = rows(&ended.out.join("sweep.csv"));
    assert_eq!(runs.len(), 8);
    for run in &runs {
        let folder = ended.out.join("runs").join(&run["run"]);
        let own: Value =
            serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap();
        let bad = own["by_token"]["expired"]["attempts"].as_u64().unwrap();
        assert_eq!(bad, if run["bad_share"] == "100.0" { 8 } else { 0 }, "{run:?}");
        let resolved = fs::read_to_string(folder.join("scenario.toml")).unwrap();
        assert!(resolved.contains(&format!("algorithm = \"{}\"", run["algorithm"])), "{resolved}");
    }
    let order = |runs: &[std::collections::BTreeMap<String, String>]| -> Vec<String> {
        runs.iter().map(|run| run["run"].clone()).collect()
    };
    let again = storm.run_again(&[]);
    again.expect(0);
    assert_eq!(order(&rows(&again.out.join("sweep.csv"))), order(&runs), "the same seed");
    assert!(ended.stdout.contains("algorithm"), "{}", ended.stdout);
    let page = fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(page.contains("The runs of the sweep") && page.contains("<svg"), "no table or chart");
}

#[test]
fn tokens_have_the_length_that_a_sweep_asks_for() {
    let server = Server::start(|stream, _| accept(stream));
    let sweep = "[sweep]\ntoken_bytes = [600, 3000]\nrest = \"0s\"\n";
    Storm::new(&scenario(&server.url(), "", sweep)).run().expect(0);
    let mut lengths: Vec<usize> =
        server.received().iter().map(|connect| connect.password.as_ref().unwrap().len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths.len(), 16);
    for (length, wanted) in
        lengths.into_iter().zip([600, 3000].into_iter().flat_map(|bytes| [bytes; 8]))
    {
        assert!(length.abs_diff(wanted) <= 4, "{length} of {wanted}");
    }
}

#[test]
fn a_token_of_a_sweep_can_be_minted_again_by_the_command_that_the_findings_name() {
    // It lets everybody in: what must be refused is found.
    let server = Server::start(|stream, _| accept(stream));
    let sweep = "[[mix]]\ntoken = \"fresh\"\nshare = 0\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n[sweep]\nprotocol = [5]\ntoken_bytes = [700]\n";
    let ended = Storm::new(&scenario(&server.url(), "", sweep)).run();
    ended.expect(1);
    let findings = rows(&ended.out.join("findings.csv"));
    assert_eq!(findings.len(), 8);
    let replay = &findings[0]["replay"];
    let words = ["-c", &replay.replacen("tokenstorm", env!("CARGO_BIN_EXE_tokenstorm"), 1)];
    let minted = std::process::Command::new("sh").args(words).output().unwrap();
    let token = String::from_utf8(minted.stdout).unwrap();
    let client: usize = findings[0]["client"].parse().unwrap();
    let name = format!("storm-{client}");
    let sent = server.received().into_iter().find(|connect| connect.client_id == name).unwrap();
    assert_eq!(token.trim().as_bytes(), sent.password.unwrap(), "{replay}");
}

#[test]
fn what_can_not_be_run_as_a_series_is_refused_with_a_way_out() {
    let refused = |load: &str, more: &str, words: &[&str]| {
        let storm = Storm::new(&scenario("mqtt://127.0.0.1:9", load, more));
        let ended = tokenstorm(&["plan", &storm.scenario().display().to_string()]);
        assert_eq!(ended.code, Some(2), "{more}: {}", ended.stdout);
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` is not in: {}", ended.stderr);
        }
    };
    let slo = "slo = { connack = [\"p99 < 1s\"] }";
    let search = |keys: &str| format!("[capacity]\n{slo}\n{keys}\n");
    refused("", &search(""), &["`load.c", "a search sets the rates itself"]);
    let open = "stages = [{ rate = 10, for = \"1s\" }]";
    refused(open, &search(""), &["load.stages", "`start`"]);
    for (keys, word) in [
        ("start = 0", "`start` is 0"),
        ("step = 1", "`step` is 1"),
        ("hold = \"1s\"", "`hold` is 1s"),
        ("precision = 0.9", "`precision`"),
        ("confirm = 0", "`confirm`"),
        ("most = 10", "less than `start`"),
        ("max_steps = 0", "`max_steps`"),
        ("strat = 5", "unknown field `strat`"),
    ] {
        refused("", &search(keys), &[word]);
    }
    refused("", "[capacity]\nslo = {}\n", &["`slo` is empty", "p99 < 100ms"]);
    refused("", "[sweep]\n", &["nothing to sweep over"]);
    refused("", "[sweep]\nbad_share = [101]\n", &["bad_share", "0 to 100"]);
    refused("", "[sweep]\nbad_share = [50]\n", &["has to be refused", "`expired`"]);
    refused("", "[sweep]\nprotocol = [3]\n", &["`protocol` holds 3"]);
    refused("", "[sweep]\nalgorithm = [\"ES256\"]\n", &["ES256", "none of `[keys]`"]);
    refused("", "[sweep]\nrsa_bits = [1024]\n", &["2048, 3072 or 4096"]);
    refused("", "[sweep]\ntoken_bytes = [10]\n", &["`token.bytes` is 10", "without padding"]);
    let two = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nshare = 1\n[control]\n";
    refused("", two, &["control", "one kind of token"]);
    refused("", "[control]\nrepeat = 1\n", &["`repeat` is 1", "more than one difference"]);
    refused("", "[control]\narms = []\n", &["`arms` is empty"]);
    refused("", "[control]\nwithout = \"password\"\n", &["`target`", "1884"]);
    let both = format!("[control]\n{}", search(""));
    refused("", &both, &["two questions", "leave one out"]);
}

#[test]
fn a_search_that_is_interrupted_keeps_the_steps_that_are_over() {
    let server = Server::start(|stream, _| accept(stream));
    let storm = search(&server.url(), "", "slo = { connack = [\"p50 < 5s\"] }\nstart = 20\n");
    let mut child = storm.start();
    let begun = std::time::Instant::now();
    // The second step is under way.
    while rows_of(&storm.out().join("capacity.csv")) < 1 {
        assert!(begun.elapsed().as_secs() < 120, "no step ends");
        thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let summary = crate::run::read_json(&storm.out().join("summary.json")).unwrap();
    assert_eq!((&summary["interrupted"], &summary["partial"]), (&true.into(), &false.into()));
    assert!(summary["attempts"].as_u64() > Some(0), "{summary}");
    check_conserved(&summary);
}

fn rows_of(path: &Path) -> usize {
    if path.is_file() { rows(path).len() } else { 0 }
}
