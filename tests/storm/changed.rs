//! `compare` on two matrices: which cells changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{read_json, rows, tokenstorm};

/// A run folder of a matrix, with cells as `change` leaves them.
fn matrix(folder: &Path, name: &str, change: impl Fn(&str, u64, &mut Value)) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/matrix-1");
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    for file in ["summary.json", "scenario.toml", "matrix.json"] {
        fs::copy(from.join(file), own.join(file)).unwrap();
    }
    let path = own.join("matrix.json");
    let mut matrix = read_json(&path).unwrap();
    for cell in matrix["cells"].as_array_mut().unwrap() {
        let (defect, protocol) =
            (cell["defect"].as_str().unwrap().to_owned(), cell["protocol"].as_u64().unwrap());
        change(&defect, protocol, cell);
    }
    fs::write(path, serde_json::to_vec(&matrix).unwrap()).unwrap();
    own
}

/// What a cell came to.
fn comes_to(cell: &mut Value, outcome: &str, code: &Value, verdict: &str) {
    cell["outcome"] = outcome.into();
    cell["code"] = code.clone();
    cell["verdict"] = verdict.into();
}

fn compare(baseline: &Path, candidate: &Path, more: &[&str]) -> (Option<i32>, String) {
    let sides = [baseline, candidate].map(|path| path.display().to_string());
    let mut arguments = vec!["compare", &sides[0], &sides[1]];
    arguments.extend(more);
    let ended = tokenstorm(&arguments);
    (ended.code, ended.stdout + &ended.stderr)
}

