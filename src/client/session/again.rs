//! Authentication again on a connection that stands (MQTT 5.0, 4.12.1): one AUTH at a time, and what may answer it.

use super::{Ended, Event, Session, Timer};
use crate::client::packet::{Auth, CONTINUE, method_of_auth, properties_of_auth, put_auth};

/// AUTH: success (MQTT 5.0, 3.15.2.1).
const SUCCESS: u8 = 0;

/// An AUTH that was sent, and has no answer yet.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// It; empty once its time is up.
    packet: Vec<u8>,
    is_challenged: bool,
    /// The client would have left meanwhile: it does when the answer is there.
    pub(super) overstays: bool,
}

impl Again {
    /// Whether its time is up: an answer that comes all the same is passed over.
    fn is_late(&self) -> bool {
        self.packet.is_empty()
    }
}

impl Session {
    /// Authenticates again by this AUTH, which is to be answered by `due`: then [`Event::Authenticated`],
    /// [`Event::Unanswered`] or an end follows. Not to be called while another has no answer.
    pub fn reauthenticate(&mut self, packet: Vec<u8>, due: u64) {
        if self.is_over {
            return;
        }
        self.outbox.push(&packet);
        self.again = Some(Box::new(Again { packet, ..Again::default() }));
        self.timers.set(Timer::Reauth, due);
    }

    /// Whether an AUTH was sent that has no answer, and had none when the session ended.
    pub fn is_authenticating(&self) -> bool {
        self.again.as_ref().is_some_and(|again| !again.is_late())
    }

    /// Whether the ping was not answered yet that follows an AUTH which was: an end now may be about that.
    pub fn has_just_authenticated(&self) -> bool {
        self.has_just_authenticated
    }

    /// The time of an AUTH without an answer is up: the session goes on as before.
    pub(super) fn give_up_auth(&mut self, now: u64) -> Event {
        if let Some(again) = &mut self.again {
            again.packet = Vec::new();
            if again.overstays {
                self.timers.set(Timer::Leave, now);
            }
        }
        Event::Unanswered
    }

    /// An AUTH came; what follows for the driver, if anything does.
    pub(super) fn on_auth(&mut self, auth: &Auth<'_>, now: u64) -> Option<Event> {
        let Some(again) = &mut self.again else {
            return Some(self.end(Ended::ProtocolError("auth_unasked")));
        };
        if again.is_late() {
            if auth.code == SUCCESS {
                self.again = None;
            }
            return None;
        }
        // Some brokers leave it out.
        let is_other =
            auth.method.is_some_and(|method| method_of_auth(&again.packet) != Some(method));
        match auth.code {
            _ if is_other => Some(self.end(Ended::ProtocolError("auth_method"))),
            SUCCESS => {
                let overstays = again.overstays;
                self.again = None;
                self.timers.stop(Timer::Reauth);
                if overstays {
                    self.timers.set(Timer::Leave, now);
                }
                self.ping(now);
                self.has_just_authenticated = true;
                Some(Event::Authenticated)
            }
            CONTINUE if !again.is_challenged => {
                again.is_challenged = true;
                let mut answer = Vec::new();
                put_auth(CONTINUE, properties_of_auth(&again.packet), &mut answer);
                self.outbox.push(&answer);
                None
            }
            // A method of two rounds: what its second answer is nobody here knows.
            CONTINUE => Some(self.end(Ended::ProtocolError("auth_continue"))),
            _ => Some(self.end(Ended::ProtocolError("auth_code"))),
        }
    }
}

#[cfg(test)]
mod tests;
