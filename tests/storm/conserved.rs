//! Whatever a broker does to clients in whatever turn, and whenever the run is interrupted: each attempt, drop, return,
//! renewal and end of a token is counted once, and the same in all files.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    expiry::{check_operations, exp, number as number_of, wall},
    returns::check_turns,
    run::{Ended, Storm, check_conserved, number, rows, scenario, sum},
    server::{Server, until_closed},
};

/// What a server does with a connection.
#[derive(Clone, Copy, Debug)]
enum Does {
    Holds,
    Disconnects(u64),
    Closes(u64),
    EndsAtExp,
    Refuses(u8),
    ClosesBeforeConnack,
    Garbles,
    SaysNothing,
}

impl Does {
    /// What follows from a number; who comes for the first time is mostly let in.
    fn of(mixed: u64, is_first: bool) -> Self {
        let after = 20 + mixed / 100 % 1_500;
        match mixed % if is_first { 7 } else { 11 } {
            0 => Self::Holds,
            1 | 2 => Self::Disconnects(after),
            3 => Self::Closes(after),
            4 | 5 => Self::EndsAtExp,
            6 => Self::Refuses(0x87),
            7 => Self::Refuses(0x97),
            8 => Self::ClosesBeforeConnack,
            9 => Self::Garbles,
            _ => Self::SaysNothing,
        }
    }

    fn with(self, stream: &mut TcpStream, end: Duration) {
        let later = |after: Duration, stream: &mut TcpStream, last: &[u8]| {
            serve_for(stream, after);
            let _ = stream.write_all(last);
        };
        let accepts = !matches!(
            self,
            Self::Refuses(_) | Self::ClosesBeforeConnack | Self::Garbles | Self::SaysNothing
        );
        if accepts && stream.write_all(&[0x20, 3, 0, 0, 0]).is_err() {
            return;
        }
        match self {
            Self::Holds => serve_for(stream, Duration::from_secs(30)),
            Self::Disconnects(ms) => later(Duration::from_millis(ms), stream, &[0xE0, 1, 0x98]),
            Self::Closes(ms) => later(Duration::from_millis(ms), stream, &[]),
            Self::EndsAtExp => later(end + Duration::from_millis(150), stream, &[0xE0, 1, 0x87]),
            Self::Refuses(code) => drop(stream.write_all(&[0x20, 3, 0, code, 0])),
            Self::ClosesBeforeConnack => {}
            Self::Garbles => drop(stream.write_all(&[0x20, 3, 0, 0])),
            Self::SaysNothing => until_closed(stream),
        }
    }
}

/// Answers pings for so long, or until the client leaves.
fn serve_for(stream: &mut TcpStream, long: Duration) {
    let until = Instant::now() + long;
    let mut packet = [0; 64];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut packet) {
            Ok(1..) if packet[0] == 0xC0 => drop(stream.write_all(&[0xD0, 0])),
            Ok(1..) if packet[0] != 0xE0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            _ => return until_closed(stream),
        }
    }
}

/// A number that follows from others, and looks like chance.
fn mixed(numbers: [u64; 3]) -> u64 {
    numbers.into_iter().fold(0x9E37_79B9_7F4A_7C15, |sum, number| {
        let sum = (sum ^ number).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        sum ^ (sum >> 29)
    })
}

/// A run that may go on in many ways.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    reconnect: &'static str,
    renew: &'static str,
    ttl: u64,
    jitter: &'static str,
    first_ms: u64,
    tries: u32,
    drops: Option<(u64, f64, &'static str)>,
    interrupted_ms: Option<u64>,
}

