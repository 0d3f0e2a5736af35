//! Numbers as people read them.

use std::{borrow::Borrow, collections::BTreeMap};

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use crate::record::results::Percentile;

/// What the table puts behind a painted cell, whose marks it does not take for an end. They are one (`error::plain`), and
/// this is no mark of ours: as anybody's, it would be shown.
const RESET: &str = "\u{1b}[0m";

/// Bytes of a MiB.
pub(super) const MIB: f64 = 1_048_576.0;

/// A count with thin groups: `12 345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate or another number: three digits that matter, groups above 1000.
pub fn number(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => count(number.round().max(0.0) as u64),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// A time in microseconds with the unit that suits it.
pub fn time(us: f64) -> String {
    match us {
        us if us >= 999_500.0 => format!("{:.2} s", us / 1e6),
        us if us >= 99_950.0 => format!("{:.0} ms", us / 1e3),
        us if us >= 9_995.0 => format!("{:.1} ms", us / 1e3),
        us if us >= 999.5 => format!("{:.2} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}

/// What a function writes.
pub(super) fn written(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    // Writing to a `String` can't fail.
    let _ = write(&mut text);
    text
}

/// The widest that running text is set, in columns: longer lines are read with effort.
const WIDEST: usize = 100;

/// Running text in lines that fit the terminal, each behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let width = textwrap::termwidth().min(WIDEST);
    let options = textwrap::Options::new(width).initial_indent(indent).subsequent_indent(indent);
    textwrap::fill(text, options)
}

/// What stands in brackets behind something else; nothing of nothing.
pub(super) fn bracketed(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

/// The first names, and how many more there are.
pub(super) fn first<T: Borrow<str>>(names: &[T], most: usize) -> String {
    match names.len().saturating_sub(most) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..most].join(", ")),
    }
}

/// Each of these once, in their order.
pub(super) fn distinct<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// How often each of these happened.
pub(super) fn times(counts: &BTreeMap<String, u64>) -> String {
    let parts = counts.iter().map(|(what, number)| format!("{} x {what}", count(*number)));
    parts.collect::<Vec<_>>().join(", ")
}

/// Counts by code, the most first; `protocol` is the version of MQTT of codes that brokers send, `None` of other numbers.
pub(super) fn by_code(codes: &BTreeMap<String, u64>, protocol: Option<u8>) -> String {
    let name =
        |code: &str| protocol.map_or_else(|| code.to_owned(), |protocol| code_word(code, protocol));
    let mut codes: Vec<_> = codes.iter().collect();
    codes.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let part = |(code, number): (&String, &u64)| format!("{} by {}", count(*number), name(code));
    codes.into_iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The code of a refusal or an end, as people know it: reason codes of MQTT 5.0 in hexadecimal, whatever the version in which
/// they were sent; the return codes of 3.1.1 in decimal.
pub fn code(byte: u8, protocol: u8) -> String {
    if protocol == 5 || byte >= 0x80 { format!("0x{byte:02X}") } else { byte.to_string() }
}

/// The same of a text that may be a word.
pub fn code_word(text: &str, protocol: u8) -> String {
    match text.parse::<u16>() {
        Ok(number) => match u8::try_from(number) {
            Ok(byte) => code(byte, protocol),
            Err(_) => format!("HTTP {number}"),
        },
        Err(_) => text.to_owned(),
    }
}

/// A percentile: a time, or `> timeout`; `-` where nothing is known of it.
pub fn percentile(percentile: &Percentile) -> String {
    match percentile {
        Percentile::Number(us) => time(*us),
        Percentile::Unanswered(_) => "-".to_owned(),
        Percentile::Beyond(timeout) => format!("> {}", time(*timeout)),
    }
}

/// A table without lines: names to the left, numbers to the right. A column is one of numbers when
/// every cell of it starts like one.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let is_number =
            |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || "->".contains(c));
        if rows.iter().filter_map(|row| row.get(index)).all(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.replace(RESET, "").trim_end().to_owned() + "\n");
    lines.collect()
}

#[cfg(test)]
mod tests;
