//! TLS and WebSocket over a socket that does not block: `rustls` and `tungstenite` see a stream that says
//! `WouldBlock`, and nothing here waits.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::BorrowedFd,
};

use rustix::io::Errno;
use rustls::{CipherSuite, ClientConnection, HandshakeKind, ProtocolVersion};
use serde::{Deserialize, Serialize};
use tungstenite::{
    Bytes, Message,
    error::Error as WsError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{
    flood::Meter,
    frames::{End, Frames},
    socket::{Sent, send_some},
    stream::{Below, SocketState, Trouble, fill, trouble, write_out},
    transport::Transport,
    upgrade::{Additions, Upgrade},
};
use crate::client::attempt::{Close, Code, Outcome};

/// How a connection ends on which more comes than any honest broker sends.
pub const FLOOD: Outcome = Outcome::ProtocolError("flood");
/// What a layer holds back at most of what a broker does not take, in bytes: more than the longest CONNECT, whose six
/// fields have 64 KB each. It never comes to that: of MQTT a layer holds back what was sent at once.
const MOST_HELD: usize = 512 * 1024;
/// Bytes of frames that are gathered before they are written: each is written at once.
const WRITES_FROM: usize = 0;

/// What a TLS handshake agreed on. On the bus: whether it is resumed, then version and suite by their numbers (IANA).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "(bool, u16, u16)", into = "(bool, u16, u16)")]
pub struct Handshake {
    /// The session is an earlier one, resumed.
    pub is_resumed: bool,
    /// The version of TLS.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: CipherSuite,
}

impl From<(bool, u16, u16)> for Handshake {
    fn from((is_resumed, version, suite): (bool, u16, u16)) -> Self {
        Self { is_resumed, version: version.into(), suite: suite.into() }
    }
}

impl From<Handshake> for (bool, u16, u16) {
    fn from(hands: Handshake) -> Self {
        (hands.is_resumed, hands.version.into(), hands.suite.into())
    }
}

impl Handshake {
    /// Version and cipher suite, such as `TLS 1.3 TLS_AES_256_GCM_SHA384` (IANA).
    pub fn words(&self) -> String {
        let version = format!("{:?}", self.version).replace("TLSv1_", "TLS 1.");
        let suite = format!("{:?}", self.suite).replace("TLS13_", "TLS_");
        format!("{version} {suite}")
    }
}

/// What came of a handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It is over.
    Done,
    /// It goes on when the socket has or takes more.
    Later,
    /// It failed.
    Failed(Outcome),
}

/// What a client's layers have of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnPart<'a> {
    /// What its request for an upgrade to WebSocket has beside what all have.
    pub upgrade: Option<&'a Additions>,
    /// The number of the client whose certificate it comes with, where clients have their own.
    pub certificate: Option<u64>,
}

/// What was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// So many bytes of MQTT; whether there may be more of them already.
    Bytes(usize, bool),
    /// Nothing now.
    Later,
    /// The broker closed the connection.
    Closed(Close),
    /// A layer broke; how that ends an attempt.
    Failed(Outcome),
}

/// The layers of one connection.
#[derive(Debug)]
pub(super) struct Layers {
    tls: Option<ClientConnection>,
    ws: Ws,
    /// Bytes that no layer holds: a request for an upgrade without TLS.
    out: Vec<u8>,
    /// What has come since the window began.
    meter: Meter,
    /// That is a flood.
    floods: bool,
    /// The socket did not take all that the layers have to send.
    is_held_back: bool,
    state: SocketState,
}

#[derive(Debug)]
enum Ws {
    None,
    Asked(Upgrade),
    Open(Box<Open>),
}

/// A WebSocket.
#[derive(Debug)]
struct Open {
    /// What comes.
    frames: Frames,
    /// What goes; nothing is read with it.
    writer: WebSocketContext,
    /// What came with the answer to the upgrade.
    first: Vec<u8>,
    /// How it ended, once what came before that is handed on.
    end: Option<End>,
}

impl Open {
    fn new(first: Vec<u8>) -> Self {
        // Its buffer for reading, which nothing is read into, is empty.
        let config = WebSocketConfig::default()
            .read_buffer_size(0)
            .write_buffer_size(WRITES_FROM)
            .max_write_buffer_size(MOST_HELD);
        let writer = WebSocketContext::new(Role::Client, Some(config));
        Self { frames: Frames::default(), writer, first, end: None }
    }
}

