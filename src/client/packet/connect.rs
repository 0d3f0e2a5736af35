//! CONNECT, written.
//!
//! `rumqttc`'s codec can't write the packets that are needed here: its `Login` is two `String`s, so an empty password
//! drops the flag, and a password that is not UTF-8 can't be sent.

use super::fields::{
    FixedHeader, behind_length, length_bytes, properties_bytes, put_field, put_length,
    put_properties,
};
use crate::scenario::Protocol;

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
    /// Authentication Data (3.1.2.11.10), where there is some.
    pub data: Option<&'a [u8]>,
    /// Whether it has the method twice, which it must not.
    pub method_twice: bool,
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
    /// The authentication data.
    AuthData,
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
            (self.data, TooLong::AuthData),
            (self.property, TooLong::Property),
        ] {
            if field.is_some_and(|field| field.len() > usize::from(u16::MAX)) {
                return Err(name);
            }
        }
        let methods = [self.method, self.method.filter(|_| self.method_twice)];
        let method_and_data = [(0x15, methods[0]), (0x15, methods[1]), (0x16, self.data)];
        let in_properties = properties_bytes(&method_and_data)
            + self.property.map_or(0, |value| 5 + PROPERTY.len() + value.len());
        // Name, level, flags, keep alive.
        let mut length = 6 + 1 + 1 + 2;
        length += fields.iter().flatten().map(|field| 2 + field.len()).sum::<usize>();
        if is_v5 {
            // Those of the will have a length of their own: no properties.
            length += length_bytes(in_properties) + in_properties + usize::from(will.is_some());
        }
        out.push(0x10);
        put_length(length, out);
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
            put_length(in_properties, out);
            put_properties(&method_and_data, out);
            if let Some(value) = self.property {
                out.push(0x26);
                put_field(PROPERTY, out);
                put_field(value, out);
            }
        }
        put_field(self.client_id, out);
        if let Some([topic, payload]) = will {
            if is_v5 {
                out.push(0);
            }
            put_field(topic, out);
            put_field(payload, out);
        }
        for login in [self.username, self.password].into_iter().flatten() {
            put_field(login, out);
        }
        Ok(())
    }
}

/// The properties of enhanced authentication in a CONNECT of 5.0 that [`Connect::encode`] wrote: method and data, as they
/// stand there. Empty where there are none.
pub fn authentication_of(connect: &[u8]) -> &[u8] {
    let FixedHeader::Complete { head, .. } = FixedHeader::read(connect) else { return &[] };
    // Name, level, flags and keep alive stand before the properties.
    let Some(all) = connect.get(head + 10..).and_then(behind_length) else { return &[] };
    let mut end = 0;
    while let Some([0x15 | 0x16, high, low]) = all.get(end..end + 3) {
        end += 3 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    all.get(..end).unwrap_or_default()
}
