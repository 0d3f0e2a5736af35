//! What becomes of a run when somebody with the credentials of NATS speaks for one of its agents.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokenstorm::{
    base::clock::Clock,
    record::measure::{Count, Measurements, wire::Encoder},
};

use crate::{
    broker::Broker,
    fleet::{agent, agents, run_at, storm},
    run::number,
};

/// How long after the start something is said: before the first second is over, of which the agent itself tells.
const BEGUN: Duration = Duration::from_millis(100);

/// A client of NATS that can do as much as this test needs (the protocol is text, `docs.nats.io`).
struct Wire(BufReader<TcpStream>);

impl Wire {
    fn join(nats: &Broker, subject: &str) -> Self {
        let address = nats.get("NATS").strip_prefix("nats://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let token = nats.get("TOKEN");
        write!(stream, "CONNECT {{\"auth_token\":\"{token}\",\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n")
            .unwrap();
        let mut wire = Self(BufReader::new(stream));
        while wire.line() != "PONG" {}
        wire
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next message: its subject, and what it says; `None` where a PONG comes first.
    fn next(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["PING"] => self.0.get_mut().write_all(b"PONG\r\n").unwrap(),
                ["PONG"] => return None,
                ["MSG", subject, .., length] => {
                    let mut payload = vec![0; length.parse::<usize>().unwrap() + 2];
                    self.0.read_exact(&mut payload).unwrap();
                    payload.truncate(payload.len() - 2);
                    return Some((subject.to_owned(), payload));
                }
                _ => {}
            }
        }
    }

    fn publish(&mut self, subject: &str, payload: &[u8]) {
        let stream = self.0.get_mut();
        write!(stream, "PUB {subject} {}\r\n", payload.len()).unwrap();
        stream.write_all(payload).unwrap();
        stream.write_all(b"\r\nPING\r\n").unwrap();
        // Whoever closes without having read resets the connection, and what it has said last is lost.
        while self.next().is_some() {}
    }
}

/// The first interval of the first agent, as one that has seen that.
fn interval(seen: &Measurements) -> Vec<u8> {
    let seen = Encoder::default().encode(seen).unwrap();
    // Index, number, part and parts; covers, next, is_last and is_cut; what it used; the length of what follows.
    let mut bytes = vec![0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    bytes.extend_from_slice(&1.0_f64.to_le_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0]);
    let mut length = seen.len();
    while length > 127 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(&seen);
    bytes
}

/// Says `what` of the first agent of the next run, as soon as that has begun: a run that lacks an agent before does not begin.
fn forge(nats: &Broker, group: &str, what: Vec<u8>) -> JoinHandle<()> {
    let (mut wire, group) = (Wire::join(nats, &format!("{group}.>")), group.to_owned());
    thread::spawn(move || {
        loop {
            let Some((_, message)) = wire.next() else { continue };
            let Ok(order) = serde_json::from_slice::<serde_json::Value>(&message) else { continue };
            if let Some(at) = order["order"]["Start"]["at"].as_i64() {
                let clock = Clock::start();
                let left = (at - clock.wall(clock.now())).max(0);
                thread::sleep(Duration::from_nanos(left.unsigned_abs()) + BEGUN);
                let run = order["run"].as_str().unwrap();
                return wire.publish(&format!("{group}.run.{run}.seen"), &what);
            }
        }
    })
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn who_speaks_for_an_agent_costs_its_share_and_nothing_else() {
    let nats = Broker::start("nats");
    let _agents = [agent(&nats, &["--group", "forged"]), agent(&nats, &["--group", "forged"])];
    let empty = || Measurements::new(2, 2);
    let (mut many, mut ends) = (empty(), empty());
    many[Count::Started] = 1_000_000_000_000;
    ends[Count::Abandoned] = 1;
    for (what, why) in [
        (interval(&many), "of more attempts than it has clients"),
        (interval(&ends), "of the end of attempts that it has not started"),
        (interval(&Measurements::new(1, 1)), "of another run"),
        (vec![0, 0, 0, 1, 0xFF], "no interval"),
    ] {
        let forger = forge(&nats, "forged", what);
        let storm = storm("stages = [{ rate = 100, for = \"1s\" }]\nhold = \"0s\"");
        let run = run_at(&nats, &storm, &["--agents", "2", "--group", "forged"]);
        forger.join().unwrap();
        let summary = run.expect(3);
        assert!(run.stderr.contains(why), "{why}: {}", run.stderr);
        let rows = agents(&run);
        assert_eq!(summary["agents"]["lost"], serde_json::json!([rows[0]["agent"]]), "{why}");
        assert_eq!(number(&rows[0], "attempts"), 0, "{why}");
        assert_eq!(summary["attempts"], number(&rows[1], "attempts"), "{why}: the other's count");
        assert!(number(&rows[1], "attempts") > 20, "{why}");
        assert_eq!(summary["abandoned"], 0, "{why}");
    }
}
