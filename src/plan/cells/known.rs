//! Known findings: a file of cells that may be wrong, so that a matrix fails by new ones only (`--known`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    base::{
        error::{Error, Result, name_shown, suggestion, suggestion_of},
        host::reading,
        words::{Verdict, Word},
    },
    token::catalogue::all,
};

/// Longest file of known findings, in bytes: a comment and a line for each cell of many brokers take less.
const LONGEST: u64 = 1024 * 1024;
/// Longest line less its comment, in bytes: a cell, a broker's URL and a verdict take less, and what is near is looked for among
/// hundreds of names.
const LONGEST_LINE: usize = 512;

/// The findings that a file names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    file: String,
    /// Lines by their cell without its broker: `expired-v5`.
    lines: BTreeMap<String, Vec<Line>>,
}

/// One line: a cell, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    /// Its number, from 1 on.
    at: usize,
    /// The broker; none means each.
    broker: Option<String>,
    /// The verdict that is known; none means any wrong one.
    verdict: Option<Verdict>,
}

/// The name of a cell: its entry and the version of MQTT (4 or 5), and of several brokers which one.
pub fn cell_name(defect: &str, protocol: u8, broker: Option<&str>) -> String {
    let at = broker.map_or_else(String::new, |broker| format!(" at {broker}"));
    format!("{defect}-v{protocol}{at}")
}

impl Known {
    /// Reads a file: a line a cell, `NAME [at BROKER] [VERDICT]`, and what follows a `#` is a comment.
    ///
    /// # Errors
    /// When it can't be read, or a line names no cell: with file, line and the name that is near.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let text = reading::read_text(path, LONGEST)
            .map_err(|error| Error::usage(format!("can't read `--known {file}`: {error}")))?;
        Self::parse(&file, &text)
    }

    /// The same of a text; `file` is what errors call it.
    ///
    /// # Errors
    /// When a line names no cell.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let names: BTreeSet<String> = all()
            .flat_map(|defect| [4, 5].map(|protocol| cell_name(defect.name, protocol, None)))
            .collect();
        let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for (at, line) in (1..).zip(text.lines()) {
            let bare = line.split('#').next().unwrap_or_default();
            if !bare.trim().is_empty() {
                let (name, line) = Line::parse(at, bare, &names)
                    .map_err(|error| error.within(format!("{file}, line {at}")))?;
                lines.entry(name).or_default().push(line);
            }
        }
        Ok(Self { file: file.to_owned(), lines })
    }

    /// Refuses lines about brokers that the run does not have.
    pub(in crate::plan) fn check(&self, brokers: &[&str]) -> Result<()> {
        for line in self.lines.values().flatten() {
            let Some(broker) = &line.broker else { continue };
            if !brokers.contains(&broker.as_str()) {
                let shown = name_shown(broker, brokers.iter().copied());
                return Err(Error::usage(format!("the matrix has no broker {shown}"))
                    .hint(suggestion(broker, brokers.iter().copied()))
                    .within(format!("{}, line {}", self.file, line.at)));
            }
        }
        Ok(())
    }

    /// What is said of lines whose cells are not sent; nothing where all are.
    pub(in crate::plan) fn unsent(&self, is_sent: impl Fn(&str) -> bool) -> Option<String> {
        let names: Vec<&str> =
            self.lines.keys().map(String::as_str).filter(|name| !is_sent(name)).collect();
        (!names.is_empty())
            .then(|| format!("`{}` names cells that are not sent: {}", self.file, names.join(", ")))
    }

    /// Whether a cell is named, whatever became of it.
    pub fn names(&self, defect: &str, protocol: u8, broker: &str) -> bool {
        self.of(&cell_name(defect, protocol, None), broker).next().is_some()
    }

    /// Whether a wrong verdict of a cell is known: a worse one than the file has is new.
    pub fn covers(&self, (defect, protocol): (&str, u8), broker: &str, verdict: Verdict) -> bool {
        let covers =
            |line: &Line| line.verdict.is_none_or(|known| verdict.weight() <= known.weight());
        verdict.is_wrong() && self.of(&cell_name(defect, protocol, None), broker).any(covers)
    }

    fn of(&self, name: &str, broker: &str) -> impl Iterator<Item = &Line> {
        let is_it = move |line: &&Line| line.broker.as_ref().is_none_or(|own| own == broker);
        self.lines.get(name).into_iter().flatten().filter(is_it)
    }
}

impl Line {
    fn parse(at: usize, text: &str, names: &BTreeSet<String>) -> Result<(String, Self)> {
        if text.len() > LONGEST_LINE {
            return Err(Error::usage(format!("a line has more than {LONGEST_LINE} bytes")));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, broker, verdict) = match words[..] {
            [name] => (name, None, None),
            [name, verdict] if verdict != "at" => (name, None, Some(verdict)),
            [name, "at", broker] => (name, Some(broker), None),
            [name, "at", broker, verdict] => (name, Some(broker), Some(verdict)),
            _ => {
                return Err(Error::usage("a line is `NAME [at BROKER] [VERDICT]`").hint(
                    "one cell a line, such as `expired-v5` or `expired-v5 false_accept`; comments begin with `#`",
                ));
            }
        };
        if !names.contains(name) {
            let known = || names.iter().map(String::as_str);
            let shown = name_shown(name, known());
            let near = suggestion_of(name, known(), "tokenstorm token defects");
            return Err(Error::usage(format!("there is no cell {shown}")).hint(near));
        }
        let verdict = verdict.map(wrong_verdict).transpose()?;
        Ok((name.to_owned(), Self { at, broker: broker.map(str::to_owned), verdict }))
    }
}

/// A verdict that fails a run, by its name.
fn wrong_verdict(text: &str) -> Result<Verdict> {
    let named = Verdict::named(text).filter(|verdict| verdict.is_wrong());
    named.ok_or_else(|| {
        let names = || Verdict::WRONG.into_iter().map(Verdict::name);
        let shown = name_shown(text, names());
        Error::usage(format!("there is no wrong verdict {shown}")).hint(suggestion(text, names()))
    })
}

#[cfg(test)]
mod tests;
