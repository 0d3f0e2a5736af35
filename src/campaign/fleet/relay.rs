//! The coordinator's ear during the storm: takes what agents tell, passes it on in order, and notices who is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crossbeam_channel::{Receiver, Sender, select};

use super::{
    BEAT, LOST, SILENT, Subjects,
    inbox::Came,
    member::{Member, is_plausible},
    message::{FromAgent, Order, Part, Said, ToAgent, Told, bytes, read},
    name::Name,
};
use crate::{
    base::{
        bus::{Bus, Message, news::News},
        clock::{Clock, SECOND, nanoseconds},
        error::{Error, plain::line},
        numbers::nanos,
    },
    client::attempt::Phase,
    engine::Report,
    record::measure::{Measurements, wire::Decoder},
};

/// How often is looked who is lost.
const GLANCE: Duration = Duration::from_millis(100);
/// How long an agent may be silent where the user wants an end: two beats.
const SILENT_AT_THE_END: u64 = SECOND;
/// How long agents may take to end when they are told to.
const ENDING: u64 = 10 * SECOND;
/// How far an agent's instants may be from this storm.
const SLACK: u64 = 60 * SECOND;

/// What coordinator and relay share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) members: Mutex<Vec<Member>>,
    /// What the user should know, once.
    pub(super) news: Mutex<Vec<String>>,
    /// Why the run can't start any more.
    pub(super) failure: Mutex<Option<Error>>,
    /// The same in words, for the agents.
    pub(super) told: Mutex<Option<String>>,
    /// When agents were told to end; 0 before.
    pub(super) ending: AtomicU64,
    /// The run is over.
    pub(super) over: AtomicBool,
}

impl Shared {
    pub(super) fn members(&self) -> parking_lot::MutexGuard<'_, Vec<Member>> {
        self.members.lock()
    }

    pub(super) fn tell(&self, news: String) {
        self.news.lock().push(news);
    }

    /// The run can't start any more: the first reason holds.
    pub(super) fn fail(&self, why: Error) {
        let mut told = self.told.lock();
        told.get_or_insert_with(|| why.to_string());
        self.failure.lock().get_or_insert(why);
    }

    /// Why the run can't start any more, if so.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    /// That, in words.
    pub(super) fn told(&self) -> Option<String> {
        self.told.lock().take()
    }
}

