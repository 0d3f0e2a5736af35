//! Several brokers as one target: who gets how much, who answers otherwise than the others, and what it costs to lose one.

use std::fs;

use serde_json::Value;

use crate::{
    own_broker::OwnBroker,
    run::{Ended, Storm, ended, everything, number, program, read_json, rows, scenario},
};

const CODES: &str = "[policy]\nleeway = \"0s\"\nrefuses_with = { v4 = [5], v5 = [0x87] }\n";

/// Keys of `[load]` for so many seconds at so many arrivals.
fn stages(rate: u32, seconds: u32) -> String {
    format!(
        "stages = [{{ rate = {rate}, for = \"{seconds}s\" }}]\narrivals = \"constant\"\nconnect_timeout = \"1s\""
    )
}

fn two_embedded(load: &str, target: &str, more: &str) -> Storm {
    let text = scenario("embedded", load, &format!("{target}\n---\n{more}"));
    Storm::new(&text.replace("[\"embedded\"]", "[\"embedded\", \"embedded\"]"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn by_weights_each_broker_gets_its_share_and_has_its_seconds_and_curves() {
    let storm = two_embedded("clients = 40", "weights = [3, 1]", "");
    let run = storm.run();
    let summary = run.expect(0);
    assert_eq!(summary["by_broker"]["embedded"]["attempts"], 30);
    assert_eq!(summary["by_broker"]["embedded-2"]["attempts"], 10);
    assert_eq!(summary["divergent"], Value::Array(Vec::new()));
    assert!(summary.get("outages").is_none());
    let seconds = rows(&run.out.join("timeline_brokers.csv"));
    let of = |broker: &str| -> u64 {
        let own = seconds.iter().filter(|row| row["broker"] == broker);
        own.map(|row| number(row, "accepted")).sum()
    };
    assert_eq!((of("embedded"), of("embedded-2")), (30, 10));
    let page = fs::read_to_string(run.out.join("report.html")).unwrap();
    for title in ["Verdicts a second by broker", "p99 of the time to the verdict by broker"] {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
    assert!(run.stdout.contains("at embedded-2"), "{}", run.stdout);
    let plan = program().arg("plan").arg(storm.scenario()).output().unwrap();
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("embedded (75.0 %), embedded-2 (25.0 %)"), "{plan}");
}

#[test]
fn a_single_broker_has_neither_seconds_of_its_own_nor_anything_that_differs() {
    let run = Storm::new(&scenario("embedded", "", "")).run();
    assert_eq!(run.expect(0)["divergent"], Value::Array(Vec::new()));
    assert!(!run.out.join("timeline_brokers.csv").exists());
}

#[test]
fn the_node_that_lets_in_what_the_others_refuse_is_named_and_its_verdicts_are_judged() {
    const MIX: &str = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n";
    let keys = Storm::new(&scenario("embedded", "", &(MIX.to_owned() + CODES)));
    let brokers = ["healthy", "skips_exp", "healthy"]
        .map(|mutant| OwnBroker::start(&keys.scenario(), mutant));
    let storm = Storm::new(&scenario(&brokers[0].url, &stages(200, 3), &(MIX.to_owned() + CODES)));
    let urls: Vec<&str> = brokers.iter().flat_map(|it| ["--target", &it.url]).collect();
    let run = storm.run_with(&urls);
    let summary = run.expect(1);
    let odd = &brokers[1].url;
    let found = summary["divergent"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let one = &found[0];
    assert_eq!(
        (&one["token"], &one["what"], &one["expected"]),
        (&"expired".into(), &"verdict".into(), &"refuse".into())
    );
    assert_eq!(
        (texts(&one["minority"]), texts(&one["against_promise"])),
        (vec![odd.as_str()], vec![odd.as_str()])
    );
    assert_eq!(one["first_second"], 0);
    let answers = |url: &str| {
        let own = &one["brokers"][url];
        (own["accepted"].as_u64().unwrap() > 0, own["refused"].as_u64().unwrap() > 0)
    };
    assert_eq!(answers(odd), (true, false));
    assert_eq!(answers(&brokers[0].url), (false, true));
    assert!(one["brokers"][&brokers[2].url]["codes"]["135"].as_u64().unwrap() > 0, "{one}");
    let false_accepts = |url: &str| summary["by_broker"][url]["verdicts"]["false_accept"].clone();
    assert_eq!(false_accepts(&brokers[0].url), 0);
    assert_eq!(false_accepts(odd), summary["verdicts"]["false_accept"]);
    assert!(run.stdout.contains("divergent   ") && run.stdout.contains(odd), "{}", run.stdout);
    let page = fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(page.contains("Brokers that differ"), "the page names it");
    let markdown =
        program().args(["report", "--format", "markdown"]).arg(&run.out).output().unwrap();
    let markdown = String::from_utf8(markdown.stdout).unwrap();
    assert!(markdown.contains("otherwise than the others"), "{markdown}");
}

#[test]
fn a_refusal_by_another_code_is_a_weaker_difference() {
    const MIX: &str = "[[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n";
    let keys = Storm::new(&scenario("embedded", "", &(MIX.to_owned() + CODES)));
    let brokers =
        ["healthy", "wrong_code"].map(|mutant| OwnBroker::start(&keys.scenario(), mutant));
    let storm = Storm::new(&scenario(&brokers[0].url, &stages(100, 2), &(MIX.to_owned() + CODES)));
    let run = storm.run_with(&["--target", &brokers[0].url, "--target", &brokers[1].url]);
    let summary = run.expect(1);
    let found = summary["divergent"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["what"], "code");
}

fn event(at: &str, deed: &str, more: &str) -> String {
    format!("[[events]]\nat = \"{at}\"\ndo = \"{deed}\"\n{more}\n")
}

#[test]
fn what_it_costs_to_lose_an_embedded_broker_is_told_and_the_others_go_on() {
    let lost = "broker = \"embedded-2\"";
    let events = event("1s", "stop_broker", lost) + &event("3s", "start_broker", lost);
    let run = two_embedded(&stages(200, 7), "", &events).run();
    let summary = run.expect(0);
    let outage = &summary["outages"][0];
    assert_eq!(summary["outages"].as_array().unwrap().len(), 1);
    assert_eq!(outage["broker"], "embedded-2");
    let stopped = outage["stopped_s"].as_f64().unwrap();
    let started = outage["started_s"].as_f64().unwrap();
    assert!(stopped >= 1.0 && started >= 3.0, "never before their time: {outage}");
    let count = |key: &str| outage[key].as_u64().unwrap();
    // Two seconds at 100/s, whatever it looked like to a client.
    let cost = count("refused") + count("hanging") + count("failed");
    assert!(cost > 100, "{outage}");
    assert!(outage["time_until_back_us"].as_f64().unwrap() > 0.0);
    assert_eq!(outage["time_until_back_exact"], true);
    assert!(outage["all_back_s"].as_u64().unwrap() >= 4, "{outage}");
    let stayed = &summary["by_broker"]["embedded"];
    assert_eq!(stayed["outcomes"]["accepted"], stayed["attempts"]);
    assert_eq!(outage["others"]["during"]["not_as_promised"], 0);
    assert!(outage["others"]["during"]["attempts"].as_u64().unwrap() > 100);
    assert!(outage["others"]["before"]["connack_p99_us"].as_f64().unwrap() > 0.0);
    let spans = ["before", "during", "after"]
        .map(|span| outage["others"][span]["attempts"].as_u64().unwrap());
    assert!(spans.iter().sum::<u64>() <= stayed["attempts"].as_u64().unwrap(), "{spans:?}");
    let back = &summary["by_broker"]["embedded-2"]["outcomes"];
    assert!(
        back["accepted"].as_u64().unwrap() > 100
            && summary["divergent"] == Value::Array(Vec::new())
    );
    let events: Vec<String> =
        rows(&run.out.join("events.csv")).iter().map(|row| row["event"].clone()).collect();
    assert_eq!(events, ["stop_broker", "start_broker"]);
    assert!(run.stdout.contains("node lost   embedded-2"), "{}", run.stdout);
    let page = fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(page.contains("What a lost broker cost"));
}

/// A storm at an embedded broker and one of this program's that a command stops.
fn with_command(command: &str) -> (Ended, OwnBroker) {
    let keys = Storm::new(&scenario("embedded", "", ""));
    let broker = OwnBroker::start(&keys.scenario(), "healthy");
    let command = command.replace("PID", &broker.id().to_string());
    let event = event(
        "500ms",
        "stop_broker",
        &format!("broker = \"{}\"\ncommand = \"{command}\"", broker.url),
    );
    let text = scenario("embedded", &stages(100, 3), &event);
    let storm =
        Storm::new(&text.replace("[\"embedded\"]", &format!("[\"embedded\", \"{}\"]", broker.url)));
    (storm.run(), broker)
}

#[test]
fn a_broker_that_others_started_is_stopped_by_a_command() {
    let (run, broker) = with_command("kill -9 PID");
    let outage = &run.expect(0)["outages"][0];
    assert_eq!(outage["broker"], broker.url.as_str());
    assert!(outage["started_s"].is_null() && outage["time_until_back_us"].is_null());
    assert!(outage["refused"].as_u64().unwrap() > 50, "{outage}");
    let event = &rows(&run.out.join("events.csv"))[0];
    assert!(event["detail"].contains("was stopped by its command"), "{event:?}");
    let said = format!("`{}` stays stopped: no `start_broker`", broker.url);
    assert_eq!(run.stderr.matches(&said).count(), 1, "{}", run.stderr);
}

#[test]
fn a_command_that_fails_is_told_and_its_secret_is_nowhere() {
    let (run, _broker) = with_command(
        "echo hunter2; curl -H 'Authorization: hunter2' -s http://127.0.0.1:9 ; exit 7",
    );
    let summary = run.expect(0);
    assert!(summary.get("outages").is_none(), "{}", summary["outages"]);
    assert!(
        run.stderr.contains("could not be stopped: its command ended with exit code 7"),
        "{}",
        run.stderr
    );
    let event = &rows(&run.out.join("events.csv"))[0];
    assert!(event["detail"].contains("exit code 7"), "{event:?}");
    assert!(!everything(&run).contains("hunter2"), "a secret of the command");
}

#[test]
fn what_never_happened_and_who_stays_stopped_is_told() {
    let lost = "broker = \"embedded-2\"";
    let events = event("500ms", "stop_broker", lost) + &event("1h", "start_broker", lost);
    let run = two_embedded(&stages(100, 2), "", &events).run();
    let said = "`embedded-2` was not started: the run was over before (1h)";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert!(run.expect(0)["outages"][0]["started_s"].is_null());
    let rows = rows(&run.out.join("events.csv"));
    assert_eq!(rows[1]["event"], "start_broker");
    assert!(rows[1]["detail"].contains(said), "{rows:?}");
}

#[test]
fn what_is_wrong_about_a_cluster_is_told_before_it_is_stormed() {
    let refused = |target: &str, more: &str, part: &str| {
        let storm = two_embedded("clients = 4", target, more);
        let run = storm.run();
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains("test.toml") && run.stderr.contains(part), "{}", run.stderr);
    };
    refused("weights = [1]", "", "`target.weights` has 1 numbers, but `target.brokers` has 2");
    refused("weights = [1, 0]", "", "`target.weights` holds 0");
    refused("weights = [1, -3]", "", "`-3.0`, expected 0 to");
    refused("weights = [1, 5000]", "", "the largest may be 1000 times the smallest");
    let stop = event("1s", "stop_broker", "broker = \"embedded-3\"");
    refused("", &stop, "`events[0]`");
    refused("", &stop, "`embedded`, `embedded-2`");
    refused("", &event("1s", "jwks_outage", ""), "there is no `[issuer]`");
}

#[test]
fn a_matrix_sends_every_cell_to_every_broker_and_says_who_differs() {
    let keys = Storm::new(&scenario("embedded", "", CODES));
    let brokers = ["healthy", "skips_exp"].map(|mutant| OwnBroker::start(&keys.scenario(), mutant));
    let mut command = program();
    command.arg("matrix").arg(keys.scenario()).arg("--out").arg(keys.out());
    command.args(["--target", &brokers[0].url, "--target", &brokers[1].url]);
    command.args([
        "--only",
        "expired",
        "--repeat",
        "3",
        "--background",
        "50",
        "--progress",
        "none",
    ]);
    let run = ended(command.output().unwrap(), keys.out());
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let matrix = read_json(&run.out.join("matrix.json")).unwrap();
    let cells = matrix["cells"].as_array().unwrap();
    for broker in &brokers {
        let own: Vec<&Value> =
            cells.iter().filter(|cell| cell["broker"] == broker.url.as_str()).collect();
        // Two versions of MQTT, with the tokens by which a broker is recognised.
        assert_eq!(own.len(), 2 * 4, "{own:?}");
        let counts =
            own.iter().filter(|cell| cell["defect"] != "fresh").map(|cell| &cell["attempts"]);
        assert!(counts.into_iter().all(|count| *count == 3), "{own:?}");
        let wrong = own.iter().filter(|cell| cell["verdict"] == "false_accept").count();
        assert_eq!(wrong, if broker.url == brokers[1].url { 2 } else { 0 }, "{own:?}");
    }
    assert_eq!(matrix["brokers"][1]["state"], "judged");
    let rows = rows(&run.out.join("matrix.csv"));
    assert!(rows.iter().all(|row| brokers.iter().any(|broker| broker.url == row["broker"])));
    assert!(run.stdout.contains("brokers differ: expired"), "{}", run.stdout);
    let page = fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(page.contains(&format!("Every kind of token at {}", brokers[1].url)));
}
