//! Brokers that go away by themselves, and brokers that only seem to.

use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    mortal::{ACCEPT, Act, CLOSES, Mortal, stages},
    run::{Ended, Storm, rows, scenario},
};

fn storm(at: &Mortal, load: &str, more: &str) -> Ended {
    Storm::new(&scenario(&at.url(), load, more)).run()
}

fn gone(summary: &Value) -> &[Value] {
    summary.get("broker_gone").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Attempts that were closed, by verdict.
fn closed(ended: &Ended, verdict: &str) -> u64 {
    let all = ended.verdicts();
    let own = all
        .iter()
        .filter(|(name, _)| name.contains(" closed ") && name.ends_with(&format!(" {verdict}")));
    own.map(|(_, count)| count).sum()
}

#[test]
fn a_token_that_ends_the_broker_is_a_finding_and_no_refusal() {
    for deadly in [1, 25, 60] {
        let broker = Mortal::start(
            move |number| if number == deadly { Act::Die(None) } else { Act::Accept },
        );
        let ended = storm(&broker, &stages(60, "1s", "0s"), CLOSES);
        let summary = ended.expect(1);
        let [gone] = gone(&summary) else { panic!("{deadly}: {summary}") };
        assert_eq!(
            (&gone["by"], &gone["back_after_s"]),
            (&"port".into(), &Value::Null),
            "{deadly}"
        );
        let suspect = &gone["on_the_way"][0];
        assert_eq!(suspect["client"], deadly - 1, "{gone}");
        assert_eq!(suspect["outcome"], "fin");
        let replay = suspect["replay"].as_str().unwrap();
        assert!(replay.starts_with("tokenstorm token mint "), "{replay}");
        assert!(ended.stdout.contains("went away by itself") && ended.stdout.contains(replay));
        assert_eq!(closed(&ended, "correct") + closed(&ended, "false_reject"), 0);
        assert!(closed(&ended, "not_judged") >= 1);
        assert!(summary["broker_checks"].as_u64().unwrap() >= 1, "{deadly}");
        let events = fs::read_to_string(ended.out.join("events.csv")).unwrap();
        assert!(events.contains(",broker_gone,"), "{events}");
        let found = rows(&ended.out.join("findings.csv"));
        let own = found.iter().find(|row| row["client"] == (deadly - 1).to_string()).unwrap();
        assert_eq!((own["outcome"].as_str(), own["verdict"].as_str()), ("closed", "not_judged"));
    }
}

#[test]
fn a_broker_that_dies_twice_and_comes_back_is_found_twice_and_judged_between() {
    let back = Some(Duration::from_millis(300));
    let broker = Mortal::start(move |number| match number {
        40 | 120 => Act::Die(back),
        number if number % 10 == 5 => Act::Close,
        _ => Act::Accept,
    });
    let ended = storm(&broker, &stages(100, "4s", "0s"), CLOSES);
    let summary = ended.expect(1);
    let gone = gone(&summary);
    assert_eq!(gone.len(), 2, "{summary}");
    for gone in gone {
        let after = gone["back_after_s"].as_f64().unwrap();
        assert!((0.2..3.0).contains(&after), "{gone}");
        assert!(!gone["on_the_way"].as_array().unwrap().is_empty());
    }
    // What it closed while it was there.
    assert!(closed(&ended, "correct") > 5, "{:?}", ended.verdicts());
    let events = fs::read_to_string(ended.out.join("events.csv")).unwrap();
    assert_eq!(events.matches(",broker_back,").count(), 2, "{events}");
}

#[test]
fn a_broker_that_closes_now_and_then_or_all_bad_tokens_is_there() {
    let broker = Mortal::start(|number| if number % 50 == 0 { Act::Close } else { Act::Accept });
    let ended = storm(&broker, &stages(200, "2s", "1s"), "[policy]\nsilent_close = \"correct\"\n");
    let summary = ended.expect(1);
    assert!(gone(&summary).is_empty(), "{summary}");
    assert_eq!(closed(&ended, "false_reject"), 8, "{:?}", ended.verdicts());
    assert!(summary["broker_checks"].as_u64().unwrap() > 0);

    // Every token is refused so.
    let broker = Mortal::start(|_| Act::Close);
    let bad = "[[mix]]\ntoken = \"wrong_key\"\nshare = 1\n[policy]\nsilent_close = \"correct\"\n";
    let ended = storm(&broker, &stages(500, "2s", "0s"), bad);
    assert!(gone(&ended.summary()).is_empty());
    assert_eq!(closed(&ended, "correct"), 1000);
    assert!(ended.summary()["throughput"]["per_100ms"]["p50"].as_u64().unwrap() > 0);
}

#[test]
fn a_broker_that_dies_while_its_clients_hold_is_found_with_nothing_on_the_way() {
    let broker = Mortal::start(|_| Act::Accept);
    let (shot, started) = (Arc::clone(&broker.shot), Instant::now());
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        shot.store(true, Ordering::SeqCst);
    });
    let ended = storm(&broker, &stages(20, "1s", "30s"), "");
    let summary = ended.expect(1);
    assert!(started.elapsed() < Duration::from_secs(25), "nobody is left to hold");
    let [gone] = gone(&summary) else { panic!("{summary}") };
    assert_eq!(gone["on_the_way"].as_array().unwrap().len(), 0);
    assert_eq!(summary["sessions"]["dropped"], 20);
}

