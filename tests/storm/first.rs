//! The first minute: scenarios from anywhere, a scenario for one's own broker, and any question asked of that.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tokenstorm::base::{
    release::{REPOSITORY, attached},
    shipped::{PROFILES, SCENARIOS, Shipped},
};

use crate::{
    own_broker::OwnBroker,
    run::{Ended, check_conserved, ended, read_json, tokenstorm},
};

/// A quickstart of a tenth of a second.
const BRIEF: &str = "load.stages=[{ rate = 200, for = \"100ms\" }]";

/// A folder with nothing but a private key, and a broker that knows its public half.
struct Bench {
    folder: TempDir,
    broker: OwnBroker,
}

impl Bench {
    fn new(mutant: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        fs::copy(keys.join("ec256.pkcs8.pem"), folder.path().join("key.pem")).unwrap();
        fs::copy(keys.join("rsa.pkcs8.pem"), folder.path().join("other.pem")).unwrap();
        let own = "[target]\nbrokers = [\"embedded\"]\n[policy]\nleeway = \"0s\"\n\
                   [keys.own]\nalgorithm = \"ES256\"\nprivate_key = \"key.pem\"\n";
        fs::write(folder.path().join("broker.toml"), own).unwrap();
        let broker = OwnBroker::start(&folder.path().join("broker.toml"), mutant);
        Self { folder, broker }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Runs the program in that folder.
    fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), arguments)
    }

    fn init(&self, more: &[&str]) -> Ended {
        self.run(&[&["init", "--target", &self.broker.url, "--profile", "rmqtt"], more].concat())
    }
}

pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstorm"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    ended(output, folder.join("out"))
}

