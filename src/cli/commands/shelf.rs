//! `tokenstorm scenarios` and `tokenstorm profiles`: what comes with the program.

use std::fmt::Write;

use super::{hand_over, say};
use crate::{
    base::{
        error::{Error, Exit, Result, plain::Paint, suggestion_of},
        shipped::Shipped,
    },
    cli::ShelfDeed,
    report::style::wrapped,
};

/// What is on a shelf, and what it is called.
pub(super) struct Shelf {
    pub(super) all: &'static [Shipped],
    /// The command that lists them.
    pub(super) command: &'static str,
    /// One of them.
    pub(super) what: &'static str,
    /// How one is used.
    pub(super) how: &'static str,
    /// What the text of one needs that does not come with the program; `None` where that is no question.
    pub(super) needs: Option<fn(&str) -> Vec<String>>,
}

impl Shelf {
    /// Does what is asked of it.
    pub(super) fn serve(&self, deed: Option<&ShelfDeed>) -> Result<Exit> {
        match deed {
            None => say(&self.listed()),
            Some(ShelfDeed::Show { name }) => match Shipped::find(self.all, name) {
                Some(shipped) => hand_over(shipped.text),
                None => Err(self.unknown(name)),
            },
        }
    }

    fn unknown(&self, name: &str) -> Error {
        Error::usage(format!("no {} of that name comes with the program", self.what))
            .hint(suggestion_of(name, Shipped::names(self.all), self.command))
    }

    /// Each by its name, with what it is.
    fn listed(&self) -> String {
        let mut out = String::new();
        for (name, shipped) in self.all.iter().filter_map(|it| Some((it.name()?, it))) {
            let about = shipped.about();
            let about = about.strip_prefix("Question: ").unwrap_or(&about);
            // Writing to a `String` can't fail.
            let _ = writeln!(out, "{}\n{}", name.bold(), wrapped(about, "    "));
            let needs = self.needs.map(|needs| needs(shipped.text)).unwrap_or_default();
            if !needs.is_empty() {
                let needs = wrapped(&format!("needs {}", needs.join("; ")), "    ");
                let _ = writeln!(out, "{}", needs.dimmed());
            }
        }
        let _ = writeln!(out, "\n{}", self.how);
        out
    }
}
