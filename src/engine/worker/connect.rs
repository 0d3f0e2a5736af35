//! How an attempt gets to its broker: the name looked up, the socket opened, the layers brought about,
//! CONNECT sent.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rustix::{
    event::epoll::{self, EventData, EventFlags},
    net::sockopt::set_socket_linger,
};

use super::{Key, SPARES, Stage, State, Worker, ways::Way};
use crate::{
    base::host::loopback::is_loopback,
    client::{
        OwnPart, Progress, Received, TURN,
        attempt::{Close, Outcome},
        link::Link,
        port::PortWalk,
        socket::{self, Sent},
    },
    engine::resolver::Ask,
    record::measure::signs::Site,
    scenario::TokenIn,
    token::Bearer,
};

/// What epoll tells of every connection, once a change.
const HEARD: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

impl Worker {
    /// Ends an attempt that never got a socket, in this state.
    pub(super) fn fail(&mut self, place: usize, state: State, outcome: Outcome) {
        self.enter_state(place, state);
        self.conclude(place, outcome, self.storm.clock.now());
    }

    /// Asks for the addresses of the broker's name.
    pub(super) fn look_up(&mut self, key: Key, host: &Arc<str>, port: u16) {
        let Some(opening) = self.opening_mut(key.place()) else { return };
        opening.state = State::Resolving;
        let started = opening.started;
        let ask = Ask {
            host: Arc::clone(host),
            port,
            key,
            asked: self.storm.clock.now(),
            deadline: started + self.storm.timeout,
            reply: self.reply.clone(),
            signal: Arc::clone(&self.signal),
        };
        if self.storm.resolver.as_ref().is_none_or(|resolver| resolver.send(ask).is_err()) {
            self.fail(key.place(), State::Resolving, Outcome::LocalError("resolver"));
        }
    }