impl Layers {
    /// Those of a transport, with their first flight ready to be sent.
    ///
    /// # Errors
    /// For settings of TLS that no connection can be made with.
    pub(super) fn new(transport: &Transport, own: OwnPart<'_>) -> Result<Self, rustls::Error> {
        let tls = match transport.tls_of(own.certificate) {
            Some((config, name)) => {
                let mut tls = ClientConnection::new(config, name)?;
                // A CONNECT may be longer than the limit that it has by itself.
                tls.set_buffer_limit(Some(MOST_HELD));
                Some(tls)
            }
            None => None,
        };
        let mut layers = Self {
            tls,
            ws: Ws::None,
            out: Vec::new(),
            meter: Meter::default(),
            floods: false,
            is_held_back: false,
            state: SocketState::default(),
        };
        if let Some(endpoint) = &transport.ws {
            let (request, upgrade) = Upgrade::ask(endpoint, own.upgrade);
            layers.ws = Ws::Asked(upgrade);
            match &mut layers.tls {
                // Held back until the handshake is over.
                Some(tls) => drop(tls.writer().write_all(&request)),
                None => layers.out = request,
            }
        }
        Ok(layers)
    }

    pub(super) fn wake(&mut self, ends: bool, now: u64) {
        self.state.begin_turn(ends);
        self.meter.at(now);
    }

    /// Whether there is more to read than this turn allowed.
    pub(super) fn is_spent(&self) -> bool {
        self.state.is_spent
    }

    /// Counts what was read and what came of it; whether that is a flood.
    fn is_flooded(&mut self, bytes: usize, empty: u32) -> bool {
        self.meter.wire(self.state.take_read());
        self.meter.bytes(bytes);
        self.meter.empty(empty);
        self.meter.is_flood()
    }

    pub(super) fn handshake(&self) -> Option<Handshake> {
        let tls = self.tls.as_ref()?;
        Some(Handshake {
            is_resumed: tls.handshake_kind()? == HandshakeKind::Resumed,
            version: tls.protocol_version()?,
            suite: tls.negotiated_cipher_suite()?.suite(),
        })
    }

    pub(super) fn secure(&mut self, socket: BorrowedFd<'_>) -> Progress {
        let Some(tls) = &mut self.tls else { return Progress::Done };
        let stopped = |trouble| stopped(trouble, Outcome::TlsFailed);
        while tls.is_handshaking() {
            if let Err(error) = write_out(tls, socket)
                && trouble(&error) != Trouble::Rst
            {
                return stopped(trouble(&error));
            }
            // A broker that has closed may have said why before.
            match fill(tls, socket, &mut self.state) {
                Ok(true) => {}
                Ok(false) => return stopped(Trouble::Fin),
                Err(error) => return stopped(trouble(&error)),
            }
        }
        Progress::Done
    }

    pub(super) fn upgrade(&mut self, socket: BorrowedFd<'_>) -> Progress {
        let stopped = |trouble| stopped(trouble, |word| Outcome::WsFailed(Code::Word(word)));
        // A server may answer before it has taken all of a long request; one that has closed may have said why before.
        let _ = self.drain(socket);
        let Ws::Asked(upgrade) = &mut self.ws else { return Progress::Done };
        let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
        let mut bytes = [0; 1024];
        loop {
            match below.read(&mut bytes) {
                Ok(0) => return stopped(Trouble::Fin),
                Ok(count) => match upgrade.read(&bytes[..count]) {
                    Ok(Some(first)) => {
                        self.ws = Ws::Open(Box::new(Open::new(first)));
                        return Progress::Done;
                    }
                    Ok(None) => {}
                    Err(code) => return Progress::Failed(upgrade.failure(code)),
                },
                Err(error) => {
                    self.meter.wire(below.state.take_read());
                    if self.meter.is_flood() {
                        return Progress::Failed(FLOOD);
                    }
                    return stopped(trouble(&error));
                }
            }
        }
    }

