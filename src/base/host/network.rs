//! Listening sockets of this host and their backlogs, from the kernel's `sock_diag` (as `ss -lt` shows them).

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};

/// Connections that may wait to be accepted at an address, where a socket of this host and network
/// namespace listens there. A listener on all of IPv6 is taken to listen on IPv4 too, as is the default.
pub fn backlog(address: SocketAddr) -> Option<u32> {
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut listeners = listening(family).ok()?;
    // A socket of IPv6 may listen for IPv4 as well.
    if family == AF_INET {
        listeners.extend(
            listening(AF_INET6).ok()?.into_iter().filter(|(at, _)| at.ip().is_unspecified()),
        );
    }
    let is_it = |at: &SocketAddr| {
        at.port() == address.port() && (at.ip() == address.ip() || at.ip().is_unspecified())
    };
    listeners.into_iter().find(|(at, _)| is_it(at)).map(|(_, backlog)| backlog)
}

/// Addresses of one family that are listened on, with their backlogs.
fn listening(family: u8) -> io::Result<Vec<(SocketAddr, u32)>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id: if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = &answer[..];
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = (message.header.length as usize).next_multiple_of(4).min(rest.len());
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    let (id, backlog) = (&response.header.socket_id, response.header.send_queue);
                    let address: IpAddr = id.source_address;
                    found.push((SocketAddr::new(address, id.source_port), backlog));
                }
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            if length == 0 {
                return Ok(found);
            }
            rest = &rest[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

    use super::*;

    #[test]
    fn the_backlog_of_a_listener_is_the_one_it_asked_for() {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 17).unwrap();
        let address = TcpListener::from(listener);
        let local = address.local_addr().unwrap();
        assert_eq!(backlog(local), Some(17));
        drop(address);
        assert_eq!(backlog(local), None);
    }
}
