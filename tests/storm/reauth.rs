//! Clients that authenticate again on their connection (MQTT 5.0, 4.12.1), against servers that do with AUTH what brokers
//! do, and keep a log of it.

use std::{
    collections::BTreeMap,
    io::Write,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use rustix::{
    net::sockopt::set_socket_linger,
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};

use crate::{
    enhanced::{METHOD, auth, connack, packet},
    expiry::{check_operations, exp_of, number, until, wall},
    issued::jwt,
    run::{Ended, Storm, check_conserved, rows, scenario, sum},
    server::{Server, until_closed},
    web::{JSON, Web, discovery, response},
};

const PINGREQ: u8 = 0xC0;
const AUTH: u8 = 0xF0;
const PONG: [u8; 2] = [0xD0, 0];
const NOT_AUTHORIZED: [u8; 3] = [0xE0, 1, 0x87];
const TARGET: &str = "protocol = 5\ntoken_in = \"auth_data\"\nauth_method = \"OAUTH2-JWT\"\n---\n";
/// Each client authenticates again once, about three seconds after it came, and not again for as long.
const ONCE: &str =
    "[token]\nttl = \"6s\"\n[session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\n";

/// The Authentication Data of an AUTH that was read whole.
fn token_of(body: &[u8]) -> Vec<u8> {
    let method = 3 + METHOD.len();
    // Reason code, length of the properties in one byte or two, method, data.
    let at = 1 + if body[1] & 128 != 0 { 2 } else { 1 } + method;
    assert_eq!(body[at], 0x16, "data");
    body[at + 3..].to_vec()
}

/// Serves a client: answers pings, and does with each AUTH that begins an authentication what `behave` does, until that says
/// that it is over.
fn serve(stream: &mut TcpStream, mut behave: impl FnMut(&mut TcpStream, &[u8]) -> bool) {
    stream.write_all(&connack(0, Some(METHOD))).unwrap();
    while let Some((first, body)) = packet(stream) {
        match first {
            PINGREQ if stream.write_all(&PONG).is_err() => return,
            AUTH if !behave(stream, &body) => return,
            0xE0 => return,
            _ => {}
        }
    }
}

/// Rows of `operations.csv` of one operation, each as `token expected outcome code verdict`, with its count.
fn operations(ended: &Ended, of: &str) -> BTreeMap<String, u64> {
    let rows = rows(&ended.out.join("operations.csv"));
    let own = rows.iter().filter(|row| row["operation"] == of);
    own.map(|row| {
        let words = ["token", "expected", "outcome", "code", "verdict"].map(|it| row[it].as_str());
        (words.join(" "), crate::run::number(row, "count"))
    })
    .collect()
}

/// Count, outcomes and verdicts add up, and are those of the renewals.
fn check(summary: &Value) {
    check_conserved(summary);
    check_operations(summary);
    let reauth = &summary["operations"]["reauthenticate"];
    let count = reauth["count"].as_u64().unwrap();
    assert_eq!(sum(&reauth["outcomes"]), count);
    assert_eq!(sum(&reauth["verdicts"]), count);
    if let Some(times) = summary["phases"].get("reauth") {
        let entered = times["count"].as_u64().unwrap() + times["unfinished"].as_u64().unwrap();
        assert_eq!(entered, count - reauth["outcomes"]["token_failed"].as_u64().unwrap());
    }
    let renewals = |name: &str| summary["renewals"][name].as_u64().unwrap();
    let abandoned = reauth["abandoned"].as_u64().unwrap();
    assert_eq!(count + abandoned, renewals("count") + renewals("token_failed"), "{summary}");
    assert_eq!(summary["attempts"], summary["clients"], "no AUTH is an attempt");
}

fn run(server: &Server, load: &str, more: &str) -> Ended {
    Storm::new(&scenario(&server.url(), load, &format!("{TARGET}{more}"))).run()
}

fn success() -> Vec<u8> {
    auth(0, METHOD.as_bytes())
}

/// What a broker does with the AUTH of client `n`, and the row that it has to get.
fn answer(stream: &mut TcpStream, n: u64) -> bool {
    let challenge = auth(0x18, METHOD.as_bytes());
    let say = |stream: &mut TcpStream, bytes: &[u8]| stream.write_all(bytes).is_ok();
    match n {
        0 | 1 => say(stream, &success()),
        // Without its method, and without a body: both are a success.
        2 => say(stream, &[0xF0, 2, 0, 0]),
        3 => say(stream, &[0xF0, 0]),
        4 => {
            say(stream, &challenge);
            let (first, body) = packet(stream).unwrap();
            assert_eq!((first, body[0]), (AUTH, 0x18));
            say(stream, &success())
        }
        5 => {
            say(stream, &challenge);
            packet(stream).unwrap();
            say(stream, &challenge)
        }
        6 => {
            say(stream, &NOT_AUTHORIZED);
            false
        }
        7 => {
            say(stream, &[0xE0, 1, 0x97]);
            false
        }
        8 => false,
        9 => {
            set_socket_linger(&*stream, Some(Duration::ZERO)).unwrap();
            false
        }
        10 => true,
        11 => say(stream, &auth(0, b"OTHER")),
        12 => say(stream, &[success(), success()].concat()),
        13 => say(stream, &connack(0, Some(METHOD))),
        14 => say(stream, &[&[0xF0, 0x83, 0x80, 4, 0][..], &vec![0; 65_538]].concat()),
        15 => say(stream, &auth(0x19, METHOD.as_bytes())),
        _ => unreachable!("{n}"),
    }
}

#[test]
fn each_answer_to_an_auth_is_an_outcome_with_its_code_and_its_verdict() {
    let tokens: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let seen = Arc::clone(&tokens);
    let server = Server::start(move |stream, connect| {
        let first = connect.data[0].clone();
        serve(stream, |stream, body| {
            // The answer to a challenge is read where that was sent.
            assert_eq!(body[0], 0x19, "client {} goes on", number(connect));
            let token = token_of(body);
            assert_ne!(token, first, "a fresh one");
            seen.lock().unwrap().push(token);
            answer(stream, number(connect))
        });
    });
    let load = "clients = 16\nconcurrency = 16\nhold = \"4500ms\"\nconnect_timeout = \"1s\"";
    let policy = "[policy]\nreauthentication = \"accept\"\non_expiry = \"keep\"\n";
    let ended = run(&server, load, &format!("{ONCE}{policy}"));
    let summary = ended.expect(1);
    let wanted: BTreeMap<String, u64> = [
        ("renewed 0 correct", 6),
        ("refused 135 false_reject", 1),
        ("refused 151 not_judged", 1),
        ("closed fin false_reject", 1),
        ("closed rst not_judged", 1),
        ("timeout reauth not_judged", 1),
        ("protocol_error auth_continue not_judged", 1),
        ("protocol_error auth_method not_judged", 1),
        ("protocol_error auth_code not_judged", 1),
        ("protocol_error malformed not_judged", 1),
        ("protocol_error second_connack not_judged", 1),
    ]
    .map(|(row, count)| (format!("fresh accept {row}"), count))
    .into();
    assert_eq!(operations(&ended, "reauthenticate"), wanted, "{}", ended.stdout);
    check(&summary);
    let renewals = &summary["renewals"];
    assert_eq!((&renewals["count"], &renewals["failed"]), (&json!(16), &json!(10)));
    let times = &summary["phases"]["reauth"];
    assert_eq!((&times["count"], &times["unfinished"]), (&json!(8), &json!(8)));
    // Those of 5 to 9, 11 and 13 to 15, and of 12, to whom nobody had to answer once more.
    assert_eq!(summary["sessions"]["dropped"], 10, "{}", summary["sessions"]);
    assert!(ended.stdout.contains("6 of 16 AUTHs"), "{}", ended.stdout);
    let findings = rows(&ended.out.join("findings.csv"));
    let found = findings.iter().filter(|row| row["operation"] == "reauthenticate");
    assert_eq!(found.clone().count(), 2, "{findings:?}");
    assert!(found.clone().all(|row| row["turn"] == "1" && !row["replay"].is_empty()));
    for token in tokens.lock().unwrap().iter() {
        let token = String::from_utf8(token.clone()).unwrap();
        assert!(!crate::run::everything(&ended).contains(&token), "a token is in the results");
    }
}

/// A mix of tokens that clients authenticate again with, of which one is good.
const ALL_SORTS: &str = "renew_with = [{ token = \"fresh\", share = 1 }, { token = \"expired\", by = \"1h\", share = 1 }, \
                         { token = \"wrong_key\", share = 1 }, { token = \"stolen\", share = 1 }, { token = \"no_data\", share = 1 }, \
                         { token = \"unknown_method\", share = 1 }]\n\
                         [token.claims]\niss = \"https://issuer.example\"\nsub = \"{client_id}\"\n";

/// What came of it at a broker that answers each AUTH so: by kind, the rows without their kind.
fn all_sorts(says: &'static [u8], policy: &str, code: i32) -> BTreeMap<String, u64> {
    let server = Server::start(move |stream, _| {
        serve(stream, |stream, _| stream.write_all(says).is_ok() && says[0] == 0xF0);
    });
    let load = "clients = 60\nconcurrency = 60\nhold = \"4500ms\"";
    let ended = run(&server, load, &format!("{ONCE}{ALL_SORTS}{policy}"));
    let summary = ended.expect(code);
    check(&summary);
    assert_eq!(summary["operations"]["reauthenticate"]["count"], 60);
    let rows = operations(&ended, "reauthenticate");
    let kinds = ["fresh", "expired", "wrong_key", "stolen", "no_data", "unknown_method"];
    for kind in kinds {
        let own = rows.keys().filter(|row| row.starts_with(&format!("{kind} "))).count();
        assert_eq!(own, 1, "{kind}: {rows:?}");
    }
    rows
}

#[test]
fn a_broker_that_takes_whatever_comes_in_auth_is_found_out_by_each_kind_whatever_it_binds() {
    for policy in [
        "[policy]\nreauthentication = \"accept\"\nbinds = []\n",
        "[policy]\nreauthentication = \"accept\"\nbinds = [\"sub\"]\n",
        "",
    ] {
        let rows = all_sorts(&[0xF0, 0], policy, 1);
        for (row, _) in rows {
            let good = if policy.is_empty() { "not_judged" } else { "correct" };
            let wanted = if row.starts_with("fresh ") {
                format!("accept renewed 0 {good}")
            } else {
                "refuse renewed 0 false_accept".to_owned()
            };
            assert!(row.ends_with(&wanted), "{policy}: {row}");
        }
    }
}

#[test]
fn refusals_are_judged_by_their_codes_and_a_good_token_that_is_refused_is_a_false_reject() {
    let accept = "[policy]\nreauthentication = \"accept\"\nbinds = [\"sub\"]\n";
    for (row, _) in all_sorts(&NOT_AUTHORIZED, accept, 1) {
        let is_good = row.starts_with("fresh ");
        let wanted =
            if is_good { "accept refused 135 false_reject" } else { "refuse refused 135 correct" };
        assert!(row.ends_with(wanted), "{row}");
    }
    // A broker that promises to refuse may end the connection anyhow.
    let refuse = "[policy]\nreauthentication = \"refuse\"\nbinds = [\"sub\"]\n";
    for (row, _) in all_sorts(&[0xE0, 1, 0x82], refuse, 0) {
        assert!(row.ends_with("refused 130 correct"), "{row}");
    }
}

/// A broker that answers AUTH by success, and ends each connection by 0x87 at the deadline that it goes by.
fn ends_by(keeps_old: bool) -> Server {
    Server::start(move |stream, connect| {
        let (mut end, mut other) = (exp_of(&connect.data[0]), stream.try_clone().unwrap());
        let deadline = Arc::new(Mutex::new(end));
        let shared = Arc::clone(&deadline);
        thread::spawn(move || {
            loop {
                let at: SystemTime = *shared.lock().unwrap();
                until(at, 100);
                if *shared.lock().unwrap() == at {
                    break;
                }
            }
            let _ = other.write_all(&NOT_AUTHORIZED);
            let _ = other.shutdown(std::net::Shutdown::Write);
        });
        serve(stream, |stream, body| {
            end = exp_of(&token_of(body));
            if !keeps_old {
                *deadline.lock().unwrap() = end;
            }
            stream.write_all(&success()).is_ok()
        });
    })
}

#[test]
fn from_a_renewal_on_the_deadline_is_that_of_the_new_token_and_a_broker_that_keeps_the_old_one_is_told()
 {
    let load = "clients = 8\nconcurrency = 8\nhold = \"10s\"";
    // One renewal: what comes then is of no use to this test.
    let session = "[token]\nttl = \"4s\"\n[session]\nrenew = \"reauthenticate\"\nrenew_before = \"2s\"\ngrace = \"3s\"\n\
                   [policy]\nreauthentication = \"accept\"\non_expiry = \"disconnect\"\n";
    let ended = run(&ends_by(true), load, session);
    let summary = ended.expect(1);
    check(&summary);
    let early = BTreeMap::from([("fresh end ended 135 false_reject".to_owned(), 8)]);
    assert_eq!(operations(&ended, "expire"), early, "{}", ended.stdout);
    assert_eq!(summary["lifetime"]["ended_early"], 8);
    // It goes by the new one, which is renewed in its turn: none ends while its client is there.
    let ended = run(&ends_by(false), load, session);
    let summary = ended.expect(0);
    check(&summary);
    assert!(operations(&ended, "expire").is_empty(), "{:?}", operations(&ended, "expire"));
    assert_eq!(summary["sessions"]["dropped"], 0);
    assert!(summary["renewals"]["count"].as_u64().unwrap() >= 24, "{}", summary["renewals"]);
    assert_eq!(summary["renewals"]["late"], 0);
}

#[test]
fn an_auth_that_has_no_answer_when_the_token_before_it_ends_is_not_judged_by_the_end() {
    for (promise, expire) in [
        ("disconnect", "fresh end ended 135 correct"),
        ("keep", "fresh stay left 135 indeterminate"),
    ] {
        let server = Server::start(|stream, connect| {
            let end = exp_of(&connect.data[0]);
            serve(stream, |stream, _| {
                until(end, 100);
                stream.write_all(&NOT_AUTHORIZED).unwrap();
                false
            });
        });
        let policy =
            format!("[policy]\nreauthentication = \"accept\"\non_expiry = \"{promise}\"\n");
        let ended = run(&server, "hold = \"9s\"\nconcurrency = 8", &format!("{ONCE}{policy}"));
        // No AUTH was decided, and a run about them has measured nothing then.
        let summary = ended.expect(3);
        check(&summary);
        let refused = BTreeMap::from([("fresh accept refused 135 not_judged".to_owned(), 8)]);
        assert_eq!(operations(&ended, "reauthenticate"), refused, "{promise}");
        assert_eq!(operations(&ended, "expire"), BTreeMap::from([(expire.to_owned(), 8)]));
    }
}

#[test]
fn a_success_after_the_end_of_the_token_before_is_judged_as_always_and_counts_as_late() {
    let server = Server::start(|stream, connect| {
        let mut end = Some(exp_of(&connect.data[0]));
        serve(stream, |stream, _| {
            if let Some(end) = end.take() {
                until(end, 300);
            }
            stream.write_all(&success()).is_ok()
        });
    });
    let policy = "[policy]\nreauthentication = \"accept\"\non_expiry = \"disconnect\"\n";
    let ended = run(&server, "hold = \"8s\"\nconcurrency = 8", &format!("{ONCE}{policy}"));
    let summary = ended.expect(0);
    check(&summary);
    let left = BTreeMap::from([("fresh end left renewed indeterminate".to_owned(), 8)]);
    assert_eq!(operations(&ended, "expire"), left, "{}", ended.stdout);
    let renewals = &summary["renewals"];
    assert_eq!((&renewals["late"], &renewals["late_by_100ms"]), (&json!(8), &json!(8)));
    assert_eq!((&renewals["late_by_1s"], &renewals["failed"]), (&json!(0), &json!(0)));
}

#[test]
fn a_client_waits_for_an_answer_before_it_leaves_and_what_is_in_flight_at_ctrl_c_is_abandoned() {
    // Nobody answers in time.
    let server = Server::start(|stream, _| {
        serve(stream, |stream, _| {
            until_closed(stream);
            false
        });
    });
    let load = "concurrency = 8\nhold = \"4s\"\nconnect_timeout = \"2s\"";
    let ended = run(&server, load, ONCE);
    let summary = ended.expect(0);
    check(&summary);
    let late = BTreeMap::from([("fresh accept timeout reauth not_judged".to_owned(), 8)]);
    assert_eq!(operations(&ended, "reauthenticate"), late);
    let storm = Storm::new(&scenario(
        &server.url(),
        "concurrency = 8\nhold = \"20s\"\nconnect_timeout = \"15s\"",
        &format!("{TARGET}{ONCE}"),
    ));
    let run = storm.start();
    // All have authenticated again by then.
    let sent =
        || crate::run::read_json(&storm.out().join("summary.json"))?["renewals"]["count"].as_u64();
    for _ in 0..400 {
        if sent() == Some(8) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(sent(), Some(8), "each has sent its AUTH");
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let ended = storm.wait(run);
    let summary = ended.expect(130);
    check(&summary);
    let reauth = &summary["operations"]["reauthenticate"];
    assert_eq!((&reauth["count"], &reauth["abandoned"]), (&json!(0), &json!(8)), "{reauth}");
}

#[test]
fn an_end_after_an_auth_that_had_no_answer_in_time_is_no_early_end_of_the_token() {
    let server = Server::start(|stream, _| {
        serve(stream, |stream, _| {
            thread::sleep(Duration::from_millis(800));
            stream.write_all(&NOT_AUTHORIZED).unwrap();
            false
        });
    });
    let policy = "[policy]\nreauthentication = \"accept\"\non_expiry = \"disconnect\"\n";
    let load = "concurrency = 8\nhold = \"8s\"\nconnect_timeout = \"500ms\"";
    let ended = run(&server, load, &format!("{ONCE}{policy}"));
    let summary = ended.expect(3);
    check(&summary);
    let late = BTreeMap::from([("fresh accept timeout reauth not_judged".to_owned(), 8)]);
    assert_eq!(operations(&ended, "reauthenticate"), late);
    assert!(operations(&ended, "expire").is_empty(), "{:?}", operations(&ended, "expire"));
    assert_eq!(summary["sessions"]["dropped"], 8);
}

#[test]
fn an_auth_that_an_event_of_the_run_cuts_off_is_closed_and_says_nothing() {
    let server = Server::start(|stream, _| {
        serve(stream, |stream, _| {
            until_closed(stream);
            false
        });
    });
    // Each waits for its answer by then.
    let more = "[policy]\nreauthentication = \"accept\"\non_expiry = \"keep\"\n\
                [[events]]\nat = \"4s\"\ndo = \"drop_clients\"\n";
    let load = "stages = [{ rate = 80, for = \"100ms\" }]\narrivals = \"constant\"\nhold = \"8s\"";
    let ended = run(&server, load, &format!("{ONCE}{more}"));
    let summary = ended.expect(3);
    check(&summary);
    let cut = BTreeMap::from([("fresh accept closed fin not_judged".to_owned(), 8)]);
    assert_eq!(operations(&ended, "reauthenticate"), cut, "{}", ended.stdout);
    assert_eq!(summary["renewals"]["failed"], 8);
}

#[test]
fn clients_that_lose_their_connection_by_an_auth_come_back_and_are_counted_once() {
    let server = Server::start(|stream, connect| {
        let is_first = connect.number < 8;
        serve(stream, move |stream, _| {
            let says = if is_first { NOT_AUTHORIZED.to_vec() } else { success() };
            stream.write_all(&says).is_ok() && !is_first
        });
    });
    let more = "reconnect = \"fresh_token\"\nbackoff = { first = \"100ms\" }\n\
                [policy]\nreauthentication = \"accept\"\non_expiry = \"keep\"\n";
    let ended = run(&server, "hold = \"5s\"\nconcurrency = 8", &format!("{ONCE}{more}"));
    let summary = ended.expect(1);
    check_conserved(&summary);
    let returns = &summary["returns"];
    assert_eq!((&returns["drops"], &returns["back"]), (&json!(8), &json!(8)), "{returns}");
    assert_eq!(summary["attempts"], 16);
    let rows = operations(&ended, "reauthenticate");
    assert_eq!(rows["fresh accept refused 135 false_reject"], 8, "{rows:?}");
}

/// The verdicts of the group `reauthentication` at a broker that takes whatever CONNECT brings, and answers each AUTH so.
fn matrix_of(says: Vec<u8>, promise: &str) -> BTreeMap<String, String> {
    let server = Server::start(move |stream, _| {
        let is_over = says.is_empty();
        serve(stream, |stream, _| stream.write_all(&says).is_ok() && !is_over);
    });
    matrix_at(&server, promise)
}

fn matrix_at(server: &Server, promise: &str) -> BTreeMap<String, String> {
    let more = format!(
        "[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{client_id}}\"\n\
         [policy]\nchecks = [\"exp\", \"nbf\", \"iss\", \"aud\"]\nrequires = [\"exp\"]\n{promise}"
    );
    let storm = Storm::new(&scenario(&server.url(), "", &format!("{TARGET}{more}")));
    let ended = crate::matrix::matrix(&storm, &["--only", "reauth_*"]);
    let matrix = crate::run::read_json(&ended.out.join("matrix.json")).unwrap();
    let text = |cell: &Value, name: &str| cell[name].as_str().unwrap().to_owned();
    let cells = matrix["cells"].as_array().unwrap().iter();
    let own = cells.filter(|cell| cell["defect"].as_str().unwrap().starts_with("reauth_"));
    own.map(|cell| (text(cell, "defect"), text(cell, "verdict"))).collect()
}

#[test]
fn the_matrix_has_a_group_of_tokens_in_auth_each_judged_by_the_answer_to_it() {
    let accept = "reauthentication = \"accept\"\n";
    let takes_all = matrix_of(success(), accept);
    assert_eq!(takes_all.len(), 15, "{takes_all:?}");
    for (name, verdict) in &takes_all {
        let wanted = if name == "reauth_fresh" { "correct" } else { "false_accept" };
        assert_eq!(verdict, wanted, "{name}");
    }
    let refuses_all = matrix_of(NOT_AUTHORIZED.to_vec(), accept);
    assert_eq!(refuses_all.len(), 15);
    for (name, verdict) in &refuses_all {
        let wanted = if name == "reauth_fresh" { "false_reject" } else { "correct" };
        assert_eq!(verdict, wanted, "{name}");
    }
    // It is never sent where CONNECT is not answered by a CONNACK that lets the client in.
    let [disconnect, connack] =
        [&NOT_AUTHORIZED[..], &[0x20, 3, 0, 0x87, 0]].map(Server::answering);
    for server in [disconnect, connack, Server::start(|_, _| ())] {
        let verdicts = matrix_at(&server, "reauthentication = \"refuse\"\n");
        assert_eq!(verdicts.len(), 15);
        assert!(verdicts.values().all(|verdict| verdict == "not_judged"), "{verdicts:?}");
    }
    // A code that says nothing of a token, and nothing promised: no good token is refused wrongly by that.
    for (says, promise) in [(vec![0xE0, 1, 0x97], accept), (NOT_AUTHORIZED.to_vec(), "")] {
        let verdicts = matrix_of(says, promise);
        assert_eq!(verdicts.len(), 15);
        assert!(verdicts.values().all(|verdict| verdict == "not_judged"), "{verdicts:?}");
    }
}

#[test]
fn what_can_not_be_authenticated_again_is_refused_with_a_way_out() {
    let plain = "protocol = 5\n---\n";
    for (target, more, says) in [
        (plain, ONCE.to_owned(), "`target.token_in` is not `auth_data`"),
        (
            TARGET,
            "[session]\nrenew = \"reconnect\"\nrenew_with = [{ token = \"fresh\", share = 1 }]\n"
                .to_owned(),
            "`session.renew_with` is given",
        ),
        (
            TARGET,
            format!("{ONCE}renew_with = [{{ token = \"fresh\", share = 0 }}]\n"),
            "all shares of",
        ),
        (
            TARGET,
            format!("{ONCE}renew_with = [{{ token = \"nothing\", share = 1 }}]\n"),
            "session.renew_with[0]",
        ),
        (
            TARGET,
            format!("{ONCE}renew_with = [{{ token = \"in_client_id\", share = 1 }}]\n"),
            "fields that AUTH does not have",
        ),
        (
            TARGET,
            format!("{ONCE}[policy]\nrefuses_with = {{ reauth = [0x86] }}\n"),
            "`policy.refuses_with.reauth` holds 0x86",
        ),
    ] {
        let storm = Storm::new(&scenario("mqtt://127.0.0.1:9", "", &format!("{target}{more}")));
        let ended = storm.run();
        assert_eq!(ended.code, Some(2), "{says}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint") || ended.stderr.contains("help"), "{}", ended.stderr);
    }
}

#[test]
fn a_client_that_gets_no_new_token_sends_no_auth_keeps_its_connection_and_asks_again() {
    let asked = Arc::new(AtomicU64::new(0));
    let served = Arc::clone(&asked);
    let web = Web::start(move |path, own| {
        if path == "/.well-known/openid-configuration" {
            return discovery(own);
        }
        // Eight tokens for eight clients, and then no more.
        if served.fetch_add(1, Ordering::SeqCst) >= 8 {
            let refused = json!({ "error": "invalid_client" }).to_string();
            return response("401 Unauthorized", JSON, &refused);
        }
        let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "exp": now + 6, "jti": now }).to_string();
        let token = jwt("{\"alg\":\"ES256\"}", &claims);
        response("200 OK", JSON, &json!({ "access_token": token }).to_string())
    });
    let auths = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&auths);
    let server = Server::start(move |stream, _| {
        serve(stream, |_, _| {
            heard.fetch_add(1, Ordering::SeqCst);
            true
        });
    });
    let ended = Storm::new(&format!(
        "name = \"reauth\"\n[target]\nbrokers = [\"{}\"]\nprotocol = 5\ntoken_in = \"auth_data\"\nauth_method = \"{METHOD}\"\n\
         [load]\nclients = 8\nconcurrency = 8\nhold = \"4500ms\"\n[token]\nsource = \"oauth\"\n\
         [oauth]\nissuer = \"{}\"\nclient_secret = \"of-no-value\"\n\
         [session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\nbackoff = {{ first = \"200ms\", most = \"200ms\" }}\n\
         [policy]\nchecks = [\"exp\"]\nreauthentication = \"accept\"\non_expiry = \"keep\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n",
        server.url(),
        web.url
    ))
    .run();
    let summary = ended.expect(3);
    check(&summary);
    assert_eq!(auths.load(Ordering::SeqCst), 0, "nobody had anything to send");
    let rows = operations(&ended, "reauthenticate");
    let [(what, count)] = &rows.into_iter().collect::<Vec<_>>()[..] else { panic!("{summary}") };
    assert_eq!(what, "fresh accept token_failed 401 not_judged");
    assert!(*count >= 16, "each asks again after a while: {count}");
    assert_eq!(summary["renewals"]["token_failed"], *count);
    // Whoever leaves while it asks is in no sum.
    let asked = asked.load(Ordering::SeqCst) - 8;
    assert!((*count..=count + 8).contains(&asked), "{asked} asked, {count} counted");
    assert_eq!(summary["sessions"]["dropped"], 0, "{}", ended.stdout);
}
