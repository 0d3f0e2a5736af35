//! The coordinator: finds agents, deals a plan out to them, starts all at one instant, and is the crew of the run then.

mod hands;
mod muster;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    BEAT, Subjects,
    local::Local,
    marks::Marks,
    member::Member,
    message::{FromAgent, Order, Said, ToAgent, bytes, read},
    name::{Long, Name},
    possible,
    relay::{Relay, Shared},
};
use crate::{
    base::{
        bus::{self, Bus, Message, news::News},
        clock::{Clock, GLANCE, nanoseconds},
        error::{Error, Result},
    },
    engine::{
        Options, Report,
        gather::{Crew, Embedded},
    },
    plan::Plan,
    record::{
        measure::{Measurements, wire::Decoder},
        results::environment::AgentHost,
    },
    scenario::Scenario,
    token::key::material::random_id,
};

/// Between the order to start and the start, beside what agents need to mint ahead.
const NOTICE: Duration = Duration::from_secs(1);
/// How long before the start agents may have to know of it at most.
const LONGEST_LEAD: Duration = Duration::from_hours(1);
/// What the command line says of a fleet.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How many agents.
    pub agents: usize,
    /// The bus; `None` for a server and agents of this host.
    pub bus: Option<bus::Settings>,
    /// The group of agents.
    pub group: Name,
    /// How long agents may take to come, and to get ready.
    pub timeout: Duration,
}

/// A coordinator.
#[derive(Debug)]
pub struct Coordinator {
    wanted: Wanted,
    written: Scenario,
    run: Name,
    bus: Arc<Bus>,
    subjects: Subjects,
    said: Receiver<Message>,
    seen: Receiver<Message>,
    shared: Arc<Shared>,
    /// What the run signs with and trusts.
    marks: Marks,
    /// How long an attempt may take, in nanoseconds.
    attempt: u64,
    /// Why the run does not come about, where that is so.
    off: Option<String>,
    /// When the storm starts.
    start: u64,
    /// CPU time of this process before.
    cpu_before: u64,
    /// That of the run, once agents are called.
    clock: Option<Clock>,
    beats: Option<JoinHandle<()>>,
    relay: Option<JoinHandle<()>>,
    /// Ends after the bus.
    local: Option<Local>,
}

impl Coordinator {
    /// Joins the bus, or starts one with agents, which look for files where the scenario is.
    ///
    /// # Errors
    /// When the plan can't be split, or there is no bus.
    pub fn new(
        wanted: Wanted,
        plan: &Plan,
        written: &Scenario,
        files: &Path,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        possible::check(plan, written, wanted.agents as u64)?;
        let cpu_before = crate::base::host::process_cpu();
        let run = Name::of(&random_id()?[..12]).map_err(Error::not_measured)?;
        let local = match &wanted.bus {
            Some(_) => None,
            None => Some(Local::start(wanted.agents, &wanted.group, files, stop)?),
        };
        let settings = local.as_ref().map(|local| &local.settings).or(wanted.bus.as_ref());
        let settings = settings.ok_or_else(|| Error::usage("there is no `--nats`"))?;
        let bus = Arc::new(Bus::connect(settings, "tokenstorm run", stop)?);
        let subjects = Subjects::of(&wanted.group);
        let (said, seen) =
            (bus.subscribe(&subjects.said(&run))?, bus.subscribe(&subjects.seen(&run))?);
        let mut written = written.clone();
        written.target.authorized = plan.scenario.target.authorized;
        Ok(Self {
            wanted,
            written,
            run,
            bus,
            subjects,
            said,
            seen,
            shared: Arc::default(),
            marks: Marks::new(),
            attempt: nanoseconds(plan.load().connect_timeout),
            off: None,
            start: 0,
            cpu_before,
            clock: None,
            beats: None,
            relay: None,
            local,
        })
    }

    fn order(&self, agent: &Name, order: Order) -> Result<()> {
        let message = ToAgent { run: self.run.clone(), order };
        self.bus.publish(&self.subjects.agent(agent), bytes(&message))
    }

    fn order_all(&self, order: impl Fn() -> Order) {
        for member in self.shared.members().iter() {
            // Said again where it matters, and noticed where it does not come.
            let _ = self.order(member.name(), order());
        }
    }

