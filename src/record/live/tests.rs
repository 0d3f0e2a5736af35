//! What is served, read as Prometheus reads it.

mod dashboard;
mod standing;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::AtomicBool,
    time::Duration,
};

use prometheus_parse::{Scrape, Value};

use super::{exporter::MANNER, *};
use crate::{
    base::{
        clock::SECOND,
        words::{RunState, Validity},
    },
    client::{
        attempt::{Attempt, Code, Outcome, Phase, Step, Steps},
        expire::Expire,
        verdict::{Expectation, Verdict},
    },
    plan::Plan,
    record::{
        measure::{Count, Measurements},
        results::{
            Percentile, Reason, Summary,
            agents::Agent,
            fetches::{KeySet, OAuth},
            fixture,
            judged::Judged,
            monitor::Side,
            summary::Trust,
        },
    },
};

const US: u64 = SECOND / 1_000_000;

fn plan() -> Plan {
    let text = "name = \"live\"\n[target]\nbrokers = [\"ws://127.0.0.1:9/mqtt?token=hunter2\", \"mqtt://127.0.0.1\"]\n\
                [load]\nclients = 9\nconcurrency = 1\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n\
                [[mix]]\ntoken = \"not_a_jwt\"\nname = \"other\"\nshare = 1\n\
                [thresholds]\nconnack = [\"p99 < 2s\"]\n";
    fixture::plan(text)
}

/// Attempts that were refused after so long; the last one never was.
fn measured(connack: &[u64]) -> Measurements {
    let mut all = Measurements::new(2, 2);
    for (client, took) in (0..).zip(connack.iter().map(Some).chain([None])) {
        let started = SECOND + client * SECOND;
        let ended = started + took.copied().unwrap_or(SECOND);
        let outcome = took.map_or(Outcome::Timeout(Phase::Connack), |_| Outcome::Refused(0x87));
        let attempt = Attempt {
            client,
            broker: 1,
            steps: Steps {
                tcp: Step::At(started),
                connack: took.map_or(Step::Unfinished, |_| Step::At(ended)),
                ..Steps::default()
            },
            ended,
            ..Attempt::example(started, outcome)
        };
        let verdict = took.map_or(Verdict::NotJudged, |_| Verdict::Correct);
        all.start(started, started);
        all.record(&attempt, Expectation::Indeterminate, verdict, 0, 0);
    }
    all.operated(
        &crate::record::measure::operations::Operated::Expire(Expire::example(2 * SECOND as i64)),
        0,
    );
    all[Count::Started] += 3;
    all[Count::Abandoned] = 2;
    (0..5).for_each(|_| all.count_held(1));
    (0..4).for_each(|_| all.count_drop(1, Code::Word("fin")));
    all
}

/// A summary in which a threshold is missed, and the generator was late.
fn summary() -> Summary {
    let judged = Judged {
        metric: "connack".into(),
        condition: "p99 < 2s".into(),
        observed: Some(Percentile::Number(2_500_000.0)),
        passed: Some(false),
        undecided: None,
    };
    let reasons = vec![Reason::LateArrivals(SECOND), "something else".to_owned().into()];
    let validity = Trust { verdict: Validity::GeneratorLimited, reasons, missing_workers: 0 };
    Summary { thresholds: vec![judged], validity, ..Summary::default() }
}

fn others() -> Others {
    let mut others = Others::default();
    let agent = |name: &str, lost_at_s| Agent {
        agent: name.into(),
        host: "here".into(),
        attempts: 3,
        lost_at_s,
        ..Agent::default()
    };
    others.see_agents(&[agent("one", None), agent("two", Some(1.0))]);
    let statuses = [("200".to_owned(), 7), ("timeout".to_owned(), 1)].into();
    let failed = [("503".to_owned(), 2)].into();
    let key_set = Some(KeySet { fetched: 4, failed, ..KeySet::default() });
    others.see_requests(&OAuth { statuses, key_set, ..OAuth::default() });
    others.see_events(&["rotate_keys", "rotate_keys", "revoke"], &["rotate_keys"]);
    others
}

