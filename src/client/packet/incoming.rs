//! What a broker sends after CONNACK, read without a copy: a packet borrows from the bytes that it was read of.
//!
//! Reason codes are taken as they were sent: one that the standard does not have is a finding, no error.

use super::fields::{Allowed, Fields, Property};
use crate::scenario::Protocol;

/// The properties that PUBLISH may have (MQTT 5.0, 3.3.2.3).
const OF_PUBLISH: Allowed = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26];
/// Those of all acknowledgements: Reason String and User Property.
const OF_ACKS: Allowed = &[0x1F, 0x26];
/// Those of AUTH (MQTT 5.0, 3.15.2.2).
const OF_AUTH: Allowed = &[0x15, 0x16, 0x1F, 0x26];

/// A packet of a broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packet<'a> {
    /// A message.
    Publish(Publish<'a>),
    /// The answer to a publish of QoS 1.
    PubAck(Ack),
    /// The first answer to a publish of QoS 2.
    PubRec(Ack),
    /// The release of a message of QoS 2.
    PubRel(Ack),
    /// The last answer to a publish of QoS 2.
    PubComp(Ack),
    /// The answer to SUBSCRIBE: a code for each filter.
    SubAck(Codes<'a>),
    /// The answer to UNSUBSCRIBE: a code for each filter, in 3.1.1 none.
    UnsubAck(Codes<'a>),
    /// The answer to a ping.
    PingResp,
    /// The broker disconnects, with this reason code (MQTT 5.0).
    Disconnect(u8),
    /// A step of enhanced authentication (MQTT 5.0).
    Auth(Auth<'a>),
}

/// A message (MQTT 5.0, 3.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Publish<'a> {
    /// Quality of service: 0, 1 or 2.
    pub qos: u8,
    /// The broker sends it again.
    pub is_duplicate: bool,
    /// It was retained.
    pub is_retained: bool,
    /// Packet Identifier; 0 where `qos` is.
    pub id: u16,
    /// Topic Name; of 5.0 it may be empty, where an alias stands for it.
    pub topic: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// An acknowledgement of one packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ack {
    /// Packet Identifier of the packet that it answers.
    pub id: u16,
    /// Reason code; 0 in 3.1.1, which has none.
    pub code: u8,
}

/// An acknowledgement of several filters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Codes<'a> {
    /// Packet Identifier of the packet that it answers.
    pub id: u16,
    /// Reason codes, in the order of the filters.
    pub codes: &'a [u8],
}

/// A step of enhanced authentication (MQTT 5.0, 3.15).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Auth<'a> {
    /// Reason code: 0x00 success, 0x18 continue, 0x19 again.
    pub code: u8,
    /// Authentication Method, where the broker says it.
    pub method: Option<&'a str>,
    /// Authentication Data, where there is some.
    pub data: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Reads a packet that is whole; `None` where it is malformed, or none that a broker may send. `head` is how many bytes
    /// its fixed header has.
    pub(in crate::client) fn read(
        packet: &'a [u8],
        head: usize,
        protocol: Protocol,
    ) -> Option<Self> {
        let (first, body) = (*packet.first()?, packet.get(head..)?);
        let is_v5 = protocol == Protocol::V5;
        let mut fields = Fields::new(body);
        Some(match first >> 4 {
            3 => Self::Publish(Publish::read(first, fields, is_v5)?),
            4 => Self::PubAck(Ack::read(fields, is_v5)?),
            5 => Self::PubRec(Ack::read(fields, is_v5)?),
            6 => Self::PubRel(Ack::read(fields, is_v5)?),
            7 => Self::PubComp(Ack::read(fields, is_v5)?),
            9 => Self::SubAck(Codes::read(fields, is_v5).filter(|acks| !acks.codes.is_empty())?),
            // 3.1.1 has no codes for it, 5.0 has one a filter.
            11 => {
                let acks = Codes::read(fields, is_v5);
                Self::UnsubAck(acks.filter(|acks| acks.codes.is_empty() != is_v5)?)
            }
            13 if first == 0xD0 && body.is_empty() => Self::PingResp,
            14 if is_v5 => Self::Disconnect(fields.byte().unwrap_or_default()),
            15 if is_v5 => Self::Auth(Auth::read(fields)?),
            _ => return None,
        })
    }
}

impl<'a> Publish<'a> {
    fn read(first: u8, mut fields: Fields<'a>, is_v5: bool) -> Option<Self> {
        let qos = first >> 1 & 3;
        if qos == 3 {
            return None;
        }
        let topic = if is_v5 { fields.bytes()? } else { fields.text()?.as_bytes() };
        let id = if qos > 0 { fields.short().filter(|id| *id > 0)? } else { 0 };
        if is_v5 {
            fields.properties(OF_PUBLISH, |_| {})?;
        }
        Some(Self {
            qos,
            is_duplicate: first & 8 != 0,
            is_retained: first & 1 != 0,
            id,
            topic,
            payload: fields.rest(),
        })
    }
}

impl Ack {
    fn read(mut fields: Fields<'_>, is_v5: bool) -> Option<Self> {
        let id = fields.short()?;
        // Code and properties may both be left out (MQTT 5.0, 3.4.2.1).
        if !is_v5 || fields.rest().is_empty() {
            return Some(Self { id, code: 0 });
        }
        let code = fields.byte()?;
        if !fields.rest().is_empty() {
            fields.properties(OF_ACKS, |_| {})?;
        }
        Some(Self { id, code })
    }
}

impl<'a> Codes<'a> {
    fn read(mut fields: Fields<'a>, is_v5: bool) -> Option<Self> {
        let id = fields.short()?;
        if is_v5 {
            fields.properties(OF_ACKS, |_| {})?;
        }
        Some(Self { id, codes: fields.rest() })
    }
}

impl<'a> Auth<'a> {
    fn read(mut fields: Fields<'a>) -> Option<Self> {
        // Without a body it is a success without properties (MQTT 5.0, 3.15.2.1).
        let mut auth = Self { code: 0, method: None, data: None };
        if fields.rest().is_empty() {
            return Some(auth);
        }
        auth.code = fields.byte()?;
        if fields.rest().is_empty() {
            return Some(auth);
        }
        fields.properties(OF_AUTH, |property| match property {
            Property::AuthenticationMethod(method) => auth.method = Some(method),
            Property::AuthenticationData(data) => auth.data = Some(data),
            _ => {}
        })?;
        Some(auth)
    }
}
