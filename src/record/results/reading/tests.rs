use std::fs;

use super::*;

#[test]
fn a_number_that_no_run_can_have_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    for (text, said) in [
        ("{\"a\":[1,{\"b\":18446744073709551615}]}", "`a.1.b` is 18446744073709551615"),
        ("{\"a\":-1e308}", "`a` is -1e+308"),
        ("{\"a\":1e400}", "damaged"),
        (&"[".repeat(100_000), "damaged"),
        ("\u{0}", "damaged"),
    ] {
        fs::write(&path, text).unwrap();
        let error = json(&path).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    for (name, value) in [
        ("second", "2000000000"),
        ("second", "-1e18"),
        ("second", "-999999999"),
        ("count", "18446744073709551615"),
        ("p99_us", ">1e300"),
        ("open", "NaN"),
        ("open", "inf"),
    ] {
        let text = format!("token,{name}\ninf,1\ninf,{value}\n");
        let error = plain_rows::<(String, String)>(&text, &path).unwrap_err().to_string();
        let named = format!("line 3: `{name}` is `{value}`");
        assert!(error.contains(&named) && error.contains("summary.json"), "{error}");
    }
}

#[test]
fn what_steers_a_terminal_is_not_in_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    fs::write(&path, "{\"a\\u001b[8m\":[\"b\\u202e\\nverdict: fine\"]}").unwrap();
    let read = json(&path).unwrap();
    assert_eq!(read, serde_json::json!({ "a\u{fffd}[8m": ["b\u{fffd} verdict: fine"] }));
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    assert!(json(&path).unwrap_err().contains("no regular file"));
    assert!(text(&path).is_err());
}
