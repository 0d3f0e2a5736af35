//! What comes back: bytes, an end, or nothing more.

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};

use super::{INBOX, Key, State, Worker};
use crate::{
    attempt::{Close, Outcome},
    client::packet::Connack,
};

impl Worker {
    /// Reads what is there. `ends`: the broker has closed, so all must be read until that is seen;
    /// otherwise a short read says that nothing is left, and an edge will tell of more.
    pub(super) fn read(&mut self, place: usize, key: Key, ends: bool) {
        loop {
            let Some(connection) = self.connections.get(place) else { return };
            if connection.generation != key.generation() {
                return;
            }
            match recv(&connection.socket, &mut *self.inbox, RecvFlags::empty()) {
                Ok((0, _)) => return self.on_end(place, Close::Fin),
                Ok((count, _)) => {
                    self.on_bytes(place, count);
                    if !ends && count < INBOX {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.on_end(place, Close::Rst),
            }
        }
    }

    fn on_end(&mut self, place: usize, close: Close) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        let close = match (close, &connection.partial) {
            (Close::Fin, Some(_)) => Close::FinInPacket,
            _ => close,
        };
        match connection.state {
            State::Holding => self.drop_session(place, Outcome::Closed(close).code()),
            State::Leaving => self.close(place),
            _ => self.conclude(place, Outcome::Closed(close), now),
        }
    }

    fn on_bytes(&mut self, place: usize, count: usize) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get_mut(place) else { return };
        match connection.state {
            State::Leaving => {}
            State::Holding => self.on_session_bytes(place, count),
            _ => {
                let answer = match &mut connection.partial {
                    None => Connack::read(&self.inbox[..count], self.storm.plan.protocol),
                    Some(partial) => {
                        partial.extend_from_slice(&self.inbox[..count]);
                        Connack::read(partial, self.storm.plan.protocol)
                    }
                };
                match answer {
                    Connack::Complete { code: 0, keep_alive, length } => {
                        self.accept(place, (keep_alive, length), count, now);
                    }
                    Connack::Complete { code, .. } => {
                        self.conclude(place, Outcome::Refused(code), now);
                    }
                    Connack::Wrong(what) => self.conclude(place, Outcome::ProtocolError(what), now),
                    Connack::Incomplete => {
                        let inbox = &self.inbox[..count];
                        connection.partial.get_or_insert_with(|| Box::new(inbox.into()));
                    }
                }
            }
        }
    }
}
