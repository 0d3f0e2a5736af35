//! Runs that several processes share, over a real NATS: what they find, and what becomes of them when one is lost.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::{
    broker::{Broker, apart, timeline, wait_until},
    run::{Ended, Storm, children, everything, number, program, rows, scenario, tokenstorm},
};

/// Half good tokens, half expired ones, in the open model.
const MIX: &str = "profile = \"rmqtt\"\n---\n[policy]\nchecks = [\"exp\"]\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\n\
    token = \"expired\"\nby = \"1h\"\nshare = 1\n[thresholds]\n\"verdict.false_accept\" = [\"count == 0\"]\n\
    \"connack{token:fresh}\" = [\"p99 < 5s\"]\n";

pub(crate) fn storm(load: &str) -> Storm {
    let text = scenario("embedded", load, MIX);
    Storm::new(&text.replace("\"embedded\"", "\"embedded\", \"embedded\""))
}

pub(crate) fn agents(run: &Ended) -> Vec<BTreeMap<String, String>> {
    rows(&run.out.join("agents.csv"))
}

/// The agents that a run has started: those of its children that are.
fn agents_of(run: &Child) -> Vec<Pid> {
    let is_agent = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("agent\0--once")
    };
    children(run.id()).into_iter().filter(is_agent).filter_map(Pid::from_raw).collect()
}

