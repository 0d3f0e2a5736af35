use super::*;

fn known(text: &str) -> Known {
    Known::parse("known.txt", text).unwrap()
}

/// An error with its way out.
fn whole(error: &Error) -> String {
    format!("{error}; {}", error.way_out().unwrap_or_default())
}

#[test]
fn a_line_that_is_no_cell_is_refused_with_file_line_and_the_name_that_is_near() {
    let said = |text: &str| whole(&Known::parse("known.txt", text).unwrap_err());
    let near = said("# all of them\n\nexpired-v4\nexpird-v5\n");
    assert!(near.contains("known.txt, line 4") && near.contains("`expired-v5`"), "{near}");
    let version = said("expired-v3");
    assert!(version.contains("did you mean `expired-v"), "{version}");
    let verdict = said("expired-v5 false_acept");
    assert!(verdict.contains("did you mean `false_accept`"), "{verdict}");
    assert!(said("expired-v5 correct").contains("no wrong verdict"));
    assert!(said("expired-v5 at").contains("NAME [at BROKER] [VERDICT]"));
    let secret = said("MIICXAIBAAKBgQCqGKukO1De7zhZj6");
    assert!(!secret.contains("MIICX"), "{secret}");
}

#[test]
fn what_is_known_of_a_cell_covers_that_verdict_and_lighter_ones() {
    let known = known("expired-v4 # any\nexpired-v5 wrong_reason\n");
    assert!(known.covers(("expired", 4), "a", Verdict::FalseAccept));
    assert!(known.covers(("expired", 5), "a", Verdict::WrongReason));
    assert!(!known.covers(("expired", 5), "a", Verdict::FalseAccept), "it is worse than known");
    assert!(!known.covers(("expired", 4), "a", Verdict::Correct), "nothing is wrong");
    assert!(!known.covers(("alg_none", 4), "a", Verdict::FalseAccept));
}

#[test]
fn a_line_without_a_broker_is_about_each_and_one_of_another_run_is_refused() {
    let known = known("expired-v4\nexpired-v5 at mqtt://127.0.0.1:1883 false_accept\n");
    let (one, other) = ("mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1884");
    assert!(known.names("expired", 4, one) && known.names("expired", 4, other));
    assert!(known.names("expired", 5, one) && !known.names("expired", 5, other));
    assert!(known.check(&[one, other]).is_ok());
    let said = whole(&known.check(&[other]).unwrap_err());
    assert!(said.contains("known.txt, line 2") && said.contains("1884"), "{said}");
}

#[test]
fn cells_that_are_not_sent_are_named_once() {
    let known = known("expired-v4\nexpired-v4\nalg_none-v5\n");
    let said = known.unsent(|name| name == "alg_none-v5").unwrap();
    assert_eq!(said, "`known.txt` names cells that are not sent: expired-v4");
    assert_eq!(known.unsent(|_| true), None);
}

#[test]
fn a_line_that_is_too_long_is_refused_before_a_name_is_looked_for() {
    let error = Known::parse("known.txt", &"x".repeat(LONGEST_LINE + 1)).unwrap_err();
    assert!(whole(&error).contains("a line has more than 512 bytes"), "{}", whole(&error));
    assert!(Known::parse("known.txt", &format!("expired-v4 #{}", "x".repeat(9999))).is_ok());
}
