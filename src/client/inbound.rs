//! What a broker sends on a connection, read without being kept: of a packet that is not whole, as much as is needed to
//! know what it is.

use bytes::BytesMut;
use rumqttc::{mqttbytes::v4, v5::mqttbytes::v5};

use super::{
    flood::Meter,
    packet::{Connack, LONGEST_CONNACK},
};
use crate::scenario::Protocol;

/// The longest packet of a session that is looked into, in bytes. Of longer ones only the first byte is checked: they are
/// messages, and nothing here is asked of those.
const LONGEST_KEPT: usize = 1024;
const PINGRESP: u8 = 0xD0;

/// What a broker sent on a connection that stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Session {
    /// The answer to a ping.
    Pong,
    /// The broker disconnects, with this reason code (MQTT 5.0).
    Disconnect(u8),
    /// A message.
    Message,
    /// An answer to what a client here does not send.
    Other,
    /// What must not come on a connection that stands.
    Wrong,
}

/// What is known of a packet that is not whole, and what has come so far. Only connections have one on which more came
/// than CONNACK at once and answers to pings.
#[derive(Debug, Default)]
pub struct Inbound {
    /// Its first bytes.
    kept: Vec<u8>,
    /// Its bytes that are still to be passed over.
    left: usize,
    /// What has come in a session.
    pub meter: Meter,
}

impl Inbound {
    /// Takes more of CONNACK. Where that is complete, the bytes after it are the last ones of `bytes`.
    pub fn connack(&mut self, bytes: &[u8], protocol: Protocol) -> Connack {
        // Nothing is kept ahead of need: thousands of clients may wait for the rest at once.
        self.kept.reserve_exact(bytes.len());
        self.kept.extend_from_slice(bytes);
        let read = Connack::read(&self.kept, protocol);
        debug_assert!(read != Connack::Incomplete || self.kept.len() <= LONGEST_CONNACK + 5);
        read
    }

    /// Bytes that are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Whether a packet has begun and is not whole.
    pub fn is_in_packet(&self) -> bool {
        self.left > 0 || !self.kept.is_empty()
    }

    /// Takes the next packet of a session off `bytes`; `None` where that is not whole, and all of them are taken.
    pub fn next(&mut self, bytes: &mut &[u8], protocol: Protocol) -> Option<Session> {
        loop {
            if self.left > 0 {
                let here = self.left.min(bytes.len());
                *bytes = &bytes[here..];
                self.left -= here;
                return (self.left == 0).then_some(Session::Message);
            }
            let known = if self.kept.is_empty() { *bytes } else { &self.kept[..] };
            match Head::read(known, protocol) {
                Head::Wrong => return Some(Session::Wrong),
                Head::Disconnect(code) => return Some(Session::Disconnect(code)),
                Head::Whole(length) => {
                    let session = judged(&known[..length], protocol);
                    if self.kept.is_empty() {
                        *bytes = &bytes[length..];
                    }
                    self.kept.clear();
                    return Some(session);
                }
                Head::Long(length) => {
                    self.left = length - self.kept.len();
                    self.kept.clear();
                }
                Head::Needs(count) => {
                    let here = if self.kept.is_empty() { bytes.len() } else { count };
                    let (more, rest) = bytes.split_at(here.min(bytes.len()));
                    *bytes = rest;
                    self.kept.extend_from_slice(more);
                    if more.len() < count {
                        return None;
                    }
                }
            }
        }
    }
}

/// What the first bytes of a packet say.
enum Head {
    /// So many more are needed to say anything.
    Needs(usize),
    /// It is there, with so many bytes.
    Whole(usize),
    /// It has so many bytes, more than are looked into.
    Long(usize),
    /// The broker disconnects, with this code. What it says besides is not waited for.
    Disconnect(u8),
    /// It must not come.
    Wrong,
}

impl Head {
    fn read(bytes: &[u8], protocol: Protocol) -> Self {
        let Some(first) = bytes.first() else { return Self::Needs(1) };
        let kind = first >> 4;
        // CONNACK comes once; a server sends no CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, or DISCONNECT of 3.1.1.
        if matches!(kind, 0 | 1 | 2 | 8 | 10 | 12) || protocol == Protocol::V4 && kind > 13 {
            return Self::Wrong;
        }
        let digits = bytes[1..].iter().take(4);
        let Some(last) = digits.clone().position(|digit| digit & 128 == 0) else {
            return if bytes.len() < 5 { Self::Needs(1) } else { Self::Wrong };
        };
        let value = digits
            .take(last + 1)
            .rev()
            .fold(0, |value, digit| value << 7 | usize::from(digit & 127));
        let (head, length) = (last + 2, last + 2 + value);
        match (kind, bytes.get(head)) {
            (14, _) if value == 0 => Self::Disconnect(0),
            (14, Some(code)) => Self::Disconnect(*code),
            (14, None) => Self::Needs(1),
            (15, _) if length > LONGEST_KEPT => Self::Wrong,
            _ if length > LONGEST_KEPT => Self::Long(length),
            _ if length > bytes.len() => Self::Needs(length - bytes.len()),
            _ => Self::Whole(length),
        }
    }
}

/// What a whole packet is.
fn judged(packet: &[u8], protocol: Protocol) -> Session {
    if packet == [PINGRESP, 0] {
        return Session::Pong;
    }
    let mut copy = BytesMut::from(packet);
    let is_known = match protocol {
        Protocol::V4 => v4::Packet::read(&mut copy, LONGEST_KEPT).is_ok(),
        Protocol::V5 => v5::Packet::read(&mut copy, None).is_ok(),
    };
    match packet[0] >> 4 {
        _ if !is_known => Session::Wrong,
        3 => Session::Message,
        _ => Session::Other,
    }
}

#[cfg(test)]
mod tests;
