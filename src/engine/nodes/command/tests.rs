use super::*;

fn run(command: &str) -> (Result<(), String>, Commands) {
    let mut commands = Commands::default();
    let done = commands.run(command, &AtomicBool::new(false), Clock::start());
    (done, commands)
}

fn end(mut commands: Commands) {
    commands.end(Clock::start());
}

#[test]
fn a_command_that_fails_says_how_and_what_it_said_last() {
    let (done, commands) = run("echo fine; echo no such node >&2; exit 3");
    assert_eq!(done.unwrap_err(), "its command ended with exit code 3: no such node");
    end(commands);
    let (done, commands) = run("kill -9 $$");
    assert_eq!(done.unwrap_err(), "its command was ended by signal 9");
    end(commands);
    assert_eq!(run("true").0, Ok(()));
}

#[test]
fn nothing_is_said_where_it_might_be_a_secret() {
    for command in ["PASSWORD=hunter2; echo hunter2; exit 1", "echo secret=hunter2; exit 1"] {
        let (done, commands) = run(command);
        assert_eq!(done.unwrap_err(), "its command ended with exit code 1");
        end(commands);
    }
}

#[test]
fn secrets_in_the_environment_are_not_for_commands() {
    // Cargo sets it.
    let command = "test -z \"$CARGO_MANIFEST_DIR\"";
    let (done, commands) = run(command);
    assert!(done.is_err(), "it is there");
    end(commands);
    let mut commands = Commands::without(vec!["CARGO_MANIFEST_DIR".to_owned()]);
    assert_eq!(commands.run(command, &AtomicBool::new(false), Clock::start()), Ok(()));
    end(commands);
    let text = "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [keys.a]\nalgorithm = \"HS256\"\nsecret_env = \"MINE\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    let scenario = crate::scenario::parse(text, &crate::scenario::Overrides::default()).unwrap();
    let names = secret_variables(&scenario);
    assert!(names.contains(&"MINE".to_owned()) && names.len() == 5, "{names:?}");
}

#[test]
fn a_command_that_does_not_end_is_killed_with_all_that_it_started() {
    let mut commands = Commands::default();
    // The run is over: ten seconds are left.
    let mut clock = Clock::start();
    let over = AtomicBool::new(true);
    let file = tempfile::NamedTempFile::new().unwrap();
    let command = format!("sleep 300 & echo $! > {}; wait", file.path().display());
    let why = commands.run(&command, &over, clock).unwrap_err();
    assert!(why.contains("did not end within 10s after the end of the run"), "{why}");
    assert!(why.contains("let it return"), "{why}");
    clock = Clock::start();
    commands.end(clock);
    let child = std::fs::read_to_string(file.path()).unwrap();
    let state = process::Process::new(child.trim().parse().unwrap()).and_then(|it| it.stat());
    assert!(state.is_err() || state.unwrap().state == 'Z');
}

#[test]
fn what_a_command_left_behind_ends_with_the_run_and_a_daemon_stays() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let (done, commands) =
        run(&format!("sleep 300 & echo $! > {path}; setsid sleep 301 & echo $! >> {path}"));
    assert_eq!(done, Ok(()));
    let pids: Vec<i32> = std::fs::read_to_string(file.path())
        .unwrap()
        .lines()
        .map(|pid| pid.parse().unwrap())
        .collect();
    let runs = |pid: i32| {
        let stat = process::Process::new(pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.state != 'Z')
    };
    // The daemon has its own session once `setsid` has got so far.
    let has_own = || {
        let stat = process::Process::new(pids[1]).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.pgrp == pids[1])
    };
    while !has_own() {
        thread::sleep(SHORT_GLANCE);
    }
    end(commands);
    assert!(!runs(pids[0]) && runs(pids[1]));
    rustix::process::kill_process(Pid::from_raw(pids[1]).unwrap(), Signal::KILL).unwrap();
}
