//! What a probe finds of verifiers that keep their verdicts, as several brokers do.

use std::{
    collections::HashMap,
    io::Write,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::{
    run::{Ended, SECRET, Storm, read_json, rows, scenario, tokenstorm},
    server::{Server, until_closed},
};

/// When a token was good and is remembered so, by the token.
type Kept = Arc<Mutex<HashMap<Vec<u8>, Instant>>>;

/// Whether a token is signed well, and good just now.
fn is_good(token: &[u8]) -> bool {
    let mut validation = Validation::new(Algorithm::HS256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let Ok(token) = decode::<Value>(token, &key, &validation) else { return false };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let claim = |name: &str| token.claims[name].as_f64();
    claim("exp").is_none_or(|exp| now < exp) && claim("nbf").is_none_or(|nbf| nbf <= now)
}

/// A broker that looks at a token once, and accepts it from then on for so long; `slides` where each acceptance prolongs that.
fn keeping(time: Duration, slides: bool) -> Server {
    let kept = Kept::default();
    Server::start(move |stream, connect| {
        let token = connect.password.clone().unwrap_or_default();
        let is_kept = {
            let mut kept = kept.lock().unwrap();
            let now = Instant::now();
            let is_kept = kept.get(&token).is_some_and(|since| now - *since < time);
            if is_kept && slides || !is_kept && is_good(&token) {
                kept.insert(token.clone(), now);
            }
            kept.get(&token).is_some_and(|since| now - *since < time)
        };
        answer(stream, connect.level, is_kept);
    })
}

fn answer(stream: &mut TcpStream, level: u8, accepted: bool) {
    let bytes: &[u8] = match (level, accepted) {
        (5, true) => &[0x20, 3, 0, 0, 0],
        (5, false) => &[0x20, 3, 0, 0x87, 0],
        (_, true) => &[0x20, 2, 0, 0],
        (_, false) => &[0x20, 2, 0, 5],
    };
    // One that gave up has its reasons.
    let _ = stream.write_all(bytes);
    until_closed(stream);
}

fn probe(server: &Server, policy: &str, arguments: &[&str]) -> (Storm, Ended, Value) {
    let policy = format!("profile = \"strict\"\n---\n[policy]\n{policy}\n");
    let storm = Storm::new(&scenario(&server.url(), "", &policy));
    let (scenario, out) = (storm.scenario(), storm.out());
    let fixed = ["matrix", scenario.to_str().unwrap(), "--only", "fresh", "--probe"];
    let more = ["--progress", "none", "--out", out.to_str().unwrap()];
    let run = tokenstorm(&[&fixed[..], &more, arguments].concat()).with_out(out.clone());
    let edges = read_json(&out.join("probe.json"));
    let edges = edges.unwrap_or_else(|| panic!("{}{}", run.stdout, run.stderr));
    (storm, run, edges)
}

/// All that came to the server is in the run folder, and what was sent to find edges is a kind of its own.
fn is_counted(server: &Server, run: &Ended, edges: &Value) {
    let summary = read_json(&run.out.join("summary.json")).unwrap();
    assert_eq!(summary["attempts"], server.received().len() as u64, "{}", run.stderr);
    let of_probe = &summary["by_token"]["probe"];
    assert_eq!(of_probe["attempts"], edges["attempts"]);
    assert!(edges["attempts"].as_u64().unwrap() > 900, "{edges}");
    let table = rows(&run.out.join("verdicts.csv"));
    let own = table.iter().filter(|row| row["token"] == "probe");
    let count: u64 = own.map(|row| row["count"].parse::<u64>().unwrap()).sum();
    assert_eq!(edges["attempts"], count);
    let cells = read_json(&run.out.join("matrix.json")).unwrap()["cells"].clone();
    assert!(cells.as_array().unwrap().iter().all(|cell| cell["defect"] != "probe"));
    let started = rows(&run.out.join("timeline.csv"));
    let started: u64 = started.iter().map(|row| row["started"].parse::<u64>().unwrap()).sum();
    assert_eq!(summary["attempts"], started, "each second has what was sent in it");
}

#[test]
fn a_token_that_is_accepted_again_after_its_end_is_a_false_accept_where_no_cache_is_promised() {
    let server = keeping(Duration::from_secs(3), false);
    let (_storm, run, edges) = probe(&server, "", &[]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    is_counted(&server, &run, &edges);
    let turned = edges["turns_bad_s"].as_f64().unwrap_or_else(|| panic!("{edges}"));
    let accepted = edges["bad_accepted_s"].as_f64().unwrap();
    assert!(0.0 < accepted && accepted < turned, "{edges}");
    assert!(edges["turns_good_s"].is_f64(), "{edges}");
    let count = edges["false_accepts"].as_u64().unwrap();
    assert!(count > 0, "{edges}");
    let summary = read_json(&run.out.join("summary.json")).unwrap();
    assert_eq!(summary["by_token"]["probe"]["verdicts"]["false_accept"], count);
    assert_eq!(summary["verdicts"]["false_accept"], count);
    let found = rows(&run.out.join("findings.csv"));
    let found = found.iter().filter(|row| row["verdict"] == "false_accept");
    assert_eq!(found.count() as u64, count);
    assert!(run.stdout.contains("FALSE ACCEPT"), "{}", run.stdout);
}

#[test]
fn a_promised_cache_makes_both_answers_right_until_it_ends_and_no_longer() {
    // Kept for as long as is promised, by the last acceptance before the end.
    let server = keeping(Duration::from_secs(3), false);
    let (_storm, run, edges) = probe(&server, "verdict_cache = \"3s\"", &[]);
    assert_eq!((run.code, &edges["false_accepts"]), (Some(0), &json!(0)), "{}", run.stdout);
    assert!(edges["turns_bad_s"].is_f64(), "{edges}");
    is_counted(&server, &run, &edges);
}

#[test]
fn a_cache_that_each_acceptance_prolongs_breaks_the_promise_of_one_and_never_turns() {
    let server = keeping(Duration::from_secs(2), true);
    let (_storm, run, edges) = probe(&server, "verdict_cache = \"2s\"", &["--probe-for", "4s"]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(edges["false_accepts"].as_u64().unwrap() > 0, "{edges}");
    assert_eq!(edges["turns_bad_s"], Value::Null);
    assert!(edges["bad_watched_s"].as_f64().unwrap() > 2.0, "{edges}");
    assert!(run.stdout.contains("still accepted when the watch ended"), "{}", run.stdout);
}

/// One token for all clients, whose life ends while they come.
fn reused(server: &Server, policy: &str) -> Ended {
    let load = "stages = [{ rate = 50, for = \"6s\" }]";
    let more = format!(
        "profile = \"strict\"\n---\n[token]\nttl = \"2s\"\nreuse = 1000\n[policy]\nchecks = [\"exp\"]\n{policy}\n"
    );
    Storm::new(&scenario(&server.url(), load, &more)).run()
}

#[test]
fn one_token_of_many_clients_may_be_accepted_from_the_cache_that_is_promised_and_no_longer() {
    let server = keeping(Duration::from_secs(2), false);
    let run = reused(&server, "verdict_cache = \"2s\"");
    let verdicts = &run.summary()["verdicts"];
    assert_eq!((run.code, &verdicts["false_accept"]), (Some(0), &json!(0)), "{}", run.stdout);
    let outcomes = &run.summary()["outcomes"];
    assert!(outcomes["refused"].as_u64().unwrap() > 0, "the cache ends within the run: {outcomes}");
    let run = reused(&keeping(Duration::from_secs(2), true), "verdict_cache = \"2s\"");
    assert_eq!(run.code, Some(1), "a cache that acceptances prolong: {}", run.stdout);
    let run = reused(&keeping(Duration::from_secs(2), false), "");
    assert_eq!(run.code, Some(1), "no cache is promised: {}", run.stdout);
}

#[test]
fn cells_that_are_all_slow_alike_are_not_called_slow_beside_the_many_quick_answers_of_a_probe() {
    // As one that fetches its keys when the first clients come.
    let before = AtomicUsize::new(0);
    let server = Server::start(move |stream, connect| {
        if before.fetch_add(1, Ordering::Relaxed) < 24 {
            thread::sleep(Duration::from_millis(1_500));
        }
        let token = connect.password.clone().unwrap_or_default();
        answer(stream, connect.level, is_good(&token));
    });
    let (_storm, run, edges) = probe(&server, "", &["--probe-for", "2s"]);
    let matrix = read_json(&run.out.join("matrix.json")).unwrap();
    let cells = matrix["cells"].as_array().unwrap();
    assert!(edges["attempts"].as_u64().unwrap() > 10 * cells.len() as u64, "{edges}");
    assert!(cells.iter().all(|cell| cell["latency_p50_us"].as_f64().unwrap() > 1e6), "{cells:?}");
    assert_eq!(matrix["slow"], json!([]), "{}", run.stdout);
}
