//! `compare`, `baseline` and `report` on run folders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{read_json, rows, tokenstorm};

/// A run folder of the newest format.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/1-2026-11-25")
}

/// Copies of it whose `connack` takes `factor` times as long, a little more in each.
fn runs(folder: &Path, count: u32, factor: f64) -> PathBuf {
    for number in 0..count {
        let own = folder.join(format!("{number:03}"));
        copy(&fixture(), &own);
        change(&own, |summary| {
            let connack = &mut summary["phases"]["connack"];
            for name in ["p50_us", "p99_us"] {
                let value = connack[name].as_f64().unwrap();
                connack[name] = (value * factor * (1.0 + f64::from(number) / 500.0)).into();
            }
            let cpu = &mut summary["monitor"]["broker"]["cpu_us_per_verdict"];
            *cpu = (cpu.as_f64().unwrap() * (1.0 + f64::from(number) / 500.0)).into();
        });
    }
    folder.to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn change(folder: &Path, how: impl FnOnce(&mut Value)) {
    let path = folder.join("summary.json");
    let mut summary = read_json(&path).unwrap();
    how(&mut summary);
    fs::write(path, serde_json::to_vec(&summary).unwrap()).unwrap();
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn repeated_runs_that_got_slower_are_worse_in_every_format() {
    let folder = TempDir::new().unwrap();
    let (old, new) =
        (runs(&folder.path().join("old"), 5, 1.0), runs(&folder.path().join("new"), 5, 1.3));
    let out = folder.path().join("out");
    let ended = tokenstorm(&["compare", &text(&old), &text(&new), "--out", &text(&out)]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("WORSE: connack.p50, connack.p99"), "{}", ended.stdout);
    let comparison = read_json(&out.join("comparison.json")).unwrap();
    assert_eq!((&comparison["format"], &comparison["verdict"]), (&1.into(), &"worse".into()));
    let p50 = &comparison["metrics"][0];
    for key in [
        "metric",
        "baseline",
        "candidate",
        "change",
        "low",
        "high",
        "threshold",
        "threshold_source",
        "verdict",
    ] {
        assert!(!p50[key].is_null(), "{key}: {p50}");
    }
    assert!((p50["change"].as_f64().unwrap() - 0.3).abs() < 0.01, "{p50}");
    let csv = rows(&out.join("comparison.csv"));
    assert_eq!(csv[0]["metric"], "connack.p50");
    assert_eq!(csv[0]["verdict"], "worse");
    let junit = fs::read_to_string(out.join("comparison.xml")).unwrap();
    assert!(junit.contains("name=\"connack.p50\"") && junit.contains("type=\"worse\""), "{junit}");
    let markdown = fs::read_to_string(out.join("comparison.md")).unwrap();
    assert!(markdown.starts_with("### tokenstorm: WORSE"), "{markdown}");
    assert!(
        markdown.find("connack.p50").unwrap() < markdown.find("<details>").unwrap(),
        "{markdown}"
    );
    let benchmark = read_json(&out.join("benchmark.json")).unwrap();
    let first = &benchmark[0];
    assert!(first["name"].as_str().unwrap().ends_with("connack.p50"), "{first}");
    assert!(
        first["value"].is_f64() && first["unit"] == "us" && first["range"].is_string(),
        "{first}"
    );
    let bencher = read_json(&out.join("bencher.json")).unwrap();
    let latency = &bencher["compare: connack.p50"]["latency"];
    let (value, least) = (&latency["value"], &latency["lower_value"]);
    assert!(value.as_f64() > Some(1e4), "nanoseconds: {latency}");
    assert!(least.as_f64() < value.as_f64(), "{latency}");
    // The folder is rendered again as that of a run is.
    let again = tokenstorm(&["report", &text(&out), "--format", "markdown"]);
    assert_eq!(again.stdout, markdown);
}

#[test]
fn runs_that_do_not_differ_are_equivalent_and_single_ones_are_inconclusive() {
    let folder = TempDir::new().unwrap();
    let old = runs(&folder.path().join("old"), 5, 1.0);
    let new = runs(&folder.path().join("new"), 5, 1.0005);
    let ended = tokenstorm(&["compare", &text(&old), &text(&new)]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("equivalent: connack.p50"), "{}", ended.stdout);
    let ended = tokenstorm(&["compare", &text(&fixture()), &text(&fixture())]);
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("one run can't tell a change from chance"), "{}", ended.stdout);
}

#[test]
fn what_is_half_written_damaged_of_a_later_format_or_no_run_is_named() {
    let folder = TempDir::new().unwrap();
    let old = runs(&folder.path().join("old"), 2, 1.0);
    let refused = |path: &Path, words: &[&str]| {
        let ended = tokenstorm(&["compare", &text(&old), &text(path)]);
        assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "`{word}` is not in {}", ended.stderr);
        }
    };
    let bad = runs(&folder.path().join("bad"), 2, 1.0);
    change(&bad.join("001"), |summary| summary["partial"] = true.into());
    refused(&bad, &["bad/001", "half written"]);
    change(&bad.join("001"), |summary| {
        summary["partial"] = false.into();
        summary["format"] = 99.into();
    });
    refused(&bad, &["bad/001/summary.json", "format 99 is newer", "newer tokenstorm"]);
    fs::write(bad.join("001/summary.json"), "{\"format\": 1, \"part").unwrap();
    refused(&bad, &["bad/001/summary.json", "damaged or half written"]);
    fs::remove_file(bad.join("001/summary.json")).unwrap();
    refused(&bad, &["bad/001", "there is no `summary.json` in it"]);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(&empty, &["no run folder, and there is none in it"]);
    refused(&folder.path().join("nowhere"), &["there is no folder"]);
    let other = runs(&folder.path().join("other"), 2, 1.0);
    let scenario = other.join("000/scenario.toml");
    let changed = fs::read_to_string(&scenario).unwrap().replace("seed = 42", "seed = 43");
    fs::write(&scenario, changed).unwrap();
    refused(&other, &["can't be compared", "seed: 42 against 43", "--allow-different"]);
    let gate = ["compare", &text(&old), &text(&old), "--gate", "conack.p50"];
    let ended = tokenstorm(&gate);
    assert!(ended.stderr.contains("did you mean `connack.p50`?"), "{}", ended.stderr);
}

