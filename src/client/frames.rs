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
mod tests;
