//! What a client does on a connection that was accepted: a state machine without sockets and without a clock.
//!
//! Bytes and instants go in; packets, events and the instant at which something is due come out. Whoever drives it does
//! the rest (ARCHITECTURE.md, "What a driver does"). The model is `quinn-proto`. So any order of bytes and timers can be
//! tried without a socket, and another way to do I/O needs no other session.

mod again;
mod agreed;
mod probes;
mod timers;

use self::{
    again::Again,
    probes::Probes,
    timers::{Timer, Timers},
};
pub use self::{agreed::Agreed, probes::ExpiryWatch};
use super::{
    attempt::{Close, Code, Word},
    inbound::{Inbound, Incoming},
    layers::FLOOD,
    outbox::Outbox,
    packet::{Connack, DISCONNECT, PINGREQ, PINGRESP, Packet},
};
use crate::{base::clock::SECOND, scenario::Protocol, token::fraction};

/// How long an answer is waited for once more, in nanoseconds, where the broker has sent something that was not read yet:
/// the answer may be in it.
const UNREAD: u64 = 1_000_000;

/// What a session goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Protocol version.
    pub protocol: Protocol,
    /// Keep alive of CONNECT in seconds; 0 for none.
    pub keep_alive: u16,
    /// When the client leaves, in nanoseconds of the run's clock.
    pub leaves_at: u64,
    /// When it is looked at what became of the end of its token; `None` of one that has no end.
    pub expiry: Option<ExpiryWatch>,
    /// When the token is to be renewed, where it is.
    pub renews_at: Option<u64>,
    /// Parts the random numbers of this session from those of all others.
    pub salt: u64,
}

/// What has happened to a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The client leaves, since its time is up. DISCONNECT is on its way out.
    Leaves,
    /// The session ended before its client wanted.
    Ended(Ended),
    /// The broker is to be shown a publish, to find out whether it still takes the token ([`Session::publish`]).
    Publishes,
    /// The session has outlived its token. It goes on.
    Outlived,
    /// Its token is to be renewed, which was due then. It goes on.
    Renews(u64),
    /// The broker took the token that it authenticated again with.
    Authenticated,
    /// The broker did not answer in time when it authenticated again. It goes on.
    Unanswered,
}

/// Why a session ended before its client wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The broker sent DISCONNECT with this reason code; in 3.1.1, where it must not, without one.
    Disconnect(Option<u8>),
    /// The broker closed the connection.
    Closed(Close),
    /// The broker did not answer a ping in time.
    PingTimeout,
    /// The broker sent what must not come: what that was.
    ProtocolError(Word),
    /// The broker sent more than it can have a reason for.
    Flood,
}

impl Ended {
    /// Its code in files: the reason code, or the word for what happened.
    pub fn code(self) -> Code {
        match self {
            Self::Disconnect(Some(code)) => Code::Byte(code),
            Self::Disconnect(None) => Code::Word("disconnect"),
            Self::Closed(Close::Fin | Close::FinInPacket) => Code::Word("fin"),
            Self::Closed(Close::Rst) => Code::Word("rst"),
            Self::PingTimeout => Code::Word("ping_timeout"),
            Self::ProtocolError(_) => Code::Word("protocol_error"),
            Self::Flood => FLOOD.code(),
        }
    }
}

/// A session. Small: there is one for every client that is connected.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    /// It has ended, or its client leaves: nothing happens any more.
    is_over: bool,
    /// A ping was put into the outbox since that was last found empty.
    has_pinged: bool,
    /// Pings that were not answered yet.
    unanswered: u8,
    probes: Probes,
    salt: u64,
    agreed: Agreed,
    timers: Timers,
    outbox: Outbox,
    /// The AUTH that has no answer yet, or had none in time.
    again: Option<Box<Again>>,
    /// The ping was not answered yet that follows an AUTH which was.
    has_just_authenticated: bool,
    /// None where nothing came but CONNACK and answers to pings.
    inbound: Option<Box<Inbound>>,
}

