//! `--prometheus`: what is served of a run while it goes.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use crate::{
    run::{Storm, number, program, rows, scenario, sum, tokenstorm},
    server::Server,
};

const ACCEPT: &[u8] = &[0x20, 3, 0, 0, 0];

/// A run under way, and where it says that its metrics are.
pub(crate) struct Watched {
    pub(crate) child: Child,
    pub(crate) address: String,
    said: String,
}

impl Watched {
    pub(crate) fn start(storm: &Storm, at: &str) -> Self {
        Self::start_with(storm, at, &[])
    }

    fn start_with(storm: &Storm, at: &str, more: &[&str]) -> Self {
        let mut command = program();
        command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
        command.args(["--progress", "none", "--prometheus", at]).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no address: {said}");
            said.push_str(&line);
            if let Some(rest) = line.strip_prefix("metrics at http://") {
                break rest.trim().strip_suffix("/metrics").unwrap().to_owned();
            }
        };
        // So that nobody who writes there finds it closed.
        child.stderr = Some(stderr.into_inner());
        Self { child, address, said }
    }

    /// Status and body of an answer; `None` where the run is over.
    fn ask(&self, request: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()))
    }

    /// As long as the run goes, the body of one answer after another.
    fn bodies(&self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| {
            // A pace and no hope: whoever scrapes leaves the run its CPU.
            thread::sleep(Duration::from_millis(20));
            let (status, body) = self.ask("GET /metrics")?;
            // Who comes while the program ends is told 500 by the server's library.
            assert!(matches!(&*status, "200" | "500"), "{status}");
            (status == "200").then_some(body)
        })
    }

    /// Sums of all samples by the name of their metric.
    fn sums(body: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for line in body.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap().to_owned();
            *sums.entry(name).or_default() += value.parse::<f64>().unwrap();
        }
        sums
    }
}

#[test]
fn what_is_scraped_grows_with_the_run_and_is_never_more_than_it_was_in_the_end() {
    let server = Server::answering(ACCEPT);
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"4s\" }]";
    let storm = Storm::new(&scenario(&server.url(), load, "[monitor]\n"));
    let run = Watched::start(&storm, "0");
    assert!(run.address.starts_with("127.0.0.1:"), "a port alone means loopback: {}", run.address);
    assert!(!run.said.contains("warning"), "{}", run.said);
    let status = |request: &str| run.ask(request).unwrap().0;
    assert_eq!(status("GET /"), "200");
    assert_eq!(status("GET /other"), "404");
    assert_eq!(status("POST /metrics"), "405");
    let mut seen: Vec<(f64, BTreeMap<String, f64>)> = Vec::new();
    for scraped in run.bodies().map(|body| Watched::sums(&body)) {
        let Some(attempts) = scraped.get("tokenstorm_attempts_total").copied() else { continue };
        if seen.last().is_none_or(|(last, _)| *last as u64 != attempts as u64) {
            seen.push((attempts, scraped));
        }
    }
    let ended = storm.wait(run.child);
    let summary = ended.expect(0);
    assert!(seen.windows(2).all(|two| two[0].0 <= two[1].0), "counters only grow");
    let counts: Vec<u64> = seen.iter().map(|(attempts, _)| *attempts as u64).collect();
    assert!(counts.len() >= 3, "told as it goes: {counts:?}");
    // What was served is the time line so far, summed.
    let attempts = summary["attempts"].as_u64().unwrap();
    assert_eq!(attempts, 200);
    assert!(counts.iter().all(|count| *count <= attempts), "{counts:?}");
    for (attempts, scraped) in &seen {
        let same = |name: &str| assert!((scraped[name] - attempts).abs() < 1e-9, "{scraped:?}");
        same("tokenstorm_verdicts_total");
        assert!(scraped["tokenstorm_attempts_started_total"] >= *attempts, "{scraped:?}");
        // Nothing is due while tokens are minted.
        let due = scraped.get("tokenstorm_attempts_due_total").map_or(0, |due| *due as u64);
        assert_eq!(due % 50, 0, "of whole seconds, as what has started: {scraped:?}");
    }
    let last = &seen.last().unwrap().1;
    let buckets = last["tokenstorm_phase_duration_seconds_bucket"];
    assert!(buckets >= last["tokenstorm_phase_duration_seconds_count"], "{last:?}");
    assert!(last["tokenstorm_monitor_resident_bytes"] > 0.0, "{last:?}");
    let started: u64 =
        rows(&ended.out.join("timeline.csv")).iter().map(|row| number(row, "started")).sum();
    assert!(last["tokenstorm_attempts_started_total"] as u64 <= started);
    assert_eq!(sum(&summary["outcomes"]), attempts);
}

