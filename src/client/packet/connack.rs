//! The first packet of a broker, which has to be CONNACK.
//!
//! Its code is taken as the byte that was sent: to the enums of `rumqttc` an unknown code is an error, and to us it is a
//! finding.

use super::{
    fields::{Allowed, Fields, FixedHeader, Property},
    incoming::{Auth, Packet},
};
use crate::scenario::Protocol;

/// The longest CONNACK that is read, in bytes after its length. Its longest parts, a reason, a server's name, an assigned
/// id and user properties, take some hundred bytes each in brokers seen; a broker that announces more and does not
/// finish it has that much kept for each client.
pub const LONGEST_CONNACK: usize = 8 * 1024;

const CONNACK: u8 = 0x20;
const DISCONNECT: u8 = 0xE0;
const AUTH: u8 = 0xF0;
/// The properties that CONNACK may have (MQTT 5.0, 3.2.2.3).
const PROPERTIES: Allowed = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
    0x2A,
];

/// CONNACK, as it was sent (MQTT 5.0, 3.2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Connack<'a> {
    /// Reason code, or the return code of 3.1.1.
    pub code: u8,
    /// Session Present: the broker goes on with an earlier session of this client.
    pub session_present: bool,
    /// Receive Maximum: how many publishes of QoS 1 the broker takes without having acknowledged any; `None` where it does
    /// not say, which means 65 535.
    pub receive_maximum: Option<u16>,
    /// Maximum QoS that the broker takes; `None` where it does not say, which means 2.
    pub maximum_qos: Option<u8>,
    /// Assigned Client Identifier: the id that the broker gave to a client which came without one.
    pub assigned_client_identifier: Option<&'a str>,
    /// Reason String: why, in words for people (3.2.2.3.9).
    pub reason_string: Option<&'a str>,
    /// Server Keep Alive in seconds, which takes the place of ours.
    pub server_keep_alive: Option<u16>,
    /// Authentication Method of enhanced authentication.
    pub authentication_method: Option<&'a str>,
    /// Authentication Data of enhanced authentication.
    pub authentication_data: Option<&'a [u8]>,
}

