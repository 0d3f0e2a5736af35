//! The frames of a WebSocket server, taken apart as they come (RFC 6455, 5): what they carry of MQTT is handed on, and
//! nothing is kept but the head of a frame and the payload of a ping.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// The longest head of a frame (RFC 6455, 5.2).
const LONGEST_HEAD: usize = 14;
/// The longest payload of a control frame (RFC 6455, 5.5).
const LONGEST_CONTROL: u64 = 125;

/// Where the frames of a connection stand.
#[derive(Debug, Default)]
pub struct Frames {
    /// What there is of a head that is not whole.
    head: Vec<u8>,
    /// The frame whose payload comes.
    open: Option<Open>,
    /// A message has begun, and its last frame has not come.
    is_in_message: bool,
    /// The payload of a ping, as far as it has come.
    ping: Vec<u8>,
    /// The last ping that is whole: only that has to be answered (RFC 6455, 5.5.3).
    asked: Option<Vec<u8>>,
}

/// A frame whose payload comes.
#[derive(Clone, Copy, Debug)]
struct Open {
    what: What,
    left: u64,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Mqtt,
    Ping,
    Pong,
    Close,
}

/// What bytes from the wire came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// Bytes of MQTT; they stand at the beginning of what was given.
    pub bytes: usize,
    /// Frames that carry nothing: pings, pongs, empty ones.
    pub empty: u32,
    /// What came after them, where that ends the connection.
    pub end: Option<End>,
}

/// What ends a WebSocket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The server closes it.
    Closed,
    /// It sent what it must not; the word for it.
    Wrong(&'static str),
}

impl Frames {
    /// Takes bytes apart, in place.
    pub fn take(&mut self, bytes: &mut [u8]) -> Taken {
        let (mut taken, mut at) = (Taken::default(), 0);
        while at < bytes.len() {
            let Some(open) = &mut self.open else {
                self.head.push(bytes[at]);
                at += 1;
                match self.begin() {
                    Ok(is_empty) => taken.empty += u32::from(is_empty),
                    Err(end) => return Taken { end: Some(end), ..taken },
                }
                continue;
            };
            let here = usize::try_from(open.left).unwrap_or(usize::MAX).min(bytes.len() - at);
            match open.what {
                What::Mqtt => {
                    bytes.copy_within(at..at + here, taken.bytes);
                    taken.bytes += here;
                }
                What::Ping => self.ping.extend_from_slice(&bytes[at..at + here]),
                What::Pong | What::Close => {}
            }
            open.left -= here as u64;
            at += here;
            if let Err(end) = self.close_if_whole() {
                return Taken { end: Some(end), ..taken };
            }
        }
        taken
    }

    /// The ping that is to be answered, by its payload.
    pub fn asked(&mut self) -> Option<Vec<u8>> {
        self.asked.take()
    }

    /// Looks whether the head is whole, and begins its frame; whether that carries nothing.
    fn begin(&mut self) -> Result<bool, End> {
        let parsed = match FrameHeader::parse(&mut Cursor::new(&self.head[..])) {
            Ok(None) if self.head.len() < LONGEST_HEAD => return Ok(false),
            Ok(Some(parsed)) => parsed,
            Ok(None) | Err(_) => return Err(End::Wrong("ws_frame")),
        };
        self.head.clear();
        let (head, length) = parsed;
        let what = self.what(&head, length).map_err(|error| match error {
            // MQTT travels in binary frames only [MQTT-6.0.0-1].
            Some(OpCode::Data(Data::Text)) => End::Wrong("ws_text"),
            _ => End::Wrong("ws_frame"),
        })?;
        self.open = Some(Open { what, left: length });
        self.close_if_whole()?;
        Ok(what != What::Mqtt || length == 0)
    }

    /// What a frame with this head carries; the code of one that must not come, where that says something.
    fn what(&mut self, head: &FrameHeader, length: u64) -> Result<What, Option<OpCode>> {
        // No extension was asked for, servers do not mask, and a length has 63 bits.
        if head.rsv1 || head.rsv2 || head.rsv3 || head.mask.is_some() || length >> 63 != 0 {
            return Err(None);
        }
        match head.opcode {
            OpCode::Control(control) => {
                if !head.is_final || length > LONGEST_CONTROL {
                    return Err(None);
                }
                match control {
                    Control::Ping => Ok(What::Ping),
                    Control::Pong => Ok(What::Pong),
                    Control::Close if length == 1 => Err(None),
                    Control::Close => Ok(What::Close),
                    Control::Reserved(_) => Err(None),
                }
            }
            OpCode::Data(data) => {
                let goes_on = data == Data::Continue;
                if goes_on != self.is_in_message || !goes_on && data != Data::Binary {
                    return Err(Some(head.opcode));
                }
                self.is_in_message = !head.is_final;
                Ok(What::Mqtt)
            }
        }
    }

