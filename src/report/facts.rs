//! What is said of a run in lines, each with its label: the terminal sets them below each other, the page makes a list.

use std::fmt::Write;

use crate::base::error::plain::plain;

/// How wide the labels are in the text for the terminal.
const LABEL: usize = 12;

/// Facts in their order. One without a label goes on with the one before.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    /// Says something under a label.
    pub(super) fn say(&mut self, label: &'static str, words: impl Into<String>) {
        self.0.push((label, words.into()));
    }

    /// Says several things under one label.
    pub(super) fn say_all(&mut self, label: &'static str, all: impl IntoIterator<Item = String>) {
        for (index, words) in all.into_iter().enumerate() {
            self.say(if index == 0 { label } else { "" }, words);
        }
    }

    /// Goes on with the fact before.
    pub(super) fn more(&mut self, words: impl Into<String>) {
        self.say("", words);
    }

    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines for the terminal.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        self.0.iter().try_for_each(|(label, words)| writeln!(out, "{label:<LABEL$}{words}"))
    }

    /// Names and what is said of each, for the page.
    pub(super) fn listed(self) -> Vec<(String, String)> {
        let mut listed: Vec<(String, String)> = Vec::new();
        for (label, words) in self.0 {
            let words = plain(&words);
            match listed.last_mut().filter(|_| label.is_empty()) {
                Some((_, last)) => {
                    last.push_str("; ");
                    last.push_str(&words);
                }
                None => listed.push((capital(label), words)),
            }
        }
        listed
    }
}

/// A label as a list has it.
fn capital(label: &str) -> String {
    let mut letters = label.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_has_no_label_at_the_terminal_and_the_one_before_on_the_page() {
        let mut facts = Facts::default();
        facts.say("key set", "fetched 2 times");
        facts.more("more of it");
        facts.say("monitor", "broker: nothing");
        let mut text = String::new();
        facts.write(&mut text).unwrap();
        assert_eq!(
            text,
            "key set     fetched 2 times\n            more of it\nmonitor     broker: nothing\n"
        );
        let listed = facts.listed();
        assert_eq!(listed[0], ("Key set".into(), "fetched 2 times; more of it".into()));
        assert_eq!(listed[1].0, "Monitor");
    }
}
