//! TLS and WebSocket servers that misbehave, and good ones that are slow or odd.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokenstorm::broker::certificates;
use tungstenite::{
    Message, WebSocket, accept_hdr,
    handshake::server::{Request, Response},
};

use crate::run::{Ended, Storm, scenario};

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A listener on a free port, each of whose connections is handed to `behave`.
fn listen(behave: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let behave = Arc::new(behave);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let behave = Arc::clone(&behave);
            thread::spawn(move || behave(stream));
        }
    });
    address
}

/// A TLS server, with the `[target.tls]` that trusts it.
fn tls_server(behave: impl Fn(Tls) + Send + Sync + 'static) -> (SocketAddr, String, TempDir) {
    let (tls, made) = certificates::make(false).unwrap();
    let folder = TempDir::new().unwrap();
    let authority = pem::encode(&pem::Pem::new("CERTIFICATE", made.authority.to_vec()));
    fs::write(folder.path().join("ca.pem"), authority).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(tls.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(tls.private_key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let address = listen(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        behave(StreamOwned::new(connection, stream));
    });
    let ca = folder.path().join("ca.pem");
    (address, format!("[target.tls]\nca = \"{}\"\n---\n", ca.display()), folder)
}

/// Upgrades a connection as a broker does.
#[expect(clippy::result_large_err, reason = "the type of the library's callback")]
fn upgraded<S: Read + Write>(stream: S) -> WebSocket<S> {
    let choose = |request: &Request, mut response: Response| {
        let asked = request.headers()["sec-websocket-protocol"].clone();
        assert_eq!(asked, "mqtt");
        assert_eq!(request.uri().path(), "/mqtt");
        response.headers_mut().insert("sec-websocket-protocol", asked);
        Ok(response)
    };
    accept_hdr(stream, choose).unwrap_or_else(|_| panic!("no upgrade"))
}

fn run(url: &str, load: &str, more: &str) -> Ended {
    Storm::new(&scenario(url, load, more)).run()
}

fn only(run: &Ended, row: &str) {
    assert_eq!(run.verdicts(), [(row.to_owned(), 8)].into(), "{}", run.stderr);
}

const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];