    /// Takes all of `bytes`, or nothing where something is held back from before: so what is held back is bounded by what is
    /// sent at once. Sends what the socket takes.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Sent {
        // The last flight of a handshake is not waited for: it goes out with what follows.
        if self.is_held_back
            && let held @ (Sent::Later | Sent::Failed(_)) = self.drain(socket)
        {
            return held;
        }
        let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
        let queued = match &mut self.ws {
            Ws::Open(ws) => {
                let message = Message::Binary(Bytes::copy_from_slice(bytes));
                match ws.writer.write(&mut below, message) {
                    // The frame is kept, whatever of it or of an answer to a ping can't go yet.
                    Err(WsError::Io(error)) => error.kind() == ErrorKind::WouldBlock,
                    written => written.is_ok(),
                }
            }
            _ => below.write_all(bytes).is_ok(),
        };
        match self.drain(socket) {
            _ if !queued => Sent::Failed(Errno::PIPE),
            Sent::Bytes(_) | Sent::Later => Sent::Bytes(bytes.len()),
            failed @ Sent::Failed(_) => failed,
        }
    }

    /// Sends all that the layers hold back, and answers the last ping where nothing is held back: whoever does not read what
    /// he asked for has one answer waiting, not all.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let drained = self.drain(socket);
        if let (Sent::Bytes(_), Ws::Open(ws)) = (drained, &mut self.ws)
            && let Some(payload) = ws.frames.asked()
        {
            let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
            // What can't be written is seen below, or by the next that is read.
            let _ = ws.writer.write(&mut below, Message::Pong(payload.into()));
            return self.drain(socket);
        }
        drained
    }

    /// Sends all that the layers hold back; how many bytes were taken, where all were.
    fn drain(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let sent = self.push_out(socket);
        self.is_held_back = sent == Sent::Later;
        sent
    }

    fn push_out(&mut self, socket: BorrowedFd<'_>) -> Sent {
        if let Ws::Open(ws) = &mut self.ws {
            let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
            match ws.writer.flush(&mut below) {
                Ok(()) => {}
                Err(WsError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Sent::Later;
                }
                Err(_) => return Sent::Failed(Errno::PIPE),
            }
        }
        let mut count = 0;
        while !self.out.is_empty() {
            match send_some(socket, &self.out) {
                Sent::Bytes(sent) => {
                    drop(self.out.drain(..sent));
                    count += sent;
                }
                other => return other,
            }
        }
        match self.tls.as_mut().map_or(Ok(0), |tls| write_out(tls, socket)) {
            Ok(sent) => Sent::Bytes(count + sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::Later,
            Err(error) => Sent::Failed(Errno::from_io_error(&error).unwrap_or(Errno::PIPE)),
        }
    }

    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, inbox: &mut [u8]) -> Received {
        loop {
            if self.floods {
                return Received::Failed(FLOOD);
            }
            if let Ws::Open(ws) = &self.ws
                && let Some(end) = ws.end
            {
                return match end {
                    End::Closed => Received::Closed(Close::Fin),
                    End::Wrong(word) => Received::Failed(Outcome::ProtocolError(word)),
                };
            }
            let count = match self.fetch(socket, inbox) {
                Ok(0) => return Received::Closed(Close::Fin),
                Ok(count) => count,
                // Layers may have read what was theirs alone.
                Err(_) if self.is_flooded(0, 0) => return Received::Failed(FLOOD),
                Err(error) => return ended(&error),
            };
            let (bytes, empty) = match &mut self.ws {
                Ws::Open(ws) => {
                    let taken = ws.frames.take(&mut inbox[..count]);
                    ws.end = taken.end;
                    (taken.bytes, taken.empty)
                }
                _ => (count, 0),
            };
            // What came before it counts: a broker may accept, and flood in the same segment.
            if self.is_flooded(bytes, empty) {
                self.floods = true;
            }
            if bytes > 0 {
                return Received::Bytes(bytes, true);
            }
        }
    }

    /// Reads what lies above TLS: MQTT, or the frames that it is in.
    fn fetch(&mut self, socket: BorrowedFd<'_>, inbox: &mut [u8]) -> io::Result<usize> {
        if let Ws::Open(ws) = &mut self.ws
            && !ws.first.is_empty()
        {
            let count = ws.first.len().min(inbox.len());
            inbox[..count].copy_from_slice(&ws.first[..count]);
            drop(ws.first.drain(..count));
            return Ok(count);
        }
        Below { socket, tls: self.tls.as_mut(), state: &mut self.state }.read(inbox)
    }
}

/// What stops a handshake for now, or for good; the end of the connection is a failure of the layer that is
/// coming about.
fn stopped(trouble: Trouble, of_layer: impl Fn(&'static str) -> Outcome) -> Progress {
    match trouble {
        Trouble::Later => Progress::Later,
        Trouble::Fin => Progress::Failed(of_layer("fin")),
        Trouble::Rst => Progress::Failed(of_layer("rst")),
        Trouble::Tls(word) => Progress::Failed(Outcome::TlsFailed(word)),
    }
}

/// How a connection that stood ended.
fn ended(error: &io::Error) -> Received {
    match trouble(error) {
        Trouble::Later => Received::Later,
        Trouble::Fin => Received::Closed(Close::Fin),
        Trouble::Rst => Received::Closed(Close::Rst),
        Trouble::Tls(word) => Received::Failed(Outcome::TlsFailed(word)),
    }
}
