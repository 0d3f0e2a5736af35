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
    assert_eq!(count("same") + 5, count("cells"));
    let same = format!("{} of {} cells are the same.", count("same"), count("cells"));
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
