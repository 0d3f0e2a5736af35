//! Matrices, as their user starts them: of the embedded broker, and of servers that lie about tokens.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    run::{Ended, SECRET, Storm, everything, read_json, scenario, tokenstorm},
    server::{Connect, Server, until_closed},
};

/// Claims and a key for a server of these tests; judged strictly.
fn asked(url: &str) -> Storm {
    let more = "profile = \"strict\"\n---\n[token.claims]\nclientid = \"{client_id}\"\n[policy]\nbinds = [\"clientid\"]\n";
    Storm::new(&scenario(url, "", more))
}

pub(crate) fn matrix(storm: &Storm, arguments: &[&str]) -> Ended {
    let (scenario, out) = (storm.scenario(), storm.out());
    let fixed = [
        "matrix",
        scenario.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--progress",
        "none",
    ];
    tokenstorm(&[&fixed[..], arguments].concat()).with_out(out)
}

fn cells(run: &Ended) -> Vec<Value> {
    result(run)["cells"].as_array().unwrap().clone()
}

fn result(run: &Ended) -> Value {
    read_json(&run.out.join("matrix.json")).unwrap_or_else(|| panic!("{}", run.stderr))
}

/// CONNACK with a code, in the client's version of MQTT.
fn answer(stream: &mut TcpStream, connect: &Connect, code: (u8, u8)) {
    let bytes: &[u8] =
        if connect.level == 5 { &[0x20, 3, 0, code.1, 0] } else { &[0x20, 2, 0, code.0] };
    // One that gave up has its reasons.
    let _ = stream.write_all(bytes);
    if code.0 == 0 {
        until_closed(stream);
    }
}

#[test]
#[cfg(feature = "embedded")]
fn without_a_scenario_the_embedded_broker_is_judged_in_both_versions_and_every_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = tokenstorm(&["matrix", "--progress", "none", "--out", out.to_str().unwrap()])
        .with_out(out.clone());
    // rmqtt's plugin takes an `exp` that is no number.
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let cells = cells(&run);
    let of = |defect: &str, protocol: u8| {
        let is_it = |cell: &&Value| cell["defect"] == defect && cell["protocol"] == protocol;
        cells.iter().find(is_it).unwrap_or_else(|| panic!("{defect} {protocol}")).clone()
    };
    for protocol in [4, 5] {
        assert_eq!(of("fresh", protocol)["verdict"], "correct");
        assert_eq!(of("wrong_key", protocol)["outcome"], "refused");
        assert_eq!(of("exp_word", protocol)["verdict"], "false_accept");
        let weak = of("no_exp", protocol);
        assert_eq!(weak["verdict"], "correct", "the plugin promises nothing about it");
        assert_eq!(weak["strict_verdict"], "false_accept");
    }
    assert!(run.stdout.contains("weak by configuration") && run.stdout.contains("exp_word"));
    assert!(
        run.stdout.contains("--only exp_word"),
        "a finding names the command that sends it again"
    );
    let table = crate::run::rows(&out.join("matrix.csv"));
    assert_eq!(table.len(), cells.len());
    for file in ["summary.json", "verdicts.csv", "findings.csv", "scenario.toml"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let folder = out.to_str().unwrap();
    let junit = tokenstorm(&["report", folder, "--format", "junit"]).stdout;
    let skipped = result(&run)["skipped"].as_array().unwrap().len();
    assert_eq!(junit.matches("<testcase ").count(), cells.len() + skipped);
    let wrong = cells.iter().filter(|cell| cell["verdict"] == "false_accept").count();
    assert_eq!(junit.matches("<failure ").count(), wrong);
    // CI servers keep one case a name, or one a name and class.
    let names: std::collections::BTreeSet<&str> = junit
        .split("<testcase ")
        .skip(1)
        .map(|case| case.split_once("name=\"").unwrap().1.split('"').next().unwrap())
        .collect();
    assert_eq!(names.len(), cells.len() + skipped, "each case has a name of its own");
    assert!(
        names.contains("fresh (MQTT 3.1.1)") && names.contains("fresh (MQTT 5.0)"),
        "{names:?}"
    );
    assert_eq!(tokenstorm(&["report", folder]).stdout.lines().last(), run.stdout.lines().last());
    assert!(!everything(&run).contains("eyJ"), "no token in any file");
}

