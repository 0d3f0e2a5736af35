//! An agent: waits for work, drives its segment of a run, tells what it saw, and waits again.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvError, Sender, select, unbounded};
use serde_bytes::ByteBuf;

use super::{
    BEAT, LOST, ORPHANED, Subjects,
    capacity::Capacity,
    guard::{self, Own},
    message::{Call, FromAgent, Order, Said, Task, ToAgent, Told, bytes, read},
    name::{Long, Name},
    outbox::Outbox,
    task::{Taken, take},
};
use crate::{
    base::{
        bus::{self, Bus, Message, news::News},
        clock::{Clock, nanoseconds},
        error::{Error, Exit, Result, plain::line, showable},
    },
    engine::segment::Interval,
    record::measure::wire::Encoder,
    token::key::material::random_id,
};

/// Runs whose calls are remembered, with the clock that was shown to them.
const REMEMBERED: usize = 16;

/// How long an agent that was stopped on its host waits for a coordinator to have heard what it saw last: some round trips
/// on a slow line. Whoever gives orders and hears nothing must not keep it.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bus.
    pub bus: bus::Settings,
    /// The group that it belongs to.
    pub group: Name,
    /// Its place in a job, where a launcher gave one.
    pub index: Option<u32>,
    /// Where files that a scenario names are looked for.
    pub files: PathBuf,
    /// Variables of its environment that a scenario may take the secret of a key from.
    pub variables: Vec<String>,
    /// Whether it may load what is not on its host.
    pub authorized: bool,
    /// Addresses to connect from, in place of a scenario's.
    pub source_addresses: Vec<IpAddr>,
    /// Whether it ends after one run.
    pub once: bool,
    /// How long it waits for a run to begin before it ends; `None` for as long as it takes.
    pub idle_timeout: Option<Duration>,
}

/// What its threads tell it.
enum Event {
    Prepared(Result<Box<Taken>>),
    Ended(Result<()>),
}

/// How far a run has come here.
enum Stage {
    Preparing,
    Ready(Box<Taken>),
    Driving,
    /// Its thread has ended; what it told may still be on its way.
    Ended,
}

/// A run that it takes part in.
struct Session {
    run: Name,
    clock: Clock,
    stage: Stage,
    /// When its coordinator was heard of last.
    heard: u64,
    /// When the storm starts, once that is known.
    begins: Option<u64>,
    index: usize,
    outbox: Option<Outbox>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Since when nothing is left to do here but to be heard, once the agent was stopped on its host.
    last_words: Option<u64>,
    /// Nobody waits for what is still to be told.
    is_over: bool,
    /// Why, by its coordinator, where that is no end like others.
    why: Option<Long>,
    /// It did what was asked.
    is_good: bool,
}

struct Agent {
    options: Options,
    id: Name,
    bus: Arc<Bus>,
    subjects: Subjects,
    calls: Vec<(Name, Clock)>,
    session: Option<Session>,
    /// By its own clock: since when it has no run.
    clock: Clock,
    idle_since: u64,
    /// A run that called it has agents enough.
    is_unneeded: bool,
    events: (Sender<Event>, Receiver<Event>),
    stop: Arc<AtomicBool>,
}

/// Waits for work until `stop` is set, or one run is over where only one is wanted.
///
/// # Errors
/// When the bus can't be joined.
pub fn serve(options: Options, stop: Arc<AtomicBool>) -> Result<Exit> {
    if !options.files.is_dir() {
        let named = showable::file(&options.files, Path::new(""));
        return Err(Error::usage(format!("`--files` names {named}, which is no folder"))
            .hint("files that a scenario names are looked for below it"));
    }
    let host = crate::base::host::name();
    let id = Name::of(&format!("{}-{}", plain(&host), &random_id()?[..8]));
    let id = id.map_err(Error::not_measured)?;
    let bus = Arc::new(Bus::connect(&options.bus, &format!("tokenstorm agent {id}"), &stop)?);
    let subjects = Subjects::of(&options.group);
    let (calls, orders) = (bus.subscribe(&subjects.call())?, bus.subscribe(&subjects.agent(&id))?);
    let beats = bus.subscribe(&subjects.beats())?;
    crate::tell!("agent {id} waits for work in group `{}`", options.group);
    let clock = Clock::start();
    let agent = Agent {
        clock,
        idle_since: clock.now(),
        is_unneeded: false,
        options,
        id,
        bus,
        subjects,
        calls: Vec::new(),
        session: None,
        events: unbounded(),
        stop,
    };
    agent.run(&calls, &orders, &beats)
}

