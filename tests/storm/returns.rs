//! Clients in later turns: they come back when their connection ended, and renew their tokens, against servers that keep a
//! log of who came with what.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    expiry::{number, wall},
    issued::jwt,
    oauth::{JSON, Web, discovery, response, storm},
    run::{Ended, Storm, rows, scenario},
    server::{Connect, Server, until_closed},
};

const ACCEPT_V5: [u8; 5] = [0x20, 3, 0, 0, 0];
const REFUSE_V5: [u8; 5] = [0x20, 3, 0, 0x87, 0];
const LOAD: &str = "clients = 8\nconcurrency = 8\nhold = \"4s\"";

/// What each client came with, in its order.
type Log = Arc<Mutex<BTreeMap<u64, Vec<Vec<u8>>>>>;

/// A server that does something by client and by how often that has come before.
fn server(behave: impl Fn(&mut TcpStream, u64, usize) + Send + Sync + 'static) -> (Server, Log) {
    let log = Log::default();
    let own = Arc::clone(&log);
    let server = Server::start(move |stream, connect: &Connect| {
        let n = number(connect);
        let before = {
            let mut log = own.lock().unwrap();
            let tokens = log.entry(n).or_default();
            tokens.push(connect.password.clone().unwrap());
            tokens.len() - 1
        };
        behave(stream, n, before);
    });
    (server, log)
}

fn field(summary: &Value, table: &str, name: &str) -> u64 {
    summary[table][name].as_u64().unwrap_or_else(|| panic!("{table}.{name}: {summary}"))
}

/// Runs it, and checks that no turn is lost.
fn run(server: &Server, load: &str, more: &str, code: i32) -> (Ended, Value) {
    let ended = Storm::new(&scenario(&server.url(), load, more)).run();
    let summary = ended.expect(code);
    check_turns(&summary);
    (ended, summary)
}

/// attempts + abandoned = clients + those of later turns, and each client that was away came back or did not.
pub(crate) fn check_turns(summary: &Value) {
    let of = |table: &str, name: &str| field(summary, table, name);
    let all = summary["attempts"].as_u64().unwrap() + summary["abandoned"].as_u64().unwrap();
    let renewals = of("renewals", "count") + of("renewals", "token_failed");
    let clients = summary["clients"].as_u64().unwrap();
    assert_eq!(all, clients + of("returns", "attempts") + renewals, "{summary}");
    let tries = crate::run::sum(&summary["returns"]["back_after_attempts"]);
    assert_eq!(tries, of("returns", "back"), "{summary}");
    let ends = ["back", "gave_up", "still_away"].map(|name| of("returns", name));
    assert_eq!(of("returns", "drops"), ends.iter().sum::<u64>(), "{summary}");
}

#[test]
fn a_client_comes_back_with_the_token_that_the_scenario_says() {
    for (reconnect, algorithm, is_same) in [
        ("fresh_token", "HS256", false),
        ("same_token", "HS256", true),
        // Its signature can't be made again.
        ("same_token", "ES256", true),
    ] {
        let (server, log) = server(|stream, _, before| {
            stream.write_all(&ACCEPT_V5).unwrap();
            if before > 0 {
                return until_closed(stream);
            }
            // Without a word, eight at once would look like a broker that died.
            let _ = stream.write_all(&[0xE0, 1, 0x98]);
        });
        let more =
            format!("[session]\nreconnect = \"{reconnect}\"\nbackoff = {{ first = \"100ms\" }}\n");
        let text = scenario(&server.url(), LOAD, &more);
        let text = match algorithm {
            "ES256" => {
                let secret = text.lines().find(|line| line.starts_with("secret =")).unwrap();
                text.replace(secret, "generate = true").replace("HS256", algorithm)
            }
            _ => text,
        };
        let ended = Storm::new(&text).run();
        let summary = ended.expect(0);
        check_turns(&summary);
        let counts = ["drops", "attempts", "back", "gave_up", "still_away"]
            .map(|name| field(&summary, "returns", name));
        assert_eq!(counts, [8, 8, 8, 0, 0], "{summary}");
        assert_eq!(
            (summary["clients"].as_u64(), summary["attempts"].as_u64()),
            (Some(8), Some(16))
        );
        assert_eq!(summary["phases"]["reconnect"]["count"], 8);
        assert!(summary["returns"]["until_99_back_us"].as_f64().unwrap() > 0.0);
        for (n, tokens) in log.lock().unwrap().iter() {
            assert_eq!(tokens.len(), 2, "client {n}");
            assert_eq!(tokens[0] == tokens[1], is_same, "client {n}, {reconnect}, {algorithm}");
        }
        let back: u64 = rows(&ended.out.join("timeline.csv"))
            .iter()
            .map(|row| row["back"].parse::<u64>().unwrap())
            .sum();
        assert_eq!(back, 8);
    }
}

