//! The client's side of one connection: packets, sockets, local ports, and the layers between TCP and
//! MQTT. It knows no statistics.

pub mod flood;
pub mod frames;
pub mod inbound;
mod layers;
pub mod link;
pub mod names;
pub mod packet;
pub mod port;
pub mod socket;
mod stream;
pub mod transport;
mod upgrade;

pub use layers::{FLOOD, Handshake, Progress, Received};
pub use stream::TURN;
