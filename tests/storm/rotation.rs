//! Keys that come and go, against the embedded broker with a key set: what is told of it, and what is written.

use std::{collections::BTreeSet, io::Write};

use serde_json::Value;

use crate::{
    run::{Ended, Storm, rows},
    server::{Server, until_closed},
};

/// A storm of 6 s at 200/s with two published keys' worth of tokens; `jwks` are keys of `[target.jwks]`.
fn storm(jwks: &str, issuer: &str, mix: &str, events: &str) -> Storm {
    Storm::new(&format!(
        "name = \"rotation\"\n[target]\nbrokers = [\"embedded\"]\n[target.jwks]\n{jwks}\n[load]\n\
         stages = [{{ rate = 200, for = \"6s\" }}]\nhold = \"0s\"\n\
         [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n\
         [keys.b]\nalgorithm = \"EdDSA\"\ngenerate = true\nkid = \"b\"\n\
         [issuer]\nkeys = [\"a\"]\n{issuer}\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 3\n{mix}\n{events}"
    ))
}

const HELD: &str = "[[mix]]\ntoken = \"fresh\"\nname = \"held\"\nkey = \"a\"\nshare = 1\n";

fn rotate(order: &str) -> String {
    format!(
        "[[events]]\nat = \"1s\"\ndo = \"rotate_keys\"\nto = \"b\"\norder = \"{order}\"\nkeep_old = \"1s\"\n"
    )
}

fn microseconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no time"))
}

#[test]
fn each_order_of_a_rotation_costs_what_it_must() {
    const JWKS: &str = "cache = \"500ms\"\nmin_interval = \"100ms\"";
    // A host that stalls for a second must not make a broker break its promise.
    let patient = "[policy]\nnew_key_within = \"1m\"\nold_key_within = \"1m\"\n";
    let run = |order: &str| -> Ended { storm(JWKS, "", HELD, &(rotate(order) + patient)).run() };
    let published_first = run("publish_then_sign");
    let summary = published_first.expect(0);
    let change = &summary["jwks"]["rotations"][0];
    assert_eq!((&change["from"], &change["to"]), (&"a".into(), &"b".into()));
    // Both came about, which `microseconds` sees to.
    let _ = (microseconds(&change["accept_us"]), microseconds(&change["refuse_us"]));
    assert_eq!(summary["jwks"]["flips"], 0);
    let after_signing = microseconds(&summary["jwks"]["good_tokens_refused"]);

    let signed_first = run("sign_before_publish");
    let summary = signed_first.expect(0);
    let refused = microseconds(&summary["jwks"]["good_tokens_refused"]);
    // Two seconds at 150/s in which nobody can know the key.
    assert!(refused > 200.0, "{}", summary["jwks"]);
    assert!(refused > after_signing + 100.0, "the order is the point: {refused} {after_signing}");
    // Refusing what can't be known is right.
    assert_eq!(summary["verdicts"]["false_reject"], 0);

    let events: Vec<_> = rows(&signed_first.out.join("events.csv"))
        .iter()
        .map(|row| (row["event"].clone(), row["detail"].clone()))
        .collect();
    let step = |detail: &str| ("rotate_keys".to_owned(), detail.to_owned());
    let expected =
        [step("key `b` signs"), step("key `a` is removed"), step("key `b` is published")];
    assert_eq!(events, expected);
    let page = std::fs::read_to_string(signed_first.out.join("report.html")).unwrap();
    // Attempts, times, lateness, keys, requests, and open connections where there were any: in each a line for each of
    // the three moments, and a list of what happened.
    let figures =
        ["Attempts a second", "Tokens by the key that signed them", "Requests to the issuer"];
    assert!(figures.iter().all(|title| page.contains(&format!("<h3>{title}</h3>"))));
    let over_time = page.matches("seconds of the run\"").count();
    assert!((5..=6).contains(&over_time), "{over_time} charts over the seconds");
    for mark in ["1", "2", "3"] {
        let marks = page.replace('\u{2009}', " ").matches(&format!(" {mark}\n</text>")).count()
            + page.replace('\u{2009}', " ").matches(&format!("\n{mark} \n</text>")).count();
        assert_eq!(marks, over_time, "mark {mark}");
    }
    assert!(page.contains("key `b` is published"));
    let links = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!links.contains("http://www") && !links.contains("src="));
    assert_eq!(links.matches("href=").count(), 1, "the icon, which is empty");
    let keys: BTreeSet<String> =
        rows(&signed_first.out.join("keys.csv")).iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, ["a".to_owned(), "b".to_owned()].into());
}

