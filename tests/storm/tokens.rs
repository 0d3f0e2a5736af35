//! `tokenstorm token`: one token, a token taken apart, the catalogue; and the command in findings.csv.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    run::{Storm, check_conserved, ended, program, read_json, rows, scenario, tokenstorm},
    server::{Connect, Server, until_closed},
};

#[test]
fn the_replay_of_a_finding_mints_the_very_token_that_the_broker_got() {
    let open = "arrivals = \"constant\"\nstages = [{ rate = 20, for = \"1s\" }]";
    let own = "[token.claims]\nsub = \"{client_id}\"\n";
    for (load, token, count) in [(open, own, 20), ("", own, 8), ("", "[token]\nreuse = 3\n", 8)] {
        let server = Server::start(|stream, _| {
            stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
            until_closed(stream);
        });
        let more = format!(
            "{token}[[mix]]\ntoken = \"expired\"\nshare = 1\n[[mix]]\ntoken = \"not_yet_valid\"\nshare = 1\n"
        );
        // What the command line changes is part of the token too.
        let run =
            Storm::new(&scenario(&server.url(), load, &more)).run_with(&["--set", "token.ttl=77s"]);
        run.expect(1);
        let findings = rows(&run.out.join("findings.csv"));
        assert_eq!(findings.len(), count);
        for finding in findings {
            assert_eq!(finding["verdict"], "false_accept");
            let client_id = format!("storm-{}", finding["client"]);
            let is_its = |connect: &Connect| connect.client_id == client_id;
            let connect = server.received().into_iter().find(is_its).unwrap();
            assert_eq!(
                connect.username.unwrap(),
                format!("user-{}", finding["client"]).into_bytes()
            );
            let words: Vec<&str> = finding["replay"].split(' ').collect();
            assert_eq!(words[0], "tokenstorm");
            let minted = tokenstorm(&words[1..]).stdout;
            let sent = String::from_utf8(connect.password.unwrap()).unwrap();
            assert_eq!(minted.trim_end(), sent, "{}", finding["replay"]);
        }
    }
}

#[test]
fn the_token_goes_where_the_scenario_says() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    let storm = Storm::new(&scenario(&server.url(), "", "token_in = \"username\"\n---\n"));
    storm.run().expect(0);
    for connect in server.received() {
        assert!(connect.username.unwrap().starts_with(b"ey"));
        // Some verifiers want a password all the same; what it is does not matter to them.
        assert_eq!(connect.password.as_deref(), Some(&b"see-elsewhere"[..]));
    }
}

#[test]
fn clients_without_a_token_bring_what_their_kind_says() {
    let server = Server::answering(&[0x20, 3, 0, 0x87, 0]);
    for (kind, username, password) in [
        ("not_a_jwt", true, Some("hunter2")),
        ("empty_password", true, Some("")),
        ("no_credentials", false, None),
    ] {
        let mix = format!("[[mix]]\ntoken = \"{kind}\"\nshare = 1\n");
        let storm = Storm::new(&scenario(&server.url(), "clients = 1\nconcurrency = 1", &mix));
        storm.run().expect(0);
        let last = server.received().pop().unwrap();
        assert_eq!(last.username.is_some(), username, "{kind}");
        assert_eq!(last.password, password.map(|text| text.as_bytes().to_vec()), "{kind}");
    }
}

#[test]
fn every_client_has_a_token_of_its_own() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    Storm::new(&scenario(&server.url(), "clients = 60\nconcurrency = 8", "")).run().expect(0);
    let tokens: std::collections::HashSet<Vec<u8>> =
        server.received().into_iter().map(|connect| connect.password.unwrap()).collect();
    assert_eq!(tokens.len(), 60);
}

#[test]
fn clients_that_wait_too_long_for_a_token_leave_the_next_ones_theirs() {
    let server = Server::answering(&[0x20, 3, 0, 0, 0]);
    // First far more than any host signs in time, and hardly any ready before; then a few that are
    // still to come when the tokens of those who gave up have been minted all the same.
    let load = "arrivals = \"constant\"\nconnect_timeout = \"5ms\"\n\
                stages = [{ rate = 200000, for = \"5ms\" }, { rate = 50, for = \"10s\" }]";
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/rsa.pkcs8.pem");
    let more = format!(
        "[keys.rsa]\nalgorithm = \"RS256\"\nprivate_key = \"{keys}\"\n[token]\nkey = \"rsa\"\nahead = 1\n\
         [token.claims]\nsub = \"{{client_id}}\"\n"
    );
    let run = Storm::new(&scenario(&server.url(), load, &more)).run();
    let summary = read_json(&run.out.join("summary.json")).unwrap();
    check_conserved(&summary);
    assert_eq!(summary["attempts"], 1500);
    assert!(run.verdicts()["fresh timeout token not_judged"] > 0, "{:?}", run.verdicts());
    let token = &summary["phases"]["token"];
    assert!(token["unfinished"].as_u64() > Some(0), "{token}");
    assert!(!server.received().is_empty());
    for connect in server.received() {
        let token = String::from_utf8(connect.password.unwrap()).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["sub"], connect.client_id.as_str(), "another client's token");
    }
}

#[test]
fn a_minted_token_is_one_line_and_can_be_taken_apart() {
    let storm = Storm::new(&scenario("embedded", "", "[token.claims]\nsub = \"{client_id}\"\n"));
    let path = storm.scenario();
    let at = ["token", "mint", path.to_str().unwrap(), "--client", "5", "--at", "1800000000"];
    let minted = tokenstorm(&at);
    assert_eq!((minted.code, minted.stderr.as_str()), (Some(0), ""));
    assert_eq!(minted.stdout.lines().count(), 1);
    assert_eq!(minted.stdout, tokenstorm(&at).stdout, "the same client at the same moment");
    let payload = minted.stdout.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["sub"], "storm-5");
    assert_eq!(claims["iat"], 1_800_000_000);
    assert_eq!(claims["exp"], 1_800_003_600);

    let mut inspect: Command = program();
    inspect
        .args(["token", "inspect"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = inspect.spawn().unwrap();
    child.stdin.take().unwrap().write_all(minted.stdout.as_bytes()).unwrap();
    let shown = ended(child.wait_with_output().unwrap(), "".into());
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(
        shown.stdout.contains("\"sub\": \"storm-5\"")
            && shown.stdout.contains("expires 2027-01-15T"),
        "{}",
        shown.stdout
    );
    assert!(!shown.stdout.contains(minted.stdout.trim_end().rsplit('.').next().unwrap()));
}

#[test]
fn the_catalogue_is_printed_as_a_table_and_as_json() {
    let list: Vec<Value> =
        serde_json::from_str(&tokenstorm(&["token", "defects", "--json"]).stdout).unwrap();
    let table = tokenstorm(&["token", "defects"]).stdout;
    let controls = list.iter().filter(|entry| entry["control"] == true).count();
    assert!(controls > 10 && list.len() - controls >= 80, "{controls} of {}", list.len());
    for entry in list {
        for field in ["name", "group", "summary", "severity", "source"] {
            assert!(entry[field].is_string(), "{entry}");
        }
        assert_eq!(entry["control"] == true, entry["severity"] == "none", "{entry}");
        assert!(entry["parameters"].is_array());
        assert!(table.contains(entry["name"].as_str().unwrap()));
    }
}
