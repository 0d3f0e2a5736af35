//! `--otlp`: what a receiver is told of a run.
#![cfg(all(feature = "otlp", feature = "embedded"))]
#![expect(clippy::unwrap_used, reason = "a test that can't set up has failed")]

#[path = "storm/run.rs"]
#[allow(dead_code, reason = "shared with tests that need other parts of it")]
mod run;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    },
    common::v1::{KeyValue, any_value::Value::StringValue},
    metrics::v1::{AggregationTemporality, metric::Data, number_data_point::Value},
};
use prost::Message;
use serde_json::Value as Json;

use run::{Storm, everything, scenario};

/// What a receiver does with a push.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    Answers(&'static str),
    Rejects,
    NeverAnswers,
}

/// A push: its head, and what it brought.
type Push = (String, ExportMetricsServiceRequest);

/// A receiver of OTLP on a free loopback port; it ends with the test's process.
struct Receiver {
    address: String,
    pushes: Arc<(Mutex<Vec<Push>>, Condvar)>,
}

impl Receiver {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pushes: Arc<(Mutex<Vec<Push>>, Condvar)> = Arc::default();
        let all = Arc::clone(&pushes);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || while answer(&stream, manner, &all).is_some() {});
            }
        });
        Self { address, pushes }
    }

    fn pushes(&self) -> Vec<Push> {
        self.pushes.0.lock().unwrap().clone()
    }
}

/// Takes one push, and does with it what it is to; nothing at the end of the connection.
fn answer(mut stream: &TcpStream, manner: Manner, all: &(Mutex<Vec<Push>>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
    })?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let push = ExportMetricsServiceRequest::decode(&*body).unwrap();
    all.0.lock().unwrap().push((head, push));
    all.1.notify_all();
    let mut response = ExportMetricsServiceResponse::default();
    let status = match manner {
        Manner::Takes => "200 OK",
        Manner::Answers(status) => status,
        Manner::Rejects => {
            let rejected_data_points = 3;
            let error_message = "too old\u{1b}[31m".to_owned();
            let part = ExportMetricsPartialSuccess { rejected_data_points, error_message };
            response.partial_success = Some(part);
            "200 OK"
        }
        // The client closes, once it has waited for as long as it does.
        Manner::NeverAnswers => {
            let _ = stream.read(&mut [0]);
            return None;
        }
    };
    let body = response.encode_to_vec();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()
}

/// Good and bad clients of the embedded broker.
fn storm(load: &str) -> Storm {
    let mix = "[token.claims]\niss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{client_id}\"\n\
        [[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";
    Storm::new(&scenario("embedded", load, mix))
}

/// Labels in words, in their order.
fn words(attributes: &[KeyValue], names: &[&str]) -> String {
    let value = |name: &&str| {
        let own = attributes.iter().find(|own| own.key == **name);
        match own
            .unwrap_or_else(|| panic!("no {name}: {attributes:?}"))
            .value
            .as_ref()?
            .value
            .as_ref()?
        {
            StringValue(text) => Some(text.clone()),
            other => panic!("{other:?}"),
        }
    };
    names.iter().filter_map(value).collect::<Vec<_>>().join(" ")
}

/// The metrics of a push by name.
fn metrics(push: &ExportMetricsServiceRequest) -> BTreeMap<&str, &Data> {
    let all = push.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let all = all.flat_map(|scope| &scope.metrics);
    all.map(|metric| (metric.name.as_str(), metric.data.as_ref().unwrap())).collect()
}

/// What is counted by these labels, where anything is.
fn counted(data: &Data, names: &[&str]) -> BTreeMap<String, u64> {
    let Data::Sum(sum) = data else { panic!("{data:?}") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    let mut counted = BTreeMap::new();
    for point in &sum.data_points {
        let Some(Value::AsInt(count)) = point.value else { panic!("{point:?}") };
        assert!(
            0 < point.start_time_unix_nano && point.start_time_unix_nano < point.time_unix_nano
        );
        *counted.entry(words(&point.attributes, names)).or_default() += count.cast_unsigned();
    }
    counted.retain(|_, count| *count > 0);
    counted
}

/// What a summary counts by kind of token.
fn of_summary(summary: &Json, what: &str) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (token, part) in summary["by_token"].as_object().unwrap() {
        for (name, count) in part[what].as_object().unwrap() {
            all.insert(format!("{token} {name}"), count.as_u64().unwrap());
        }
    }
    all.retain(|_, count| *count > 0);
    all
}

