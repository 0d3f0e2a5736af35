//! How metrics are served: to those who do not read, send what they like, or come at the end.

use super::*;
use crate::record::live::exporter::MANNER;

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
