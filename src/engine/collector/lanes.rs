//! The workers, as the collector sees them: what they report, and which of them report nothing.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Select, Sender, bounded, unbounded};

use super::{Collector, Report};
use crate::{
    base::{
        clock::{GLANCE, SECOND},
        error::{Error, Result},
        numbers::nanos,
    },
    record::measure::{Count, Measurements},
};

/// Nanoseconds after the end of a second within which a worker has told of it. It does so whatever comes, and what it does
/// between two looks at the clock takes milliseconds.
const LATE: u64 = 3 * SECOND;
/// Nanoseconds that a worker is waited for where nobody else is.
const LAST: u64 = 20 * SECOND;
/// Nanoseconds that a worker is waited for that has been told to end: closing ten thousand connections takes a tenth of it.
const TOLD: u64 = 5 * SECOND;
/// The longest step between two looks that counts. Where the collector itself was held up, nothing is said of workers.
const STEP: u64 = SECOND / 2;

/// One worker.
#[derive(Debug)]
pub(super) struct Lane {
    reports: Receiver<Report>,
    spares: Sender<Box<Measurements>>,
    /// The first second that it has not left behind.
    second: u64,
    /// Connections that were open at the end of a second, from the last one written on.
    open: BTreeMap<u64, u64>,
    is_done: bool,
    /// How long it is waited for; who is elsewhere may be late on the way, and whoever sends it says when it is lost.
    patience: Option<Patience>,
}

/// How long a worker has reported nothing that was due.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Patience {
    /// So far, in nanoseconds.
    waited: u64,
    longest: u64,
    /// It is not waited for any more.
    is_over: bool,
}

/// What else is known where a report is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Waits {
    /// Others have reported, or may.
    WithOthers,
    /// Nobody else is waited for.
    Alone,
    /// All have been told to end.
    Told,
}

/// A worker that was late, or that never came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) struct HeldUp {
    /// Its number, from 0.
    pub(in crate::engine) worker: usize,
    /// How many there are.
    pub(in crate::engine) of: usize,
    /// Nanoseconds for which it reported nothing that was due.
    pub(in crate::engine) waited: u64,
    /// The first second that it has not told of, where it never did.
    pub(in crate::engine) missing_from: Option<u64>,
}

impl Patience {
    /// Looks again after so many nanoseconds, while a report is due.
    pub(in crate::engine) fn look(&mut self, since: u64, waits: Waits) {
        self.waited += since.min(STEP);
        self.longest = self.longest.max(self.waited);
        self.is_over |= match waits {
            Waits::WithOthers => false,
            Waits::Alone => self.waited >= LAST,
            Waits::Told => self.waited >= TOLD,
        };
    }

    /// A report has come.
    pub(in crate::engine) fn heard(&mut self) {
        self.waited = 0;
    }

    /// Whether seconds are closed without the worker.
    pub(in crate::engine) fn is_late(&self) -> bool {
        self.is_over || self.waited >= LATE
    }

    /// Whether it is not waited for any more.
    pub(in crate::engine) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Lane {
    /// Connections open at the end of a second, and of no second before it again.
    pub(super) fn open_at(&mut self, second: u64) -> u64 {
        let later = self.open.split_off(&(second + 1));
        let last = std::mem::replace(&mut self.open, later).pop_last();
        let Some((_, open)) = last else { return 0 };
        // A second that a worker says nothing of ends as the one before.
        self.open.entry(second).or_insert(open);
        open
    }

    /// Whether a report of it is still to come.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.is_done && !self.patience.is_some_and(|patience| patience.is_over)
    }

    /// Whether seconds are closed without it.
    fn is_late(&self) -> bool {
        self.patience.is_some_and(|patience| patience.is_late())
    }
}

impl Collector {
    /// Adds a worker: where its reports come from, where empty recorders go to.
    pub(in crate::engine) fn connect(
        &mut self,
        reports: Receiver<Report>,
        spares: Sender<Box<Measurements>>,
    ) {
        self.add(reports, spares, Some(Patience::default()));
    }

    /// Adds one that drives clients elsewhere: what it has seen goes there.
    pub(in crate::engine) fn lane(&mut self) -> Sender<Report> {
        let (reports, from_worker) = unbounded();
        // Nobody waits for empty recorders: those are dropped.
        let (to_worker, _) = bounded(1);
        self.add(from_worker, to_worker, None);
        reports
    }

