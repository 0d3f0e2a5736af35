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
        OwnPart, Progress, Received,
        inbound::{Inbound, Incoming},
        link::Link,
        outbox::Outbox,
        packet::{Connack, FirstPacket, Packet},
        session::{Ended, Event, Session, Settings},
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
    let read = FirstPacket::read(bytes, protocol);
    if let FirstPacket::Connack(_, length) = read {
        assert!((4..=bytes.len()).contains(&length), "{length} of {}", bytes.len());
        assert_eq!(FirstPacket::read(&bytes[..length], protocol), read, "without what follows it");
        let cut = FirstPacket::read(&bytes[..length - 1], protocol);
        assert_eq!(cut, FirstPacket::Incomplete);
    }
}

/// Packets of a session are the same in one piece and in two, and little of them is kept; and a session makes the same of
/// them.
pub(super) fn session(input: &[u8]) {
    let (protocol, bytes) = versioned(input);
    let (cut, bytes) = choice(bytes);
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let at_once = packets(&[bytes], protocol);
    assert_eq!(at_once, packets(&[first, second], protocol));
    let ended = held(&[bytes], protocol);
    assert_eq!(ended, held(&[first, second], protocol));
    let is_over = at_once.iter().any(|packet| packet.ends);
    assert!(!is_over || ended.is_some(), "a session goes on after what ends it");
}

/// A packet, as far as two readings of it are compared.
#[derive(Debug, Eq, PartialEq)]
struct Shown {
    words: String,
    ends: bool,
}

/// All packets of these pieces up to the one that ends the session.
fn packets(pieces: &[&[u8]], protocol: Protocol) -> Vec<Shown> {
    let (mut inbound, mut all) = (Inbound::default(), Vec::new());
    for mut bytes in pieces.iter().copied() {
        while let Some(packet) = inbound.next(&mut bytes, protocol) {
            let ends =
                matches!(packet, Incoming::Wrong(_) | Incoming::Packet(Packet::Disconnect(_)));
            all.push(Shown { words: format!("{packet:?}"), ends });
            if ends {
                return all;
            }
        }
        assert!(bytes.is_empty(), "{} bytes are left without a packet", bytes.len());
        assert!(inbound.kept() <= MOST_KEPT, "{} bytes are kept", inbound.kept());
    }
    all
}

/// How a session ends to which these pieces come, if it does.
fn held(pieces: &[&[u8]], protocol: Protocol) -> Option<Ended> {
    let settings = Settings {
        protocol,
        keep_alive: 0,
        leaves_at: u64::MAX,
        expiry: None,
        renews_at: None,
        salt: 0,
    };
    let mut session = Session::new(settings, &Connack::default(), Outbox::default(), 0);
    for mut bytes in pieces.iter().copied() {
        match session.handle(&mut bytes, 1) {
            Some(Event::Ended(ended)) => return Some(ended),
            event => assert!(event.is_none() && bytes.is_empty(), "{event:?}"),
        }
    }
    assert!(session.outbox().is_empty(), "nothing was asked of it");
    None
}

/// An answer to an upgrade, and frames after it, over a socket: what arrives of MQTT is no more than what was sent.
pub(super) fn websocket(input: &[u8]) {
    let endpoint = Endpoint { host: "127.0.0.1:9001".into(), path: "/mqtt".into() };
    let transport = Transport { ws: Some(Arc::new(endpoint)), ..Transport::default() };
    let Ok((ours, mut theirs)) = UnixStream::pair() else { return };
    if ours.set_nonblocking(true).is_err() || theirs.set_nonblocking(true).is_err() {
        return;
    }
    let mut link = Link::new(ours.into());
    link.begin(&transport, OwnPart::default());
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
