//! Brokers that send without end, announce what does not come, and never read.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::{
    layered::{Asks, Tls, listen, tls_server, upgraded},
    run::{Storm, scenario},
    server::{Server, until_closed},
};

const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];
const HOLD: &str = "hold = \"2s\"";

/// Counts whoever comes, and says of one whether it is that one's turn to be flooded.
fn third() -> impl Fn() -> bool + Send + Sync {
    let come = Arc::new(AtomicUsize::new(0));
    move || come.fetch_add(1, Ordering::SeqCst) == 2
}

/// Sends this until nobody takes it any more.
fn flood(stream: &mut impl Write, bytes: &[u8]) {
    let chunk = bytes.repeat(1 + 100_000 / bytes.len());
    while stream.write_all(&chunk).and_then(|()| stream.flush()).is_ok() {}
}

/// What becomes of the sessions of eight clients, one of whom is flooded: all are accepted, and it alone is dropped.
fn only_one_is_dropped(url: &str, more: &str, what: &str) {
    let ended = Storm::new(&scenario(url, HOLD, more)).run();
    let summary = ended.expect(0);
    assert_eq!(ended.verdicts(), [("fresh accepted 0 correct".into(), 8)].into(), "{what}");
    let dropped = json!({ "held": 8, "dropped": 1, "dropped_by_code": { "flood": 1 } });
    assert_eq!(summary["sessions"], dropped, "{what}");
}

#[test]
fn a_broker_that_floods_one_client_loses_that_one_alone() {
    for (what, bytes) in
        [("answers to no ping", &[0xD0, 0][..]), ("acknowledgements of nothing", &[0x40, 2, 0, 1])]
    {
        let is_it = third();
        let server = Server::start(move |stream, _| {
            stream.write_all(&ACCEPTED).unwrap();
            if is_it() {
                flood(stream, bytes);
            } else {
                until_closed(stream);
            }
        });
        only_one_is_dropped(&server.url(), "", what);
    }
}

#[test]
fn a_broker_behind_tls_that_floods_one_client_loses_that_one_alone() {
    for in_records in [100_000, 1] {
        let is_it = third();
        let (address, tls, _folder) =
            tls_server(Asks::Nothing, move |mut stream: Tls| {
                stream.read_exact(&mut [0; 2]).unwrap();
                stream.write_all(&ACCEPTED).and_then(|()| stream.flush()).unwrap();
                if is_it() {
                    let bytes = [0xD0, 0].repeat(50_000);
                    let mut records = bytes.chunks(in_records).cycle();
                    while records.next().is_some_and(|it| {
                        stream.write_all(it).and_then(|()| stream.flush()).is_ok()
                    }) {}
                } else {
                    drop(stream.read_to_end(&mut Vec::new()));
                }
            });
        let what = format!("records of {in_records} bytes");
        only_one_is_dropped(&format!("mqtts://{address}"), &tls, &what);
    }
}

/// Frames that carry nothing.
fn frames() -> [(&'static str, Vec<u8>); 4] {
    let long = [&[0x89, 0x7D][..], &[b'x'; 125]].concat();
    [
        ("pings", long),
        ("empty pings", vec![0x89, 0]),
        ("pongs", vec![0x8A, 0]),
        ("empty frames", vec![0x82, 0]),
    ]
}

/// A server of `WebSockets` that reads nothing more of the client that it floods.
fn serve<S: Read + Write>(stream: S, floods: bool, bytes: &[u8], before: &[u8]) {
    let mut ws = upgraded(stream);
    assert!(ws.read().unwrap().is_binary());
    ws.send(Message::Binary(ACCEPTED.to_vec().into())).unwrap();
    if floods {
        ws.get_mut().write_all(before).unwrap();
        flood(ws.get_mut(), bytes);
    } else {
        while ws.read().is_ok() {}
    }
}

#[test]
fn a_websocket_that_is_flooded_with_frames_and_never_read_is_dropped_alone() {
    let begun_message = vec![0x02, 1, 0x30];
    let endless = ("a message without end", vec![0x00, 0]);
    for (what, bytes) in frames().into_iter().chain([endless]) {
        let is_it = third();
        let before = if bytes[0] == 0 { begun_message.clone() } else { Vec::new() };
        let server = listen(move |stream| serve(stream, is_it(), &bytes, &before));
        only_one_is_dropped(&format!("ws://{server}"), "", what);
    }
    for (what, bytes) in frames() {
        let is_it = third();
        let (address, tls, _folder) =
            tls_server(Asks::Nothing, move |stream: Tls| serve(stream, is_it(), &bytes, &[]));
        only_one_is_dropped(&format!("wss://{address}"), &tls, what);
    }
}

#[test]
fn a_flood_before_connack_is_a_protocol_error_and_an_upgrade_that_never_comes_is_too_long() {
    let pings = listen(|stream| {
        let mut ws = upgraded(stream);
        assert!(ws.read().unwrap().is_binary());
        flood(ws.get_mut(), &[0x89, 0]);
    });
    let interim = listen(|mut stream| {
        drop(stream.read(&mut [0; 4096]));
        flood(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n");
    });
    let header = listen(|mut stream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(b"HTTP/1.1 101 X\r\nX: "));
        flood(&mut stream, b"y");
    });
    for (address, row) in [
        (pings, "protocol_error flood"),
        (interim, "ws_failed too_long"),
        (header, "ws_failed too_long"),
    ] {
        let ended = Storm::new(&scenario(&format!("ws://{address}"), "", "")).run();
        ended.expect(3);
        assert_eq!(ended.verdicts(), [(format!("fresh {row} not_judged"), 8)].into());
    }
}

