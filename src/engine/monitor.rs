//! The thread that reads, once a second, what the brokers and this program use of their hosts.

mod process;
mod prometheus;

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use self::{process::Processes, prometheus::Scraper};
use crate::{
    clock::{Clock, SECOND},
    error::{Error, Result},
    results::monitor::{Reading, Side, Usage},
    scenario,
};

/// Watches both sides of a run.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Who is watched on the side of the brokers.
    pub(super) watched: Vec<String>,
    shared: Arc<Shared>,
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
    /// Starts watching what the scenario names, and these processes, for a storm that starts at `storm`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        settings: &scenario::Monitor,
        embedded: Vec<(String, i32)>,
        clock: Clock,
        storm: u64,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let brokers = Processes::new(settings, embedded);
        let endpoint =
            settings.prometheus.as_ref().map(|url| Scraper::start(url, &settings.metrics, clock));
        let mut watched = brokers.words();
        watched.extend(settings.prometheus.as_deref().map(scenario::monitor::shown));
        let harness = Processes::own();
        let mut sources = Sources { brokers, endpoint, harness };
        // Before the storm, so that what it adds can be told.
        sources.read(&shared, clock.now(), Some(0));
        let (ask, asked) = channel();
        let (seen, of_thread) = (Arc::clone(&shared), clock);
        let thread = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || watch(&mut sources, &seen, of_thread, storm, &asked))
            .map_err(|error| {
                Error::not_measured(format!("can't start the monitor's thread: {error}"))
            })?;
        Ok(Self { watched, shared, ask: Some(ask), thread: Some(thread) })
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
        mem::take(&mut *self.shared.readings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What could not be read, each said once.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Sources {
    fn read(&mut self, shared: &Shared, at: u64, second: Option<u64>) {
        let mut warnings = Vec::new();
        let mut broker = self.brokers.read(&mut warnings);
        if let Some(endpoint) = &self.endpoint {
            let usage = endpoint.read(&mut warnings);
            // Processes come first: the kernel knows better than an exporter that samples now and then.
            broker = Usage {
                cpu_s: broker.cpu_s.or(usage.cpu_s),
                rss_bytes: broker.rss_bytes.or(usage.rss_bytes),
                descriptors: broker.descriptors.or(usage.descriptors),
                threads: broker.threads.or(usage.threads),
                named: usage.named,
            };
        }
        let mut own = self.harness.read(&mut warnings);
        own.named = vec![None; broker.named.len()];
        let mut known = shared.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if !known.contains(&warning) {
                known.push(warning);
            }
        }
        drop(known);
        let mut readings = shared.readings.lock().unwrap_or_else(PoisonError::into_inner);
        readings.push(Reading { at, second, side: Side::Broker, usage: broker });
        readings.push(Reading { at, second, side: Side::Harness, usage: own });
    }
}
