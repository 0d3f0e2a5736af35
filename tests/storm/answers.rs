//! What a broker may answer to a CONNECT, and what that is worth.

use std::io::Write;

use rustix::net::sockopt::set_socket_linger;

use crate::{
    run::{Storm, scenario},
    server::{Server, until_closed},
};

const V4: &str = "protocol = 4\n---\n";
const BAD: &str = "---\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n";

fn bad_v4() -> String {
    format!("protocol = 4\n{BAD}")
}

#[test]
fn garbage_instead_of_connack_is_a_protocol_error_and_judges_nothing() {
    for (bytes, code) in
        [(&b"\0\0\0\0\0"[..], "garbage"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http")]
    {
        let server = Server::answering(bytes);
        let thresholds = "[thresholds]\n\"verdict.false_accept\" = [\"count == 0\"]\n\"verdict.not_judged\" = [\"count == 0\"]\n";
        let ended = Storm::new(&scenario(&server.url(), "", thresholds)).run();
        let summary = ended.expect(3);
        let passed: Vec<_> = summary["thresholds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|judged| judged["passed"].as_bool())
            .collect();
        assert_eq!(
            passed,
            [None, Some(false)],
            "nothing was judged, and so nothing judged wrongly"
        );
        assert!(ended.stderr.contains("nothing that counts could be measured"), "{}", ended.stderr);
        assert_eq!(
            ended.verdicts(),
            [(format!("fresh protocol_error {code} not_judged"), 8)].into()
        );
        assert_eq!(summary["phases"]["connack"]["unfinished"], 8);
    }
}

#[test]
fn a_connack_one_byte_at_a_time_is_a_connack() {
    for (target, bytes) in [(V4, &[0x20, 2, 0, 0][..]), ("", &[0x20, 6, 0, 0, 3, 0x13, 0, 30])] {
        let server = Server::start(move |stream, _| {
            stream.set_nodelay(true).unwrap();
            for byte in bytes {
                stream.write_all(&[*byte]).unwrap();
                // Another thread's turn in between makes it likely that each byte is read alone.
                std::thread::yield_now();
            }
            until_closed(stream);
        });
        let ended = Storm::new(&scenario(&server.url(), "", target)).run();
        ended.expect(0);
        assert_eq!(ended.verdicts(), [("fresh accepted 0 correct".into(), 8)].into());
    }
}

#[test]
fn a_broker_that_never_answers_runs_into_the_timeout_and_the_percentiles_say_so() {
    let server = Server::start(|stream, _| until_closed(stream));
    let threshold = "[thresholds]\n\"connack\" = [\"p99 < 1h\"]\n";
    let ended =
        Storm::new(&scenario(&server.url(), "connect_timeout = \"200ms\"", threshold)).run();
    let summary = ended.expect(3);
    assert_eq!(ended.verdicts(), [("fresh timeout connack not_judged".into(), 8)].into());
    let connack = &summary["phases"]["connack"];
    assert_eq!((&connack["count"], &connack["unfinished"]), (&0.into(), &8.into()));
    assert_eq!(connack["p99_us"], ">200000");
    assert_eq!(summary["thresholds"][0]["passed"], false, "a timeout must not flatter p99");
    assert_eq!(summary["phases"]["tcp_connect"]["count"], 8);
}

#[test]
fn a_reset_is_a_close_that_judges_nothing() {
    let server = Server::start(|stream, _| {
        set_socket_linger(stream, Some(std::time::Duration::ZERO)).unwrap();
    });
    let ended = Storm::new(&scenario(&server.url(), "", BAD)).run();
    ended.expect(3);
    assert_eq!(ended.verdicts(), [("not_a_jwt closed rst not_judged".into(), 8)].into());
}

#[test]
fn closing_in_silence_is_worth_what_the_policy_says() {
    let server = Server::start(|_, _| {});
    let silent = "[policy]\nsilent_close = \"correct\"\n";
    for (more, code, row) in [
        (String::new(), 3, "fresh closed fin not_judged"),
        (silent.to_owned(), 1, "fresh closed fin false_reject"),
        (BAD.to_owned(), 1, "not_a_jwt closed fin wrong_reason"),
        (format!("{BAD}{silent}"), 0, "not_a_jwt closed fin correct"),
    ] {
        let ended = Storm::new(&scenario(&server.url(), "", &more)).run();
        ended.expect(code);
        assert_eq!(ended.verdicts(), [(row.into(), 8)].into());
    }
}

#[test]
fn half_a_connack_and_a_close_is_never_a_promised_refusal() {
    let server = Server::start(|stream, _| stream.write_all(&[0x20, 3]).unwrap());
    let ended = Storm::new(&scenario(
        &server.url(),
        "",
        &format!("{BAD}[policy]\nsilent_close = \"correct\"\n"),
    ))
    .run();
    ended.expect(3);
    assert_eq!(ended.verdicts(), [("not_a_jwt closed fin not_judged".into(), 8)].into());
}

#[test]
fn overload_and_unknown_codes_are_never_a_correct_refusal() {
    let answers: [(&'static [u8], String, u8); 5] = [
        (&[0x20, 2, 0, 3], bad_v4(), 3),
        (&[0x20, 2, 0, 77], bad_v4(), 77),
        (&[0x20, 3, 0, 0x89, 0], BAD.into(), 0x89),
        (&[0x20, 3, 0, 0x97, 0], BAD.into(), 0x97),
        (&[0x20, 3, 0, 0x42, 0], BAD.into(), 0x42),
    ];
    for (bytes, more, code) in answers {
        let server = Server::answering(bytes);
        let ended = Storm::new(&scenario(&server.url(), "", &more)).run();
        ended.expect(3);
        assert_eq!(ended.verdicts(), [(format!("not_a_jwt refused {code} not_judged"), 8)].into());
    }
}

#[test]
fn the_reason_of_a_refusal_is_judged_by_the_policy() {
    let answers: [(&'static [u8], String, i32, &str); 4] = [
        (&[0x20, 2, 0, 5], bad_v4(), 0, "not_a_jwt refused 5 correct"),
        (&[0x20, 3, 0, 0x87, 0], BAD.into(), 0, "not_a_jwt refused 135 correct"),
        (&[0x20, 3, 0, 0x8C, 0], BAD.into(), 1, "not_a_jwt refused 140 wrong_reason"),
        (&[0x20, 3, 0, 0x86, 0], String::new(), 1, "fresh refused 134 false_reject"),
    ];
    for (bytes, more, code, row) in answers {
        let server = Server::answering(bytes);
        let ended = Storm::new(&scenario(&server.url(), "", &more)).run();
        ended.expect(code);
        assert_eq!(ended.verdicts(), [(row.into(), 8)].into());
    }
}

#[test]
fn a_server_without_mqtt_5_may_refuse_in_the_format_of_3_1_1_but_not_accept() {
    for (bytes, row) in [
        (&[0x20, 2, 0, 1][..], "fresh refused 1 not_judged"),
        (&[0x20, 2, 0, 0], "fresh protocol_error malformed_connack not_judged"),
    ] {
        let server = Server::answering(bytes);
        let ended = Storm::new(&scenario(&server.url(), "", "")).run();
        ended.expect(3);
        assert_eq!(ended.verdicts(), [(row.into(), 8)].into());
    }
}
