//! What a run leaves whose program is killed.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    run::{Storm, check_conserved, read_json, rows, scenario},
    server::{Server, until_closed},
};

#[test]
fn the_files_of_a_killed_run_count_the_same_attempts() {
    let server = Server::start(|stream, _| {
        stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        until_closed(stream);
    });
    let load = "stages = [{ rate = 200, for = \"60s\" }]";
    for turn in 0..4 {
        let storm = Storm::new(&scenario(&server.url(), load, ""));
        let mut run = storm.start();
        let path = storm.out().join("summary.json");
        // Killed the moment a summary is there that was not before, which is when the other file would be a second behind.
        let inode = || fs::metadata(&path).map(|file| file.ino()).ok();
        let (begun, mut seen, mut changes) = (Instant::now(), None, 0);
        while changes < 2 {
            let found = inode();
            changes += u32::from(found.is_some() && found != seen);
            seen = found;
            assert!(begun.elapsed() < Duration::from_mins(1), "no second summary came");
        }
        kill_process(Pid::from_child(&run), Signal::KILL).unwrap();
        run.wait().unwrap();
        let summary = read_json(&path).unwrap();
        check_conserved(&summary);
        let counts = rows(&storm.out().join("verdicts.csv"));
        let counted: u64 = counts.iter().map(|row| row["count"].parse::<u64>().unwrap()).sum();
        assert_eq!(summary["attempts"].as_u64(), Some(counted), "turn {turn}");
        assert!(counted > 0 && summary["partial"] == true);
    }
}