/// What the bytes that a broker has sent so far say about its first packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FirstPacket<'a> {
    /// It is CONNACK, and has so many bytes; the bytes after it belong to the session.
    Connack(Connack<'a>, usize),
    /// It is AUTH, and has so many bytes: enhanced authentication goes on (MQTT 5.0, 4.12).
    Auth(Auth<'a>, usize),
    /// The broker disconnects, with this reason code, as some do that refuse enhanced authentication.
    Disconnect(u8),
    /// More bytes are needed.
    Incomplete,
    /// It is no CONNACK; what it is instead.
    Wrong(&'static str),
}

impl<'a> FirstPacket<'a> {
    /// Reads the first packet of a broker.
    pub fn read(bytes: &'a [u8], protocol: Protocol) -> Self {
        // What nearly every broker sends, taken at a glance.
        match (protocol, bytes) {
            (_, []) => return Self::Incomplete,
            (Protocol::V4, [CONNACK, 2, flags @ (0 | 1), code, ..]) => {
                return Self::bare(*flags, *code, 4);
            }
            // One without 3.1.1 may say so in the format of 5.0.
            (Protocol::V5, [CONNACK, 3, flags @ (0 | 1), code, 0, ..])
            | (Protocol::V4, [CONNACK, 3, flags @ 0, code @ (1 | 0x84), 0, ..]) => {
                return Self::bare(*flags, *code, 5);
            }
            // A broker without 5.0 may answer in the format of 3.1.1 (MQTT 5.0, 3.1.2.2), but not accept.
            (Protocol::V5, [CONNACK, 2, 0, code, ..]) if *code != 0 => {
                return Self::bare(0, *code, 4);
            }
            _ => {}
        }
        if bytes[0] != CONNACK {
            return match bytes {
                [AUTH, ..] if protocol == Protocol::V5 => Self::auth(bytes),
                [DISCONNECT, ..] if protocol == Protocol::V5 => Self::disconnect(bytes),
                [21] | b"H" | b"HT" | b"HTT" => Self::Incomplete,
                // An alert of TLS (RFC 8446, 5.1), which is how its servers answer to what is none.
                [21, 3, ..] => Self::Wrong("tls"),
                [b'H', b'T', b'T', b'P', ..] => Self::Wrong("http"),
                [first, ..] if matches!(first >> 4, 1..=15) => Self::Wrong("another_packet"),
                _ => Self::Wrong("garbage"),
            };
        }
        let (head, length) = match FixedHeader::read(bytes) {
            FixedHeader::Complete { head, length } => (head, length),
            FixedHeader::Incomplete => return Self::Incomplete,
            FixedHeader::Malformed => return Self::Wrong("malformed_connack"),
        };
        if length - head > LONGEST_CONNACK {
            return Self::Wrong("connack_too_long");
        }
        if bytes.len() < length {
            return Self::Incomplete;
        }
        // 3.1.1 knows only packets of two bytes, which were taken above.
        match Connack::whole(&bytes[head..length]).filter(|_| protocol == Protocol::V5) {
            Some(connack) => Self::Connack(connack, length),
            None => Self::Wrong("malformed_connack"),
        }
    }

    /// AUTH. One that is longer than a CONNACK may be is not waited for: what it says is not needed.
    fn auth(bytes: &'a [u8]) -> Self {
        match FixedHeader::read(bytes) {
            FixedHeader::Incomplete => Self::Incomplete,
            FixedHeader::Malformed => Self::Wrong("malformed_auth"),
            FixedHeader::Complete { head, length } if length - head > LONGEST_CONNACK => {
                Self::Wrong("auth_too_long")
            }
            FixedHeader::Complete { length, .. } if bytes.len() < length => Self::Incomplete,
            FixedHeader::Complete { head, length } => {
                let read = Packet::read(&bytes[..length], head, Protocol::V5);
                match read {
                    Some(Packet::Auth(auth)) => Self::Auth(auth, length),
                    _ => Self::Wrong("malformed_auth"),
                }
            }
        }
    }

    /// DISCONNECT. What it says besides its code is not waited for.
    fn disconnect(bytes: &[u8]) -> Self {
        match FixedHeader::read(bytes) {
            FixedHeader::Incomplete => Self::Incomplete,
            FixedHeader::Malformed => Self::Wrong("another_packet"),
            FixedHeader::Complete { head, length } if length == head => Self::Disconnect(0),
            FixedHeader::Complete { head, .. } => {
                bytes.get(head).map_or(Self::Incomplete, |code| Self::Disconnect(*code))
            }
        }
    }

    /// One without properties.
    fn bare(flags: u8, code: u8, length: usize) -> Self {
        let session_present = flags == 1;
        Self::Connack(Connack { code, session_present, ..Connack::default() }, length)
    }
}

impl<'a> Connack<'a> {
    /// Reads a body of 5.0.
    fn whole(body: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(body);
        let flags = fields.byte().filter(|flags| *flags <= 1)?;
        let code = fields.byte()?;
        let mut connack = Self { code, session_present: flags == 1, ..Self::default() };
        fields.properties(PROPERTIES, |property| connack.take(property))?;
        Some(connack)
    }

    fn take(&mut self, property: Property<'a>) {
        match property {
            Property::ReceiveMaximum(most) => self.receive_maximum = Some(most),
            Property::MaximumQos(most) => self.maximum_qos = Some(most),
            Property::AssignedClientIdentifier(id) => self.assigned_client_identifier = Some(id),
            Property::ServerKeepAlive(seconds) => self.server_keep_alive = Some(seconds),
            Property::AuthenticationMethod(method) => self.authentication_method = Some(method),
            Property::AuthenticationData(data) => self.authentication_data = Some(data),
            Property::ReasonString(reason) => self.reason_string = Some(reason),
            Property::Other => {}
        }
    }
}
