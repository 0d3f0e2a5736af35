use super::*;
use crate::base::error::plain::{Paint, shown, unpainted};

#[test]
fn painted_cells_have_their_colours_and_nothing_else_of_the_table() {
    let row = vec!["a".to_owned(), "1 wrong".red().bold() + ", " + &"2 right".green()];
    let rows = [row.clone(), vec!["b".to_owned(), "1 right".green()], row];
    let text = table(&["name", "what"], &rows);
    let plain = "name  what\na     1 wrong, 2 right\nb     1 right\na     1 wrong, 2 right\n";
    assert_eq!(unpainted(&text), plain);
    let painted = shown(&text);
    assert!(!painted.contains('\u{fffd}'), "{painted:?}");
    assert!(painted.contains("b     \u{1b}[32m1 right\u{1b}[39m\n"), "{painted:?}");
}

#[test]
fn numbers_are_grouped_and_times_have_units() {
    assert_eq!(count(1_234_567), "1 234 567");
    assert_eq!(count(999), "999");
    let times: Vec<String> = [0.4, 12.0, 999.6, 1234.0, 12_340.0, 123_400.0, 2_000_000.0]
        .into_iter()
        .map(time)
        .collect();
    assert_eq!(times, ["0 us", "12 us", "1.00 ms", "1.23 ms", "12.3 ms", "123 ms", "2.00 s"]);
    assert_eq!(percentile(&Percentile::Beyond(10_000_000.0)), "> 10.00 s");
    assert_eq!(percentile(&Percentile::Unanswered(10_000_000.0)), "-");
}

#[test]
fn a_table_that_is_too_wide_is_a_block_a_row() {
    let head = ["latency", "done", "p50", "", "max"];
    let rows = [
        ["  connack", "1 234 567", "23 us", "", "-"].map(str::to_owned).to_vec(),
        ["tcp", "5 002", "34 us", "held", "a value that has no room in one line of the window"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let text = blocks::blocks(&head, &rows, 30);
    assert!(blocks::fits(&text, 30), "{text}");
    assert!(!blocks::fits(&lined(&head, &rows), 30));
    assert_eq!(
        text,
        "latency\n    connack\n      done: 1 234 567;\n      p50: 23 us\n  tcp\n      done: 5 002; p50: 34 us;\n      held; max: a value that\n      has no room in one line\n      of the window\n"
    );
}
