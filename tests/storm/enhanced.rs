//! Enhanced authentication (MQTT 5.0, 4.12): tokens as Authentication Data, against servers that do with it what brokers do.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    matrix::matrix,
    run::{Ended, Storm, everything, read_json, scenario},
    server::{Connect, Server, until_closed},
};

pub(crate) const METHOD: &str = "OAUTH2-JWT";
const TARGET: &str = "token_in = \"auth_data\"\nauth_method = \"OAUTH2-JWT\"\n---\n";

/// CONNACK with a code, with the method unless told otherwise.
pub(crate) fn connack(code: u8, method: Option<&str>) -> Vec<u8> {
    let properties = method.map(|method| property(method.as_bytes())).unwrap_or_default();
    [&[0x20, 3 + properties.len() as u8, 0, code, properties.len() as u8][..], &properties].concat()
}

fn property(method: &[u8]) -> Vec<u8> {
    [&[0x15, 0, method.len() as u8][..], method].concat()
}

/// AUTH with a code and a method.
pub(crate) fn auth(code: u8, method: &[u8]) -> Vec<u8> {
    let properties = property(method);
    [&[0xF0, 2 + properties.len() as u8, code, properties.len() as u8][..], &properties].concat()
}

/// Reads a packet: its first byte, and what follows its length.
pub(crate) fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut first = [0; 2];
    stream.read_exact(&mut first).ok()?;
    let mut length = usize::from(first[1] & 127);
    if first[1] & 128 != 0 {
        let mut second = [0];
        stream.read_exact(&mut second).ok()?;
        length |= usize::from(second[0]) << 7;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first[0], body))
}

fn run(server: &Server, more: &str, code: i32) -> (Ended, Value) {
    let ended = Storm::new(&scenario(&server.url(), "", &format!("{TARGET}{more}"))).run();
    let summary = ended.expect(code);
    (ended, summary)
}

fn is_good(connect: &Connect) -> bool {
    connect.methods == [METHOD.as_bytes()]
        && connect.data.len() == 1
        && connect.data[0].split(|byte| *byte == b'.').count() == 3
}

#[test]
fn a_token_travels_as_authentication_data_and_codes_are_judged_as_those_of_connack() {
    let server = Server::start(|stream, connect| {
        assert!(connect.username.is_some() && connect.password.is_none(), "{connect:?}");
        let code = if is_good(connect) { 0 } else { 0x87 };
        stream.write_all(&connack(code, Some(METHOD))).unwrap();
        until_closed(stream);
    });
    let more = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";
    let (ended, summary) = run(&server, more, 0);
    assert_eq!(summary["verdicts"]["correct"], 8);
    assert_eq!(summary["outcomes"]["accepted"], 4);
    assert_eq!(summary["auth_challenged"], 0);
    assert!(summary.get("auth_method_missing").is_none());
    for connect in server.received() {
        let token = String::from_utf8_lossy(&connect.data[0]).into_owned();
        assert!(!everything(&ended).contains(&token), "a token is in the results");
    }
}