fn is_gone(pid: Pid) -> bool {
    // One that nobody has waited for is gone all the same.
    let stat =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_err()
        || stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

/// Waits until processes have gone.
fn wait_for_end(pids: &[Pid]) {
    let start = Instant::now();
    while !pids.iter().all(|pid| is_gone(*pid)) {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "agents that go on without a coordinator"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn start(storm: &Storm, arguments: &[&str]) -> Child {
    let mut command = program();
    command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
    command.args(["--progress", "none"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts three agents, lets their storm go on for two seconds, and takes one of them.
fn lose_one(storm: &Storm, arguments: &[&str]) -> (Child, Pid) {
    let mut run = start(storm, &[&["--agents", "3"], arguments].concat());
    wait_until(storm, &mut run, "two seconds", |rows| rows.len() >= 2);
    let agents = agents_of(&run);
    assert_eq!(agents.len(), 3);
    (run, agents[1])
}

/// A run that lacks the part of one agent of three says so, and nothing that it would need it for.
fn expect_lost(run: &Ended, code: i32) -> Value {
    let summary = run.expect(code);
    assert_eq!(summary["validity"]["verdict"], "degraded", "{}", summary["validity"]);
    let reason = summary["validity"]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("was lost") && reason.contains("33.3 %"), "{reason}");
    assert_eq!(summary["agents"]["count"], 3);
    let lost: Vec<_> = agents(run).into_iter().filter(|row| !row["lost_at_s"].is_empty()).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(summary["agents"]["lost"], serde_json::json!([lost[0]["agent"]]));
    for threshold in summary["thresholds"].as_array().unwrap() {
        assert_eq!(threshold["passed"], Value::Null, "{threshold}");
    }
    let told: u64 = agents(run).iter().map(|row| number(row, "attempts")).sum();
    assert_eq!(told, summary["attempts"].as_u64().unwrap(), "what it sent is kept");
    summary
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_find_together_what_one_process_finds() {
    let storm = storm("stages = [{ rate = 400, for = \"3s\" }]\nhold = \"1s\"");
    let alone = storm.run();
    let one = alone.expect(0);
    let run = storm.run_again(&["--agents", "4"]);
    let all = run.expect(0);
    assert_eq!(run.verdicts(), alone.verdicts());
    for part in ["by_token", "by_broker"] {
        for (name, of) in one[part].as_object().unwrap() {
            assert_eq!(of["attempts"], all[part][name]["attempts"], "{name}");
            assert_eq!(of["verdicts"], all[part][name]["verdicts"], "{name}");
        }
    }
    let agents = agents(&run);
    assert_eq!(agents.len(), 4);
    let told: Vec<u64> = agents.iter().map(|row| number(row, "attempts")).collect();
    assert_eq!(told.iter().sum::<u64>(), all["attempts"].as_u64().unwrap());
    assert!(told.iter().all(|count| *count > 200), "an even share: {told:?}");
    let environment = crate::run::read_json(&run.out.join("environment.json")).unwrap();
    let ports: HashSet<String> = environment["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["ports"].to_string())
        .collect();
    assert_eq!(ports.len(), 4, "ranges of their own: {ports:?}");
    assert!(!everything(&run).contains(crate::run::SECRET), "the secret is nowhere");
    assert!(run.out.join("report.html").is_file());
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn the_closed_model_and_shared_tokens_are_split_without_loss() {
    for load in [
        "clients = 900\nconcurrency = 7",
        "clients = 900\nconcurrency = 7\nmode = \"churn\"\nfor = \"3s\"",
    ] {
        let text =
            scenario("embedded", load, &MIX.replace("[policy]", "[token]\nreuse = 3\n[policy]"));
        let run = Storm::new(&text).run_with(&["--agents", "3"]);
        let summary = run.expect(0);
        assert!(summary["attempts"].as_u64().unwrap() <= 900);
        assert!(!load.contains("churn") || summary["attempts"].as_u64().unwrap() > 9, "{summary}");
        assert!(load.contains("churn") || summary["attempts"] == 900, "{summary}");
    }
    let few = Storm::new(&scenario("embedded", "clients = 900\nconcurrency = 2", MIX));
    let run = few.run_with(&["--agents", "3"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("`load.concurrency` is 2"), "{}", run.stderr);
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn a_run_that_loses_an_agent_is_degraded_and_keeps_what_it_sent() {
    let storm = storm("stages = [{ rate = 300, for = \"9s\" }]\nhold = \"1s\"");
    let (run, agent) = lose_one(&storm, &[]);
    kill_process(agent, Signal::KILL).unwrap();
    let run = storm.wait(run);
    let summary = expect_lost(&run, 3);
    assert!(run.stderr.contains("is lost: nothing was heard of it"), "{}", run.stderr);
    let (known, whole) = (summary["attempts"].as_u64().unwrap(), 2700);
    assert!(known > whole / 2 && known < whole, "nobody took over its share: {known}");
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn an_agent_that_is_stopped_on_its_host_is_lost_and_what_it_saw_until_then_is_kept() {
    let storm = storm("stages = [{ rate = 300, for = \"6s\" }]\nhold = \"1s\"");
    let (run, agent) = lose_one(&storm, &[]);
    kill_process(agent, Signal::TERM).unwrap();
    let run = storm.wait(run);
    let summary = expect_lost(&run, 3);
    assert!(run.stderr.contains("is lost: it ended before its time"), "{}", run.stderr);
    assert!(summary["attempts"].as_u64().unwrap() > 1200, "the others go on: {summary}");
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn an_agent_that_was_frozen_and_comes_back_is_told_that_the_run_is_over_for_it() {
    let storm = storm("stages = [{ rate = 300, for = \"14s\" }]\nhold = \"1s\"");
    let (mut run, agent) = lose_one(&storm, &["--allow-lost-agents"]);
    kill_process(agent, Signal::STOP).unwrap();
    wait_until(&storm, &mut run, "the loss", |_| {
        let summary = crate::run::read_json(&storm.out().join("summary.json")).unwrap_or_default();
        summary["agents"]["lost"].as_array().is_some_and(|lost| !lost.is_empty())
    });
    kill_process(agent, Signal::CONT).unwrap();
    // While the run goes on.
    wait_for_end(&[agent]);
    assert!(run.try_wait().unwrap().is_none(), "the others go on");
    expect_lost(&storm.wait(run), 0);
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_whose_coordinator_is_gone_end_and_so_does_the_server_that_it_brought() {
    let storm = storm("stages = [{ rate = 100, for = \"60s\" }]");
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
    command.args(["--progress", "none", "--agents", "2"]).env("TMPDIR", folder.path());
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&storm, &mut run, "two seconds", |rows| rows.len() >= 2);
    // Nobody else can read the token, wherever it stands.
    let own = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let fleet: Vec<_> =
        fs::read_dir(folder.path()).unwrap().flatten().map(|it| it.path()).collect();
    assert!(fleet.len() == 1 && own(&fleet[0]) == 0o700, "{fleet:?}");
    let files: Vec<_> = fs::read_dir(&fleet[0]).unwrap().flatten().map(|it| it.path()).collect();
    assert!(files.len() >= 4 && files.iter().all(|file| own(file) == 0o600), "{files:?}");
    let agents = agents_of(&run);
    let mut all: Vec<Pid> = children(run.id()).into_iter().filter_map(Pid::from_raw).collect();
    // The server is a child of its warden.
    let wardens: Vec<u32> = all.iter().map(|pid| pid.as_raw_nonzero().get() as u32).collect();
    all.extend(wardens.into_iter().flat_map(children).filter_map(Pid::from_raw));
    assert!(agents.len() == 2 && all.len() > 3);
    run.kill().unwrap();
    run.wait().unwrap();
    // Long before an agent would notice that it hears of nobody any more.
    let start = Instant::now();
    wait_for_end(&all);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the token is left");
    assert!(timeline(&storm).len() >= 2, "what was written stays");
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn ctrl_c_ends_all_agents_and_keeps_what_they_saw() {
    let storm = storm("stages = [{ rate = 300, for = \"60s\" }]\nhold = \"30s\"");
    let mut run = start(&storm, &["--agents", "3"]);
    wait_until(&storm, &mut run, "three seconds", |rows| rows.len() >= 3);
    let all: Vec<Pid> = children(run.id()).into_iter().filter_map(Pid::from_raw).collect();
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let run = storm.wait(run);
    let summary = run.expect(130);
    assert_eq!(summary["validity"]["verdict"], "interrupted");
    assert_eq!(summary["agents"]["lost"], serde_json::json!([]), "{}", run.stderr);
    assert!(summary["attempts"].as_u64().unwrap() > 600, "{summary}");
    wait_for_end(&all);
}

/// Ends a process when a test ends.
pub(crate) struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn agent(nats: &Broker, arguments: &[&str]) -> Kept {
    let mut command = program();
    command.arg("agent").args(["--nats", nats.get("NATS")]).args(arguments);
    command.env("TOKENSTORM_NATS_TOKEN", nats.get("TOKEN"));
    Kept(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

pub(crate) fn run_at(nats: &Broker, storm: &Storm, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
    command.args(["--progress", "none", "--nats", nats.get("NATS")]).args(arguments);
    command.env("TOKENSTORM_NATS_TOKEN", nats.get("TOKEN"));
    crate::run::ended(command.output().unwrap(), storm.out())
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_wait_for_one_run_after_another_and_those_that_do_not_come_are_an_error() {
    let nats = Broker::start("nats");
    let _agents = [agent(&nats, &["--group", "two"]), agent(&nats, &["--group", "two"])];
    let wanted = ["--agents", "2", "--group", "two"];
    for _ in 0..2 {
        let storm = storm("stages = [{ rate = 200, for = \"1s\" }]");
        run_at(&nats, &storm, &wanted).expect(0);
    }
    let storm = storm("stages = [{ rate = 200, for = \"1s\" }]");
    let three = ["--agents", "3", "--group", "two", "--agents-timeout", "2s"];
    let run = run_at(&nats, &storm, &three);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("2 of 3 agents came to group `two` within 2s"), "{}", run.stderr);
    assert!(!storm.out().exists(), "a run that did not start leaves nothing");
    // They are free again.
    run_at(&nats, &storm, &wanted).expect(0);
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_meet_behind_tls_and_nobody_without_the_authority() {
    let nats = Broker::start("nats");
    let (url, ca) = (nats.get("NATS_TLS"), nats.get("CA"));
    let tls = ["--tls", "--tls-ca", ca];
    let mut command = program();
    command
        .arg("agent")
        .args(["--nats", url])
        .args(tls)
        .env("TOKENSTORM_NATS_TOKEN", nats.get("TOKEN"));
    let _agent = Kept(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let storm = storm("stages = [{ rate = 200, for = \"1s\" }]");
    let run = |more: &[&str]| {
        let mut command = program();
        command.arg("run").arg(storm.scenario()).arg("--out").arg(storm.out());
        command.args(["--progress", "none", "--agents", "1", "--nats", url]).args(more);
        command.args(["--nats-timeout", "2s"]);
        command.env("TOKENSTORM_NATS_TOKEN", nats.get("TOKEN"));
        crate::run::ended(command.output().unwrap(), storm.out())
    };
    let stranger = run(&["--tls"]);
    assert_eq!(stranger.code, Some(2), "{}", stranger.stderr);
    let told = &stranger.stderr;
    assert!(told.contains("is not trusted") && told.contains("`--tls-ca FILE`"), "{told}");
    run(&tls).expect(0);
}

#[test]
#[ignore = "needs network namespaces and nats-server: scripts/test-live"]
fn an_agent_that_is_cut_off_is_lost_and_keys_do_not_travel_where_they_can_be_read() {
    let storm = Storm::new(&scenario(
        "mqtt://10.78.0.1:1883",
        "stages = [{ rate = 200, for = \"14s\" }]\nhold = \"1s\"",
        MIX,
    ));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/cut_off.sh");
    let program = env!("CARGO_BIN_EXE_tokenstorm");
    let (scenario, out) = (storm.scenario(), storm.out());
    let arguments = [script.as_os_str(), program.as_ref(), scenario.as_os_str(), out.as_os_str()];
    let output = apart("--net", "exec bash \"$0\" \"$@\"", &arguments).output().unwrap();
    let run = crate::run::ended(output, storm.out());
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("keys travel only where they can't be read: exit code 2"), "{said}");
    assert!(said.contains("an empty token: exit code 2"), "{said}");
    assert!(said.contains("no credentials: exit code 2"), "{said}");
    let summary = run.expect(3);
    assert_eq!(summary["validity"]["verdict"], "degraded", "{said}");
    assert_eq!(summary["agents"]["lost"].as_array().unwrap().len(), 1, "{said}");
    assert!(said.contains("is lost: nothing was heard of it"), "{said}");
    assert!(said.contains("the agent that was cut off has ended"), "{said}");
}

#[test]
fn what_agents_can_t_share_is_refused_with_a_way_out() {
    let refused = |load: &str, more: &str, words: &str| {
        let storm = Storm::new(&scenario("mqtt://127.0.0.1:1", load, more));
        let run = storm.run_with(&["--agents", "2"]);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!storm.out().exists());
    };
    refused("mode = \"preconnect\"\nwave = 8\nconcurrency = 8", "", "`load.mode` is `preconnect`");
    let series = tokenstorm(&["run", "scenarios/capacity.toml", "--agents", "2"]);
    assert_eq!(series.code, Some(2), "{}", series.stderr);
    assert!(series.stderr.contains("which agents can't share"), "{}", series.stderr);
    refused("clients = 1\nconcurrency = 1", "", "`--agents` is 2, but there are only 1 clients");
    for wrong in
        [&["--agents", "0"][..], &["--allow-lost-agents"], &["--agents", "2", "--group", "a.b"]]
    {
        let run = tokenstorm(&[&["run", "scenarios/quickstart.toml"], wrong].concat());
        assert_eq!(run.code, Some(2), "{wrong:?}: {}", run.stderr);
    }
    let agent = tokenstorm(&["agent", "--nats", "nats://192.0.2.1:4222"]);
    assert_eq!(agent.code, Some(2), "{}", agent.stderr);
    assert!(agent.stderr.contains("there are no credentials for it"), "{}", agent.stderr);
    let named = tokenstorm(&["agent", "--nats", "nats://dev:hunter2@127.0.0.1:1"]);
    assert_eq!(named.code, Some(2), "{}", named.stderr);
    assert!(!named.stderr.contains("hunter2"), "{}", named.stderr);
    let nobody = tokenstorm(&["agent", "--nats", "nats://127.0.0.1:1", "--nats-timeout", "1s"]);
    assert_eq!(nobody.code, Some(3), "{}", nobody.stderr);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstorm"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("PATH", "/nowhere");
    command.args(["run", "scenarios/quickstart.toml", "--agents", "2"]);
    let without = crate::run::ended(command.output().unwrap(), "none".into());
    assert_eq!(without.code, Some(3), "{}", without.stderr);
    assert!(without.stderr.contains("apt install nats-server"), "{}", without.stderr);
}

#[test]
#[ignore = "needs nats-server: scripts/test-live"]
fn agents_together_tell_of_each_end_of_a_token_and_of_each_client_that_came_back() {
    let more = "[token]\nttl = \"3s\"\n[session]\nreconnect = \"fresh_token\"\ngrace = \"4s\"\n\
                backoff = { first = \"300ms\" }\n[policy]\non_expiry = \"disconnect\"\n\
                [[events]]\nat = \"2s\"\ndo = \"drop_clients\"\nshare = 0.5\n";
    let load = "clients = 60\nstages = [{ rate = 60, for = \"1s\" }]\nhold = \"9s\"";
    let storm = Storm::new(&scenario("embedded", load, more));
    let own = |arguments: &[&str]| {
        let summary = storm.run_in(&[], arguments).expect(0);
        let of = |table: &str, name: &str| summary[table][name].as_u64().unwrap();
        let attempts = summary["attempts"].as_u64().unwrap();
        let renewals = of("renewals", "count") + of("renewals", "token_failed");
        assert_eq!(
            attempts,
            summary["clients"].as_u64().unwrap() + of("returns", "attempts") + renewals
        );
        let ends = ["back", "gave_up", "still_away"].map(|name| of("returns", name));
        assert_eq!(of("returns", "drops"), ends.iter().sum::<u64>());
        let expire = &summary["operations"]["expire"];
        assert_eq!(expire["count"], summary["lifetime"]["expired"]);
        assert_eq!(expire["verdicts"]["false_accept"], 0);
        assert!(of("returns", "back") > 100, "each came back twice at least: {summary}");
        summary["sessions"]["dropped_by_code"]["event"].as_u64().unwrap()
    };
    // Whom an event hits follows from the client's number, whoever drives it.
    assert_eq!(own(&["--agents", "3"]), own(&[]));
}

#[test]
#[ignore = "needs nats-server and Mosquitto: scripts/test-live"]
fn agents_tell_together_of_each_auth_and_of_each_certificate_of_their_clients() {
    let broker = Broker::start("mosquitto-jwt");
    let load = "stages = [{ rate = 60, for = \"2s\" }]\narrivals = \"constant\"\nhold = \"4500ms\"";
    let session = "[session]\nrenew = \"reauthenticate\"\nrenew_before = \"3s\"\nrenew_with = [\n\
                   { token = \"fresh\", share = 3 }, { token = \"wrong_key\", share = 1 }]\n";
    let run = Storm::new(&format!(
        "name = \"again\"\n[target]\nbrokers = [\"{}\"]\nprofile = \"mosquitto-jwt\"\ntoken_in = \"auth_data\"\n\
         auth_method = \"OAUTH2-JWT\"\n[load]\n{load}\n[identity]\nclient_id = \"device-{{n}}\"\nusername = \"user-{{n}}\"\n\
         [keys.main]\nalgorithm = \"ES256\"\nprivate_key = \"{}\"\n[token]\nttl = \"6s\"\n[token.claims]\n\
         iss = \"https://issuer.example\"\naud = \"mqtt\"\nsub = \"{{username}}\"\n{session}\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n",
        broker.get("MQTT"),
        broker.get("ES256_PRIVATE_KEY"),
    ))
    .run_with(&["--agents", "2"]);
    let summary = run.summary();
    let reauth = &summary["operations"]["reauthenticate"];
    assert_eq!(reauth["count"], 120, "{}", run.stdout);
    assert_eq!(reauth["outcomes"]["renewed"], reauth["verdicts"]["correct"], "{reauth}");
    let renewals = &summary["renewals"];
    assert_eq!((&renewals["count"], &renewals["token_failed"]), (&120.into(), &0.into()));
    assert_eq!(
        summary["phases"]["reauth"]["count"].as_u64(),
        reauth["outcomes"]["renewed"].as_u64()
    );
    assert_eq!(agents(&run).len(), 2);

    // Certificates are made by each agent, and fit the tokens that it mints.
    let bound = crate::bound::storm(&broker, "1.3", &crate::bound::KINDS, "");
    let run = bound.run_with(&["--agents", "2"]);
    let summary = run.expect(0);
    assert_eq!(summary["verdicts"]["correct"], 80, "{:?}", run.verdicts());
    assert_eq!(agents(&run).len(), 2);
}
