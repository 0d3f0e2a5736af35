//! What is told of the run while it goes, to whoever scrapes it.

use std::{
    iter::Peekable,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Collector, Options, lanes::Lane};
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        words::RunState,
    },
    plan::{Plan, nodes::NodeEvent, schedule::Schedule},
    record::{
        live::{Judgement, Now, Others, Snapshot, Usage},
        measure::Measurements,
        results::{Place, Summary, monitor::Side, outages},
    },
    scenario::Deed,
};

/// The folders of the trials of a comparison.
const SIDES: [&str; 2] = ["baseline", "candidate"];

/// Numbers that were given to runs of this program.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// What is told of a run, and of which the collector has no other use.
#[derive(Debug)]
pub(super) struct Telling {
    /// Tells the run from all others of this program.
    number: u64,
    /// Attempts that are not due yet; `None` where there is no schedule.
    to_come: Option<Peekable<Schedule>>,
    due: u64,
    /// When the run was told to end, or ended by itself, in nanoseconds after the start of the storm.
    ended: Option<u64>,
    /// How the run stood by its last summary.
    judgement: Judgement,
    is_over: bool,
}

impl Telling {
    pub(super) fn of(plan: &Plan) -> Self {
        let to_come = plan.schedule().map(Iterator::peekable);
        let judgement = Judgement::none(plan);
        Self { number: number(), to_come, due: 0, ended: None, judgement, is_over: false }
    }

    /// Takes how the run stands.
    pub(super) fn judged(&mut self, plan: &Plan, summary: &Summary) {
        self.judgement = Judgement::of(plan, summary);
        self.is_over = !summary.partial;
    }

    /// Nothing is due any more from so many nanoseconds after the start of the storm on; only the first call counts.
    pub(super) fn ends(&mut self, since: u64) {
        self.ended.get_or_insert(since);
    }

    /// How many attempts were due so many nanoseconds after the start of the storm, where there is a schedule. While starts are
    /// counted only of `closed` seconds, so is what was due: otherwise all that start in time would seem late.
    fn due(&mut self, since: u64, closed: Option<u64>) -> Option<u64> {
        let to_come = self.to_come.as_mut()?;
        let closed = closed.map_or(u64::MAX, |seconds| seconds.saturating_mul(SECOND));
        let until = since.min(closed).min(self.ended.unwrap_or(u64::MAX));
        while to_come.next_if(|due| *due < until).is_some() {
            self.due += 1;
        }
        Some(self.due)
    }
}

/// A number that no other run of this program has.
fn number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// Tells that tokens of a run are minted or fetched.
pub(in crate::engine) fn minting(plan: &Plan, place: &Place, options: &Options) {
    if options.live.is_empty() {
        return;
    }
    let now = Now {
        run: named(place.path()),
        number: number(),
        judgement: Judgement::none(plan),
        ..Now::default()
    };
    let nothing = Measurements::new(plan.mould.kinds.len(), plan.brokers.len());
    options.live.publish(Snapshot::of(plan, &nothing, now));
}

impl Collector {
    /// Hands over what was merged so far, where somebody may ask for it.
    pub(super) fn publish(&mut self, options: &Options) {
        if options.live.is_empty() {
            return;
        }
        let clock = self.storm.clock;
        let since = clock.now().saturating_sub(self.storm.start);
        let goes_on = self.workers.iter().any(Lane::is_waited_for);
        let due = self.telling.due(since, goes_on.then_some(self.next_second));
        let path = self.folder.as_ref().map_or_else(|| self.place.path(), |folder| folder.path());
        let usage = [Side::Broker, Side::Harness]
            .into_iter()
            .filter_map(|side| self.readings.iter().rev().find(|reading| reading.side == side))
            .map(|reading| Usage {
                side: reading.side,
                cpu_s: reading.usage.cpu_s,
                resident_bytes: reading.usage.rss_bytes,
            });
        let now = Now {
            run: named(path),
            folder: self.folder.as_ref().map(|folder| folder.path().to_path_buf()),
            number: self.telling.number,
            state: self.state(),
            due,
            judgement: self.telling.judgement.clone(),
            others: self.others(since),
            storm_s: since as f64 / SECOND as f64,
            storm_start_s: clock.wall(self.storm.start) as f64 / SECOND as f64,
            open: self.open,
            cpu_s: self.generator.total_cpu_s,
            usage: usage.collect(),
        };
        options.live.publish(Snapshot::of(&self.storm.plan, &self.all, now));
    }

