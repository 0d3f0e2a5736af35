//! Runs between hosts of their own, and what becomes of them when a link is cut. Hosts are network namespaces; a broker of the
//! test counts who comes, and is the judge: no run tells of more than that has heard.

mod crew;
mod net;

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use self::crew::{AGENTS, CLIENTS, Crew};
use crate::run::number;

/// What the test cuts lasts so long: below what an agent's silence may last.
const SHORT: Duration = Duration::from_secs(2);

#[test]
#[ignore = "needs nats-server and root: scripts/test-live"]
fn a_link_that_heals_in_time_costs_nothing_and_one_that_does_not_is_named() {
    let Some(crew) = Crew::new() else { return };
    // Attempts on the way of that agent come late, and come.
    let mut run = crew.start("healed", "connect_timeout = \"20s\"\nhold = \"0s\"");
    crew.wait_for(&mut run, 100);
    crew.net.link("a1", "down");
    thread::sleep(SHORT);
    crew.net.link("a1", "up");
    crew.end(run).is_exact();

    let mut run = crew.start("cut", "connect_timeout = \"2s\"\nhold = \"6s\"");
    crew.wait_for(&mut run, 200);
    crew.net.link("a1", "down");
    let judged = crew.end(run);
    crew.net.link("a1", "up");
    assert_eq!(judged.run.code, Some(3), "{}", judged.run.stderr);
    let lost = judged.agent(&crew.log("a1"));
    assert!(!lost["lost_at_s"].is_empty() && lost["lost_why"].contains("nothing was heard of it"));
    let reasons = judged.reasons();
    let known = format!("{} of its", lost["attempts"]);
    assert!(reasons.contains(&lost["agent"]) && reasons.contains(&known), "{reasons}");
    for other in &AGENTS[1..] {
        let other = judged.agent(&crew.log(other));
        assert!(other["lost_at_s"].is_empty(), "{other:?}");
        assert_eq!(number(&other, "accepted"), number(&other, "attempts"), "{other:?}");
    }
    // For all that is known its clients are not open any more, when those of the others have left.
    assert_eq!(judged.open().last(), Some(&0), "{:?}", judged.open());
}

#[test]
#[ignore = "needs nats-server and root: scripts/test-live"]
fn an_agent_with_a_path_or_a_key_of_its_own_is_named_before_the_broker_is_blamed() {
    let Some(crew) = Crew::new() else { return };
    crew.net.drop_route("brk", 11);
    // Longer than it takes until a SYN is sent again.
    let run = crew.start("apart", "connect_timeout = \"2s\"\nhold = \"0s\"");
    let judged = crew.end(run);
    crew.net.mend_route("brk", 11);
    let (own, other) = (judged.agent(&crew.log("a1")), judged.agent(&crew.log("a2")));
    assert_eq!(number(&own, "failed"), number(&own, "attempts"), "{own:?}");
    assert_eq!(number(&other, "failed"), 0, "{other:?}");
    let reasons = judged.reasons();
    assert!(reasons.contains(&format!("agent `{}`", own["agent"])), "{reasons}");
    assert!(reasons.contains("at `mqtt://10.77.0.3:2883`, from second "), "{reasons}");
    let environment = judged.environment();
    assert!(environment["syn_retransmits"].as_u64().unwrap() > 0, "that host's are counted");

    crew.give_another_secret("a2");
    let judged = crew.end(crew.start("key", ""));
    assert_eq!((judged.run.code, judged.heard), (Some(2), 0), "{}", judged.run.stderr);
    let name = crew.log("a2").split_whitespace().nth(1).unwrap().to_owned();
    assert!(judged.run.stderr.contains(&format!("agent `{name}`")), "{}", judged.run.stderr);
    assert!(judged.run.stderr.contains("another `keys.main`"), "{}", judged.run.stderr);
    crew.give_the_secret("a2");
    crew.end(crew.start("same", "hold = \"0s\"")).is_exact();
}

#[test]
#[ignore = "needs nats-server and root: scripts/test-live"]
fn a_nats_that_comes_back_costs_nothing_and_one_that_does_not_keeps_nobody_from_ending() {
    let Some(mut crew) = Crew::new() else { return };
    let mut run = crew.start("restart", "hold = \"0s\"");
    crew.wait_for(&mut run, 100);
    crew.kill_nats();
    thread::sleep(SHORT + Duration::from_secs(1));
    crew.start_nats();
    crew.end(run).is_exact();
    for agent in AGENTS {
        let log = crew.log(agent);
        assert!(log.contains("connection to NATS is gone") && log.contains("is back"), "{log}");
    }

    let mut run = crew.start("away", "hold = \"60s\"");
    crew.wait_for(&mut run, 100);
    crew.net.link("a1", "down");
    crew.net.link("crd", "down");
    let begun = Instant::now();
    crew.agent("a1").signal(Signal::INT);
    assert_eq!(crew.agent("a1").ends(), Some(130));
    kill_process(Pid::from_child(&run.child), Signal::INT).unwrap();
    let judged = crew.end(run);
    // Not a figure: what waits for something that does not come waits for ten seconds and more.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(judged.run.code, Some(130), "{}", judged.run.stderr);
    assert!(judged.summary().unwrap()["attempts"].as_u64().unwrap() <= CLIENTS);
}

#[test]
#[ignore = "needs nats-server and root: scripts/test-live"]
fn a_run_does_not_begin_without_an_agent_that_is_lost_before() {
    let Some(mut crew) = Crew::new() else { return };
    // Thousands of such tokens, minted ahead, take seconds.
    crew.give_rsa_keys();
    let key = "algorithm = \"RS512\"\nprivate_key = \"rsa.pem\"";
    let mut run = crew.start_at(2000, key, "early", "");
    run.wait_until_said("ready: 3 agents");
    crew.agent("a3").signal(Signal::KILL);
    let judged = crew.end(run);
    assert_eq!((judged.run.code, judged.heard), (Some(3), 0), "{}", judged.run.stderr);
    assert!(judged.run.stderr.contains("was lost before the start"), "{}", judged.run.stderr);
}
