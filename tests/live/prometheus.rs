//! `--prometheus`, scraped by the real Prometheus over two runs, and read by its own tool and by a strict reader.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use crate::{
    broker::{Broker, Stopped, anonymous},
    run::{Ended, Storm, program},
};

/// What the two formats are asked by.
const OPEN: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";
const PLAIN: &str = "Accept: text/plain\r\n";
/// How long Prometheus may take to store what it has scraped.
const PATIENCE: Duration = Duration::from_secs(20);
/// Reads a page as strictly as the format says, and says how many samples it has.
const READER: &str = "import sys\n\
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as families\n\
    print(sum(len(family.samples) for family in families(sys.stdin.read())))";

/// The body of an answer of 200.
fn get(address: &str, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).is_some_and(|status| status == "200").then(|| body.to_owned())
}

/// The answer to a query, which may have parameters behind it.
fn query(server: &str, how: &str, expression: &str) -> Vec<Value> {
    let expression: String = byte_serialize(expression.as_bytes()).collect();
    let path = format!("/api/v1/{how}query={expression}");
    let body = get(server, &path, "").unwrap_or_else(|| panic!("{path} is refused"));
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["data"]["result"].as_array().unwrap().clone()
}

/// What Prometheus has counted, by the labels of each series: over all resets of a counter.
fn counted(server: &str, metric: &str, labels: &[&str]) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for series in query(server, "query?", &format!("{metric}[1h]")) {
        let name: Vec<&str> =
            labels.iter().map(|label| series["metric"][label].as_str().unwrap()).collect();
        let values = series["values"].as_array().unwrap();
        let values: Vec<u64> =
            values.iter().map(|two| two[1].as_str().unwrap().parse().unwrap()).collect();
        let before_resets = values.windows(2).filter(|two| two[1] < two[0]).map(|two| two[0]);
        let sum = before_resets.sum::<u64>() + values.last().unwrap();
        *counted.entry(name.join(" ")).or_default() += sum;
    }
    counted.retain(|_, count| *count > 0);
    counted
}

/// What two summaries count together, of each broker by name.
fn of_summaries(summaries: &[Value], counts: &str) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (broker, part) in summaries.iter().flat_map(|it| it["by_broker"].as_object().unwrap()) {
        for (name, count) in part[counts].as_object().unwrap() {
            *all.entry(format!("{broker} {name}")).or_default() += count.as_u64().unwrap();
        }
    }
    all.retain(|_, count| *count > 0);
    all
}

/// A run that is scraped, and a page of it in each format, from its middle.
fn run(storm: &Storm, target: &str) -> (Ended, [String; 2]) {
    let mut command = program();
    command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
    command.args(["--progress", "none", "--prometheus", target, "--prometheus-linger", "1m"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("metrics at ") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it serves no metrics");
    }
    child.stderr = Some(said.into_inner());
    let start = Instant::now();
    // A page from before the end: the last one is for Prometheus, and the program waits until that has it.
    let open = loop {
        let page = get(target, "/metrics", OPEN).unwrap();
        if page.contains("outcome=\"accepted\",code=\"0\"") {
            break page;
        }
        assert!(start.elapsed() < PATIENCE, "nobody is accepted: {page}");
        thread::sleep(Duration::from_millis(50));
    };
    let plain = get(target, "/metrics", PLAIN).unwrap();
    assert!(open.contains("tokenstorm_run_state{state=\"over\"} 0.0"), "too late");
    (storm.wait(child), [open, plain])
}

/// What a program says of a text on its standard input, all of it; it has to succeed.
fn said_of(mut program: Command, text: &str) -> String {
    let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writes = thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writes.join().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// All queries of the dashboard, for everything.
fn queries() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../deploy/grafana/tokenstorm.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let whole = |target: &Value| {
        let mut expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "3s");
        for variable in ["$job", "$token", "$protocol", "$broker"] {
            expression = expression.replace(variable, ".*");
        }
        assert!(!expression.contains('$'), "{expression}");
        expression
    };
    targets.map(whole).collect()
}

#[test]
#[ignore = "needs Mosquitto and Prometheus: scripts/test-live"]
fn prometheus_counts_over_two_runs_what_their_folders_do_and_the_dashboard_has_data() {
    let broker = Broker::start("mosquitto");
    let prometheus = Broker::start("prometheus");
    let _stopped = Stopped("prometheus");
    let server = prometheus.get("PROMETHEUS").strip_prefix("http://").unwrap();
    let target = prometheus.get("TARGET");
    // Nobody listens there any more: what comes of that has to be seen as well.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let both = format!("{}\", \"mqtt://{closed}", broker.get("MQTT"));
    let load = |rate: u64| {
        format!(
            "hold = \"1s\"\narrivals = \"constant\"\nstages = [{{ rate = {rate}, for = \"4s\" }}]"
        )
    };
    // The second run has fewer attempts of each kind: Prometheus sees by that, too, that it begins anew.
    let first = anonymous(&both, &load(60), "");
    let second = anonymous(&both, &load(20), "");
    for storm in [&first, &second] {
        let text = std::fs::read_to_string(storm.scenario()).unwrap();
        std::fs::write(storm.scenario(), format!("{text}\n[monitor]\n")).unwrap();
    }
    let (one, [open, plain]) = run(&first, target);
    let (other, _) = run(&second, target);
    // Half of the attempts find nobody.
    let summaries = [one.expect(1), other.expect(1)];

    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    assert_eq!(said_of(promtool, &plain), "");
    let mut reader = Command::new(prometheus.get("PYTHON"));
    reader.args(["-c", READER]);
    let samples = open.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(said_of(reader, &open).trim(), samples.to_string());

    for (metric, label, counts) in [
        ("tokenstorm_attempts_total", "outcome", "outcomes"),
        ("tokenstorm_attempt_codes_total", "outcome", "outcomes"),
        ("tokenstorm_verdicts_total", "verdict", "verdicts"),
    ] {
        let wanted = of_summaries(&summaries, counts);
        let start = Instant::now();
        while counted(server, metric, &["broker", label]) != wanted && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(counted(server, metric, &["broker", label]), wanted, "{metric}");
    }
    let held: u64 = summaries.iter().map(|it| it["sessions"]["held"].as_u64().unwrap()).sum();
    let counted = counted(server, "tokenstorm_sessions_held_total", &["broker"]);
    assert_eq!(counted, [(broker.get("MQTT").to_owned(), held)].into());
    let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for expression in queries() {
        let span = format!("query_range?start={}&end={wall}&step=1&", wall - 120);
        assert!(!query(server, &span, &expression).is_empty(), "no data for {expression}");
    }
}
