//! The coordinator's ear during the storm: takes what agents tell, passes it on in order, and notices who is lost.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, select};

use super::{
    LOST, SILENT, Subjects,
    member::Member,
    message::{FromAgent, Order, Part, Said, ToAgent, Told, bytes, read},
};
use crate::{
    attempt::Phase,
    bus::{Bus, Message},
    clock::{Clock, SECOND, nanoseconds},
    engine::Report,
    measure::{Measurements, wire::Decoder},
};

/// How often is looked who is lost.
const GLANCE: Duration = Duration::from_millis(100);
/// How long agents may take to end when they are told to.
const ENDING: u64 = 10 * SECOND;

/// What coordinator and relay share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) members: Mutex<Vec<Member>>,
    /// What the user should know, once.
    pub(super) news: Mutex<Vec<String>>,
    /// When agents were told to end; 0 before.
    pub(super) ending: AtomicU64,
    /// The run is over.
    pub(super) over: AtomicBool,
}

impl Shared {
    pub(super) fn members(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, news: String) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }
}

/// Listens during the storm.
pub(super) struct Relay {
    pub(super) shared: Arc<Shared>,
    pub(super) bus: Arc<Bus>,
    pub(super) subjects: Subjects,
    pub(super) run: String,
    pub(super) said: Receiver<Message>,
    pub(super) seen: Receiver<Message>,
    pub(super) lanes: Vec<Option<Sender<Report>>>,
    /// A recorder of the run's shape.
    pub(super) empty: Measurements,
    pub(super) clock: Clock,
    pub(super) start: u64,
    pub(super) decoder: Decoder,
}

impl Relay {
    /// Until the run is over.
    pub(super) fn run(mut self) {
        let mut looked = self.clock.now();
        while !self.shared.over.load(Ordering::Acquire) {
            let (said, seen) = (self.said.clone(), self.seen.clone());
            select! {
                recv(seen) -> message => if let Ok(message) = message { self.on_seen(&message.payload) },
                recv(said) -> message => if let Ok(message) = message { self.on_said(&message.payload) },
                default(GLANCE) => {}
            }
            let now = self.clock.now();
            if now.saturating_sub(looked) > nanoseconds(GLANCE) {
                // Where this program itself was stopped, it has heard nobody.
                self.look(now, now - looked > SECOND);
                looked = now;
            }
        }
    }

    fn order(&self, agent: &str, order: Order) {
        let message = ToAgent { run: self.run.clone(), order };
        self.bus.publish(&self.subjects.agent(agent), bytes(&message));
    }

    fn on_said(&mut self, payload: &[u8]) {
        let Some(FromAgent { agent, said }) = read(payload) else { return };
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let Some(index) = members.iter().position(|member| member.name() == agent) else { return };
        let member = &mut members[index];
        if member.lost.is_some() {
            self.order(&agent, Order::Over);
            return;
        }
        member.heard = self.clock.now();
        if let Said::Failed { why, .. } = said {
            self.lose(index, &mut members[index], &format!("it said: {why}"));
        }
    }

    fn on_seen(&mut self, payload: &[u8]) {
        let Ok((head, rest)) = postcard::take_from_bytes::<Part>(payload) else { return };
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let Some(member) = members.get_mut(head.index) else { return };
        if member.lost.is_some() {
            // Its share is told of as lost: what comes now would make that wrong.
            self.order(member.name(), Order::Over);
            return;
        }
        member.heard = self.clock.now();
        let is_known = head.number < member.next || member.early.contains_key(&head.number);
        if is_known {
            self.order(member.name(), Order::Heard { number: head.number });
            return;
        }
        let Some(whole) = member.inbox.take(head, rest) else { return };
        self.order(member.name(), Order::Heard { number: head.number });
        match postcard::from_bytes::<Told>(&whole) {
            Ok(told) => {
                member.early.insert(head.number, told);
            }
            Err(_) => return self.lose(head.index, member, "what it told can't be read"),
        }
        while let Some(told) = member.early.remove(&member.next) {
            member.next += 1;
            if let Err(why) = self.pass_on(head.index, member, told) {
                return self.lose(head.index, member, &format!("what it saw is {why}"));
            }
        }
    }

    /// Hands an interval to the collector.
    fn pass_on(
        &mut self,
        index: usize,
        member: &mut Member,
        told: Told,
    ) -> Result<(), crate::measure::wire::Unreadable> {
        let mut seen = Box::new(self.empty.alike());
        self.decoder.decode(&told.seen, &mut seen)?;
        seen.moved(self.start as i64);
        member.told = self.clock.now();
        member.second = told.next;
        member.started += seen.started;
        member.attempts += seen.attempts();
        member.abandoned += seen.abandoned;
        seen.add_phase(Phase::StartDelay, member.delays());
        member.used = told.used;
        let Told { covers, next, is_last, .. } = told;
        if let Some(lane) = &self.lanes[index] {
            // Nobody collects any more only where the run has failed already.
            let _ = lane.send(Report { covers, next, seen, is_last });
        }
        if is_last {
            member.is_done = true;
            self.lanes[index] = None;
        }
        Ok(())
    }

    /// Notices who was not heard of for too long.
    fn look(&mut self, now: u64, was_deaf: bool) {
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let ending = shared.ending.load(Ordering::Acquire);
        for (index, member) in members.iter_mut().enumerate() {
            if member.is_done || member.lost.is_some() {
                continue;
            }
            if was_deaf {
                (member.heard, member.told) = (now, now);
            }
            let since = |at: u64| now.saturating_sub(at);
            let is_started = now > self.start;
            if since(member.heard) > nanoseconds(LOST) {
                let what = match self.bus.stands() {
                    true => "nothing was heard of it",
                    false => "the connection to NATS is gone",
                };
                self.lose(
                    index,
                    member,
                    &format!("{what} for {:.1} s", since(member.heard) as f64 / 1e9),
                );
            } else if is_started && since(member.told.max(self.start)) > nanoseconds(SILENT) {
                self.lose(
                    index,
                    member,
                    &format!("it told of no second for {} s", SILENT.as_secs()),
                );
            } else if ending > 0 && since(ending) > ENDING {
                self.lose(index, member, "it did not end when it was told to");
            }
        }
    }

    /// An agent is lost: what it sent is kept, what it had under way is given up.
    fn lose(&mut self, index: usize, member: &mut Member, why: &str) {
        if member.is_done || member.lost.is_some() {
            return;
        }
        member.lost = Some((member.heard.max(self.start), why.to_owned()));
        self.order(member.name(), Order::Over);
        self.shared.tell(format!("agent {} is lost: {why}", member.shown()));
        let mut seen = Box::new(self.empty.alike());
        seen.abandoned = member.started.saturating_sub(member.attempts + member.abandoned);
        if let Some(lane) = self.lanes[index].take() {
            let covers = member.second;
            let _ = lane.send(Report { covers, next: covers, seen, is_last: true });
        }
    }
}
