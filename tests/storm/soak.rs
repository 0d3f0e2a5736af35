//! All that misbehaves at once, beside what does not: good clients are judged exactly, and memory stays flat.

mod peers;

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    oauth::{self, JSON, Web, discovery, response},
    prometheus::Watched,
    run::{Ended, Storm, number, rows, scenario},
    server::Server,
};

/// How long it goes where nobody says so, in seconds.
const SECONDS: u64 = 30;
/// What the second half of a run may take in memory beyond the most of its first half, in bytes. Histograms of each broker, kind of
/// token and phase come into being as they are first needed, which takes forty seconds; what floods would leave grows by as much in
/// a few.
const FLAT: u64 = 96 * 1024 * 1024;

static ACCEPTED_OVER_TLS: AtomicU64 = AtomicU64::new(0);

#[test]
#[ignore = "scripts/soak-hostile runs it, alone and for as long as it is told"]
fn good_clients_are_judged_exactly_and_memory_stays_flat_beside_all_that_misbehaves() {
    let seconds = env::var("SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let fetching = thread::spawn(move || fetch_from_a_bad_server(seconds));
    storm_bad_brokers(seconds);
    fetching.join().unwrap();
}

/// Brokers of all layers, and visitors of the exporter.
#[expect(clippy::print_stderr, reason = "what whoever runs it by hand wants to see")]
fn storm_bad_brokers(seconds: u64) {
    let mut peers = peers::all();
    peers.push(peers::good_over_tls(&ACCEPTED_OVER_TLS));
    let good_over_tls = peers.last().unwrap().url.clone();
    let trusted = TempDir::new().unwrap();
    let ca = trusted.path().join("ca.pem");
    fs::write(
        &ca,
        peers
            .iter()
            .filter_map(|peer| Some(authority(&peer.trust.as_ref()?.1)))
            .collect::<String>(),
    )
    .unwrap();
    let urls: Vec<String> = peers.iter().map(|peer| format!(", \"{}\"", peer.url)).collect();
    let load = format!(
        "stages = [{{ rate = 120, for = \"{seconds}s\" }}]\nhold = \"2s\"\nconnect_timeout = \"4s\"\nworkers = 2"
    );
    let mix = "[[mix]]\ntoken = \"fresh\"\nshare = 3\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";
    let tls = format!("[target.tls]\nca = \"{}\"\n---\n{mix}", ca.display());
    let text = scenario("embedded", &load, &tls)
        .replace("[\"embedded\"]", &format!("[\"embedded\"{}]", urls.concat()));
    let storm = Storm::new(&text);
    let mut watched = Watched::start(&storm, "127.0.0.1:0");
    let over = Arc::new(AtomicBool::new(false));
    let visitors = visit(&watched.address, &over);
    let memory = memory_until_the_end(&mut watched.child);
    over.store(true, Ordering::Relaxed);
    let scrapes: Vec<u64> = visitors.into_iter().map(|visitor| visitor.join().unwrap()).collect();
    let run = storm.wait(watched.child);
    let summary = run.summary();
    crate::run::check_conserved(&summary);
    eprintln!(
        "{} attempts; bytes in memory: {memory:?}; scrapes: {scrapes:?}",
        summary["attempts"]
    );
    assert!(run.code.is_some_and(|code| code < 2), "{:?}: {}", run.code, run.stderr);
    only_correct(&run, "embedded", seconds);
    let over_tls = &summary["by_broker"][&good_over_tls];
    assert_eq!(over_tls["outcomes"]["accepted"], over_tls["attempts"], "{over_tls}");
    assert_eq!(over_tls["attempts"], ACCEPTED_OVER_TLS.load(Ordering::Relaxed), "{over_tls}");
    memory.is_flat();
    assert!(scrapes[0] >= seconds / 2, "the exporter was blocked: {scrapes:?}");
}

fn authority(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("ca.pem")).unwrap()
}

/// All attempts at a broker were judged, and rightly.
fn only_correct(run: &Ended, broker: &str, seconds: u64) {
    let mut attempts = 0;
    for row in rows(&run.out.join("verdicts.csv")) {
        if row["broker"].starts_with(broker) {
            assert_eq!(row["verdict"], "correct", "{row:?}");
            attempts += number(&row, "count");
        }
    }
    assert!(attempts > seconds, "{attempts} attempts at `{broker}`");
}

/// What a process had in memory, in bytes.
#[derive(Debug)]
struct Memory {
    first_half: u64,
    second_half: u64,
}

impl Memory {
    fn is_flat(&self) {
        assert!(self.second_half <= self.first_half + FLAT, "memory grows: {self:?}");
    }
}

