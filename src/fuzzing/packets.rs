//! What a broker sends: CONNACK, what follows it, and the upgrade and frames of WebSocket.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::Arc,
};

use tungstenite::handshake::derive_accept_key;

use super::choice;
use crate::{
    client::{
        Progress, Received,
        inbound::{Inbound, Session},
        link::Link,
        packet::Connack,
        transport::{Endpoint, Transport},
    },
    scenario::Protocol,
};

/// The longest input that a socket takes at once.
const LONGEST: usize = 64 * 1024;
/// The most that is kept of a packet of a session that is not whole: its first bytes, and what its length takes.
const MOST_KEPT: usize = 1024 + 5;
/// What stands in an input where the right `Sec-WebSocket-Accept` is to be: that is another each time.
const ACCEPT: &[u8] = b"{accept}";

fn versioned(input: &[u8]) -> (Protocol, &[u8]) {
    let (first, rest) = choice(input);
    (if first & 1 == 0 { Protocol::V4 } else { Protocol::V5 }, rest)
}

/// A CONNACK is as long as it says, and what comes behind it or is missing of it changes nothing.
pub(super) fn connack(input: &[u8]) {
    let (protocol, bytes) = versioned(input);
    let read = Connack::read(bytes, protocol);
    if let Connack::Complete { length, .. } = read {
        assert!((4..=bytes.len()).contains(&length), "{length} of {}", bytes.len());
        assert_eq!(Connack::read(&bytes[..length], protocol), read, "without what follows it");
        assert_eq!(Connack::read(&bytes[..length - 1], protocol), Connack::Incomplete);
    }
}

/// Packets of a session are the same in one piece and in two, and little of them is kept.
pub(super) fn session(input: &[u8]) {
    let (protocol, bytes) = versioned(input);
    let (cut, bytes) = choice(bytes);
    let cut = usize::from(cut).min(bytes.len());
    let at_once = packets(&mut Inbound::default(), bytes, protocol);
    let mut inbound = Inbound::default();
    let mut in_two = packets(&mut inbound, &bytes[..cut], protocol);
    if !in_two.last().copied().is_some_and(ends) {
        in_two.extend(packets(&mut inbound, &bytes[cut..], protocol));
    }
    assert_eq!(at_once, in_two);
}

/// All packets up to the one that ends the session.
fn packets(inbound: &mut Inbound, mut bytes: &[u8], protocol: Protocol) -> Vec<Session> {
    let mut all = Vec::new();
    while let Some(packet) = inbound.next(&mut bytes, protocol) {
        all.push(packet);
        if ends(packet) {
            return all;
        }
    }
    assert!(bytes.is_empty(), "{} bytes are left without a packet", bytes.len());
    assert!(inbound.kept() <= MOST_KEPT, "{} bytes are kept", inbound.kept());
    all
}

fn ends(packet: Session) -> bool {
    matches!(packet, Session::Wrong | Session::Disconnect(_))
}

/// An answer to an upgrade, and frames after it, over a socket: what arrives of MQTT is no more than what was sent.
pub(super) fn websocket(input: &[u8]) {
    let endpoint = Endpoint { host: "127.0.0.1:9001".into(), path: "/mqtt".into() };
    let transport = Transport { tls: None, ws: Some(Arc::new(endpoint)) };
    let Ok((ours, mut theirs)) = UnixStream::pair() else { return };
    if ours.set_nonblocking(true).is_err() || theirs.set_nonblocking(true).is_err() {
        return;
    }
    let mut link = Link::new(ours.into());
    link.begin(&transport);
    let mut request = [0; 1024];
    let Ok(count) = theirs.read(&mut request) else { return };
    let bytes = answer(&String::from_utf8_lossy(&request[..count]), input);
    if theirs.write_all(&bytes).is_err() || theirs.shutdown(Shutdown::Write).is_err() {
        return;
    }
    link.wake(true, 0);
    if link.upgrade() != Progress::Done {
        return;
    }
    let (mut inbox, mut arrived) = ([0; 512], 0);
    while let Received::Bytes(count, ..) = link.receive(&mut inbox) {
        arrived += count;
        assert!(count > 0 && arrived <= bytes.len(), "{arrived} of {}", bytes.len());
    }
}

/// The input with the key of the request in its place.
fn answer(request: &str, input: &[u8]) -> Vec<u8> {
    let input = &input[..input.len().min(LONGEST)];
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    match input.windows(ACCEPT.len()).position(|at| at == ACCEPT) {
        Some(at) => [&input[..at], accept.as_bytes(), &input[at + ACCEPT.len()..]].concat(),
        None => input.to_vec(),
    }
}
