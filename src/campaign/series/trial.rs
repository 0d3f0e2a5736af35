//! One run of a series.

use std::path::PathBuf;

use super::Options;
use crate::{
    base::{
        error::{Error, Result},
        host::Limits,
    },
    campaign::labels,
    engine::{self, Lost, progress::Screen},
    plan::Plan,
    record::{
        measure::{Mark, Measurements},
        results::Summary,
    },
    report,
    scenario::Loaded,
};

/// A run that is over, or a series within a series.
#[derive(Debug)]
pub struct Trial {
    /// Its summary.
    pub summary: Summary,
    /// Its folder.
    pub folder: PathBuf,
    /// All that was seen.
    pub(super) all: Measurements,
    /// Labels of its kinds of token, in the order of its measurements.
    pub(super) kinds: Vec<String>,
    /// Labels of its brokers.
    pub(super) brokers: Vec<String>,
    /// When it started to storm, by the clock of the series.
    pub(super) start: u64,
    /// Nanoseconds in which it gave verdicts.
    pub(super) busy: u64,
    /// Medians of `response` of its seconds, in nanoseconds.
    pub(super) medians: Vec<Option<u64>>,
    /// Embedded brokers that ended by themselves.
    pub(super) lost: Vec<Lost>,
    /// Of a search, its last run that held.
    pub(super) held: Option<Box<Self>>,
    /// Files that end before it does, in words.
    pub(super) cut: Vec<String>,
    /// What of its results could not be written on which others depend.
    pub trouble: Option<Error>,
}

impl Trial {
    /// The name of its folder.
    pub(super) fn name(&self) -> String {
        self.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into())
    }

    /// Plans and runs a scenario that is narrowed to one run.
    ///
    /// # Errors
    /// As [`engine::run`].
    pub(super) fn run(loaded: &Loaded, options: &Options) -> Result<Self> {
        let plan = Plan::new(loaded, &Limits::read())?;
        let (kinds, brokers) = labels(&plan);
        let screen = Screen::of(options.progress, &plan);
        let finished = engine::run(
            plan,
            engine::Options {
                out: options.out.clone(),
                screen,
                stop: options.stop.clone(),
                canary: None,
                probe: None,
                clock: options.clock,
                calibration: None,
                live: options.live.clone(),
                allows_lost_agents: false,
            },
        )?;
        report::html::leave(&finished.folder, &finished.summary);
        let all = finished.all;
        let span = match (all.mark(Mark::FirstStart), all.mark(Mark::LastAnswer)) {
            _ if finished.busy > 0 => finished.busy,
            (Some(first), Some(last)) => last.saturating_sub(first),
            _ => 0,
        };
        Ok(Self {
            summary: finished.summary,
            folder: finished.folder,
            all,
            kinds,
            brokers,
            start: finished.start,
            busy: span,
            medians: finished.medians,
            lost: finished.lost,
            held: None,
            cut: finished.cut,
            trouble: finished.trouble,
        })
    }
}
