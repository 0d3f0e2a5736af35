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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of bytes that come in pieces of this size, and what is kept of them at most.
    fn in_pieces(bytes: &[u8], size: usize, protocol: Protocol) -> (Vec<Session>, usize, Inbound) {
        let (mut inbound, mut read, mut most) = (Inbound::default(), Vec::new(), 0);
        for mut piece in bytes.chunks(size) {
            while let Some(session) = inbound.next(&mut piece, protocol) {
                read.push(session);
                if matches!(session, Session::Wrong | Session::Disconnect(_)) {
                    return (read, most, inbound);
                }
            }
            assert!(piece.is_empty(), "all is taken");
            most = most.max(inbound.kept());
        }
        (read, most, inbound)
    }

    /// A message of 5.0 with so many bytes in its payload.
    fn publish(payload: usize) -> Vec<u8> {
        let mut packet = vec![0x30];
        let mut length = payload + 4;
        while length > 127 {
            packet.push((length % 128) as u8 | 128);
            length /= 128;
        }
        packet.push(length as u8);
        packet.extend_from_slice(&[0, 1, b'a', 0]);
        packet.resize(packet.len() + payload, b'x');
        packet
    }

    #[test]
    fn a_session_takes_pongs_disconnects_and_nothing_twice() {
        let bytes = [0xD0, 0, 0xE0, 1, 0x8E];
        let (read, ..) = in_pieces(&bytes, bytes.len(), Protocol::V5);
        assert_eq!(read, [Session::Pong, Session::Disconnect(0x8E)]);
        let (read, ..) = in_pieces(&[0xD0, 0, 0x20, 3, 0, 0, 0, 0xD0], 8, Protocol::V5);
        assert_eq!(read, [Session::Pong, Session::Wrong], "a second CONNACK");
        let (read, _, half) = in_pieces(&[0xD0], 1, Protocol::V5);
        assert!(read.is_empty() && half.is_in_packet(), "half a PINGRESP");
        let (read, ..) = in_pieces(&[0xE0, 0], 1, Protocol::V4);
        assert_eq!(read, [Session::Wrong], "a DISCONNECT of 3.1.1");
        // A long reason does not hide the code, and is not waited for.
        let (read, ..) = in_pieces(&[0xE0, 0xFF, 0xFF, 0xFF, 0x7F, 0x8B, 1, 2], 3, Protocol::V5);
        assert_eq!(read, [Session::Disconnect(0x8B)]);
    }

    #[test]
    fn messages_of_every_length_are_passed_over_in_any_pieces_and_not_kept() {
        let mut bytes = Vec::new();
        for payload in [0, 1, 100, 122, 123, 1_000, 1_020, 1_021, 20_000] {
            bytes.extend(publish(payload));
            bytes.extend([0xD0, 0]);
        }
        let wanted = [Session::Message, Session::Pong].repeat(9);
        for size in [1, 2, 5, 1_023, 1_024, 16_384, bytes.len()] {
            let (read, most, inbound) = in_pieces(&bytes, size, Protocol::V5);
            assert_eq!(read, wanted, "{size}");
            assert!(most <= LONGEST_KEPT && !inbound.is_in_packet(), "{size}: {most}");
        }
    }

    #[test]
    fn what_is_announced_takes_no_memory_before_it_comes_and_after() {
        let mut inbound = Inbound::default();
        // The longest packet that there is: 256 MiB.
        let mut head = &[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..];
        assert_eq!(inbound.next(&mut head, Protocol::V5), None);
        let chunk = vec![0; 16_384];
        let mut left = 268_435_455_usize;
        while left > 0 {
            let mut here = &chunk[..chunk.len().min(left)];
            left -= here.len();
            let read = inbound.next(&mut here, Protocol::V5);
            assert_eq!(read, (left == 0).then_some(Session::Message));
        }
        assert!(inbound.kept.capacity() < 100 && !inbound.is_in_packet());
        // A head of five bytes is none (MQTT 5.0, 1.5.5).
        let (read, ..) = in_pieces(&[0x30, 255, 255, 255, 255, 1], 1, Protocol::V5);
        assert_eq!(read, [Session::Wrong]);
    }

    #[test]
    fn a_connack_in_pieces_is_kept_and_what_follows_it_is_not_its_own() {
        let whole = [0x20, 6, 0, 0, 3, 0x13, 1, 44, 0xD0, 0];
        let mut inbound = Inbound::default();
        for byte in &whole[..7] {
            assert_eq!(inbound.connack(&[*byte], Protocol::V5), Connack::Incomplete);
        }
        let complete = Connack::Complete { code: 0, keep_alive: Some(300), length: 8 };
        assert_eq!(inbound.connack(&whole[7..], Protocol::V5), complete);
        assert_eq!(inbound.kept() - 8, 2);
    }

    proptest! {
        // For all bytes, in all pieces: the same, and no panic.
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), Just(0xD0), Just(0x30), Just(0), Just(5)], 0..200
            ),
            size in 1_usize..20,
            is_v5: bool,
        ) {
            let protocol = if is_v5 { Protocol::V5 } else { Protocol::V4 };
            let whole = in_pieces(&bytes, bytes.len().max(1), protocol);
            prop_assert_eq!(whole.0, in_pieces(&bytes, size, protocol).0);
        }
    }
}
