//! The client's side of one connection: packets, sockets and local ports. It knows no statistics.

pub mod packet;
pub mod port;
pub mod socket;
