//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere. On stderr.

use std::{io::IsTerminal, time::Duration};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{base::error::plain::Paint, client::attempt::Outcome, plan::Plan};

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
    /// Attempts whose verdict breaks a promise.
    pub(super) wrong: u64,
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
        self.show(tokens, "{spinner} minting {pos}/{len} tokens ahead  {wide_bar} {elapsed}");
        if self.mode == Mode::Plain {
            crate::tell!("minting {} tokens ahead", HumanCount(tokens));
        }
    }

    pub(super) fn minted(&mut self, tokens: u64) {
        self.bar.set_position(tokens.min(self.bar.length().unwrap_or(tokens)));
    }

    pub(super) fn storm(&mut self) {
        if self.attempts == 0 {
            self.show(0, "{spinner} {pos} {elapsed}\n  {prefix:.red.bold}{msg}");
            if self.mode == Mode::Plain {
                crate::tell!("storm");
            }
            return;
        }
        self.show(
            self.attempts,
            "{spinner} {pos}/{len} {wide_bar} {elapsed}\n  {prefix:.red.bold}{msg}",
        );
        if self.mode == Mode::Plain {
            crate::tell!("storm: {} attempts", HumanCount(self.attempts));
        }
    }

    pub(super) fn second(&mut self, now: &Snapshot) {
        let p99 = now.p99.map_or_else(|| "-".into(), |p99| format!("{:.1} ms", p99 as f64 / 1e6));
        let holding = if now.is_holding { "  (holding)" } else { "" };
        let away = match now.away {
            0 => String::new(),
            away => format!("  away {}", HumanCount(away)),
        };
        let cause = now.cause.map_or_else(String::new, |outcome| {
            format!(" ({} {})", outcome.name(), outcome.code())
        });
        let left = self.length.map(|length| length.as_secs().saturating_sub(now.second + 1));
        let left = left.map_or_else(String::new, |left| {
            format!("  left {}", humantime::format_duration(Duration::from_secs(left)))
        });
        let wrong = match now.wrong {
            0 => String::new(),
            wrong => format!("WRONG {}  ", HumanCount(wrong)),
        };
        let line = format!(
            "{}/s  open {}{away}  accepted {}  refused {}  failed {}{cause}  p99 so far {p99}{holding}{left}",
            HumanCount(now.rate),
            HumanCount(now.open),
            HumanCount(now.accepted),
            HumanCount(now.refused),
            HumanCount(now.failed),
        );
        if self.mode == Mode::Plain && now.second % PLAIN_EVERY == PLAIN_EVERY - 1 {
            crate::tell!("{:>5} s  {}{line}", now.second + 1, wrong.as_str().red().bold());
        }
        self.bar.set_position(now.attempts);
        self.bar.set_prefix(wrong);
        self.bar.set_message(line);
    }

    pub(super) fn done(&mut self) {
        self.bar.finish_and_clear();
    }
}