    fn state(&self) -> RunState {
        if self.telling.is_over {
            RunState::Over
        } else if self.all.first_turns() >= self.storm.plan.attempts {
            RunState::Holding
        } else if self.storm.clock.now() < self.storm.warm {
            RunState::WarmingUp
        } else {
            RunState::Storm
        }
    }

    /// Who and what takes part beside clients and brokers.
    fn others(&self, since: u64) -> Others {
        let mut others = Others::default();
        others.see_agents(self.agents.as_deref().unwrap_or_default());
        if let Some(oauth) = self.oauth() {
            others.see_requests(&oauth);
        }
        for (_, label, news) in &self.key_news {
            let counts = news.counts();
            others.see_key_set(label, counts.fetched, &counts.failed);
        }
        if let Some(events) = &self.events {
            others.see_visits(&events.issuer.visits());
        }
        let (planned, done) = self.steps(since);
        others.see_events(&planned, &done);
        others
    }

    /// The kinds of all steps of events, and of those that were done.
    fn steps(&self, since: u64) -> (Vec<&'static str>, Vec<&'static str>) {
        let drop = Deed::DropClients.name();
        let plan = &self.storm.plan;
        let moments = plan.issuance.timeline.moments.iter().map(|moment| moment.event);
        let nodes = plan.nodes.iter().map(NodeEvent::name);
        let planned = moments.chain(nodes).chain(plan.drops.iter().map(|_| drop)).collect();
        let happened = self.events.as_ref().map(super::Events::done).unwrap_or_default();
        let mut done: Vec<_> = happened.iter().map(|happened| happened.event).collect();
        let deeds = self.deeds();
        let deeds = deeds.iter().filter(|deed| deed.ended.is_some() && !deed.failed);
        done.extend(deeds.map(outages::Deed::name));
        let dropped = plan.drops.iter().filter(|drop| nanoseconds(drop.at) <= since);
        done.extend(dropped.map(|_| drop));
        (planned, done)
    }
}

/// What a run is called by its folder: of a trial of two builds with the side that it is of, as both have a run of each number.
fn named(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = name(folder);
    match folder.parent().map(name) {
        Some(side) if SIDES.contains(&side.as_str()) => format!("{side}/{own}"),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::results::fixture;

    /// Twenty attempts a second, for five seconds.
    fn telling() -> Telling {
        let text = "name = \"due\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n\
                    [load]\narrivals = \"constant\"\nstages = [{ rate = 20, for = \"5s\" }]\n\
                    [[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
        Telling::of(&fixture::plan(text))
    }

    #[test]
    fn while_a_run_goes_attempts_are_due_up_to_the_last_closed_second() {
        let mut telling = telling();
        assert_eq!(telling.due(SECOND / 2, Some(0)), Some(0), "no second is closed");
        assert_eq!(telling.due(5 * SECOND / 2, Some(2)), Some(40));
        assert_eq!(telling.due(5 * SECOND / 2, Some(3)), Some(50), "never of the time to come");
    }

    #[test]
    fn what_was_not_due_when_a_run_ended_never_is() {
        let mut telling = telling();
        telling.ends(5 * SECOND / 2);
        telling.ends(4 * SECOND);
        assert_eq!(telling.due(5 * SECOND / 2, Some(2)), Some(40));
        assert_eq!(telling.due(9 * SECOND, Some(9)), Some(50));
        assert_eq!(telling.due(99 * SECOND, None), Some(50));
    }

    #[test]
    fn a_run_that_ended_by_itself_had_all_attempts_due() {
        let mut telling = telling();
        telling.ends(6 * SECOND);
        assert_eq!(telling.due(6 * SECOND, None), Some(100));
    }

    #[test]
    fn no_two_runs_of_a_program_have_the_same_number() {
        assert_ne!(telling().number, telling().number);
    }
}
