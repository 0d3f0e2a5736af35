use super::*;
use crate::{plan::cells::PROBE, record::results::fixture};

/// What `JUnit` says of a matrix whose only cell is right.
fn said(change: impl FnOnce(&mut Summary)) -> String {
    let matrix = fixture::matrix(&[fixture::cell("expired", "refuse", "correct")]);
    let mut summary = fixture::summary();
    change(&mut summary);
    render(&matrix, &summary).unwrap()
}

#[test]
fn a_matrix_that_does_not_exit_with_0_has_a_case_that_fails() {
    assert!(said(|_| {}).contains("failures=\"0\""));
    let ended = "the run came to its end";
    assert!(said(|summary| summary.interrupted = true).contains(ended));
    assert!(said(|summary| summary.partial = true).contains(ended));
    let probed = said(|summary| {
        let mut part = summary.by_token["expired"].clone();
        part.verdicts[Verdict::FalseAccept] = 3;
        summary.by_token.insert(PROBE.to_owned(), part);
    });
    assert!(probed.contains("3 bad tokens were accepted"), "{probed}");
    let mute = fixture::matrix(&[]);
    let said = render(&mute, &fixture::summary()).unwrap();
    assert!(said.contains("cells were judged"), "{said}");
}

#[test]
fn a_known_finding_is_a_skipped_case_that_says_so_and_one_that_is_gone_says_that() {
    let mut matrix = fixture::matrix(&[
        fixture::cell("expired", "refuse", "false_accept"),
        fixture::cell("alg_none", "refuse", "correct"),
        fixture::cell("wrong_key", "refuse", "correct"),
    ]);
    (matrix.cells[0].known, matrix.cells[1].known) = (Some(KnownAs::Wrong), Some(KnownAs::Fixed));
    let said = render(&matrix, &fixture::summary()).unwrap();
    assert!(
        said.contains("failures=\"0\"") && said.contains("skipped message=\"known false_accept")
    );
    assert_eq!(said.matches("fixed: it was known").count(), 1, "{said}");
}

/// The report as CI servers see it: of each case its name, and whether it failed or was skipped. Fails where a number in an
/// attribute is not what is in the file.
fn read(text: &str) -> Vec<(String, bool, bool)> {
    let document = roxmltree::Document::parse(text).unwrap();
    let has = |case: &roxmltree::Node<'_, '_>, tag: &str| {
        case.children().any(|child| child.has_tag_name(tag))
    };
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let counted = document
        .descendants()
        .filter(|node| node.has_tag_name("testsuites") || node.has_tag_name("testsuite"));
    for node in counted {
        let cases = || node.descendants().filter(|node| node.has_tag_name("testcase"));
        let count = |tag: &str| cases().filter(|case| has(case, tag)).count();
        let own = [
            ("tests", cases().count()),
            ("failures", count("failure")),
            ("errors", count("error")),
            ("disabled", count("skipped")),
            ("skipped", count("skipped")),
        ];
        let told = own.iter().filter_map(|(name, is)| Some((name, is, node.attribute(*name)?)));
        let told: Vec<_> = told.collect();
        assert!(told.len() >= 3, "{told:?}");
        assert!(told.iter().all(|(_, is, said)| is.to_string() == *said), "{told:?}");
    }
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let read = |case: roxmltree::Node<'_, '_>| {
        let name = case.attribute("name").unwrap().to_owned();
        (name, has(&case, "failure"), has(&case, "skipped"))
    };
    cases.map(read).collect()
}

#[test]
fn another_parser_finds_a_case_for_each_cell_whatever_its_name_is() {
    let long = "x".repeat(10 * 1024);
    let names = [
        "expired",
        "]]>",
        "<a b=\"c\">&amp;'",
        "\u{1b}[31mred",
        "nul\u{0}",
        "nul\u{1}",
        "nul",
        "a\nb",
        "\u{202e}turned",
        "\u{200b}",
        "\u{2060}",
        "",
        &long,
    ];
    let verdicts =
        ["correct", "false_accept", "false_reject", "wrong_reason", "not_judged", "indeterminate"];
    let cells: Vec<_> = names
        .iter()
        .zip(verdicts.iter().cycle())
        .map(|(name, verdict)| fixture::cell(name, "refuse", verdict))
        .collect();
    let text = render(&fixture::matrix(&cells), &fixture::summary()).unwrap();
    let cases = read(&text);
    let distinct: std::collections::BTreeSet<&str> =
        cases.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(distinct.len(), cases.len(), "no two cases have one name: {distinct:?}");
    let of_cells: Vec<_> = cases.iter().filter(|(name, ..)| name.contains("(MQTT 5.0)")).collect();
    assert_eq!(of_cells.len(), cells.len(), "{text}");
    for ((case, is_failed, is_skipped), verdict) in of_cells.iter().zip(verdicts.iter().cycle()) {
        let wrong = matches!(*verdict, "false_accept" | "false_reject" | "wrong_reason");
        let open = matches!(*verdict, "not_judged" | "indeterminate");
        assert_eq!((*is_failed, *is_skipped), (wrong, open), "{case}: {verdict}");
    }
    assert!(of_cells.iter().any(|(name, ..)| name.contains(&long)), "a long name is not cut");
    assert!(of_cells.iter().any(|(name, ..)| name.starts_with("]]> ")), "{distinct:?}");
}
