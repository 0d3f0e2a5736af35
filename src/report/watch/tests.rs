use std::{
    io::{Read, Write},
    net::TcpStream,
};

use tempfile::TempDir;

use super::*;
use crate::record::{live::Now, measure::Measurements, results::fixture};

static NEVER: AtomicBool = AtomicBool::new(false);

fn watch() -> Watch {
    Watch::listen(([127, 0, 0, 1], 0).into()).unwrap()
}

/// Where a run with this folder has come to.
fn snapshot(folder: Option<&Path>) -> Arc<Snapshot> {
    let plan = fixture::plan(
        "name = \"seen\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 90\nconcurrency = 1\n\
         [[mix]]\ntoken = \"not_a_jwt\"\nshare = 1\n",
    );
    let folder = folder.map(Path::to_path_buf);
    let now = Now { run: "seen-1".into(), storm_s: 12.5, open: 7, folder, ..Now::default() };
    Arc::new(Snapshot::of(&plan, &Measurements::new(1, 1), now))
}

/// A folder with the summary of a run that goes on.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut summary = fixture::summary();
    summary.partial = true;
    let text = serde_json::to_string(&summary).unwrap();
    fs::write(folder.path().join("summary.json"), text).unwrap();
    folder
}

/// The head and the body of the answer to somebody who asks for a path of a host.
fn ask(watch: &Watch, method: &str, path: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", watch.address.port())).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn page(watch: &Watch) -> (String, String) {
    let (head, body) = ask(watch, "GET", "/", "localhost");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    (head, body)
}

#[test]
fn the_page_says_how_far_the_run_is_and_is_its_report_at_the_end() {
    let watch = watch();
    let (head, body) = page(&watch);
    assert!(head.contains("tokenstorm-run: under way"), "{head}");
    assert!(body.contains("No client has started yet"), "{body}");
    // A page that was drawn is not drawn anew at once.
    let rested = || watch.view.shown.lock().until = 0;
    rested();
    watch.hears(&snapshot(None));
    let (_, body) = page(&watch);
    assert!(body.contains("Nothing has answered yet") && body.contains("of 90"), "{body}");
    let folder = folder();
    rested();
    watch.hears(&snapshot(Some(folder.path())));
    let (_, body) = page(&watch);
    assert!(body.contains("seen-1") && body.contains("12s") && body.contains("7 connections"));
    assert!(body.contains("<h1") && body.contains(">Under way; so far"), "{body}");
    assert!(body.contains("<script>") && body.contains("<svg"), "{body}");
    fs::write(folder.path().join("report.html"), "the report").unwrap();
    thread::scope(|scope| {
        let ending = scope.spawn(|| watch.ends(Some(&folder.path().join("report.html")), &NEVER));
        while watch.view.shown.lock().over.is_none() {
            thread::yield_now();
        }
        assert!(!ending.is_finished(), "somebody looked a moment ago");
        ask(&watch, "HEAD", "/", "localhost");
        assert!(watch.view.shown.lock().over.unwrap().given.is_none(), "nobody has read it");
        // A second page gets it, too.
        for _ in 0..2 {
            let (head, body) = page(&watch);
            assert!(head.contains("tokenstorm-run: over") && body == "the report", "{head}{body}");
            assert!(!ending.is_finished(), "others may ask yet");
        }
        ending.join().unwrap();
    });
}

#[test]
fn the_end_waits_for_nobody_who_is_not_there_and_not_once_it_is_stopped() {
    let unseen = watch();
    let start = unseen.view.clock.now();
    unseen.ends(Some(Path::new("/nowhere")), &NEVER);
    assert!(unseen.view.clock.now() - start < LAST_LOOK);
    let (_, body) = page(&unseen);
    assert!(body.contains("has no page"), "{body}");
    let seen = watch();
    page(&seen);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = scope.spawn(|| seen.ends(None, &stop));
        while seen.view.shown.lock().over.is_none() {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        ending.join().unwrap();
        assert!(seen.view.shown.lock().over.unwrap().given.is_none(), "nobody has it");
    });
}

#[test]
fn what_can_not_be_drawn_is_said_and_the_run_goes_on() {
    let watch = watch();
    let folder = folder();
    fs::write(folder.path().join("timeline.csv"), "second,started\n0,many\n").unwrap();
    watch.hears(&snapshot(Some(folder.path())));
    let (_, body) = page(&watch);
    assert!(body.contains("could not be drawn") && body.contains("timeline.csv"), "{body}");
}

#[test]
fn only_who_has_the_address_reads_the_page() {
    let watch = watch();
    for host in ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:9"] {
        assert!(ask(&watch, "GET", "/", host).0.starts_with("http/1.1 200"), "{host}");
    }
    // A name of somebody else that leads to the loopback.
    for (path, host) in [("/", "evil.example"), ("/other", "localhost"), ("/", "")] {
        let (head, body) = ask(&watch, "GET", path, host);
        assert!(head.starts_with("http/1.1 404") && !body.contains("html"), "{host}{path}: {head}");
    }
    assert!(ask(&watch, "POST", "/", "localhost").0.starts_with("http/1.1 405"));
    let reachable = Watch::listen(([0, 0, 0, 0], 0).into()).unwrap();
    let secret = reachable.view.path.clone();
    assert!(secret.len() > 20 && reachable.url().ends_with(&secret), "{secret}");
    assert!(ask(&reachable, "GET", "/", "any.example").0.starts_with("http/1.1 404"));
    assert!(ask(&reachable, "GET", &secret, "any.example").0.starts_with("http/1.1 200"));
    let taken = Watch::listen(watch.address).unwrap_err();
    assert!(taken.to_string().contains(&watch.address.to_string()), "{taken}");
}