/// Listens during the storm.
pub(super) struct Relay {
    pub(super) shared: Arc<Shared>,
    pub(super) bus: Arc<Bus>,
    pub(super) subjects: Subjects,
    pub(super) run: Name,
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
                recv(said) -> message => if let Ok(message) = message {
                    // What was seen before it was said comes first; what comes meanwhile does not.
                    for message in (0..self.seen.len()).map_while(|_| seen.try_recv().ok()) {
                        self.on_seen(&message.payload);
                    }
                    self.on_said(&message.payload);
                },
                default(GLANCE) => {}
            }
            for news in self.bus.news() {
                self.shared.tell(news.words());
                if news == News::Back {
                    // What they say now takes as long to come as it does when nothing has happened.
                    let now = self.clock.now();
                    for member in self.shared.members().iter_mut() {
                        (member.heard, member.told) = (now, now);
                    }
                }
            }
            let now = self.clock.now();
            if now.saturating_sub(looked) > nanoseconds(GLANCE) {
                // Where this program itself was stopped, it has heard nobody.
                self.look(now, now - looked > SECOND);
                looked = now;
            }
        }
    }

    fn order(&self, agent: &Name, order: Order) {
        let message = ToAgent { run: self.run.clone(), order };
        // Short, and what it is about is noticed where it does not come.
        let _ = self.bus.publish(&self.subjects.agent(agent), bytes(&message));
    }

    fn on_said(&mut self, payload: &[u8]) {
        let Some(FromAgent { agent, said }) = read(payload) else { return };
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let Some(index) = members.iter().position(|member| *member.name() == agent) else { return };
        let member = &mut members[index];
        if member.lost.is_some() {
            self.order(&agent, Order::Over { why: None });
            return;
        }
        member.heard = self.clock.now();
        if let Said::Failed { why, .. } = said {
            self.lose(index, &mut members[index], &format!("it said: {}", line(&why.to_string())));
        }
    }

    fn on_seen(&mut self, payload: &[u8]) {
        let Ok((head, rest)) = postcard::take_from_bytes::<Part>(payload) else { return };
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let Some(member) = members.get_mut(head.index) else { return };
        if member.lost.is_some() {
            // Its share is told of as lost: what comes now would make that wrong.
            self.order(member.name(), Order::Over { why: None });
            return;
        }
        member.heard = self.clock.now();
        if member.inbox.take(head, rest) == Came::Part {
            return;
        }
        self.order(member.name(), Order::Heard { number: head.number });
        while let Some(whole) = member.inbox.next() {
            if let Err(why) = self.pass_on(head.index, member, &whole) {
                // Nothing behind it is to be believed.
                member.inbox.rest();
                return self.lose(head.index, member, &format!("what it told is {why}"));
            }
        }
    }

    /// Hands an interval to the collector.
    ///
    /// # Errors
    /// When it is none of this agent and this storm: what it is; nothing of it has been handed on.
    fn pass_on(&mut self, index: usize, member: &mut Member, whole: &[u8]) -> Result<(), String> {
        if member.is_done {
            return Err("of a time after its end".into());
        }
        let told: Told = postcard::from_bytes(whole).map_err(|_| "no interval")?;
        let mut seen = Box::new(self.empty.alike());
        self.decoder.decode(&told.seen, &mut seen).map_err(|error| error.to_string())?;
        seen.moved(self.start as i64);
        let now = self.clock.now();
        // Clocks of agents are known to within a round trip; what is further off is no time of this storm.
        let soonest = self.start.saturating_sub(SLACK);
        let seconds = now.saturating_sub(self.start) / SECOND + SLACK / SECOND;
        let &Told { covers, next, is_last, is_cut, used, .. } = &told;
        let is_in_order = (member.second..=seconds).contains(&covers)
            && (covers + 1..=seconds + 1).contains(&next);
        if !is_in_order || !seen.lies_within(soonest, now + SLACK, self.start) {
            return Err("of another time".into());
        }
        if !is_plausible(&used) {
            return Err("of more CPU and memory than there is".into());
        }
        member.account.add(&seen, covers, is_last)?;
        member.told = now;
        member.second = next;
        member.lot.add(&seen, covers);
        if let Some(late) = seen.latency(Phase::StartDelay, None, None, None).times {
            // Of bounds that are no higher, so adding can't fail.
            let _ = member.delays().add(late);
        }
        member.uses(used);
        if let Some(lane) = &self.lanes[index] {
            // Nobody collects any more only where the run has failed already.
            let _ = lane.send(Report { covers, next, seen, is_last });
        }
        if is_last {
            member.is_done = true;
            self.lanes[index] = None;
            if is_cut && self.shared.ending.load(Ordering::Acquire) == 0 {
                // Nobody here has told it to: what it did not start is missing.
                self.miss(
                    member,
                    "it ended before its time: it was stopped, or took its coordinator for gone",
                );
            }
        }
        Ok(())
    }

    /// Notices who was not heard of for too long.
    fn look(&mut self, now: u64, was_deaf: bool) {
        let shared = Arc::clone(&self.shared);
        let mut members = shared.members();
        let ending = shared.ending.load(Ordering::Acquire);
        let are_silent = all_are_silent(&members, now);
        for (index, member) in members.iter_mut().enumerate() {
            if member.is_done || member.lost.is_some() {
                continue;
            }
            if was_deaf {
                (member.heard, member.told) = (now, now);
            }
            // Said again, as NATS promises no delivery; one that has heard it does nothing new.
            if now < self.start {
                self.order(member.name(), Order::Start { at: self.clock.wall(self.start) });
            }
            if ending > 0 {
                self.order(member.name(), Order::Stop);
            }
            let since = |at: u64| now.saturating_sub(at);
            let is_started = now > self.start;
            let longest = if ending > 0 { SILENT_AT_THE_END } else { nanoseconds(LOST) };
            let why = if since(member.heard) > longest {
                let what = match (self.bus.stands(), are_silent) {
                    (false, _) => "the coordinator's connection to NATS is gone",
                    (true, true) => {
                        "nothing was heard of any agent, which is the coordinator's path to NATS, or NATS itself,"
                    }
                    (true, false) => "nothing was heard of it",
                };
                format!("{what} for {}", nanos(since(member.heard) as f64))
            } else if is_started && since(member.told.max(self.start)) > nanoseconds(SILENT) {
                format!("it told of no second for {} s", SILENT.as_secs())
            } else if ending > 0 && since(ending) > ENDING {
                "it did not end when it was told to".to_owned()
            } else {
                continue;
            };
            self.lose(index, member, &why);
        }
    }

    /// Notes that the run lacks a part, and tells the one that had it. A run that has not begun does not begin then.
    fn miss(&self, member: &mut Member, why: &str) {
        if self.clock.now() < self.start && self.shared.ending.load(Ordering::Acquire) == 0 {
            self.shared.fail(lost_before(member, why));
        }
        member.lost = Some((member.heard.max(self.start), why.to_owned()));
        self.over(member, why);
        self.shared.tell(format!("agent {} is lost: {why}", member.shown()));
    }

    /// Tells an agent that the run is over for it.
    fn over(&self, member: &Member, why: &str) {
        let why = Some(format!("this agent counts as lost: {why}").into());
        self.order(member.name(), Order::Over { why });
    }

    /// An agent is lost: what it sent is kept, what it had under way is given up. So each attempt that it told of has an
    /// outcome or was given up, and the rest of its share was not started.
    fn lose(&mut self, index: usize, member: &mut Member, why: &str) {
        if member.is_done || member.lost.is_some() {
            return;
        }
        // What has come is told of, also where something before it is missing, as far as it can be without that.
        for whole in member.inbox.rest() {
            if self.pass_on(index, member, &whole).is_err() || member.is_done {
                break;
            }
        }
        if member.account.is_complete() {
            // Of its attempts nothing is missing; of sessions that it still held, ends may be.
            member.lost = Some((member.heard.max(self.start), why.to_owned()));
            self.over(member, why);
            self.shared.tell(format!(
                "agent {} is gone ({why}); all of its attempts are known",
                member.shown()
            ));
        } else if member.lost.is_none() {
            self.miss(member, why);
        }
        let mut seen = Box::new(self.empty.alike());
        member.account.close(&mut seen);
        if let Some(lane) = self.lanes[index].take() {
            let covers = member.second;
            let _ = lane.send(Report { covers, next: covers, seen, is_last: true });
        }
    }
}