#[test]
fn a_server_that_says_nothing_is_a_timeout_of_the_layer_that_waits() {
    let silent = listen(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let load = "connect_timeout = \"300ms\"";
    for (scheme, phase) in
        [("mqtts", "tls_handshake"), ("wss", "tls_handshake"), ("ws", "ws_upgrade")]
    {
        let run = run(&format!("{scheme}://{silent}"), load, "");
        let summary = run.expect(3);
        only(&run, &format!("fresh timeout {phase} not_judged"));
        assert_eq!(summary["phases"][phase]["unfinished"], 8, "{scheme}");
        assert!(summary["phases"].get("connack").is_none(), "{scheme}");
    }
}

#[test]
fn a_server_that_closes_or_answers_nonsense_fails_the_layer_that_it_does_it_in() {
    // Reads what comes, so that its end is no reset.
    let reads = |stream: &mut TcpStream| assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    let closing = listen(move |mut stream| reads(&mut stream));
    let nonsense = listen(move |mut stream| {
        reads(&mut stream);
        stream.write_all(b"\0\0\0\0\0\0\0\0").unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    for (scheme, outcome, word) in
        [("mqtts", "tls_failed", "not_tls"), ("ws", "ws_failed", "not_http")]
    {
        let run_closing = run(&format!("{scheme}://{closing}"), "", "");
        only(&run_closing, &format!("fresh {outcome} fin not_judged"));
        let run_nonsense = run(&format!("{scheme}://{nonsense}"), "", "");
        only(&run_nonsense, &format!("fresh {outcome} {word} not_judged"));
        run_nonsense.expect(3);
    }
}

#[test]
fn a_broker_behind_tls_that_closes_before_connack_has_closed_and_not_failed_in_tls() {
    let (address, tls, _folder) = tls_server(|mut stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        // Until the client has read that.
        drop(stream.sock.read_to_end(&mut Vec::new()));
    });
    let run = run(&format!("mqtts://{address}"), "", &tls);
    let summary = run.expect(3);
    only(&run, "fresh closed fin not_judged");
    assert_eq!(summary["phases"]["tls_handshake"]["count"], 8);
    assert_eq!(summary["phases"]["connack"]["unfinished"], 8);
}

#[test]
fn a_connack_in_pieces_of_records_and_frames_is_a_connack() {
    let (address, tls, _folder) = tls_server(|mut stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        for byte in ACCEPTED {
            stream.write_all(&[byte]).unwrap();
            stream.flush().unwrap();
        }
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let run_tls = run(&format!("mqtts://{address}"), "", &tls);
    run_tls.expect(0);
    only(&run_tls, "fresh accepted 0 correct");

    let ws = listen(|stream| {
        let mut ws = upgraded(stream);
        assert!(ws.read().unwrap().is_binary(), "CONNECT comes in a binary frame");
        ws.send(Message::Ping("are you there".into())).unwrap();
        for byte in ACCEPTED {
            ws.send(Message::Binary(vec![byte].into())).unwrap();
        }
        let answers: Vec<Message> = std::iter::from_fn(|| ws.read().ok()).collect();
        assert!(answers.iter().any(Message::is_pong), "{answers:?}");
    });
    let run_ws = run(&format!("ws://{ws}"), "hold = \"200ms\"", "");
    run_ws.expect(0);
    only(&run_ws, "fresh accepted 0 correct");
}

#[test]
fn frames_that_mqtt_does_not_travel_in_are_protocol_errors_and_a_close_frame_is_a_close() {
    for (answer, row) in [
        (Message::Text("welcome".into()), "protocol_error ws_text"),
        (Message::Close(None), "closed fin"),
        (Message::Binary(b"garbage".to_vec().into()), "protocol_error another_packet"),
    ] {
        let server = listen(move |stream| {
            let mut ws = upgraded(stream);
            ws.read().unwrap();
            ws.send(answer.clone()).unwrap();
            while ws.read().is_ok() {}
        });
        let run = run(&format!("ws://{server}"), "", "");
        run.expect(3);
        only(&run, &format!("fresh {row} not_judged"));
    }
}

#[test]
fn a_long_connect_arrives_whole_however_slowly_the_broker_takes_it() {
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lengths);
    let long = format!("[token.claims]\npad = \"{}\"\n", "x".repeat(48_000));
    let (address, tls, _folder) = tls_server(move |mut stream| {
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream.sock, 4096).unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let length = head[1..].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 127));
        let mut rest = vec![0; length];
        for piece in rest.chunks_mut(1000) {
            stream.read_exact(piece).unwrap();
            thread::yield_now();
        }
        seen.lock().unwrap().push((length, rest.windows(4).any(|bytes| bytes == b"test")));
        stream.write_all(&ACCEPTED).unwrap();
        stream.flush().unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let run = run(&format!("mqtts://{address}"), "", &format!("{tls}{long}"));
    run.expect(0);
    only(&run, "fresh accepted 0 correct");
    let lengths = lengths.lock().unwrap();
    assert!(
        lengths.len() == 8 && lengths.iter().all(|(length, _)| *length > 64_000),
        "{lengths:?}"
    );
}

#[test]
fn the_embedded_broker_is_reached_through_every_layer_with_and_without_client_certificates() {
    for (target, phases) in [
        ("embedded+tls", &["tls_handshake"][..]),
        ("embedded+ws", &["ws_upgrade"]),
        ("embedded+wss", &["tls_handshake", "ws_upgrade"]),
    ] {
        let bad = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"tampered_payload\"\nshare = 1\n";
        let mutual = match phases {
            ["tls_handshake", ..] => "[target.tls]\ngenerate = true\n",
            _ => "",
        };
        for keys in [mutual, ""] {
            let run = run(target, "clients = 40", &format!("{keys}---\n{bad}"));
            let summary = run.expect(0);
            assert_eq!(summary["verdicts"]["correct"], 40, "{target}");
            assert_eq!(run.verdicts().len(), 2, "{target}: {:?}", run.verdicts());
            for phase in phases {
                assert_eq!(summary["phases"][phase]["count"], 40, "{target} {phase}");
            }
        }
    }
}

#[test]
fn settings_of_tls_that_can_not_be_meant_are_refused_with_a_way_out() {
    let folder = TempDir::new().unwrap();
    let not_pem = folder.path().join("not.pem");
    fs::write(&not_pem, "hello").unwrap();
    let file = not_pem.display();
    for (url, tls, what) in [
        ("mqtt://127.0.0.1", "verify = false".to_owned(), "no broker is behind TLS"),
        ("mqtts://127.0.0.1", "cert = \"x.pem\"".into(), "`target.tls.key` one is missing"),
        ("mqtts://127.0.0.1", "ca = \"no-such.pem\"".into(), "`target.tls.ca` can't be read"),
        (
            "mqtts://127.0.0.1",
            format!("ca = \"{file}\""),
            "`target.tls.ca` holds nothing that is a certificate",
        ),
        (
            "mqtts://127.0.0.1",
            format!("cert = \"{file}\"\nkey = \"{file}\""),
            "`target.tls.cert` holds nothing",
        ),
        ("mqtts://127.0.0.1", "generate = true".into(), "no broker but an embedded one knows"),
        ("embedded+tls", "server_name = \"a.example\"".into(), "made for each run"),
        ("mqtts://127.0.0.1", "server_name = \"a b\"".into(), "no certificate can be made out to"),
        ("mqtts://127.0.0.1", "version = \"1.1\"".into(), "unknown variant `1.1`"),
        ("mqtts://127.0.0.1", "crl = \"x\"\nverify = false".into(), "can't be read"),
    ] {
        let run = run(url, "", &format!("[target.tls]\n{tls}\n---\n"));
        assert_eq!(run.code, Some(2), "{tls}: {}", run.stderr);
        assert!(run.stderr.contains(what), "{tls}: {}", run.stderr);
    }
}
