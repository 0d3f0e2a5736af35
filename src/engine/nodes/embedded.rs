//! The embedded brokers of a run, which events may stop and start again. One that ends by itself is started again.

use std::{
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    base::{
        clock::SHORT_GLANCE,
        error::{Error, Result},
    },
    servers::broker::{Embedded, KeyNews, Settings},
};

/// How long after its end it is started again.
const AWAY: Duration = Duration::from_secs(1);
/// How often it is started again in a run: one that ends at once would else be started for ever.
const MOST_STARTS: u32 = 3;

/// An embedded broker that ended by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lost {
    /// What it is called.
    pub label: String,
    /// How often it ended.
    pub ended: u32,
    /// How often it was started again.
    pub started: u32,
}

impl Lost {
    /// The same in words.
    pub(in crate::engine) fn words(&self) -> String {
        let Self { label, ended, started } = self;
        let times = |count: u32| match count {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            count => format!("{count} times"),
        };
        let again = match started {
            0 => "it was not started again".to_owned(),
            _ if started == ended => "it was started again each time".to_owned(),
            count => format!("it was started again {}", times(*count)),
        };
        format!("the broker `{label}` ended during the run by itself, {}: {again}", times(*ended))
    }
}

/// The embedded brokers of a run. They end when the last of these is dropped.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Own(Arc<Mutex<Vec<Member>>>);

#[derive(Debug)]
struct Member {
    /// Index among the brokers of the plan.
    broker: usize,
    label: String,
    /// With the address at which it listens: it is started again at the same one.
    settings: Settings,
    /// What it has told of its key set.
    news: Arc<KeyNews>,
    /// `None` while it is stopped.
    running: Option<Embedded>,
    /// No event has stopped it.
    is_wanted: bool,
    /// When it ended by itself, while it is not there.
    ended_at: Option<Instant>,
    /// How often it ended by itself.
    ended: u32,
    /// How often it was started again after that.
    started: u32,
    /// How often that was tried.
    tried: u32,
}

impl Own {
    /// Takes a broker that runs.
    pub(in crate::engine) fn add(
        &self,
        broker: usize,
        label: &str,
        settings: Settings,
        running: Embedded,
        news: Arc<KeyNews>,
    ) {
        let settings = Settings { listen: running.address(), ..settings };
        let label = label.to_owned();
        let running = Some(running);
        self.all().push(Member {
            broker,
            label,
            settings,
            news,
            running,
            is_wanted: true,
            ended_at: None,
            ended: 0,
            started: 0,
            tried: 0,
        });
    }

    /// What they are called, and their process ids.
    pub(in crate::engine) fn processes(&self) -> Vec<(String, i32)> {
        let all = self.all();
        let shown =
            |member: &Member| Some((member.label.clone(), member.running.as_ref()?.pid() as i32));
        all.iter().filter_map(shown).collect()
    }

    /// Starts those again that end by themselves, until the last of these is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(in crate::engine) fn keep(&self) -> Result<()> {
        let own: Weak<Mutex<Vec<Member>>> = Arc::downgrade(&self.0);
        let started = thread::Builder::new().name("keeper".into()).spawn(move || {
            while let Some(own) = own.upgrade() {
                for member in own.lock().iter_mut() {
                    member.look(Instant::now());
                }
                drop(own);
                thread::sleep(SHORT_GLANCE);
            }
        });
        started.map(drop).map_err(|error| {
            Error::not_measured(format!("the embedded brokers have no keeper: {error}"))
        })
    }

    /// Those that have ended by themselves.
    pub(in crate::engine) fn lost(&self) -> Vec<Lost> {
        let mut all = self.all();
        let now = Instant::now();
        let lost = all.iter_mut().filter_map(|member| {
            member.notices_end(now);
            let Member { label, ended, started, .. } = member;
            let (label, ended, started) = (label.clone(), *ended, *started);
            (ended > 0).then_some(Lost { label, ended, started })
        });
        lost.collect()
    }

    /// What those have told that take their keys from a server that is not the run's own, by their index among the brokers
    /// of the plan, with their labels.
    pub(in crate::engine) fn news(&self) -> Vec<(usize, String, Arc<KeyNews>)> {
        let all = self.all();
        let told = all.iter().filter(|member| member.settings.takes_foreign_keys());
        told.map(|member| (member.broker, member.label.clone(), Arc::clone(&member.news))).collect()
    }

    /// Kills one.
    pub(super) fn stop(&self, broker: usize) {
        if let Some(member) = self.all().iter_mut().find(|member| member.broker == broker) {
            member.notices_end(Instant::now());
            (member.running, member.is_wanted, member.ended_at) = (None, false, None);
        }
    }

    /// Starts one again where it was. One that has ended by itself meanwhile and is back runs already.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn start(&self, broker: usize) -> Result<()> {
        let mut all = self.all();
        if let Some(member) = all.iter_mut().find(|member| member.broker == broker) {
            member.notices_end(Instant::now());
            (member.is_wanted, member.ended_at) = (true, None);
            if member.running.is_none() {
                member.news.started_again();
                member.running = Some(Embedded::start(&member.settings, &member.news)?);
            }
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Member>> {
        self.0.lock()
    }
}

impl Member {
    /// Takes down that it has ended by itself, where it has.
    fn notices_end(&mut self, now: Instant) {
        if self.running.as_mut().is_some_and(Embedded::has_ended) {
            self.running = None;
            self.ended += 1;
            self.ended_at = Some(now);
        }
    }

    /// Starts it again where it is time.
    fn look(&mut self, now: Instant) {
        self.notices_end(now);
        let is_due = self.ended_at.is_some_and(|ended| now >= ended + AWAY);
        if !is_due || !self.is_wanted || self.tried >= MOST_STARTS {
            return;
        }
        self.tried += 1;
        self.news.started_again();
        match Embedded::start(&self.settings, &self.news) {
            Ok(running) => {
                self.started += 1;
                (self.running, self.ended_at) = (Some(running), None);
            }
            // Its port may be taken for a moment.
            Err(_) => self.ended_at = Some(now),
        }
    }
}
