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