#[test]
fn at_its_end_a_run_is_over_as_its_summary_says() {
    let server = Server::answering(ACCEPT);
    let load = "hold = \"100ms\"\narrivals = \"constant\"\nstages = [{ rate = 50, for = \"1s\" }]";
    let bounds =
        "[thresholds]\nconnack = [\"p50 < 10s\", \"p50 > 10s\"]\nexpiry_early = [\"max < 1s\"]\n";
    let storm = Storm::new(&scenario(&server.url(), load, bounds));
    let run = Watched::start_with(&storm, "0", &["--prometheus-linger", "1m"]);
    // The last that anybody was given: the program waits until it was.
    let last = run.bodies().last().unwrap();
    let ended = storm.wait(run.child);
    let summary = ended.expect(1);
    let value = |line: &str| {
        let of = |own: &str| own.strip_prefix(line)?.trim().parse::<f64>().ok();
        last.lines().find_map(of).unwrap_or_else(|| panic!("no `{line}`: {last}")) as u64
    };
    assert_eq!(value("tokenstorm_run_state{state=\"over\"}"), 1);
    let validity = summary["validity"]["verdict"].as_str().unwrap();
    assert_eq!(value(&format!("tokenstorm_validity{{validity=\"{validity}\"}}")), 1);
    for threshold in summary["thresholds"].as_array().unwrap() {
        let state = match threshold["passed"].as_bool() {
            Some(true) => "held",
            Some(false) => "missed",
            None => "undecided",
        };
        let labels = format!("metric={},condition={}", threshold["metric"], threshold["condition"]);
        let line = format!("tokenstorm_threshold_state{{{labels},state=\"{state}\"}}");
        assert_eq!(value(&line), 1, "{line}");
    }
    let attempts = summary["attempts"].as_u64().unwrap();
    assert_eq!(value("tokenstorm_attempts_due_total"), attempts);
    assert_eq!(value("tokenstorm_attempts_planned"), attempts);
    let broker = format!("{{broker=\"{}\"}}", server.url());
    let held = summary["sessions"]["held"].as_u64().unwrap();
    assert_eq!(value(&format!("tokenstorm_sessions_held_total{broker}")), held);
}

#[test]
fn a_port_that_is_taken_ends_the_program_before_anything_is_sent() {
    let server = Server::answering(ACCEPT);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let storm = Storm::new(&scenario(&server.url(), "", ""));
    let ended = storm.run_with(&["--prometheus", &address]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("can't serve metrics at `{address}`")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--prometheus 127.0.0.1:0"), "{}", ended.stderr);
    assert!(server.received().is_empty(), "nobody came");
    assert!(!ended.out.exists(), "and nothing was written");
}

#[test]
fn what_is_no_address_is_refused_and_another_one_than_loopback_is_warned_of() {
    let server = Server::answering(ACCEPT);
    let storm = Storm::new(&scenario(&server.url(), "", ""));
    let wrong = storm.run_with(&["--prometheus", "localhost:http"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("127.0.0.1:9464"), "{}", wrong.stderr);
    let open = storm.run_with(&["--prometheus", "0.0.0.0:0"]);
    open.expect(0);
    assert!(open.stderr.contains("warning: whoever reaches `0.0.0.0:"), "{}", open.stderr);
}

#[test]
fn a_series_serves_its_runs_and_a_matrix_takes_the_argument_too() {
    let server = Server::answering(ACCEPT);
    let load = "arrivals = \"constant\"\nstages = [{ rate = 50, for = \"1s\" }]";
    let sweep = "[sweep]\nprotocol = [5]\nrepeat = 2\nrest = \"0s\"\n";
    let storm = Storm::new(&scenario(&server.url(), load, sweep));
    let run = Watched::start(&storm, "127.0.0.1:0");
    let mut names = std::collections::BTreeSet::new();
    for body in run.bodies() {
        names.extend(
            body.lines().filter(|line| line.starts_with("tokenstorm_run_info")).map(str::to_owned),
        );
    }
    storm.wait(run.child).expect(0);
    assert_eq!(names.len(), 2, "{names:?}");
    let first = names.first().unwrap();
    assert!(first.contains("scenario=\"test\"") && first.contains("run=\"001-v5-1\""), "{first}");
    let help = tokenstorm(&["matrix", "--help"]).stdout;
    assert!(help.contains("--prometheus <ADDRESS>"), "{help}");
}

#[test]
fn an_otlp_receiver_is_refused_that_is_no_url_without_a_word_of_its_password() {
    let server = Server::answering(ACCEPT);
    let storm = Storm::new(&scenario(&server.url(), "", ""));
    let wrong = storm.run_with(&["--otlp", "ftp://me:hunter2@127.0.0.1"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("http://host:4318"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("hunter2"), "{}", wrong.stderr);
    #[cfg(not(feature = "otlp"))]
    {
        let without = storm.run_with(&["--otlp", "http://me:hunter2@127.0.0.1:4318"]);
        assert_eq!(without.code, Some(2), "{}", without.stderr);
        assert!(without.stderr.contains("--features otlp"), "{}", without.stderr);
        assert!(!without.stderr.contains("hunter2"), "{}", without.stderr);
    }
    assert!(server.received().is_empty(), "nobody came");
}
