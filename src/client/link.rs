//! A client's connection to its broker, whatever lies between TCP and MQTT.
//!
//! Over plain TCP each call is one system call. TLS and WebSocket are layers in a box that only those
//! connections have.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv, sockopt},
};

use super::{
    layers::{Handshake, Layers, OwnPart, Progress, Received},
    socket::{self, Sent},
    transport::Transport,
};
use crate::client::attempt::Close;

/// A connection.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
    nagle: Nagle,
    layers: Option<Box<Layers>>,
}

/// What was sent after CONNACK, and whether Nagle's algorithm was turned off for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nagle {
    NothingSent,
    SentOnce,
    Off,
}

impl Link {
    /// Of a socket that is connected, or about to be.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, nagle: Nagle::NothingSent, layers: None }
    }

    /// The socket.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Whether layers have been begun.
    pub fn is_layered(&self) -> bool {
        self.layers.is_some()
    }

    /// Begins the layers of a transport that is not plain, and sends the first of their first flight.
    pub fn begin(&mut self, transport: &Transport, own: OwnPart<'_>) -> Sent {
        let layers = match &mut self.layers {
            Some(layers) => layers,
            none => match Layers::new(transport, own) {
                Ok(layers) => none.insert(Box::new(layers)),
                // Nothing is ever sent in the clear instead.
                Err(_) => return Sent::Failed(Errno::INVAL),
            },
        };
        layers.flush(self.socket.as_fd())
    }

    /// Says that an event has come, or that it is this connection's turn: there may be something to read. `ends`: the
    /// broker has closed, so all must be read until that is seen; `now` is in nanoseconds.
    pub fn wake(&mut self, ends: bool, now: u64) {
        if let Some(layers) = &mut self.layers {
            layers.wake(ends, now);
        }
    }

    /// Whether layers have more to read than they might in one turn.
    pub fn is_spent(&self) -> bool {
        self.layers.as_ref().is_some_and(|layers| layers.is_spent())
    }

    /// Goes on with the TLS handshake. Over, it leaves its last flight to be sent with what follows.
    pub fn secure(&mut self) -> Progress {
        match &mut self.layers {
            Some(layers) => layers.secure(self.socket.as_fd()),
            None => Progress::Done,
        }
    }

    /// Goes on with the upgrade to WebSocket.
    pub fn upgrade(&mut self) -> Progress {
        match &mut self.layers {
            Some(layers) => layers.upgrade(self.socket.as_fd()),
            None => Progress::Done,
        }
    }

    /// What the TLS handshake agreed on, once it is over.
    pub fn handshake(&self) -> Option<Handshake> {
        self.layers.as_ref().and_then(|layers| layers.handshake())
    }

    /// Sends what is taken of `bytes`: over plain TCP that is what the socket takes. Layers take all or nothing, and hold back
    /// what the socket does not take; while they hold something back, they take no more ([`Link::flush`] goes on with that).
    pub fn send(&mut self, bytes: &[u8]) -> Sent {
        match &mut self.layers {
            None => socket::send_some(self.socket.as_fd(), bytes),
            Some(layers) => layers.send(self.socket.as_fd(), bytes),
        }
    }

    /// Sends like [`Link::send`], after CONNACK. The first of what is sent then finds nothing unacknowledged, since CONNACK
    /// acknowledged CONNECT. From the second on, Nagle's algorithm (RFC 9293, 3.7.4) would have it wait for the broker's
    /// delayed acknowledgement: it is turned off. Most clients send one packet, or none, and are spared the system call.
    pub fn send_in_session(&mut self, bytes: &[u8]) -> Sent {
        match self.nagle {
            Nagle::NothingSent => self.nagle = Nagle::SentOnce,
            Nagle::SentOnce => {
                self.nagle = Nagle::Off;
                // Where the option can't be set, the connection is broken, and sending says so.
                let _ = sockopt::set_tcp_nodelay(&self.socket, true);
            }
            Nagle::Off => {}
        }
        self.send(bytes)
    }

    /// Sends what layers still hold back, and answers the last ping of the layer below MQTT; [`Sent::Bytes`] where nothing is
    /// held back any more.
    pub fn flush(&mut self) -> Sent {
        match &mut self.layers {
            None => Sent::Bytes(0),
            Some(layers) => layers.flush(self.socket.as_fd()),
        }
    }

    /// Receives over plain TCP, and says when that arrived, in nanoseconds since 1970, if the kernel was asked.
    pub fn receive_stamped(&mut self, inbox: &mut [u8]) -> (Received, Option<i64>) {
        loop {
            return match socket::receive_stamped(&self.socket, inbox) {
                Ok((0, _)) => (Received::Closed(Close::Fin), None),
                Ok((count, stamp)) => (Received::Bytes(count, count == inbox.len()), stamp),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => (Received::Later, None),
                Err(_) => (Received::Closed(Close::Rst), None),
            };
        }
    }

    /// Receives MQTT into `inbox`.
    pub fn receive(&mut self, inbox: &mut [u8]) -> Received {
        if let Some(layers) = &mut self.layers {
            return layers.receive(self.socket.as_fd(), inbox);
        }
        loop {
            return match recv(&self.socket, &mut *inbox, RecvFlags::empty()) {
                Ok((0, _)) => Received::Closed(Close::Fin),
                Ok((count, _)) => Received::Bytes(count, count == inbox.len()),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Received::Later,
                Err(_) => Received::Closed(Close::Rst),
            };
        }
    }
}

#[cfg(test)]
mod tests;
