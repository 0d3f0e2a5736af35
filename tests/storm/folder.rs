//! The run folder: every file of it, and that they agree with each other.

use std::{collections::BTreeMap, fs, path::Path};

use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use serde_json::Value;

use crate::run::{Ended, Storm, children, number, rows, scenario, sum, tokenstorm};

const MIX: &str =
    "[[mix]]\ntoken = \"fresh\"\nshare = 3\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";

/// A run of three seconds at the embedded broker; the scenario goes with it.
fn run(load: &str, more: &str) -> (Storm, Ended) {
    let storm = Storm::new(&scenario("embedded", load, more));
    let ended = storm.run();
    (storm, ended)
}

const OPEN: &str =
    "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"2s\" }]\nhold = \"500ms\"";

fn head(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn the_folder_holds_every_file_with_its_columns() {
    let (_storm, ended) = run(OPEN, MIX);
    ended.expect(0);
    let mut files: Vec<String> = fs::read_dir(&ended.out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "environment.json",
            "findings.csv",
            "latency.csv",
            "latency.hlog",
            "operations.csv",
            "report.html",
            "scenario.toml",
            "summary.json",
            "timeline.csv",
            "verdicts.csv"
        ]
    );
    let heads = ["verdicts.csv", "latency.csv", "timeline.csv", "findings.csv"]
        .map(|name| head(&ended.out.join(name)));
    assert_eq!(
        heads,
        [
            "token,broker,expected,outcome,code,verdict,count",
            "phase,token,broker,outcome,count,unfinished,min_us,mean_us,p50_us,p90_us,p95_us,p99_us,p999_us,p9999_us,max_us,beyond",
            "second,started,accepted,refused,failed,open,connack_p50_us,connack_p99_us,start_delay_p99_us,beyond,dropped,back,renewed",
            "client,token,broker,scheduled_us,started_us,ended_us,outcome,code,verdict,replay,turn,operation",
        ]
    );
    let scenario = fs::read_to_string(ended.out.join("scenario.toml")).unwrap();
    assert!(scenario.contains("secret = \"<redacted>\""), "{scenario}");
}

#[test]
fn the_summary_has_every_key_that_programs_rely_on() {
    let (_storm, ended) = run(OPEN, MIX);
    let summary = ended.expect(0);
    for pointer in [
        "/format",
        "/partial",
        "/tool/name",
        "/tool/version",
        "/tool/commit",
        "/scenario",
        "/started_at",
        "/duration_s",
        "/interrupted",
        "/validity/verdict",
        "/validity/reasons",
        "/clients",
        "/attempts",
        "/abandoned",
        "/outcomes/tls_failed",
        "/outcomes/ws_failed",
        "/outcomes/token_failed",
        "/verdicts/indeterminate",
        "/phases/connack/p9999_us",
        "/by_token/fresh/phases/response/mean_us",
        "/by_broker/embedded/verdicts/correct",
        "/sessions/dropped_by_code",
        "/throughput/offered_per_s",
        "/throughput/verdicts_per_s",
        "/throughput/per_100ms/p1",
        "/throughput/per_100ms/max",
        "/generator/cpu_s",
        "/generator/cpu_us_per_attempt",
        "/generator/total_cpu_s",
        "/generator/rss_start_bytes",
        "/generator/rss_peak_open_bytes",
        "/generator/tokens_minted_per_s",
        "/thresholds",
    ] {
        assert!(
            summary.pointer(pointer).is_some_and(|value| !value.is_null()),
            "{pointer}: {summary}"
        );
    }
    assert_eq!(summary["attempts"], 200);
    let offered = summary["throughput"]["offered_per_s"].as_f64().unwrap();
    assert!((offered - 100.0).abs() < 0.01, "{offered}");
}

