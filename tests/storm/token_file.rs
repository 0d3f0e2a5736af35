//! Tokens that others made, from a file: who brings which, what has to become of them, and when they are used up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    run::{Ended, Storm, everything, rows, scenario, tokenstorm},
    server::{Connect, Server, until_closed},
};

const ACCEPT: &[u8] = &[0x20, 3, 0, 0, 0];
const REFUSE: &[u8] = &[0x20, 3, 0, 0x87, 0];

/// A broker that lets in whose password it is told to.
fn broker(lets_in: impl Fn(&Connect) -> bool + Send + Sync + 'static) -> Server {
    Server::start(move |stream, connect| {
        let answer = if lets_in(connect) { ACCEPT } else { REFUSE };
        stream.write_all(answer).unwrap();
        until_closed(stream);
    })
}

fn password(connect: &Connect) -> String {
    String::from_utf8(connect.password.clone().unwrap()).unwrap()
}

/// A JWT with these claims, and a signature that nobody looks at.
fn jwt(alg: &str, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", encoded(&json!({ "alg": alg })), encoded(claims))
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A storm of so many clients with the tokens of this file.
fn storm(server: &Server, file: &str, (load, more): (&str, &str)) -> Storm {
    let text = scenario(
        &server.url(),
        load,
        &format!("---\n[token]\nsource = \"file\"\nfile = \"tokens.csv\"\n{more}"),
    );
    // The file says what its tokens are.
    let storm = Storm::new(&text.replace("[[mix]]\ntoken = \"fresh\"\nshare = 1\n", ""));
    fs::write(storm.scenario().with_file_name("tokens.csv"), file).unwrap();
    storm
}

fn run(server: &Server, file: &str, load: &str, more: &str) -> Ended {
    storm(server, file, (load, more)).run()
}

#[test]
fn clients_bring_the_tokens_and_names_of_the_file_and_its_word_is_what_counts() {
    let server = broker(|connect| !password(connect).starts_with("bad"));
    let mut file = "client_id,username,token,expected,kind,comment\n".to_owned();
    for n in 0..10 {
        let good = format!("dev-{n},,good-{n},accept,paseto,x\n");
        let bad = format!("\"other, {n}\",\"user \"\"{n}\"\"\",bad-{n},refuse,stolen,y\n");
        file = [file, good, bad].concat();
    }
    file += "last,,bad-last,accept,paseto,\nspare,,unused,accept,paseto,\n";
    let ended = run(&server, &file, "clients = 21", "");
    let summary = ended.expect(1);
    let seen = ended.verdicts();
    assert_eq!(seen["paseto accepted 0 correct"], 10, "{seen:?}");
    assert_eq!(seen["stolen refused 135 correct"], 10, "{seen:?}");
    assert_eq!(seen["paseto refused 135 false_reject"], 1, "{seen:?}");
    let file = &summary["token_file"];
    assert_eq!(
        (&file["rows"], &file["never_sent"], &file["ended"]),
        (&22.into(), &1.into(), &0.into())
    );
    assert!(ended.stdout.contains("22 rows, 1 of them never sent"), "{}", ended.stdout);
    assert_eq!(ended.stderr.matches("columns that nobody reads: `comment`").count(), 1);
    let by_id: BTreeMap<String, Connect> =
        server.received().into_iter().map(|it| (it.client_id.clone(), it)).collect();
    assert_eq!(by_id.len(), 21);
    assert_eq!(password(&by_id["dev-3"]), "good-3");
    // Without a user name of its own, that of the scenario: client 6 is the seventh that came first.
    assert_eq!(by_id["dev-3"].username.as_deref(), Some(&b"user-6"[..]));
    assert_eq!(by_id["other, 3"].username.as_deref(), Some(&b"user \"3\""[..]));
    let all = everything(&ended);
    assert!(!all.contains("good-") && !all.contains("bad-"), "{all}");
}

#[test]
fn a_token_that_the_file_says_is_good_is_refused_rightly_once_it_has_ended() {
    let ended_at = json!({ "exp": now() - 60 });
    let good = json!({ "exp": now() + 600 });
    let row = |n: u32| {
        let claims = if n.is_multiple_of(2) { &good } else { &ended_at };
        format!("c-{n},{},accept\n", jwt("ES256", claims))
    };
    let file = (0..8).fold("client_id,token,expected\n".to_owned(), |file, n| file + &row(n));
    let is_good = |connect: &Connect| {
        let payload = password(connect).split('.').nth(1).unwrap().to_owned();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        claims["exp"].as_u64().unwrap() > now()
    };
    let ended = run(&broker(is_good), &file, "", "");
    let summary = ended.expect(0);
    assert_eq!(ended.verdicts()["file refused 135 correct"], 4);
    assert_eq!(summary["token_file"]["ended"], 4);
    assert!(ended.stdout.contains("4 attempts had a token that the file says is to be accepted"));
    // Whoever lets them in, does so against the policy.
    let ended = run(&broker(|_| true), &file, "", "");
    assert_eq!(ended.expect(1)["verdicts"]["false_accept"], 4);
    // Of an end that nobody checks, the word says nothing either.
    let unchecked = "[policy]\nchecks = []\n";
    let ended = run(&broker(|_| true), &file, "", unchecked);
    assert_eq!(ended.expect(0)["token_file"]["ended"], 0);
}

#[test]
fn without_a_word_the_policy_judges_what_it_can_and_a_run_of_nothing_else_has_measured_nothing() {
    let exp = now() + 600;
    let file = format!(
        "client_id,token,kind\na,{},good\nb,{},none\nc,{},aud\nd,{},nkey\ne,opaque-token,opaque\nf,{},hs\n",
        jwt("RS256", &json!({ "exp": exp, "aud": "mqtt" })),
        jwt("none", &json!({ "exp": exp, "aud": "mqtt" })),
        jwt("RS256", &json!({ "exp": exp, "aud": "other" })),
        jwt("ed25519-nkey", &json!({ "exp": exp })),
        jwt("HS256", &json!({ "exp": exp, "aud": "mqtt" })),
    );
    let claims = "[token.claims]\naud = \"mqtt\"\n[policy]\nchecks = [\"exp\", \"aud\"]\nalgorithms = [\"RS256\"]\n";
    let ended = run(&broker(|_| true), &file, "clients = 6", claims);
    let summary = ended.expect(1);
    let expected: BTreeMap<String, String> = rows(&ended.out.join("verdicts.csv"))
        .into_iter()
        .map(|row| (row["token"].clone(), format!("{} {}", row["expected"], row["verdict"])))
        .collect();
    let wanted = [
        ("aud", "refuse false_accept"),
        ("good", "accept correct"),
        ("hs", "refuse false_accept"),
        ("nkey", "either correct"),
        ("none", "refuse false_accept"),
        ("opaque", "either correct"),
    ];
    let wanted: BTreeMap<String, String> =
        wanted.into_iter().map(|(kind, what)| (kind.to_owned(), what.to_owned())).collect();
    assert_eq!(expected, wanted);
    assert_eq!(summary["token_file"]["unknown_algorithms"], json!(["ed25519-nkey"]));
    assert!(ended.stdout.contains("signed by ed25519-nkey"), "{}", ended.stdout);

    let ended = run(&broker(|_| true), "token\nopaque\n", "clients = 1", "");
    ended.expect(3);
}

#[test]
fn further_rows_of_a_client_are_its_later_tokens_and_after_the_last_it_gives_up() {
    let server = broker(|_| true);
    let file = "client_id,token,expected,kind\na,a-1,accept,first\nb,b-1,accept,first\na,a-2,accept,second\n";
    let session = "[session]\nreconnect = \"fresh_token\"\nbackoff = { first = \"50ms\", jitter = \"none\" }\n\
                   [[events]]\nat = \"400ms\"\ndo = \"drop_clients\"\nshare = 1.0\n\
                   [[events]]\nat = \"1200ms\"\ndo = \"drop_clients\"\nshare = 1.0\n\
                   [thresholds]\n\"verdict.not_judged\" = [\"count == 2\"]\n";
    let ended = run(&server, file, "clients = 2\nconcurrency = 2\nhold = \"3s\"", session);
    let summary = ended.expect(0);
    let seen = ended.verdicts();
    assert_eq!(seen["first accepted 0 correct"], 2, "{seen:?}");
    assert_eq!(seen["second accepted 0 correct"], 1, "{seen:?}");
    // Each client asks once more than it has rows.
    let in_vain: u64 = seen
        .iter()
        .filter(|(name, _)| name.ends_with(" token_failed no_more_rows not_judged"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(in_vain, 2, "{seen:?}");
    let returns = &summary["returns"];
    assert_eq!(
        (&returns["drops"], &returns["back"], &returns["gave_up"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(summary["token_file"]["never_sent"], 0);
    let brought: BTreeSet<String> = server.received().iter().map(password).collect();
    assert_eq!(brought.into_iter().collect::<Vec<_>>(), ["a-1", "a-2", "b-1"]);
}

#[test]
fn a_client_renews_with_its_next_row_and_not_after_its_last() {
    let server = broker(|_| true);
    let token = |seconds: u64| jwt("RS256", &json!({ "exp": now() + seconds, "jti": seconds }));
    let (first, second) = (token(4), token(8));
    let file = format!("client_id,token,expected\na,{first},accept\na,{second},accept\n");
    let more = "[session]\nrenew = \"reconnect\"\nrenew_before = \"2s\"\ngrace = \"2s\"\n[policy]\non_expiry = \"keep\"\n";
    let ended = run(&server, &file, "clients = 1\nconcurrency = 1\nhold = \"7s\"", more);
    let summary = ended.expect(0);
    let renewals = &summary["renewals"];
    assert_eq!(
        (&renewals["count"], &renewals["token_failed"]),
        (&1.into(), &0.into()),
        "{}",
        ended.stdout
    );
    assert!(ended.verdicts().keys().all(|name| !name.contains("no_more_rows")));
    let brought: Vec<String> = server.received().iter().map(password).collect();
    assert_eq!(brought, [first, second]);
}

#[test]
fn a_token_is_sent_again_as_it_was_and_clients_may_share_rows() {
    let server = broker(|_| true);
    let session = "[session]\nreconnect = \"same_token\"\nbackoff = { first = \"50ms\", jitter = \"none\" }\n\
                   [[events]]\nat = \"400ms\"\ndo = \"drop_clients\"\nshare = 1.0\n";
    let file = "client_id,token,expected\na,a-1,accept\na,a-2,accept\n";
    let ended = run(&server, file, "clients = 1\nconcurrency = 1\nhold = \"1s\"", session);
    assert_eq!(ended.expect(0)["token_file"]["never_sent"], 1);
    assert_eq!(server.received().iter().map(password).collect::<Vec<_>>(), ["a-1", "a-1"]);

    let server = broker(|_| true);
    let three = "token,expected\nx,accept\ny,accept\nz,accept\n";
    let ended = run(&server, three, "clients = 6", "reuse = 3\n");
    assert_eq!(ended.expect(0)["token_file"]["never_sent"], 1);
    let mut brought: Vec<String> = server.received().iter().map(password).collect();
    brought.sort_unstable();
    assert_eq!(brought, ["x", "x", "x", "y", "y", "y"]);
}

#[test]
fn what_is_wrong_with_a_file_or_does_nothing_beside_it_is_refused_with_file_line_and_way_out() {
    let server = broker(|_| true);
    let good = "client_id,token\na,hunter2\n";
    let load = "clients = 1";
    for (file, load, more, told) in [
        ("client_id\na\n", load, "", "no column `token`"),
        ("token,expected\nhunter2,accept\nhunter2\n", load, "", "line 3"),
        (good, "clients = 2", "", "the load has 2 clients, but `token.file` has tokens for 1"),
        (good, load, "reuse = 2\n", "`token.reuse` is given"),
        (good, load, "ttl = \"1h\"\n", "`token.ttl` is given"),
        (good, load, "[[mix]]\ntoken = \"expired\"\nshare = 1\n", "`[[mix]]` is given"),
        (
            good,
            load,
            "[oauth]\nissuer = \"http://127.0.0.1:1\"\ngrant = \"client_credentials\"\nclient_id = \"a\"\n",
            "`[oauth]` is given",
        ),
        (good, load, "[control]\narms = [\"without\"]\n", "`[control]` is given"),
        (good, "clients = 1\nmode = \"churn\"\nfor = \"1s\"", "", "`load.mode` is `churn`"),
    ] {
        let ended = run(&server, file, load, more);
        assert_eq!(ended.code, Some(2), "{told}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        if !file.starts_with("client_id,token") {
            assert!(ended.stderr.contains("tokens.csv"), "{}", ended.stderr);
        }
    }
    let missing = storm(&server, good, (load, ""));
    fs::remove_file(missing.scenario().with_file_name("tokens.csv")).unwrap();
    let ended = missing.run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("`token.file` names `tokens.csv`, which can't be read"));
    let with_agents = storm(&server, good, (load, "")).run_with(&["--agents", "2"]);
    assert!(
        with_agents.stderr.contains("its tokens are on this host alone"),
        "{}",
        with_agents.stderr
    );
    let plan = storm(&server, good, (load, ""));
    let shown = tokenstorm(&["plan", plan.scenario().to_str().unwrap()]);
    assert!(shown.stdout.contains("1 rows for 1 clients"), "{}", shown.stdout);
    assert!(server.received().is_empty());
}

#[test]
fn who_has_a_token_that_is_to_be_refused_does_not_come_back_and_a_file_of_such_alone_is_a_run() {
    let server = broker(|_| false);
    let ended =
        run(&server, "client_id,token,expected\na,x,refuse\nb,y,refuse\n", "clients = 2", "");
    assert_eq!(ended.expect(0)["verdicts"]["correct"], 2);
    // Let in all the same, it has a second token, and does not come with it.
    let file = "client_id,token,expected\na,x,refuse\na,z,accept\nb,y,accept\n";
    let session = "[session]\nreconnect = \"fresh_token\"\nbackoff = { first = \"50ms\", jitter = \"none\" }\n\
                   [[events]]\nat = \"400ms\"\ndo = \"drop_clients\"\nshare = 1.0\n";
    let ended =
        run(&broker(|_| true), file, "clients = 2\nconcurrency = 2\nhold = \"1s\"", session);
    let summary = ended.expect(1);
    assert_eq!(summary["verdicts"]["false_accept"], 1);
    assert_eq!(summary["returns"]["drops"], 1, "{}", summary["returns"]);
    assert_eq!(summary["token_file"]["never_sent"], 1);
}

#[test]
fn json_lines_are_read_and_the_written_scenario_runs_again_from_elsewhere() {
    let server = broker(|_| true);
    let file = "{\"client_id\":\"dev-a\",\"token\":\"t-a\",\"expected\":\"accept\"}\n\
                {\"client_id\":\"dev-b\",\"token\":\"t-b\",\"expected\":\"accept\",\"kind\":\"second\"}\n";
    let more = "[identity]\nusername = \"u-{client_id}\"\n[thresholds]\n\"connack{token:second}\" = [\"count == 1\"]\n";
    let ended = run(&server, file, "clients = 2", more);
    ended.expect(0);
    // A user name that names the client is about the id that the file has.
    let names: BTreeSet<_> = server.received().into_iter().map(|it| it.username.unwrap()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [b"u-dev-a".to_vec(), b"u-dev-b".to_vec()]);
    let written = ended.out.join("scenario.toml");
    let text = fs::read_to_string(&written).unwrap();
    // The key of the helper's scenario is none that this run needs.
    fs::write(&written, text.replace("<redacted>", "0123456789abcdef0123456789abcdef")).unwrap();
    let again = tokenstorm(&["plan", written.to_str().unwrap()]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("2 rows for 2 clients"), "{}", again.stdout);
}

#[test]
fn clients_authenticate_again_with_their_next_row_on_the_connection_that_they_have() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&answers);
    let server = Server::start(move |stream, connect| {
        seen.lock().unwrap().push(connect.data[0].clone());
        // CONNACK and AUTH with the method J.
        stream.write_all(&[0x20, 7, 0, 0, 4, 0x15, 0, 1, b'J']).unwrap();
        let mut bytes = [0; 2048];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            if bytes[0] == 0xF0 {
                seen.lock().unwrap().push(bytes[..count].to_vec());
                stream.write_all(&[0xF0, 6, 0, 4, 0x15, 0, 1, b'J']).unwrap();
            } else if bytes[0] == 0xE0 {
                return;
            }
        }
    });
    let token = |seconds: u64| jwt("RS256", &json!({ "exp": now() + seconds, "jti": seconds }));
    let (first, second) = (token(4), token(60));
    let file =
        format!("client_id,token,expected,kind\na,{first},accept,one\na,{second},accept,two\n");
    let text = scenario(
        &server.url(),
        "clients = 1\nconcurrency = 1\nhold = \"4s\"",
        "protocol = 5\ntoken_in = \"auth_data\"\nauth_method = \"J\"\n---\n[token]\nsource = \"file\"\nfile = \"tokens.csv\"\n\
         [session]\nrenew = \"reauthenticate\"\nrenew_before = \"2s\"\ngrace = \"2s\"\n\
         [policy]\nreauthentication = \"accept\"\non_expiry = \"keep\"\n",
    );
    let storm = Storm::new(&text.replace("[[mix]]\ntoken = \"fresh\"\nshare = 1\n", ""));
    fs::write(storm.scenario().with_file_name("tokens.csv"), file).unwrap();
    let ended = storm.run();
    let summary = ended.expect(0);
    let again = &summary["operations"]["reauthenticate"];
    assert_eq!((&again["count"], &again["verdicts"]["correct"]), (&1.into(), &1.into()), "{again}");
    let rows = rows(&ended.out.join("operations.csv"));
    let own = rows.iter().find(|row| row["operation"] == "reauthenticate").unwrap();
    assert_eq!(own["token"], "two");
    let seen = answers.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], first.as_bytes());
    assert!(seen[1].ends_with(second.as_bytes()));
}