fn now() -> Now {
    let usage = |side, resident_bytes| Usage { side, cpu_s: Some(1.5), resident_bytes };
    Now {
        run: "my \"own\" run".into(),
        folder: None,
        number: 1,
        state: RunState::Storm,
        due: Some(6),
        judgement: Judgement::of(&plan(), &summary()),
        others: others(),
        storm_s: 2.5,
        storm_start_s: 1_800_000_000.5,
        open: 7,
        cpu_s: 0.25,
        usage: vec![usage(Side::Broker, Some(4096)), usage(Side::Harness, None)],
    }
}

/// Sends a request to whoever answers it.
fn send(exporter: &Exporter, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(exporter.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{request}\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// The answer to a request: its status line and headers, and its body.
fn ask(exporter: &Exporter, request: &str) -> (String, String) {
    // As Prometheus asks.
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4";
    ask_for(exporter, &format!("{request} HTTP/1.1\r\nAccept: {accept}"))
}

fn ask_for(exporter: &Exporter, request: &str) -> (String, String) {
    let mut stream = send(exporter, request);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn exporter() -> Exporter {
    Exporter::listen(([127, 0, 0, 1], 0).into()).unwrap()
}

fn publishing(connack: &[u64]) -> Exporter {
    let exporter = exporter();
    let snapshot = Snapshot::of(&plan(), &measured(connack), now());
    // As of a run that has a schedule.
    exporter.hears(&Arc::new(Snapshot { planned_s: Some(60.0), ..snapshot }));
    exporter
}

fn served(connack: &[u64]) -> String {
    let exporter = publishing(connack);
    let (head, body) = ask(&exporter, "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    body
}

/// The same for somebody who does not know `OpenMetrics`.
fn served_plainly(connack: &[u64]) -> String {
    let exporter = publishing(connack);
    let (head, body) = ask_for(&exporter, "GET /metrics HTTP/1.1\r\nAccept: text/plain, */*;q=0.1");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let (head, same) = ask_for(&exporter, "GET /metrics HTTP/1.1");
    assert!(head.contains("text/plain; version=0.0.4") && same == body, "{head}");
    body
}

/// Lines of samples of this name that have all of these labels.
fn lines<'a>(text: &'a str, name: &str, labels: &[&str]) -> Vec<&'a str> {
    let has_all = |line: &&str| labels.iter().all(|label| line.contains(label));
    text.lines().filter(|line| line.starts_with(name)).filter(has_all).collect()
}

/// Samples by name and labels, without those of histograms.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let number = |value: &Value| match value {
        Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => Some(*number),
        _ => None,
    };
    let name = |sample: &prometheus_parse::Sample| {
        let mut labels: Vec<String> =
            sample.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        labels.sort();
        format!("{} {}", sample.metric, labels.join(" ")).trim().to_owned()
    };
    let all = scrape.samples.iter();
    all.filter_map(|sample| Some((name(sample), number(&sample.value)?))).collect()
}