#[test]
fn a_client_that_is_refused_gives_up_after_its_tries() {
    let (server, log) = server(|stream, _, before| {
        let _ = stream.write_all(if before == 0 { &ACCEPT_V5 } else { &REFUSE_V5 });
    });
    let more = "[session]\nreconnect = \"same_token\"\ntries = 3\nbackoff = { first = \"20ms\" }\n";
    let (ended, summary) = run(&server, "clients = 8\nconcurrency = 8\nhold = \"20s\"", more, 1);
    let counts = ["drops", "attempts", "back", "gave_up", "still_away"]
        .map(|name| field(&summary, "returns", name));
    assert_eq!(counts, [8, 24, 0, 8, 0]);
    assert!(summary["returns"]["until_half_back_us"].is_null(), "nobody came back");
    assert!(log.lock().unwrap().values().all(|tokens| tokens.len() == 4));
    // Good tokens that are refused are a finding in any turn, and the command mints the token of the first.
    let findings = rows(&ended.out.join("findings.csv"));
    assert_eq!(findings.len(), 24);
    for row in findings {
        assert_eq!(
            (row["verdict"].as_str(), row["operation"].as_str()),
            ("false_reject", "connect")
        );
        assert!(row["turn"].parse::<u32>().unwrap() > 0 && !row["replay"].contains("--turn"));
    }
}

#[test]
fn a_broker_that_accepts_and_closes_at_once_makes_no_busy_loop() {
    let (server, log) = server(|stream, _, _| {
        let _ = stream.write_all(&ACCEPT_V5);
    });
    let more = "[session]\nreconnect = \"fresh_token\"\n\
                backoff = { first = \"200ms\", factor = 1, jitter = \"none\" }\n";
    let (_, summary) = run(&server, "clients = 8\nconcurrency = 8\nhold = \"2s\"", more, 0);
    let most = log.lock().unwrap().values().map(Vec::len).max().unwrap();
    assert!((2..=11).contains(&most), "{most} connects in 2 s that begin 200 ms apart at least");
    assert_eq!(field(&summary, "returns", "still_away"), 8);
    assert_eq!(field(&summary, "returns", "gave_up"), 0, "each time it was let in");
}

#[test]
fn tokens_that_must_be_refused_do_not_come_back() {
    let (server, log) = server(|stream, _, _| {
        let _ = stream.write_all(&ACCEPT_V5);
    });
    let more = "[session]\nreconnect = \"same_token\"\nbackoff = { first = \"10ms\" }\n\
                [[mix]]\ntoken = \"wrong_key\"\nshare = 1\n[[mix]]\ntoken = \"fresh\"\nshare = 0\n";
    let (_, summary) = run(&server, LOAD, more, 1);
    assert_eq!(field(&summary, "returns", "drops"), 0);
    assert!(log.lock().unwrap().values().all(|tokens| tokens.len() == 1));
}

#[test]
fn a_token_is_renewed_before_it_ends_by_leaving_and_connecting_again() {
    let lived: Arc<Mutex<Vec<bool>>> = Arc::default();
    let log = Arc::clone(&lived);
    let (server, tokens) = server(move |stream, _, _| {
        stream.write_all(&ACCEPT_V5).unwrap();
        let mut last = [0; 2];
        let has_left = stream.read_exact(&mut last).is_ok() && last == [0xE0, 0];
        log.lock().unwrap().push(has_left);
    });
    let more = "[token]\nttl = \"4s\"\n[session]\nrenew = \"reconnect\"\nrenew_before = \"1s\"\n\
                renew_jitter = \"500ms\"\n";
    let (_, summary) = run(&server, "clients = 8\nconcurrency = 8\nhold = \"8s\"", more, 0);
    let renewed = field(&summary, "renewals", "count");
    assert!(renewed >= 16, "every three seconds: {summary}");
    for name in ["late", "failed", "token_failed"] {
        assert_eq!(field(&summary, "renewals", name), 0);
    }
    assert_eq!(summary["lifetime"]["expired"], 0, "none ended");
    assert_eq!(summary["sessions"]["dropped"], 0);
    assert!(lived.lock().unwrap().iter().all(|has_left| *has_left), "each leaves by DISCONNECT");
    let tokens = tokens.lock().unwrap();
    let sent: usize = tokens.values().map(Vec::len).sum();
    assert_eq!(sent as u64, 8 + renewed);
    for tokens in tokens.values() {
        let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), tokens.len(), "each turn has a token of its own");
    }
}