/// Why an agent does not go on that its host's user has stopped.
fn stopped() -> Error {
    Error::interrupted("the agent was stopped on its host")
}

/// The bus is closed for good.
fn gone(_: RecvError) -> Error {
    Error::not_measured("the connection to NATS is closed")
}

/// A name as a subject has it.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect()
}

impl Agent {
    fn run(
        mut self,
        calls: &Receiver<Message>,
        orders: &Receiver<Message>,
        beats: &Receiver<Message>,
    ) -> Result<Exit> {
        let clock = self.clock;
        let (mut beaten, mut stood) = (0, clock.now());
        let events = self.events.1.clone();
        loop {
            select! {
                recv(calls) -> message => self.on_call(&message.map_err(gone)?),
                recv(orders) -> message => self.on_order(&message.map_err(gone)?),
                recv(beats) -> message => self.heard(&message.map_err(gone)?),
                recv(events) -> event => if let Ok(event) = event { self.on_event(event) },
                default(BEAT / 5) => {}
            }
            let now = clock.now();
            if now.saturating_sub(beaten) >= nanoseconds(BEAT) {
                beaten = now;
                self.beat();
            }
            for news in self.bus.news() {
                crate::tell!("{}", news.words());
                if matches!(news, News::Denied(_)) {
                    self.denied(&news)?;
                }
            }
            if self.bus.stands() {
                stood = now;
            }
            if self.stop.load(Ordering::Relaxed) {
                self.wind_up();
            }
            if let Some(exit) = self.is_done(now.saturating_sub(stood)) {
                self.bus.flush();
                return Ok(exit);
            }
        }
    }

    /// It was told to end on its host: what is under way is given up, what has not begun is told to be off.
    fn wind_up(&mut self) {
        let Some(session) = &mut self.session else { return };
        session.stop.store(true, Ordering::Relaxed);
        if matches!(session.stage, Stage::Ready(_)) {
            session.stage = Stage::Ended;
            let run = session.run.clone();
            self.fail(&run, &stopped());
        }
    }

    /// Ends a session that is over; the exit code where the agent is to end with it.
    fn is_done(&mut self, without_bus: u64) -> Option<Exit> {
        let is_stopped = self.stop.load(Ordering::Relaxed);
        let Some(session) = &mut self.session else { return self.is_idle(without_bus) };
        let is_dead = session.thread.as_ref().is_some_and(JoinHandle::is_finished)
            && matches!(session.stage, Stage::Preparing | Stage::Driving)
            && self.events.1.is_empty();
        if is_dead {
            // It would have said how it ended.
            let died =
                Error::not_measured("a thread of the agent died: this is a bug of tokenstorm");
            let _ = self.events.0.send(Event::Ended(Err(died)));
            return None;
        }
        let is_waited_for = matches!(session.stage, Stage::Preparing | Stage::Driving);
        let is_told = session.is_over
            || session.outbox.as_ref().is_none_or(Outbox::is_empty)
            || (is_stopped && !is_waited_for && session.has_waited());
        // One whose coordinator still runs waits for it to say so: it may be asked again.
        if is_waited_for || !is_told || !(session.is_over || is_stopped) {
            return None;
        }
        if let Some(thread) = session.thread.take() {
            drop(thread.join());
        }
        let exit = if session.is_good { Exit::Fine } else { Exit::NotMeasured };
        let has_begun = session.begins.is_some_and(|begins| begins <= session.clock.now());
        let why = session.why.as_deref().map(|why| format!(": {}", line(why))).unwrap_or_default();
        if has_begun {
            crate::tell!("run {} is over{why}", session.run);
        } else if !is_stopped {
            crate::tell!("run {} was called off before it began{why}", session.run);
        }
        self.session = None;
        self.idle_since = self.clock.now();
        match (is_stopped, self.options.once) {
            (true, _) => Some(Exit::Interrupted),
            (false, true) => Some(exit),
            (false, false) => None,
        }
    }

    /// NATS does not let it say or hear something that a run takes: whoever waits for it is told, where that is possible.
    ///
    /// # Errors
    /// Where it takes part in no run: it never could.
    fn denied(&mut self, news: &News) -> Result<()> {
        let error = Error::usage(news.words())
            .hint("docs/scale.md lists the subjects that the coordinator and agents use");
        let Some(session) = &mut self.session else { return Err(error) };
        session.stop.store(true, Ordering::Relaxed);
        let run = session.run.clone();
        self.fail(&run, &error);
        Ok(())
    }

