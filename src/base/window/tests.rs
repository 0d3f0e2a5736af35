use super::*;

#[test]
fn numbers_stay_with_their_groups_and_units() {
    assert_eq!(
        unbroken("All 5 002 of 10 came, 1 234 567 (20.0 %)."),
        "All 5\u{a0}002 of 10 came, 1\u{a0}234\u{a0}567 (20.0\u{a0}%)."
    );
    assert_eq!(unbroken("1.4 ms, 10 s; 3 more"), "1.4\u{a0}ms, 10\u{a0}s; 3 more");
}

#[test]
fn a_line_that_is_too_long_goes_on_below_its_own_words() {
    let text = "throughput  842 verdicts/s, offered 1 234 567/s; in 100 ms: p1 2, p50 90\nshort";
    assert_eq!(
        fitted(text, 40),
        "throughput  842 verdicts/s, offered\n            1 234 567/s; in 100 ms: p1\n            2, p50 90\nshort"
    );
    let inner = "    a finding that goes on for longer than the window is wide";
    assert_eq!(
        fitted(inner, 40),
        "    a finding that goes on for longer\n      than the window is wide"
    );
    assert!(fitted(inner, 30).lines().all(|line| line.len() <= 30));
}

#[test]
fn commands_and_words_that_are_too_long_stay_whole() {
    let command =
        "    tokenstorm matrix my-broker.toml --only expired --target mqtt://127.0.0.1:1883";
    assert_eq!(fitted(command, 40), command);
    let path = "results     /a/very/long/path/that/no/window/of/forty/columns/holds";
    assert!(fitted(path, 40).contains("/a/very/long/path/that/no/window/of/forty/columns/holds"));
}

#[test]
fn what_is_made_for_a_page_knows_no_window() {
    assert_eq!(elsewhere(width), None);
    assert!(!IS_ELSEWHERE.get(), "only there");
}
