//! Enhanced authentication while CONNACK is awaited (MQTT 5.0, 4.12): a challenge is answered once, with what CONNECT had.

use super::{Key, SPARES, State, Worker};
use crate::{
    client::{
        attempt::Outcome,
        outbox::Outbox,
        packet::{
            Auth, CONTINUE, Connack, FirstPacket, authentication_of, method_of_auth,
            properties_of_auth, put_auth,
        },
        session::{Session, Settings},
        socket::has_closed,
    },
    record::measure::Count,
    supply::source::Order,
};

/// What is wrong with an AUTH that came before CONNACK; `own` is the method that CONNECT named, where it did.
/// `is_challenged`: one was answered before.
pub(super) fn wrong(
    auth: &Auth<'_>,
    (state, is_challenged): (State, bool),
    own: Option<&str>,
) -> Option<&'static str> {
    match own {
        None => Some("another_packet"),
        Some(_) if auth.code != CONTINUE => Some("auth_code"),
        // A method of two rounds: what its second answer is nobody here knows.
        Some(_) if is_challenged => Some("auth_continue"),
        Some(_) if state != State::Awaiting => Some("before_connect"),
        // Some brokers leave it out.
        Some(own) => auth.method.is_some_and(|method| method != own).then_some("auth_method"),
    }
}

impl Worker {
    /// Answers a challenge, unless the broker has closed behind it: then an answer would only have it reset.
    pub(super) fn answer_challenge(&mut self, place: usize) {
        // Once an attempt: whoever has its AUTH under way was asked in CONNECT, if at all.
        let is_again = self.opening_mut(place).is_some_and(|opening| opening.is_again);
        self.recorder[Count::AuthChallenged] += u64::from(!is_again);
        let link = self.connections.get(place).and_then(|connection| connection.link.as_ref());
        let is_over = link.is_some_and(|link| !link.is_layered() && has_closed(link.socket()));
        let mut packet = self.packets.pop().unwrap_or_default();
        packet.clear();
        let Some(opening) = self.opening_mut(place) else { return };
        if is_over {
            (opening.is_challenged, opening.inbound) = (true, None);
            return;
        }
        let properties = if opening.is_again {
            properties_of_auth(&opening.packet)
        } else {
            authentication_of(&opening.packet)
        };
        put_auth(CONTINUE, properties, &mut packet);
        opening.is_challenged = true;
        self.send_next(place, packet);
    }

    /// Sends another packet in place of the one that is answered; what comes then is the answer to it.
    fn send_next(&mut self, place: usize, packet: Vec<u8>) {
        let Some(opening) = self.opening_mut(place) else { return };
        let answered = std::mem::replace(&mut opening.packet, packet);
        (opening.sent, opening.inbound, opening.state) = (0, None, State::Sending);
        if self.packets.len() < SPARES {
            self.packets.push(answered);
        }
        self.send_connect(place);
        if self.connections.get(place).is_some_and(|it| it.state() == Some(State::Sending)) {
            self.hear_of_room(place);
        }
    }

    /// Orders the good token that an attempt connects with which is about another one, in AUTH.
    pub(super) fn order_good(&mut self, place: usize) {
        let now = self.storm.clock.now();
        let Some(connection) = self.connections.get(place) else { return };
        let (bearer, ticket) = (connection.bearer, Key::new(place, connection.generation).data());
        let Some(kind) = self.storm.plan.good_kind() else { return self.abandon(place) };
        self.enter_state(place, State::Ordering);
        let deadline = now + self.storm.timeout;
        self.source.mint(Order { bearer, kind, at: now, deadline, ticket, may_wait: false });
    }

    /// An attempt that is about a token in AUTH was let in: sends that.
    pub(super) fn send_auth(&mut self, place: usize, auth: Vec<u8>) {
        let Some(opening) = self.opening_mut(place) else { return };
        (opening.arrived, opening.is_again, opening.is_challenged) = (0, true, false);
        self.send_next(place, auth);
    }

    /// An AUTH that an attempt is about has its answer: whoever is let in leaves.
    pub(super) fn again_ended(&mut self, place: usize, outcome: Outcome, now: u64) {
        if outcome != Outcome::Accepted {
            return self.conclude(place, outcome, now);
        }
        let Some(connection) = self.connections.get(place) else { return };
        let (kind, bearer) = (usize::from(connection.kind), connection.bearer);
        let protocol = self.storm.plan.mould.kinds[kind].protocol;
        let settings = Settings {
            protocol,
            keep_alive: self.storm.keep_alive,
            leaves_at: now,
            renews_at: None,
            expiry: None,
            salt: bearer.client,
        };
        let session = Session::new(settings, &Connack::default(), Outbox::default(), now);
        self.accept(place, (session, now), 0..0, now);
    }
}

/// What answers an AUTH that an attempt is about; `own` is the method of the connection, `sent` the AUTH. `None` where it goes
/// on.
pub(super) fn answer_to_again(
    first: &FirstPacket<'_>,
    own: Option<&str>,
    sent: &[u8],
) -> Option<Outcome> {
    match first {
        FirstPacket::Auth(auth, _) if auth.code == 0 => {
            let is_known = auth.method == own || auth.method == method_of_auth(sent);
            let is_other = auth.method.is_some() && !is_known;
            let wrong = Outcome::ProtocolError("auth_method");
            Some(if is_other { wrong } else { Outcome::Accepted })
        }
        FirstPacket::Connack(..) => Some(Outcome::ProtocolError("second_connack")),
        FirstPacket::Disconnect(code) => Some(Outcome::Refused(*code)),
        FirstPacket::Auth(..) | FirstPacket::Wrong(_) | FirstPacket::Incomplete => None,
    }
}
