//! Connections that are over: the broker is given the time to close them first.

use super::{Key, Stage, Worker};
use crate::{
    base::clock::SECOND,
    client::{link::Link, outbox::Outbox, socket::Sent},
};

/// How long a broker may take to close a connection that is over. Brokers that do so at all do it at
/// once, or as soon as they get to it.
const LINGER: u64 = SECOND / 4;

impl Worker {
    /// Lets the broker close first, or resets the connection where the scenario says so. `outbox` is sent before that, as far
    /// as the broker takes it.
    pub(super) fn linger(&mut self, place: usize, mut outbox: Outbox, now: u64) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let is_failed = match &mut connection.link {
            Some(link) => matches!(send_all(link, &mut outbox), Sent::Failed(_)),
            None => true,
        };
        if is_failed || self.storm.resets {
            return self.close(place);
        }
        let is_sent = outbox.is_empty();
        let before = std::mem::replace(&mut connection.stage, Stage::Leaving(outbox));
        self.leaving.push_back((now + LINGER, Key::new(place, connection.generation)));
        self.left_open += 1;
        self.reclaim(before);
        if !is_sent {
            self.hear_of_room(place);
        }
    }

    /// Goes on with what a connection that is over has still to send.
    pub(super) fn send_last(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        if let (Some(link), Stage::Leaving(outbox)) = (&mut connection.link, &mut connection.stage)
        {
            // One that does not take it any more is found closed by the next read.
            let _ = send_all(link, outbox);
        }
    }

    /// Closes the connections that have been over for as long as a broker is given.
    pub(super) fn close_lingering(&mut self, now: u64) {
        while let Some((_, key)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            self.close_if_leaving(key);
        }
    }

    /// Closes the connection that has been over for longest; `false` where there is none.
    pub(super) fn close_one_that_leaves(&mut self) -> bool {
        while let Some((_, key)) = self.leaving.pop_front() {
            if self.close_if_leaving(key) {
                return true;
            }
        }
        false
    }

    /// Closes a connection if it is over, and its broker has not closed it yet.
    fn close_if_leaving(&mut self, key: Key) -> bool {
        let stands = self
            .connections
            .get(key.place())
            .is_some_and(|found| found.generation == key.generation() && found.is_leaving());
        if stands {
            self.close(key.place());
        }
        stands
    }
}

/// Sends what is taken of an outbox; [`Sent::Bytes`] where that was all of it.
pub(super) fn send_all(link: &mut Link, outbox: &mut Outbox) -> Sent {
    while !outbox.is_empty() {
        match link.send_in_session(outbox.outgoing()) {
            Sent::Bytes(count) => outbox.sent(count),
            other => return other,
        }
    }
    Sent::Bytes(0)
}
