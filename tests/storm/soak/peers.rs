//! Brokers of every layer that misbehave, each in its way and for as long as it is let.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;
use tempfile::TempDir;
use tungstenite::Message;

use crate::{
    layered::{Asks, listen, tls_server, upgraded_if_asked},
    server::{Server, until_closed},
};

const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];
/// How often one that drips lets a piece go.
const DRIP: Duration = Duration::from_millis(20);

/// A broker of the scenario.
pub(super) struct Peer {
    pub(super) url: String,
    /// Certificates that its clients have to trust.
    pub(super) trust: Option<(String, TempDir)>,
}

/// All of them, in an order of their own.
pub(super) fn all() -> Vec<Peer> {
    let mut peers: Vec<Peer> = over_tcp();
    peers.extend(over_websocket());
    peers.extend(below_tls());
    peers.push(over_tls(|stream| {
        let _ = stream.write_all(&ACCEPTED);
        flood(stream, &PINGRESP.repeat(50_000));
    }));
    peers.push(over_tls(|stream| {
        for byte in ACCEPTED {
            // A record each, and empty ones between them.
            let _ = stream.write_all(&[byte]).and_then(|()| stream.flush());
        }
        drip(stream, &PINGRESP);
    }));
    let (address, trust, folder) = tls_server(Asks::Nothing, never_reading);
    peers.push(Peer { url: format!("wss://{address}/mqtt"), trust: Some((trust, folder)) });
    peers
}

