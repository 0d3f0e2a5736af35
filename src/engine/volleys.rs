//! A few attempts after the storm of a run, at its brokers and by its clock: what they see is counted in the run.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use crossbeam_channel::RecvTimeoutError;

use super::{
    HEAD_START, Options, TLS_HEAD_START,
    collector::{
        Collector,
        after::Death,
        lanes::{Patience, Waits},
    },
    spawn,
    storm::Storm,
    target::{Spot, Targets},
    threads,
    worker::Report,
};
use crate::{
    base::{
        clock::{GLANCE, SECOND, nanoseconds},
        error::{Error, Result},
        host::Limits,
    },
    client::verdict::{Expectation, Validity, Verdict},
    plan::Plan,
    record::measure::{Count, Measurements, Recast, SLOT},
    scenario::Group,
    supply::{Supply, signal::Signal},
    token::Kind,
};

/// What fires volleys after a storm.
#[derive(Debug)]
pub(super) struct Volleys<'a> {
    collector: &'a mut Collector,
    options: &'a mut Options,
    targets: &'a Targets,
    plan: Arc<Plan>,
    /// The first number that no client of the run has had.
    next_client: u64,
}

/// A few attempts.
#[derive(Debug)]
pub(super) struct Volley {
    /// Their kinds of token.
    pub(super) kinds: Vec<Kind>,
    /// Which kind of the run each of these is.
    pub(super) counted_as: Vec<usize>,
    /// The order in which they are sent.
    pub(super) round: Vec<usize>,
    /// Attempts a second.
    pub(super) rate: f64,
    /// All bring one and the same token, and go by one client's names.
    pub(super) shares_token: bool,
    /// What they answer is looked at, and nothing is promised of it; only a false accept is one all the same.
    pub(super) is_asking: bool,
    /// Its kind whose clients are held until the rest is over.
    pub(super) witness: Option<usize>,
}

/// What a volley has seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// By the kinds of the volley.
    pub(super) all: Measurements,
    /// When the token that all shared was good by its own claims.
    pub(super) validity: Option<Validity>,
}

impl<'a> Volleys<'a> {
    pub(super) fn new(
        collector: &'a mut Collector,
        options: &'a mut Options,
        targets: &'a Targets,
        plan: &Arc<Plan>,
    ) -> Self {
        let next_client = plan.clients;
        Self { collector, options, targets, plan: Arc::clone(plan), next_client }
    }

    /// The plan of the run.
    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The collector of the run.
    pub(super) fn collector(&self) -> &Collector {
        self.collector
    }

