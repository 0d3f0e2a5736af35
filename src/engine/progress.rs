//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere. On stderr.

use std::{fmt::Write, io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::{
    base::{
        error::plain::Paint,
        numbers::{count, nanos},
        window,
    },
    client::attempt::Outcome,
    plan::Plan,
};

/// Seconds between two plain lines.
const PLAIN_EVERY: u64 = 5;

/// What is shown while a run goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Mode {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines.
    Plain,
    /// Nothing.
    None,
}

/// What is known of a storm so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) second: u64,
    pub(super) rate: u64,
    pub(super) attempts: u64,
    pub(super) open: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    /// What most of those failed by: the outcome and its code.
    pub(super) cause: Option<Outcome>,
    /// Attempts whose verdict breaks a promise, and was not known to.
    pub(super) wrong: u64,
    /// Others of the kind, in cells of a matrix that `--known` names.
    pub(super) known: u64,
    /// Clients that are away and may come back.
    pub(super) away: u64,
    /// p99 of `connack` so far, in nanoseconds; `None` before the first, or where it is a timeout.
    pub(super) p99: Option<u64>,
    /// All attempts have their outcome: clients only hold.
    pub(super) is_holding: bool,
}

/// Shows the progress of one run.
#[derive(Debug)]
pub struct Screen {
    mode: Mode,
    bar: ProgressBar,
    attempts: u64,
    /// How long the storm lasts by its schedule, where it has one.
    length: Option<Duration>,
}

impl Screen {
    /// Shows the progress of a planned run.
    pub fn of(mode: Mode, plan: &Plan) -> Self {
        // Cells of a matrix come as fast as they may.
        let length = plan.planned_length().filter(|_| plan.cells.is_none());
        let attempts = if plan.cells.is_some() { plan.attempts } else { plan.known_attempts() };
        Self { length, ..Self::new(mode, attempts) }
    }

    /// Shows the progress of a run of so many attempts; 0 where nobody knows how many.
    pub fn new(mode: Mode, attempts: u64) -> Self {
        let mode = match mode {
            Mode::Auto if !std::io::stderr().is_terminal() => Mode::Plain,
            mode => mode,
        };
        Self { mode, bar: ProgressBar::hidden(), attempts, length: None }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self::new(Mode::None, 0)
    }

    fn show(&mut self, length: u64, template: &str) {
        self.bar.finish_and_clear();
        if self.mode == Mode::Auto {
            self.bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                // Those of the library have commas.
                let style = style
                    .with_key("done", |state: &ProgressState, out: &mut dyn Write| {
                        let _ = out.write_str(&count(state.pos()));
                    })
                    .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
                        let _ = out.write_str(&count(state.len().unwrap_or_default()));
                    });
                self.bar.set_style(style);
            }
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    /// What is being done, where anything is shown.
    pub fn say(&self, what: &str) {
        if self.mode != Mode::None {
            self.bar.suspend(|| crate::tell!("{what}"));
        }
    }

    /// Something that the user should know, whatever is shown otherwise.
    pub fn warn(&self, what: &str) {
        self.bar.suspend(|| crate::tell!("warning: {what}"));
    }

    /// That the run ends before its time, and why.
    pub(super) fn ends_early(&self, why: &str) {
        if self.mode != Mode::None {
            self.bar.suspend(|| crate::tell!("{why}"));
        }
    }

    pub(super) fn minting(&mut self, tokens: u64) {
        self.show(tokens, "{spinner} minting {done} of {all} tokens ahead  {wide_bar} {elapsed}");
        if self.mode == Mode::Plain {
            crate::tell!("minting {} tokens ahead", count(tokens));
        }
    }

    pub(super) fn minted(&mut self, tokens: u64) {
        self.bar.set_position(tokens.min(self.bar.length().unwrap_or(tokens)));
    }

    pub(super) fn storm(&mut self) {
        if self.attempts == 0 {
            self.show(0, "{spinner} {done} {elapsed}\n  {prefix:.red.bold}{msg}");
            if self.mode == Mode::Plain {
                crate::tell!("storm");
            }
            return;
        }
        self.show(
            self.attempts,
            "{spinner} {done} of {all} {wide_bar} {elapsed}\n  {prefix:.red.bold}{msg}",
        );
        if self.mode == Mode::Plain {
            crate::tell!("storm: {} attempts", count(self.attempts));
        }
    }

    pub(super) fn second(&mut self, now: &Snapshot) {
        let wrong = match now.wrong {
            0 => String::new(),
            wrong => format!("WRONG {}  ", count(wrong)),
        };
        let parts = self.parts(now);
        if self.mode == Mode::Plain && now.second % PLAIN_EVERY == PLAIN_EVERY - 1 {
            let line = parts.join("  ");
            crate::tell!("{:>5} s  {}{line}", now.second + 1, wrong.as_str().red().bold());
        }
        self.bar.set_position(now.attempts);
        self.bar.set_message(match window::stderr_width() {
            Some(width) => set(&parts, wrong.len(), width),
            None => parts.join("  "),
        });
        self.bar.set_prefix(wrong);
    }

    /// What is known of a second, each number with its name.
    fn parts(&self, now: &Snapshot) -> Vec<String> {
        let cause = now.cause.map_or_else(String::new, |outcome| {
            format!(" ({} {})", outcome.name(), outcome.code())
        });
        let left = self.length.map(|length| length.as_secs().saturating_sub(now.second + 1));
        let left = left
            .map(|left| format!("left {}", humantime::format_duration(Duration::from_secs(left))));
        let parts = [
            Some(format!("{}/s", count(now.rate))),
            Some(format!("open {}", count(now.open))),
            (now.away > 0).then(|| format!("away {}", count(now.away))),
            Some(format!("accepted {}", count(now.accepted))),
            Some(format!("refused {}", count(now.refused))),
            Some(format!("failed {}{cause}", count(now.failed))),
            (now.known > 0).then(|| format!("known {}", count(now.known))),
            Some(format!(
                "p99 so far {}",
                now.p99.map_or_else(|| "-".into(), |p99| nanos(p99 as f64))
            )),
            now.is_holding.then(|| "(holding)".into()),
            left,
        ];
        parts.into_iter().flatten().collect()
    }

    pub(super) fn done(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Parts in as many lines as a window of so many columns takes, behind a prefix of so many; no part breaks.
fn set(parts: &[String], prefix: usize, width: usize) -> String {
    const INDENT: &str = "  ";
    let whole: Vec<String> = parts.iter().map(|part| part.replace(' ', "\u{a0}")).collect();
    let first = " ".repeat(INDENT.len() + prefix);
    let text = window::filled(&whole.join("  "), width.saturating_sub(1), &first, INDENT);
    text.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_groups_its_numbers_and_breaks_none_of_them() {
        let now =
            Snapshot { rate: 12_345, open: 1_234_567, p99: Some(6_060_000), ..Snapshot::default() };
        let parts = Screen::silent().parts(&now);
        assert_eq!(parts[..2], ["12 345/s", "open 1 234 567"]);
        assert!(parts.contains(&"p99 so far 6.06 ms".to_owned()), "{parts:?}");
        let text = set(&parts, 0, 30);
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() < 30), "{text}");
        for part in &parts {
            assert!(text.contains(part.as_str()), "`{part}` breaks: {text}");
        }
    }
}
