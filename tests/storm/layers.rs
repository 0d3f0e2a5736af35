//! TLS and WebSocket servers that misbehave, and good ones that are slow or odd.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tungstenite::Message;

use crate::{
    layered::{Asks, listen, tls_server, upgraded},
    run::{Ended, Storm, everything, scenario},
};

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
    let (address, tls, _folder) = tls_server(Asks::Nothing, |mut stream| {
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
fn protocols_are_offered_where_they_are_named() {
    let (address, tls, _folder) = tls_server(Asks::Nothing, |mut stream| {
        // Fails where the handshake does.
        if stream.read_exact(&mut [0; 2]).is_ok() {
            stream.write_all(&ACCEPTED).unwrap();
            stream.flush().unwrap();
            drop(stream.read_to_end(&mut Vec::new()));
        }
    });
    let url = format!("mqtts://{address}");
    for (offered, row) in [
        ("\"h2\", \"mqtt\"", "accepted 0 correct"),
        ("\"h2\"", "tls_failed alert_no_application_protocol not_judged"),
        ("", "accepted 0 correct"),
    ] {
        let keys = tls.replace("\n---", &format!("\nalpn = [{offered}]\n---"));
        only(&run(&url, "", &keys), &format!("fresh {row}"));
    }
}

#[test]
fn a_client_certificate_that_is_missing_fails_in_tls_though_the_handshake_was_over() {
    let (address, tls, _folder) =
        tls_server(Asks::Certificate, |mut stream| assert!(stream.read(&mut [0; 1000]).is_err()));
    let run = run(&format!("mqtts://{address}"), "", &tls);
    let summary = run.expect(3);
    only(&run, "fresh tls_failed alert_certificate_required not_judged");
    assert_eq!(summary["phases"]["tls_handshake"]["count"], 8);
    assert_eq!(summary["phases"]["connack"]["unfinished"], 8);
}

#[test]
fn a_connack_in_pieces_of_records_and_frames_is_a_connack() {
    let (address, tls, _folder) = tls_server(Asks::Nothing, |mut stream| {
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

    let pongs = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&pongs);
    let ws = listen(move |stream| {
        let mut ws = upgraded(stream);
        assert!(ws.read().unwrap().is_binary(), "CONNECT comes in a binary frame");
        ws.send(Message::Ping("are you there".into())).unwrap();
        // Not accepted by a client that does not answer.
        assert!(ws.read().unwrap().is_pong());
        *seen.lock().unwrap() += 1;
        for byte in ACCEPTED {
            ws.send(Message::Binary(vec![byte].into())).unwrap();
        }
        while ws.read().is_ok() {}
    });
    let run_ws = run(&format!("ws://{ws}"), "", "");
    run_ws.expect(0);
    only(&run_ws, "fresh accepted 0 correct");
    assert_eq!(*pongs.lock().unwrap(), 8);
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
fn what_stands_in_the_query_of_a_url_goes_to_the_broker_and_nowhere_else() {
    let queries = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&queries);
    let server = listen(move |mut stream| {
        let mut request = [0; 1024];
        let count = stream.peek(&mut request).unwrap();
        let asked = String::from_utf8_lossy(&request[..count]).into_owned();
        *seen.lock().unwrap() += usize::from(asked.starts_with("GET /mqtt?access_token=hunter2 "));
        // Refused, so that there are findings.
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let url = format!("ws://{server}/mqtt?access_token=hunter2");
    let in_file = run(&url, "", "");
    let storm = || Storm::new(&scenario("mqtt://127.0.0.1", "", ""));
    let by_argument = storm().run_with(&["--target", &url]);
    let by_set = storm().run_with(&["--set", &format!("target.brokers=[\"{url}\"]")]);
    for run in [in_file, by_argument, by_set] {
        only(&run, "fresh ws_failed 401 not_judged");
        let all = everything(&run);
        assert!(all.contains("/mqtt") && !all.contains("hunter2"), "{all}");
    }
    assert_eq!(*queries.lock().unwrap(), 24);
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
        ("mqtts://127.0.0.1", "version = \"1.1\"".into(), "unknown version of TLS `1.1`"),
        ("mqtts://127.0.0.1", "crl = \"x\"\nverify = false".into(), "can't be read"),
    ] {
        let run = run(url, "", &format!("[target.tls]\n{tls}\n---\n"));
        assert_eq!(run.code, Some(2), "{tls}: {}", run.stderr);
        assert!(run.stderr.contains(what), "{tls}: {}", run.stderr);
    }
}
