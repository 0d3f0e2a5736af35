//! Connections that the run itself ends, as its events say.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::{Connection, Key, STARTS_IN_A_ROW, Worker};
use crate::{
    base::clock::nanoseconds,
    client::{attempt::Code, verdict::ending::Met},
};

/// A connection that an event of the run ended.
const EVENT: Code = Code::Word("event");

/// How far a worker is with the events that end connections.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// Events that were begun.
    begun: usize,
    /// Connections that the last of them hits, and that are still to be ended.
    left: Vec<Key>,
}

impl Worker {
    /// When an event next ends connections.
    pub(super) fn drop_due(&self) -> Option<u64> {
        if !self.drops.left.is_empty() {
            return Some(self.storm.clock.now());
        }
        let event = self.storm.plan.drops.get(self.drops.begun)?;
        // Nobody is left to lose a connection, and nobody comes.
        (!self.is_storm_over() || !self.connections.is_empty())
            .then(|| self.storm.start + nanoseconds(event.at))
    }

    /// Ends the connections of the clients that events hit which are due: some at a time, so that others are served meanwhile,
    /// and each at the instant at which it is ended.
    pub(super) fn drop_clients(&mut self, now: u64) {
        while self.drops.left.is_empty() && self.drop_due().is_some_and(|due| due <= now) {
            let event = self.storm.plan.drops[self.drops.begun];
            self.drops.begun += 1;
            let seed = self.storm.plan.mould.seed;
            let held = self.connections.iter().filter(|(_, connection)| {
                connection.held().is_some() && event.hits(connection.bearer.client, seed)
            });
            self.drops.left = held.map(|(place, held)| Key::new(place, held.generation)).collect();
        }
        let Some(event) = self.drops.begun.checked_sub(1) else { return };
        let resets = self.storm.plan.drops[event].resets;
        for _ in 0..STARTS_IN_A_ROW {
            let Some(key) = self.drops.left.pop() else { return };
            self.drop_client(key, resets);
        }
    }

    fn drop_client(&mut self, key: Key, resets: bool) {
        let (place, now) = (key.place(), self.storm.clock.now());
        let is_it = |it: &&Connection| it.generation == key.generation() && it.held().is_some();
        let Some(connection) = self.connections.get(place).filter(is_it) else { return };
        if let Some(link) = connection.link.as_ref().filter(|_| resets) {
            // Its end is a reset then.
            let _ = set_socket_linger(link.socket(), Some(Duration::ZERO));
        }
        // It ends here: that its broker is there is as true as before.
        self.leaves_as_witness(place, now);
        self.token_met(place, Met::Us(EVENT), now);
        self.auth_cut(place, resets, now);
        self.drop_session(place, EVENT);
    }
}