impl Session {
    /// The session that a CONNACK opens at `now`. `outbox` holds what is left of CONNECT, where the broker accepted before
    /// it had read all of it.
    pub fn new(settings: Settings, connack: &Connack<'_>, outbox: Outbox, now: u64) -> Self {
        let mut session = Self {
            protocol: settings.protocol,
            is_over: false,
            has_pinged: false,
            unanswered: 0,
            // Who leaves before has nothing to find out.
            probes: Probes::of(
                settings.expiry.as_ref().filter(|it| it.probes_at < settings.leaves_at),
            ),
            salt: settings.salt,
            agreed: Agreed::of(connack, settings.keep_alive),
            timers: Timers::default(),
            outbox,
            again: None,
            has_just_authenticated: false,
            inbound: None,
        };
        session.timers.set(Timer::Leave, settings.leaves_at);
        if let Some(at) = session.next_ping(now) {
            session.timers.set(Timer::Ping, at);
        }
        if let Some(expiry) = settings.expiry {
            session.timers.set(Timer::Outlive, expiry.outlived_at);
            session.set_probe(now);
        }
        if let Some(at) = settings.renews_at {
            session.timers.set(Timer::Renew, at);
        }
        session
    }

    /// Has the token renewed at another time.
    pub fn renew_at(&mut self, at: u64) {
        if !self.is_over {
            self.timers.set(Timer::Renew, at);
        }
    }

    /// Goes by another token than before, which the broker has taken: when to look at what became of its end, and when it is to
    /// be renewed.
    pub fn go_by(&mut self, expiry: Option<ExpiryWatch>, renews_at: Option<u64>, now: u64) {
        for timer in [Timer::Outlive, Timer::Probe, Timer::Renew] {
            self.timers.stop(timer);
        }
        self.probes = Probes::of_next(expiry.as_ref());
        if let Some(expiry) = expiry {
            self.timers.set(Timer::Outlive, expiry.outlived_at);
            self.set_probe(now);
        }
        if let Some(at) = renews_at {
            self.timers.set(Timer::Renew, at);
        }
    }

    /// What the broker said in CONNACK.
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// Whether the broker owes the client an answer.
    pub fn awaits_answer(&self) -> bool {
        self.timers.is_set(Timer::PongDue)
            || self.unanswered > 0
            || self.is_on_trial()
            || self.has_unanswered_auth()
    }

    /// When [`Session::on_due`] has to be called; `None` once the session is over.
    pub fn due(&self) -> Option<u64> {
        self.timers.next()
    }

    /// When the client leaves, while that is to come.
    pub fn leaves_at(&self) -> Option<u64> {
        self.timers.at(Timer::Leave)
    }

    /// What is to be sent: the driver sends what the socket takes, and keeps the rest for when it takes more.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Takes bytes that came at `now`, up to the next event; `None` where all are taken and nothing has happened. To be
    /// called again until then.
    pub fn handle(&mut self, bytes: &mut &[u8], now: u64) -> Option<Event> {
        if self.is_over || bytes.is_empty() {
            *bytes = &[];
            return None;
        }
        if self.inbound.is_none() && *bytes == PINGRESP && self.on_pong() {
            *bytes = &[];
            return None;
        }
        let mut inbound = self.inbound.take().unwrap_or_default();
        inbound.meter.at(now);
        let before = bytes.len();
        let event = self.take_packets(&mut inbound, bytes, now);
        inbound.meter.bytes(before - bytes.len());
        let is_flood = event.is_none() && inbound.meter.is_flood();
        self.inbound = Some(inbound);
        if is_flood { Some(self.end(Ended::Flood)) } else { event }
    }

    /// Does what is due by `now`, up to the next event; `None` where nothing is due any more. To be called again until then.
    /// `is_unread`: the broker has sent something that was not read yet.
    pub fn on_due(&mut self, now: u64, is_unread: bool) -> Option<Event> {
        while let Some((timer, due)) = self.timers.take_due(now) {
            match timer {
                Timer::Reauth => return Some(self.give_up_auth(now)),
                Timer::Leave if self.overstays() => {}
                Timer::Leave => {
                    self.leave();
                    return Some(Event::Leaves);
                }
                Timer::PongDue if is_unread => {
                    self.timers.set(Timer::PongDue, now.saturating_add(UNREAD));
                }
                Timer::PongDue => return Some(self.end(Ended::PingTimeout)),
                Timer::Outlive => return Some(Event::Outlived),
                Timer::Renew => return Some(Event::Renews(due)),
                Timer::Probe => {
                    if let Some(event) = self.probe(now) {
                        return Some(event);
                    }
                }
                Timer::Ping => {
                    if let Some(at) = self.next_ping(now) {
                        self.ping(now);
                        self.timers.set(Timer::PongDue, at);
                    }
                }
            }
        }
        None
    }