#[test]
fn the_files_agree_with_the_summary() {
    let (_storm, ended) = run(OPEN, MIX);
    let summary = ended.expect(0);
    let attempts = summary["attempts"].as_u64().unwrap();
    let timeline = rows(&ended.out.join("timeline.csv"));
    let total = |column: &str| -> u64 { timeline.iter().map(|row| number(row, column)).sum() };
    assert_eq!(total("started"), attempts);
    assert_eq!(total("accepted"), summary["outcomes"]["accepted"].as_u64().unwrap());
    assert_eq!(total("refused"), summary["outcomes"]["refused"].as_u64().unwrap());
    assert_eq!(total("failed"), 0);
    let seconds: Vec<u64> = timeline.iter().map(|row| number(row, "second")).collect();
    assert_eq!(seconds, (0..seconds.len() as u64).collect::<Vec<_>>(), "a row a second");
    check_latencies(&ended, &summary);
    check_histograms(&ended, &summary);
}

/// `all` rows are the sum of their parts, and those of the summary.
fn check_latencies(ended: &Ended, summary: &Value) {
    let latencies = rows(&ended.out.join("latency.csv"));
    let count = |phase: &str, token: &str, outcome: &str| -> u64 {
        let is_it = |row: &&BTreeMap<String, String>| {
            row["phase"] == phase
                && row["token"] == token
                && row["broker"] == "all"
                && row["outcome"] == outcome
        };
        latencies.iter().find(is_it).map_or(0, |row| number(row, "count"))
    };
    for (phase, stats) in summary["phases"].as_object().unwrap() {
        let all = count(phase, "all", "all");
        assert_eq!(all, stats["count"].as_u64().unwrap(), "{phase}");
        assert_eq!(all, count(phase, "fresh", "all") + count(phase, "expired", "all"), "{phase}");
        assert_eq!(
            all,
            count(phase, "all", "accepted") + count(phase, "all", "refused"),
            "{phase}"
        );
    }
}

/// The interval log holds every attempt once, under the tag of its phase.
fn check_histograms(ended: &Ended, summary: &Value) {
    let log = fs::read(ended.out.join("latency.hlog")).unwrap();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                interval.encoded_histogram(),
            )
            .unwrap();
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            *counts.entry(interval.tag().unwrap().as_str().to_owned()).or_default() +=
                histogram.len();
        }
    }
    for (phase, stats) in summary["phases"].as_object().unwrap() {
        assert_eq!(counts.get(phase).copied(), stats["count"].as_u64(), "{phase}");
    }
    assert!(String::from_utf8_lossy(&log).contains("nanoseconds"));
}

#[test]
fn attempts_of_the_warm_up_are_judged_but_not_timed() {
    let (_storm, ended) = run(&format!("{OPEN}\nwarmup = \"1s\""), MIX);
    let summary = ended.expect(0);
    assert_eq!(summary["attempts"], 200);
    assert_eq!(sum(&summary["verdicts"]), 200);
    assert_eq!(summary["phases"]["connack"]["count"], 100);
}

#[test]
fn the_closed_model_makes_exactly_its_clients_and_offers_no_rate() {
    let (_storm, ended) = run("clients = 300\nconcurrency = 7", "");
    let summary = ended.expect(0);
    assert_eq!(summary["attempts"], 300);
    assert_eq!(summary["throughput"]["offered_per_s"], Value::Null);
    assert!(ended.stdout.contains("coordinated omission"), "{}", ended.stdout);
}

#[test]
fn several_workers_share_the_clients_without_losing_one() {
    let (_storm, ended) = run("clients = 500\nconcurrency = 16\nworkers = 3\nhold = \"1s\"", MIX);
    let summary = ended.expect(0);
    assert_eq!(summary["attempts"], 500);
    assert_eq!(summary["generator"]["workers"], 3);
    assert_eq!(summary["verdicts"]["correct"], 500);
}

#[test]
fn two_brokers_get_half_of_the_clients_each() {
    let text = scenario("embedded", "clients = 100", "")
        .replace("[\"embedded\"]", "[\"embedded\", \"embedded\"]");
    let summary = Storm::new(&text).run().expect(0);
    assert_eq!(summary["by_broker"]["embedded"]["attempts"], 50);
    assert_eq!(summary["by_broker"]["embedded-2"]["attempts"], 50);
}

