//! Numbers and tables as people read them.

mod blocks;

use std::{borrow::Borrow, collections::BTreeMap};

use comfy_table::{CellAlignment, Table, presets::NOTHING};

pub use crate::base::numbers::{count, number, time};
use crate::{
    base::window::{self, filled},
    record::results::Percentile,
};

/// What the table puts behind a painted cell, whose marks it does not take for an end. They are one (`error::plain`), and
/// this is no mark of ours: as anybody's, it would be shown.
const RESET: &str = "\u{1b}[0m";

/// Bytes of a MiB.
pub(super) const MIB: f64 = 1_048_576.0;

/// What a function writes.
pub(super) fn written(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    // Writing to a `String` can't fail.
    let _ = write(&mut text);
    text
}

/// The widest that running text is set, in columns: longer lines are read with effort.
const WIDEST: usize = 100;

/// Columns of running text where no terminal says how many it has.
const USUAL: usize = 80;

/// Running text in lines that fit the terminal, each behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    filled(text, window::width().unwrap_or(USUAL).min(WIDEST), indent, indent)
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
/// every cell of it starts like one. In a window that is too narrow each row is a block.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let lines = lined(head, rows);
    match window::width() {
        Some(width) if !blocks::fits(&lines, width) => blocks::blocks(head, rows, width),
        _ => lines,
    }
}

fn lined(head: &[&str], rows: &[Vec<String>]) -> String {
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
