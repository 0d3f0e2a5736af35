//! Non-blocking TCP sockets, opened from ports of our own choice.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    setsockopt_impl, sockopt_impl,
    sys::socket::{ControlMessageOwned, TimestampingFlag, recvmsg, setsockopt},
};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, ipproto, recv,
        send, socket_with, sockopt,
    },
};

use super::port::{PortWalk, any_towards};
use crate::client::attempt::Outcome;

/// Ports that are tried for one socket before we say that there is none: enough to step over any
/// run of ports in use that a storm leaves, and short enough not to hold up the others.
const TRIES: u32 = 4096;

/// Bytes that one TCP segment can carry everywhere (RFC 9293, 3.7.1).
const LEAST_SEGMENT: usize = 536;

/// How a socket gets the port that was chosen for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortChoice {
    /// As the only one of a range from which the kernel takes one while it connects (Linux 6.3): a
    /// third cheaper than binding, and a port that is busy costs no new socket.
    AtConnect,
    /// By binding the socket to it first.
    ByBinding,
}

sockopt_impl!(
    /// Lowest and highest local port, in the low and high half (`IP_LOCAL_PORT_RANGE`; for IPv6 too).
    LocalPortRange,
    SetOnly,
    libc::IPPROTO_IP,
    IP_LOCAL_PORT_RANGE,
    u32
);

/// Of `linux/in.h`; `libc` does not have it yet.
const IP_LOCAL_PORT_RANGE: i32 = 51;

impl PortChoice {
    /// The best that this kernel has; tried on a socket, as a version number says little of one that
    /// somebody else has patched.
    pub fn of_this_kernel() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 1));
        let is_known = new_socket(any, 0).is_ok_and(|socket| narrow(&socket, 40_000).is_ok());
        if is_known { Self::AtConnect } else { Self::ByBinding }
    }

    /// Prepares a socket to connect from this address and port.
    fn prepare(self, socket: &OwnedFd, from: SocketAddr) -> rustix::io::Result<()> {
        match self {
            Self::AtConnect => {
                if !from.ip().is_unspecified() {
                    let without_port = nix::sys::socket::sockopt::IpBindAddressNoPort;
                    setsockopt(socket, without_port, &true).map_err(errno)?;
                    bind(socket, &SocketAddr::new(from.ip(), 0))?;
                }
                // Port 0 leaves it to the kernel.
                narrow(socket, from.port())
            }
            Self::ByBinding => {
                // A port whose last connection is in TIME_WAIT may be bound again.
                sockopt::set_socket_reuseaddr(socket, true)?;
                bind(socket, &from)
            }
        }
    }
}

/// Leaves one port to choose from.
fn narrow(socket: &OwnedFd, port: u16) -> rustix::io::Result<()> {
    setsockopt(socket, LocalPortRange, &(u32::from(port) << 16 | u32::from(port))).map_err(errno)
}

fn errno(error: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

/// Whether this host has a route to an address: asked of the kernel, with nothing sent.
///
/// # Errors
/// With the system's name of the reason.
pub fn route(target: SocketAddr) -> Result<(), &'static str> {
    let connected =
        UdpSocket::bind((any_towards(target), 0)).and_then(|socket| socket.connect(target));
    connected.map_err(|error| match Errno::from_io_error(&error).map(failed) {
        Some(Outcome::TcpFailed(why) | Outcome::LocalError(why)) => why,
        _ => "other",
    })
}