    /// Whether the fleet is there still, and the user does not want it to end.
    fn check(&mut self, options: &Options) -> Result<()> {
        if options.stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted before the storm: nothing was measured"));
        }
        for news in self.bus.news() {
            if matches!(news, News::Denied(_)) {
                return Err(Error::usage(news.words())
                    .hint("docs/scale.md lists the subjects that the coordinator and agents use"));
            }
            options.screen.warn(&news.words());
        }
        self.local.as_mut().map_or(Ok(()), Local::check)
    }

    /// What an agent said, within a moment. One that has come too late is told so.
    fn listen(&self) -> Option<FromAgent> {
        let heard: FromAgent = read(&self.said.recv_timeout(GLANCE).ok()?.payload)?;
        let members = self.shared.members();
        let is_late = matches!(heard.said, Said::Here(_)) && !members.is_empty();
        if is_late && !members.iter().any(|member| *member.name() == heard.agent) {
            let _ = self.order(&heard.agent, Order::Unneeded);
        }
        Some(heard)
    }

    /// Beats until the run is over.
    fn beat(&mut self) -> Result<()> {
        let (bus, subject) = (Arc::clone(&self.bus), self.subjects.beat(&self.run));
        let shared = Arc::clone(&self.shared);
        let beats = thread::Builder::new().name("beat".into()).spawn(move || {
            while !shared.over.load(Ordering::Acquire) {
                // The connection may be gone: agents notice that by its silence.
                let _ = bus.publish(&subject, "");
                thread::sleep(BEAT);
            }
        });
        self.beats = Some(beats.map_err(|error| {
            Error::not_measured(format!("can't start the coordinator's thread: {error}"))
        })?);
        Ok(())
    }

    fn muster_all(
        &mut self,
        plan: &Plan,
        embedded: &Embedded,
        clock: Clock,
        options: &Options,
    ) -> Result<u64> {
        self.clock = Some(clock);
        let came = self.call(clock, options)?;
        let now = clock.now();
        let count = came.len();
        *self.shared.members() =
            came.into_iter().map(|here| Member::new(here, count, now)).collect();
        self.beat()?;
        let deadline = clock.now().saturating_add(nanoseconds(self.wanted.timeout));
        self.compare_clocks(clock, deadline, options)?;
        self.deal(plan, embedded, clock, options)?;
        self.wait_for_all(plan, clock, deadline, options)?;
        self.check_all_there(clock)?;
        let lead = self
            .shared
            .members()
            .iter()
            .filter_map(|member| Some(member.ready.as_ref()?.lead))
            .max();
        let start = clock.now()
            + nanoseconds(NOTICE)
            + lead.unwrap_or_default().min(nanoseconds(LONGEST_LEAD));
        let at = clock.wall(start);
        self.order_all(|| Order::Start { at });
        self.bus.flush();
        for member in self.shared.members().iter_mut() {
            (member.heard, member.told) = (clock.now(), start);
        }
        self.start = start;
        options.screen.say(&format!("ready: {}", agents(self.wanted.agents)));
        Ok(start)
    }
}

/// So many agents, in words.
fn agents(count: usize) -> String {
    if count == 1 { "1 agent".into() } else { format!("{count} agents") }
}

impl Crew for Coordinator {
    fn count(&self) -> usize {
        self.shared.members().len()
    }

    fn hosts(&self) -> Vec<AgentHost> {
        self.shared.members().iter().map(Member::host).collect()
    }

    fn muster(
        &mut self,
        plan: &Plan,
        embedded: &Embedded,
        clock: Clock,
        options: &Options,
    ) -> Result<u64> {
        let mustered = self.muster_all(plan, embedded, clock, options);
        if let Err(error) = &mustered {
            self.off = Some(error.to_string());
            self.dismiss();
        }
        mustered
    }

    fn relay(
        &mut self,
        lanes: Vec<Sender<Report>>,
        empty: Measurements,
        clock: Clock,
    ) -> Result<()> {
        let relay = Relay {
            shared: Arc::clone(&self.shared),
            bus: Arc::clone(&self.bus),
            subjects: self.subjects.clone(),
            run: self.run.clone(),
            said: self.said.clone(),
            seen: self.seen.clone(),
            lanes: lanes.into_iter().map(Some).collect(),
            empty,
            clock,
            start: self.start,
            decoder: Decoder::default(),
        };
        let thread = thread::Builder::new().name("relay".into()).spawn(move || relay.run());
        self.relay = Some(thread.map_err(|error| {
            Error::not_measured(format!("can't start the coordinator's thread: {error}"))
        })?);
        Ok(())
    }

    fn dismiss(&mut self) {
        self.off = self.off.take().or_else(|| self.shared.told());
        self.shared.over.store(true, Ordering::Release);
        let why = self.off.take();
        self.order_all(|| Order::Over { why: why.as_deref().map(Long::from) });
        self.bus.flush();
        for thread in [self.relay.take(), self.beats.take()].into_iter().flatten() {
            drop(thread.join());
        }
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // Also where the run has failed: agents must not wait for what does not come.
        if !self.shared.over.load(Ordering::Acquire) {
            self.dismiss();
        }
    }
}
