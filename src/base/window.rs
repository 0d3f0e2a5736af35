//! The window of a terminal: how wide it is, and texts set so that nothing in them breaks at its edge.

use std::{cell::Cell, os::fd::AsFd};

use textwrap::{Options, WordSeparator, WordSplitter, core::display_width};

/// The narrowest that is set for, in columns: what is narrower breaks as it may.
const NARROWEST: usize = 20;
/// How far a label may reach, in columns, for the lines below to stand beside it.
const LABEL: usize = 26;

thread_local! {
    /// Whether a text is made that is not for the terminal.
    static IS_ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

/// How many columns stdout has; `None` if it is no terminal, or if the text is made for something else.
pub fn width() -> Option<usize> {
    if IS_ELSEWHERE.get() { None } else { width_of(&std::io::stdout()) }
}

/// How many columns a stream has; `None` if it is no terminal.
fn width_of(stream: &impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    // A terminal that does not know says 0.
    Some(usize::from(width.0)).filter(|width| *width >= NARROWEST)
}

/// How many columns stderr has; `None` if it is no terminal.
pub fn stderr_width() -> Option<usize> {
    width_of(&std::io::stderr())
}

/// Makes a text that is not for the terminal, whatever its window is: a page, or a file.
pub fn elsewhere<T>(make: impl FnOnce() -> T) -> T {
    let before = IS_ELSEWHERE.replace(true);
    let made = make();
    IS_ELSEWHERE.set(before);
    made
}

/// A text whose lines fit into so many columns. A line that is too long goes on below its own words: behind its label, or a
/// little further in than it began. Commands stay whole, since they are copied.
pub fn fitted(text: &str, width: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| fitted_line(line, width)).collect();
    lines.join("\n")
}

fn fitted_line(line: &str, width: usize) -> String {
    let words = line.trim_start_matches(' ');
    if display_width(line) <= width || words.starts_with("tokenstorm ") {
        return line.to_owned();
    }
    let indent = line.len() - words.len();
    let label = label(words).map(|label| indent + label);
    let hanging = label.filter(|at| *at <= LABEL && *at * 2 <= width).unwrap_or(indent + 2);
    filled(words, width, &" ".repeat(indent), &" ".repeat(hanging))
}

/// The columns of a label and the gap behind it; `None` of a line that has none.
fn label(words: &str) -> Option<usize> {
    let gap = words.find("  ")?;
    let rest = words[gap..].trim_start_matches(' ');
    (!rest.is_empty()).then(|| display_width(&words[..gap]) + words.len() - gap - rest.len())
}

/// Running text in lines of so many columns, in which no number is parted from its groups and its unit.
pub fn filled(text: &str, width: usize, first: &str, others: &str) -> String {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(others)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(&unbroken(text), options).replace('\u{a0}', " ")
}

/// A text whose numbers do not break over lines: between a digit and a digit, a unit or `%` after it.
pub fn unbroken(text: &str) -> String {
    const UNITS: [&str; 6] = ["%", "ms", "us", "s", "MiB", "KiB"];
    let mut whole = String::new();
    for word in text.split(' ') {
        let bare = word.split('/').next().unwrap_or_default();
        let bare = bare.trim_end_matches([',', ';', '.', ')', ':']);
        let belongs = UNITS.contains(&bare)
            || (bare.len() == 3 && bare.bytes().all(|byte| byte.is_ascii_digit()));
        let after_digit = whole.ends_with(|last: char| last.is_ascii_digit());
        if !whole.is_empty() {
            whole.push(if belongs && after_digit { '\u{a0}' } else { ' ' });
        }
        whole += word;
    }
    whole
}

#[cfg(test)]
mod tests;