/// Opens a socket for a first packet of so many bytes, and begins to connect it; `usize::MAX` where several
/// go to and fro.
///
/// # Errors
/// With the outcome of the attempt: `local_error` where the host has no descriptor, port or memory
/// left, `tcp_failed` where the network says no at once.
pub fn open(
    target: SocketAddr,
    walk: &mut PortWalk,
    choice: PortChoice,
    length: usize,
) -> Result<OwnedFd, Outcome> {
    let mut spare = None;
    for _ in 0..TRIES.min(walk.ports()) {
        let from = walk.next(target);
        let socket = match spare.take() {
            Some(socket) => socket,
            None => new_socket(target, length).map_err(local)?,
        };
        match choice.prepare(&socket, from) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => continue,
            Err(error) => return Err(local(error)),
        }
        match connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => return Ok(socket),
            // The four-tuple is taken, or too young in TIME_WAIT: the next port. A socket that is bound
            // to nothing can try again.
            Err(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => {
                let is_unbound = choice == PortChoice::AtConnect && from.ip().is_unspecified();
                spare = is_unbound.then_some(socket);
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Outcome::LocalError("no_port"))
}

/// Begins to connect a socket on which nothing will be sent, from a port of the kernel's choice, which is none that is in
/// use; and says whether it is connected already.
///
/// # Errors
/// When the network or this host says no at once.
pub fn knock(target: SocketAddr, from: Option<IpAddr>) -> Result<(OwnedFd, bool), Errno> {
    let socket = new_socket(target, 0)?;
    if let Some(from) = from {
        let without_port = nix::sys::socket::sockopt::IpBindAddressNoPort;
        setsockopt(&socket, without_port, &true).map_err(errno)?;
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    match connect(&socket, &target) {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS) => {
            let is_connected = is_connected(&socket);
            Ok((socket, is_connected))
        }
        Err(error) => Err(error),
    }
}

fn new_socket(target: SocketAddr, length: usize) -> rustix::io::Result<OwnedFd> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // A CONNECT longer than a segment must not wait for an acknowledgement (Nagle). A shorter one, which
    // is the first on its connection, never does.
    if length > LEAST_SEGMENT {
        sockopt::set_tcp_nodelay(&socket, true)?;
    }
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

/// Asks the kernel to say when segments of this socket arrive, in software (`SO_TIMESTAMPING`,
/// `Documentation/networking/timestamping.rst` of Linux).
pub fn ask_for_stamps(socket: &impl AsFd) -> bool {
    let wanted = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(socket, nix::sys::socket::sockopt::Timestamping, &wanted).is_ok()
}

/// A socket that receives nothing and asks for stamps: the kernel takes a moment until it stamps at all, and goes on as long
/// as somebody asks.
pub fn stamping() -> Option<UdpSocket> {
    let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).ok()?;
    ask_for_stamps(&socket).then_some(socket)
}

/// Receives, and says when the last segment of it arrived, in nanoseconds since 1970, if the kernel does.
///
/// # Errors
/// As `recvmsg(2)`.
pub fn receive_stamped(
    socket: &OwnedFd,
    inbox: &mut [u8],
) -> rustix::io::Result<(usize, Option<i64>)> {
    let mut parts = [std::io::IoSliceMut::new(inbox)];
    let mut control = nix::cmsg_space!(nix::sys::socket::Timestamps);
    let received = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        nix::sys::socket::MsgFlags::empty(),
    )
    .map_err(errno)?;
    let mut messages = received.cmsgs().map_err(errno)?;
    let stamp = messages.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampsns(stamps) => Some(stamps.system),
        _ => None,
    });
    let ns = stamp.map(|at| at.tv_sec() * 1_000_000_000 + at.tv_nsec());
    // A segment that came before the kernel was asked has none.
    Ok((received.bytes, ns.filter(|ns| *ns > 0)))
}

/// Whether the TCP handshake of a socket is over.
pub fn is_connected(socket: &OwnedFd) -> bool {
    rustix::net::getpeername(socket).is_ok_and(|peer| peer.is_some())
}

/// Whether the other end has closed, and all that came before has been read.
pub fn has_closed(socket: &OwnedFd) -> bool {
    let mut next = [0; 1];
    matches!(recv(socket, &mut next[..], RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((0, _)))
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

#[cfg(test)]
mod tests;