#[test]
fn every_scenario_and_profile_is_listed_with_what_it_is_and_shown_as_it_is() {
    for (command, all) in [("scenarios", SCENARIOS), ("profiles", PROFILES)] {
        let listed = tokenstorm(&[command]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        for name in Shipped::names(all) {
            assert!(listed.stdout.lines().any(|line| line == name), "{name}: {}", listed.stdout);
        }
        for shipped in all {
            assert_eq!(tokenstorm(&[command, "show", shipped.file]).stdout, shipped.text);
        }
    }
    let unknown = tokenstorm(&["profiles", "show", "mosquito-jwt"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `mosquitto-jwt`"), "{}", unknown.stderr);
}

#[test]
fn the_quickstart_and_a_scenario_with_a_file_beside_it_run_in_an_empty_folder() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["run", "quickstart", "--set", BRIEF][..], &["run", "tokens-from-file.toml"]]
    {
        let more = ["--out", "out", "--progress", "none"];
        let run = run_in(folder.path(), &[arguments, &more[..]].concat());
        let summary = run.expect(0);
        assert!(summary["attempts"].as_u64().unwrap() > 10, "{summary}");
        fs::remove_dir_all(folder.path().join("out")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing else is left");
    }
}

#[test]
fn init_writes_a_scenario_that_plans_runs_and_has_told_a_good_token_from_an_expired_one() {
    let bench = Bench::new("healthy");
    let init = bench.init(&["--key", "key.pem", "--claim", "iss=https://issuer.example"]);
    assert_eq!(init.code, Some(0), "{}{}", init.stdout, init.stderr);
    for said in ["a good token ", "one that ended ", "one by another key ", "no token at all "] {
        let line = init.stdout.lines().find(|line| line.trim_start().starts_with(said));
        let line = line.unwrap_or_else(|| panic!("{said}: {}", init.stdout));
        let did = if said.contains("good") {
            "accepted after "
        } else {
            "refused with 0x87 Not authorized"
        };
        assert!(line.contains(did) && line.ends_with(": correct"), "{line}");
    }
    let text = bench.text("my-broker.toml");
    assert!(text.contains("algorithm = \"ES256\"\nprivate_key = \"key.pem\""), "{text}");
    assert!(text.contains("iss = \"https://issuer.example\""), "{text}");
    let schema = text.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
    match attached(REPOSITORY, "tokenstorm.schema.json") {
        Some(address) => assert_eq!(schema, address),
        None => assert_eq!(bench.text(schema), tokenstorm(&["schema"]).stdout),
    }
    let stages = "load.stages=[{ rate = 100, for = \"200ms\" }]";
    let run = bench.run(&["run", "my-broker.toml", "--out", "out", "--set", stages]);
    assert_eq!(run.expect(0)["scenario"], "my-broker");
    // A second one does not take its place unasked.
    let again = bench.init(&["--key", "key.pem"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("`my-broker.toml` is there already"), "{}", again.stderr);
    assert_eq!(bench.text("my-broker.toml"), text);
}

#[test]
fn init_says_what_is_wrong_with_the_key_or_the_broker() {
    let bench = Bench::new("healthy");
    let other = bench.init(&["--key", "other.pem"]);
    assert_eq!(other.code, Some(3), "{}{}", other.stdout, other.stderr);
    assert!(bench.text("my-broker.toml").contains("algorithm = \"RS256\""));
    assert!(other.stdout.contains("This broker lets nobody in"), "{}", other.stdout);
    // Nothing is written that could not be run.
    let missing = bench.init(&["no-key.toml", "--key", "missing.pem"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("missing.pem"), "{}", missing.stderr);
    let text = bench.init(&["text.toml", "--key", "broker.toml"]);
    assert_eq!(text.code, Some(2), "{}", text.stderr);
    for file in ["no-key.toml", "text.toml"] {
        assert!(!bench.path(file).exists(), "{file}");
    }
    let skips = Bench::new("skips_exp");
    let lets_in = skips.init(&["--key", "key.pem"]);
    assert_eq!(lets_in.code, Some(1), "{}{}", lets_in.stdout, lets_in.stderr);
    assert!(
        lets_in.stdout.contains("one that ended an hour ago   accepted after"),
        "{}",
        lets_in.stdout
    );
    assert!(lets_in.stdout.contains(": FALSE ACCEPT"), "{}", lets_in.stdout);
}

#[test]
fn init_asks_for_what_the_command_line_does_not_say_and_takes_no_for_no_answer() {
    let folder = TempDir::new().unwrap();
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/ed25519.pkcs8.pem");
    let answered = |answers: &str| {
        let script = "printf '%s' \"$1\" | \"$0\" init --no-try --force";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_tokenstorm"), answers]);
        ended(command.current_dir(folder.path()).output().unwrap(), folder.path().into())
    };
    let answers = format!("\n{}\n6\n4\nemqx\n\naud=mqtt clientid={{client_id}}\n", key.display());
    let init = answered(&answers);
    assert_eq!(init.code, Some(0), "{}{}", init.stdout, init.stderr);
    assert_eq!(init.stderr.matches("Which version of MQTT").count(), 2, "6 is none");
    let text = fs::read_to_string(folder.path().join("my-broker.toml")).unwrap();
    for line in [
        "brokers = [\"mqtt://127.0.0.1:1883\"]",
        "protocol = 4",
        "profile = \"emqx\"",
        "algorithm = \"EdDSA\"",
        "aud = \"mqtt\"",
        "clientid = \"{client_id}\"",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}: {text}");
    }
    let ended = answered("mqtt://127.0.0.1:1883\n");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("say it on the command line: `--key FILE`"), "{}", ended.stderr);
}

#[test]
fn any_question_is_asked_of_the_broker_of_a_file_and_what_does_not_apply_is_left_out_by_name() {
    let bench = Bench::new("healthy");
    let own = format!(
        "[target]\nbrokers = [\"{}\"]\nprofile = \"rmqtt\"\n[keys.own]\nalgorithm = \"ES256\"\nprivate_key = \"key.pem\"\n\
         [policy]\nchecks = [\"exp\"]\nleeway = \"0s\"\n",
        bench.broker.url
    );
    fs::create_dir(bench.path("elsewhere")).unwrap();
    fs::write(bench.path("mine.toml"), own).unwrap();
    let elsewhere = bench.path("elsewhere");
    let more = ["--broker", "../mine.toml", "--out", "out", "--progress", "none"];
    let run = run_in(&elsewhere, &[&["run", "bad-tokens", "--set", BRIEF], &more[..]].concat());
    let summary = run.expect(0);
    let kinds: Vec<&String> = summary["by_token"].as_object().unwrap().keys().collect();
    assert!(kinds.iter().any(|kind| *kind == "expired"), "{kinds:?}");
    // Nothing is promised of `nbf`, which the file does not check.
    assert!(!kinds.iter().any(|kind| *kind == "not_yet_valid"), "{kinds:?}");
    let left = "warning: `not_yet_valid` is left out, since the broker is that of `--broker`: ";
    assert!(run.stderr.contains(left), "{}", run.stderr);
    check_conserved(&summary);
    // A sweep keeps the algorithms that the broker has keys for; this one has `ES256` alone.
    let plan = run_in(&elsewhere, &["plan", "verifier-throughput", "--broker", "../mine.toml"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    assert!(plan.stdout.contains("ES256") && !plan.stdout.contains("RS256"), "{}", plan.stdout);
    // Tokens of a finding are had again with the same broker.
    let token = ["token", "mint", "bad-tokens", "--token", "expired", "--broker", "../mine.toml"];
    let token = run_in(&elsewhere, &token);
    assert_eq!((token.code, token.stdout.matches('.').count()), (Some(0), 2), "{}", token.stderr);
    let matrix = ["matrix", "--only", "expired", "--broker", "../mine.toml", "--out", "cells"];
    let matrix = run_in(&elsewhere, &matrix);
    assert_eq!(matrix.code, Some(0), "{}{}", matrix.stdout, matrix.stderr);
}

#[test]
fn the_file_of_a_broker_is_told_when_it_is_wrong_and_nothing_of_its_secrets() {
    let folder = TempDir::new().unwrap();
    let refused = |text: &str| {
        fs::write(folder.path().join("mine.toml"), text).unwrap();
        let run = run_in(folder.path(), &["run", "quickstart", "--broker", "mine.toml"]);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        run.stderr
    };
    let unknown = refused(
        "[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[keys.a]\nalgoritm = \"HS256\"\nsecret = \"hunter2\"\n",
    );
    assert!(unknown.contains("`--broker`, scenario `mine.toml`"), "{unknown}");
    let none = refused("[keys.a]\nalgorithm = \"HS256\"\nsecret = \"hunter2\"\n");
    assert!(none.contains("missing field `target`"), "{none}");
    let gone = run_in(folder.path(), &["run", "quickstart", "--broker", "gone.toml"]);
    assert!(gone.stderr.contains("can't read scenario `gone.toml`"), "{}", gone.stderr);
    // Nobody is let in who comes with none of the keys that the question asks of.
    let keyless = "[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[keys.a]\nalgorithm = \"HS256\"\nsecret = \"hunter2hunter2hunter2hunter2hunter2\"\n";
    fs::write(folder.path().join("mine.toml"), keyless).unwrap();
    let none = run_in(folder.path(), &["plan", "algorithms", "--broker", "mine.toml"]);
    assert!(none.stderr.contains("no kind of token in its mix is of use"), "{}", none.stderr);
}

#[test]
fn a_profile_that_a_matrix_suggests_is_kept_by_every_answer_of_the_same_broker() {
    let folder = TempDir::new().unwrap();
    let matrix = |more: &[&str]| {
        let all = [&["matrix", "own.toml", "--progress", "none", "--out"], more].concat();
        let ended = run_in(folder.path(), &all);
        let out = folder.path().join(more[0]);
        (ended, read_json(&out.join("matrix.json")).unwrap())
    };
    // Whose plugin lets in what the strict profile does not.
    let own = "[target]\nbrokers = [\"embedded\"]\nprofile = \"strict\"\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\nkid = \"main\"\n\
               [token.claims]\niss = \"https://issuer.example\"\nclientid = \"{client_id}\"\n";
    fs::write(folder.path().join("own.toml"), own).unwrap();
    let (first, strict) = matrix(&["strict", "--suggest-profile", "own-profile.toml"]);
    assert_eq!(first.code, Some(1), "{}{}", first.stdout, first.stderr);
    assert!(strict["false_accepts"].as_u64().unwrap() > 0);
    assert!(
        first.stdout.contains("own-profile.toml holds what the broker did"),
        "{}",
        first.stdout
    );
    let profile = fs::read_to_string(folder.path().join("own-profile.toml")).unwrap();
    assert!(profile.contains("\"exp_word\",    # high: "), "an `exp` that is no number: {profile}");
    let settings: toml::Table = toml::from_str(&profile).unwrap();
    assert_eq!(settings["leeway"].as_str(), Some("1m"), "{profile}");
    assert_eq!(settings["unknown_kid"].as_str(), Some("ignore"), "{profile}");
    let (second, kept) = matrix(&["kept", "--profile", "own-profile.toml"]);
    assert_eq!(second.code, Some(0), "{}{}", second.stdout, second.stderr);
    assert_eq!(kept["cells"].as_array().unwrap().len(), strict["cells"].as_array().unwrap().len());
    // It still promises what the broker kept.
    assert!(kept["bad_judged"].as_u64().unwrap() > 200, "{}", kept["bad_judged"]);
}

#[test]
fn of_several_keys_a_matrix_takes_the_one_that_is_named_or_each_in_turn() {
    let folder = TempDir::new().unwrap();
    let own = "[target]\nbrokers = [\"embedded\"]\n[keys.ec]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"ec\"\n\
               [keys.secret]\nalgorithm = \"HS256\"\ngenerate = true\nkid = \"secret\"\n[policy]\nleeway = \"0s\"\n";
    fs::write(folder.path().join("own.toml"), own).unwrap();
    let matrix = |more: &[&str]| {
        let all = ["matrix", "own.toml", "--progress", "none", "--only", "expired", "--out", "out"];
        run_in(folder.path(), &[&all, more].concat())
    };
    let unsaid = matrix(&[]);
    assert_eq!(unsaid.code, Some(2));
    assert!(unsaid.stderr.contains("`--all-keys` with each in turn"), "{}", unsaid.stderr);
    let each = matrix(&["--all-keys"]);
    assert_eq!(each.code, Some(0), "{}{}", each.stdout, each.stderr);
    for (key, algorithm) in [("ec", "ES256"), ("secret", "HS256")] {
        let cells = read_json(&folder.path().join("out").join(key).join("matrix.json")).unwrap();
        let command = cells["command"].as_str().unwrap();
        assert!(command.ends_with(&format!("--set 'token.key=\"{key}\"'")), "{command}");
        let row = each.stdout.lines().rfind(|line| line.starts_with(key)).unwrap();
        assert!(row.contains(algorithm) && row.ends_with(&format!("out/{key}")), "{row}");
    }
}

/// A run of a broker that lets expired tokens in, in a folder of its own.
fn that_lets_in(bench: &Bench) -> Ended {
    let own = format!(
        "[target]\nbrokers = [\"{}\"]\nprofile = \"rmqtt\"\n[keys.own]\nalgorithm = \"ES256\"\nprivate_key = \"key.pem\"\n\
         [policy]\nleeway = \"0s\"\n",
        bench.broker.url
    );
    fs::write(bench.path("mine.toml"), own).unwrap();
    let run = bench.run(&[
        "run",
        "quickstart",
        "--broker",
        "mine.toml",
        "--set",
        BRIEF,
        "--progress",
        "none",
        "--junit",
        "ci/junit.xml",
        "--markdown",
        "ci/summary.md",
        "--benchmark",
        "ci/benchmark.json",
    ]);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    run
}

#[test]
fn a_result_begins_with_its_sentence_then_its_findings_and_each_names_what_sends_it_again() {
    let bench = Bench::new("skips_exp");
    let run = that_lets_in(&bench);
    assert!(run.stdout.starts_with("FAILED: "), "{}", run.stdout);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let at = |wanted: &str| {
        let found = lines.iter().position(|line| line.trim_start().starts_with(wanted));
        found.unwrap_or_else(|| panic!("{wanted}: {}", run.stdout))
    };
    let (found, table) = (at("high: `expired` was let in"), at("verdicts  attempts"));
    assert!(found < table && lines[found + 1].ends_with("[RFC 7519, 4.1.4]"), "{}", run.stdout);
    let command = lines[found + 2].trim();
    assert!(
        lines.last().unwrap().starts_with("page  ")
            && lines.last().unwrap().ends_with("/report.html")
    );
    // What CI servers read is there, and says the same.
    let sentence = lines[0].trim_start_matches("FAILED: ");
    assert!(bench.text("ci/summary.md").contains(sentence.split(" (").next().unwrap()));
    assert!(bench.text("ci/junit.xml").contains("no false accept"));
    let benchmark: serde_json::Value =
        serde_json::from_str(&bench.text("ci/benchmark.json")).unwrap();
    assert!(benchmark.as_array().unwrap().iter().any(|it| it["name"] == "quickstart: connack.p99"));
    // The command is run where the run was, and from elsewhere without a name for the newest run.
    let arguments: Vec<&str> = command.strip_prefix("tokenstorm ").unwrap().split(' ').collect();
    for arguments in [arguments, vec!["replay"]] {
        let replay = bench.run(&arguments);
        assert_eq!(replay.code, Some(1), "{}{}", replay.stdout, replay.stderr);
        for said in [
            "`expired` of client ",
            "may let somebody in and are masked",
            " bytes masked",
            "\"alg\": \"ES256\"",
            "answer    accepted, 0x00 Success",
            "expected  refuse",
            "verdict   FALSE ACCEPT",
        ] {
            assert!(replay.stdout.contains(said), "{said}: {}", replay.stdout);
        }
        assert!(!replay.stdout.contains("eyJ"), "{}", replay.stdout);
    }
}

#[test]
fn what_cannot_be_sent_again_is_refused_with_the_reason() {
    let bench = Bench::new("skips_exp");
    that_lets_in(&bench);
    let refused = |arguments: &[&str], said: &str| {
        let replay = bench.run(&[&["replay"], arguments].concat());
        assert_eq!(replay.code, Some(2), "{}{}", replay.stdout, replay.stderr);
        assert!(replay.stderr.contains(said), "{said}: {}", replay.stderr);
    };
    let results = bench.run(&["results"]);
    let run = results.stdout.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(results.stdout.contains("FAILED"), "{}", results.stdout);
    refused(&[run, "1"], "line 1 is its head");
    refused(&[run, "999999"], "has no finding at line 999999");
    refused(&[run, "--cell", "expired"], "is no matrix");
    refused(&["gone"], "gone");
    // A scenario that was changed meanwhile may have no such token any more.
    fs::write(bench.path("mine.toml"), bench.text("mine.toml").replace("rmqtt", "nats-operator"))
        .unwrap();
    let changed = bench.run(&["replay", run]);
    assert_ne!(changed.code, Some(0), "{}", changed.stdout);
    let elsewhere = TempDir::new().unwrap();
    let none = run_in(elsewhere.path(), &["report"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("there is no run in `results/`"), "{}", none.stderr);
}

#[test]
fn a_cell_of_a_matrix_is_sent_again_by_its_name_right_or_wrong() {
    let folder = TempDir::new().unwrap();
    let matrix = ["matrix", "--only", "exp_word", "--progress", "none"];
    assert_eq!(
        run_in(folder.path(), &matrix).code,
        Some(1),
        "a known defect of the embedded broker"
    );
    for (cell, code, said) in [
        ("exp_word-v4", 1, "accepted, 0 Connection Accepted"),
        ("wrong_key", 0, "refused, 5 not authorized"),
    ] {
        let replay = run_in(folder.path(), &["replay", "--cell", cell]);
        assert_eq!(replay.code, Some(code), "{}{}", replay.stdout, replay.stderr);
        assert!(replay.stdout.contains(said), "{}", replay.stdout);
    }
}
