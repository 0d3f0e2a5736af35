//! Enhanced authentication while CONNACK is awaited (MQTT 5.0, 4.12): a challenge is answered once, with what CONNECT had.

use super::{SPARES, State, Worker};
use crate::{
    client::{
        packet::{Auth, CONTINUE, authentication_of, put_auth},
        socket::has_closed,
    },
    record::measure::Count,
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
        self.recorder[Count::AuthChallenged] += 1;
        let link = self.connections.get(place).and_then(|connection| connection.link.as_ref());
        let is_over = link.is_some_and(|link| !link.is_layered() && has_closed(link.socket()));
        let mut packet = self.packets.pop().unwrap_or_default();
        packet.clear();
        let Some(opening) = self.opening_mut(place) else { return };
        if is_over {
            (opening.is_challenged, opening.inbound) = (true, None);
            return;
        }
        put_auth(CONTINUE, authentication_of(&opening.packet), &mut packet);
        let connect = std::mem::replace(&mut opening.packet, packet);
        (opening.sent, opening.is_challenged, opening.inbound) = (0, true, None);
        opening.state = State::Sending;
        if self.packets.len() < SPARES {
            self.packets.push(connect);
        }
        self.send_connect(place);
        if self.connections.get(place).is_some_and(|it| it.state() == Some(State::Sending)) {
            self.hear_of_room(place);
        }
    }
}
