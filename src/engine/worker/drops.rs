//! Connections that the run itself ends, as its events say.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::Worker;
use crate::{
    base::clock::nanoseconds,
    client::{attempt::Code, verdict::ending::Met},
};

/// A connection that an event of the run ended.
const EVENT: Code = Code::Word("event");

impl Worker {
    /// When the next event ends connections.
    pub(super) fn drop_due(&self) -> Option<u64> {
        let event = self.storm.plan.drops.get(self.drops_done)?;
        // Nobody is left to lose a connection, and nobody comes.
        (!self.is_storm_over() || !self.connections.is_empty())
            .then(|| self.storm.start + nanoseconds(event.at))
    }

    /// Ends the connections of the clients that events hit which are due.
    pub(super) fn drop_clients(&mut self, now: u64) {
        while self.drop_due().is_some_and(|due| due <= now) {
            let event = self.storm.plan.drops[self.drops_done];
            self.drops_done += 1;
            let seed = self.storm.plan.mould.seed;
            let held = self.connections.iter().filter(|(_, connection)| {
                connection.held().is_some() && event.hits(connection.bearer.client, seed)
            });
            let places: Vec<usize> = held.map(|(place, _)| place).collect();
            for place in places {
                self.drop_client(place, event.resets, now);
            }
        }
    }

    fn drop_client(&mut self, place: usize, resets: bool, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        if let Some(link) = connection.link.as_ref().filter(|_| resets) {
            // Its end is a reset then.
            let _ = set_socket_linger(link.socket(), Some(Duration::ZERO));
        }
        // It ends here: that its broker is there is as true as before.
        self.leaves_as_witness(place, now);
        self.token_met(place, Met::Us(EVENT), now);
        self.drop_session(place, EVENT);
    }
}
