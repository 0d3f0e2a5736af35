//! The bytes of a broker, cut into packets: of a packet that is not whole, as much is kept as is needed to know what it
//! is.

use super::{
    attempt::Word,
    flood::Meter,
    packet::{FirstPacket, FixedHeader, LONGEST_CONNACK, Packet},
};
use crate::scenario::Protocol;

/// The longest packet of a session that is looked into, in bytes. Of longer ones only the first byte is checked: they are
/// messages, and nothing here is asked of those.
const LONGEST_KEPT: usize = 1024;

/// A packet that is none, or that a broker must not send then.
const MALFORMED: Word = "malformed";
/// A CONNACK on a connection that has had its own.
const SECOND_CONNACK: Word = "second_connack";

/// What a broker sent on a connection that stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Incoming<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// A packet longer than those that are looked into, at its end.
    Long,
    /// What must not come on a connection that stands: what that is.
    Wrong(Word),
}

/// What is known of a packet that is not whole, and what has come so far. Only connections have one on which more came
/// than CONNACK at once and answers to pings.
#[derive(Debug, Default)]
pub struct Inbound {
    /// Its first bytes.
    kept: Vec<u8>,
    /// The packet in `kept` was handed out: it is not kept any longer.
    is_read: bool,
    /// Bytes that are still to be passed over.
    left: usize,
    /// What has come in a session.
    pub meter: Meter,
}

impl Inbound {
    /// Takes more of CONNACK. Where that is complete, the bytes after it are the last ones of `bytes`.
    pub fn connack(&mut self, bytes: &[u8], protocol: Protocol) -> FirstPacket<'_> {
        // Nothing is kept ahead of need: thousands of clients may wait for the rest at once.
        self.kept.reserve_exact(bytes.len());
        self.kept.extend_from_slice(bytes);
        let read = FirstPacket::read(&self.kept, protocol);
        debug_assert!(
            read != FirstPacket::Incomplete || self.kept.len() <= LONGEST_CONNACK + 5,
            "a CONNACK that is too long is refused by its length"
        );
        read
    }

    /// Bytes that are kept.
    pub fn kept(&self) -> usize {
        if self.is_read { 0 } else { self.kept.len() }
    }

    /// Whether a packet has begun and is not whole.
    pub fn is_in_packet(&self) -> bool {
        self.left > 0 || self.kept() > 0
    }

    /// Takes the next packet of a session off `bytes`; `None` where that is not whole, and all of them are taken.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        protocol: Protocol,
    ) -> Option<Incoming<'a>> {
        if std::mem::take(&mut self.is_read) {
            self.kept.clear();
        }
        loop {
            if self.left > 0 {
                let here = self.left.min(bytes.len());
                *bytes = &bytes[here..];
                self.left -= here;
                return (self.left == 0).then_some(Incoming::Long);
            }
            let is_kept = !self.kept.is_empty();
            match Head::read(if is_kept { &self.kept } else { bytes }, protocol) {
                Head::Wrong(what) => return Some(Incoming::Wrong(what)),
                Head::Disconnect(code) => {
                    return Some(Incoming::Packet(Packet::Disconnect(code)));
                }
                Head::Whole { head, length } => {
                    let packet = if is_kept {
                        self.is_read = true;
                        &self.kept[..]
                    } else {
                        let (packet, rest) = bytes.split_at(length);
                        *bytes = rest;
                        packet
                    };
                    let read = Packet::read(packet, head, protocol);
                    return Some(read.map_or(Incoming::Wrong(MALFORMED), Incoming::Packet));
                }
                Head::Long(length) => {
                    self.left = length - self.kept.len();
                    self.kept.clear();
                }
                Head::Needs(count) => {
                    let here = if is_kept { count } else { bytes.len() };
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
    /// It is there, with so many bytes, of which so many are its fixed header.
    Whole { head: usize, length: usize },
    /// It has so many bytes, more than are looked into.
    Long(usize),
    /// The broker disconnects, with this code. What it says besides is not waited for.
    Disconnect(u8),
    /// It must not come.
    Wrong(Word),
}

impl Head {
    fn read(bytes: &[u8], protocol: Protocol) -> Self {
        let Some(first) = bytes.first() else { return Self::Needs(1) };
        let kind = first >> 4;
        // CONNACK comes once; a server sends no CONNECT, SUBSCRIBE, UNSUBSCRIBE or PINGREQ, and no AUTH in 3.1.1.
        if kind == 2 {
            return Self::Wrong(SECOND_CONNACK);
        }
        if matches!(kind, 0 | 1 | 8 | 10 | 12) || protocol == Protocol::V4 && kind > 14 {
            return Self::Wrong(MALFORMED);
        }
        let (head, length) = match FixedHeader::read(bytes) {
            FixedHeader::Complete { head, length } => (head, length),
            FixedHeader::Incomplete => return Self::Needs(1),
            FixedHeader::Malformed => return Self::Wrong(MALFORMED),
        };
        match (kind, bytes.get(head)) {
            (14, _) if length == head => Self::Disconnect(0),
            // A server of 3.1.1 must not send it (3.14), and some do: as a client would, without a body.
            (14, _) if protocol == Protocol::V4 => Self::Wrong(MALFORMED),
            (14, Some(code)) => Self::Disconnect(*code),
            (14, None) => Self::Needs(1),
            (15, _) if length > LONGEST_KEPT => Self::Wrong(MALFORMED),
            _ if length > LONGEST_KEPT => Self::Long(length),
            _ if length > bytes.len() => Self::Needs(length - bytes.len()),
            _ => Self::Whole { head, length },
        }
    }
}

#[cfg(test)]
mod tests;
