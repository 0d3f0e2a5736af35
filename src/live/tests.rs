//! What is served, read as Prometheus reads it.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

use prometheus_parse::{Scrape, Value};

use super::*;
use crate::{
    attempt::{Attempt, Code, Outcome, Phase, Step, Steps},
    clock::SECOND,
    host::Limits,
    measure::Measurements,
    plan::Plan,
    results::monitor::Side,
    scenario::{Loaded, Overrides, parse},
    verdict::{Expectation, Verdict},
};

const US: u64 = SECOND / 1_000_000;

fn plan() -> Plan {
    let text = "name = \"live\"\n[target]\nbrokers = [\"ws://127.0.0.1:9/mqtt?token=hunter2\", \"mqtt://127.0.0.1\"]\n\
                [load]\nclients = 9\nconcurrency = 1\n[[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n\
                [[mix]]\ntoken = \"not_a_jwt\"\nname = \"other\"\nshare = 1\n";
    let scenario = parse(text, &Overrides::default()).unwrap();
    let loaded = Loaded { path: "live.toml".into(), scenario, overrides: Vec::new() };
    Plan::new(&loaded, &Limits::read()).unwrap()
}

/// Attempts that were refused after so long; the last one never was.
fn measured(connack: &[u64]) -> Measurements {
    let mut all = Measurements::new(2, 2);
    for (client, took) in (0..).zip(connack.iter().map(Some).chain([None])) {
        let started = SECOND + client * SECOND;
        let ended = started + took.copied().unwrap_or(SECOND);
        let attempt = Attempt {
            client,
            kind: 0,
            key: None,
            broker: 1,
            minted_for: 0,
            scheduled: started,
            opened: started,
            read: None,
            started,
            steps: Steps {
                tcp: Step::At(started),
                connack: took.map_or(Step::Unfinished, |_| Step::At(ended)),
                ..Steps::default()
            },
            sent: started,
            ended,
            outcome: took.map_or(Outcome::Timeout(Phase::Connack), |_| Outcome::Refused(0x87)),
        };
        let verdict = took.map_or(Verdict::NotJudged, |_| Verdict::Correct);
        all.start(started, started);
        all.record(&attempt, Expectation::Indeterminate, verdict, 0, 0);
    }
    all.started += 3;
    all.abandoned = 2;
    all.sessions.held = 5;
    all.dropped(Code::Word("fin"), 4);
    all
}

fn now() -> Now {
    let usage = |side, resident_bytes| Usage { side, cpu_s: Some(1.5), resident_bytes };
    Now {
        run: "my \"own\" run".into(),
        storm_s: 2.5,
        open: 7,
        cpu_s: 0.25,
        usage: vec![usage(Side::Broker, Some(4096)), usage(Side::Harness, None)],
    }
}

/// The answer to a request: its status line and headers, and its body.
fn ask(exporter: &Exporter, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(exporter.address()).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn exporter() -> Exporter {
    Exporter::listen(([127, 0, 0, 1], 0).into()).unwrap()
}

fn served(connack: &[u64]) -> String {
    let exporter = exporter();
    exporter.publish(Snapshot::of(&plan(), &measured(connack), now()));
    let (head, body) = ask(&exporter, "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    body
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
    let labels = |what: &str| format!("{broker} {what} token=not_a_jwt");
    for (name, value) in [
        ("tokenstorm_attempts_started_total".to_owned(), 6.0),
        ("tokenstorm_attempts_abandoned_total".to_owned(), 2.0),
        ("tokenstorm_sessions_held_total".to_owned(), 5.0),
        ("tokenstorm_sessions_dropped_total".to_owned(), 4.0),
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
        at(&format!("tokenstorm_verdicts_total {broker} token=not_a_jwt verdict={verdict}"))
    };
    assert_eq!((verdicts("correct"), verdicts("not_judged")), (Some(2.0), Some(1.0)));
    assert_eq!(verdicts("false_accept"), Some(0.0));
    assert_eq!(at("tokenstorm_monitor_resident_bytes side=harness"), None, "nobody knows");
    let unfinished =
        format!("tokenstorm_phase_unfinished_total {broker} phase=connack token=not_a_jwt");
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
    });
    let Some(Value::Histogram(buckets)) = connack.map(|sample| &sample.value) else {
        panic!("no histogram: {text}")
    };
    let count = |bound: f64| {
        let same = |it: &&prometheus_parse::HistogramCount| (it.less_than - bound).abs() < 1e-12;
        buckets.iter().find(same).map(|it| it.count)
    };
    assert_eq!(buckets.len(), 17);
    for (bound, counted) in [(0.0001, 1.0), (0.00025, 3.0), (0.0005, 3.0), (5.0, 3.0), (10.0, 4.0)]
    {
        assert_eq!(count(bound), Some(counted), "{bound}: {buckets:?}");
    }
    assert!(buckets.windows(2).all(|two| two[0].count <= two[1].count), "{buckets:?}");
    let all = buckets.last().unwrap();
    assert!(all.less_than.is_infinite() && (all.count - 5.0).abs() < 1e-9, "{buckets:?}");
    let line = |name: &str| {
        let found = text.lines().find(|line| {
            line.starts_with(&format!("tokenstorm_phase_duration_seconds_{name}"))
                && line.contains("phase=\"connack\"")
        });
        found.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap()
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
fn before_the_first_storm_and_at_other_paths_and_methods_there_is_little() {
    let exporter = exporter();
    let (head, body) = ask(&exporter, "GET /metrics?x=y");
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("tokenstorm_build_info{"), "{body}");
    assert!(!body.contains("tokenstorm_attempts"), "{body}");
    let (head, body) = ask(&exporter, "HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head} {body}");
    let (head, body) = ask(&exporter, "GET /");
    assert!(head.starts_with("HTTP/1.1 404") && body.contains("/metrics"), "{head} {body}");
    let (head, _) = ask(&exporter, "POST /metrics");
    assert!(head.starts_with("HTTP/1.1 405") && head.contains("Allow: GET, HEAD"), "{head}");
    let taken = Exporter::listen(exporter.address()).unwrap_err();
    assert!(taken.to_string().contains(&exporter.address().to_string()), "{taken}");
    assert!(taken.way_out().unwrap().contains("127.0.0.1:0"), "{taken}");
}

/// Words of a text that are names of metrics.
fn names(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tokenstorm_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_and_the_document_speak_of_metrics_that_are_served() {
    let text = served(&[100 * US]);
    // Of comments the names lack their endings.
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let served = names(&samples.join("\n"));
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../deploy/grafana/tokenstorm.json")).unwrap();
    let mut expressions = Vec::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        expressions.push(target["expr"].as_str().unwrap());
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.extend(variable["definition"].as_str());
    }
    assert!(expressions.len() > 8, "{expressions:?}");
    for name in expressions.iter().flat_map(|expression| names(expression)) {
        assert!(served.contains(&name), "the dashboard asks for `{name}`: {served:?}");
    }
    let document = names(include_str!("../../docs/live.md"));
    let families: std::collections::BTreeSet<String> = served
        .iter()
        .map(|name| {
            let of_histogram =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            of_histogram.unwrap_or(name).to_owned()
        })
        .collect();
    for name in &families {
        assert!(document.contains(name), "docs/live.md does not speak of `{name}`");
    }
    for name in &document {
        assert!(served.contains(name) || families.contains(name), "`{name}` is not served");
    }
}
