//! What happens to clients that were accepted and stay.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    run::{Storm, scenario},
    server::{Server, until_closed},
};

const ACCEPT_V5: [u8; 5] = [0x20, 3, 0, 0, 0];
const V4: &str = "protocol = 4\n---\n";

/// A run whose clients hold, at a server that accepts and then does this: what became of them.
fn sessions(
    load: &str,
    more: &str,
    then: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> serde_json::Value {
    let is_v4 = more.starts_with("protocol = 4");
    let server = Server::start(move |stream, _| {
        stream.write_all(if is_v4 { &[0x20, 2, 0, 0] } else { &ACCEPT_V5 }).unwrap();
        then(stream);
    });
    let ended = Storm::new(&scenario(&server.url(), load, more)).run();
    let summary = ended.expect(0);
    assert_eq!(
        ended.verdicts(),
        [("fresh accepted 0 correct".into(), 8)].into(),
        "the verdict stands"
    );
    summary["sessions"].clone()
}

const LONG: &str = "hold = \"30s\"";

#[test]
fn a_second_connack_ends_the_session_and_leaves_the_verdict() {
    let dropped = json!({ "held": 8, "dropped": 8, "dropped_by_code": { "protocol_error": 8 } });
    let at_once = sessions(LONG, "", |stream| {
        stream.write_all(&ACCEPT_V5).unwrap();
        until_closed(stream);
    });
    assert_eq!(at_once, dropped);
    // In one segment with the first.
    let server = Server::answering(&[0x20, 3, 0, 0, 0, 0x20, 3, 0, 0, 0]);
    let ended = Storm::new(&scenario(&server.url(), LONG, "")).run();
    assert_eq!(ended.expect(0)["sessions"], dropped);
}

#[test]
fn a_disconnect_of_the_broker_is_counted_by_its_code() {
    let seen = sessions(LONG, "", |stream| {
        stream.write_all(&[0xE0, 2, 0x8E, 0]).unwrap();
        until_closed(stream);
    });
    assert_eq!(seen, json!({ "held": 8, "dropped": 8, "dropped_by_code": { "142": 8 } }));
}

#[test]
fn a_connection_that_the_broker_closes_is_noticed() {
    for more in [V4, ""] {
        let seen = sessions(LONG, more, |_| {});
        assert_eq!(seen, json!({ "held": 8, "dropped": 8, "dropped_by_code": { "fin": 8 } }));
    }
}

#[test]
fn a_broker_that_answers_no_ping_loses_its_clients() {
    let load = "hold = \"30s\"\nkeep_alive = \"1s\"";
    let seen = sessions(load, "", until_closed);
    assert_eq!(seen, json!({ "held": 8, "dropped": 8, "dropped_by_code": { "ping_timeout": 8 } }));
}

#[test]
fn a_broker_that_answers_pings_keeps_its_clients_to_the_end() {
    for more in [V4, ""] {
        let seen = sessions("hold = \"3s\"\nkeep_alive = \"1s\"", more, answer_pings);
        assert_eq!(seen, json!({ "held": 8, "dropped": 0, "dropped_by_code": {} }));
    }
}

#[test]
fn the_keep_alive_of_the_server_takes_the_place_of_ours() {
    let server = Server::start(|stream, _| {
        // Server Keep Alive 1 s: a client that kept to its own 60 s would not ping while it holds.
        stream.write_all(&[0x20, 6, 0, 0, 3, 0x13, 0, 1]).unwrap();
        until_closed(stream);
    });
    let ended = Storm::new(&scenario(&server.url(), LONG, "")).run();
    assert_eq!(ended.expect(0)["sessions"]["dropped_by_code"], json!({ "ping_timeout": 8 }));
}

fn answer_pings(stream: &mut TcpStream) {
    let mut packet = [0; 2];
    while stream.read_exact(&mut packet).is_ok() && packet == [0xC0, 0] {
        stream.write_all(&[0xD0, 0]).unwrap();
    }
    assert_eq!(packet, [0xE0, 0], "a client pings, and leaves with DISCONNECT");
}

/// A listener whose clients' sockets take some ten kilobytes before it has read any: short segments make for small buffers.
fn narrow_listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::TcpMaxSeg, &536).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
    listener
}

/// Reads a packet: its first byte and its body. `None` at the end.
fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let (mut length, mut shift) = (usize::from(head[1] & 127), 7);
    while head[1] & 128 != 0 {
        stream.read_exact(&mut head[1..]).ok()?;
        length |= usize::from(head[1] & 127) << shift;
        shift += 7;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

#[test]
fn a_broker_that_accepts_before_it_has_read_connect_gets_the_rest_of_it_and_whole_packets_after() {
    // More than the buffers of both sides hold: once it is written, the client has read CONNACK.
    const MESSAGE: usize = 32 << 20;
    let listener = narrow_listener();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // One byte of CONNECT has come, and no more of it is read.
        stream.peek(&mut [0]).unwrap();
        stream.write_all(&ACCEPT_V5).unwrap();
        let message = [&[0x30, 0x80, 0x80, 0x80, 0x10][..], &[0, 1, b'a', 0]].concat();
        stream.write_all(&message).unwrap();
        stream.write_all(&vec![0; MESSAGE - 4]).unwrap();
        std::iter::from_fn(|| packet(&mut stream)).collect::<Vec<_>>()
    });
    let user = "u".repeat(60_000);
    let more = format!(
        "[identity]\nusername = \"{user}\"\n[token.claims]\nlong = \"{}\"\n",
        "x".repeat(40_000)
    );
    let load = "clients = 1\nhold = \"2s\"\nkeep_alive = \"1s\"";
    let ended = Storm::new(&scenario(&url, load, &more)).run();
    assert_eq!(ended.verdicts(), [("fresh accepted 0 correct".into(), 1)].into());
    let packets = server.join().unwrap();
    let kinds: Vec<u8> = packets.iter().map(|(first, _)| *first).collect();
    assert_eq!(kinds[..2], [0x10, 0xC0], "CONNECT, then a ping: {kinds:x?}");
    let connect = &packets[0].1;
    assert!(connect.len() > 110_000, "{} bytes", connect.len());
    let at = connect.windows(3).position(|at| at == b"uuu").unwrap();
    assert!(connect[at..at + 60_000].iter().all(|byte| *byte == b'u'));
    assert!(packets[1..].iter().all(|(_, body)| body.is_empty()), "{kinds:x?}");
}

#[test]
fn every_connection_that_is_over_waits_for_its_own_broker_to_close_first() {
    // One closes at once, the next leaves it to the client, and so on, five a second: the waiting time
    // of each first one ends while the second's has just begun.
    let waits = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&waits);
    let server = Server::start(move |stream, connect| {
        let refused = Instant::now();
        stream.write_all(&[0x20, 3, 0, 0x87, 0]).unwrap();
        if connect.number % 2 == 1 {
            until_closed(stream);
            seen.lock().unwrap().push(refused.elapsed());
        }
    });
    let load = "arrivals = \"constant\"\nstages = [{ rate = 5, for = \"2s\" }]";
    let bad = "[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
    Storm::new(&scenario(&server.url(), load, bad)).run().expect(0);
    // The server may notice the last one's end after the run has.
    let start = Instant::now();
    while waits.lock().unwrap().len() < 5 {
        assert!(start.elapsed().as_secs() < 60, "not all five were left to the client");
        thread::yield_now();
    }
    let waits = waits.lock().unwrap();
    assert!(waits.iter().all(|wait| *wait >= Duration::from_millis(250)), "{waits:?}");
}
