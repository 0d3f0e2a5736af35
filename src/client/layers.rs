//! TLS and WebSocket over a socket that does not block: `rustls` and `tungstenite` see a stream that says
//! `WouldBlock`, and nothing here waits.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::BorrowedFd,
};

use rustix::io::Errno;
use rustls::{CipherSuite, ClientConnection, HandshakeKind, ProtocolVersion};
use tungstenite::{
    Bytes, Message,
    error::{Error as WsError, ProtocolError},
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{
    socket::{Sent, send_some},
    stream::{Below, SocketState, Trouble, fill, trouble, write_out},
    transport::Transport,
    upgrade::Upgrade,
};
use crate::attempt::{Close, Code, Outcome};

/// What a WebSocket reads at one time: a CONNACK is far shorter, and thousands of clients hold such a buffer.
const WS_BUFFER: usize = 512;
/// The longest message that is read: nothing that a client here asks for is longer.
const LONGEST_MESSAGE: usize = 1 << 20;

/// What a TLS handshake agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Handshake {
    /// The session is an earlier one, resumed.
    pub is_resumed: bool,
    /// The version of TLS.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: CipherSuite,
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
    /// Of a message, what did not fit into the inbox.
    rest: Bytes,
    /// MQTT was handed over, and has not left yet.
    is_queued: bool,
    state: SocketState,
}

#[derive(Debug)]
enum Ws {
    None,
    Asked(Upgrade),
    Open(Box<WebSocketContext>),
}

impl Layers {
    /// Those of a transport, with their first flight ready to be sent.
    ///
    /// # Errors
    /// For settings of TLS that no connection can be made with.
    pub(super) fn new(transport: &Transport) -> Result<Self, rustls::Error> {
        let tls = match &transport.tls {
            Some((config, name)) => {
                let mut tls = ClientConnection::new(config.clone(), name.clone())?;
                // A CONNECT may be longer than the limit, and is all that is ever written.
                tls.set_buffer_limit(None);
                Some(tls)
            }
            None => None,
        };
        let mut layers = Self {
            tls,
            ws: Ws::None,
            out: Vec::new(),
            rest: Bytes::new(),
            is_queued: false,
            state: SocketState::default(),
        };
        if let Some(endpoint) = &transport.ws {
            let (request, upgrade) = Upgrade::ask(endpoint);
            layers.ws = Ws::Asked(upgrade);
            match &mut layers.tls {
                // Held back until the handshake is over.
                Some(tls) => drop(tls.writer().write_all(&request)),
                None => layers.out = request,
            }
        }
        Ok(layers)
    }

    pub(super) fn wake(&mut self, ends: bool) {
        self.state.is_drained = false;
        self.state.ends |= ends;
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
        match self.flush(socket) {
            Sent::Later => return Progress::Later,
            // As above.
            Sent::Bytes(_) | Sent::Failed(_) => {}
        }
        let Ws::Asked(upgrade) = &mut self.ws else { return Progress::Done };
        let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
        let mut bytes = [0; 1024];
        loop {
            match below.read(&mut bytes) {
                Ok(0) => return stopped(Trouble::Fin),
                Ok(count) => match upgrade.read(&bytes[..count]) {
                    Ok(Some(tail)) => {
                        let open = WebSocketContext::from_partially_read(
                            tail,
                            Role::Client,
                            Some(config()),
                        );
                        self.ws = Ws::Open(Box::new(open));
                        return Progress::Done;
                    }
                    Ok(None) => {}
                    Err(code) => return Progress::Failed(Outcome::WsFailed(code)),
                },
                Err(error) => return stopped(trouble(&error)),
            }
        }
    }

    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Sent {
        let sent = if self.is_queued { self.flush(socket) } else { self.post(socket, bytes) };
        self.is_queued = sent == Sent::Later;
        match sent {
            Sent::Bytes(_) => Sent::Bytes(bytes.len()),
            other => other,
        }
    }

    /// Takes bytes in any case, and sends what the socket takes.
    pub(super) fn post(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Sent {
        let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
        let queued = match &mut self.ws {
            Ws::Open(ws) => {
                let message = Message::Binary(Bytes::copy_from_slice(bytes));
                match ws.write(&mut below, message) {
                    // The frame is kept, whatever of it or of an answer to a ping can't go yet.
                    Err(WsError::Io(error)) => error.kind() == ErrorKind::WouldBlock,
                    written => written.is_ok(),
                }
            }
            _ => below.write_all(bytes).is_ok(),
        };
        if queued { self.flush(socket) } else { Sent::Failed(Errno::PIPE) }
    }

    /// Sends all that the layers hold back; how many bytes were taken, where all were.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>) -> Sent {
        if let Ws::Open(ws) = &mut self.ws {
            let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
            match ws.flush(&mut below) {
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
        let mut below = Below { socket, tls: self.tls.as_mut(), state: &mut self.state };
        let Ws::Open(ws) = &mut self.ws else {
            return match below.read(inbox) {
                Ok(0) => Received::Closed(Close::Fin),
                Ok(count) => Received::Bytes(count, true),
                Err(error) => ended(&error),
            };
        };
        while self.rest.is_empty() {
            match ws.read(&mut below) {
                Ok(Message::Binary(bytes)) => self.rest = bytes,
                // MQTT travels in binary frames only [MQTT-6.0.0-1].
                Ok(Message::Text(_)) => return Received::Failed(Outcome::ProtocolError("ws_text")),
                Ok(Message::Close(_))
                | Err(
                    WsError::ConnectionClosed
                    | WsError::AlreadyClosed
                    | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return Received::Closed(Close::Fin),
                // A ping is answered by the layer, with the next that is sent or read.
                Ok(_) => {}
                Err(WsError::Io(error)) => return ended(&error),
                Err(_) => return Received::Failed(Outcome::ProtocolError("ws_frame")),
            }
        }
        let count = self.rest.len().min(inbox.len());
        inbox[..count].copy_from_slice(&self.rest[..count]);
        self.rest = self.rest.slice(count..);
        Received::Bytes(count, true)
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(WS_BUFFER)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
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
