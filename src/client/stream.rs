//! The stream that `rustls` and `tungstenite` see: a socket that does not block, and TLS over it.
//!
//! A short read tells that the socket is empty, so that no system call is spent on hearing it again: the
//! next edge of epoll tells of more.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::BorrowedFd,
};

use rustix::{
    io::{Errno, writev},
    net::{RecvFlags, recv},
};
use rustls::ClientConnection;

use super::socket::{Sent, send_some};
use crate::base::tls::failure;

/// Bytes that are read from a connection before others have their turn: two full reads of a worker. What a layer can
/// make of them, in the worst case 1 400 records of TLS, takes a millisecond or two.
pub const TURN: usize = 32 * 1024;

/// What is known of the socket since the last event.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketState {
    /// Nothing is left to read.
    pub(super) is_drained: bool,
    /// The broker has closed it, so that nothing but its end says that nothing is left.
    pub(super) ends: bool,
    /// Bytes that may still be read in this turn.
    left: usize,
    /// More was to be read than a turn allows.
    pub(super) is_spent: bool,
    /// Bytes read that were not counted yet.
    read: usize,
}

impl Default for SocketState {
    fn default() -> Self {
        Self { is_drained: false, ends: false, left: TURN, is_spent: false, read: 0 }
    }
}

impl SocketState {
    /// A new turn begins: an event has come, or what was left of the last turn is gone on with. `ends`: the broker has closed.
    pub(super) fn begin_turn(&mut self, ends: bool) {
        *self = Self { ends: self.ends | ends, read: self.read, ..Self::default() };
    }

    /// Bytes read since this was last asked.
    pub(super) fn take_read(&mut self) -> usize {
        std::mem::take(&mut self.read)
    }
}

/// What an error of a stream means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trouble {
    Later,
    Fin,
    Rst,
    Tls(&'static str),
}

pub(super) fn trouble(error: &io::Error) -> Trouble {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(tls), _) => Trouble::Tls(failure::word(tls)),
        (None, ErrorKind::WouldBlock) => Trouble::Later,
        (None, ErrorKind::UnexpectedEof) => Trouble::Fin,
        // Of `rustls`: a message that its buffer does not hold.
        (None, ErrorKind::InvalidData) => Trouble::Tls(failure::TOO_LONG),
        _ => Trouble::Rst,
    }
}

/// What is below MQTT or WebSocket: TLS, or the socket.
pub(super) struct Below<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) tls: Option<&'a mut ClientConnection>,
    pub(super) state: &'a mut SocketState,
}

impl Read for Below<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Raw { socket: self.socket, state: self.state }.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // At the end of what comes the reader says whether it was announced.
            fill(tls, self.socket, self.state)?;
        }
    }
}

impl Write for Below<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            // Kept there until all of it goes out at once.
            Some(tls) => tls.writer().write(bytes),
            None => Raw { socket: self.socket, state: self.state }.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what the socket has into TLS; `false` at its end.
pub(super) fn fill(
    tls: &mut ClientConnection,
    socket: BorrowedFd<'_>,
    state: &mut SocketState,
) -> io::Result<bool> {
    let count = tls.read_tls(&mut Raw { socket, state })?;
    if let Err(error) = tls.process_new_packets() {
        // The broker is told why; whether it listens is not our concern.
        let _ = write_out(tls, socket);
        return Err(io::Error::new(ErrorKind::InvalidData, error));
    }
    Ok(count > 0)
}

/// Sends all that TLS has to send.
pub(super) fn write_out(tls: &mut ClientConnection, socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count = 0;
    while tls.wants_write() {
        count += tls.write_tls(&mut Raw { socket, state: &mut SocketState::default() })?;
    }
    Ok(count)
}

/// The socket itself.
struct Raw<'a> {
    socket: BorrowedFd<'a>,
    state: &'a mut SocketState,
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.state.is_drained {
            return Err(ErrorKind::WouldBlock.into());
        }
        let room = buffer.len().min(self.state.left);
        if room == 0 {
            // Whoever keeps sending must not keep the worker.
            self.state.is_spent = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let (count, _) = loop {
            match recv(self.socket, &mut buffer[..room], RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        self.state.left -= count;
        self.state.read += count;
        self.state.is_drained = count < room && !self.state.ends;
        Ok(count)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match send_some(self.socket, bytes) {
            Sent::Bytes(count) => Ok(count),
            Sent::Later => Err(ErrorKind::WouldBlock.into()),
            Sent::Failed(error) => Err(error.into()),
        }
    }

    /// All records of a flight in one system call.
    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(writev(self.socket, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