#[test]
fn a_challenge_is_answered_once_with_the_same_data_and_its_round_trip_is_in_connack() {
    for is_in_pieces in [false, true] {
        let server = Server::start(move |stream, connect| {
            let challenge = auth(0x18, METHOD.as_bytes());
            thread::sleep(Duration::from_millis(30));
            if is_in_pieces {
                for byte in challenge {
                    stream.write_all(&[byte]).unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
            } else {
                stream.write_all(&challenge).unwrap();
            }
            let (first, body) = packet(stream).unwrap();
            assert_eq!((first, body[0]), (0xF0, 0x18), "AUTH, continue");
            assert!(body.ends_with(&connect.data[0]), "the same data");
            thread::sleep(Duration::from_millis(30));
            // CONNACK, and something of the session right behind it.
            stream.write_all(&connack(0, Some(METHOD))).unwrap();
            until_closed(stream);
        });
        let (ended, summary) = run(&server, "", 0);
        assert_eq!(summary["auth_challenged"], 8);
        assert_eq!(summary["verdicts"]["correct"], 8);
        let least = summary["phases"]["connack"]["min_us"].as_f64().unwrap();
        assert!(least >= 60_000.0, "{least}");
        assert!(ended.stdout.contains("8 attempts were asked once more"), "{}", ended.stdout);
    }
}

#[test]
fn each_thing_that_a_broker_may_answer_instead_is_an_outcome_with_its_code() {
    let challenge = || auth(0x18, METHOD.as_bytes());
    let twice = [challenge(), challenge()].concat();
    let long = [&[0xF0, 0x83, 0x80, 4, 0x18][..], &[0; 400]].concat();
    for (sent, outcome, code, verdict) in [
        (twice, "protocol_error", "auth_continue", "not_judged"),
        (auth(0x00, METHOD.as_bytes()), "protocol_error", "auth_code", "not_judged"),
        (auth(0x19, METHOD.as_bytes()), "protocol_error", "auth_code", "not_judged"),
        (auth(0x18, b"OTHER"), "protocol_error", "auth_method", "not_judged"),
        (long, "protocol_error", "auth_too_long", "not_judged"),
        (vec![0xE0, 1, 0x87], "refused", "135", "false_reject"),
        (vec![0xE0, 1, 0x8C], "refused", "140", "false_reject"),
        (vec![0xE0, 1, 0x89], "refused", "137", "not_judged"),
        (vec![0xE0, 0], "protocol_error", "another_packet", "not_judged"),
        // Disconnect with will message: none of a server.
        (vec![0xE0, 1, 4], "protocol_error", "another_packet", "not_judged"),
        (connack(0x8C, None), "refused", "140", "false_reject"),
        (vec![], "closed", "fin", "not_judged"),
    ] {
        let said = sent.clone();
        let server = Server::start(move |stream, _| {
            let _ = stream.write_all(&sent);
            if !sent.is_empty() {
                until_closed(stream);
            }
        });
        let storm = Storm::new(&scenario(&server.url(), "", TARGET));
        let ended = storm.run();
        let row = format!("fresh {outcome} {code} {verdict}");
        assert_eq!(ended.verdicts().get(&row), Some(&8), "{said:?}: {:?}", ended.verdicts());
    }
}

#[test]
fn a_broker_that_never_answers_a_challenges_answer_is_a_timeout_of_connack() {
    let server = Server::start(|stream, _| {
        stream.write_all(&auth(0x18, METHOD.as_bytes())).unwrap();
        until_closed(stream);
    });
    let storm = Storm::new(&scenario(&server.url(), "connect_timeout = \"500ms\"", TARGET));
    let ended = storm.run();
    assert_eq!(ended.verdicts()["fresh timeout connack not_judged"], 8, "{:?}", ended.verdicts());
    assert_eq!(ended.summary()["auth_challenged"], 8);
}

#[test]
fn a_connack_without_the_method_counts_as_accepted_and_is_told_of() {
    let server = Server::start(|stream, _| {
        stream.write_all(&connack(0, None)).unwrap();
        until_closed(stream);
    });
    let (ended, summary) = run(&server, "", 0);
    assert_eq!(summary["auth_method_missing"], 8);
    assert!(ended.stdout.contains("without their method"), "{}", ended.stdout);
}

#[test]
fn a_client_that_names_no_method_answers_no_challenge_and_misses_no_method() {
    let server = Server::start(|stream, connect| {
        if connect.number % 2 == 0 {
            stream.write_all(&connack(0, None)).unwrap();
        } else {
            stream.write_all(&auth(0x18, METHOD.as_bytes())).unwrap();
        }
        until_closed(stream);
    });
    let more = "[policy]\nanonymous = \"accept\"\n[[mix]]\ntoken = \"no_credentials\"\nshare = 1\n";
    let storm = Storm::new(&scenario(&server.url(), "", &format!("{TARGET}{more}")));
    let ended = storm.run();
    let verdicts = ended.verdicts();
    assert_eq!(verdicts["no_credentials accepted 0 correct"], 4, "{verdicts:?}");
    assert_eq!(verdicts["no_credentials protocol_error another_packet not_judged"], 4);
    let summary = ended.summary();
    assert_eq!(summary["auth_challenged"], 0);
    assert!(summary.get("auth_method_missing").is_none(), "{summary}");
}

#[test]
fn a_broker_that_closes_behind_its_challenge_has_closed_by_fin() {
    let server = Server::start(|stream, _| {
        // FIN comes with it: both are there when the client looks.
        stream.write_all(&auth(0x18, METHOD.as_bytes())).unwrap();
        rustix::net::shutdown(&*stream, rustix::net::Shutdown::Write).unwrap();
        until_closed(stream);
    });
    let storm = Storm::new(&scenario(&server.url(), "", TARGET));
    let ended = storm.run();
    assert_eq!(ended.verdicts()["fresh closed fin not_judged"], 8, "{:?}", ended.verdicts());
}

#[test]
fn the_matrix_asks_by_authentication_data_in_5_0_alone_with_cells_of_its_own() {
    let seen = Arc::new(AtomicUsize::new(0));
    let plain = Arc::clone(&seen);
    // It takes whatever has the right method, like brokers that pass over what else is wrong.
    let server = Server::start(move |stream, connect| {
        assert_eq!(connect.level, 5);
        plain.fetch_add(usize::from(connect.data.is_empty()), Ordering::SeqCst);
        let code =
            if connect.methods.iter().any(|method| method == METHOD.as_bytes()) { 0 } else { 0x8C };
        stream.write_all(&connack(code, Some(METHOD))).unwrap();
        until_closed(stream);
    });
    let storm = Storm::new(&scenario(&server.url(), "", TARGET));
    let only = [
        "data_without_method",
        "unknown_method",
        "method_twice",
        "*_data",
        "in_*",
        "no_credentials",
    ];
    let only: Vec<&str> = only.iter().flat_map(|name| ["--only", name]).collect();
    let ended = matrix(&storm, &only);
    let matrix = read_json(&ended.out.join("matrix.json")).unwrap();
    let verdict = |name: &str| {
        let cells = matrix["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["defect"] == name);
        cell.unwrap_or_else(|| panic!("no cell {name}: {}", ended.stdout))["verdict"].clone()
    };
    for (name, expected) in [
        ("fresh", "correct"),
        ("data_without_method", "correct"),
        ("unknown_method", "correct"),
        ("no_credentials", "correct"),
        ("no_data", "false_accept"),
        ("empty_data", "false_accept"),
        ("method_twice", "false_accept"),
        ("in_other_field", "false_accept"),
        ("in_client_id", "false_accept"),
        ("in_user_property", "false_accept"),
        ("in_will", "false_accept"),
    ] {
        assert_eq!(verdict(name), expected, "{name}");
    }
    let twice = server.received().into_iter().filter(|it| it.methods.len() == 2).count();
    assert!(twice > 0 && seen.load(Ordering::SeqCst) > 0);
}

#[test]
fn what_does_not_fit_together_is_refused_with_a_way_out() {
    for (target, said) in [
        ("token_in = \"auth_data\"", "`target.auth_method` is missing"),
        ("auth_method = \"JWT\"", "`target.token_in` is not `auth_data`"),
        ("token_in = \"auth_data\"\nauth_method = \"\"", "a text of 1 to 65535 bytes"),
        ("token_in = \"auth_data\"\nauth_method = \"a\\u0000b\"", "a text of 1 to 65535 bytes"),
        (
            "token_in = \"auth_data\"\nauth_method = \"JWT\"\nprotocol = 4",
            "MQTT 3.1.1 has no enhanced",
        ),
    ] {
        let storm = Storm::new(&scenario("mqtt://127.0.0.1:9", "", &format!("{target}\n---\n")));
        let ended = storm.run();
        assert_eq!(ended.code, Some(2), "{target}");
        assert!(ended.stderr.contains(said), "{target}: {}", ended.stderr);
    }
    let storm = Storm::new(&scenario("embedded", "", TARGET));
    let ended = storm.run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("takes no token by enhanced authentication"), "{}", ended.stderr);
}
