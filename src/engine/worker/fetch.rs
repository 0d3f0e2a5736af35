//! How an attempt gets a token that nobody minted ahead: fetched from an authorization server, or made at once where its
//! kind has no signature.

use std::sync::Arc;

use super::{
    Key, State, Worker,
    launch::{encode, validity},
};
use crate::{
    client::attempt::{Outcome, Step},
    supply::{
        Ready,
        oauth::{Brought, Fetched},
    },
    token::{Minter, Password, Times, oracle::shape::Shape},
};

/// A fetch that has come to its end.
#[derive(Debug)]
pub(super) struct Arrival {
    key: Key,
    fetched: Fetched,
}

impl Worker {
    /// Starts an attempt that has no token yet.
    pub(super) fn launch_without_supply(&mut self, client: u64, scheduled: u64, started: u64) {
        let storm = Arc::clone(&self.storm);
        let kind = storm.plan.kind_of(client);
        let at = storm.clock.wall(started);
        let mut packet = self.packets.pop().unwrap_or_default();
        packet.clear();
        if let (true, Some(fetcher)) = (storm.plan.is_fetched(kind), &storm.fetcher) {
            let ready = Ready::elsewhere(client, kind, Password::Given, None, Times::default(), at);
            if let Some(fetched) = fetcher.at_hand(client) {
                let place = self.enter(&ready, (scheduled, started), Step::NotEntered, packet);
                return match fetched {
                    Err(failure) => {
                        self.fail(place, State::Starting, Outcome::TokenFailed(failure.code));
                    }
                    Ok(brought) => self.bring(place, &brought),
                };
            }
            let place = self.enter(&ready, (scheduled, started), Step::Unfinished, packet);
            self.enter_state(place, State::Fetching);
            let key = Key::new(place, self.generation);
            let (reply, signal) = (self.fetched.0.clone(), Arc::clone(&self.signal));
            return fetcher.ask(client, started + storm.timeout, move |fetched| {
                // Nobody waits any more when the run is over.
                if reply.send(Arrival { key, fetched }).is_ok() {
                    signal.ring();
                }
            });
        }
        self.renewed.clear();
        let minter = match &mut self.minter {
            Some(minter) => Ok(minter),
            none => Minter::new(&storm.plan.mould).map(|minter| none.insert(minter)),
        };
        let minted = minter.and_then(|minter| {
            minter.mint(kind, storm.plan.minted_as(client), at, &mut self.renewed)
        });
        let is_minted = minted.is_ok();
        let (password, times) = minted.unwrap_or((Password::Absent, Times::default()));
        let ready = Ready::elsewhere(client, kind, password, None, times, at);
        let encoded = encode(&storm.plan, &ready, &self.renewed, &mut self.scratch, &mut packet);
        let place = self.enter(&ready, (scheduled, started), Step::NotEntered, packet);
        if is_minted {
            self.set_out(place, encoded);
        } else {
            self.fail(place, State::Starting, Outcome::LocalError("no_token"));
        }
    }

    /// Goes on with the attempts whose fetches have come to an end.
    pub(super) fn on_tokens(&mut self) {
        while let Ok(Arrival { key, fetched }) = self.fetched.1.try_recv() {
            let place = key.place();
            let Some(connection) = self.connections.get_mut(place).filter(|found| {
                found.generation == key.generation() && found.state() == Some(State::Fetching)
            }) else {
                continue;
            };
            let Some(opening) = connection.opening_mut() else { continue };
            match fetched {
                Err(failure) => {
                    self.fail(place, State::Fetching, Outcome::TokenFailed(failure.code));
                }
                Ok(brought) => {
                    opening.token = Step::At(self.storm.clock.now());
                    self.bring(place, &brought);
                }
            }
        }
    }

    /// Sends an attempt on its way with the token that it fetched.
    pub(super) fn bring(&mut self, place: usize, Brought { token, said }: &Brought) {
        let storm = Arc::clone(&self.storm);
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (client, kind) = (connection.client, usize::from(connection.kind));
        let Some(opening) = connection.opening_mut() else { return };
        opening.state = State::Starting;
        opening.key = token.key;
        opening.is_jwt = matches!(token.shape, Shape::Jwt(_));
        opening.terms.said = Some(*said);
        opening.terms.validity = validity(storm.clock, token.times);
        let at = opening.minted_for;
        let ready = Ready::elsewhere(client, kind, Password::Given, token.key, token.times, at);
        let packet = &mut opening.packet;
        let encoded = encode(&storm.plan, &ready, &token.bytes, &mut self.scratch, packet);
        self.set_out(place, encoded);
    }
}