fn cases() -> impl Strategy<Value = Case> {
    let one_of = |names: [&'static str; 3]| prop::sample::select(names.to_vec());
    let drops = (500_u64..3_000, 0.2..1.0, one_of(["close", "reset", "close"]));
    (
        any::<u64>(),
        one_of(["none", "same_token", "fresh_token"]),
        one_of(["none", "reconnect", "reconnect"]),
        2_u64..5,
        one_of(["full", "equal", "none"]),
        10_u64..400,
        1_u32..5,
        prop::option::of(drops),
        prop::option::of(1_000_u64..4_000),
    )
        .prop_map(
            |(seed, reconnect, renew, ttl, jitter, first_ms, tries, drops, interrupted_ms)| Case {
                seed,
                reconnect,
                renew,
                ttl,
                jitter,
                first_ms,
                tries,
                drops,
                interrupted_ms,
            },
        )
}

impl Case {
    fn lines(&self) -> String {
        let Self { reconnect, renew, ttl, jitter, first_ms, tries, .. } = self;
        let event = self.drops.map(|(at, share, how)| {
            format!("[[events]]\nat = \"{at}ms\"\ndo = \"drop_clients\"\nshare = {share:.2}\nhow = \"{how}\"\n")
        });
        format!(
            "[token]\nttl = \"{ttl}s\"\nttl_jitter = \"1s\"\n[policy]\non_expiry = \"disconnect\"\n\
             expiry_within = \"1s\"\n[session]\nreconnect = \"{reconnect}\"\nrenew = \"{renew}\"\n\
             renew_before = \"500ms\"\nrenew_jitter = \"500ms\"\ngrace = \"1s\"\ntries = {tries}\n\
             backoff = {{ first = \"{first_ms}ms\", jitter = \"{jitter}\" }}\n{}",
            event.unwrap_or_default()
        )
    }

    /// Runs it; the numbers of CONNECTs that came, and of those that were let in.
    fn run(&self) -> (Ended, [u64; 2]) {
        let [came, let_in]: [Arc<AtomicU64>; 2] = Default::default();
        let (seed, seen, taken) = (self.seed, Arc::clone(&came), Arc::clone(&let_in));
        let server = Server::start(move |stream, connect| {
            seen.fetch_add(1, Ordering::SeqCst);
            let is_first = connect.number < 24;
            let does = Does::of(mixed([seed, number_of(connect), connect.number as u64]), is_first);
            let accepts = !matches!(
                does,
                Does::Refuses(_) | Does::ClosesBeforeConnack | Does::Garbles | Does::SaysNothing
            );
            taken.fetch_add(u64::from(accepts), Ordering::SeqCst);
            does.with(stream, exp(connect).duration_since(wall()).unwrap_or_default());
        });
        let load = "clients = 24\nconcurrency = 24\nhold = \"4s\"\nconnect_timeout = \"700ms\"\nkeep_alive = \"1s\"";
        let storm = Storm::new(&scenario(&server.url(), load, &self.lines()));
        let child = storm.start();
        if let Some(ms) = self.interrupted_ms {
            thread::sleep(Duration::from_millis(ms));
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
        let ended = storm.wait(child);
        (ended, [came, let_in].map(|count| count.load(Ordering::SeqCst)))
    }
}

/// The sum of a column.
fn total(ended: &Ended, file: &str, column: &str) -> u64 {
    rows(&ended.out.join(file)).iter().map(|row| number(row, column)).sum()
}

/// Checks that nothing is lost or counted twice.
fn check(ended: &Ended, [came, let_in]: [u64; 2]) -> Value {
    assert!(matches!(ended.code, Some(0 | 1 | 3 | 130)), "{}", ended.stderr);
    let summary = ended.summary();
    check_conserved(&summary);
    check_turns(&summary);
    check_operations(&summary);
    let of = |table: &str, name: &str| summary[table][name].as_u64().unwrap();
    let (attempts, abandoned) =
        (summary["attempts"].as_u64().unwrap(), summary["abandoned"].as_u64().unwrap());
    assert_eq!(summary["clients"], 24);
    // An attempt that was given up may have been let in or not, and may not even have come.
    assert!((attempts..=attempts + abandoned).contains(&came), "{came}: {summary}");
    let accepted = of("outcomes", "accepted");
    assert!((accepted..=accepted + abandoned).contains(&let_in), "{let_in}: {summary}");
    let reconnect = &summary["phases"]["reconnect"];
    let phase = |name: &str| reconnect[name].as_u64().unwrap_or_default();
    assert_eq!(phase("count"), of("returns", "back"));
    assert_eq!(sum(&summary["returns"]["back_after_attempts"]), of("returns", "back"));
    assert_eq!(phase("unfinished"), of("returns", "gave_up") + of("returns", "still_away"));
    assert_eq!(total(ended, "verdicts.csv", "count"), attempts);
    assert_eq!(total(ended, "operations.csv", "count"), of("lifetime", "expired"));
    assert_eq!(total(ended, "timeline.csv", "back"), of("returns", "back"));
    assert_eq!(total(ended, "timeline.csv", "started"), attempts + abandoned);
    assert_eq!(
        sum(&summary["sessions"]["dropped_by_code"]),
        summary["sessions"]["dropped"].as_u64().unwrap()
    );
    summary
}

#[test]
fn whatever_happens_to_clients_in_whatever_turn_each_is_counted_once() {
    let config =
        ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
    // What is tried takes seconds, and a smaller case says no more.
    let config = ProptestConfig { max_shrink_iters: 0, ..config };
    proptest!(config, |(case in cases())| {
        let (ended, log) = case.run();
        check(&ended, log);
    });
}
