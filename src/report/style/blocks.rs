//! A table in a window that is too narrow for it: a block a row.

use textwrap::core::display_width;

use crate::base::window::{filled, fitted};

/// Whether all lines of a text fit into so many columns.
pub(super) fn fits(text: &str, width: usize) -> bool {
    text.lines().all(|line| display_width(line) <= width)
}

/// The name of each row, and below it every other cell behind the head of its column. Cells that say nothing are left out.
pub(super) fn blocks(head: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let title = head.first().map_or("", |title| title.trim());
    let mut out = String::new();
    if !title.is_empty() {
        out.push_str(&fitted(title, width));
        out.push('\n');
    }
    for row in rows {
        let Some((name, cells)) = row.split_first() else { continue };
        out.push_str(&fitted(&format!("  {name}"), width));
        out.push('\n');
        let said =
            cells.iter().zip(&head[1..]).filter(|(cell, _)| !matches!(cell.trim(), "" | "-"));
        let said: Vec<String> =
            said.map(|(cell, head)| pair(head.trim(), cell.trim(), width)).collect();
        if !said.is_empty() {
            out.push_str(&filled(&said.join("; "), width, INDENT, INDENT));
            out.push('\n');
        }
    }
    out
}

/// How far the cells of a row stand from the edge.
const INDENT: &str = "      ";

/// A cell behind its head, in one line if it fits into one.
fn pair(head: &str, cell: &str, width: usize) -> String {
    let pair = if head.is_empty() { cell.to_owned() } else { format!("{head}: {cell}") };
    let is_short = display_width(&pair) + INDENT.len() < width;
    if is_short { pair.replace(' ', "\u{a0}") } else { pair }
}