#[test]
fn counts_are_those_of_the_measurements_and_what_has_none_yet_is_zero() {
    let samples = samples(&served(&[90 * US, 110 * US]));
    let at = |name: &str| samples.get(name).copied();
    let broker = "broker=mqtt://127.0.0.1";
    let labels = |what: &str| format!("{broker} {what} protocol=5.0 token=not_a_jwt");
    for (name, value) in [
        ("tokenstorm_attempts_started_total".to_owned(), 6.0),
        ("tokenstorm_attempts_abandoned_total".to_owned(), 2.0),
        (format!("tokenstorm_sessions_held_total {broker}"), 5.0),
        (format!("tokenstorm_sessions_dropped_total {broker}"), 4.0),
        ("tokenstorm_open_connections".to_owned(), 7.0),
        ("tokenstorm_storm_seconds".to_owned(), 2.5),
        ("tokenstorm_generator_cpu_seconds_total".to_owned(), 0.25),
        ("tokenstorm_monitor_cpu_seconds_total side=harness".to_owned(), 1.5),
        ("tokenstorm_monitor_resident_bytes side=broker".to_owned(), 4096.0),
        (format!("tokenstorm_attempts_total {}", labels("outcome=refused")), 2.0),
        (format!("tokenstorm_attempts_total {}", labels("outcome=timeout")), 1.0),
        (format!("tokenstorm_attempts_total {}", labels("outcome=accepted")), 0.0),
    ] {
        assert_eq!(at(&name), Some(value), "{name}: {samples:#?}");
    }
    let verdicts = |verdict: &str| {
        at(&format!(
            "tokenstorm_verdicts_total {broker} protocol=5.0 token=not_a_jwt verdict={verdict}"
        ))
    };
    assert_eq!((verdicts("correct"), verdicts("not_judged")), (Some(2.0), Some(1.0)));
    assert_eq!(verdicts("false_accept"), Some(0.0));
    assert_eq!(at("tokenstorm_monitor_resident_bytes side=harness"), None, "nobody knows");
    let unfinished = format!(
        "tokenstorm_phase_unfinished_total {broker} phase=connack protocol=5.0 token=not_a_jwt"
    );
    assert_eq!(at(&unfinished), Some(1.0));
    let attempts = |name: &str| -> f64 {
        samples.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, value)| value).sum()
    };
    assert!((attempts("tokenstorm_attempts_total ") - 3.0).abs() < 1e-9);
    assert!((attempts("tokenstorm_verdicts_total ") - 3.0).abs() < 1e-9);
}

