//! What a broker sends: CONNACK, what follows it, and the upgrade and frames of WebSocket.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::Arc,
};

use bytes::BytesMut;
use tungstenite::handshake::derive_accept_key;

use super::choice;
use crate::{
    client::{
        Progress, Received,
        link::Link,
        packet::{Connack, Session, read_session},
        transport::{Endpoint, Transport},
    },
    scenario::Protocol,
};

/// The longest input that a socket takes at once.
const LONGEST: usize = 64 * 1024;
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

/// Packets of a session are the same in one piece and in two, and each takes something off.
pub(super) fn session(input: &[u8]) {
    let (protocol, bytes) = versioned(input);
    let (cut, bytes) = choice(bytes);
    let cut = usize::from(cut).min(bytes.len());
    let mut whole = BytesMut::from(bytes);
    let at_once = packets(&mut whole, protocol);
    let mut pieces = BytesMut::from(&bytes[..cut]);
    let mut in_two = packets(&mut pieces, protocol);
    if in_two.last() != Some(&Session::Wrong) {
        pieces.extend_from_slice(&bytes[cut..]);
        in_two.extend(packets(&mut pieces, protocol));
    }
    assert_eq!(at_once, in_two);
}

/// All packets up to the first that must not come.
fn packets(bytes: &mut BytesMut, protocol: Protocol) -> Vec<Session> {
    let mut all = Vec::new();
    loop {
        let left = bytes.len();
        let Some(packet) = read_session(bytes, protocol) else { return all };
        all.push(packet);
        if packet == Session::Wrong {
            return all;
        }
        assert!(bytes.len() < left, "a packet takes nothing off");
    }
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
    link.wake(true);
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
