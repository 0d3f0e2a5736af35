//! A segment of a run: the same supply and the same workers, whose measurements go to whoever collects the whole.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender};
use serde::{Deserialize, Serialize};

use super::{
    HEAD_START, TLS_HEAD_START,
    collector::{
        lanes::{HeldUp, Patience, Waits},
        validity::Watch,
    },
    spawn,
    storm::Storm,
    target::{KeysFrom, Targets},
    threads,
    worker::Report,
    workers,
};
use crate::{
    base::{
        clock::{Clock, GLANCE, SECOND, nanoseconds},
        error::{Error, Result},
        host::{Limits, TcpTrouble, process_cpu, resident},
    },
    plan::Plan,
    record::measure::{Count, Measurements},
    supply::{Supply, estimate::Estimate, signal::Signal},
};

/// What a second of a segment came to.
#[derive(Debug)]
pub struct Interval {
    /// The second of the storm that it covers.
    pub covers: u64,
    /// The first second that is not told of yet.
    pub next: u64,
    /// Nothing follows.
    pub is_last: bool,
    /// It was told to end before its end.
    pub is_cut: bool,
    /// What was seen; its instants count from the start of the storm.
    pub seen: Box<Measurements>,
    /// What it took.
    pub used: Used,
}

/// What a segment has used of its host so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Used {
    /// CPU time of the process since it has planned, in nanoseconds.
    pub cpu_ns: u64,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Tokens a second that it could mint.
    pub minted_per_s: f64,
    /// The share of its CPUs that it used over the last 5 s, as a fraction of 1.
    pub busy: Option<f64>,
    /// By how much its wall clock was stepped since, in nanoseconds.
    pub wall_step: i64,
    /// What happened to its host's TCP since.
    pub tcp: TcpTrouble,
}

/// A segment that is ready to start.
#[derive(Debug)]
pub struct Prepared {
    plan: Arc<Plan>,
    clock: Clock,
    targets: Targets,
    limits: Limits,
    estimate: Estimate,
    cpu_before: u64,
}

impl Prepared {
    /// Prepares the segment that a plan is; `elsewhere` is where embedded brokers of the run are, in the order of its brokers.
    ///
    /// # Errors
    /// When a broker can't be used, or a key can't sign.
    pub fn new(
        plan: Plan,
        clock: Clock,
        limits: Limits,
        elsewhere: &[Option<SocketAddr>],
    ) -> Result<Self> {
        let cpu_before = process_cpu();
        Limits::raise_descriptors();
        plan.certify(limits.cpus, &AtomicBool::new(false))?;
        let targets = Targets::start(&plan, &KeysFrom::default(), elsewhere)?;
        let estimate = Estimate::measure(&plan, clock, limits.cpus)?;
        Ok(Self { plan: Arc::new(plan), clock, targets, limits, estimate, cpu_before })
    }

    /// How long before the start of the storm it has to know of it: tokens are minted ahead.
    pub fn lead(&self) -> Duration {
        let head_start = if self.plan.tls.is_some() { TLS_HEAD_START } else { HEAD_START };
        self.estimate.ahead_time.mul_f64(1.25) + Duration::from_nanos(head_start)
    }

    /// What the user should know before it starts.
    pub fn warnings(&self) -> Vec<String> {
        let signing = self.estimate.waits.then(|| {
            "signing is slower than the schedule: clients will wait for tokens (phase `token`)"
                .into()
        });
        self.targets.warnings.iter().cloned().chain(signing).collect()
    }

