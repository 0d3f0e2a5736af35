//! AUTH, written (MQTT 5.0, 3.15).

use super::fields::{length_bytes, properties_bytes, put_length, put_properties};

/// Reason code: authentication goes on (3.15.2.1).
pub const CONTINUE: u8 = 0x18;

/// Appends an AUTH with these properties, as bytes.
pub fn put_auth(code: u8, properties: &[u8], out: &mut Vec<u8>) {
    out.push(0xF0);
    put_length(1 + length_bytes(properties.len()) + properties.len(), out);
    out.push(code);
    put_length(properties.len(), out);
    out.extend_from_slice(properties);
}

/// Appends an AUTH with a method and data.
pub fn put_auth_of(code: u8, method: Option<&[u8]>, data: Option<&[u8]>, out: &mut Vec<u8>) {
    let properties = [(0x15, method), (0x16, data)];
    let bytes = properties_bytes(&properties);
    out.push(0xF0);
    put_length(1 + length_bytes(bytes) + bytes, out);
    out.push(code);
    put_length(bytes, out);
    put_properties(&properties, out);
}
