//! Hanging up on a client from within the broker, whose own interface has no way to.

use std::{fs, net::SocketAddr};

use rustix::{
    net::{Shutdown, getpeername, shutdown},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};

/// Ends the connection of the client at `address`. Where there is none, or it can't be reached, nothing happens.
pub(super) fn hang_up(address: SocketAddr) {
    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else { return };
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers {
        // A descriptor of the same socket: numbers alone can't be used without `unsafe`.
        let Ok(socket) = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()) else { continue };
        let peer = getpeername(&socket).ok().flatten();
        let is_it =
            peer.is_some_and(|peer| SocketAddr::try_from(peer).is_ok_and(|peer| peer == address));
        if is_it {
            let _ = shutdown(&socket, Shutdown::Both);
            return;
        }
    }
}