#[test]
#[cfg(feature = "embedded")]
fn a_matrix_of_a_well_known_secret_runs_and_says_that_it_must_be_changed() {
    let storm = Storm::new(
        "name = \"weak\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 1\nconcurrency = 1\n[keys.main]\nalgorithm = \"HS256\"\nsecret = \"emqxsecret\"\n\
         [token]\nbytes = 4096\n[token.claims]\nsub = \"{client_id}\"\naud = \"\"\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n",
    );
    let run = matrix(&storm, &[]);
    // rmqtt's plugin takes an `exp` that is no number.
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let skipped = result(&run)["skipped"].as_array().unwrap().clone();
    for (name, why) in [("secret_weak_emqx", "must be changed"), ("audience_empty", "coincides")] {
        let is_it =
            |it: &&Value| it["defect"] == name && it["reason"].as_str().unwrap().contains(why);
        assert_eq!(skipped.iter().filter(is_it).count(), 2, "{name}: {skipped:?}");
    }
    assert!(cells(&run).iter().any(|cell| cell["defect"] == "token_32k"));
    assert!(!everything(&run).contains("emqxsecret\""), "the secret itself is in no file");
}

#[test]
#[cfg(feature = "embedded")]
fn a_probe_watches_the_turn_that_there_is_and_says_why_not_the_other() {
    // The plugin looks at `exp` alone, with a leeway of a minute.
    let text = scenario("embedded", "", "---\n[policy]\nchecks = [\"exp\"]\n");
    let storm = Storm::new(&text);
    let run = matrix(&storm, &["--only", "fresh", "--probe"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let edges = read_json(&run.out.join("probe.json")).unwrap();
    assert_eq!(
        (&edges["good_unwatched"], &edges["turns_good_s"]),
        (&"not_checked".into(), &Value::Null)
    );
    let bad = edges["turns_bad_s"].as_f64().unwrap_or_else(|| panic!("{edges}"));
    assert!((59.0..62.0).contains(&bad), "{edges}");
    assert!(run.stdout.contains("not watched, since `nbf` is not checked"), "{}", run.stdout);
    assert!(!run.stdout.contains("not seen"), "{}", run.stdout);
    for tell in edges["tells"].as_array().unwrap() {
        let side = |name: &str| tell["shift"][name].as_f64().unwrap();
        assert!(side("low_us") < side("high_us"), "{tell}");
    }
    assert!(edges["refusal_delay_low_us"].as_f64() < edges["refusal_delay_high_us"].as_f64());
}

#[test]
fn a_broker_that_lets_everybody_in_is_said_in_one_line() {
    let server = Server::start(|stream, connect| answer(stream, connect, (0, 0)));
    let storm = asked(&server.url());
    let run = matrix(&storm, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(result(&run)["state"], "accepts_all");
    assert!(run.stdout.contains("lets everybody in"), "{}", run.stdout);
    assert!(!run.stdout.contains("--only"), "no single findings: {}", run.stdout);
    assert!(!everything(&run).contains(SECRET));
}

#[test]
fn a_broker_that_lets_nobody_in_is_said_in_one_line_with_the_likely_causes() {
    let server = Server::start(|stream, connect| answer(stream, connect, (5, 0x87)));
    let storm = asked(&server.url());
    let run = matrix(&storm, &[]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert_eq!(result(&run)["state"], "refuses_all");
    assert!(
        run.stdout.contains("lets nobody in") && run.stdout.contains("`kid`"),
        "{}",
        run.stdout
    );
    let is_bad = |cell: &&Value| cell["group"] != "control";
    assert!(cells(&run).iter().filter(is_bad).all(|cell| cell["verdict"] == "not_judged"));
}

#[test]
fn a_broker_that_bans_in_mid_matrix_turns_refusals_into_cells_that_are_not_judged() {
    // It lets all in at first, and nobody later: with the code of a bad token under 3.1.1, with that of a ban under 5.0.
    let server = Server::start(|stream, connect| {
        answer(stream, connect, if connect.number < 40 { (0, 0) } else { (5, 0x8A) });
    });
    let storm = asked(&server.url());
    let run = matrix(&storm, &[]);
    assert_eq!(result(&run)["state"], "unsteady", "{}", run.stdout);
    assert!(run.stdout.contains("bans or limits"), "{}", run.stdout);
    // With the code of a ban nothing is left to withdraw.
    assert_eq!(result(&run)["unheard"], serde_json::json!([4]));
    let refused: Vec<Value> =
        cells(&run).into_iter().filter(|cell| cell["outcome"] == "refused").collect();
    assert!(!refused.is_empty());
    for cell in refused.iter().filter(|cell| cell["group"] != "control") {
        assert_eq!(cell["verdict"], "not_judged", "{cell}");
    }
}

#[test]
fn a_verifier_that_follows_a_header_of_the_token_is_a_finding_of_its_own() {
    let server = Server::start(|stream, connect| {
        let token = String::from_utf8(connect.password.clone().unwrap_or_default());
        let header =
            token.ok().and_then(|token| URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok());
        let header: Value =
            header.and_then(|header| serde_json::from_slice(&header).ok()).unwrap_or_default();
        if let Some(url) = header["jku"].as_str() {
            let (host, path) = url.rsplit_once("://").unwrap().1.split_once('/').unwrap();
            // As far as most clients of HTTP go: what stands before the `@` is a user.
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let mut canary = TcpStream::connect(host).unwrap();
            write!(canary, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
                .unwrap();
            canary.read_to_end(&mut Vec::new()).unwrap();
        }
        // Only good tokens have nothing strange in their header.
        let is_good = header["alg"] == "HS256" && header.as_object().unwrap().len() == 2;
        answer(stream, connect, if is_good { (0, 0) } else { (5, 0x87) });
    });
    let storm = asked(&server.url());
    let run = matrix(&storm, &["--only", "jku_*", "--only", "jwk_embedded"]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let fetched: std::collections::BTreeSet<String> = result(&run)["fetches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fetch| fetch["defect"].as_str().unwrap().to_owned())
        .collect();
    let expected = ["jku_canary", "jku_redirect", "jku_userinfo"].map(str::to_owned);
    assert_eq!(fetched, expected.into());
    assert!(run.stdout.contains("FETCH"), "{}", run.stdout);
    // It looks at headers alone, and so lets a wrong key in; the tokens that it asked for were refused all the same.
    let of_header = |cell: &&Value| cell["group"] == "header";
    assert!(cells(&run).iter().filter(of_header).all(|cell| cell["verdict"] == "correct"));
}

#[test]
#[cfg(feature = "embedded")]
fn in_a_background_every_cell_is_sent_as_often_as_asked_and_nothing_found_has_an_upper_bound() {
    let storm = asked("embedded");
    let run = matrix(&storm, &["--only", "wrong_key", "--repeat", "100", "--background", "400"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let bad: Vec<Value> =
        cells(&run).into_iter().filter(|cell| cell["defect"] == "wrong_key").collect();
    assert_eq!(bad.len(), 2);
    for cell in bad {
        assert_eq!((&cell["attempts"], &cell["false_accepts"]), (&100.into(), &0.into()));
        let bound = cell["upper_bound_95"].as_f64().unwrap();
        assert!((0.029..0.031).contains(&bound), "3 in 100: {bound}");
    }
    let background = &result(&run)["background"];
    assert_eq!(background["attempts"], background["accepted"]);
    assert!(background["attempts"].as_u64().unwrap() >= 2000, "5 s of 400: {background}");
    assert!(run.stdout.contains("at 95 % confidence at most 1 in "), "{}", run.stdout);
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest_name() {
    let storm = asked("mqtt://127.0.0.1:1");
    for (arguments, hint) in [
        (["--only", "expird"], "did you mean `expired`?"),
        (["--profile", "rabbitmq-3.1"], "did you mean `rabbitmq-3.10`?"),
        (["--only", "x["], "`*` stands for any text"),
    ] {
        let run = matrix(&storm, &arguments);
        assert_eq!(run.code, Some(2), "{}", run.stdout);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    let run = matrix(&storm, &["--only", "ecdsa_*"]);
    assert!(run.code == Some(2) && run.stderr.contains("no EC key"), "{}", run.stderr);
    let two = ["--target", "mqtt://127.0.0.1:1", "--target", "mqtt://127.0.0.1:2"];
    let run = matrix(&storm, &[&two[..], &["--probe"]].concat());
    assert!(run.code == Some(2) && run.stderr.contains("edges of one verifier"), "{}", run.stderr);
    let run = tokenstorm(&["matrix", "--target", "mqtt://127.0.0.1:1"]);
    assert!(
        run.code == Some(2) && run.stderr.contains("no scenario with the keys"),
        "{}",
        run.stderr
    );
    let run = tokenstorm(&["broker", storm.scenario().to_str().unwrap(), "--mutant", "skips_exps"]);
    assert!(
        run.code == Some(2) && run.stderr.contains("did you mean `skips_exp`?"),
        "{}",
        run.stderr
    );
}

#[test]
#[cfg(feature = "embedded")]
fn an_interrupted_matrix_keeps_the_cells_that_it_had() {
    let storm = asked("embedded");
    let out = storm.out();
    let child = crate::run::program()
        .args([
            "matrix",
            storm.scenario().to_str().unwrap(),
            "--repeat",
            "1000",
            "--progress",
            "none",
            "--out",
        ])
        .arg(&out)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let is_there = || {
        std::fs::read_to_string(out.join("matrix.json"))
            .is_ok_and(|text| text.contains("wrong_key"))
    };
    while !is_there() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let run = storm.wait(child).with_out(out);
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    assert!(!cells(&run).is_empty());
    assert_eq!(result(&run)["partial"], false);
}

/// Takes 3.1.1, with tokens of three segments; answers each CONNECT of 5.0 with these bytes.
fn without_5_0(bytes: &'static [u8]) -> Server {
    Server::start(move |stream, connect| {
        if connect.level == 5 {
            let _ = stream.write_all(bytes);
            return;
        }
        let password = connect.password.clone().unwrap_or_default();
        let is_token = password.split(|byte| *byte == b'.').count() == 3;
        answer(stream, connect, if is_token { (0, 0) } else { (5, 0x87) });
    })
}

#[test]
fn a_version_that_is_not_spoken_is_said_and_what_it_kept_from_being_judged_fails_the_matrix() {
    let only = ["--only", "fresh", "--only", "not_a_jwt", "--only", "random_bytes"];
    for bytes in [&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0], &[0x20, 3, 0, 1, 0]] {
        let run = matrix(&asked(&without_5_0(bytes).url()), &only);
        assert!(run.stdout.contains("MQTT 5.0: not spoken"), "{}", run.stdout);
        assert!(!run.stdout.contains("refuses_with"), "{}", run.stdout);
        assert!(!run.stdout.contains("bans or limits"), "{}", run.stdout);
        assert_eq!(run.code, Some(1), "{}", run.stdout);
        assert!(run.stdout.contains("verdict.not_judged rate <= 0.01"), "{}", run.stdout);
    }
    let run = matrix(&asked(&without_5_0(&[0x20, 3, 0, 0x8C, 0]).url()), &only);
    assert!(run.stdout.contains("it wants an authentication method"), "{}", run.stdout);
}

#[test]
fn a_few_attempts_that_say_nothing_do_not_make_their_cells_mute() {
    let server = Server::start(|stream, connect| {
        let password = connect.password.clone().unwrap_or_default();
        let is_token = password.split(|byte| *byte == b'.').count() == 3;
        // Of each ten one is closed in the middle of its answer, which says nothing.
        match (is_token, connect.number % 10) {
            (true, _) => answer(stream, connect, (0, 0)),
            (false, 0) => drop(stream.write_all(&[0x20])),
            (false, _) => answer(stream, connect, (5, 0x87)),
        }
    });
    let run = matrix(
        &asked(&server.url()),
        &["--only", "fresh", "--only", "not_a_jwt", "--repeat", "30"],
    );
    assert!(!run.stdout.contains("More than half"), "{}", run.stdout);
    assert_eq!(run.code, Some(1), "over one in a hundred could not be judged: {}", run.stdout);
}

#[test]
fn a_matrix_of_a_broker_that_lets_nobody_in_is_no_success_in_a_pull_request() {
    let server = Server::start(|stream, connect| answer(stream, connect, (5, 0x87)));
    let only = ["--only", "fresh", "--only", "not_a_jwt"];
    let storm = asked(&server.url());
    let run = matrix(&storm, &only);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let folder = run.out.to_str().unwrap();
    let markdown = tokenstorm(&["report", folder, "--format", "markdown"]).stdout;
    assert!(markdown.starts_with("### tokenstorm: test: NOTHING MEASURED"), "{markdown}");
    let counted = cells(&run).iter().filter(|cell| cell["verdict"] == "false_reject").count();
    assert!(markdown.contains(&format!("{counted} false reject")), "{markdown}");
}

#[test]
fn a_wrong_reason_has_a_severity_of_its_own_and_its_byte_is_written_in_one_way() {
    // Whatever is no token of three segments is refused by a code of another kind, the same in both versions.
    let server = Server::start(|stream, connect| {
        let password = connect.password.clone().unwrap_or_default();
        let is_token = password.split(|byte| *byte == b'.').count() == 3;
        answer(stream, connect, if is_token { (0, 0) } else { (0x8C, 0x8C) });
    });
    let storm = asked(&server.url());
    let run = matrix(&storm, &["--only", "fresh", "--only", "random_bytes"]);
    let own = cells(&run).into_iter().filter(|cell| cell["defect"] == "random_bytes");
    for cell in own {
        assert_eq!((&cell["verdict"], &cell["severity"]), (&"wrong_reason".into(), &"low".into()));
        assert_eq!(cell["code"], 0x8C, "data files have numbers");
    }
    assert!(run.stdout.contains("wrong reason: refused 0x8C (MQTT 3.1.1, 5.0)"), "{}", run.stdout);
    assert!(!run.stdout.contains("140"), "{}", run.stdout);
    let severe = run.stdout.lines().position(|line| line.trim() == "critical");
    let found = run.stdout.lines().position(|line| line.contains("random_bytes: wrong reason"));
    let low = run.stdout.lines().position(|line| line.trim() == "low");
    assert!(low < found && (severe.is_none() || severe < low), "{}", run.stdout);
}

#[test]
fn a_refusal_by_a_code_that_nobody_named_gets_the_hint_to_name_it() {
    let refusing = |code: (u8, u8)| {
        let server = Server::start(move |stream, connect| {
            let password = connect.password.clone().unwrap_or_default();
            let is_token = password.split(|byte| *byte == b'.').count() == 3;
            answer(stream, connect, if is_token { (0, 0) } else { code });
        });
        matrix(&asked(&server.url()), &["--only", "fresh", "--only", "random_bytes"]).stdout
    };
    let said = refusing((5, 0x80));
    assert!(said.contains("not judged, refused 0x80") && said.contains("`refuses_with`"), "{said}");
    let said = refusing((5, 0x97));
    assert!(
        said.contains("not judged, refused 0x97") && !said.contains("`refuses_with`"),
        "{said}"
    );
}