    /// Goes on with the attempts whose names have been looked up.
    pub(super) fn on_names(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.recorder.looked_up(answer.waited);
            let place = answer.key.place();
            let Some(connection) = self.connections.get_mut(place).filter(|found| {
                found.generation == answer.key.generation()
                    && found.state() == Some(State::Resolving)
            }) else {
                continue;
            };
            let Bearer { client, turn } = connection.bearer;
            // Behind a name of several, a client goes on to the next.
            let rank = self.storm.plan.spread.rank_of(client).wrapping_add(u64::from(turn));
            let Some(opening) = connection.opening_mut() else { continue };
            match answer.addresses.len() as u64 {
                0 => self.fail(place, State::Resolving, Outcome::TcpFailed("dns")),
                count => {
                    opening.at.dns = self.storm.clock.now();
                    self.open(place, answer.addresses[(rank % count) as usize]);
                }
            }
        }
    }

    /// Opens the socket of an attempt, and sends what it can.
    pub(super) fn open(&mut self, place: usize, address: SocketAddr) {
        // Short of descriptors, a connection that is over gives its own; the last ones are for the results.
        let has_room = self.storm.sockets.load(Ordering::Relaxed) < self.storm.room
            || self.close_one_that_leaves();
        let Some(connection) = self.connections.get_mut(place) else { return };
        let broker = usize::from(connection.broker);
        let Some(opening) = connection.opening_mut() else { return };
        opening.state = State::Connecting;
        let length = opening.packet.len();
        let walks = &mut self.walks[broker];
        let known = walks.iter().position(|(known, ..)| *known == address);
        let at = known.unwrap_or_else(|| {
            let site = Site { broker: broker as u16, address };
            let place = (self.ways.len(), self.storm.origin);
            self.ways.push(Way::new(site, place, &self.storm.knocker));
            let (storm, workers) = (&self.storm, (self.number, self.workers as usize));
            // Whom a client of a segment meets does not follow from its worker's number.
            let is_whole = storm.plan.segment.is_none();
            let brokers = if is_whole { storm.plan.spread.in_turn() } else { 1 };
            let sources = storm.plan.sources();
            let walk =
                PortWalk::new(sources, address, &storm.ports, workers, brokers, storm.random);
            walks.push((address, walk, self.ways.len() as u16 - 1));
            walks.len() - 1
        });
        connection.way = walks[at].2;
        let is_plain = self.transports[broker].is_plain();
        let first_packet = if is_plain { length } else { usize::MAX };
        let opened = if has_room {
            socket::open(address, &mut walks[at].1, self.choice, first_packet)
        } else {
            Err(Outcome::LocalError("no_descriptor"))
        };
        match opened {
            Ok(socket) => {
                if self.storm.kernel_time {
                    // Where it does not, times are those of this program, and `receive_delay` says so by its count.
                    socket::ask_for_stamps(&socket);
                }
                if self.storm.resets {
                    // However it is closed from now on, that is a reset.
                    let _ = set_socket_linger(&socket, Some(Duration::ZERO));
                }
                connection.link = Some(Link::new(socket));
                if let Some(occupancy) = &self.storm.occupancy {
                    connection.occupies = true;
                    occupancy.change(self.number, broker, true);
                }
            }
            // What is ours to blame never got as far as the network.
            Err(outcome @ Outcome::LocalError(_)) => {
                return self.fail(place, State::Starting, outcome);
            }
            Err(outcome) => return self.fail(place, State::Connecting, outcome),
        }
        self.storm.sockets.fetch_add(1, Ordering::Relaxed);
        self.sockets += 1;
        if is_loopback(address.ip()) {
            // On loopback the handshake is over when `connect` returns: the first packet goes out at once,
            // and one wake-up an attempt is saved.
            self.advance(place);
        }
        self.watch(place);
    }

    /// Puts a new connection under epoll.
    fn watch(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let Some(link) = &connection.link else { return };
        // Layers may have something to send at any time. Where CONNECT is sent, an event that says so would be one for
        // nothing: whoever has to send more later asks for it then.
        connection.hears_room = connection.state() != Some(State::Awaiting) || link.is_layered();
        let flags = if connection.hears_room { HEARD | EventFlags::OUT } else { HEARD };
        let data = EventData::new_u64(Key::new(place, connection.generation).data());
        if epoll::add(&self.epoll, link.socket(), data, flags).is_err() {
            self.conclude(place, Outcome::LocalError("epoll"), self.storm.clock.now());
        }
    }

    /// Has epoll tell when a connection's socket takes more.
    pub(super) fn hear_of_room(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (Some(link), false) = (&connection.link, connection.hears_room) else { return };
        let data = EventData::new_u64(Key::new(place, connection.generation).data());
        // It is told at once where there is room by now. Where it can't be asked for, the broker gets no more, and its next
        // answer is missed.
        let asked = epoll::modify(&self.epoll, link.socket(), data, HEARD | EventFlags::OUT);
        connection.hears_room = asked.is_ok();
    }

    /// Takes an attempt as far as it gets: through the layers, to CONNECT sent.
    pub(super) fn advance(&mut self, place: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(place) else { return };
            let transport = &self.transports[usize::from(connection.broker)];
            let (Some(link), Stage::Opening(opening)) =
                (&mut connection.link, &mut connection.stage)
            else {
                return;
            };
            let progress = match opening.state {
                State::Standing => return self.stand(place),
                State::Connecting if transport.is_plain() && self.wave.is_some() => {
                    if !socket::is_connected(link.socket()) {
                        return;
                    }
                    let now = self.storm.clock.now();
                    opening.at.tcp = now;
                    opening.state = State::Standing;
                    self.ways[usize::from(connection.way)].taken(&mut self.recorder, now);
                    Progress::Done
                }
                State::Connecting if !transport.is_plain() => {
                    let now = self.storm.clock.now();
                    let upgrade = opening.upgrade.take();
                    let certificate = self
                        .storm
                        .plan
                        .certificate_of(usize::from(connection.kind), connection.bearer.client);
                    let own = OwnPart { upgrade: upgrade.as_deref(), certificate };
                    match link.begin(transport, own) {
                        Sent::Bytes(_) => {
                            opening.at.tcp = now;
                            self.ways[usize::from(connection.way)].taken(&mut self.recorder, now);
                        }
                        Sent::Later => return,
                        Sent::Failed(error) => {
                            return self.conclude(place, socket::failed(error), now);
                        }
                    }
                    Progress::Done
                }
                State::Securing => link.secure(),
                State::Upgrading => link.upgrade(),
                State::Connecting | State::Sending => return self.send_connect(place),
                _ => return,
            };
            match progress {
                Progress::Done if transport.is_plain() => {}
                Progress::Done => self.enter_next(place),
                Progress::Later => {
                    let key = Key::new(place, connection.generation);
                    return self.list_if_spent(key, false);
                }
                Progress::Failed(outcome) => {
                    let now = self.storm.clock.now();
                    if matches!(outcome, Outcome::UpgradeRefused(_)) {
                        // An answer ends the phase, whatever it says.
                        opening.at.ws = now;
                    }
                    return self.conclude(place, outcome, now);
                }
            }
        }
    }

    /// Enters the state after a layer, or after the TCP handshake, is over.
    fn enter_next(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        let transport = &self.transports[usize::from(connection.broker)];
        let (tls, ws) = (transport.tls.is_some(), transport.ws.is_some());
        let ready = if self.wave.is_some() { State::Standing } else { State::Sending };
        let now = self.storm.clock.now();
        let Stage::Opening(opening) = &mut connection.stage else { return };
        opening.state = match opening.state {
            State::Connecting if tls => State::Securing,
            State::Securing => {
                opening.at.tls = now;
                if let Some(handshake) = connection.link.as_ref().and_then(Link::handshake) {
                    self.recorder.shook_hands(usize::from(connection.broker), handshake);
                }
                if ws { State::Upgrading } else { ready }
            }
            State::Upgrading => {
                opening.at.ws = now;
                ready
            }
            _ if ws => State::Upgrading,
            _ => ready,
        };
    }

    /// Sends what is left of CONNECT.
    pub(super) fn send_connect(&mut self, place: usize) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get_mut(place) else { return };
        let (Some(link), Stage::Opening(opening)) = (&mut connection.link, &mut connection.stage)
        else {
            return;
        };
        loop {
            let left = &opening.packet[opening.sent..];
            match if left.is_empty() { link.flush() } else { link.send(left) } {
                Sent::Bytes(count) => {
                    if opening.state == State::Connecting {
                        opening.state = State::Sending;
                        opening.at.tcp = now;
                        self.ways[usize::from(connection.way)].taken(&mut self.recorder, now);
                    }
                    // The verdict is timed from CONNECT, whatever is asked in between.
                    if !opening.is_challenged {
                        opening.sent_at = now;
                    }
                    if left.is_empty() {
                        opening.state = State::Awaiting;
                        if self.storm.plan.token_in == TokenIn::AuthData {
                            return;
                        }
                        opening.sent = 0;
                        let packet = std::mem::take(&mut opening.packet);
                        if self.packets.len() < SPARES {
                            self.packets.push(packet);
                        }
                        return;
                    }
                    opening.sent += count;
                }
                Sent::Later => return,
                Sent::Failed(error) => {
                    let outcome = match opening.state {
                        State::Connecting => socket::failed(error),
                        _ => last_words(link, &mut self.inbox, now),
                    };
                    self.conclude(place, outcome, now);
                    return;
                }
            }
        }
    }
}

/// How an attempt ended whose CONNECT could not be sent: a broker that refuses the client's certificate says so
/// before it resets.
fn last_words(link: &mut Link, inbox: &mut [u8], now: u64) -> Outcome {
    link.wake(true, now);
    let mut left = TURN;
    while left > 0 {
        match link.receive(inbox) {
            Received::Bytes(count, _) => left = left.saturating_sub(count),
            Received::Failed(outcome) => return outcome,
            Received::Later | Received::Closed(_) => break,
        }
    }
    Outcome::Closed(Close::Rst)
}
