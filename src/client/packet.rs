//! The packets of an attempt: CONNECT written, CONNACK read.
//!
//! The codec is `rumqttc`'s, with two exceptions that its types can't hold. CONNECT is encoded
//! here: its `Login` is two `String`s, so an empty password drops the flag and one that is not
//! UTF-8 can't be sent. The code of CONNACK is taken as the raw byte: an unknown code is an error
//! to its enums, and to us a finding.

use bytes::BytesMut;
use rumqttc::{mqttbytes, v5::mqttbytes::v5};

use crate::scenario::Protocol;

/// The longest CONNACK that is read, in bytes after its length. Its longest parts, a reason, a server's name, an assigned
/// id and user properties, take some hundred bytes each in brokers seen; a broker that announces more and does not
/// finish it has that much kept for each client.
pub const LONGEST_CONNACK: usize = 8 * 1024;

/// DISCONNECT with reason 0, the same in both versions.
pub const DISCONNECT: [u8; 2] = [0xE0, 0];
/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
const CONNACK: u8 = 0x20;
/// Stands in for the raw code while the codec checks the rest: a code that it knows.
const KNOWN_CODE: u8 = 0x80;

/// What goes into a CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// Protocol version.
    pub protocol: Protocol,
    /// Clean Start or Clean Session.
    pub clean_start: bool,
    /// Keep alive in seconds.
    pub keep_alive: u16,
    /// Client id.
    pub client_id: &'a [u8],
    /// User name, where there is one.
    pub username: Option<&'a [u8]>,
    /// Password, where there is one; empty is not absent.
    pub password: Option<&'a [u8]>,
    /// Authentication Method (MQTT 5.0, 3.1.2.11.9), where there is one.
    pub method: Option<&'a [u8]>,
    /// Value of the user property `token` (MQTT 5.0, 3.1.2.11.8), where there is one.
    pub property: Option<&'a [u8]>,
    /// Payload of a will to the topic `tokenstorm/will`, where there is one.
    pub will: Option<&'a [u8]>,
}

/// The topic of wills.
const WILL_TOPIC: &[u8] = b"tokenstorm/will";
/// The name of the user property.
const PROPERTY: &[u8] = b"token";

/// A field of CONNECT that is longer than the 65 535 bytes that its length prefix can say (MQTT 5.0, 1.5.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TooLong {
    /// The client id.
    ClientId,
    /// The payload of the will.
    Will,
    /// The user name.
    Username,
    /// The password.
    Password,
    /// The authentication method, or the user property.
    Property,
}

impl Connect<'_> {
    /// Appends the packet.
    ///
    /// # Errors
    /// When a field is too long; then nothing is appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let is_v5 = self.protocol == Protocol::V5;
        let will = self.will.map(|payload| [WILL_TOPIC, payload]);
        let fields = [
            Some(self.client_id),
            will.map(|will| will[0]),
            will.map(|will| will[1]),
            self.username,
            self.password,
        ];
        for (field, name) in [
            (Some(self.client_id), TooLong::ClientId),
            (self.will, TooLong::Will),
            (self.username, TooLong::Username),
            (self.password, TooLong::Password),
            (self.method, TooLong::Property),
            (self.property, TooLong::Property),
        ] {
            if field.is_some_and(|field| field.len() > usize::from(u16::MAX)) {
                return Err(name);
            }
        }
        let in_properties = self.method.map_or(0, |method| 3 + method.len())
            + self.property.map_or(0, |value| 5 + PROPERTY.len() + value.len());
        // Name, level, flags, keep alive.
        let mut length = 6 + 1 + 1 + 2;
        length += fields.iter().flatten().map(|field| 2 + field.len()).sum::<usize>();
        if is_v5 {
            // Those of the will have a length of their own: no properties.
            length += length_bytes(in_properties) + in_properties + usize::from(will.is_some());
        }
        out.push(0x10);
        remaining_length(length, out);
        out.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', if is_v5 { 5 } else { 4 }]);
        let flag = |set: bool, bit: u8| u8::from(set) << bit;
        out.push(
            flag(self.username.is_some(), 7)
                | flag(self.password.is_some(), 6)
                | flag(will.is_some(), 2)
                | flag(self.clean_start, 1),
        );
        out.extend_from_slice(&self.keep_alive.to_be_bytes());
        if is_v5 {
            remaining_length(in_properties, out);
            if let Some(method) = self.method {
                out.push(0x15);
                field(method, out);
            }
            if let Some(value) = self.property {
                out.push(0x26);
                field(PROPERTY, out);
                field(value, out);
            }
        }
        field(self.client_id, out);
        if let Some([topic, payload]) = will {
            if is_v5 {
                out.push(0);
            }
            field(topic, out);
            field(payload, out);
        }
        for login in [self.username, self.password].into_iter().flatten() {
            field(login, out);
        }
        Ok(())
    }
}

