//! The packets of a session that its socket has not taken yet.

/// Bytes that an empty outbox keeps room for: a ping, or DISCONNECT. What took more is given back once it is sent, since
/// there is an outbox for every client that is connected.
const ROOM: usize = 16;

/// Whole packets in the order in which they are to be sent, of which the first may be sent in part.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// One that begins with what is left of a packet, of which so many bytes are sent.
    pub fn of(bytes: Vec<u8>, sent: usize) -> Self {
        if sent < bytes.len() { Self { bytes, sent } } else { Self::default() }
    }

    /// Appends a packet, which must be whole.
    pub fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
    }

    /// What is to be sent next; empty where all is sent.
    pub fn outgoing(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// So many bytes of [`Outbox::outgoing`] were taken.
    pub fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.is_empty() {
            self.sent = 0;
            if self.bytes.capacity() > ROOM {
                // Freed as a whole: to cut it would leave a remainder, and copy what is none.
                self.bytes = Vec::new();
            }
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_parts_is_sent_once_and_long_packets_give_their_room_back() {
        let mut outbox = Outbox::of(b"CONNECT".to_vec(), 7);
        assert!(outbox.is_empty(), "all of it is sent");
        outbox.push(&[7; 1_000]);
        outbox.sent(999);
        outbox.push(b"ab");
        assert_eq!(outbox.outgoing(), [7, b'a', b'b']);
        outbox.sent(3);
        assert!(outbox.is_empty() && outbox.outgoing().is_empty());
        assert!(outbox.bytes.capacity() <= ROOM);
    }
}
