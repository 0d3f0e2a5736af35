use super::*;

const THEIRS: &str = "a\u{1b}]0;x\u{7}\u{9b}31m\r\n\tb\u{7f}\u{202e}c\u{2066}\u{200b}\u{feff}\u{e0041}\u{1b}[8m\u{0}d";

#[test]
fn what_steers_a_terminal_or_turns_or_hides_a_text_does_not_pass() {
    let text = plain(THEIRS);
    assert_eq!(text.replace('\u{fffd}', "?"), "a?]0;x??31m?\n\tb??c?????[8m?d");
    for text in [plain(THEIRS), shown(THEIRS), unpainted(THEIRS), line(THEIRS), cell(THEIRS)] {
        assert!(!text.chars().any(steers), "{text:?}");
    }
    assert_eq!(plain("grün, 日本語, \u{1f600}, é"), "grün, 日本語, \u{1f600}, é");
}

#[test]
fn colours_of_our_own_reach_the_terminal_and_those_of_others_do_not() {
    let text = format!("{} {}", "own".red().bold(), "\u{1b}[32mtheirs\u{1b}[0m\u{1b}[31;7m");
    let own = "\u{1b}[1m\u{1b}[31mown\u{1b}[39m\u{1b}[22m ";
    assert_eq!(shown(&text), format!("{own}\u{fffd}[32mtheirs\u{fffd}[0m\u{fffd}[31;7m"));
    assert_eq!(unpainted(&text), "own \u{fffd}[32mtheirs\u{fffd}[0m\u{fffd}[31;7m");
    // What was painted is shown once: what comes out is foreign to the next border.
    assert_eq!(shown(&"x\u{1b}[8m".red()), "\u{1b}[31mx\u{fffd}[8m\u{1b}[39m");
}

#[test]
fn json_keeps_what_it_says() {
    let value = serde_json::json!({ "a\u{9b}\u{202e}": "\u{e0041}\u{1b}\u{7f}\n" });
    let text = json(&serde_json::to_string_pretty(&value).unwrap());
    assert!(!text.chars().any(steers), "{text:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
}

#[test]
fn a_cell_is_no_formula_and_a_number_stays_one() {
    for (text, is) in [
        ("=cmd()", "'=cmd()"),
        ("+1+1", "'+1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-x", "'-x"),
        ("\t=1", "' =1"),
        ("-1.5e3", "-1.5e3"),
        ("+7", "+7"),
        ("a=b\nc", "a=b c"),
    ] {
        assert_eq!(cell(text), is);
    }
}
