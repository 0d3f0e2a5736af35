//! What is counted after the storm, and what follows from it.

use std::{path::Path, sync::atomic::Ordering, thread};

use super::{Collector, Folder, Options};
use crate::{
    base::{
        clock::{Clock, SECOND, SHORT_GLANCE},
        error::Result,
    },
    client::{
        attempt::Outcome,
        verdict::{Expectation, Verdict},
    },
    record::{
        measure::{Measurements, Recast},
        results::{absence::Absence, gone::DiedAt},
    },
};

/// What is not settled after so many nanoseconds is not waited for.
const PATIENCE: u64 = 6 * SECOND;

/// A broker that went away during a matrix.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Death {
    /// Index of the absence.
    pub(in crate::engine) absence: usize,
    /// The kind of the cell after which, alone, it went.
    pub(in crate::engine) kind: Option<usize>,
}

impl Collector {
    /// Whose clock it is.
    pub(in crate::engine) fn clock(&self) -> Clock {
        self.storm.clock
    }

    /// When the storm started.
    pub(in crate::engine) fn start(&self) -> u64 {
        self.storm.start
    }

    /// The folder, where there is one already.
    pub(in crate::engine) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(Folder::path)
    }

    /// All that was seen so far.
    pub(in crate::engine) fn all(&self) -> &Measurements {
        &self.all
    }

    /// Brokers that went away so far.
    pub(in crate::engine) fn gone(&self) -> &[Absence] {
        self.absences.all()
    }

    /// What a part of the run has seen, as the run counts it.
    pub(in crate::engine) fn recast(
        &self,
        part: &Measurements,
        recast: Recast<'_>,
        settled: impl Fn(usize, Expectation, Verdict) -> (Expectation, Verdict),
    ) -> Measurements {
        self.all.recast(part, recast, settled)
    }

    /// Counts what was seen after the storm, in a second of the run.
    pub(in crate::engine) fn counts_more(
        &mut self,
        second: u64,
        seen: &Measurements,
        options: &mut Options,
    ) -> Result<()> {
        let storm = &self.storm;
        // A second that is written is closed: what comes later belongs to the next.
        let second = second.max(self.next_second);
        self.seconds.entry(second).or_insert_with(|| storm.recorder()).merge(seen);
        self.ended = self.storm.clock.now();
        // There are no workers any more that a second could wait for.
        self.closes_by_clock = true;
        self.write_seconds(options)?;
        self.publish(options);
        Ok(())
    }

    /// Takes what is known of brokers after a volley; it is counted with the second that goes on.
    pub(in crate::engine) fn heard_more(&mut self, seen: &Measurements) {
        let storm = &self.storm;
        let second = storm.clock.now().saturating_sub(storm.start) / SECOND;
        let second = second.max(self.next_second);
        self.seconds.entry(second).or_insert_with(|| storm.recorder()).merge(seen);
    }

    /// Waits until it is known of all that was closed so far whether the broker was there. Does not wait where nothing speaks
    /// for one that was not.
    ///
    /// # Errors
    /// When results can't be written.
    pub(in crate::engine) fn settle_by_clock(&mut self, options: &mut Options) -> Result<()> {
        if self.is_quiet() {
            return Ok(());
        }
        let begun = self.storm.clock.now();
        // Whatever showed in the second that goes on is decided about when the one after it is over.
        let last = begun.saturating_sub(self.storm.start) / SECOND + 1;
        loop {
            let now = self.storm.clock.now();
            let empty = self.storm.recorder();
            self.counts_more(now.saturating_sub(self.storm.start) / SECOND, &empty, options)?;
            let is_known = self.next_second > last && self.all.pending.is_empty();
            let is_stopped = options.stop.load(Ordering::Relaxed);
            if is_known || is_stopped || now >= begun + PATIENCE {
                self.known_trouble = self.trouble();
                return Ok(());
            }
            thread::sleep(SHORT_GLANCE);
        }
    }

    /// Whether nothing was ended or refused since that was last looked at.
    pub(in crate::engine) fn is_quiet(&self) -> bool {
        let mut waiting = self.seconds.values();
        self.trouble() == self.known_trouble
            && self.all.pending.is_empty()
            && waiting.all(|seen| seen.pending.is_empty())
    }

    /// Connections that brokers ended or refused so far.
    fn trouble(&self) -> u64 {
        let of = |seen: &Measurements| {
            let is_it = |outcome| matches!(outcome, Outcome::Closed(_) | Outcome::TcpFailed(_));
            let tallies = seen.tallies();
            let ended = tallies.iter().filter(|(tally, _)| is_it(tally.outcome));
            ended.map(|(_, count)| count).sum::<u64>() + seen.dropped().sum()
        };
        of(&self.all) + self.seconds.values().map(of).sum::<u64>()
    }

    /// The deaths of a matrix' broker, as its files have them.
    pub(super) fn died_at(&self) -> Vec<DiedAt> {
        let plan = &self.storm.plan;
        let seconds = |at: u64| at as f64 / SECOND as f64;
        let died = |death: &Death| {
            let gone = self.absences.all().get(death.absence)?;
            let mut on_the_way: Vec<String> = Vec::new();
            for attempt in &gone.on_the_way {
                let name = plan.mould.kinds[attempt.kind].defect.name;
                if !on_the_way.iter().any(|known| known == name) {
                    on_the_way.push(name.to_owned());
                }
            }
            let first = gone.on_the_way.first().map(|attempt| attempt.kind);
            let kind = death.kind.or(first).map(|kind| &plan.mould.kinds[kind]);
            Some(DiedAt {
                defect: death.kind.map(|kind| plan.mould.kinds[kind].defect.name.to_owned()),
                protocol: kind.map_or(plan.protocol, |kind| kind.protocol).into(),
                at_s: seconds(gone.at),
                back_after_s: gone.back.map(|back| seconds(back.saturating_sub(gone.at))),
                on_the_way,
            })
        };
        self.deaths.iter().filter_map(died).collect()
    }
}