    /// The exit code of one that has no run, where it is to end.
    fn is_idle(&self, without_bus: u64) -> Option<Exit> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(Exit::Interrupted);
        }
        if self.options.once && without_bus > nanoseconds(ORPHANED) {
            return Some(Exit::NotMeasured);
        }
        if self.options.once && self.is_unneeded {
            crate::tell!("the run has agents enough without this one");
            return Some(Exit::Fine);
        }
        let waited = self.clock.now().saturating_sub(self.idle_since);
        let limit = self.options.idle_timeout.filter(|limit| waited > nanoseconds(*limit))?;
        // Not an error of this agent: in a job that ends with its first failure it would take the others along.
        crate::tell!(
            "no run has begun within {} (`--idle-timeout`): the agent ends",
            humantime::format_duration(limit)
        );
        Some(Exit::Fine)
    }

    fn say(&self, run: &Name, said: Said) {
        let message = FromAgent { agent: self.id.clone(), said };
        // Where it does not come, its coordinator notices the silence.
        let _ = self.bus.publish(&self.subjects.said(run), bytes(&message));
    }

    fn fail(&self, run: &Name, error: &Error) {
        crate::tell!("error: {error}");
        let hint = error.way_out().map(Long::from);
        let is_usage = error.exit() == Exit::Usage;
        self.say(run, Said::Failed { why: error.to_string().into(), hint, is_usage });
    }

    fn on_call(&mut self, message: &Message) {
        let Some(call) = read::<Call>(&message.payload) else { return };
        if self.session.is_some() || self.stop.load(Ordering::Relaxed) {
            return;
        }
        if !self.calls.iter().any(|(run, _)| *run == call.run) {
            if self.calls.len() == REMEMBERED {
                self.calls.remove(0);
            }
            self.calls.push((call.run.clone(), Clock::start()));
        }
        let Options { index, source_addresses, .. } = &self.options;
        let here = Capacity::here(&self.id, *index, source_addresses, self.bus.is_private());
        self.say(&call.run, Said::Here(Box::new(here)));
    }

    fn on_order(&mut self, message: &Message) {
        let Some(ToAgent { run, order }) = read(&message.payload) else { return };
        match order {
            Order::Wall { round } => {
                if let Some((_, clock)) = self.calls.iter().find(|(called, _)| *called == run) {
                    let wall = clock.wall(clock.now());
                    self.say(&run, Said::Wall { round, wall });
                }
            }
            Order::Prepare(task) => self.prepare(run, task),
            Order::Start { at } => self.start(&run, at),
            Order::Heard { number } => {
                if let Some(outbox) = self.of(&run).and_then(|session| session.outbox.as_ref()) {
                    outbox.heard(number);
                }
            }
            Order::Stop => {
                if let Some(session) = self.of(&run) {
                    session.stop.store(true, Ordering::Relaxed);
                }
            }
            Order::Over { why } => {
                if let Some(session) = self.of(&run) {
                    session.why = why.or(session.why.take());
                    session.call_off();
                }
            }
            Order::Unneeded => {
                self.is_unneeded = self.calls.iter().any(|(called, _)| *called == run);
            }
        }
    }

    /// The session of a run, where it is the one under way.
    fn of(&mut self, run: &Name) -> Option<&mut Session> {
        self.session.as_mut().filter(|session| session.run == *run)
    }

    fn prepare(&mut self, run: Name, task: Box<Task>) {
        if self.session.is_some() {
            let busy = Error::not_measured("the agent takes part in another run")
                .hint("wait for its end, or part agents into groups: `--group NAME`");
            return self.fail(&run, &busy);
        }
        let called = self.calls.iter().find(|(called, _)| *called == run);
        let clock = called.map_or_else(Clock::start, |(_, clock)| *clock);
        // Where this is not allowed it is known before the start. It is no interval, and passed over.
        let _ = self.bus.publish(&self.subjects.seen(&run), "");
        let index = task.index;
        crate::tell!("run {run}: segment {index} of {}", task.weights.len());
        let (options, told) = (self.options.clone(), self.events.0.clone());
        let of = run.clone();
        let thread = thread::spawn(move || {
            let own = Own {
                files: &options.files,
                variables: &options.variables,
                authorized: options.authorized,
                source_addresses: &options.source_addresses,
                clock,
            };
            let _ = told.send(Event::Prepared(take(&task, &own, &of).map(Box::new)));
        });
        self.session = Some(Session {
            run,
            clock,
            stage: Stage::Preparing,
            heard: clock.now(),
            begins: None,
            index,
            outbox: None,
            stop: Arc::default(),
            thread: Some(thread),
            last_words: None,
            is_over: false,
            why: None,
            is_good: false,
        });
    }

    fn start(&mut self, run: &Name, at: i64) {
        let (bus, subject) = (Arc::clone(&self.bus), self.subjects.seen(run));
        let told = self.events.0.clone();
        let Some(session) = self.of(run) else { return };
        let taken = match std::mem::replace(&mut session.stage, Stage::Driving) {
            Stage::Ready(taken) => taken,
            other => {
                session.stage = other;
                return;
            }
        };
        let start = match guard::start(taken.clock, at) {
            Ok(start) => start,
            Err(error) => {
                session.stage = Stage::Ended;
                return self.fail(run, &error);
            }
        };
        session.begins = Some(start);
        let outbox = Outbox::new(&bus, &subject, session.index, taken.clock);
        session.outbox = Some(outbox.clone());
        let stop = Arc::clone(&session.stop);
        let drive = move || {
            let mut encoder = Encoder::default();
            let mut deliver = |interval: Interval| {
                let Interval { covers, next, is_last, is_cut, seen, used } = interval;
                if let Ok(seen) = encoder.encode(&seen) {
                    let seen = ByteBuf::from(seen);
                    outbox.send(&Told { covers, next, is_last, is_cut, used, seen });
                }
            };
            let ended = taken.prepared.drive(start, &stop, &mut deliver);
            let _ = told.send(Event::Ended(ended));
        };
        match thread::Builder::new().name("segment".into()).spawn(drive) {
            Ok(thread) => session.thread = Some(thread),
            Err(error) => {
                session.stage = Stage::Ended;
                let error =
                    Error::not_measured(format!("can't start the segment's thread: {error}"));
                self.fail(run, &error);
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        let is_stopped = self.stop.load(Ordering::Relaxed);
        let Some(session) = &mut self.session else { return };
        let run = session.run.clone();
        match event {
            Event::Prepared(Ok(taken)) => {
                let ready = taken.ready.clone();
                let is_over = session.is_over || session.stop.load(Ordering::Relaxed);
                session.stage = if is_over { Stage::Ended } else { Stage::Ready(taken) };
                if is_stopped {
                    self.fail(&run, &stopped());
                } else if !is_over {
                    self.say(&run, Said::Ready(ready));
                }
            }
            Event::Prepared(Err(error)) => {
                session.stage = Stage::Ended;
                self.fail(&run, &error);
            }
            Event::Ended(ended) => {
                session.stage = Stage::Ended;
                session.is_good = ended.is_ok() && !is_stopped && !session.is_orphaned();
                if let Err(error) = ended {
                    self.fail(&run, &error);
                } else if is_stopped {
                    self.fail(&run, &stopped());
                }
            }
        }
    }

    fn heard(&mut self, beat: &Message) {
        if let Some(session) = &mut self.session
            && beat.subject == self.subjects.beat(&session.run)
        {
            session.heard = session.clock.now();
        }
    }

    /// Says that it is there, and looks whether its coordinator is.
    fn beat(&mut self) {
        let Some(session) = &mut self.session else { return };
        if let Some(outbox) = session.outbox.as_ref().filter(|_| !session.is_over) {
            outbox.repeat();
        }
        let now = session.clock.now();
        let is_before = session.begins.is_some_and(|begins| now < begins);
        let silence = now.saturating_sub(session.heard);
        let end = if is_before && silence > nanoseconds(LOST) {
            // It has given this agent up by now, and a run that lacks one does not begin.
            Some((LOST, " before the start: it does not begin here"))
        } else {
            session.is_orphaned().then_some((ORPHANED, ": it is over"))
        };
        if let Some((limit, end)) = end.filter(|_| !session.is_over) {
            let (run, limit) = (&session.run, limit.as_secs());
            crate::tell!("run {run}: nothing was heard of its coordinator for {limit} s{end}");
            session.call_off();
        }
        let run = session.run.clone();
        self.say(&run, Said::Beat);
    }
}

impl Session {
    /// Nobody waits for it any more: what is under way is given up, what has not begun does not begin.
    fn call_off(&mut self) {
        self.is_over = true;
        self.stop.store(true, Ordering::Relaxed);
        if matches!(self.stage, Stage::Ready(_)) {
            self.stage = Stage::Ended;
        }
    }

    /// Whether its coordinator was not heard of for so long that it must be gone.
    fn is_orphaned(&self) -> bool {
        self.clock.now().saturating_sub(self.heard) > nanoseconds(ORPHANED)
    }

    /// Whether its coordinator had its time to hear what was seen last.
    fn has_waited(&mut self) -> bool {
        let now = self.clock.now();
        now.saturating_sub(*self.last_words.get_or_insert(now)) > nanoseconds(LAST_WORDS)
    }
}