#[test]
fn a_renewal_that_is_refused_is_a_drop_and_the_client_goes_on() {
    let (server, _) = server(|stream, _, before| {
        let answer = if before == 1 { &REFUSE_V5 } else { &ACCEPT_V5 };
        let _ = stream.write_all(answer);
        if before != 1 {
            until_closed(stream);
        }
    });
    let more = "[token]\nttl = \"3s\"\n[session]\nrenew = \"reconnect\"\nrenew_before = \"1s\"\n\
                reconnect = \"fresh_token\"\nbackoff = { first = \"50ms\" }\n";
    let (_, summary) = run(&server, "clients = 8\nconcurrency = 8\nhold = \"3500ms\"", more, 1);
    assert_eq!(field(&summary, "renewals", "failed"), 8);
    assert_eq!((field(&summary, "returns", "drops"), field(&summary, "returns", "back")), (8, 8));
}

#[test]
fn an_event_of_the_run_drops_clients_and_is_no_end_of_their_tokens() {
    for (how, code) in [("close", "event"), ("reset", "event")] {
        let (server, _) = server(|stream, _, _| {
            stream.write_all(&ACCEPT_V5).unwrap();
            until_closed(stream);
        });
        let more = format!(
            "[token]\nttl = \"60s\"\n[session]\nreconnect = \"same_token\"\n\
             backoff = {{ first = \"100ms\" }}\n\
             [[events]]\nat = \"1s\"\ndo = \"drop_clients\"\nhow = \"{how}\"\n"
        );
        let (ended, summary) = run(&server, LOAD, &more, 0);
        assert_eq!(summary["sessions"]["dropped_by_code"], serde_json::json!({ code: 8 }));
        assert_eq!(field(&summary, "returns", "back"), 8);
        assert_eq!(summary["operations"]["expire"]["count"], 0);
        assert!(summary["broker_gone"].as_array().is_none_or(Vec::is_empty), "{summary}");
        let events = rows(&ended.out.join("events.csv"));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["event"], "drop_clients");
    }
}

