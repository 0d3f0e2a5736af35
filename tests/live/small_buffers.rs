//! Sockets that take a CONNECT in many pieces, as those of a real network do: on loopback they take it at once,
//! unless the kernel's buffers are made small in a network of the test's own.

use std::{
    env,
    ffi::OsStr,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
};

use tungstenite::Message;

use crate::{
    broker::apart,
    layered::{Asks, Tls, listen, tls_server, upgraded},
    run::{Ended, SECRET, Storm},
};

/// Set where the test runs in a network of its own.
const INSIDE: &str = "TOKENSTORM_TEST_INSIDE";
const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Runs the test again in a network whose sockets take 4 kB; `false` when it is there already.
fn moves_out(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return false;
    }
    let script = "ip link set lo up\n\
                  echo 4096 4096 4096 > /proc/sys/net/ipv4/tcp_wmem\n\
                  echo 4096 4096 4096 > /proc/sys/net/ipv4/tcp_rmem\n\
                  exec \"$0\" --exact \"$1\" --ignored --nocapture";
    let itself = env::current_exe().unwrap();
    let name = format!("small_buffers::{test}");
    let mut command = apart("--net", script, &[itself.as_os_str(), OsStr::new(&name)]);
    let status = command.env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "{test} in a network of its own");
    true
}

/// A storm of four clients whose client id, user name and token have about `length` bytes each.
fn long(url: &str, keys: &str, length: usize) -> Ended {
    let long = "x".repeat(length);
    let (tls, _) = keys.split_once("---").unwrap_or_default();
    Storm::new(&format!(
        "name = \"long\"\n[target]\nbrokers = [\"{url}\"]\n{tls}\n[load]\nclients = 4\nconcurrency = 4\nhold = \"0s\"\n\
         [identity]\nclient_id = \"{{n}}-{long}\"\nusername = \"user-{{n}}-{long}\"\n[keys.main]\nalgorithm = \"HS256\"\n\
         secret = \"{SECRET}\"\n[token.claims]\npad = \"{}\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n",
        "x".repeat(length * 3 / 4)
    ))
    .run()
}

/// The CONNECTs that a server has read.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Reads a CONNECT in small pieces, and accepts it.
fn serve(mut stream: impl Read + Write, seen: &Seen) {
    let mut connect = vec![0; 4];
    stream.read_exact(&mut connect).unwrap();
    // Three bytes of Remaining Length, as all that are sent here need.
    let length = connect[1..].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 127));
    connect.resize(4 + length, 0);
    for piece in connect[4..].chunks_mut(1000) {
        stream.read_exact(piece).unwrap();
    }
    seen.lock().unwrap().push(connect);
    stream.write_all(&ACCEPTED).unwrap();
    stream.flush().unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
}

/// The same in a WebSocket.
fn serve_ws(stream: impl Read + Write, seen: &Seen) {
    let mut ws = upgraded(stream);
    let connect = ws.read().unwrap().into_data().to_vec();
    seen.lock().unwrap().push(connect);
    ws.send(Message::Binary(ACCEPTED.to_vec().into())).unwrap();
    while ws.read().is_ok() {}
}

fn check(seen: &Seen, scheme: &str, length: usize) {
    let mut all = std::mem::take(&mut *seen.lock().unwrap());
    all.sort();
    assert_eq!(all.len(), 4, "{scheme}");
    for (n, connect) in all.iter().enumerate() {
        let id = format!("{n}-{}", "x".repeat(length));
        let user = format!("user-{n}-{}", "x".repeat(length));
        let mut at = 1 + 3 + 6 + 1 + 1 + 2 + 1;
        let mut field = || {
            let size = usize::from(u16::from_be_bytes([connect[at], connect[at + 1]]));
            at += 2 + size;
            String::from_utf8(connect[at - size..at].to_vec()).unwrap()
        };
        assert_eq!((field(), field()), (id, user), "{scheme}");
        assert_eq!(field().split('.').count(), 3, "{scheme}: the token");
        assert_eq!(at, connect.len(), "{scheme}");
    }
}

#[test]
#[ignore = "needs unshare: scripts/test-live"]
fn a_long_connect_arrives_whole_through_every_layer_however_small_the_buffers() {
    if moves_out("a_long_connect_arrives_whole_through_every_layer_however_small_the_buffers") {
        return;
    }
    let seen = Seen::default();
    let server = |serve: fn(TcpStream, &Seen)| {
        let seen = Arc::clone(&seen);
        listen(move |stream| serve(stream, &seen))
    };
    let secured = |serve: fn(Tls, &Seen)| {
        let seen = Arc::clone(&seen);
        tls_server(Asks::Nothing, move |stream| serve(stream, &seen))
    };
    let (tcp, ws) = (server(serve), server(serve_ws));
    let ((tls, trusts_tls, _a), (wss, trusts_wss, _b)) = (secured(serve), secured(serve_ws));
    // Below and above what a WebSocket would buffer by itself.
    for length in [15_000, 60_000] {
        for (url, keys) in [
            (format!("mqtt://{tcp}"), ""),
            (format!("ws://{ws}"), ""),
            (format!("mqtts://{tls}"), trusts_tls.as_str()),
            (format!("wss://{wss}"), trusts_wss.as_str()),
        ] {
            let run = long(&url, keys, length);
            let summary = run.expect(0);
            assert_eq!(summary["outcomes"]["accepted"], 4, "{url} {length}: {:?}", run.verdicts());
            check(&seen, &url, length);
        }
    }
}

#[test]
#[ignore = "needs unshare: scripts/test-live"]
fn a_certificate_that_is_missing_is_heard_of_though_connect_has_not_left_yet() {
    if moves_out("a_certificate_that_is_missing_is_heard_of_though_connect_has_not_left_yet") {
        return;
    }
    let (address, keys, _folder) =
        tls_server(Asks::Certificate, |mut stream| assert!(stream.read(&mut [0; 1000]).is_err()));
    for _ in 0..10 {
        let run = long(&format!("mqtts://{address}"), &keys, 60_000);
        let summary = run.expect(3);
        assert_eq!(
            summary["codes"]["tls_failed"]["alert_certificate_required"],
            4,
            "{:?}",
            run.verdicts()
        );
        assert_eq!(summary["phases"]["connack"]["unfinished"], 4);
    }
}