#[test]
fn a_broker_that_never_looks_again_is_found_out() {
    let never = "cache = \"1h\"\nrefetch = false\n";
    let more = "[policy]\nnew_key_within = \"1s\"\nold_key_within = \"1s\"\n[thresholds]\n\
                \"jwks.time_to_accept_new_key\" = [\"value < 2s\"]\n";
    let run = storm(never, "", HELD, &(rotate("remove_old") + more)).run();
    let summary = run.expect(1);
    let change = &summary["jwks"]["rotations"][0];
    for time in ["accept_us", "refuse_us"] {
        assert!(change[time].as_str().is_some_and(|time| time.starts_with('>')), "{change}");
    }
    let threshold = &summary["thresholds"][0];
    // On a host that is too slow it is undecided.
    assert_ne!(threshold["passed"], true, "what never came about is no short time: {threshold}");
    let verdicts = &summary["verdicts"];
    assert!(verdicts["false_reject"].as_u64().unwrap() > 100, "{verdicts}");
    assert!(verdicts["false_accept"].as_u64().unwrap() > 50, "{verdicts}");
}

#[test]
fn brokers_of_a_cluster_are_told_apart_by_when_they_accept_a_new_key() {
    let storm = storm(
        "cache = \"1s\"\nrefetch = false\nmin_interval = \"100ms\"",
        "",
        HELD,
        &rotate("publish_then_sign"),
    );
    let two = "target.brokers=[\"embedded\", \"embedded\"]";
    let run = storm.run_with(&["--set", two, "--set", "policy.new_key_within=1m"]);
    let summary = run.expect(0);
    let change = &summary["jwks"]["rotations"][0];
    // Each has a cache of its own, filled when its first client came; both came to know the key.
    assert!(microseconds(&change["brokers_apart_us"]) >= 0.0, "{change}");
    let brokers: BTreeSet<String> =
        rows(&run.out.join("keys.csv")).iter().map(|row| row["broker"].clone()).collect();
    assert_eq!(brokers.len(), 2, "{brokers:?}");
}

#[test]
fn an_outage_tells_whether_the_broker_fails_open() {
    let forged = "[[mix]]\ntoken = \"unknown_kid\"\nshare = 1\n";
    let away = |how: &str| {
        format!("[[events]]\nat = \"0s\"\ndo = \"jwks_outage\"\nhow = \"{how}\"\nfor = \"3s\"\n")
    };
    for (when_away, how, verdict, code) in [
        ("stale", "500", "closed", 0),
        ("closed", "html", "closed", 0),
        ("open", "refuse", "open", 1),
    ] {
        let jwks = format!("cache = \"1s\"\nmin_interval = \"100ms\"\nwhen_away = \"{when_away}\"");
        let run = storm(&jwks, "", forged, &away(how)).run();
        let summary = run.expect(code);
        let outage = &summary["jwks"]["outages"][0];
        assert_eq!(outage["verdict"], verdict, "{when_away}: {outage}");
        assert_eq!((&outage["how"], &outage["at_start"]), (&how.into(), &true.into()));
        // The same in mid-run, after a cache that was good.
        let later = away(how).replace("\"0s\"", "\"2s\"");
        let summary_later = storm(&jwks, "", forged, &later).run().summary();
        let outage_later = &summary_later["jwks"]["outages"][0];
        let expected = if when_away == "stale" { "keeps known keys" } else { verdict };
        assert_eq!(outage_later["verdict"], expected, "{when_away}: {outage_later}");
        let let_in = summary["jwks"]["accepted_while_away"].as_u64().unwrap();
        assert_eq!(let_in > 0, when_away == "open", "{outage}");
    }
}