#[test]
fn a_run_that_is_interrupted_while_clients_are_away_says_of_each_where_it_was() {
    let (server, _) = server(|stream, n, before| {
        // Half of them come back at once; the others hear nothing, or are refused.
        match (n % 4, before) {
            (_, 0) => drop(stream.write_all(&ACCEPT_V5)),
            (0 | 1, _) => {
                let _ = stream.write_all(&ACCEPT_V5);
                until_closed(stream);
            }
            (2, _) => drop(stream.write_all(&REFUSE_V5)),
            _ => until_closed(stream),
        }
    });
    let more = "[session]\nreconnect = \"same_token\"\ntries = 100000\n\
                backoff = { first = \"50ms\", most = \"100ms\" }\n";
    let load = "clients = 8\nconcurrency = 8\nhold = \"90s\"\nconnect_timeout = \"60s\"";
    let storm = Storm::new(&scenario(&server.url(), load, more));
    let child = storm.start();
    let start = Instant::now();
    let is_back = || {
        let summary = crate::run::read_json(&storm.out().join("summary.json"));
        summary.is_some_and(|it| {
            it["returns"]["back"] == 4 && it["returns"]["attempts"].as_u64() > Some(12)
        })
    };
    while !is_back() {
        assert!(start.elapsed() < Duration::from_mins(1), "nobody comes back");
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let summary = storm.wait(child).expect(130);
    check_turns(&summary);
    let counts =
        ["drops", "back", "gave_up", "still_away"].map(|name| field(&summary, "returns", name));
    assert_eq!(counts, [8, 4, 0, 4]);
    assert_eq!(summary["abandoned"], 2, "those that heard nothing");
}

#[cfg(feature = "embedded")]
#[test]
fn clients_of_the_embedded_broker_come_back_with_fresh_tokens_when_theirs_end() {
    let more = "[token]\nttl = \"2s\"\n[session]\nreconnect = \"fresh_token\"\ngrace = \"4s\"\n\
                backoff = { first = \"200ms\" }\n[policy]\non_expiry = \"disconnect\"\n";
    let load = "clients = 20\nconcurrency = 4\nhold = \"7s\"";
    let ended = Storm::new(&scenario("embedded", load, more)).run();
    let summary = ended.expect(0);
    check_turns(&summary);
    crate::expiry::check_operations(&summary);
    assert!(field(&summary, "returns", "back") >= 20, "{summary}");
    assert_eq!(summary["lifetime"]["outlived"], 0);
    let verdicts = &summary["operations"]["expire"]["verdicts"];
    assert!(verdicts["correct"].as_u64().unwrap() >= 20, "{verdicts}");
}

/// A server of tokens that last six seconds and are to be renewed after three; after the first eight it takes so long for each.
fn slow_after_eight(pause: Duration) -> Web {
    let asked = AtomicUsize::new(0);
    Web::start(move |path, own| {
        if path != "/token" {
            return discovery(own);
        }
        if asked.fetch_add(1, Ordering::Relaxed) >= 8 {
            thread::sleep(pause);
        }
        let exp = wall().duration_since(UNIX_EPOCH).unwrap().as_secs() + 6;
        let token = jwt("{\"alg\":\"ES256\"}", &format!("{{\"exp\":{exp}}}"));
        let answer = serde_json::json!({ "access_token": token, "token_type": "bearer" });
        response("200 OK", JSON, &answer.to_string())
    })
}

const RENEWING: &str =
    "[session]\nrenew = \"reconnect\"\nrenew_before = \"2500ms\"\nrenew_jitter = \"100ms\"\n";

/// Clients of that server at this one.
fn renewing(server: &Server, pause: Duration, hold: &str, more: &str) -> Value {
    let web = slow_after_eight(pause);
    let oauth = format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url);
    let storm = storm(&server.url(), &oauth, &format!("{RENEWING}{more}"));
    let summary = storm.run_with(&["--set", &format!("load.hold={hold}")]).expect(0);
    check_turns(&summary);
    summary
}

#[test]
fn who_loses_the_connection_while_waiting_for_another_token_waits_for_its_backoff_as_well() {
    let closed: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
    let waited: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (ends, waits) = (Arc::clone(&closed), Arc::clone(&waited));
    let server = Server::start(move |stream, connect: &Connect| {
        let before = ends.lock().unwrap().remove(&connect.client_id);
        stream.write_all(&ACCEPT_V5).unwrap();
        if let Some(before) = before {
            waits.lock().unwrap().push(before.elapsed());
            until_closed(stream);
        } else {
            // Later than all ask for another token, and sooner than they have it.
            thread::sleep(Duration::from_millis(4_500));
            ends.lock().unwrap().insert(connect.client_id.clone(), Instant::now());
        }
    });
    let more = "reconnect = \"fresh_token\"\nbackoff = { first = \"3s\", jitter = \"none\" }\n";
    let summary = renewing(&server, Duration::from_millis(2_500), "9s", more);
    assert_eq!(field(&summary, "returns", "back"), 8, "{summary}");
    assert_eq!(
        field(&summary, "returns", "attempts"),
        8,
        "the ask for a token is that of the return"
    );
    assert_eq!(field(&summary, "renewals", "token_failed"), 0);
    let waited = waited.lock().unwrap();
    assert_eq!(waited.len(), 8);
    assert!(waited.iter().all(|waited| *waited >= Duration::from_secs(3)), "{waited:?}");
}

#[test]
fn a_token_that_comes_after_its_client_has_left_is_none_of_a_renewal() {
    let (server, log) = server(|stream, _, _| {
        stream.write_all(&ACCEPT_V5).unwrap();
        until_closed(stream);
    });
    let more = "reconnect = \"fresh_token\"\n";
    let summary = renewing(&server, Duration::from_secs(4), "4500ms", more);
    let all = [("renewals", "count"), ("renewals", "token_failed"), ("returns", "drops")];
    for (table, name) in all {
        assert_eq!(field(&summary, table, name), 0, "{table}.{name}: {summary}");
    }
    assert_eq!(summary["abandoned"], 0);
    assert!(log.lock().unwrap().values().all(|tokens| tokens.len() == 1));
}
