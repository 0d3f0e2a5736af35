//! The thread that reads, once a second, what the brokers and this program use of their hosts.

mod process;
mod prometheus;

use std::{
    mem,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use url::Url;

use self::{process::Processes, prometheus::Scraper};
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result, plain},
        web,
    },
    record::results::monitor::{OF_PROCESSES, Reading, Side},
    scenario,
};

/// Warnings that are kept: an endpoint could make a new one each second.
const MOST_WARNINGS: usize = 20;

/// Watches both sides of a run.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Who is watched on the side of the brokers.
    pub(super) watched: Vec<String>,
    /// Only an endpoint tells of the brokers, once a second at most.
    pub(super) only_told: bool,
    shared: Arc<Shared>,
    /// Until the thread has them.
    sources: Option<Sources>,
    clock: Clock,
    /// Asks for a reading now, or by its end for no more.
    ask: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    readings: Mutex<Vec<Reading>>,
    warnings: Mutex<Vec<String>>,
}

/// Where the brokers' readings come from.
#[derive(Debug)]
struct Sources {
    brokers: Processes,
    endpoint: Option<Scraper>,
    harness: Processes,
}

impl Monitor {
    /// Reads for the first time what the scenario names, and these processes: before the storm, so that what it adds can be
    /// told, and before anybody waits for its start; `is_elsewhere` where other processes drive the clients.
    pub(super) fn new(
        settings: &scenario::Monitor,
        embedded: Vec<(String, i32)>,
        clock: Clock,
        is_elsewhere: bool,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let brokers = Processes::new(settings, embedded);
        let mut watched = brokers.words();
        watched.extend(settings.prometheus.as_deref().map(scenario::monitor::shown));
        let has_processes = !brokers.words().is_empty();
        let only_told = settings.prometheus.is_some() && !has_processes;
        let mut metrics = settings.metrics.clone();
        // What the kernel knows is not asked of an exporter.
        metrics.retain(|column, _| !has_processes || !OF_PROCESSES.contains(&column.as_str()));
        let endpoint = settings.prometheus.as_ref().map(|url| Scraper::start(url, &metrics, clock));
        // What agents use is not what this process uses: their own figures are in `agents.csv`.
        let harness = if is_elsewhere { Processes::default() } else { Processes::own() };
        let mut sources = Sources { brokers, endpoint, harness };
        sources.read(&shared, clock.now(), Some(0));
        Self { watched, only_told, shared, sources: Some(sources), clock, ask: None, thread: None }
    }

    /// What the user should know of the way to what these settings have watched.
    pub(super) fn proxy_note(settings: &scenario::Monitor) -> Option<String> {
        web::proxy_note(&Url::parse(settings.prometheus.as_deref()?).ok()?)
    }

    /// Goes on reading, once a second of a storm that starts at `storm`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(&mut self, storm: u64) -> Result<()> {
        let Some(mut sources) = self.sources.take() else { return Ok(()) };
        let (ask, asked) = channel();
        let (seen, clock) = (Arc::clone(&self.shared), self.clock);
        let thread = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || watch(&mut sources, &seen, clock, storm, &asked))
            .map_err(|error| {
                Error::not_measured(format!("can't start the monitor's thread: {error}"))
            })?;
        (self.ask, self.thread) = (Some(ask), Some(thread));
        Ok(())
    }

    /// Takes a reading now, beside those of the seconds.
    pub(super) fn look(&self) {
        if let Some(ask) = &self.ask {
            let _ = ask.send(());
        }
    }

    /// What asks for a reading; the monitor reads as long as there is one of these.
    pub(super) fn asker(&self) -> Option<Sender<()>> {
        self.ask.clone()
    }

    /// What was read since this was last asked.
    pub(super) fn take(&self) -> Vec<Reading> {
        mem::take(&mut *self.shared.readings.lock())
    }

    /// What could not be read, each said once.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.shared.warnings.lock().clone()
    }

    /// Waits until what was asked for is read, and reads no more.
    pub(super) fn stop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn watch(sources: &mut Sources, shared: &Shared, clock: Clock, storm: u64, asked: &Receiver<()>) {
    // What drives clients comes first.
    let _ = rustix::process::setpriority_process(None, 5);
    let mut second = 1;
    loop {
        let due = storm + second * SECOND;
        let wait = Duration::from_nanos(due.saturating_sub(clock.now()));
        match asked.recv_timeout(wait) {
            Ok(()) => sources.read(shared, clock.now(), None),
            Err(RecvTimeoutError::Timeout) => {
                sources.read(shared, clock.now(), Some(second));
                // A reading that took longer than a second leaves seconds out, and does not take them one after another.
                second = second.max(clock.now().saturating_sub(storm) / SECOND) + 1;
            }
            Err(RecvTimeoutError::Disconnected) => {
                // What an endpoint told last may be from before the last answer.
                if let Some(endpoint) = &mut sources.endpoint {
                    endpoint.ask();
                    sources.read(shared, clock.now(), None);
                }
                return;
            }
        }
    }
}

impl Sources {
    fn read(&mut self, shared: &Shared, at: u64, second: Option<u64>) {
        let mut warnings = Vec::new();
        let has_processes = !self.brokers.words().is_empty();
        let (mut cpu_at, mut broker) = (at, self.brokers.read(&mut warnings));
        if let Some(endpoint) = &self.endpoint {
            let (told_at, told) = endpoint.read(&mut warnings);
            if has_processes {
                // The kernel knows better than an exporter, and counts from another zero: never one for the other.
                broker.named = told.named;
            } else {
                (cpu_at, broker) = (told_at, told);
            }
        }
        let mut own = self.harness.read(&mut warnings);
        own.named = vec![None; broker.named.len()];
        let mut known = shared.warnings.lock();
        for warning in warnings {
            let warning = plain(&warning);
            if !known.contains(&warning) && known.len() < MOST_WARNINGS {
                known.push(warning);
            }
        }
        drop(known);
        let mut readings = shared.readings.lock();
        readings.push(Reading { at, cpu_at, second, side: Side::Broker, usage: broker });
        readings.push(Reading { at, cpu_at: at, second, side: Side::Harness, usage: own });
    }
}