#[test]
fn the_same_seed_gives_the_same_mix_and_another_seed_another() {
    let counts = |seed: &str| {
        let storm = Storm::new(&scenario("embedded", "clients = 400\nconcurrency = 16", MIX));
        let ended = storm.run_with(&["--set", seed]);
        ended.expect(0);
        ended.verdicts()
    };
    assert_eq!(counts("seed=1"), counts("seed=1"));
    assert_ne!(counts("seed=1"), counts("seed=2"));
}

#[test]
fn a_threshold_that_fails_fails_the_run() {
    let more =
        "[thresholds]\n\"connack\" = [\"p50 < 1ns\"]\n\"outcome.accepted\" = [\"count == 8\"]\n";
    let (_storm, ended) = run("", more);
    let summary = ended.expect(1);
    let passed: Vec<&Value> =
        summary["thresholds"].as_array().unwrap().iter().map(|one| &one["passed"]).collect();
    assert_eq!(passed, [false, true, true], "the last one is that of every run");
    let (_storm, ended) = run("", "[thresholds]\n\"tls_handshake\" = [\"p50 < 1s\"]\n");
    assert_eq!(ended.expect(0)["thresholds"][0]["passed"], Value::Null, "nothing was measured");
    let (_storm, ended) = run("", "[thresholds]\n\"connack\" = [\"p50 < 1ns\"]\n");
    ended.expect(1);
    assert!(ended.stdout.contains("FAILED"), "{}", ended.stdout);
}

#[test]
fn a_folder_is_rendered_again_as_it_was_printed() {
    let (_storm, ended) = run("", MIX);
    ended.expect(0);
    let folder = ended.out.to_str().unwrap();
    let report = |format: &str| tokenstorm(&["report", folder, "--format", format]).stdout;
    assert_eq!(report("terminal"), ended.stdout);
    assert_eq!(report("csv"), fs::read_to_string(ended.out.join("latency.csv")).unwrap());
    assert_eq!(report("json"), fs::read_to_string(ended.out.join("summary.json")).unwrap());
}

#[test]
fn no_broker_is_left_behind_even_by_a_run_that_was_killed() {
    let storm = Storm::new(&scenario("embedded", "stages = [{ rate = 50, for = \"100s\" }]", ""));
    let mut child = storm.start();
    let wait_for = |what: &str, is_there: &dyn Fn() -> bool| {
        let start = std::time::Instant::now();
        while !is_there() {
            assert!(start.elapsed().as_secs() < 60, "{what}");
            std::thread::yield_now();
        }
    };
    let id = child.id();
    let broker = || children(id).first().copied();
    wait_for("no broker was started", &|| {
        broker().is_some() && storm.out().join("summary.json").exists()
    });
    let broker = broker().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the broker lives on", &|| {
        let state = fs::read_to_string(format!("/proc/{broker}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
}

#[test]
fn the_page_of_a_run_has_a_verdict_and_charts_and_every_value_that_they_show() {
    let (_storm, ended) = run(OPEN, MIX);
    ended.expect(0);
    let page = fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(page.contains("All 200 answers were as promised"), "no sentence");
    for title in ["Phases of an attempt", "Attempts a second", "Time to the verdict"] {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "no figure `{title}`");
    }
    // Each second of the time line is a spot on the line of what started, and says how many.
    for row in rows(&ended.out.join("timeline.csv")) {
        let spot = format!("<title>started, at {} s: {}/s</title>", row["second"], row["started"]);
        assert!(page.contains(&spot), "{spot}");
    }
    // What the schedule wants in the first second of a constant rate.
    assert!(page.contains("<title>offered, at 0 s: 100/s</title>"), "the schedule is not drawn");
    assert_eq!(page.matches("<figure>").count(), page.matches("<summary>Values</summary>").count());
    let folder = ended.out.to_str().unwrap();
    assert_eq!(tokenstorm(&["report", folder, "--format", "html"]).stdout, page);
}
