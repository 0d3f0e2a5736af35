//! When a broker sends more than it can have a reason for: the bounds of a connection, and the count against them.
//!
//! A client here subscribes to nothing and publishes nothing. A broker has reason to answer pings, to end the connection,
//! and to deliver what others have subscribed this client to: retained messages in a burst, queued ones, large ones.

use crate::base::clock::SECOND;

/// Length of a window, in nanoseconds. Bursts are short: over ten seconds no honest one looks like a flood.
const WINDOW: u64 = 10 * SECOND;
/// Messages in a window: 100 000 a second for as long as it lasts, more than any broker delivers to one connection.
const MOST_MESSAGES: u32 = 1_000_000;
/// The longest packet that MQTT knows, in bytes: 256 MiB and its head (MQTT 5.0, 1.5.5).
const LONGEST_PACKET: u64 = 5 + 268_435_455;
/// Bytes in a window: four of those.
const MOST_BYTES: u64 = 4 * LONGEST_PACKET;
/// Packets and frames in a window that carry nothing: answers to what was not asked, pings of the layer below, empty
/// frames. Proxies ping once a second at most.
const MOST_EMPTY: u32 = 1_000;
/// Bytes in a window that layers may take for themselves, however little MQTT comes with them: a handshake with the
/// longest chain of certificates and thousands of session tickets.
const MOST_OVERHEAD: u64 = 1 << 20;
/// Bytes on the wire for one of MQTT. One byte in a frame and a record of its own takes 25 (RFC 8446, 5.2; RFC 6455, 5.2).
const DEAREST: u64 = 64;

/// What has come on a connection in the window that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// Number of the window.
    window: u32,
    messages: u32,
    empty: u32,
    /// Bytes of MQTT.
    bytes: u64,
    /// Bytes on the wire, where layers lie between.
    wire: u64,
}

impl Meter {
    /// Begins a new window where the last is over; `now` is in nanoseconds.
    pub fn at(&mut self, now: u64) {
        let window = (now / WINDOW) as u32;
        if window != self.window {
            *self = Self { window, ..Self::default() };
        }
    }

    /// Counts a message, or whatever else carries something.
    pub fn message(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    /// Counts packets or frames that carry nothing.
    pub fn empty(&mut self, count: u32) {
        self.empty = self.empty.saturating_add(count);
    }

    /// Counts bytes of MQTT.
    pub fn bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(count as u64);
    }

    /// Counts bytes on the wire.
    pub fn wire(&mut self, count: usize) {
        self.wire = self.wire.saturating_add(count as u64);
    }

    /// Whether that is more than any honest broker sends.
    pub fn is_flood(&self) -> bool {
        self.messages > MOST_MESSAGES
            || self.empty > MOST_EMPTY
            || self.bytes > MOST_BYTES
            || self.wire > MOST_OVERHEAD + DEAREST * self.bytes
    }
}

#[cfg(test)]
mod tests;