#[test]
fn bursts_and_large_messages_are_no_floods() {
    let server = Server::start(|stream, connect| {
        stream.write_all(&ACCEPTED).unwrap();
        if connect.number == 0 {
            // 128 MiB in one message.
            stream.write_all(&[0x30, 0x80, 0x80, 0x80, 0x40]).unwrap();
            let chunk = vec![0; 1 << 20];
            (0..128).for_each(|_| stream.write_all(&chunk).unwrap());
        } else {
            let message = [&[0x30, 104, 0, 1, b'a', 0][..], &[b'x'; 100]].concat();
            stream.write_all(&message.repeat(20_000)).unwrap();
        }
        until_closed(stream);
    });
    let ended = Storm::new(&scenario(&server.url(), HOLD, "")).run();
    let summary = ended.expect(0);
    assert_eq!(summary["sessions"], json!({ "held": 8, "dropped": 0, "dropped_by_code": {} }));
}

/// A run of 200 clients that hold, and how many bytes its memory grew by.
fn grown(url: &str, more: &str) -> (Value, u64) {
    let load = "clients = 200\nconcurrency = 200\nhold = \"3s\"\nconnect_timeout = \"4s\"";
    let ended = Storm::new(&scenario(url, load, more)).run();
    let summary = ended.summary();
    let bytes = |key: &str| summary["generator"][key].as_u64().unwrap();
    let grown = bytes("rss_peak_open_bytes") - bytes("rss_start_bytes");
    (summary, grown)
}

#[test]
fn what_is_announced_and_does_not_come_is_not_kept() {
    let send = |stream: &mut TcpStream, head: &[u8], length: usize| {
        stream.write_all(head).unwrap();
        // Some may be gone by then.
        let _ = stream.write_all(&vec![0; length]);
        until_closed(stream);
    };
    // 2 MB of a message of 200 MB; before, 1 MB of each was kept.
    let message = Server::start(move |stream, _| {
        send(stream, &[0x20, 3, 0, 0, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x5F], 2 << 20);
    });
    let (summary, bytes) = grown(&message.url(), "");
    assert_eq!(summary["sessions"], json!({ "held": 200, "dropped": 0, "dropped_by_code": {} }));
    assert!(bytes < 60 << 20, "{bytes}");
    // A frame of 4 GB.
    let frame = listen(|stream| {
        let mut ws = upgraded(stream);
        assert!(ws.read().unwrap().is_binary());
        ws.send(Message::Binary(ACCEPTED.to_vec().into())).unwrap();
        let stream = ws.get_mut();
        stream
            .write_all(&[0x82, 0x7F, 0, 0, 0, 1, 0, 0, 0, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x5F])
            .unwrap();
        stream.write_all(&vec![0; 2 << 20]).unwrap();
        while ws.read().is_ok() {}
    });
    let (summary, bytes) = grown(&format!("ws://{frame}"), "");
    assert_eq!(summary["sessions"], json!({ "held": 200, "dropped": 0, "dropped_by_code": {} }));
    assert!(bytes < 60 << 20, "{bytes}");
}

#[test]
fn a_connack_is_read_up_to_8_kilobytes() {
    // A user property of so many bytes.
    let connack = |value: usize| {
        let property =
            [&[0x26, 0, 1, b'a'][..], &(value as u16).to_be_bytes(), &vec![b'x'; value]].concat();
        let digits = |length: usize| [(length % 128) as u8 | 128, (length / 128) as u8];
        let length = digits(2 + 2 + property.len());
        [&[0x20][..], &length, &[0, 0], &digits(property.len()), &property].concat()
    };
    for (value, row) in
        [(8_182, "accepted 0 correct"), (8_183, "protocol_error connack_too_long not_judged")]
    {
        let bytes = connack(value);
        let server = Server::start(move |stream, _| {
            for piece in bytes.chunks(1_000) {
                stream.write_all(piece).unwrap();
                thread::yield_now();
            }
            until_closed(stream);
        });
        let ended = Storm::new(&scenario(&server.url(), "", "")).run();
        assert_eq!(ended.verdicts(), [(format!("fresh {row}"), 8)].into());
    }
}

#[test]
fn a_handshake_of_over_64_kilobytes_is_tls_all_the_same() {
    let server = listen(|mut stream| {
        drop(stream.read(&mut [0; 4096]));
        // A record with the beginning of a message of 16 MB.
        let head = [0x16, 3, 3, 0x40, 0, 0x02, 0xFF, 0xFF, 0xFF];
        stream.write_all(&head).unwrap();
        let _ = stream.write_all(&[0; 16_380]);
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let ended = Storm::new(&scenario(&format!("mqtts://{server}"), "", "")).run();
    ended.expect(3);
    let row = "fresh tls_failed handshake_too_long not_judged";
    assert_eq!(ended.verdicts(), [(row.into(), 8)].into());
    assert!(ended.stdout.contains("leave out of its chain"), "{}", ended.stdout);
}

#[test]
fn ctrl_c_is_heard_while_all_connections_flood() {
    let (address, tls, _folder) = tls_server(Asks::Nothing, |stream: Tls| {
        serve(stream, true, &[0x89, 0], &[]);
    });
    let load = "stages = [{ rate = 50, for = \"60s\" }]\nhold = \"30s\"";
    let storm = Storm::new(&scenario(&format!("wss://{address}"), load, &tls));
    let run = storm.start_and_show();
    let begun = Instant::now();
    while !storm.out().join("summary.json").is_file() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no second was written");
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let told = Instant::now();
    let ended = storm.wait(run);
    assert!(told.elapsed() < Duration::from_mins(2), "it ended at all, on a busy host too");
    let summary = ended.expect(130);
    assert!(summary["sessions"]["dropped_by_code"]["flood"].as_u64().unwrap() > 0);
}
