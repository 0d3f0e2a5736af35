//! Non-blocking TCP sockets, opened from ports of our own choice.

use std::{
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, ipproto, send,
        socket_with, sockopt,
    },
};

use super::port::PortWalk;
use crate::attempt::Outcome;

/// Ports that are tried for one socket before we say that there is none: enough to step over any
/// run of ports in use that a storm leaves, and short enough not to hold up the others.
const TRIES: u32 = 4096;

/// Opens a socket and begins to connect it.
///
/// # Errors
/// With the outcome of the attempt: `local_error` where the host has no descriptor, port or memory
/// left, `tcp_failed` where the network says no at once.
pub fn open(target: SocketAddr, walk: &mut PortWalk) -> Result<OwnedFd, Outcome> {
    for _ in 0..TRIES.min(walk.ports()) {
        let socket = new_socket(target).map_err(local)?;
        match bind(&socket, &walk.next(target)) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => continue,
            Err(error) => return Err(local(error)),
        }
        match connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => return Ok(socket),
            // The four-tuple is taken, or too young in TIME_WAIT: the next port.
            Err(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Outcome::LocalError("no_port"))
}

fn new_socket(target: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // A port whose last connection is in TIME_WAIT may be bound again.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // A CONNECT longer than a segment must not wait for an acknowledgement (Nagle).
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// What became of bytes that were to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// So many were taken.
    Bytes(usize),
    /// Not now.
    Later,
    /// Not at all.
    Failed(Errno),
}

/// Sends what the socket takes.
pub fn send_some(socket: BorrowedFd<'_>, bytes: &[u8]) -> Sent {
    match send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(count) => Sent::Bytes(count),
        Err(Errno::AGAIN | Errno::INTR) => Sent::Later,
        Err(error) => Sent::Failed(error),
    }
}

/// The error that a socket holds, if any.
pub fn pending_error(socket: &OwnedFd) -> Option<Errno> {
    match sockopt::socket_error(socket.as_fd()) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(error),
    }
}

/// The outcome of a failure while the TCP connection comes about.
pub fn failed(error: Errno) -> Outcome {
    match error {
        Errno::CONNREFUSED => Outcome::TcpFailed("ECONNREFUSED"),
        Errno::CONNRESET => Outcome::TcpFailed("ECONNRESET"),
        Errno::CONNABORTED => Outcome::TcpFailed("ECONNABORTED"),
        Errno::TIMEDOUT => Outcome::TcpFailed("ETIMEDOUT"),
        Errno::HOSTUNREACH => Outcome::TcpFailed("EHOSTUNREACH"),
        Errno::NETUNREACH => Outcome::TcpFailed("ENETUNREACH"),
        Errno::PIPE => Outcome::TcpFailed("EPIPE"),
        Errno::ADDRNOTAVAIL
        | Errno::ADDRINUSE
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOBUFS
        | Errno::NOMEM
        | Errno::ACCESS
        | Errno::PERM
        | Errno::INVAL => local(error),
        _ => Outcome::TcpFailed("other"),
    }
}

fn local(error: Errno) -> Outcome {
    Outcome::LocalError(match error {
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOBUFS => "ENOBUFS",
        Errno::NOMEM => "ENOMEM",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::ADDRINUSE => "EADDRINUSE",
        Errno::AFNOSUPPORT => "EAFNOSUPPORT",
        _ => "other",
    })
}
