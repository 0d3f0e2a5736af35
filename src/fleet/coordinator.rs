//! The coordinator: finds agents, deals a plan out to them, starts all at one instant, and is the crew of the run then.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    BEAT, LOST, Subjects,
    account::Account,
    capacity::{self, Capacity, ports, slights, weights},
    local::Local,
    marks::{self, Marks},
    member::Member,
    message::{Call, FromAgent, Order, Said, Task, ToAgent, bytes, read},
    name::{Name, Short},
    possible::{self, check_embedded},
    relay::{Relay, Shared, lost_before},
    task::{Script, labels},
};
use crate::{
    bus::{self, Bus, Message, news::News},
    clock::{Clock, nanoseconds},
    engine::{
        Hands, Options, Report,
        gather::{Crew, Embedded},
    },
    error::{Error, Result},
    host::TcpTrouble,
    key::material::random_id,
    measure::{Measurements, wire::Decoder},
    plan::{Plan, segment::counts},
    results::{
        agents::Agent,
        environment::{AgentHost, tool},
    },
    scenario::Scenario,
};

/// Round trips by which an agent's clock is compared.
const ROUNDS: u32 = 12;
/// How long one may take.
const ROUND: Duration = Duration::from_secs(2);
/// Between the order to start and the start, beside what agents need to mint ahead.
const NOTICE: Duration = Duration::from_secs(1);
/// How long before the start agents may have to know of it at most.
const LONGEST_LEAD: Duration = Duration::from_hours(1);
/// Agents that can't take part and are named in the error: one does not read more.
const MOST_OTHERS: usize = 16;
/// Warnings of an agent that are shown: a plan has a few.
const MOST_WARNINGS: usize = 100;
/// How long the loops here listen before they look whether the user wants them to end.
const GLANCE: Duration = Duration::from_millis(50);

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
        let cpu_before = crate::host::process_cpu();
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
        let shared = Arc::new(Shared {
            members: Vec::new().into(),
            news: Vec::new().into(),
            failure: None.into(),
            ending: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
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
            shared,
            marks: Marks::new(),
            attempt: nanoseconds(plan.load().connect_timeout),
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

    /// Waits until so many agents of this build have come.
    fn call(&mut self, clock: Clock, options: &Options) -> Result<Vec<Capacity>> {
        let own = tool();
        let (mut came, mut others): (Vec<Capacity>, Vec<String>) = (Vec::new(), Vec::new());
        let (begun, mut called) = (clock.now(), None);
        options.screen.say(&format!("waiting for {}", agents(self.wanted.agents)));
        while came.len() < self.wanted.agents {
            self.check(options)?;
            let now = clock.now();
            if called.is_none_or(|called| now - called > nanoseconds(BEAT)) {
                called = Some(now);
                self.bus.publish(&self.subjects.call(), bytes(&Call { run: self.run.clone() }))?;
            }
            if now - begun > nanoseconds(self.wanted.timeout) {
                return Err(self.too_few(&came, &others));
            }
            let Some(FromAgent { said: Said::Here(here), .. }) = self.listen() else { continue };
            let is_known = came.iter().any(|known| known.agent == here.agent);
            let is_alike =
                (&*here.version, &*here.commit) == (own.version.as_str(), own.commit.as_str());
            if is_alike && here.is_plausible() {
                if !is_known {
                    came.push(*here);
                }
                continue;
            }
            let other = if is_alike {
                format!("`{}` on {} tells of what no host has", here.agent, here.host)
            } else {
                format!("`{}` on {} is {} ({})", here.agent, here.host, here.version, here.commit)
            };
            if others.len() < MOST_OTHERS && !others.contains(&other) {
                others.push(other);
            }
        }
        came.sort_by(|one, other| {
            let key =
                |of: &Capacity| (of.index.unwrap_or(u32::MAX), of.host.clone(), of.agent.clone());
            key(one).cmp(&key(other))
        });
        Ok(came)
    }

    fn too_few(&self, came: &[Capacity], others: &[String]) -> Error {
        let names: Vec<String> =
            came.iter().map(|agent| format!("`{}` on {}", agent.agent, agent.host)).collect();
        let came_in = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let own = tool();
        let others = match others {
            [] => String::new(),
            others => format!(
                "; of another build than {} ({}): {}",
                own.version,
                own.commit,
                others.join(", ")
            ),
        };
        Error::not_measured(format!(
            "{} of {} agents came to group `{}` within {}: {came_in}{others}",
            came.len(),
            self.wanted.agents,
            self.wanted.group,
            humantime::format_duration(self.wanted.timeout),
        ))
        .hint("start `tokenstorm agent --nats URL` where clients are to come from, or give them longer: `--agents-timeout`")
    }

    /// Compares all clocks with this one, until `deadline` at most.
    fn compare_clocks(&mut self, clock: Clock, deadline: u64, options: &Options) -> Result<()> {
        for round in 0..ROUNDS {
            if clock.now() > deadline {
                break;
            }
            let count = self.shared.members().len();
            let (mut began, mut told) = (vec![0_i64; count], vec![false; count]);
            let names: Vec<Name> =
                self.shared.members().iter().map(|member| member.name().clone()).collect();
            for (began, name) in began.iter_mut().zip(&names) {
                *began = clock.wall(clock.now());
                self.order(name, Order::Wall { round })?;
            }
            let (mut missing, sent) = (count, clock.now());
            while missing > 0 && clock.now() < deadline.min(sent + nanoseconds(ROUND)) {
                self.check(options)?;
                self.check_all_there(clock)?;
                let heard = self.listen();
                let at = clock.now();
                let now = clock.wall(at);
                let Some(FromAgent { agent, said: Said::Wall { round: of, wall } }) = heard else {
                    continue;
                };
                let index = names.iter().position(|name| *name == agent);
                if let Some(index) = index {
                    // Also by an answer of a round before, where the way is long.
                    self.shared.members()[index].heard = at;
                }
                // One that answers twice must not stand in for another.
                if let Some(index) = index.filter(|index| of == round && !told[*index]) {
                    told[index] = true;
                    self.shared.members()[index].clock(began[index], now, wall);
                    missing -= 1;
                }
            }
        }
        let members = self.shared.members();
        match members.iter().find(|member| member.uncertainty == u64::MAX) {
            None => Ok(()),
            Some(mute) => Err(Error::not_measured(format!(
                "agent {} did not say what its clock shows within {}",
                mute.shown(),
                humantime::format_duration(self.wanted.timeout)
            ))
            .hint("give agents longer: `--agents-timeout`")),
        }
    }

    /// Tells each its share.
    fn deal(
        &mut self,
        plan: &Plan,
        embedded: &Embedded,
        clock: Clock,
        options: &Options,
    ) -> Result<()> {
        let is_private = self.bus.is_private()
            && self.shared.members().iter().all(|member| member.capacity.is_private);
        let script = Script::of(&self.written, plan, is_private, &self.run)?;
        self.marks = script.marks;
        let capacities: Vec<Capacity> =
            self.shared.members().iter().map(|member| member.capacity.clone()).collect();
        check_embedded(plan, &capacities)?;
        let weights = weights(&capacities, plan.sources().len(), plan.brokers.len());
        let ports = ports(&capacities);
        let shares = counts(plan.clients, &weights, plan.mould.seed, plan.reuse)?;
        for slight in slights(&capacities, &weights, plan.sources().len()) {
            options.screen.warn(&slight);
        }
        let now = clock.now();
        for (index, member) in self.shared.members().iter_mut().enumerate() {
            member.heard = now;
            (member.weight, member.ports) = (weights[index], ports[index]);
            member.account = Account::new(shares[index]);
            let task = Task {
                scenario: script.scenario.clone(),
                keys: script.keys.clone(),
                promise: script.promise.clone(),
                tls: script.tls.clone(),
                weights: weights.clone(),
                index,
                ports: ports[index],
                ahead: member.ahead,
                uncertainty: member.uncertainty,
                embedded: embedded.clone(),
            };
            self.order(member.name(), Order::Prepare(Box::new(task)))?;
        }
        Ok(())
    }

    /// The barrier: waits until all are ready, until `deadline` at most.
    fn wait_for_all(
        &mut self,
        plan: &Plan,
        clock: Clock,
        deadline: u64,
        options: &Options,
    ) -> Result<()> {
        let own = labels(plan);
        while self.shared.members().iter().any(|member| member.ready.is_none()) {
            self.check(options)?;
            self.check_all_there(clock)?;
            if clock.now() > deadline {
                let members = self.shared.members();
                let late = members.iter().filter(|member| member.ready.is_none());
                let late: Vec<String> = late.map(Member::shown).collect();
                return Err(Error::not_measured(format!(
                    "not ready within {}: {}",
                    humantime::format_duration(self.wanted.timeout),
                    late.join(", ")
                ))
                .hint("give them longer: `--agents-timeout`"));
            }
            let Some(FromAgent { agent, said }) = self.listen() else { continue };
            let mut members = self.shared.members();
            let Some(member) = members.iter_mut().find(|member| *member.name() == agent) else {
                continue;
            };
            member.heard = clock.now();
            match said {
                Said::Ready(ready) => {
                    let is_same = (&ready.kinds, &ready.brokers) == (&own.0, &own.1)
                        && (ready.clients, ready.attempts)
                            == (plan.clients, member.account.share());
                    if !is_same {
                        // Not in its words: they may be anything.
                        return Err(Error::not_measured(format!(
                            "agent {} makes another plan of the scenario: {} of {} clients with {} kinds of token at {} brokers, in place of {} of {} with {} at {}",
                            member.shown(),
                            ready.attempts,
                            ready.clients,
                            ready.kinds.len(),
                            ready.brokers.len(),
                            member.account.share(),
                            plan.clients,
                            own.0.len(),
                            own.1.len()
                        ))
                        .hint("coordinator and agents have to be of one build"));
                    }
                    if let Some(key) = marks::difference(&self.marks, &ready.marks) {
                        return Err(Error::usage(format!(
                            "agent {} has another `{key}` than the coordinator: its verdicts would be about other tokens, or another broker",
                            member.shown()
                        ))
                        .hint("put the same file below the agent's `--files`, or the same secret into its environment; or use `tls://` on both sides, over which they travel"));
                    }
                    for warning in ready.warnings.iter().take(MOST_WARNINGS) {
                        let of = format!("agent {}: {warning}", member.shown());
                        // All of one host say the same of it.
                        if !plan.warnings.iter().any(|own| own.as_str() == &**warning) {
                            options.screen.warn(&of);
                        }
                    }
                    member.ready = Some(ready);
                }
                Said::Failed { why, hint, is_usage } => {
                    let told = format!("agent {}: {why}", member.shown());
                    let error =
                        if is_usage { Error::usage(told) } else { Error::not_measured(told) };
                    return Err(match hint {
                        Some(hint) => error.hint(hint.to_string()),
                        None => error,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses to start without one that is gone.
    fn check_all_there(&self, clock: Clock) -> Result<()> {
        let now = clock.now();
        let members = self.shared.members();
        let is_gone = |member: &&Member| now.saturating_sub(member.heard) > nanoseconds(LOST);
        match members.iter().find(is_gone) {
            None => Ok(()),
            Some(gone) => {
                let why = format!("nothing was heard of it for {} s", LOST.as_secs());
                Err(lost_before(gone, &why))
            }
        }
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

impl Hands for Coordinator {
    fn failure(&self) -> Option<Error> {
        self.shared.failure()
    }

    fn stop(&self) {
        let now = self.clock.map_or(0, |clock| clock.now());
        self.shared.ending.store(now.max(1), Ordering::Release);
        self.order_all(|| Order::Stop);
    }

    fn minted_per_s(&self) -> f64 {
        self.shared.members().iter().map(|member| member.used.minted_per_s).sum()
    }

    fn cpu_ns(&self) -> u64 {
        let members = self.shared.members();
        let of_agents =
            members.iter().map(|member| member.used.cpu_ns).fold(0, u64::saturating_add);
        of_agents.saturating_add(crate::host::process_cpu().saturating_sub(self.cpu_before))
    }

    fn resident(&self) -> u64 {
        let agents: u64 = self.shared.members().iter().map(|member| member.used.resident).sum();
        agents + crate::host::resident()
    }

    fn agents(&self) -> Option<Vec<Agent>> {
        let members = self.shared.members();
        Some(
            members
                .iter()
                .enumerate()
                .map(|(index, member)| member.row(index, self.start, self.attempt))
                .collect(),
        )
    }

    fn busiest(&self) -> Option<f64> {
        let members = self.shared.members();
        let mut hosts: BTreeMap<&Short, f64> = BTreeMap::new();
        for member in members.iter() {
            // Shares of the last 5 s: those of one time may be added.
            *hosts.entry(&member.capacity.boot).or_default() +=
                member.used.busy.unwrap_or_default();
        }
        hosts.into_values().filter(|share| *share > 0.0).reduce(f64::max)
    }

    fn trouble(&self, own: TcpTrouble) -> Option<TcpTrouble> {
        // Agents of one host count the same.
        let mut hosts: BTreeMap<(&Short, &Short), Option<TcpTrouble>> = BTreeMap::new();
        let members = self.shared.members();
        for member in members.iter() {
            let host = hosts.entry((&member.capacity.boot, &member.capacity.network)).or_default();
            if member.lost.is_none() {
                *host = Some(member.used.tcp.most(&host.unwrap_or_default()));
            }
        }
        let (boot, network) = capacity::place();
        if let Some(here) = hosts.get_mut(&(&boot, &network)) {
            *here = Some(own.most(&here.unwrap_or_default()));
        }
        hosts.into_values().try_fold(TcpTrouble::default(), |sum, host| Some(sum.and(&host?)))
    }

    fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        self.muster_all(plan, embedded, clock, options).inspect_err(|_| self.dismiss())
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
        self.shared.over.store(true, Ordering::Release);
        self.order_all(|| Order::Over);
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