    /// Waits until it is known of all that was closed so far whether the broker was there.
    ///
    /// # Errors
    /// When results can't be written.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.collector.settle_by_clock(self.options)
    }

    /// Whether nothing was ended or refused since that was last settled.
    pub(super) fn is_quiet(&self) -> bool {
        self.collector.is_quiet()
    }

    /// Where the brokers are, as far as that is known.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let known = self.targets.all.iter().filter_map(|target| match &target.spot {
            Spot::At(addresses) => Some(addresses.as_slice()),
            _ => None,
        });
        known.flatten().copied().collect()
    }

    /// Notes when the broker of a matrix went away.
    pub(super) fn notes(&mut self, death: Death) {
        self.collector.deaths.push(death);
    }

    /// Counts a bare connect that asked whether a broker is there.
    pub(super) fn asked(&mut self) {
        let mut seen = self.collector.all().alike();
        seen[Count::Checks] = 1;
        self.collector.heard_more(&seen);
    }

    /// Whether the user wants it to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    /// Fires a volley, which ends early once `enough` says so of what was seen so far; that is looked at once a second.
    ///
    /// # Errors
    /// When no token can be minted, or the user ends the run.
    pub(super) fn fire(
        &mut self,
        volley: Volley,
        mut enough: impl FnMut(&Measurements) -> bool,
    ) -> Result<Seen> {
        let Volley { kinds, counted_as, round, rate, shares_token, is_asking, witness } = volley;
        let first_client = self.next_client;
        let plan = Plan::clone(&self.plan);
        let plan = plan.volley((kinds, witness), round, (rate, shares_token), first_client)?;
        let plan = Arc::new(plan);
        self.next_client += plan.attempts;
        let clock = self.collector.clock();
        let signals = vec![Signal::new().map(Arc::new)?];
        let head_start = if plan.tls.is_some() { TLS_HEAD_START } else { HEAD_START };
        let planned = clock.now() + head_start;
        let (supply, outlets) = Supply::start(&plan, clock, planned, plan.attempts, &signals)?;
        while !supply.is_ready() && !self.is_stopped() {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(error) = supply.failure() {
            return Err(error);
        }
        if self.is_stopped() {
            drop(outlets);
            supply.stop();
            return Err(Error::interrupted("interrupted after the storm"));
        }
        let start = clock.now() + head_start;
        supply.put_off(start);
        let ports = Limits::read().ports;
        let mut storm = Storm::new(&plan, clock, start, self.targets, ports, &signals)?;
        storm.origin = self.collector.start();
        let storm = Arc::new(storm);
        let mut all = storm.recorder();
        let (threads, lines) = spawn(&storm, &signals, outlets)?;
        for (reports, _spares) in &lines {
            let mut patience = Patience::default();
            while !patience.is_over() {
                if self.options.stop.load(Ordering::Relaxed) {
                    for signal in &signals {
                        signal.stop();
                    }
                }
                match reports.recv_timeout(GLANCE) {
                    Ok(report) => {
                        patience.heard();
                        self.count(&report, start, first_client, (&counted_as, is_asking))?;
                        all.merge(&report.seen);
                        if report.is_last {
                            break;
                        }
                        if enough(&all) {
                            for signal in &signals {
                                signal.enough();
                            }
                        }
                    }
                    Err(RecvTimeoutError::Timeout) if clock.now() < start => {}
                    Err(RecvTimeoutError::Timeout) => {
                        let told = self.options.stop.load(Ordering::Relaxed);
                        let waits = if told { Waits::Told } else { Waits::Alone };
                        patience.look(nanoseconds(GLANCE), waits);
                    }
                    // A worker that fails hangs up: why is known when it is joined.
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        drop(lines);
        storm.knocker.rest(&self.options.stop);
        let mut last = storm.recorder();
        storm.knocker.tell(&mut last, storm.origin);
        let recast = Recast { kinds: &counted_as, first_client, first_slot: 0 };
        let last = self.collector.recast(&last, recast, |_, expected, verdict| (expected, verdict));
        self.collector.heard_more(&last);
        if threads::join(threads)? > 0 {
            supply.end();
            return Err(Error::not_measured(
                "the worker of what is sent after the storm did not end: what it saw last is missing",
            ));
        }
        supply.stop();
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted after the storm"));
        }
        Ok(Seen { all, validity: storm.watched.get().copied() })
    }

    /// Counts what a worker has seen in the run.
    fn count(
        &mut self,
        report: &Report,
        start: u64,
        first_client: u64,
        (kinds, is_asking): (&[usize], bool),
    ) -> Result<()> {
        let before = start.saturating_sub(self.collector.start());
        let recast = Recast { kinds, first_client, first_slot: before / SLOT };
        let seen = self.collector.recast(&report.seen, recast, |_, expected, verdict| {
            if is_asking { asked(expected, verdict) } else { (expected, verdict) }
        });
        let second = (before + report.covers * SECOND) / SECOND;
        self.collector.counts_more(second, &seen, self.options)
    }
}

/// What an answer is worth that was asked for to find out: both are right, but for a bad token that was let in.
fn asked(expected: Expectation, verdict: Verdict) -> (Expectation, Verdict) {
    let refusal = match expected {
        Expectation::Refuse(refusal) | Expectation::Either(refusal) => refusal,
        Expectation::Accept | Expectation::Indeterminate => Group::Time.into(),
    };
    match verdict {
        Verdict::FalseAccept => (expected, verdict),
        Verdict::NotJudged => (Expectation::Either(refusal), verdict),
        _ => (Expectation::Either(refusal), Verdict::Correct),
    }
}
