//! Authentication again on a connection that stands (MQTT 5.0, 4.12.1): one AUTH at a time, and what may answer it.

use std::{fmt, sync::Arc};

use super::{Ended, Event, Session, Timer};
use crate::client::packet::{Auth, CONTINUE, method_of_auth, properties_of_auth, put_auth};

/// AUTH: success (MQTT 5.0, 3.15.2.1).
const SUCCESS: u8 = 0;

/// An AUTH that was sent, and has no answer yet.
pub(super) struct Again {
    /// It; empty once its time is up.
    packet: Vec<u8>,
    /// The authentication method of the connection.
    method: Option<Arc<str>>,
    is_challenged: bool,
    /// The client would have left meanwhile: it does when the answer is there.
    pub(super) overstays: bool,
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").field("is_challenged", &self.is_challenged).finish_non_exhaustive()
    }
}

impl Again {
    /// Whether a method that comes with an answer is neither that of the connection nor that of the AUTH. Brokers leave it
    /// out, or name either.
    fn is_of_another(&self, method: Option<&str>) -> bool {
        let is_known = method == self.method.as_deref() || method == method_of_auth(&self.packet);
        method.is_some() && !is_known
    }

    /// Whether its time is up: an answer that comes all the same is passed over.
    fn is_late(&self) -> bool {
        self.packet.is_empty()
    }
}

impl Session {
    /// Authenticates again by this AUTH, which is to be answered by `due`: then [`Event::Authenticated`],
    /// [`Event::Unanswered`] or an end follows. `method` is that of the connection. Not to be called while another AUTH has
    /// no answer.
    pub fn reauthenticate(&mut self, packet: Vec<u8>, method: Option<Arc<str>>, due: u64) {
        if self.is_over {
            return;
        }
        self.outbox.push(&packet);
        let again = Again { packet, method, is_challenged: false, overstays: false };
        self.again = Some(Box::new(again));
        self.timers.set(Timer::Reauth, due);
    }

    /// Whether an AUTH was sent that has no answer, and had none when the session ended.
    pub fn is_authenticating(&self) -> bool {
        self.again.as_ref().is_some_and(|again| !again.is_late())
    }

    /// Whether an AUTH was sent that had no answer, in time or not: an end now may be about that.
    pub fn has_unanswered_auth(&self) -> bool {
        self.again.is_some()
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
        let is_other = again.is_of_another(auth.method);
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