/// Appends bytes after their length.
fn field(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// How many bytes a length takes (MQTT 5.0, 1.5.5).
fn length_bytes(length: usize) -> usize {
    match length {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

fn remaining_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 128 } else { byte });
        if length == 0 {
            return;
        }
    }
}

/// What the bytes read so far say about CONNACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connack {
    /// It is there.
    Complete {
        /// The code, as sent.
        code: u8,
        /// Server Keep Alive (MQTT 5.0, 3.2.2.3.14), which takes the place of ours.
        keep_alive: Option<u16>,
        /// Its length; what follows belongs to the session.
        length: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// This is no CONNACK; what it is instead.
    Wrong(&'static str),
}

impl Connack {
    /// Reads the first packet of a broker.
    pub fn read(bytes: &[u8], protocol: Protocol) -> Self {
        // What nearly every broker sends, taken at a glance.
        match (protocol, bytes) {
            (_, []) => return Self::Incomplete,
            (Protocol::V4, [CONNACK, 2, 0 | 1, code, ..]) => return Self::complete(*code, None, 4),
            // One without 3.1.1 may say so in the format of 5.0.
            (Protocol::V5, [CONNACK, 3, 0 | 1, code, 0, ..])
            | (Protocol::V4, [CONNACK, 3, 0, code @ (1 | 0x84), 0, ..]) => {
                return Self::complete(*code, None, 5);
            }
            // A broker without 5.0 may answer in the format of 3.1.1 (MQTT 5.0, 3.1.2.2), but not accept.
            (Protocol::V5, [CONNACK, 2, 0, code, ..]) if *code != 0 => {
                return Self::complete(*code, None, 4);
            }
            _ => {}
        }
        if bytes[0] != CONNACK {
            return match bytes {
                [21] | b"H" | b"HT" | b"HTT" => Self::Incomplete,
                // An alert of TLS (RFC 8446, 5.1), which is how its servers answer to what is none.
                [21, 3, ..] => Self::Wrong("tls"),
                [b'H', b'T', b'T', b'P', ..] => Self::Wrong("http"),
                [first, ..] if matches!(first >> 4, 1..=15) => Self::Wrong("another_packet"),
                _ => Self::Wrong("garbage"),
            };
        }
        let length = match mqttbytes::check(bytes.iter(), LONGEST_CONNACK) {
            Ok(header) => header.frame_length(),
            Err(mqttbytes::Error::InsufficientBytes(_)) => return Self::Incomplete,
            Err(mqttbytes::Error::PayloadSizeLimitExceeded(_)) => {
                return Self::Wrong("connack_too_long");
            }
            Err(_) => return Self::Wrong("malformed_connack"),
        };
        Self::whole(&bytes[..length], protocol)
    }

    fn complete(code: u8, keep_alive: Option<u16>, length: usize) -> Self {
        Self::Complete { code, keep_alive, length }
    }

    fn whole(packet: &[u8], protocol: Protocol) -> Self {
        let header = packet.iter().skip(1).take_while(|byte| **byte & 128 != 0).count() + 2;
        let Some([0 | 1, code, ..]) = packet.get(header..) else {
            return Self::Wrong("malformed_connack");
        };
        let mut copy = BytesMut::from(packet);
        copy[header + 1] = KNOWN_CODE;
        match (protocol, v5::Packet::read(&mut copy, None)) {
            (Protocol::V5, Ok(v5::Packet::ConnAck(connack))) => {
                let keep_alive =
                    connack.properties.and_then(|properties| properties.server_keep_alive);
                Self::complete(*code, keep_alive, packet.len())
            }
            // 3.1.1 knows only packets of two bytes, which were taken above.
            _ => Self::Wrong("malformed_connack"),
        }
    }
}

#[cfg(test)]
mod tests;
