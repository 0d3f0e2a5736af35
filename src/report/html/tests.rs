use std::fs;

use tempfile::TempDir;

use super::*;

fn page(files: &[(&str, &str)], change: impl FnOnce(&mut Summary)) -> Result<String> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut summary = crate::record::results::fixture::summary();
    change(&mut summary);
    render(folder.path(), &summary)
}

#[test]
fn a_folder_with_nothing_but_its_summary_gives_a_page_that_says_what_is_missing() {
    let page = page(&[], |summary| summary.partial = true).unwrap();
    assert!(page.contains("not judged yet") && !page.contains("face value"), "{page}");
    assert!(page.contains("Not finished") && page.contains("no environment.json"), "{page}");
    assert!(page.contains("no scenario.toml") && !page.contains("Over time"), "{page}");
    // What the summary has is drawn: its phases, and its kinds of token.
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("correct, 100"), "{page}");
}

#[test]
fn a_file_that_is_there_and_not_what_it_should_be_is_an_error_with_its_name() {
    for (name, text) in [
        ("timeline.csv", "second,started\n0,many\n"),
        ("environment.json", "{"),
        ("matrix.json", "{}"),
        ("verdicts.csv", "token\nfresh\n"),
    ] {
        let error = page(&[(name, text)], |_| {}).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn nothing_on_the_page_is_fetched_and_names_stay_names() {
    let page = page(&[("scenario.toml", "name = \"<script>alert(1)</script>\"")], |summary| {
        "<img src=x>".clone_into(&mut summary.scenario);
        let part = summary.by_token["fresh"].clone();
        summary.by_token.insert("</title><script>".into(), part);
    })
    .unwrap();
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains("src=x>"),
        "{page}"
    );
    let links = page.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !links.contains("http://") && !links.contains("https://") && !links.contains("url("),
        "{page}"
    );
}