#[test]
fn each_cell_that_changed_is_named_with_both_answers_and_the_rest_is_one_line() {
    let folder = TempDir::new().unwrap();
    let old = matrix(folder.path(), "old", |defect, protocol, cell| {
        if (defect, protocol) == ("not_a_jwt", 4) {
            comes_to(cell, "refused", &json!(3), "wrong_reason");
        }
    });
    let new = matrix(folder.path(), "new", |defect, protocol, cell| match (defect, protocol) {
        ("expired", 5) => comes_to(cell, "accepted", &json!(0), "false_accept"),
        ("fresh", 4) => comes_to(cell, "refused", &json!(5), "false_reject"),
        ("wrong_key", 4) => comes_to(cell, "closed", &json!("fin"), "correct"),
        ("expired_61s", 5) => comes_to(cell, "timeout", &json!("deadline"), "not_judged"),
        _ => {}
    });
    let out = folder.path().join("out");
    let (code, said) = compare(&old, &new, &["--out", &out.display().to_string()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("lets in tokens that the baseline refuses: expired\n"), "{said}");
    let comparison = read_json(&out.join("comparison.json")).unwrap();
    let cells = &comparison["cells"];
    let count = |key: &str| cells[key].as_u64().unwrap();
    let changed = cells["changed"].as_array().unwrap();
    let all: Vec<_> =
        changed.iter().map(|it| (it["change"].as_str(), it["defect"].as_str())).collect();
    let expected = [
        ("let_in", "expired"),
        ("refused", "fresh"),
        ("unanswered", "expired_61s"),
        ("mended", "not_a_jwt"),
        ("code", "wrong_key"),
    ];
    assert_eq!(all, expected.map(|(change, defect)| (Some(change), Some(defect))));
    assert_eq!(count("same") + count("unjudged") + 5, count("cells"));
    let same = format!("{} of {} cells are the same", count("same"), count("cells"));
    let [markdown, page, junit] = ["comparison.md", "report.html", "comparison.xml"]
        .map(|name| fs::read_to_string(out.join(name)).unwrap());
    for text in [&said, &markdown, &page] {
        assert!(text.contains(&same), "{text}");
        for label in ["newly let in", "newly refused", "no longer answered", "mended"] {
            assert!(text.contains(label), "{label}: {text}");
        }
        assert!(text.contains("correct: refused 0x87"), "{text}");
        assert!(text.contains("FALSE ACCEPT: accepted"), "{text}");
        // A cell that did not change has no row.
        assert!(!text.contains("expired_1y") && !text.contains(r"expired\_1y"), "{text}");
    }
    let failed = junit.lines().filter(|line| line.contains("<failure")).count();
    assert_eq!(failed, 3, "all, and the two cells that are worse: {junit}");
    assert_eq!(junit.matches("name=\"matrix.expired.v5\"").count(), 1, "{junit}");
    assert_eq!(rows(&out.join("comparison.csv"))[0].len(), 12, "the columns stay");
}

#[test]
fn matrices_whose_cells_are_all_the_same_are_equivalent() {
    let folder = TempDir::new().unwrap();
    let one = matrix(folder.path(), "one", |_, _, _| {});
    let (code, said) = compare(&one, &one, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("equivalent: all 22 cells are the same"), "{said}");
    let mute = matrix(folder.path(), "mute", |defect, _, cell| {
        if defect == "expired" {
            comes_to(cell, "timeout", &json!("deadline"), "not_judged");
        }
    });
    let (code, said) = compare(&one, &mute, &[]);
    assert_eq!(code, Some(4), "nobody knows what became of it: {said}");
    assert!(said.contains("inconclusive: 2 no longer answered: expired"), "{said}");
    let (code, said) = compare(&mute, &one, &[]);
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn matrices_that_judged_nothing_are_not_equivalent() {
    let folder = TempDir::new().unwrap();
    let mute = matrix(folder.path(), "mute", |_, _, cell| {
        comes_to(cell, "timeout", &json!("deadline"), "not_judged");
    });
    let (code, said) = compare(&mute, &mute, &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("inconclusive: no cell was judged on both sides"), "{said}");
    assert!(said.contains("0 of 22 cells are the same; 22 were judged on neither side"), "{said}");
}

/// Two brokers, and what each does with an expired token.
fn at_two_brokers(folder: &Path, name: &str, verdicts: [&str; 2]) -> PathBuf {
    let own = matrix(folder, name, |_, _, _| {});
    let path = own.join("matrix.json");
    let mut matrix = read_json(&path).unwrap();
    let brokers = [1, 2].map(|at| format!("mqtt://{name}:{at}"));
    let state = |broker: &String| json!({ "broker": broker, "state": "judged", "unheard": [] });
    matrix["brokers"] = brokers.iter().map(state).collect();
    let cells = matrix["cells"].as_array().unwrap().clone();
    let both = brokers.iter().zip(verdicts).flat_map(|(broker, verdict)| {
        cells.iter().map(move |cell| {
            let mut cell = cell.clone();
            cell["broker"] = json!(broker);
            if cell["defect"] == "expired" {
                cell["verdict"] = verdict.into();
            }
            cell
        })
    });
    matrix["cells"] = both.collect();
    fs::write(path, serde_json::to_vec(&matrix).unwrap()).unwrap();
    own
}

#[test]
fn of_several_brokers_each_is_held_against_the_one_in_its_place() {
    let folder = TempDir::new().unwrap();
    let old = at_two_brokers(folder.path(), "old", ["false_accept", "correct"]);
    let new = at_two_brokers(folder.path(), "new", ["false_accept", "false_accept"]);
    let (code, said) = compare(&old, &new, &["--allow-different"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("5.0 at broker 2") && !said.contains("at broker 1"), "{said}");
    let (code, said) = compare(&new, &new, &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn counts_of_a_token_do_not_decide_against_its_cell() {
    let folder = TempDir::new().unwrap();
    let with = |name: &str, verdict: &str| {
        let own = matrix(folder.path(), name, |defect, protocol, cell| {
            if (defect, protocol) == ("expired", 5) {
                cell["verdict"] = verdict.into();
            }
        });
        let path = own.join("summary.json");
        let mut summary = read_json(&path).unwrap();
        for verdicts in ["/verdicts", "/by_token/expired-v5/verdicts"] {
            let counts = summary.pointer_mut(verdicts).unwrap();
            counts[verdict] = (counts[verdict].as_u64().unwrap() + 1).into();
            counts["correct"] = (counts["correct"].as_u64().unwrap() - 1).into();
        }
        fs::write(path, serde_json::to_vec(&summary).unwrap()).unwrap();
        own
    };
    let (lets_in, other_code) = (with("old", "false_accept"), with("new", "wrong_reason"));
    let (code, said) = compare(&lets_in, &other_code, &[]);
    assert_eq!(code, Some(0), "a smaller fault is none that is new: {said}");
    assert!(said.contains("better: "), "{said}");
    let (code, said) = compare(&other_code, &lets_in, &[]);
    assert_eq!(code, Some(1), "{said}");
}
