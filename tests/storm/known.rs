//! Known findings of a matrix, as CI keeps them: written once, and nothing but new ones fails after that.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{first::run_in, run::read_json};

#[test]
fn a_matrix_whose_findings_are_known_passes_until_there_is_a_new_one_and_tells_what_is_gone() {
    let folder = TempDir::new().unwrap();
    let own = "[target]\nbrokers = [\"embedded\"]\nprofile = \"strict\"\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\nkid = \"main\"\n\
               [token.claims]\niss = \"https://issuer.example\"\nclientid = \"{client_id}\"\n";
    fs::write(folder.path().join("own.toml"), own).unwrap();
    let matrix = |out: &str, more: &[&str]| {
        let all = ["matrix", "own.toml", "--progress", "none", "--out", out];
        run_in(folder.path(), &[&all, more].concat())
    };
    let first = matrix("first", &["--write-known", "known.txt"]);
    assert_eq!(first.code, Some(1), "{}{}", first.stdout, first.stderr);
    let text = fs::read_to_string(folder.path().join("known.txt")).unwrap();
    let names = || text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(names().count() > 2, "{text}");

    let second = matrix("second", &["--known", "known.txt"]);
    assert_eq!(second.code, Some(0), "{}{}", second.stdout, second.stderr);
    assert!(second.stdout.contains("No new finding: "), "{}", second.stdout);
    let ruling = |out: &str| -> Value {
        read_json(&folder.path().join(out).join("summary.json")).unwrap()["ruling"].clone()
    };
    let told = ruling("second");
    assert_eq!((&told["exit_code"], told["failed"].as_array().unwrap().len()), (&0.into(), 0));
    assert!(!told["known"].as_array().unwrap().is_empty(), "{told}");
    // The folder alone says the same later.
    let later = |format| run_in(folder.path(), &["report", "second", "--format", format]).stdout;
    for (format, said) in
        [("terminal", "No new finding: "), ("markdown", " known)"), ("junit", "known false_accept")]
    {
        let shown = later(format);
        assert!(shown.contains(said), "{format}: {shown}");
    }
    assert!(later("junit").contains("failures=\"0\""));

    // Without its first line that finding is new, and one of a cell that is right is gone.
    let dropped = names().next().unwrap();
    let changed = text.replacen(&format!("{dropped}\n"), "alg_none-v5\n", 1);
    fs::write(folder.path().join("changed.txt"), changed).unwrap();
    let third = matrix("third", &["--known", "changed.txt"]);
    assert_eq!(third.code, Some(1), "{}{}", third.stdout, third.stderr);
    assert!(third.stdout.contains("\nfixed: alg_none-v5\n"), "{}", third.stdout);
    let name = dropped.split_once("-v").unwrap().0;
    let failed = ruling("third")["failed"].clone();
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed[0]["tokens"], serde_json::json!([name]), "{failed}");

    let over = matrix("over", &["--write-known", "known.txt"]);
    assert_eq!(over.code, Some(2), "{}", over.stderr);
    fs::write(folder.path().join("wrong.txt"), "expired-v5\nexpird-v4\n").unwrap();
    let wrong = matrix("wrong", &["--known", "wrong.txt"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("wrong.txt, line 2") && wrong.stderr.contains("did you mean"));
}
