//! The thread that stops and starts brokers while the storm goes on, each at its time.

mod command;
pub(super) mod embedded;
pub(super) mod heard;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use self::{
    command::{Commands, secret_variables},
    embedded::Own,
    heard::Heard,
};
use crate::{
    base::{
        clock::{Clock, SHORT_GLANCE, nanoseconds},
        error::{Error, Result},
        numbers::nanos,
    },
    plan::{Plan, nodes::NodeEvent},
    record::results::outages::Deed,
};

/// What happens to the brokers of a run. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Nodes {
    deeds: Arc<Mutex<Vec<Deed>>>,
    /// What never happened, as the run was over before.
    left: Arc<Mutex<Vec<Deed>>>,
    heard: Arc<Heard>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Doer {
    plan: Arc<Plan>,
    own: Own,
    commands: Commands,
    deeds: Arc<Mutex<Vec<Deed>>>,
    left: Arc<Mutex<Vec<Deed>>>,
    heard: Arc<Heard>,
    over: Arc<AtomicBool>,
    clock: Clock,
}

impl Nodes {
    /// Lets the events of a plan happen to its brokers, in a storm that starts at `start`; `None` where there are none.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        plan: &Arc<Plan>,
        own: Own,
        heard: &Arc<Heard>,
        start: u64,
        clock: Clock,
    ) -> Result<Option<Self>> {
        if plan.nodes.is_empty() {
            return Ok(None);
        }
        let deeds = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let mut doer = Doer {
            plan: Arc::clone(plan),
            own,
            commands: Commands::without(secret_variables(&plan.scenario)),
            deeds: Arc::clone(&deeds),
            left: Arc::clone(&left),
            heard: Arc::clone(heard),
            over: Arc::clone(&over),
            clock,
        };
        let thread = thread::Builder::new()
            .name("nodes".into())
            .spawn(move || doer.run(start))
            .map_err(|error| {
                Error::not_measured(format!("the events of brokers have no thread: {error}"))
            })?;
        Ok(Some(Self { deeds, left, heard: Arc::clone(heard), over, thread: Some(thread) }))
    }

    /// What was done so far, and what is being done; at the end also what never happened.
    pub(super) fn done(&self) -> Vec<Deed> {
        let mut deeds = self.deeds.lock().clone();
        let mut told = Vec::new();
        // Of each broker the last start is the one that is still listened for.
        for deed in deeds.iter_mut().rev().filter(|deed| deed.starts) {
            if !told.contains(&deed.broker) {
                told.push(deed.broker);
                deed.back = deed.back.or_else(|| self.heard.first(deed.broker));
            }
        }
        deeds.extend(self.left.lock().iter().cloned());
        deeds
    }

    /// Brokers that commands have stopped, and that no event was to start again; nothing before the end.
    pub(super) fn left_stopped(&self, plan: &Plan) -> Vec<String> {
        if self.thread.is_some() {
            return Vec::new();
        }
        let deeds = self.done();
        let brokers = (0..plan.brokers.len()).filter(|broker| {
            let last = deeds.iter().rev().find(|deed| deed.broker == *broker);
            last.is_some_and(|deed| !deed.starts && !deed.failed)
        });
        brokers
            .map(|broker| &plan.brokers[broker])
            // Those that the run brought along end with it.
            .filter(|broker| !broker.is_embedded())
            .map(|broker| {
                format!("`{}` stays stopped: no `start_broker` was to start it again", broker.label)
            })
            .collect()
    }

    /// Lets nothing more happen, and ends what commands have left that is no daemon.
    pub(super) fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it would have died of can only be a bug, and then its events are missing.
            drop(thread.join());
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.end();
    }
}

impl Doer {
    fn run(&mut self, start: u64) {
        let plan = Arc::clone(&self.plan);
        for (at, event) in plan.nodes.iter().enumerate() {
            let due = start + nanoseconds(event.at);
            if !self.waits_until(due) {
                self.leaves(&plan.nodes[at..]);
                break;
            }
            self.happens(event);
        }
        while !self.over.load(Ordering::Relaxed) {
            thread::sleep(SHORT_GLANCE);
        }
        self.commands.end(self.clock);
    }

    /// Notes what never happens, as the run is over.
    fn leaves(&self, events: &[NodeEvent]) {
        let now = self.clock.now();
        let deeds = self.deeds.lock();
        let is_stopped = |broker: usize| {
            let mut own = deeds.iter().rev().filter(|deed| deed.broker == broker && !deed.failed);
            own.next().is_some_and(|deed| !deed.starts)
        };
        let mut told: Vec<usize> = Vec::new();
        let deed = |event: &NodeEvent| {
            let NodeEvent { broker, starts, .. } = *event;
            let label = &self.plan.brokers[broker].label;
            let what = if starts { "started" } else { "stopped" };
            let due = humantime::format_duration(event.at);
            let mut detail = format!("`{label}` was not {what}: the run was over before ({due})");
            // Its first event that is left says it.
            let is_first = !told.contains(&broker);
            told.push(broker);
            if is_first && starts && event.command.is_some() && is_stopped(broker) {
                detail += "; it stays stopped, and is yours to start";
            }
            Deed { broker, starts, began: now, ended: Some(now), failed: true, detail, back: None }
        };
        let left: Vec<Deed> = events.iter().map(deed).collect();
        *self.left.lock() = left;
    }

    /// Waits until an event is due; `false` when the run is over before.
    fn waits_until(&self, due: u64) -> bool {
        loop {
            let left = Duration::from_nanos(due.saturating_sub(self.clock.now()));
            if self.over.load(Ordering::Relaxed) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(SHORT_GLANCE));
        }
    }

    fn happens(&mut self, event: &NodeEvent) {
        let NodeEvent { broker, starts, .. } = *event;
        let label = &self.plan.brokers[broker].label;
        let began = self.clock.now();
        let number = {
            let mut deeds = self.deeds.lock();
            if !starts {
                // Whoever answers from now on says nothing of the start before.
                let last = deeds.iter_mut().rev().find(|deed| deed.broker == broker && deed.starts);
                if let Some(last) = last {
                    last.back = last.back.or_else(|| self.heard.first(broker));
                }
                self.heard.stops(broker);
            }
            let detail = String::new();
            let (ended, failed, back) = (None, false, None);
            deeds.push(Deed { broker, starts, began, ended, failed, detail, back });
            deeds.len() - 1
        };
        if starts {
            self.heard.listen(broker, began);
        }
        let done = match &event.command {
            Some(command) => self.commands.run(command, &self.over, self.clock),
            None if starts => self
                .own
                .start(broker)
                .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned()),
            None => {
                self.own.stop(broker);
                Ok(())
            }
        };
        let ended = self.clock.now();
        let took = nanos((ended - began) as f64);
        let by = if event.command.is_some() { " by its command" } else { "" };
        let detail = match (&done, starts) {
            (Ok(()), true) => format!("`{label}` was started{by} in {took}"),
            (Ok(()), false) => format!("`{label}` was stopped{by} in {took}"),
            (Err(why), true) => format!("`{label}` could not be started: {why}"),
            (Err(why), false) => format!("`{label}` could not be stopped: {why}"),
        };
        let mut deeds = self.deeds.lock();
        if let Some(deed) = deeds.get_mut(number) {
            (deed.ended, deed.failed, deed.detail) = (Some(ended), done.is_err(), detail);
        }
    }
}