#[test]
fn fetches_are_counted_and_a_limit_keeps_a_flood_from_the_server() {
    let flood = "[[mix]]\ntoken = \"unknown_kid\"\nshare = 3\n";
    let fetches = |jwks: &str| {
        let summary = storm(jwks, "", flood, "").run().expect(0);
        let unknown = summary["by_token"]["unknown_kid"]["attempts"].as_u64().unwrap();
        (summary["jwks"]["fetches"].as_u64().unwrap(), unknown)
    };
    let (limited, _) = fetches("min_interval = \"1s\"");
    assert!((1..=8).contains(&limited), "{limited}");
    let (unlimited, unknown) = fetches("min_interval = \"0s\"");
    // One a token, and one for the first good one.
    assert!(unlimited + 5 >= unknown && unlimited <= unknown + 5, "{unlimited} for {unknown}");
    let (none, _) = fetches("min_interval = \"0s\"\nrefetch = false");
    assert_eq!(none, 1);
}

#[test]
fn a_key_set_behind_https_is_fetched_and_an_expired_certificate_is_not_trusted() {
    let event = "[[events]]\nat = \"0s\"\ndo = \"jwks_outage\"\nhow = \"expired_certificate\"\nfor = \"2s\"\n";
    let run = storm("min_interval = \"100ms\"", "[issuer.tls]\ngenerate = true\n", "", event).run();
    let summary = run.expect(0);
    let outage = &summary["jwks"]["outages"][0];
    assert_eq!((&outage["good_accepted"], &outage["verdict"]), (&0.into(), &"closed".into()));
    assert!(summary["outcomes"]["accepted"].as_u64().unwrap() > 500, "after it: {summary}");
}

