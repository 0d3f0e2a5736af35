//! `[monitor]`: what both sides used, where it can be read and where it can't; and the calibration of the harness.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::{
    run::{Storm, rows, scenario, tokenstorm},
    server::Server,
};

/// A web server that always answers the same.
fn web(kind: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

const LOAD: &str = "arrivals = \"constant\"\nstages = [{ rate = 20, for = \"3s\" }]";

#[test]
fn a_process_that_is_not_there_and_metrics_that_are_html_are_warned_of_once_and_left_empty() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let url = web("text/html", "<html><body>Not here</body></html>");
    for (monitor, said) in [
        ("pid = [4194304]".to_owned(), "process 4194304 is not there"),
        ("process = [\"no-such-broker\"]".to_owned(), "no process named `no-such-broker`"),
        (format!("prometheus = \"{url}\""), "HTML"),
        ("prometheus = \"http://127.0.0.1:9/metrics\"".to_owned(), "tells no metrics"),
    ] {
        let ended =
            Storm::new(&scenario(&server.url(), LOAD, &format!("[monitor]\n{monitor}\n"))).run();
        let summary = ended.expect(0);
        assert_eq!(summary["outcomes"]["accepted"], 60, "the run goes on");
        assert_eq!(ended.stderr.matches(said).count(), 1, "{monitor}: {}", ended.stderr);
        assert_eq!(summary["monitor"]["warnings"].as_array().unwrap().len(), 1);
        assert!(summary["monitor"]["broker"]["cpu_us_per_verdict"].is_null(), "{summary}");
        let readings = rows(&ended.out.join("monitor.csv"));
        let of = |side: &str| readings.iter().filter(|row| row["side"] == side).count();
        assert!(of("broker") >= 3 && of("harness") == of("broker"), "{readings:?}");
        for reading in readings {
            let is_empty = reading["cpu_s"].is_empty() && reading["rss_bytes"].is_empty();
            assert_eq!(is_empty, reading["side"] == "broker", "empty, not zero: {reading:?}");
        }
    }
}

#[test]
fn named_metrics_of_an_endpoint_are_columns_beside_those_that_every_process_has() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let url = web(
        "text/plain; version=0.0.4",
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\n\
         process_resident_memory_bytes 1048576\nprocess_open_fds 17\n\
         # TYPE queue gauge\nqueue{name=\"a\"} 3\nqueue{name=\"b\"} 4\n",
    );
    let monitor = format!(
        "[monitor]\nprometheus = \"{url}\"\n[monitor.metrics]\nqueued = \"queue\"\nqueued_b = 'queue{{name=\"b\"}}'\n"
    );
    let ended = Storm::new(&scenario(&server.url(), LOAD, &monitor)).run();
    ended.expect(0);
    let readings = rows(&ended.out.join("monitor.csv"));
    for reading in readings.iter().filter(|row| row["side"] == "broker") {
        assert_eq!(reading["cpu_s"], "12.500000");
        assert_eq!(
            (reading["rss_bytes"].as_str(), reading["descriptors"].as_str()),
            ("1048576", "17")
        );
        assert_eq!(reading["threads"], "", "nobody told of threads");
        assert_eq!((reading["queued"].as_str(), reading["queued_b"].as_str()), ("7", "4"));
    }
}

#[test]
fn a_calibration_tells_each_percentile_beside_the_responders_own_and_its_code_says_whether_they_agree()
 {
    let ended = tokenstorm(&["calibrate", "--rate", "200", "--json", "--progress", "none"]);
    let told: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    // How near they are is the machine's to say, and changes with what else it does.
    let code = i32::from(told["passed"] != true);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let rows = told["rows"].as_array().unwrap();
    let of = |phase: &str| rows.iter().filter(|row| row["phase"] == phase).count();
    let phases = ["connack", "expiry_enforcement", "reconnect"];
    assert_eq!(phases.map(of), [12, 4, 4], "{told}");
    for row in rows.iter().filter(|row| row["phase"] == "expiry_enforcement") {
        // From 20 ms on; that all were seen is known where this is within anything.
        assert!(row["responder_us"].as_f64() > Some(20_000.0), "{row}");
        assert!(row["measured_us"].as_f64() > Some(20_000.0), "{row}");
    }
    for row in rows.iter().filter(|row| row["phase"] == "connack") {
        assert!(row["responder_us"].as_f64() > Some(9_990.0), "no answer before its time: {row}");
        // What the harness sees can't be shorter than what the responder took.
        assert!(row["off_us"].as_f64() > Some(-row["allowed_us"].as_f64().unwrap()), "{row}");
    }
    let stall = &told["stall"];
    assert!(stall["response_p99_us"].as_f64() > Some(1_800_000.0), "it shows: {stall}");
}

#[test]
fn a_column_that_every_process_has_may_be_named_and_what_is_no_number_of_its_kind_is_empty() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    for (page, is_told) in [
        ("process_cpu_seconds_total 5\nprocess_resident_memory_bytes 1048576\nm 1\n", true),
        ("process_cpu_seconds_total NaN\nprocess_resident_memory_bytes +Inf\nm NaN\n", false),
        ("process_cpu_seconds_total -1e308\nprocess_resident_memory_bytes -1\nm -Inf\n", false),
        ("process_cpu_seconds_total 1e308\nprocess_resident_memory_bytes 1e308\nm 1e400\n", false),
    ] {
        let url = web("text/plain", page);
        let monitor = format!(
            "[monitor]\nprometheus = \"{url}\"\n[monitor.metrics]\nx = \"m\"\n\
             cpu_s = \"process_cpu_seconds_total\"\nrss_bytes = \"process_resident_memory_bytes\"\n"
        );
        let ended = Storm::new(&scenario(&server.url(), LOAD, &monitor)).run();
        let summary = ended.expect(0);
        let readings = rows(&ended.out.join("monitor.csv"));
        let broker: Vec<_> = readings.iter().filter(|row| row["side"] == "broker").collect();
        assert!(broker.len() >= 3, "{readings:?}");
        for reading in broker {
            assert_eq!(reading.len(), 7, "each column once: {reading:?}");
            for column in ["cpu_s", "rss_bytes", "x"] {
                assert_eq!(!reading[column].is_empty(), is_told, "{page}: {reading:?}");
            }
        }
        let warnings = summary["monitor"]["warnings"].as_array().unwrap().len();
        assert_eq!(warnings, if is_told { 0 } else { 3 }, "{}", summary["monitor"]);
        assert!(ended.out.join("report.html").is_file(), "{}", ended.stderr);
    }
    let own = "[monitor]\nprometheus = \"http://127.0.0.1:9\"\n[monitor.metrics]\nsecond = \"m\"\n";
    let ended = Storm::new(&scenario(&server.url(), LOAD, own)).run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("`monitor.metrics.second`"), "{}", ended.stderr);
}