    /// The client leaves now: DISCONNECT goes out, and nothing more happens.
    pub fn leave(&mut self) {
        if !self.is_over {
            self.outbox.push(&DISCONNECT);
            self.close();
        }
    }

    /// The broker closed the connection; all that came before has been handed over. `None` where the session was over before.
    pub fn on_close(&mut self, close: Close) -> Option<Event> {
        let is_in_packet = self.inbound.as_ref().is_some_and(|inbound| inbound.is_in_packet());
        let close = match close {
            Close::Fin if is_in_packet => Close::FinInPacket,
            close => close,
        };
        (!self.is_over).then(|| self.end(Ended::Closed(close)))
    }

    /// Takes packets up to the next event; `None` where no whole one is left.
    fn take_packets(
        &mut self,
        inbound: &mut Inbound,
        bytes: &mut &[u8],
        now: u64,
    ) -> Option<Event> {
        loop {
            // The meter is in there, too, and can't be counted on while a packet is borrowed.
            let is_message = match inbound.next(bytes, self.protocol)? {
                Incoming::Packet(Packet::PingResp) if self.on_pong() => continue,
                Incoming::Packet(Packet::Disconnect(code)) => {
                    let code = (self.protocol == Protocol::V5).then_some(code);
                    return Some(self.end(Ended::Disconnect(code)));
                }
                Incoming::Packet(Packet::Auth(auth)) => {
                    if let Some(event) = self.on_auth(&auth, now) {
                        return Some(event);
                    }
                    false
                }
                Incoming::Wrong(what) => return Some(self.end(Ended::ProtocolError(what))),
                Incoming::Packet(Packet::Publish(_)) | Incoming::Long => true,
                // Answers to what a client here does not send.
                Incoming::Packet(_) => false,
            };
            if is_message {
                inbound.meter.message();
            } else {
                inbound.meter.empty(1);
            }
        }
    }

    /// Has a ping sent. One that has not left yet is enough: a broker that takes nothing, and answers to what it never took,
    /// must not fill the outbox.
    fn ping(&mut self, now: u64) {
        self.probes.pinged(now);
        if self.outbox.is_empty() || !self.has_pinged {
            self.outbox.push(&PINGREQ);
            self.has_pinged = true;
            self.unanswered = self.unanswered.saturating_add(1);
        }
    }

    /// An answer to a ping has come; `false` where none is waited for.
    fn on_pong(&mut self) -> bool {
        let due = self.timers.stop(Timer::PongDue);
        if let Some(at) = due {
            self.timers.set(Timer::Ping, at);
        }
        let is_answer = due.is_some() || self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        if is_answer && self.unanswered == 0 {
            self.has_just_authenticated = false;
            self.probes.answered();
        }
        is_answer
    }

    /// When the ping after `now` is due; `None` without keep alive.
    fn next_ping(&self, now: u64) -> Option<u64> {
        let keep_alive = u64::from(self.agreed.keep_alive) * SECOND;
        // Between 0.5 and 0.9 of the keep alive, so that clients that came together do not ping together.
        let part = 0.5 + 0.4 * fraction(self.salt, now);
        (keep_alive > 0).then(|| now.saturating_add((part * keep_alive as f64) as u64))
    }

    /// Whether the client stays though its time is up: an AUTH has no answer yet. It leaves when that is there, or late.
    fn overstays(&mut self) -> bool {
        let is_authenticating = self.is_authenticating();
        if let Some(again) = self.again.as_mut().filter(|_| is_authenticating) {
            again.overstays = true;
        }
        is_authenticating
    }

    fn end(&mut self, ended: Ended) -> Event {
        self.close();
        Event::Ended(ended)
    }

    fn close(&mut self) {
        self.is_over = true;
        self.timers.stop_all();
    }
}

#[cfg(test)]
mod tests;