#[test]
fn a_run_that_is_killed_leaves_what_happened() {
    let storm = storm("", "", "", &rotate("publish_then_sign"));
    let mut child = storm.start();
    let events = storm.out().join("events.csv");
    let start = std::time::Instant::now();
    while !events.exists() || rows(&events).len() < 2 {
        assert!(start.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    let run = storm.wait(child);
    let summary = run.summary();
    assert_eq!(summary["partial"], true);
    assert!(summary["jwks"]["rotations"][0]["to"] == "b" && run.out.join("issuer.csv").exists());
}

/// A storm of 2 s at a broker that the run does not start, and that knows the issuer's first key from the 40th client on;
/// `policy` are keys of `[policy]`.
fn late_to_read(policy: &str) -> Ended {
    let broker = Server::start(|stream, connect| {
        let code = if connect.number < 40 { 0x87 } else { 0 };
        // Those that a storm has given up on are gone.
        let _ = stream.write_all(&[0x20, 3, 0, code, 0]);
        until_closed(stream);
    });
    Storm::new(&format!(
        "name = \"late\"\n[target]\nbrokers = [\"{}\"]\nprotocol = 5\n[load]\n\
         stages = [{{ rate = 50, for = \"2s\" }}]\narrivals = \"constant\"\nhold = \"0s\"\nconnect_timeout = \"5s\"\n\
         [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n[issuer]\nkeys = [\"a\"]\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n[policy]\n{policy}\n",
        broker.url()
    ))
    .run()
}

#[test]
fn a_broker_that_the_run_does_not_start_has_until_its_promise_to_read_the_first_keys() {
    let in_time = late_to_read("new_key_within = \"1m\"");
    let summary = in_time.expect(0);
    assert_eq!(in_time.verdicts()["fresh refused 135 correct"], 40);
    assert_eq!(summary["verdicts"]["false_reject"], 0);
    assert!(
        in_time.stderr.contains("no good token has to be accepted in it"),
        "{}",
        in_time.stderr
    );
    // What it cost is measured all the same.
    assert_eq!(summary["jwks"]["good_tokens_refused"], 40);
    let late = late_to_read("new_key_within = \"0s\"");
    late.expect(1);
    assert_eq!(late.verdicts()["fresh refused 135 false_reject"], 40);
    assert!(!late.stderr.contains("key set of `[issuer]`"), "{}", late.stderr);
    // Where nothing is promised good tokens have to be accepted, and the plan says what that may cost.
    let unpromised = late_to_read("");
    unpromised.expect(1);
    assert!(
        unpromised.stderr.contains("`policy.new_key_within = \"1m\"`"),
        "{}",
        unpromised.stderr
    );
}

#[test]
fn a_broker_that_delays_its_refusals_refuses_in_the_outage_in_which_it_was_asked() {
    let broker = Server::start(|stream, _| {
        // As RabbitMQ 4 does, to slow down whoever guesses.
        std::thread::sleep(std::time::Duration::from_secs(3));
        let _ = stream.write_all(&[0x20, 3, 0, 0x86, 0]);
        until_closed(stream);
    });
    let run = Storm::new(&format!(
        "name = \"delayed\"\n[target]\nbrokers = [\"{}\"]\nprotocol = 5\n[load]\n\
         stages = [{{ rate = 50, for = \"3s\" }}]\nhold = \"0s\"\nconnect_timeout = \"20s\"\n\
         [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n[issuer]\nkeys = [\"a\"]\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n\
         [[events]]\nat = \"500ms\"\ndo = \"jwks_outage\"\nfor = \"2s\"\n\
         [policy]\nrefusal_delay = \"3s\"\nnew_key_within = \"1h\"\n[thresholds]\n\
         \"jwks.accepted_while_away\" = [\"value == 0\"]\n\
         \"jwks.refused_while_away_share\" = [\"value == 0\"]\n",
        broker.url()
    ))
    .run();
    // The outage is long over when the first client hears of it.
    let summary = run.expect(1);
    let outage = &summary["jwks"]["outages"][0];
    assert!(outage["good_refused"].as_u64().unwrap() > 0, "{outage}");
    assert_eq!((&outage["good_accepted"], &outage["verdict"]), (&0.into(), &"closed".into()));
    assert_eq!(summary["jwks"]["refused_while_away_share"], 1.0);
    // No bad token was sent: nothing is said of what became of one.
    let passed = |at: usize| summary["thresholds"][at]["passed"].clone();
    assert_eq!((passed(0), passed(1)), (Value::Null, false.into()));
    assert!(run.stdout.contains("no bad one was decided on"), "{}", run.stdout);
    let seconds = rows(&run.out.join("keys.csv"));
    let refused = |row: &&std::collections::BTreeMap<String, String>| row["refused"] != "0";
    let first = seconds.iter().filter(refused).map(|row| row["second"].parse::<u64>().unwrap());
    assert_eq!(first.min(), Some(0), "not the fourth: {seconds:?}");
}

#[test]
fn an_issuer_with_a_certificate_of_its_own_is_trusted_by_the_brokers_and_clients_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["elsewhere.example".into()]).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("own.crt"), made.cert.pem()).unwrap();
    std::fs::write(path("own.key"), made.signing_key.serialize_pem()).unwrap();
    let text = format!(
        "name = \"own\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 5\nconcurrency = 1\nhold = \"0s\"\n\
         [keys.main]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"k\"\n[issuer]\nkeys = [\"main\"]\n\
         [issuer.tls]\ncert = \"{}\"\nkey = \"{}\"\n[token]\nsource = \"oauth\"\n\
         [oauth]\nclient_secret = \"s-{{client_id}}\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n",
        path("own.crt"),
        path("own.key")
    );
    let summary = Storm::new(&text).run().expect(0);
    assert_eq!(summary["outcomes"]["accepted"], 5);
}
