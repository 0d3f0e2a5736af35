//! Clients whose tokens are fetched for later turns: by refresh tokens, at an authorization server that takes each of them
//! once, ends the session on a second use, and keeps a log.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    expiry::wall,
    issued::jwt,
    oauth::{JSON, Web, discovery, response, storm},
    returns::check_turns,
    run::{Ended, everything},
    server::{Server, until_closed},
};

const SECRET: &str = "refresh-token-that-must-not-leak";
/// The refresh token that all clients of some runs start from.
const OF_ALL: &str = "refresh-token-of-all-that-must-not-leak";

/// What the server does with a refresh token, by how many of this client it has seen.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Answer {
    /// Takes it, and gives another.
    Rotates,
    /// Takes it, and it stays good.
    Keeps,
    /// Takes it, and breaks off without an answer.
    Breaks,
    /// Takes it, and answers after the client has given up.
    Sleeps,
    /// Takes it, and answers by a page of its gateway.
    Gateway,
    /// Takes it, and answers without a token.
    Empty,
    /// Takes it, and gives another that is longer than any client keeps.
    Overlong,
    /// Does not know it.
    Refuses,
    /// Has too much to do.
    Busy(u16),
}

/// What came of each request of a client: the grant and what was answered.
type Log = BTreeMap<String, Vec<String>>;

/// What the server knows.
#[derive(Default)]
struct Known {
    log: Log,
    /// The refresh tokens that are good, by client.
    good: BTreeMap<String, String>,
    given: u64,
    /// Refresh tokens that came, each with how often.
    sent: BTreeMap<String, u64>,
    refreshes: BTreeMap<String, usize>,
}

impl Known {
    fn takes(&mut self, client: &str, what: &str) {
        self.log.entry(client.to_owned()).or_default().push(what.to_owned());
    }

    /// A token that lasts so many seconds, and the next refresh token of a client.
    fn give(&mut self, client: &str, seconds: u64, rotates: bool) -> String {
        let exp = wall().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds;
        let token = jwt("{\"alg\":\"ES256\"}", &format!("{{\"exp\":{exp}}}"));
        let mut answer = json!({ "access_token": token, "token_type": "bearer" });
        if rotates {
            self.given += 1;
            let refresh = format!("{SECRET}-{}", self.given);
            answer["refresh_token"] = refresh.as_str().into();
            self.good.insert(client.to_owned(), refresh);
        }
        response("200 OK", JSON, &answer.to_string())
    }
}