    /// Ends the frame whose payload has come.
    fn close_if_whole(&mut self) -> Result<(), End> {
        let Some(Open { what, left: 0 }) = self.open else { return Ok(()) };
        self.open = None;
        match what {
            What::Ping => self.asked = Some(std::mem::take(&mut self.ping)),
            What::Close => return Err(End::Closed),
            What::Mqtt | What::Pong => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of a server with this first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(length as u8),
            length @ 126..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// What comes of bytes that arrive in pieces of this size: MQTT, frames that carry nothing, and the end.
    fn in_pieces(bytes: &[u8], size: usize) -> (Vec<u8>, u32, Option<End>, Frames) {
        let (mut frames, mut mqtt, mut empty) = (Frames::default(), Vec::new(), 0);
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            let taken = frames.take(&mut piece);
            mqtt.extend_from_slice(&piece[..taken.bytes]);
            empty += taken.empty;
            if taken.end.is_some() {
                return (mqtt, empty, taken.end, frames);
            }
        }
        (mqtt, empty, None, frames)
    }

    #[test]
    fn messages_come_through_whatever_frames_and_pieces_they_come_in() {
        let long = vec![7; 70_000];
        let mut bytes = frame(0x82, &[1, 2]);
        bytes.extend(frame(0x02, &[3]));
        bytes.extend(frame(0x89, b"hi"));
        bytes.extend(frame(0x00, &[]));
        bytes.extend(frame(0x80, &[4]));
        bytes.extend(frame(0x8A, b"who asked?"));
        bytes.extend(frame(0x82, &long));
        let wanted = [&[1, 2, 3, 4], &long[..]].concat();
        for size in [1, 2, 3, 7, 16_384, bytes.len()] {
            let (mqtt, empty, end, mut frames) = in_pieces(&bytes, size);
            assert_eq!((mqtt == wanted, empty, end), (true, 3, None), "{size}");
            assert_eq!(frames.asked().as_deref(), Some(&b"hi"[..]), "{size}");
            assert_eq!(frames.asked(), None);
        }
    }

    #[test]
    fn what_a_server_must_not_send_has_its_word_and_what_came_before_is_kept() {
        let masked = [0x82, 0x81, 0, 0, 0, 0, 1];
        let length_of_64_bits = [0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0];
        for (bytes, end) in [
            (frame(0x81, b"hello"), End::Wrong("ws_text")),
            (frame(0xC2, &[1]), End::Wrong("ws_frame")),
            (frame(0x83, &[1]), End::Wrong("ws_frame")),
            (frame(0x8B, &[1]), End::Wrong("ws_frame")),
            (frame(0x80, &[1]), End::Wrong("ws_frame")),
            (frame(0x09, &[1]), End::Wrong("ws_frame")),
            (frame(0x89, &[1; 126]), End::Wrong("ws_frame")),
            (frame(0x88, &[1]), End::Wrong("ws_frame")),
            (masked.to_vec(), End::Wrong("ws_frame")),
            (length_of_64_bits.to_vec(), End::Wrong("ws_frame")),
            ([frame(0x02, &[1]), frame(0x82, &[1])].concat(), End::Wrong("ws_frame")),
            (frame(0x88, &[3, 0xE8]), End::Closed),
            (frame(0x88, &[]), End::Closed),
        ] {
            let whole = [frame(0x82, &[9]), bytes].concat();
            let (mqtt, _, found, _) = in_pieces(&whole, whole.len());
            assert_eq!((mqtt[0], found), (9, Some(end)), "{whole:?}");
        }
    }

    #[test]
    fn a_message_that_never_ends_is_not_kept() {
        let mut frames = Frames::default();
        // 2^62 bytes are announced.
        let mut head = [0x82, 0x7F, 0x40, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(frames.take(&mut head), Taken::default());
        for _ in 0..100 {
            let mut more = [1; 10_000];
            assert_eq!(frames.take(&mut more).bytes, 10_000);
        }
        assert!(frames.head.capacity() + frames.ping.capacity() < 1_000);
        let mut nothing = [0x00, 0x00].repeat(1_000);
        let mut started = Frames::default();
        started.take(&mut frame(0x02, &[1]));
        assert_eq!(started.take(&mut nothing).empty, 1_000);
    }

    proptest! {
        // For all bytes, in all pieces: the same, and no panic.
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x82), Just(0)], 0..300),
            size in 1_usize..40,
        ) {
            let (whole, parts) = (in_pieces(&bytes, bytes.len().max(1)), in_pieces(&bytes, size));
            prop_assert_eq!((whole.0, whole.1, whole.2), (parts.0, parts.1, parts.2));
        }
    }
}
