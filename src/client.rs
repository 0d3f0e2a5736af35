//! One client on the wire, and what its answers are worth. Uses `base`, `scenario`, `token`, `plan`.
//!
//! Packets, sockets, local ports, and the layers between TCP and MQTT; what an attempt is, and its verdict. It knows no
//! statistics.

pub mod attempt;
pub mod codes;
pub mod expire;
pub mod flood;
pub mod frames;
pub mod inbound;
mod layers;
pub mod link;
pub mod names;
pub mod outbox;
pub mod packet;
pub mod port;
pub mod reauth;
pub mod session;
pub mod socket;
mod stream;
pub mod transport;
pub mod upgrade;
pub mod verdict;

pub use layers::{FLOOD, Handshake, OwnPart, Progress, Received};
pub use stream::TURN;