#[test]
fn a_broker_that_is_back_at_once_is_seen_by_its_sessions() {
    let broker =
        Mortal::start(
            |number| {
                if number == 31 { Act::Die(Some(Duration::ZERO)) } else { Act::Accept }
            },
        );
    let ended = storm(&broker, &stages(20, "3s", "20s"), "");
    let summary = ended.expect(1);
    let [gone] = gone(&summary) else { panic!("{summary}") };
    assert_eq!(gone["by"], "sessions", "{gone}");
    assert!(gone["back_after_s"].is_number());
    assert_eq!(gone["on_the_way"][0]["client"], 30);
}

#[test]
fn of_a_cluster_only_the_attempts_at_the_node_that_died_are_concerned() {
    let deadly = Mortal::start(|number| if number == 20 { Act::Die(None) } else { Act::Accept });
    let other = Mortal::start(|number| if number % 10 == 0 { Act::Close } else { Act::Accept });
    let text =
        scenario(&deadly.url(), &stages(80, "2s", "0s"), "[policy]\nsilent_close = \"correct\"\n");
    let both = format!("[\"{}\", \"{}\"]", deadly.url(), other.url());
    let ended = Storm::new(&text.replace(&format!("[\"{}\"]", deadly.url()), &both)).run();
    let summary = ended.expect(1);
    let [gone] = gone(&summary) else { panic!("{summary}") };
    assert!(gone["broker"].as_str().unwrap().contains(&deadly.address.to_string()));
    assert_eq!(closed(&ended, "false_reject"), 8, "the other node's: {:?}", ended.verdicts());
}

#[test]
fn a_broker_that_is_full_is_asked_about_and_with_its_limit_known_is_not_blamed() {
    use crate::server::{Server, until_closed};

    let full = || {
        let count = AtomicUsize::new(0);
        Server::start(move |stream, _| {
            if count.fetch_add(1, Ordering::SeqCst) < 10 {
                stream.write_all(&ACCEPT).unwrap();
                until_closed(stream);
            } else {
                stream.write_all(&[0x20, 3, 0, 0x87, 0]).unwrap();
            }
        })
    };
    let load = stages(20, "4s", "6s");
    let server = full();
    let ended = Storm::new(&scenario(&server.url(), &load, "")).run();
    let summary = ended.expect(1);
    assert_eq!(summary["connection_limit"]["open"], 10, "{summary}");
    assert!(ended.stdout.contains("`policy.max_connections = 10`"), "{}", ended.stdout);
    assert_eq!(summary["verdicts"]["false_reject"], 70);

    let server = full();
    let known = "[policy]\nmax_connections = 10\n";
    let ended = Storm::new(&scenario(&server.url(), &load, known)).run();
    let summary = ended.expect(1);
    assert_eq!(summary["verdicts"]["false_reject"], 0, "{summary}");
    assert_eq!(summary["verdicts"]["not_judged"], 70);
    assert!(summary.get("connection_limit").is_none());
}

#[cfg(feature = "embedded")]
#[test]
fn a_broker_that_somebody_kills_is_no_verdict_on_any_token() {
    use std::{
        io::{BufRead, BufReader},
        process::Stdio,
    };

    use crate::run::program;

    let text = scenario("embedded", &stages(100, "3s", "1s"), CLOSES);
    let keys = Storm::new(&text);
    let mut command = program();
    command.arg("broker").arg(keys.scenario());
    command.args(["--target", "embedded", "--listen", "127.0.0.1:0"]);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = format!("mqtt://{}", line.trim().strip_prefix("ready ").unwrap());
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2500));
        process.kill().unwrap();
        process.wait().unwrap();
    });
    let ended = Storm::new(&text.replace("\"embedded\"", &format!("\"{url}\""))).run();
    killer.join().unwrap();
    let summary = ended.expect(1);
    assert_eq!(gone(&summary).len(), 1, "{summary}");
    let verdicts = &summary["verdicts"];
    assert_eq!((&verdicts["false_reject"], &verdicts["wrong_reason"]), (&0.into(), &0.into()));
}