#[test]
fn the_last_push_has_the_counts_of_the_summary_and_says_that_the_run_is_over() {
    let receiver = Receiver::start(Manner::Takes);
    // Longer than it takes until the first push.
    let storm = storm("arrivals = \"constant\"\nstages = [{ rate = 20, for = \"7s\" }]");
    let url = format!("http://{}", receiver.address);
    let run = storm.run_with(&["--otlp", &url]);
    let summary = run.expect(0);
    assert!(!run.stderr.contains("failed"), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("metrics are pushed to {url}/v1/metrics")));
    let pushes = receiver.pushes();
    assert!(pushes.len() >= 2, "one under way, and the last");
    let (head, last) = pushes.last().unwrap();
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1"), "{head}");
    assert!(head.contains("application/x-protobuf"), "{head}");
    let seen = metrics(last);
    let of = |name: &str, label: &str| counted(seen[name], &["token", label]);
    assert_eq!(of("tokenstorm.attempts", "outcome"), of_summary(&summary, "outcomes"));
    assert_eq!(of("tokenstorm.attempt_codes", "outcome"), of_summary(&summary, "outcomes"));
    assert_eq!(of("tokenstorm.verdicts", "verdict"), of_summary(&summary, "verdicts"));
    let Data::Histogram(phases) = seen["tokenstorm.phase_duration"] else { panic!("{seen:?}") };
    let mut connack = 0;
    for point in &phases.data_points {
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
        if words(&point.attributes, &["phase"]) == "connack" {
            connack += point.count;
        }
    }
    assert_eq!(connack, summary["phases"]["connack"]["count"].as_u64().unwrap());
    let Data::Gauge(states) = seen["tokenstorm.run_state"] else { panic!("{seen:?}") };
    let mut is_over = states.data_points.iter().filter(|it| it.value == Some(Value::AsDouble(1.0)));
    assert_eq!(words(&is_over.next().unwrap().attributes, &["state"]), "over");
    let resource = last.resource_metrics[0].resource.as_ref().unwrap();
    assert_eq!(words(&resource.attributes, &["service.name"]), "tokenstorm");
}

#[test]
fn a_receiver_that_does_not_take_it_is_said_once_and_never_holds_up_the_run() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let own = |manner| Receiver::start(manner).address;
    for (address, why) in [
        (away, "onnection refused"),
        (own(Manner::Answers("503 Service Unavailable")), "it answers 503"),
        (own(Manner::Answers("302 Found")), "it answers 302"),
        (own(Manner::Rejects), "it rejects 3 values: too old"),
        (own(Manner::NeverAnswers), "timeout"),
    ] {
        let run = storm("").run_with(&["--otlp", &format!("http://{address}")]);
        run.expect(0);
        let warnings = run.stderr.matches("could not be pushed").count();
        assert!(warnings == 1 && run.stderr.contains(why), "{why}: {}", run.stderr);
        assert!(run.stderr.contains("3 of 3 pushes of metrics"), "{}", run.stderr);
        assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
    }
}

#[test]
fn a_password_goes_to_the_receiver_and_nowhere_else() {
    let receiver = Receiver::start(Manner::Takes);
    let url = format!("http://me:hunter2@{}/below", receiver.address);
    let environment = [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2%2C"), ("RUST_LOG", "trace")];
    let run = storm("").run_in(&environment, &["--otlp", &url]);
    run.expect(0);
    let (head, _) = receiver.pushes().pop().unwrap();
    assert!(head.starts_with("POST /below/v1/metrics"), "{head}");
    assert!(head.contains("authorization: Basic bWU6aHVudGVyMg=="), "{head}");
    assert!(head.contains("x-key: hunter2,"), "{head}");
    let all = [run.stdout.as_str(), &run.stderr, &everything(&run)].concat();
    assert!(!all.contains("hunter2") && !all.contains("bWU6aHVudGVyMg"), "{}", run.stderr);
}

/// The metric of this name in what the Collector wrote down of a push: its counts by kind of token and outcome.
fn written(push: &str, metric: &str) -> BTreeMap<String, u64> {
    let (_, own) = push.split_once(&format!("-> Name: {metric}\n")).unwrap();
    let own = own.split("-> Name: ").next().unwrap();
    let mut counts = BTreeMap::new();
    for point in own.split("NumberDataPoints #").skip(1) {
        let label = |name: &str| {
            let (_, rest) = point.split_once(&format!("-> {name}: Str("))?;
            rest.split_once(')').map(|(value, _)| value)
        };
        let value = point.lines().find_map(|line| line.strip_prefix("Value: ")).unwrap();
        let name = format!("{} {}", label("token").unwrap(), label("outcome").unwrap());
        *counts.entry(name).or_default() += value.trim().parse::<u64>().unwrap();
    }
    counts.retain(|_, count| *count > 0);
    counts
}

#[test]
#[ignore = "builds the OpenTelemetry Collector, which needs Go: scripts/test-live"]
fn the_opentelemetry_collector_takes_what_is_pushed_and_writes_down_the_same_counts() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/broker");
    let started = Command::new(script).args(["start", "otelcol"]).output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let said = String::from_utf8(started.stdout).unwrap();
    let line = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let (url, log) = (line("OTLP").unwrap(), line("LOG").unwrap());
    let run = storm("").run_with(&["--otlp", url]);
    // What was pushed is written before it is answered.
    let log = fs::read_to_string(log).unwrap();
    assert!(Command::new(script).args(["stop", "otelcol"]).status().unwrap().success());
    let summary = run.expect(0);
    assert!(!run.stderr.contains("failed"), "{}", run.stderr);
    let (_, last) = log.rsplit_once("ResourceMetrics #0").unwrap();
    assert!(last.contains("-> service.name: Str(tokenstorm)"), "{last}");
    assert_eq!(written(last, "tokenstorm.attempts"), of_summary(&summary, "outcomes"));
    assert!(last.contains("-> Unit: s\n") && last.contains("ExplicitBounds #18: 10"), "{last}");
}