/// A server whose tokens last so many seconds by how many a client has had, and that answers its refreshes like this.
fn server(
    lasts: impl Fn(usize) -> u64 + Send + Sync + 'static,
    behaves: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (Web, Arc<Mutex<Known>>) {
    let known: Arc<Mutex<Known>> = Arc::default();
    let own = Arc::clone(&known);
    let web = Web::start_reading(move |path, url, body| {
        if path != "/token" {
            return discovery(url);
        }
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let (client, grant) = (form["client_id"].clone(), form["grant_type"].as_str());
        let mut known = own.lock().unwrap();
        let had = known.log.get(&client).map_or(0, Vec::len);
        if grant != "refresh_token" {
            known.takes(&client, grant);
            return known.give(&client, lasts(had), true);
        }
        let token = &form["refresh_token"];
        *known.sent.entry(token.clone()).or_default() += 1;
        let turn = known.refreshes.entry(client.clone()).or_default();
        let answer = behaves(*turn);
        *turn += 1;
        let is_good = token == OF_ALL || known.good.get(&client) == Some(token);
        let refused = || response("400 Bad Request", JSON, "{\"error\":\"invalid_grant\"}");
        if !is_good {
            known.good.remove(&client);
            known.takes(&client, "stale");
            return refused();
        }
        let (what, response) = match answer {
            Answer::Rotates => ("refresh", known.give(&client, lasts(had), true)),
            Answer::Keeps => ("refresh", known.give(&client, lasts(had), false)),
            Answer::Breaks => ("lost", String::new()),
            Answer::Sleeps => ("lost", response("200 OK", JSON, "{}")),
            Answer::Gateway => ("lost", response("504 Gateway Timeout", "", "<html>")),
            Answer::Empty => ("lost", response("200 OK", JSON, "{\"token_type\":\"bearer\"}")),
            Answer::Overlong => ("overlong", {
                let refresh = "r".repeat(70_000);
                let answer = json!({ "access_token": "a", "token_type": "bearer", "refresh_token": refresh });
                response("200 OK", JSON, &answer.to_string())
            }),
            Answer::Refuses => ("refused", refused()),
            Answer::Busy(status) => ("busy", response(&format!("{status} Busy"), JSON, "{}")),
        };
        if matches!(what, "lost" | "refused" | "overlong") {
            known.good.remove(&client);
        }
        known.takes(&client, what);
        drop(known);
        if answer == Answer::Sleeps {
            thread::sleep(Duration::from_secs(3));
        }
        response
    });
    (web, known)
}

const PASSWORD: &str = "grant = \"password\"\npassword = \"p\"";
const RENEWING: &str = "[session]\nrenew = \"reconnect\"\nrenew_before = \"2500ms\"\n\
                        backoff = { first = \"200ms\", jitter = \"none\" }\n";

/// Eight clients that renew what this server gives them, for so long; the run ends by this code.
fn renewing(web: &Web, oauth: &str, hold: &str, code: i32) -> (Ended, Value) {
    let broker = Server::start(|stream, _| {
        std::io::Write::write_all(stream, &[0x20, 3, 0, 0, 0]).unwrap();
        until_closed(stream);
    });
    let oauth =
        format!("issuer = \"{}\"\nclient_auth = \"post\"\nclient_secret = \"x\"\n{oauth}", web.url);
    let storm = storm(&broker.url(), &oauth, RENEWING);
    let hold = format!("load.hold={hold}");
    let run = storm.run_in(&[("ALL_REFRESH", OF_ALL)], &["--set", &hold]);
    let summary = run.expect(code);
    check_turns(&summary);
    assert!(!everything(&run).contains("must-not-leak"));
    (run, summary)
}

/// Checks that each client did this first, that no refresh token was sent more often, and that the summary has all that
/// the log has: refreshes, lost and refused ones, and logins after those.
fn check(known: &Mutex<Known>, did: &[&str], most: u64, summary: &Value) {
    let known = known.lock().unwrap();
    assert_eq!(known.log.len(), 8);
    assert!(known.log.values().all(|log| log.len() >= did.len() && log[..did.len()] == *did));
    assert!(known.sent.values().all(|times| *times <= most), "{:?}", known.sent.values());
    let all = |what: &str| known.log.values().flatten().filter(|entry| *entry == what).count();
    let logins = all("password").saturating_sub(8);
    let counts = json!({
        "brought": all("refresh"), "lost": all("lost"), "refused": all("refused"), "logins": logins,
    });
    assert_eq!(summary["oauth"]["refreshes"], counts, "{:?}", known.log);
    assert_eq!(all("stale"), 0);
}

#[test]
fn tokens_of_later_turns_are_fetched_by_refresh_tokens_and_each_of_these_is_sent_once() {
    let (web, known) = server(|_| 6, |_| Answer::Rotates);
    let (run, summary) = renewing(&web, PASSWORD, "9s", 0);
    check(&known, &["password", "refresh", "refresh"], 1, &summary);
    let brought = summary["oauth"]["refreshes"]["brought"].as_u64().unwrap();
    assert_eq!(summary["oauth"]["fetched"], 8 + brought);
    assert!(summary["renewals"]["count"].as_u64().unwrap() >= 16, "{summary}");
    assert!(run.stdout.contains(&format!("{brought} by refresh token")), "{}", run.stdout);
}

#[test]
fn a_refresh_token_that_the_server_does_not_replace_is_sent_again() {
    let (web, known) = server(|_| 6, |_| Answer::Keeps);
    let (_, summary) = renewing(&web, PASSWORD, "9s", 0);
    check(&known, &["password", "refresh", "refresh"], 4, &summary);
}

#[test]
fn a_refresh_whose_answer_is_lost_is_not_sent_again_and_its_client_logs_in_anew() {
    for lost in [Answer::Breaks, Answer::Sleeps, Answer::Gateway, Answer::Empty] {
        let (web, known) =
            server(|_| 6, move |turn| if turn == 0 { lost } else { Answer::Rotates });
        let oauth = format!("{PASSWORD}\nretries = 3\nbackoff = \"1ms\"\ntimeout = \"1s\"");
        let (_, summary) = renewing(&web, &oauth, "6s", 0);
        check(&known, &["password", "lost", "password"], 1, &summary);
        assert_eq!(summary["oauth"]["retries"], 0);
        assert_eq!(summary["renewals"]["token_failed"], 0, "the login brought one");
    }
}

#[test]
fn a_refresh_token_in_whose_place_another_came_is_not_sent_again_though_that_can_not_be_kept() {
    let (web, known) =
        server(|_| 6, |turn| if turn == 0 { Answer::Overlong } else { Answer::Rotates });
    let (_, summary) = renewing(&web, PASSWORD, "6s", 1);
    let known = known.lock().unwrap();
    let did = ["password", "overlong", "password"];
    assert!(known.log.values().all(|log| log[..3] == did), "{:?}", known.log);
    assert!(known.sent.values().all(|times| *times == 1));
    assert_eq!(summary["codes"]["token_failed"]["refresh_token_too_long"], 8);
    assert_eq!(summary["oauth"]["refreshes"]["refused"], 0);
}

#[test]
fn a_client_whose_refresh_token_is_refused_logs_in_anew_once_a_turn() {
    let (web, known) = server(|_| 6, |_| Answer::Refuses);
    let (_, summary) = renewing(&web, &format!("{PASSWORD}\nretries = 3"), "9s", 0);
    check(&known, &["password", "refused", "password", "refused", "password"], 1, &summary);
    assert_eq!((&summary["oauth"]["retries"], &summary["oauth"]["failed"]), (&0.into(), &0.into()));
}

#[test]
fn a_refresh_that_the_server_had_no_time_for_is_sent_again() {
    for status in [429, 503] {
        let (web, known) = server(
            |_| 6,
            move |turn| if turn == 0 { Answer::Busy(status) } else { Answer::Rotates },
        );
        let oauth = format!("{PASSWORD}\nretries = 3\nbackoff = \"1ms\"");
        let (_, summary) = renewing(&web, &oauth, "6s", 0);
        check(&known, &["password", "busy", "refresh"], 2, &summary);
        assert_eq!(summary["oauth"]["retries"], 8);
    }
}

#[test]
fn without_a_login_a_client_whose_refresh_token_is_lost_gets_no_token_any_more() {
    let (web, known) =
        server(|_| 6, |turn| if turn == 0 { Answer::Rotates } else { Answer::Breaks });
    let oauth = "grant = \"refresh_token\"\nrefresh_token_env = \"ALL_REFRESH\"\nretries = 3";
    let (_, summary) = renewing(&web, oauth, "6s", 1);
    let known = known.lock().unwrap();
    assert!(known.log.values().all(|log| *log == ["refresh", "lost"]), "{:?}", known.log);
    assert_eq!(known.sent[OF_ALL], 8, "all start from it, and none goes back to it");
    assert_eq!(
        summary["oauth"]["refreshes"],
        json!({ "brought": 8, "lost": 8, "refused": 0, "logins": 0 })
    );
    assert_eq!(summary["codes"]["token_failed"]["broken"], 8);
    // They ask again for as long as their connection lasts, and nothing is sent for that.
    assert!(summary["renewals"]["token_failed"].as_u64().unwrap() >= 16, "{summary}");
    assert_eq!(
        (&summary["renewals"]["count"], &summary["returns"]["drops"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn a_first_token_that_is_lost_on_its_way_is_that_of_a_login_anew() {
    let (web, known) = server(|_| 60, |_| Answer::Breaks);
    let oauth = "grant = \"refresh_token\"\npassword = \"p\"\nretries = 3\nbackoff = \"1ms\"";
    let (_, summary) = renewing(&web, oauth, "500ms", 0);
    check(&known, &["password", "lost", "password"], 1, &summary);
    assert_eq!(summary["outcomes"]["accepted"], 8);
}

#[test]
fn tokens_that_get_shorter_are_renewed_at_half_of_their_life_and_this_is_counted() {
    let (web, known) = server(|_| 8, |_| Answer::Rotates);
    let (run, summary) = renewing(&web, PASSWORD, "7s", 0);
    check(&known, &["password", "refresh"], 1, &summary);
    assert_eq!(summary["renewals"]["at_half_life"], 0, "{}", summary["renewals"]);
    assert!(!run.stdout.contains("came with less life"));
    let (web, known) = server(|had| [4, 3, 2][had.min(2)], |_| Answer::Rotates);
    let (run, summary) = renewing(&web, PASSWORD, "6s", 0);
    let count = summary["renewals"]["at_half_life"].as_u64().unwrap();
    let asked = known.lock().unwrap().refreshes.values().sum::<usize>() as u64;
    assert!(count >= asked && asked >= 24, "{count} of {asked}");
    assert!(asked <= 8 * 6, "no busy loop: {asked}");
    assert!(run.stdout.contains("came with less life"), "{}", run.stdout);
}
