//! AUTH, written (MQTT 5.0, 3.15).

use super::{
    Packet, TooLong,
    fields::{
        FixedHeader, behind_length, length_bytes, properties_bytes, put_length, put_properties,
    },
};
use crate::scenario::Protocol;

/// Reason code: authentication goes on (3.15.2.1).
pub const CONTINUE: u8 = 0x18;
/// Reason code: the client authenticates again (3.15.2.1).
pub const AGAIN: u8 = 0x19;

/// What an AUTH of a client carries.
#[derive(Clone, Copy, Debug)]
pub struct Authentication<'a> {
    /// Authentication Method (3.15.2.2.2), where there is one.
    pub method: Option<&'a [u8]>,
    /// Whether it has the method twice, which it must not.
    pub method_twice: bool,
    /// Authentication Data (3.15.2.2.3), where there is some.
    pub data: Option<&'a [u8]>,
}

impl Authentication<'_> {
    /// Appends an AUTH with it.
    ///
    /// # Errors
    /// When a field is longer than its length prefix can say; then nothing is appended.
    pub fn put(&self, code: u8, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let is_long =
            |field: Option<&[u8]>| field.is_some_and(|it| it.len() > usize::from(u16::MAX));
        for (field, name) in [(self.method, TooLong::Property), (self.data, TooLong::AuthData)] {
            if is_long(field) {
                return Err(name);
            }
        }
        let again = self.method.filter(|_| self.method_twice);
        let properties = [(0x15, self.method), (0x15, again), (0x16, self.data)];
        put_head(code, properties_bytes(&properties), out);
        put_properties(&properties, out);
        Ok(())
    }
}

/// Appends an AUTH with these properties, as bytes.
pub fn put_auth(code: u8, properties: &[u8], out: &mut Vec<u8>) {
    put_head(code, properties.len(), out);
    out.extend_from_slice(properties);
}

/// Appends an AUTH up to its properties, which have so many bytes.
fn put_head(code: u8, properties: usize, out: &mut Vec<u8>) {
    let rest = 1 + length_bytes(properties) + properties;
    // Once for all of it.
    out.reserve(1 + length_bytes(rest) + rest);
    out.push(0xF0);
    put_length(rest, out);
    out.push(code);
    put_length(properties, out);
}

/// The properties of an AUTH that was written here, as bytes.
pub fn properties_of_auth(packet: &[u8]) -> &[u8] {
    let FixedHeader::Complete { head, .. } = FixedHeader::read(packet) else { return &[] };
    packet.get(head + 1..).and_then(behind_length).unwrap_or_default()
}

/// The authentication method of an AUTH that was written here, where it has one.
pub fn method_of_auth(packet: &[u8]) -> Option<&str> {
    let FixedHeader::Complete { head, .. } = FixedHeader::read(packet) else { return None };
    match Packet::read(packet, head, Protocol::V5)? {
        Packet::Auth(auth) => auth.method,
        _ => None,
    }
}