    /// Drives its clients from `start` on, by its clock, and delivers what each second came to; ends with the last client, or
    /// when `stop` is set.
    ///
    /// # Errors
    /// When tokens can't be minted, or a thread has died.
    pub fn drive(
        self,
        start: u64,
        stop: &AtomicBool,
        deliver: &mut dyn FnMut(Interval),
    ) -> Result<()> {
        let workers = workers(&self.plan);
        let signals =
            (0..workers).map(|_| Signal::new().map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let (supply, outlets) =
            Supply::start(&self.plan, self.clock, start, self.estimate.ahead, &signals)?;
        let head_start = nanoseconds(self.lead()).min(TLS_HEAD_START);
        // Tokens that are not there in time are waited for by their clients, and that is told.
        while !supply.is_ready()
            && self.clock.now() + head_start < start
            && !stop.load(Ordering::Relaxed)
        {
            thread::sleep(Duration::from_millis(2));
        }
        let ports = self.limits.ports.clone();
        let storm =
            Arc::new(Storm::new(&self.plan, self.clock, start, &self.targets, ports, &signals)?);
        let (threads, lines) = spawn(&storm, &signals, outlets)?;
        let mut relay = Relay::new(&storm, self.limits.cpus, lines, self.cpu_before);
        let relayed = relay.run(&supply, &signals, stop, deliver);
        for signal in &signals {
            signal.stop();
        }
        drop(relay);
        let joined = threads::join(threads);
        supply.end();
        // Whoever mints may wait for room in an outlet that a worker which did not end still has.
        if joined? == 0 {
            supply.stop();
        }
        relayed
    }
}

/// Takes what workers have seen, and passes it on second by second.
struct Relay<'a> {
    storm: &'a Arc<Storm>,
    lines: Vec<Line>,
    /// Seconds that not all workers have left behind.
    seconds: BTreeMap<u64, Box<Measurements>>,
    watch: Watch,
    cpu_before: u64,
    /// The first second that was not passed on.
    next: u64,
    /// When it was last looked whether workers are late.
    looked: u64,
}

/// A worker.
struct Line {
    reports: Receiver<Report>,
    spares: Sender<Box<Measurements>>,
    /// The first second that it has not left behind.
    second: u64,
    open: u64,
    patience: Patience,
}

impl<'a> Relay<'a> {
    fn new(storm: &'a Arc<Storm>, cpus: usize, lines: Vec<super::Line>, cpu_before: u64) -> Self {
        let line = |(reports, spares)| {
            let patience = Patience::default();
            Line { reports, spares, second: 0, open: 0, patience }
        };
        Self {
            storm,
            lines: lines.into_iter().map(line).collect(),
            seconds: BTreeMap::new(),
            watch: Watch::new(cpus, false),
            cpu_before,
            next: 0,
            looked: storm.start,
        }
    }

    /// Until all workers are done.
    fn run(
        &mut self,
        supply: &Supply,
        signals: &[Arc<Signal>],
        stop: &AtomicBool,
        deliver: &mut dyn FnMut(Interval),
    ) -> Result<()> {
        let _ = rustix::process::setpriority_process(None, 5);
        let mut is_stopping = false;
        while self.lines.iter().any(|line| line.second < u64::MAX) {
            self.look(is_stopping)?;
            if let Some((number, report)) = self.next()? {
                self.take(number, report);
                self.pass_on(supply, (is_stopping, stop), deliver);
            }
            if let Some(error) = supply.failure() {
                return Err(error);
            }
            if !is_stopping && stop.load(Ordering::Relaxed) {
                is_stopping = true;
                for signal in signals {
                    signal.stop();
                }
            }
        }
        Ok(())
    }

    /// Looks which workers are late.
    ///
    /// # Errors
    /// When one is not waited for any longer: whoever collects the whole knows then that a part of it is missing.
    fn look(&mut self, is_stopping: bool) -> Result<()> {
        let now = self.storm.clock.now();
        let since = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        let of = self.lines.len();
        let is_out = |line: &Line| line.second < u64::MAX;
        let are_late =
            self.lines.iter().filter(|line| is_out(line)).all(|line| line.patience.is_late());
        let waits = match (is_stopping, are_late) {
            (true, _) => Waits::Told,
            (false, true) => Waits::Alone,
            (false, false) => Waits::WithOthers,
        };
        for (worker, line) in self.lines.iter_mut().enumerate().filter(|(_, line)| is_out(line)) {
            let ends = self.storm.start.saturating_add((line.second + 1).saturating_mul(SECOND));
            if is_stopping || now > ends {
                line.patience.look(since, waits);
            }
            if line.patience.is_over() {
                let missing = HeldUp { worker, of, waited: 0, missing_from: Some(line.second) };
                return Err(Error::not_measured(missing.words()));
            }
        }
        Ok(())
    }