#[test]
fn buckets_are_cumulative_and_the_last_one_holds_all() {
    // On a bound, beside it, and above the last one.
    let text = served(&[100 * US, 101 * US, 250 * US, 9_999_000 * US, 11_000_000 * US]);
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let connack = scrape.samples.iter().find(|sample| {
        sample.metric == "tokenstorm_phase_duration_seconds"
            && sample.labels.get("phase") == Some("connack")
            && sample.labels.get("token") == Some("not_a_jwt")
            && sample.labels.get("broker") == Some("mqtt://127.0.0.1")
    });
    let Some(Value::Histogram(buckets)) = connack.map(|sample| &sample.value) else {
        panic!("no histogram: {text}")
    };
    let count = |bound: f64| {
        buckets.iter().find(|it| (it.less_than - bound).abs() < 1e-12).map(|it| it.count)
    };
    assert_eq!(buckets.len(), 20);
    for (bound, counted) in [(0.0001, 1.0), (0.00025, 3.0), (0.0005, 3.0), (5.0, 3.0), (10.0, 4.0)]
    {
        assert_eq!(count(bound), Some(counted), "{bound}: {buckets:?}");
    }
    assert!(buckets.windows(2).all(|two| two[0].count <= two[1].count), "{buckets:?}");
    let all = buckets.last().unwrap();
    assert!(all.less_than.is_infinite() && (all.count - 5.0).abs() < 1e-9, "{buckets:?}");
    let line = |name: &str| {
        let name = format!("tokenstorm_phase_duration_seconds_{name}");
        let found = lines(
            &text,
            &name,
            &["phase=\"connack\",token=\"not_a_jwt\",protocol=\"5.0\",broker=\"mqtt:"],
        );
        found[0].rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((line("count") - 5.0).abs() < 1e-9, "{text}");
    // Three significant digits.
    assert!((line("sum") - 20.999_451).abs() < 0.021, "{}", line("sum"));
}

#[test]
fn names_have_their_units_and_labels_are_escaped_and_hold_no_secret() {
    let text = served(&[100 * US]);
    for line in [
        "# TYPE tokenstorm_phase_duration_seconds histogram",
        "# UNIT tokenstorm_phase_duration_seconds seconds",
        "# UNIT tokenstorm_monitor_resident_bytes bytes",
        "# TYPE tokenstorm_attempts counter",
        "# TYPE tokenstorm_run info",
    ] {
        assert!(text.lines().any(|own| own == line), "`{line}` is not in: {text}");
    }
    assert!(text.contains("run=\"my \\\"own\\\" run\""), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn who_does_not_ask_for_openmetrics_gets_the_same_numbers_in_the_older_format() {
    let (open, plain) = (served(&[100 * US]), served_plainly(&[100 * US]));
    let mut counted = samples(&open);
    // The older format has no such samples.
    counted.retain(|name, _| !name.split(' ').next().unwrap().ends_with("_created"));
    assert_eq!(counted, samples(&plain));
    assert!(!plain.contains("_created"), "{plain}");
    for line in [
        "# TYPE tokenstorm_attempts_total counter",
        "# HELP tokenstorm_attempts_total Attempts that have an outcome.",
        "# TYPE tokenstorm_build_info gauge",
        "# TYPE tokenstorm_phase_duration_seconds histogram",
        "# TYPE tokenstorm_open_connections gauge",
        "# TYPE tokenstorm_generator_cpu_seconds_total counter",
    ] {
        assert!(
            plain.lines().any(|own| own.trim_end_matches('.') == line.trim_end_matches('.')),
            "`{line}`: {plain}"
        );
    }
    assert!(!plain.contains("# EOF") && !plain.contains("# UNIT"), "{plain}");
    let kinds = plain.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told = ["counter", "gauge", "histogram"];
    assert!(kinds.clone().all(|kind| told.contains(&kind.split(' ').nth(1).unwrap())), "{plain}");
    // A sample has the name of its comment, which strict readers look for.
    let names: Vec<&str> = kinds.map(|kind| kind.split(' ').next().unwrap()).collect();
    for line in plain.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let ends = ["_bucket", "_sum", "_count", ""];
        let known = ends.iter().filter_map(|end| name.strip_suffix(end));
        assert!(known.clone().any(|name| names.contains(&name)), "`{name}` has no type: {names:?}");
    }
    let scrape = Scrape::parse(plain.lines().map(|line| Ok(line.to_owned()))).unwrap();
    for sample in scrape.samples.iter().filter(|it| matches!(it.value, Value::Untyped(_))) {
        // This reader takes them for metrics of their own.
        let of_histogram = ["_sum", "_count"].iter().any(|end| sample.metric.ends_with(end));
        assert!(of_histogram, "{sample:?}");
    }
}

#[test]
fn counters_go_on_from_one_run_to_the_next_and_gauges_do_not() {
    let exporter = exporter();
    let plan = plan();
    let run = |number: u64, connack: &[u64]| {
        let now = Now { number, open: 10 * number, ..now() };
        exporter.hears(&Arc::new(Snapshot::of(&plan, &measured(connack), now)));
        let (_, body) = ask(&exporter, "GET /metrics");
        let samples = samples(&body);
        let of = |name: &str| -> u64 {
            let own = samples.iter().filter(|(key, _)| key.split(' ').next() == Some(name));
            own.map(|(_, value)| *value as u64).sum()
        };
        let timed = lines(&body, "tokenstorm_phase_duration_seconds_count", &["phase=\"connack\""]);
        let timed = timed.into_iter().find(|line| !line.ends_with(" 0"));
        let timed: u64 = timed.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        let cpu = samples["tokenstorm_generator_cpu_seconds_total"];
        let counts = [
            of("tokenstorm_attempts_total"),
            of("tokenstorm_verdicts_total"),
            of("tokenstorm_attempts_started_total"),
            of("tokenstorm_phase_unfinished_total") / 3,
            timed,
            (cpu * 4.0) as u64,
        ];
        (counts, of("tokenstorm_open_connections"))
    };
    // Each run has one attempt more, which never was answered: it enters three phases that it does not complete.
    assert_eq!(run(1, &[US]), ([2, 2, 5, 1, 1, 1], 10));
    assert_eq!(run(1, &[US, US]), ([3, 3, 6, 1, 2, 1], 10), "the same run");
    assert_eq!(run(2, &[US]), ([5, 5, 11, 2, 3, 2], 20), "the next one");
    assert_eq!(run(2, &[US, US, US]), ([7, 7, 13, 2, 5, 2], 20));
    assert_eq!(run(3, &[US]), ([9, 9, 18, 3, 6, 3], 30));
}

#[test]
fn a_run_whose_folder_gets_another_name_is_not_added_to_itself() {
    let exporter = exporter();
    for run in ["002", "002-2"] {
        let now = Now { run: run.into(), ..now() };
        exporter.hears(&Arc::new(Snapshot::of(&plan(), &measured(&[US]), now)));
    }
    let (_, body) = ask(&exporter, "GET /metrics");
    assert!(body.contains("tokenstorm_attempts_started_total 5\n"), "{body}");
}

#[test]
fn phases_that_attempts_can_enter_are_there_before_any_does() {
    let exporter = exporter();
    exporter.hears(&Arc::new(Snapshot::of(&plan(), &Measurements::new(2, 2), now())));
    let (_, body) = ask(&exporter, "GET /metrics");
    let has = |phase: &str, broker: &str| {
        let labels = [format!("phase=\"{phase}\""), format!("broker=\"{broker}\"")];
        let labels = labels.each_ref().map(String::as_str);
        let found = lines(&body, "tokenstorm_phase_duration_seconds_count{", &labels);
        found.into_iter().any(|line| line.ends_with(" 0"))
    };
    let (web, plain) = ("ws://127.0.0.1:9/mqtt", "mqtt://127.0.0.1");
    for phase in ["start_delay", "tcp_connect", "connack", "connect", "response"] {
        assert!(has(phase, web) && has(phase, plain), "{phase}: {body}");
    }
    assert!(has("ws_upgrade", web) && !has("ws_upgrade", plain), "{body}");
    assert!(!has("dns", plain) && !has("tls_handshake", plain) && !has("token", plain), "{body}");
}

#[test]
fn who_asks_and_does_not_read_holds_up_nobody_else() {
    let exporter = exporter();
    let mut snapshot = Snapshot::of(&plan(), &measured(&[US]), now());
    // More than sockets take that nobody reads from.
    snapshot.scenario = "x".repeat(16 << 20);
    exporter.hears(&Arc::new(snapshot));
    let ahead = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let unfinished = "GET /metrics HTTP/1.1\r\nContent-Length: 5000".to_owned();
    // More of each than there are connections.
    let idle: Vec<TcpStream> = (0..MANNER.most + 9)
        .map(|number| send(&exporter, if number % 2 == 0 { &ahead } else { &unfinished }))
        .collect();
    let (head, _) = ask(&exporter, "HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let newest = idle.last().unwrap();
    assert_eq!(newest.peek(&mut [0]).unwrap(), 1, "it is answered as well");
}

#[test]
fn a_request_whose_body_would_fill_the_memory_is_answered_without_it() {
    let exporter = exporter();
    // No server could have the second one, and it says so.
    for (length, status) in [("99999999999999", "200"), ("18446744073709551615", "431")] {
        let request = format!("GET /metrics HTTP/1.1\r\nContent-Length: {length}");
        let (head, _) = ask_for(&exporter, &request);
        let is_it = head.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(is_it && head.contains("Connection: close"), "{head}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    let mut stream = TcpStream::connect(exporter.address()).unwrap();
    // It is refused before all is sent.
    let _ = write!(stream, "{long}\r\n\r\n");
    let _ = stream.read_to_end(&mut Vec::new());
    assert!(ask(&exporter, "GET /metrics").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn who_asked_before_the_end_is_answered() {
    let exporter = exporter();
    let mut stream = send(&exporter, "GET /metrics HTTP/1.1");
    let idle = TcpStream::connect(exporter.address()).unwrap();
    drop(exporter);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("build_info"), "{text}");
    assert_eq!(idle.peek(&mut [0]).unwrap(), 0, "who asked for nothing is let go");
}

#[test]
fn before_the_first_storm_and_at_other_paths_and_methods_there_is_little() {
    let exporter = exporter();
    let (head, body) = ask(&exporter, "GET /metrics?x=y");
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("tokenstorm_build_info{"), "{body}");
    assert!(!body.contains("tokenstorm_attempts"), "{body}");
    let (head, body) = ask(&exporter, "HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head} {body}");
    let (head, body) = ask(&exporter, "GET /");
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("/metrics"), "{head} {body}");
    let (head, body) = ask(&exporter, "GET /other");
    assert!(head.starts_with("HTTP/1.1 404") && body.contains("/metrics"), "{head} {body}");
    let (head, _) = ask(&exporter, "POST /metrics");
    assert!(head.starts_with("HTTP/1.1 405") && head.contains("Allow: GET, HEAD"), "{head}");
    let taken = Exporter::listen(exporter.address()).unwrap_err();
    assert!(taken.to_string().contains(&exporter.address().to_string()), "{taken}");
    assert!(taken.way_out().unwrap().contains("127.0.0.1:0"), "{taken}");
}

#[test]
fn who_accepts_gzip_gets_the_same_page_compressed_and_a_weight_of_0_is_a_no() {
    use std::io::Read;
    let exporter = publishing(&[100 * US]);
    let get = |headers: &str| {
        let mut stream = send(&exporter, &format!("GET /metrics HTTP/1.1\r\n{headers}"));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&bytes[..at]).into_owned(), bytes[at + 4..].to_vec())
    };
    let (plain, page) = get("Accept: application/openmetrics-text");
    assert!(!plain.contains("content-encoding"), "{plain}");
    for _ in 0..2 {
        let (packed, body) =
            get("Accept: application/openmetrics-text\r\nAccept-Encoding: br, gzip;q=0.5");
        assert!(packed.to_lowercase().contains("content-encoding: gzip"), "{packed}");
        assert!(body.len() * 5 < page.len(), "{} of {}", body.len(), page.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, page);
    }
    let (none, _) = get("Accept: application/openmetrics-text;q=0\r\nAccept-Encoding: gzip;q=0");
    assert!(none.contains("text/plain") && !none.contains("gzip"), "{none}");
}

#[test]
fn counters_and_histograms_say_when_the_program_began_to_count() {
    let text = served(&[100 * US]);
    let created = |name: &str| {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let now = crate::base::clock::wall_seconds();
    for name in [
        "tokenstorm_attempts_created{token=",
        "tokenstorm_sessions_held_created{broker=",
        "tokenstorm_phase_duration_seconds_created{phase=",
    ] {
        let at = created(name);
        assert!(now - at < 60.0 && at - now < 1.0, "{name}: {at}");
    }
    assert!(!text.contains("tokenstorm_open_connections_created"), "{text}");
    // The processes of a broker began before.
    assert!(text.contains("tokenstorm_monitor_cpu_seconds_total"), "{text}");
    assert!(!text.contains("tokenstorm_monitor_cpu_seconds_created"), "{text}");
}

#[test]
fn an_exporter_lingers_until_the_last_values_were_scraped_and_no_longer_than_it_may() {
    let exporter = publishing(&[100 * US]);
    let no = AtomicBool::new(false);
    let before = std::time::Instant::now();
    exporter.linger(Duration::from_millis(300), &no);
    assert!(before.elapsed() >= Duration::from_millis(300), "nobody has scraped");
    ask(&exporter, "GET /metrics");
    // What is new since has not been scraped.
    exporter.linger(Duration::from_hours(1), &no);
    exporter.hears(&Arc::new(Snapshot::of(&plan(), &measured(&[]), now())));
    exporter.linger(Duration::from_millis(50), &no);
    exporter.linger(Duration::from_hours(1), &AtomicBool::new(true));
}
