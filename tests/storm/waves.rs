//! `preconnect` and `churn`: connections that stand before their CONNECTs, and a closed loop for a set time.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    run::{Storm, scenario},
    server::{Server, until_closed},
};

/// Reads a CONNECT, which is shorter than a segment.
fn take_connect(stream: &mut TcpStream) {
    let mut bytes = [0; 2048];
    let count = stream.read(&mut bytes).unwrap();
    assert_eq!(bytes[0], 0x10, "CONNECT, in {count} bytes");
}

/// Connections that wait to be taken.
fn take_waiting(listener: &TcpListener) -> Vec<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let mut taken = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                taken.push(stream);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                listener.set_nonblocking(false).unwrap();
                return taken;
            }
        }
    }
}

#[test]
fn no_connect_comes_before_its_wave_stands_and_no_connection_before_the_wave_before_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let load = "mode = \"preconnect\"\nclients = 48\nwave = 16\nworkers = 1";
    let storm = Storm::new(&scenario(&url, load, ""));
    let server = thread::spawn(move || {
        let mut standing = Vec::new();
        for wave in 0..3 {
            let (mut first, _) = listener.accept().unwrap();
            take_connect(&mut first);
            // A connection that stands at the client is in the queue here.
            let mut others = take_waiting(&listener);
            assert_eq!(others.len(), 15, "wave {wave} stood before its first CONNECT");
            for stream in &mut others {
                take_connect(stream);
                stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
            }
            assert_eq!(take_waiting(&listener).len(), 0, "one of wave {wave} waits yet");
            first.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
            others.push(first);
            standing.extend(others);
        }
    });
    let summary = storm.run().expect(0);
    server.join().unwrap();
    assert_eq!(summary["model"], "preconnect");
    assert_eq!(summary["outcomes"]["accepted"], 48);
    assert_eq!(summary["phases"]["tcp_connect"]["count"], 48);
    assert_eq!(summary["phases"]["connack"]["count"], 48);
    assert!(summary["throughput"]["verdicts_per_s"].as_f64() > Some(0.0));
}

#[test]
fn a_connection_that_the_broker_closes_while_it_stands_is_counted_and_the_others_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        drop(listener.accept());
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                take_connect(&mut stream);
                stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
                until_closed(&mut stream);
            });
        }
    });
    let load = "mode = \"preconnect\"\nclients = 32\nwave = 32\nworkers = 1";
    // By policy a broker may refuse by closing: what it closes before CONNECT is no verdict all the same.
    let policy = "[policy]\nsilent_close = \"correct\"\n";
    let summary = Storm::new(&scenario(&url, load, policy)).run().expect(1);
    assert_eq!(summary["outcomes"]["accepted"], 31, "{}", summary["outcomes"]);
    assert_eq!(summary["codes"]["protocol_error"]["before_connect"], 1, "{}", summary["codes"]);
    assert_eq!(summary["verdicts"]["not_judged"], 1);
}

#[test]
#[cfg(feature = "embedded")]
fn waves_behind_tls_are_judged_as_any_other_load_at_the_rate_of_their_release() {
    let load = "mode = \"preconnect\"\nclients = 90\nwave = 32\nrelease = 400.0";
    let more = "profile = \"rmqtt\"\n---\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n\
                [[mix]]\ntoken = \"expired\"\nby = \"1h\"\nshare = 1\n";
    let summary = Storm::new(&scenario("embedded+tls", load, more)).run().expect(0);
    assert_eq!(summary["verdicts"]["correct"], 90, "{}", summary["codes"]);
    assert_eq!(summary["phases"]["tls_handshake"]["count"], 90);
    assert_eq!(summary["throughput"]["offered_per_s"], 400.0);
    assert!(
        summary["yardstick"]["per_s"]["HS256"].as_f64() > Some(0.0),
        "{}",
        summary["yardstick"]
    );
}

#[test]
fn churn_goes_on_for_its_time_and_leaves_with_a_reset_where_that_is_asked_for() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ends);
    let server = Server::start(move |stream, _| {
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        let mut bytes = [0; 16];
        let first = stream.read(&mut bytes).map(|count| bytes[..count].to_vec());
        let then = stream.read(&mut bytes).map_err(|error| error.kind());
        seen.lock().unwrap().push((first.map_err(|error| error.kind()), then));
    });
    let load = "mode = \"churn\"\nconcurrency = 2\nfor = \"1s\"\nclose = \"reset\"";
    let own = scenario(&server.url(), load, "").replace("clients = 8\n", "");
    let summary = Storm::new(&own.replace("hold = \"0s\"\n", "")).run().expect(0);
    let attempts = summary["attempts"].as_u64().unwrap();
    assert!(attempts > 2, "the loop went round: {attempts}");
    assert_eq!(summary["model"], "churn");
    assert!(summary["duration_s"].as_f64() >= Some(0.9), "{}", summary["duration_s"]);
    let ends = ends.lock().unwrap();
    assert!(!ends.is_empty());
    for (first, then) in ends.iter() {
        // DISCONNECT is there to be read, or the reset has come before it was.
        assert!(
            matches!(first.as_deref(), Ok([0xE0, ..]) | Err(ErrorKind::ConnectionReset)),
            "{first:?}"
        );
        assert!(matches!(then, Err(ErrorKind::ConnectionReset) | Ok(0)), "{then:?}");
    }
    let is_reset = |(first, then): &(Result<Vec<u8>, ErrorKind>, Result<usize, ErrorKind>)| {
        *first == Err(ErrorKind::ConnectionReset) || *then == Err(ErrorKind::ConnectionReset)
    };
    assert!(ends.iter().all(is_reset), "{ends:?}");
}

#[test]
fn a_connack_has_the_time_of_its_arrival_by_the_kernel_and_the_delay_until_it_was_read_beside_it() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let summary =
        Storm::new(&scenario(&server.url(), "receive_time = \"kernel\"", "")).run().expect(0);
    assert_eq!(summary["phases"]["receive_delay"]["count"], 8);
    assert_eq!(summary["phases"]["connack"]["count"], 8);
    let plain = Storm::new(&scenario(&server.url(), "", "")).run().expect(0);
    assert!(plain["phases"].get("receive_delay").is_none(), "{}", plain["phases"]);
}

#[test]
fn connections_that_stand_when_a_run_is_interrupted_are_abandoned_and_no_attempt_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The kernel takes few connections that nobody accepts: the others can't stand, and the wave is not released.
    rustix::net::listen(&listener, 1).unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let load = "mode = \"preconnect\"\nclients = 32\nwave = 32\nworkers = 1\n\
                connect_timeout = \"60s\"\nlogin_timeout = \"60s\"";
    let storm = Storm::new(&scenario(&url, load, ""));
    let child = storm.start();
    let children = format!("/proc/{}/net/tcp", child.id());
    let port = format!(":{:04X} ", listener.local_addr().unwrap().port());
    let begun = std::time::Instant::now();
    let is_there = || {
        let table = std::fs::read_to_string(&children).unwrap_or_default();
        // Connections that are open at the clients' end: the address of the other end comes second.
        table
            .lines()
            .filter(|line| {
                line.split_whitespace().nth(2).is_some_and(|remote| {
                    format!("{remote} ").ends_with(&port) && line.contains(" 01 ")
                })
            })
            .count()
            > 0
    };
    while !is_there() {
        assert!(begun.elapsed().as_secs() < 60, "nobody comes");
        thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut child = child;
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(listener);
}
