//! Thresholds that end a run before its time.

use serde_json::{Value, json};

use crate::{
    run::{Ended, Storm, scenario, tokenstorm},
    server::Server,
};

/// Attempts of a minute, which no run here goes on for.
const MINUTE: u64 = 6000;
const LOAD: &str =
    "arrivals = \"constant\"\nstages = [{ rate = 100, for = \"60s\" }]\nhold = \"60s\"";

fn run(target: &str, load: &str, thresholds: &str) -> Ended {
    Storm::new(&scenario(target, load, &format!("[thresholds]\n{thresholds}\n"))).run()
}

fn reasons(summary: &Value) -> String {
    summary["validity"]["reasons"].to_string()
}

#[test]
fn a_threshold_that_fails_ends_the_run_and_what_was_under_way_is_abandoned_or_counted() {
    let ended = run(
        "embedded",
        LOAD,
        "\"outcome.accepted\" = [{ condition = \"count < 1\", abort_on_fail = true }, \"count < 100000\"]",
    );
    let summary = ended.expect(1);
    let attempts = summary["attempts"].as_u64().unwrap();
    assert!((1..MINUTE / 2).contains(&attempts), "{attempts} of {MINUTE}: it went on");
    assert_eq!(summary["interrupted"], false, "nobody pressed Ctrl-C");
    let aborted = &summary["aborted"];
    assert_eq!(
        (&aborted["metric"], &aborted["condition"]),
        (&json!("outcome.accepted"), &json!("count < 1"))
    );
    assert!(aborted["observed"].as_f64() > Some(0.0), "{aborted}");
    let second = aborted["second"].as_u64().unwrap();
    let words =
        format!("ended early in second {second}: `outcome.accepted` count < 1 did not hold");
    assert!(reasons(&summary).contains(&words), "{}", reasons(&summary));
    assert_ne!(summary["validity"]["verdict"], "interrupted");
    assert_eq!(summary["partial"], false);
    assert_eq!(
        summary["clients"].as_u64().unwrap(),
        attempts + summary["abandoned"].as_u64().unwrap()
    );
    for file in ["latency.csv", "environment.json", "report.html", "timeline.csv"] {
        assert!(ended.out.join(file).exists(), "{file} is not written");
    }
    assert!(ended.stdout.contains(&words), "{}", ended.stdout);
    assert!(ended.stdout.contains("ended early by a threshold"), "{}", ended.stdout);
    let written = std::fs::read_to_string(ended.out.join("scenario.toml")).unwrap();
    assert!(written.contains("abort_on_fail = true"), "{written}");
}

#[test]
fn within_its_grace_a_threshold_that_fails_ends_nothing() {
    // Below its bound until the last attempt has come, and all of that within the grace.
    let ended = run(
        "embedded",
        "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"3s\" }]",
        "attempts = [{ condition = \"value >= 150\", abort_on_fail = true, grace = \"1h\" }]",
    );
    let summary = ended.expect(0);
    assert_eq!(summary["attempts"], 150, "all that were planned");
    assert_eq!(summary.get("aborted"), None);
    assert!(!reasons(&summary).contains("ended early"), "{}", reasons(&summary));
    // Without a grace such a one ends it.
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"60s\" }]";
    let more =
        "[thresholds]\nattempts = [{ condition = \"value >= 3000\", abort_on_fail = true }]\n";
    let ended = Storm::new(&scenario("embedded", load, more)).run_traced(&[]);
    assert!(ended.expect(1)["attempts"].as_u64() < Some(1500));
    let said = "`attempts` value >= 3000 did not hold";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
}

#[test]
fn a_plan_shows_what_would_end_the_run_and_a_typo_in_a_table_lists_what_there_is() {
    let planned = |threshold: &str| {
        let storm = Storm::new(&scenario("embedded", "", &format!("[thresholds]\n{threshold}\n")));
        tokenstorm(&["plan", storm.scenario().to_str().unwrap()])
    };
    let table = |metric: &str| {
        format!("{metric} = [{{ condition = \"p99 < 1s\", abort_on_fail = true, grace = \"3s\" }}]")
    };
    let plan = planned(&table("connack"));
    let line = "  ends early   where `connack` p99 < 1s does not hold after 3s\n";
    assert!(plan.stdout.contains(line), "{}", plan.stdout);
    let typo = planned(&table("conack"));
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("did you mean `connack`?"), "{}", typo.stderr);
}

