//! The packets of MQTT 3.1.1 and 5.0 that a client here sends and reads.
//!
//! They are written and read here, not by a library: CONNECT has to be sent in ways that a library's types can't hold,
//! codes have to be read as they were sent, and nothing is to be copied or allocated for a packet that is only looked at.
//! `rumqttc`'s codec is what the tests hold them against.

mod auth;
mod connack;
mod connect;
mod fields;
mod incoming;
mod publish;

pub use auth::{AGAIN, Authentication, CONTINUE, method_of_auth, properties_of_auth, put_auth};
pub use connack::{Connack, FirstPacket, LONGEST_CONNACK};
pub use connect::{Connect, TooLong, authentication_of};
pub(in crate::client) use fields::FixedHeader;
pub use incoming::{Ack, Auth, Codes, Packet, Publish};
pub use publish::put_probe;

/// DISCONNECT with reason 0, the same in both versions.
pub const DISCONNECT: [u8; 2] = [0xE0, 0];
/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
/// PINGRESP.
pub const PINGRESP: [u8; 2] = [0xD0, 0];

#[cfg(test)]
mod tests;