/// A broker behind TLS that accepts everybody and does nothing else: how many it accepted.
pub(super) fn good_over_tls(accepted: &'static AtomicU64) -> Peer {
    over_tls(move |stream| {
        accepted.fetch_add(1, Ordering::Relaxed);
        let _ = stream.write_all(&ACCEPTED).and_then(|()| stream.flush());
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn over_tcp() -> Vec<Peer> {
    let behave: Vec<fn(&mut TcpStream)> = vec![
        |stream| flood(stream, &[&ACCEPTED[..], &PINGRESP.repeat(50_000)].concat()),
        |stream| flood(stream, &PINGRESP.repeat(50_000)),
        |stream| {
            let _ = stream.write_all(&ACCEPTED);
            flood(stream, &publish(1_000_000));
        },
        // A PUBLISH of 256 MB is announced, and does not come.
        |stream| {
            let _ = stream.write_all(&ACCEPTED);
            let _ = stream.write_all(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
            let _ = stream.write_all(&vec![0; 900_000]);
            until_closed(stream);
        },
        // A CONNACK of 1 MB is.
        |stream| {
            let _ = stream.write_all(&[0x20, 0xF8, 0xFF, 0x3F, 0, 0, 0xF2, 0xFF, 0x3F]);
            let _ = stream.write_all(&[0x26, 0, 1, b'a', 0, 1, b'b'].repeat(140_000));
            drip(stream, &[0x26, 0, 1, b'a', 0, 1, b'b']);
        },
        |stream| drip(stream, &[0x20]),
        |stream| drip(stream, &[0xFF]),
        |stream| drop(stream.write_all(&[0x20, 3])),
        |stream| drop(stream.write_all(&[0xF0, 0, 0xF0, 2, 0x18, 0].repeat(1000))),
        |stream| {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        },
        |stream| {
            let _ = stream.write_all(&ACCEPTED);
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        },
        |stream| {
            let _ = stream.write_all(&[&ACCEPTED[..], &[0x30, 0x7F]].concat());
            let _ = stream.shutdown(Shutdown::Write);
            until_closed(stream);
        },
        until_closed,
        |stream| {
            for byte in ACCEPTED {
                let _ = stream.write_all(&[byte]);
                thread::sleep(DRIP);
            }
            let _ = stream.write_all(&[0xE0, 1, 0x8E]);
        },
    ];
    let server = |behave: fn(&mut TcpStream)| Server::start(move |stream, _| behave(stream)).url();
    behave.into_iter().map(|behave| Peer { url: server(behave), trust: None }).collect()
}

/// Those that spoil the upgrade, and those that spoil what follows.
fn over_websocket() -> Vec<Peer> {
    let upgrades: Vec<fn(&mut TcpStream)> = vec![
        |stream| flood(stream, &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)),
        |stream| {
            let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
            flood(stream, &b"X-a: b\r\n".repeat(1000));
        },
        |stream| drip(stream, b"HTTP/1.1 "),
        |stream| drop(stream.write_all(b"HTTP/1.1 101 \x00\x1b[31m\r\n\r\n")),
    ];
    let mut peers: Vec<Peer> = upgrades
        .into_iter()
        .map(|spoil| {
            ws(listen(move |mut stream| {
                let _ = stream.read(&mut [0; 4096]);
                spoil(&mut stream);
            }))
        })
        .collect();
    // Frames without a mask, written as they are on the connection below.
    let frames: Vec<(&'static [u8], &'static [u8])> = vec![
        (&[0x82, 0], b"\x82\0"),
        (&[0x02, 1, 0x20], b"\0\0"),
        (&[0x02, 1, 0x20], b"\0\x7e\x03\xe8"),
        (&[0x82, 5, 0x20, 3, 0, 0, 0], b"\x8a\0"),
        (&[0x82, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], b"\x20"),
        (&[0x81, 2, b'h', b'i'], b"\x83\0"),
    ];
    for (first, again) in frames {
        peers.push(ws(listen(move |stream| {
            let Some(mut ws) = upgraded_if_asked(stream) else { return };
            let _ = ws.read();
            let stream = ws.get_mut();
            let _ = stream.write_all(first);
            flood(stream, &again.repeat(10_000));
        })));
    }
    peers.push(ws(listen(never_reading)));
    peers
}

/// Pings, and never reads what comes back.
fn never_reading(stream: impl Read + Write) {
    let Some(mut ws) = upgraded_if_asked(stream) else { return };
    let _ = ws.read();
    let _ = ws.send(Message::Binary(ACCEPTED.to_vec().into()));
    let mut ping = vec![0x89, 125];
    ping.resize(127, b'x');
    flood(ws.get_mut(), &ping.repeat(400));
}

/// Those that spoil the TLS handshake.
fn below_tls() -> Vec<Peer> {
    let spoil: Vec<&'static [u8]> = vec![
        // Warnings, changes of cipher, empty records, and a message of 16 MB.
        b"\x15\x03\x03\0\x02\x01\x5a",
        b"\x14\x03\x03\0\x01\x01",
        b"\x16\x03\x03\0\0",
        b"\x16\x03\x03\0\x04\x02\xff\xff\xff",
    ];
    let server = |record: &'static [u8]| {
        listen(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            flood(&mut stream, &record.repeat(2000));
        })
    };
    let url = |address| Peer { url: format!("mqtts://{address}"), trust: None };
    spoil.into_iter().map(|record| url(server(record))).collect()
}

fn over_tls(behave: impl Fn(&mut crate::layered::Tls) + Send + Sync + 'static) -> Peer {
    let (address, trust, folder) = tls_server(Asks::Nothing, move |mut stream| {
        // Fails where the handshake does.
        if stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
            behave(&mut stream);
        }
    });
    Peer { url: format!("mqtts://{address}"), trust: Some((trust, folder)) }
}

fn ws(address: SocketAddr) -> Peer {
    Peer { url: format!("ws://{address}/mqtt"), trust: None }
}

/// Writes it for as long as somebody takes it.
fn flood(stream: &mut impl Write, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

fn drip(stream: &mut impl Write, bytes: &[u8]) {
    while stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {
        thread::sleep(DRIP);
    }
}

fn publish(length: usize) -> Vec<u8> {
    let (mut packet, mut left) = (vec![0x30], 8 + length);
    while left > 0 {
        packet.push((left % 128) as u8 | if left >= 128 { 128 } else { 0 });
        left /= 128;
    }
    packet.extend_from_slice(b"\0\x05topic\0");
    packet.resize(packet.len() + length, b'x');
    packet
}