    fn next(&self) -> Result<Option<(usize, Report)>> {
        let gone = || Error::not_measured("a worker thread ended without its last report");
        if let [line] = &self.lines[..] {
            return match line.reports.recv_timeout(GLANCE) {
                Ok(report) => Ok(Some((0, report))),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(gone()),
            };
        }
        let mut select = Select::new();
        let mut numbers = Vec::with_capacity(self.lines.len());
        for (number, line) in
            self.lines.iter().enumerate().filter(|(_, line)| line.second < u64::MAX)
        {
            select.recv(&line.reports);
            numbers.push(number);
        }
        let Ok(ready) = select.select_timeout(GLANCE) else { return Ok(None) };
        let number = numbers[ready.index()];
        let report = ready.recv(&self.lines[number].reports).map_err(|_| gone())?;
        Ok(Some((number, report)))
    }

    fn take(&mut self, number: usize, report: Report) {
        let line = &mut self.lines[number];
        line.patience.heard();
        // A second that was passed on without it is over: what comes later belongs to the next.
        let covers = report.covers.max(self.next);
        line.second = if report.is_last { u64::MAX } else { report.next };
        line.open = report.seen[Count::Open];
        let mut seen = report.seen;
        match self.seconds.get_mut(&covers) {
            Some(known) => {
                known.merge(&seen);
                seen.clear();
                let _ = line.spares.try_send(seen);
            }
            None => {
                self.seconds.insert(covers, seen);
            }
        }
    }

    /// Passes on the seconds that all workers have left behind.
    fn pass_on(
        &mut self,
        supply: &Supply,
        (is_cut, stop): (bool, &AtomicBool),
        deliver: &mut dyn FnMut(Interval),
    ) {
        let is_over = self.lines.iter().all(|line| line.second == u64::MAX);
        // One that is late does not keep back what the others have seen.
        let in_time = self.lines.iter().filter(|line| !line.patience.is_late());
        let known = self.seconds.keys().next_back().map_or(self.next, |last| last + 1);
        let behind = match in_time.map(|line| line.second).min() {
            Some(u64::MAX) if !is_over => known,
            Some(behind) => behind,
            None => known,
        };
        if is_over {
            self.storm.knocker.rest(stop);
        }
        while let Some(first) = self.seconds.first_entry().filter(|entry| *entry.key() < behind) {
            let covers = *first.key();
            let mut seen = first.remove();
            let is_last = is_over && self.seconds.is_empty();
            self.storm.knocker.tell(&mut seen, self.storm.start);
            seen[Count::Open] = self.lines.iter().map(|line| line.open).sum();
            seen.moved(-(self.storm.start as i64));
            let now = self.storm.clock.now();
            self.watch.look(now, true);
            // What waits behind this one is not told of yet.
            let waiting = self.seconds.keys().next().copied().filter(|second| *second < behind);
            let next = waiting.unwrap_or(if is_over { covers + 1 } else { behind });
            let used = Used {
                cpu_ns: process_cpu() - self.cpu_before,
                resident: resident(),
                minted_per_s: supply.rate(),
                busy: self.watch.busy(),
                wall_step: self.storm.clock.wall_step(),
                tcp: self.watch.trouble(),
            };
            self.next = next;
            deliver(Interval { covers, next, is_last, is_cut, seen, used });
        }
    }
}