#[test]
fn a_threshold_that_is_a_string_fails_at_the_end_and_ends_nothing() {
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"3s\" }]";
    let summary = run("embedded", load, "\"outcome.accepted\" = [\"count < 1\"]").expect(1);
    assert_eq!((&summary["attempts"], summary.get("aborted")), (&json!(150), None));
}

#[test]
fn a_sweep_goes_on_with_the_next_run_after_one_that_a_threshold_ended() {
    let more = "[sweep]\nprotocol = [4, 5]\nrest = \"0s\"\n\
                [thresholds]\n\"outcome.accepted\" = [{ condition = \"count < 1\", abort_on_fail = true }]\n";
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"60s\" }]";
    let ended = Storm::new(&scenario("embedded", load, more)).run();
    let summary = ended.expect(1);
    let rows = crate::run::rows(&ended.out.join("sweep.csv"));
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        let own = ended.out.join("runs").join(&row["run"]).join("summary.json");
        let own = crate::run::read_json(&own).unwrap();
        assert_eq!(own["aborted"]["condition"], "count < 1", "{own}");
    }
    assert!(summary["attempts"].as_u64() < Some(3000));
    assert_eq!(reasons(&summary).matches("ended early").count(), 2, "{}", reasons(&summary));
    let aborted = &summary["aborted"];
    assert!(aborted["run"].as_str().unwrap().starts_with("001-"), "{aborted}");
    let page = std::fs::read_to_string(ended.out.join("report.html")).unwrap();
    assert!(page.contains("FAILED: run 001-"), "the page says which run");
}

#[test]
fn a_run_of_a_comparison_that_a_threshold_ended_is_in_no_difference_and_fails_it() {
    // What is refused are the runs with tokens; thresholds do not speak of those without.
    let accepting = Server::answering(&[0x20, 3, 0, 0, 0]);
    let refusing = Server::answering(&[0x20, 3, 0, 0x87, 0]);
    let more = format!(
        "[control]\narms = [\"without\", \"unique\"]\nrepeat = 2\nrest = \"0s\"\ntarget = [\"{}\"]\n\
         [thresholds]\n\"outcome.refused\" = [{{ condition = \"count < 1\", abort_on_fail = true }}]\n",
        accepting.url()
    );
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"3s\" }]";
    let ended = Storm::new(&scenario(&refusing.url(), load, &more)).run();
    let summary = ended.expect(1);
    assert!(summary["aborted"]["run"].as_str().unwrap().contains("unique"), "{summary}");
    let arms = summary["control"]["arms"].as_object().unwrap();
    assert_eq!(arms.keys().collect::<Vec<_>>(), ["without"], "{}", summary["control"]);
    assert_eq!(summary["control"]["differences"], json!({}));
    assert_eq!(crate::run::rows(&ended.out.join("control.csv")).len(), 2);
    let said = "in no median and no difference, as a threshold ended it";
    assert_eq!(reasons(&summary).matches(said).count(), 2, "{}", reasons(&summary));
}

#[test]
fn a_step_of_a_search_that_a_threshold_ended_did_not_hold() {
    let more = "[capacity]\nslo = { connack = [\"p50 < 5s\"] }\nstart = 20\nwarmup = \"0s\"\nhold = \"8s\"\nrest = \"0s\"\n\
                [thresholds]\n\"outcome.accepted\" = [{ condition = \"count < 1\", abort_on_fail = true }]\n";
    let text = scenario("embedded", "", more);
    // A search sets these itself.
    let is_kept = |line: &&str| !line.starts_with("clients") && !line.starts_with("concurrency");
    let ended = Storm::new(&text.lines().filter(is_kept).collect::<Vec<_>>().join("\n")).run();
    let summary = ended.expect(1);
    assert_eq!(summary["capacity"]["per_s"], Value::Null, "{}", summary["capacity"]);
    let steps = crate::run::rows(&ended.out.join("capacity.csv"));
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0]["passed"], "false", "{steps:?}");
    assert!(steps[0]["why"].contains("ended early in second"), "{steps:?}");
    assert!(!steps[0]["why"].contains("verdicts a second"), "what did not come did not have to");
    let measured: f64 = steps[0]["measured_s"].parse().unwrap();
    assert!((1.0..8.0).contains(&measured), "the part that ran: {steps:?}");
    let achieved: f64 = steps[0]["achieved_per_s"].parse().unwrap();
    assert!(achieved > 8.0, "of 20 that arrive, over what was measured: {steps:?}");
    let why = summary["capacity"]["reasons"].to_string();
    assert!(
        why.contains("a threshold ended the run even at the lowest rate, 20 a second"),
        "{why}"
    );
}
