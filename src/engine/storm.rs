//! What all workers of a run share, and never change.

use std::{
    net::UdpSocket,
    ops::RangeInclusive,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Sender;

use super::{
    gate::Gate,
    knocker::Knocker,
    nodes::heard::Heard,
    occupancy::Occupancy,
    resolver::{self, Ask},
    target::{Spot, Target, Targets},
    vigil::Vigil,
};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::Result,
    },
    client::{
        socket,
        transport::Transport,
        verdict::{Judge, Validity, again::ReauthJudge, ending::EndJudge, standing::KeyTimes},
    },
    plan::Plan,
    record::{measure::Measurements, results::absence::Board},
    scenario::{Closing, Protocol, ReceiveTime},
    servers::broker::KeyNews,
    supply::{oauth::Fetcher, shelf::Shelf, signal::Signal},
    token::mixed,
};

/// What a broker on this very host may still be late by: `time(2)` reads a clock that moves with the kernel's tick, 10 ms
/// at most (`CLOCK_REALTIME_COARSE`, `clock_gettime(2)`). Seen with Mosquitto: a token was let in just after its `exp`.
const TICK: Duration = Duration::from_millis(10);

/// A session whose token is good for so much longer does not end because of it.
const WITNESS: Duration = Duration::from_secs(10);

/// The storm: the plan with its instants and addresses.
#[derive(Debug)]
pub(super) struct Storm {
    pub(super) plan: Arc<Plan>,
    pub(super) clock: Clock,
    /// When it starts.
    pub(super) start: u64,
    /// Latencies of attempts scheduled before this are left out.
    pub(super) warm: u64,
    /// Nanoseconds from started to CONNACK at most.
    pub(super) timeout: u64,
    /// Where workers wait for each other before they let go whom they hold.
    pub(super) vigil: Option<Vigil>,
    /// Where the workers of `preconnect` wait for each other.
    pub(super) gate: Gate,
    /// Whether clients leave with a reset.
    pub(super) resets: bool,
    /// Whether the kernel says when a CONNACK came.
    pub(super) kernel_time: bool,
    /// Has the kernel stamp from the beginning on.
    _stamping: Option<UdpSocket>,
    /// Connections that are open, of all workers: descriptors are the process', not a worker's.
    pub(super) sockets: AtomicU64,
    /// How many of them the descriptors allow.
    pub(super) room: u64,
    /// Keep alive in seconds.
    pub(super) keep_alive: u16,
    /// Where the brokers are, and how they are spoken to.
    pub(super) targets: Vec<Target>,
    /// What names are looked up by, where attempts do that.
    pub(super) resolver: Option<Sender<Ask>>,
    /// What tokens are fetched by, where they are.
    pub(super) fetcher: Option<Arc<Fetcher>>,
    /// The tokens of a file, where they come from there.
    pub(super) shelf: Option<Arc<Shelf>>,
    /// When brokers that were stopped answered again.
    pub(super) heard: Arc<Heard>,
    /// Instants of signs count from here: the start of the storm, and of a volley after it, that of its storm.
    pub(super) origin: u64,
    /// Who asks whether brokers that have closed connections are still there.
    pub(super) knocker: Knocker,
    /// Which brokers have gone away by themselves so far.
    pub(super) board: Board,
    /// How many connections are open at each broker, where that counts.
    pub(super) occupancy: Option<Occupancy>,
    /// How long a token of a witness has to be good for, in nanoseconds.
    pub(super) good_for: u64,
    /// What embedded brokers tell of key sets that are not the run's own, by broker.
    pub(super) key_news: Vec<Option<Arc<KeyNews>>>,
    /// Which keys the brokers can know, where that changes.
    pub(super) standing: Option<Arc<KeyTimes>>,
    /// When the token that all bring is good by its own claims, in a volley of one.
    pub(super) watched: OnceLock<Validity>,
    /// When tokens that are brought again were last accepted, where that matters.
    pub(super) accepted: Option<LastAccepted>,
    /// One a version of MQTT.
    judges: [Judge; 2],
    /// The same of ends of live connections.
    end_judges: [EndJudge; 2],
    /// Who judges authentications on live connections.
    pub(super) reauth_judge: ReauthJudge,
    pub(super) ports: RangeInclusive<u16>,
    /// Where the walk over the ports starts: another place in every process.
    pub(super) random: u32,
}