fn memory_until_the_end(child: &mut Child) -> Memory {
    let mut seen = Vec::new();
    while child.try_wait().unwrap().is_none() {
        seen.extend(resident(child.id()));
        thread::sleep(Duration::from_millis(250));
    }
    let (first, second) = seen.split_at(seen.len() / 2);
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    Memory { first_half: most(first), second_half: most(second) }
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Visitors of the exporter until it is over: the first asks as it should, the others do not. Each says how often it was answered.
fn visit(address: &str, over: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<u64>> {
    const CLOSE: &str = "Host: x\r\nConnection: close\r\n\r\n";
    let endless = "GET /metrics HTTP/1.1\r\nContent-Length: 99999999999999\r\n".to_owned() + CLOSE;
    let requests = [
        format!("GET /metrics HTTP/1.1\r\n{CLOSE}"),
        endless,
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000),
        format!("GET /metrics HTTP/1.1\r\n{}{CLOSE}", "X-a: b\r\n".repeat(10_000)),
        "POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n"
            .to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
    ];
    let visitor = |(index, request): (usize, String)| {
        let (address, over) = (address.to_owned(), Arc::clone(over));
        thread::spawn(move || {
            let (mut answers, mut unread) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                let Ok(mut stream) = TcpStream::connect(&address) else { break };
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let _ = stream.write_all(request.as_bytes());
                if index == 0 {
                    let mut text = String::new();
                    let is_whole = stream.read_to_string(&mut text).is_ok();
                    answers += u64::from(is_whole && text.contains("tokenstorm_"));
                } else {
                    // Kept open and never read.
                    unread.push(stream);
                }
                if unread.len() > 50 {
                    unread.clear();
                }
                thread::sleep(Duration::from_millis(500).saturating_sub(start.elapsed()));
            }
            answers
        })
    };
    requests.into_iter().enumerate().map(visitor).collect()
}

/// Clients whose tokens are fetched from a server that gives a good one only to every third.
#[expect(clippy::print_stderr, reason = "what whoever runs it by hand wants to see")]
fn fetch_from_a_bad_server(seconds: u64) {
    let given = Arc::new(AtomicU64::new(0));
    let asked = AtomicU64::new(0);
    let counted = Arc::clone(&given);
    let web = Web::start(move |path, own| {
        if path != "/token" {
            return discovery(own);
        }
        let number = asked.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(3) {
            counted.fetch_add(1, Ordering::Relaxed);
            let body = json!({ "access_token": token(number), "token_type": "Bearer", "expires_in": 3600 });
            return response("200 OK", JSON, &body.to_string());
        }
        bad_answer(number)
    });
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let issuer = format!("issuer = \"{}\"\nclient_secret = \"x\"", web.url);
    let rate = format!("load.stages=[{{ rate = 40, for = \"{seconds}s\" }}]");
    let storm = oauth::storm(&server.url(), &issuer, "");
    let text = fs::read_to_string(storm.scenario()).unwrap();
    fs::write(storm.scenario(), text.replace("clients = 8\nconcurrency = 4\n", "")).unwrap();
    let mut child = storm.start_with(&["--set", &rate]);
    let memory = memory_until_the_end(&mut child);
    let run = storm.wait(child);
    let summary = run.summary();
    crate::run::check_conserved(&summary);
    eprintln!("{} fetches; bytes in memory: {memory:?}", summary["attempts"]);
    let given = given.load(Ordering::Relaxed);
    assert!(given > seconds, "{given} tokens given");
    assert_eq!(summary["outcomes"]["accepted"], given, "{}", summary["outcomes"]);
    assert_eq!(summary["verdicts"]["correct"], given, "{}", summary["verdicts"]);
    assert_eq!(server.received().len() as u64, given);
    memory.is_flat();
}

/// A token of its own that has long to go.
fn token(number: u64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iat": 1_700_000_000, "exp": 4_000_000_000_u64, "jti": number });
    format!(
        "{}.{}.{}",
        part(json!({ "alg": "ES256" })),
        part(claims),
        URL_SAFE_NO_PAD.encode([7; 64])
    )
}

fn bad_answer(number: u64) -> String {
    let long = |length: usize| "x".repeat(length);
    match number % 8 {
        0 => response("200 OK", JSON, &json!({ "access_token": long(900_000) }).to_string()),
        1 => response("200 OK", JSON, &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        2 => response("302 Found", "Location: file:///etc/hostname\r\n", ""),
        3 => response("503 Busy", &format!("{JSON}Retry-After: 18446744073709551615\r\n"), "{}"),
        4 => {
            response("200 OK", JSON, &json!({ "access_token": 7, "expires_in": 1e308 }).to_string())
        }
        5 => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{".to_owned(),
        6 => format!("HTTP/1.1 200 OK\r\n{}", "X-a: b\r\n".repeat(50_000)),
        _ => response("200 OK", JSON, &long(3_000_000)),
    }
}