#[test]
fn baselines_are_saved_listed_shown_and_give_thresholds_from_their_spread() {
    let folder = TempDir::new().unwrap();
    let store = text(&folder.path().join("baselines"));
    let new = runs(&folder.path().join("new"), 5, 1.0);
    for number in 0..11 {
        // Every other result is 2 % slower.
        let factor = 1.0 + f64::from(number % 2) * 0.02;
        let result = runs(&folder.path().join(format!("r{number}")), 5, factor);
        let ended =
            tokenstorm(&["baseline", "save", "main", &text(&result), "--baselines", &store]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains("baselines/main/"), "{}", ended.stdout);
    }
    let list = tokenstorm(&["baseline", "list", "--baselines", &store]);
    assert!(list.stdout.contains("main") && list.stdout.contains("11"), "{}", list.stdout);
    let show = tokenstorm(&["baseline", "show", "main", "--baselines", &store]);
    assert!(show.stdout.contains("threshold of connack.p50: "), "{}", show.stdout);
    let ended =
        tokenstorm(&["compare", "main", &text(&new), "--baselines", &store, "--format", "json"]);
    let exported = folder.path().join("otava");
    let export = ["baseline", "export", "main", "--out", &text(&exported), "--baselines", &store];
    let export = tokenstorm(&export);
    assert_eq!(export.code, Some(0), "{}", export.stderr);
    assert!(export.stdout.contains("otava.yaml have 55 runs"), "{}", export.stdout);
    let table = fs::read_to_string(exported.join("main.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 55, "{table}");
    assert!(table.starts_with("time,") && table.contains(",connack.p50,"), "{table}");
    assert!(fs::read_to_string(exported.join("otava.yaml")).unwrap().contains("\"main.csv\""));
    let comparison: Value = serde_json::from_str(&ended.stdout).unwrap();
    let p50 = &comparison["metrics"][0];
    assert_eq!(p50["threshold_source"], "11 earlier results", "{p50}");
    let threshold = p50["threshold"].as_f64().unwrap();
    // All changes are about 2 %: no spread, so that the third quartile is the threshold.
    assert!((0.015..0.025).contains(&threshold), "{p50}");
    let unknown = tokenstorm(&["baseline", "show", "mian", "--baselines", &store]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `main`?"), "{}", unknown.stderr);
    let bad = tokenstorm(&["baseline", "save", "../x", &text(&new), "--baselines", &store]);
    assert!(bad.stderr.contains("`../x` is no name of a baseline"), "{}", bad.stderr);
}

#[test]
fn a_run_is_rendered_for_a_pull_request_and_for_a_ci_server() {
    let markdown = tokenstorm(&["report", &text(&fixture()), "--format", "markdown"]);
    assert!(markdown.stdout.starts_with("### tokenstorm: compare"), "{}", markdown.stdout);
    assert!(markdown.stdout.contains("| expired |"), "{}", markdown.stdout);
    let junit = tokenstorm(&["report", &text(&fixture()), "--format", "junit"]);
    assert!(junit.stdout.contains("name=\"no false accept\""), "{}{}", junit.stdout, junit.stderr);
}

#[test]
fn a_candidate_whose_broker_went_away_where_none_of_the_baseline_did_is_worse() {
    let folder = TempDir::new().unwrap();
    let (old, new) =
        (runs(&folder.path().join("old"), 5, 1.0), runs(&folder.path().join("new"), 5, 1.0));
    let gone = serde_json::json!([{ "broker": "embedded", "at_s": 1.5, "by": "port",
                                    "back_after_s": null, "on_the_way": [] }]);
    change(&new.join("003"), |summary| summary["broker_gone"] = gone.clone());
    let verdict = |one: &Path, other: &Path| {
        let out = TempDir::new().unwrap();
        let ended = tokenstorm(&["compare", &text(one), &text(other), "--out", &text(out.path())]);
        let comparison = read_json(&out.path().join("comparison.json")).unwrap();
        let metrics = comparison["metrics"].as_array().unwrap().clone();
        let own = metrics.into_iter().find(|metric| metric["metric"] == "broker_gone");
        (ended.code, comparison["verdict"].clone(), own.map(|own| own["verdict"].clone()))
    };
    assert_eq!(verdict(&old, &new), (Some(1), "worse".into(), Some("worse".into())));
    assert_eq!(verdict(&new, &old).2, Some("better".into()));
    assert_eq!(verdict(&old, &old).2, None, "what never was is no metric");
    change(&old.join("001"), |summary| summary["broker_gone"] = gone);
    assert_ne!(verdict(&old, &new).1, "worse", "both did: nothing follows");
    let said = tokenstorm(&["compare", &text(&old), &text(&new)]).stdout;
    let both = "in 1 of 5 runs of the baseline, in 1 of 5 of the candidate";
    assert!(said.contains(both), "but it is said: {said}");
}