impl Storm {
    /// The storm of a plan that starts at `start`, at these targets, from these local ports.
    ///
    /// # Errors
    /// When names are to be looked up, and no thread can be started for that.
    pub(super) fn new(
        plan: &Arc<Plan>,
        clock: Clock,
        start: u64,
        targets: &Targets,
        ports: RangeInclusive<u16>,
        signals: &[Arc<Signal>],
    ) -> Result<Self> {
        let load = plan.load();
        let has_names = targets.all.iter().any(|target| matches!(target.spot, Spot::Named(..)));
        Ok(Self {
            clock,
            start,
            warm: start + nanoseconds(load.warmup),
            timeout: nanoseconds(load.connect_timeout),
            vigil: plan.cells.as_ref().and_then(|cells| cells.witness).map(|_| Vigil::new(signals)),
            gate: Gate::new(signals),
            resets: load.close == Closing::Reset,
            kernel_time: load.receive_time == ReceiveTime::Kernel,
            _stamping: match load.receive_time {
                ReceiveTime::Kernel => socket::stamping(),
                ReceiveTime::User => None,
            },
            sockets: AtomicU64::new(0),
            room: plan.budget.room(),
            keep_alive: keep_alive(load.keep_alive),
            targets: targets.all.clone(),
            resolver: if has_names {
                Some(resolver::start(clock, plan.sources(), plan.scenario.target.authorized)?)
            } else {
                None
            },
            judges: [Protocol::V4, Protocol::V5].map(|protocol| {
                let uncertainty = plan.scenario.target.clock_uncertainty + TICK;
                Judge::new(&plan.policy, protocol, uncertainty)
            }),
            reauth_judge: ReauthJudge::new(&plan.policy),
            end_judges: [Protocol::V4, Protocol::V5].map(|protocol| {
                let uncertainty = plan.scenario.target.clock_uncertainty + TICK;
                EndJudge::new(&plan.policy, protocol, uncertainty, plan.session().grace)
            }),
            watched: OnceLock::new(),
            accepted: (plan.reuse > 1 && !plan.policy.verdict_cache.is_zero())
                .then(|| LastAccepted::new(plan)),
            fetcher: None,
            shelf: None,
            heard: Arc::new(Heard::new(plan.brokers.len())),
            origin: start,
            board: Board::default(),
            occupancy: Occupancy::new(
                plan.policy.max_connections,
                plan.brokers.len(),
                signals.len(),
            ),
            knocker: Knocker::start(clock, plan.sources())?,
            good_for: nanoseconds(plan.scenario.target.clock_uncertainty + TICK + WITNESS),
            key_news: {
                let mut news = vec![None; plan.brokers.len()];
                for (broker, _, told) in targets.key_news() {
                    news[broker] = Some(told);
                }
                news
            },
            standing: targets.issuer.as_ref().map(|issuer| issuer.standing()),
            ports,
            random: mixed(u64::from(std::process::id()), clock.wall(start) as u64) as u32,
            plan: Arc::clone(plan),
        })
    }

    /// How a worker speaks to a broker: with TLS settings of its own, where there are any.
    pub(super) fn transport(&self, target: &Target) -> Transport {
        target.transport(&self.plan)
    }

    /// Who judges answers in this version of MQTT.
    pub(super) fn judge(&self, protocol: Protocol) -> &Judge {
        &self.judges[usize::from(protocol == Protocol::V5)]
    }

    /// Who judges ends of live connections in this version of MQTT.
    pub(super) fn end_judge(&self, protocol: Protocol) -> &EndJudge {
        &self.end_judges[usize::from(protocol == Protocol::V5)]
    }

    /// Whether a broker has no key yet to verify anything with: then its refusals say nothing.
    pub(super) fn has_no_keys(&self, broker: usize) -> bool {
        self.key_news[broker].as_ref().is_some_and(|news| !news.has_keys())
    }

    /// An empty recorder of its shape.
    pub(super) fn recorder(&self) -> Measurements {
        Measurements::new(self.plan.mould.kinds.len(), self.plan.brokers.len())
            .keeping_answers(self.plan.watches_keys() || self.plan.shares_names)
    }
}

/// Tokens whose last acceptance is kept, at 8 bytes each. Of more, those that share a place are far apart in time.
const MOST_TOKENS: u64 = 1 << 20;

/// When each token that is brought again and again was last accepted as it had to be.
#[derive(Debug)]
pub(super) struct LastAccepted {
    /// By token; 0 for never.
    at: Box<[AtomicU64]>,
    reuse: u64,
}

impl LastAccepted {
    fn new(plan: &Plan) -> Self {
        let tokens = plan.clients.div_ceil(plan.reuse).clamp(1, MOST_TOKENS);
        Self { at: (0..tokens).map(|_| AtomicU64::new(0)).collect(), reuse: plan.reuse }
    }

    /// Takes down that the token of this client was accepted.
    pub(super) fn note(&self, client: u64, at: u64) {
        self.slot(client).fetch_max(at, Ordering::Relaxed);
    }

    /// When it was accepted last.
    pub(super) fn of(&self, client: u64) -> Option<u64> {
        let last = self.slot(client).load(Ordering::Relaxed);
        (last > 0).then_some(last)
    }

    fn slot(&self, client: u64) -> &AtomicU64 {
        &self.at[(client / self.reuse) as usize % self.at.len()]
    }
}

/// Whole seconds of a keep alive, which the plan has checked to fit.
pub(super) fn keep_alive(duration: Duration) -> u16 {
    u16::try_from(duration.as_secs()).unwrap_or(u16::MAX)
}