    fn add(
        &mut self,
        reports: Receiver<Report>,
        spares: Sender<Box<Measurements>>,
        patience: Option<Patience>,
    ) {
        self.generator.workers += 1;
        let open = BTreeMap::new();
        self.workers.push(Lane { reports, spares, second: 0, open, is_done: false, patience });
    }

    /// Lets workers that still report find that nobody listens.
    pub(in crate::engine) fn hang_up(&mut self) {
        self.workers.clear();
    }

    pub(super) fn next_report(&self) -> Result<Option<(usize, Report)>> {
        let mut select = Select::new();
        let mut numbers = Vec::with_capacity(self.workers.len());
        for (number, worker) in self.workers.iter().enumerate().filter(|(_, it)| it.is_waited_for())
        {
            select.recv(&worker.reports);
            numbers.push(number);
        }
        if numbers.is_empty() {
            return Ok(None);
        }
        let Ok(ready) = select.select_timeout(GLANCE) else { return Ok(None) };
        let number = numbers[ready.index()];
        // What it died of is found out when its thread is joined.
        let report = ready
            .recv(&self.workers[number].reports)
            .map_err(|_| Error::not_measured("a worker thread ended without its last report"))?;
        Ok(Some((number, report)))
    }

    pub(super) fn take(&mut self, worker: usize, report: Report) {
        let lane = &mut self.workers[worker];
        // A second that was closed without it stays closed: what comes later belongs to the next.
        let covers = report.covers.max(self.next_second);
        lane.open.insert(covers, report.seen[Count::Open]);
        lane.second = if report.is_last { u64::MAX } else { report.next };
        lane.is_done = report.is_last;
        if let Some(patience) = &mut lane.patience {
            patience.heard();
        }
        let mut seen = report.seen;
        let storm = &self.storm;
        self.seconds.entry(covers).or_insert_with(|| storm.recorder()).merge(&seen);
        seen.clear();
        // Where the worker has spares enough, its memory is freed.
        let _ = lane.spares.try_send(seen);
    }

    /// The first second that not all workers have left behind, those that are late left out.
    pub(super) fn left_behind(&self) -> u64 {
        let in_time = self.workers.iter().filter(|worker| !worker.is_late());
        in_time.map(|worker| worker.second).min().unwrap_or(u64::MAX)
    }

    /// Looks which workers are late, and gives those up that nobody else is waited for with; who is late that was not before.
    pub(super) fn look_at_lanes(&mut self) -> Vec<HeldUp> {
        let now = self.storm.clock.now();
        let since = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        let mut waited_for = self.workers.iter().filter(|lane| lane.is_waited_for());
        let are_late = waited_for.all(Lane::is_late);
        let waits = match (self.is_stopping, are_late) {
            (true, _) => Waits::Told,
            (false, true) => Waits::Alone,
            (false, false) => Waits::WithOthers,
        };
        for lane in self.workers.iter_mut().filter(|lane| !lane.is_done) {
            let ends = self.storm.start.saturating_add((lane.second + 1).saturating_mul(SECOND));
            if let Some(patience) =
                lane.patience.as_mut().filter(|_| self.is_stopping || now > ends)
            {
                patience.look(since, waits);
            }
        }
        let of = self.workers.len();
        let held_up = self.workers.iter().enumerate().filter_map(|(worker, lane)| {
            let patience = lane.patience.filter(|patience| patience.longest >= LATE)?;
            let missing_from = patience.is_over.then_some(lane.second);
            Some(HeldUp { worker, of, waited: patience.longest, missing_from })
        });
        let held_up: Vec<HeldUp> = held_up.collect();
        let known = std::mem::replace(&mut self.watch.held_up, held_up.clone());
        let is_known = |new: &HeldUp| known.iter().any(|old| old.worker == new.worker);
        held_up.into_iter().filter(|new| !is_known(new)).collect()
    }
}

impl HeldUp {
    /// In words.
    pub(in crate::engine) fn words(&self) -> String {
        let Self { worker, of, waited, missing_from } = *self;
        let waited = nanos(waited as f64);
        match missing_from {
            Some(second) => format!(
                "worker thread `clients-{worker}`, one of {of}, did not end and was not waited for any longer: what it saw from second {second} on is missing"
            ),
            None => format!(
                "worker thread `clients-{worker}`, one of {of}, was held up and told nothing for {waited}: latencies of its clients may be its own, and seconds without it were counted later"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
