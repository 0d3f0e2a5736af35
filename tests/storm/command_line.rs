//! The command line as its user meets it: help, errors with a way out, plans.

use std::fs;

use tokenstorm::token::catalogue;

use crate::run::{SECRET, Storm, scenario, tokenstorm};

/// The error of `tokenstorm plan` on a scenario: its text, with the folder taken out.
fn refused(text: &str) -> String {
    let storm = Storm::new(text);
    let path = storm.scenario();
    let ended = tokenstorm(&["plan", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "no colours where nobody sees them");
    ended.stderr.replace(path.to_str().unwrap(), "test.toml")
}

fn mix(entry: &str) -> String {
    scenario("embedded", "", &format!("[[mix]]\n{entry}\n"))
}

#[test]
fn what_is_wrong_is_said_with_file_key_value_and_a_way_out() {
    let unknown = refused(&mix("token = \"expird\"\nshare = 1"));
    assert!(
        unknown.starts_with(
            "error: scenario `test.toml`: `mix[0]`: there is no token kind `expird`\n\n\
             hint: did you mean `expired`? `tokenstorm token defects` lists them"
        ),
        "{unknown}"
    );
    let listed = tokenstorm(&["token", "defects"]).stdout;
    for defect in catalogue::all() {
        assert!(listed.contains(defect.name), "{}", defect.name);
    }
    insta::assert_snapshot!(refused(&mix("token = \"fresh\"\nshare = -1")), @"
    error: scenario `test.toml`: 
    TOML parse error at line 15, column 9
       |
    15 | share = -1
       |         ^^
    invalid value: floating point `-1.0`, expected 0 to 1000000000

    hint: docs/scenarios.md has what each kind of number may be, `tokenstorm schema` each key
    ");
    insta::assert_snapshot!(refused(&mix("token = \"fresh\"\nshare = 1\nkey = \"mian\"")), @"
    error: scenario `test.toml`: `mix[0]`: there is no key `mian` under `[keys]`

    hint: did you mean `main`? There are: `main`
    ");
    insta::assert_snapshot!(refused(&mix("token = \"wrong_issuer\"\nshare = 1")), @"
    error: scenario `test.toml`: `mix[0]`: `wrong_issuer` does not apply: the policy does not check `iss`

    hint: leave it out of the mix, or let `[policy]` promise what it breaks, or write `judged = false`: then both answers are right
    ");
    insta::assert_snapshot!(refused(&mix("token = \"alg_confusion\"\nshare = 1")), @"
    error: scenario `test.toml`: `mix[0]`: `alg_confusion` does not apply: the key is an HMAC secret: it has no public half

    hint: leave it out of the mix, or let `[policy]` promise what it breaks
    ");
}

#[test]
fn what_can_not_be_run_is_refused_by_the_plan() {
    let wrong = |load: &str, more: &str| refused(&scenario("embedded", load, more));
    let has = |error: String, words: &[&str]| {
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    has(
        wrong("", "[identity]\nclient_id = \"storm\"\n"),
        &["identity.client_id", "`{n}`", "storm-{n}"],
    );
    has(wrong("clients = 0", ""), &["load.clients"]);
    has(wrong("concurrency = 0", ""), &["load.concurrency"]);
    has(wrong("mode = \"open\"", ""), &["load.concurrency", "open"]);
    has(wrong("stages = [{ for = \"1s\" }]", ""), &["load.stages[0]", "rate"]);
    has(wrong("connect_timeout = \"0s\"", ""), &["load.connect_timeout"]);
    has(wrong("keep_alive = \"20h\"", ""), &["load.keep_alive"]);
    has(wrong("", "[token]\nttl = \"500ms\"\n"), &["token.ttl"]);
    has(
        wrong("", "[token]\nreuse = 5\n[token.claims]\nsub = \"{client_id}\"\n"),
        &["token.reuse", "token.claims.sub"],
    );
    has(wrong("", "[token.claims]\nexp = 5\n"), &["token.claims.exp", "by itself"]);
    has(wrong("", "[policy]\nchecks = [\"aud\"]\n"), &["token.claims.aud"]);
    has(wrong("", "[policy]\nbinds = [\"clientid\"]\n"), &["token.claims.clientid"]);
    has(
        wrong("", "[thresholds]\n\"conack\" = [\"p99 < 1s\"]\n"),
        &["conack", "did you mean `connack`"],
    );
    has(wrong("", "[policy]\nrefuses_with = { v5 = [0] }\n"), &["refuses_with"]);
    let twice = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n";
    has(wrong("", twice), &["another entry named `fresh`", "name"]);
    let crowd = "stages = [{ rate = 40000, for = \"30s\" }]\nhold = \"20s\"";
    has(wrong(crowd, ""), &["descriptors", "load.hold"]);
    let long = "stages = [{ rate = 10, for = \"3s\" }]\nwarmup = \"3s\"";
    has(wrong(long, ""), &["load.warmup", "3s", "nothing would be timed"]);
    has(
        wrong("stages = [{ rate = 1e9, for = \"1s\" }]", ""),
        &["rate = 1e9", "expected 0 to 10000000"],
    );
    has(wrong("clients = 9223372036854775807", ""), &["line 6", "expected 0 to 100000000"]);
    has(wrong("hold = \"18446744073709551615s\"", ""), &["hold = ", "of at most 100 years"]);
    has(wrong("hold = 10", ""), &["expected a duration", "`\"500ms\"`"]);
    has(wrong("holt = \"1s\"", ""), &["unknown field `holt`", "did you mean `hold`?"]);
    has(wrong("", "[thresholds]\n\"connack\" = []\n"), &["connack", "no condition"]);
}

#[test]
fn a_promise_that_no_good_token_could_meet_is_refused_by_the_plan() {
    let wrong = |more: &str| refused(&scenario("embedded", "", more));
    let has = |error: String, words: &[&str]| {
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    has(
        wrong("[policy]\nalgorithms = [\"RS256\"]\n"),
        &["key `main` signs with HS256", "policy.algorithms"],
    );
    has(
        wrong(
            "[identity]\nusername = \"device\"\n[token.claims]\nusername = \"{username}\"\n[policy]\nbinds = [\"username\"]\n",
        ),
        &["`token.claims.username` is not the client's", "`{n}`"],
    );
    has(
        wrong("[token.claims]\niss = \"https://{n}.example\"\n[policy]\nchecks = [\"iss\"]\n"),
        &["`token.claims.iss` is not the same text for all clients"],
    );
    has(wrong("[policy]\nrequires = [\"nbf\"]\n"), &["requires `nbf`", "drop it"]);
    has(wrong("[policy]\nleeway = \"3years\"\n"), &["policy.leeway", "1year"]);
    let taken_out = scenario("embedded", "", "").replace(SECRET, "<redacted>");
    has(refused(&taken_out), &["keys.main", "was taken out of this file"]);
}

#[test]
fn more_clients_than_ports_are_refused_with_addresses_as_the_way_out() {
    // So many descriptors are only there on hosts that allow them: the ports are counted per source.
    let crowd =
        scenario("embedded", "stages = [{ rate = 40000, for = \"30s\" }]\nhold = \"20s\"", "");
    let scenario =
        tokenstorm::scenario::parse(&crowd, &tokenstorm::scenario::Overrides::default()).unwrap();
    let loaded = tokenstorm::scenario::Loaded::new("test.toml", scenario);
    let limits =
        tokenstorm::base::host::Limits { descriptors: 10_000_000, ports: 32_768..=60_999, cpus: 2 };
    let error = tokenstorm::plan::Plan::new(&loaded, &limits).unwrap_err();
    assert!(error.to_string().contains("28232 a source address"), "{error}");
    assert!(error.way_out().unwrap().contains("load.source_addresses"));
}

#[test]
fn a_target_off_this_host_needs_a_word_and_a_password_in_its_url_is_never_shown() {
    let ended = Storm::new(&scenario("mqtt://broker.example", "", "")).run();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let error = ended.stderr;
    assert!(error.contains("not authorized") && error.contains("--authorized"), "{error}");
    let error = refused(&scenario("mqtt://user:hunter2@127.0.0.1", "", ""));
    assert!(!error.contains("hunter2"), "{error}");
    let error = refused(&scenario("127.0.0.1:1883", "", ""));
    assert!(error.contains("write `mqtt://127.0.0.1:1883`"), "{error}");
    let error = refused(&scenario("user:hunter2@127.0.0.1", "", ""));
    assert!(error.contains("no scheme") && !error.contains("hunter2"), "{error}");
    let error = refused(&scenario("quic://127.0.0.1", "", ""));
    assert!(error.contains("reached by `quic`") && error.contains("`wss://"), "{error}");
    let error = refused(&scenario("mqtts://127.0.0.1/path", "", ""));
    assert!(error.contains("only `ws://` and `wss://` have a path"), "{error}");
}

#[test]
fn a_file_that_is_not_there_and_one_that_is_no_toml_are_told_apart() {
    let missing = tokenstorm(&["run", "no-such.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("can't read scenario `no-such.toml`"), "{}", missing.stderr);
    let broken = refused("name = \"x\nload = 5");
    assert!(broken.contains("TOML parse error at line 1, column"), "{broken}");
}

#[test]
fn set_changes_a_scenario_and_says_what_it_can_not() {
    let storm = Storm::new(&scenario("embedded", "", ""));
    let path = storm.scenario();
    let plan = |set: &str| tokenstorm(&["plan", path.to_str().unwrap(), "--set", set]);
    let changed = plan("load.clients=1234");
    assert!(changed.stdout.contains("attempts     1 234"), "{}", changed.stdout);
    let typo = plan("load.clinets=5");
    assert_eq!(typo.code, Some(2));
    assert!(
        typo.stderr.contains("`--set load.clinets=5`") && typo.stderr.contains("`clients`"),
        "{}",
        typo.stderr
    );
}

#[test]
fn a_plan_shows_what_a_run_would_do() {
    let text = tokenstorm(&["plan", "scenarios/quickstart.toml"]).stdout;
    for part in [
        "attempts     5 002 in",
        "peak rate 1 000/s",
        "if all tokens are let in",
        " descriptors",
        " a token, ",
        "expired",
        "lasts 1h",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let ending = tokenstorm(&["plan", "scenarios/quickstart.toml", "--set", "token.ttl=1s"]).stdout;
    assert!(ending.contains("1s after each connect, while its client still holds"), "{ending}");
}

#[test]
fn a_plan_needs_no_secret_of_the_hosts_that_run_it_and_says_which_are_not_here() {
    let storm = Storm::new(&scenario(
        "mqtt://192.0.2.1:1883",
        "",
        "[token]\nsource = \"oauth\"\n[oauth]\nissuer = \"http://127.0.0.1:1/\"\nclient_id = \"c\"\n\
         client_secret_env = \"TOKENSTORM_TEST_NOT_SET\"\n",
    ));
    let path = storm.scenario();
    let set = |change: &str| tokenstorm(&["plan", path.to_str().unwrap(), "--set", change]);
    let said = set("name=other");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for note in [
        "note: `oauth.client_secret_env` names `TOKENSTORM_TEST_NOT_SET`, which is not set here",
        "note: `mqtt://192.0.2.1:1883` is not on this host: a run needs `--authorized`",
    ] {
        assert!(said.stdout.contains(note), "{note}\n{}", said.stdout);
    }
    // What a run would need is needed still, and what is wrong is wrong here, too.
    assert_eq!(tokenstorm(&["run", path.to_str().unwrap()]).code, Some(2));
    assert_eq!(set("token.source=nobody").code, Some(2));
}

#[test]
fn a_plan_for_several_agents_shows_the_share_of_one_and_what_decides_how_many_it_takes() {
    let fits = tokenstorm(&["plan", "scenarios/quickstart.toml", "--agents", "4"]);
    assert_eq!(fits.code, Some(0), "{}", fits.stderr);
    for part in [
        "agents 4, each with such a share",
        " one agent takes its host has agents at least ",
        " attempts 1 251 - - ",
        " connects/s at the peak 250 - - ",
        "descriptors",
        "local ports",
        "memory",
        "cores for clients",
        "tokens to sign",
        "one agent is enough",
        "coordinator's loopback",
    ] {
        let text = fits.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(part), "`{part}` is not in:\n{}", fits.stdout);
    }
    // What no plan of one host lets pass is planned for several, and said where it does not fit them.
    let crowd = ["--set", "load.stages=[{ rate = 40000, for = \"30s\" }]", "--set", "load.hold=1h"];
    let few =
        tokenstorm(&[&["plan", "scenarios/quickstart.toml", "--agents", "2"], &crowd[..]].concat());
    assert_eq!(few.code, Some(2), "{}", few.stdout);
    assert!(few.stdout.contains("decide"), "{}", few.stdout);
    assert!(
        few.stderr.contains("does not fit 2 agents") && few.stderr.contains("--agents "),
        "{}",
        few.stderr
    );
    let many = tokenstorm(
        &[&["plan", "scenarios/quickstart.toml", "--agents", "5000"], &crowd[..]].concat(),
    );
    assert_eq!(many.code, Some(0), "{}{}", many.stdout, many.stderr);
    let none = tokenstorm(&["plan", "scenarios/quickstart.toml", "--agents", "0"]);
    assert_eq!(
        (none.code, none.stderr.contains("0 is not in 1..")),
        (Some(2), true),
        "{}",
        none.stderr
    );
    let idle = tokenstorm(&["plan", "scenarios/quickstart.toml", "--agents", "6000"]);
    assert_eq!(idle.code, Some(2));
    assert!(idle.stderr.contains("6000, but there are only 5002 clients"), "{}", idle.stderr);
}

#[test]
fn schema_and_completions_are_data_on_stdout() {
    let schema: serde_json::Value = serde_json::from_str(&tokenstorm(&["schema"]).stdout).unwrap();
    for key in
        ["name", "target", "load", "identity", "keys", "token", "mix", "policy", "thresholds"]
    {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(tokenstorm(&["completions", shell]).stdout.contains("tokenstorm"), "{shell}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = tokenstorm(&["--help"]).stdout;
    for word in
        ["run", "plan", "doctor", "token", "broker", "report", "schema", "completions", "130 inter"]
    {
        assert!(help.contains(word), "{help}");
    }
    assert_eq!(tokenstorm(&["storm"]).code, Some(2));
}

#[test]
fn a_folder_that_holds_no_run_is_told_so() {
    let folder = tempfile::TempDir::new().unwrap();
    let ended = tokenstorm(&["report", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("no run folder"), "{}", ended.stderr);
    fs::write(folder.path().join("summary.json"), "{\"format\": 99}").unwrap();
    let newer = tokenstorm(&["report", folder.path().to_str().unwrap()]);
    assert!(newer.stderr.contains("format 99 is newer"), "{}", newer.stderr);
}

#[test]
fn doctor_says_what_would_stop_a_scenario_and_exits_1_then() {
    let fits = tokenstorm(&["doctor", "scenarios/quickstart.toml"]);
    assert_eq!(fits.code, Some(0), "{}{}", fits.stdout, fits.stderr);
    for limit in [
        "hard limit",
        "local ports",
        "somaxconn",
        "tcp_tw_reuse",
        "conntrack",
        "clock",
        "governor",
        "memory",
    ] {
        assert!(fits.stdout.contains(limit), "{limit}: {}", fits.stdout);
    }
    // More than the plan of a run would let pass: the doctor looks at it all the same.
    let huge = ["--set", "load.hold=1h", "--set", "load.stages=[{ rate = 50000, for = \"60s\" }]"];
    let stopped = tokenstorm(&[&["doctor", "scenarios/quickstart.toml"], &huge[..]].concat());
    assert_eq!(stopped.code, Some(1), "{}", stopped.stdout);
    assert!(stopped.stdout.contains("STOPS") && stopped.stdout.contains("`load.source_addresses`"));
    assert!(stopped.stdout.contains("quickstart can't be run on this host"), "{}", stopped.stdout);
    assert_eq!(tokenstorm(&["doctor"]).code, Some(0));
    assert_eq!(tokenstorm(&["doctor", "no-such.toml"]).code, Some(2));
}

#[test]
fn doctor_names_a_source_address_that_is_not_this_hosts() {
    let set = "load.source_addresses=[\"127.0.0.5\", \"192.0.2.1\"]";
    let run = tokenstorm(&["doctor", "scenarios/quickstart.toml", "--set", set]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.contains("names `192.0.2.1`"), "{}", run.stdout);
}

#[test]
fn a_broker_that_keeps_refusals_back_for_longer_than_clients_wait_is_refused_by_the_plan() {
    let sets = ["--set", "target.profile=rabbitmq-4", "--set", "load.connect_timeout=3s"];
    let run = tokenstorm(&[&["plan", "scenarios/rabbitmq.toml"], &sets[..]].concat());
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("delays a refusal by 3s"), "{}", run.stderr);
}

#[test]
fn doctor_looks_for_the_address_of_each_broker() {
    let run = tokenstorm(&[
        "doctor",
        "scenarios/quickstart.toml",
        "--target",
        "mqtt://localhost:1",
        "--set",
        "load.hold=0s",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    assert!(
        run.stdout.contains("a broker's address") && run.stdout.contains("127.0.0.1"),
        "{}",
        run.stdout
    );
    let nowhere = [
        "doctor",
        "scenarios/quickstart.toml",
        "--target",
        "mqtt://no-such.invalid",
        "--authorized",
    ];
    let run = tokenstorm(&nowhere);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.contains("no address"), "{}", run.stdout);
}

#[test]
fn a_version_of_tls_is_read_with_and_without_quotes() {
    for version in ["1.2", "1.3", "\"1.3\""] {
        let set = format!("target.tls.version={version}");
        let run = tokenstorm(&["plan", "scenarios/tls.toml", "--set", &set]);
        assert_eq!(run.code, Some(0), "{version}: {}", run.stderr);
        assert!(run.stdout.contains("  tls          certificates checked"), "{}", run.stdout);
    }
}
