//! Turns of connections on which more comes than is read at one time, so that none keeps its worker from the others.
//!
//! An edge of epoll is told once. Whoever stops reading before the socket is empty has to come back by himself: such
//! connections stand in a list, and a worker does not sleep while somebody does.

use rustix::event::epoll::EventFlags;

use super::{Connection, Key, More, Worker};

/// Nanoseconds that turns may take before events are looked at again: what an arrival may be late by for their sake.
pub(super) const TURNS: u64 = 1_000_000;

impl Worker {
    /// Has a connection wait for its next turn, behind all that wait already.
    pub(super) fn list(&mut self, key: Key, ends: bool) {
        let Some(connection) = self.current(key) else { return };
        let more = if ends { More::ToTheEnd } else { More::Listed };
        let before = connection.more;
        connection.more = before.max(more);
        if before == More::No {
            self.listed.push_back(key);
        }
    }

    /// The same, where its layers have read as much as they may in one turn.
    pub(super) fn list_if_spent(&mut self, key: Key, ends: bool) {
        let is_spent = |connection: &mut Connection| {
            connection.link.as_ref().is_some_and(crate::client::link::Link::is_spent)
        };
        if self.current(key).is_some_and(is_spent) {
            self.list(key, ends);
        }
    }

    /// Gives each that is listed a turn, as far as there is time.
    pub(super) fn take_turns(&mut self) {
        if self.listed.is_empty() {
            return;
        }
        let until = self.storm.clock.now() + TURNS;
        for _ in 0..self.listed.len() {
            let Some(key) = self.listed.pop_front() else { return };
            if let Some(connection) = self.current(key) {
                let flags = match std::mem::replace(&mut connection.more, More::No) {
                    More::ToTheEnd => EventFlags::IN | EventFlags::RDHUP,
                    More::Listed | More::No => EventFlags::IN,
                };
                // That there is room may have been told meanwhile, and not been heard.
                self.on_event(key, flags | EventFlags::OUT);
            }
            if self.storm.clock.now() >= until || self.signal.is_stopped() {
                return;
            }
        }
    }

    /// The connection with this key, if that is still there.
    fn current(&mut self, key: Key) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(key.place())?;
        (connection.generation == key.generation()).then_some(connection)
    }
}