/// Whether all that are waited for have been silent for as long as it takes to be lost, or nearly: that happens to several at
/// once where they are not the cause.
fn all_are_silent(members: &[Member], now: u64) -> bool {
    let waited_for = || members.iter().filter(|member| !member.is_done && member.lost.is_none());
    let is_silent =
        |member: &Member| now.saturating_sub(member.heard) > nanoseconds(LOST.saturating_sub(BEAT));
    waited_for().count() > 1 && waited_for().all(is_silent)
}

/// That the run does not begin, since an agent is lost.
pub(super) fn lost_before(member: &Member, why: &str) -> Error {
    Error::not_measured(format!("agent {} was lost before the start: {why}", member.shown()))
        .hint("nothing was measured: start the agent again, and the run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::fleet::capacity::Capacity;

    fn heard(at: &[u64]) -> Vec<Member> {
        let here = Capacity::here(&Name::of("a").unwrap(), None, &[], true);
        at.iter().map(|at| Member::new(here.clone(), 1, *at)).collect()
    }

    #[test]
    fn all_agents_are_silent_where_none_that_is_waited_for_was_heard_shortly_before() {
        let now = 100 * SECOND;
        let long = now - 4 * SECOND;
        assert!(all_are_silent(&heard(&[long, long + SECOND / 10, long + SECOND / 3]), now));
        assert!(!all_are_silent(&heard(&[long, now - SECOND]), now), "another one speaks");
        assert!(!all_are_silent(&heard(&[long]), now), "one alone says nothing of the path");
        let mut members = heard(&[long, long, now]);
        members[2].is_done = true;
        assert!(all_are_silent(&members, now), "who is done is not waited for");
    }
}
