//! Keys and claims as users have them: what is pasted in the wrong place stays hidden, what a file says is kept.

use std::{fs, path::Path};

use crate::run::{Ended, Storm, everything, tokenstorm};

/// What no output may hold.
const MARKER: &str = "MARKERmarkerMARKER";

fn with_keys(keys: &str, more: &str) -> Storm {
    Storm::new(&format!(
        "name = \"test\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 8\nconcurrency = 4\nhold = \"0s\"\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n{keys}\n{more}\n"
    ))
}

fn plan(storm: &Storm, arguments: &[&str]) -> Ended {
    let path = storm.scenario();
    tokenstorm(&[&["plan", path.to_str().unwrap()], arguments].concat())
}

fn refused_without_showing(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains(MARKER) && ended.stdout.is_empty(), "{}", ended.stderr);
    assert!(ended.stderr.contains(words) && ended.stderr.contains("hint: "), "{}", ended.stderr);
}

#[test]
fn what_is_pasted_where_a_path_or_a_name_belongs_is_shown_nowhere() {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n");
    let jwk = format!("{{\"kty\":\"oct\",\"k\":\"{MARKER}\"}}");
    let token = format!("eyJhbGciOiJIUzI1NiJ9.e30.{MARKER}");
    let hmac = "[keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef\"\n";
    for pasted in [&pem, &jwk, &token, &MARKER.to_owned()] {
        for (algorithm, key) in [
            ("RS256", "private_key"),
            ("RS256", "jwk"),
            ("HS256", "secret_file"),
            ("HS256", "secret_env"),
        ] {
            let head = format!("[keys.main]\nalgorithm = \"{algorithm}\"\n");
            let written = with_keys(&format!("{head}{key} = '''{pasted}'''"), "");
            refused_without_showing(&plan(&written, &[]), key);
            refused_without_showing(&written.run(), key);
            let set = with_keys(&head, "");
            let assignment = format!("keys.main.{key}={pasted}");
            refused_without_showing(&plan(&set, &["--set", &assignment]), key);
            let wrong = ["--set", assignment.as_str(), "--set", "load.clients=none"];
            let ended = plan(&set, &wrong);
            assert_eq!(ended.code, Some(2), "{}", ended.stderr);
            assert!(!ended.stderr.contains(MARKER), "{}", ended.stderr);
        }
        for option in ["--creds", "--tls-key"] {
            let storm = with_keys(hmac, "");
            let certificate = ["--tls-cert", "x.pem"];
            let more = if option == "--creds" { &[][..] } else { &certificate };
            // Nobody listens there, but files are read before anything is connected to.
            let bus = ["--agents", "1", "--nats", "nats://127.0.0.1:9", "--nats-timeout", "1s"];
            let whole = format!("{option}={pasted}");
            for value in [&[whole.as_str()][..], &[option, pasted]] {
                let run = storm.run_with(&[&bus[..], value, more].concat());
                assert!(run.code.is_some_and(|code| code != 0), "{}", run.stderr);
                assert!(!run.stderr.contains(MARKER), "{}", run.stderr);
            }
        }
    }
    for arguments in [
        &["plan", &pem][..],
        &["plan", "x.toml", "--set", &pem],
        &["plan", "x.toml", "--creds", &pem],
    ] {
        let ended = tokenstorm(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(!ended.stderr.contains(MARKER), "{}", ended.stderr);
    }
    let help = crate::run::program()
        .args(["agent", "--help"])
        .env("TOKENSTORM_NATS_CREDS", MARKER)
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains(MARKER));
}

/// A copy of a JWK of `tests/keys` with these members.
fn jwk(folder: &Path, name: &str, members: &[(&str, &str)]) -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name);
    let mut jwk: serde_json::Value = serde_json::from_slice(&fs::read(own).unwrap()).unwrap();
    for (name, value) in members {
        jwk[*name] = (*value).into();
    }
    fs::write(folder.join("file.jwk"), jwk.to_string()).unwrap();
    "[keys.main]\nalgorithm = \"ES256\"\njwk = \"file.jwk\"\n".into()
}

/// The header and the claims of the token that a scenario makes for its first client.
fn minted(storm: &Storm) -> String {
    let path = storm.scenario();
    let token = tokenstorm(&["token", "mint", path.to_str().unwrap()]);
    let inspected = tokenstorm(&["token", "inspect", token.stdout.trim()]);
    assert_eq!(inspected.code, Some(0), "{}{}", token.stderr, inspected.stderr);
    inspected.stdout
}

#[test]
fn tokens_carry_the_kid_of_the_jwk_and_the_claims_that_the_scenario_gives() {
    let claims = "[token.claims]\nnbf = 1700000000\njti = \"{client_id}-{n}\"\nmeta = '{{\"fleet\":\"a\"}}'\n\
                  acl = [{ topic = \"devices/${clientid}/#\" }]\n";
    let storm = with_keys("[keys.main]\nalgorithm = \"ES256\"\njwk = \"file.jwk\"", claims);
    jwk(storm.scenario().parent().unwrap(), "ec256.jwk.json", &[("kid", "dev/2026-05+a=")]);
    let shown = minted(&storm);
    for part in [
        "\"kid\": \"dev/2026-05+a=\"",
        "\"nbf\": 1700000000,",
        "\"jti\": \"storm-0-0\"",
        "\"meta\": \"{\\\"fleet\\\":\\\"a\\\"}\"",
        "\"topic\": \"devices/${clientid}/#\"",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn a_broker_accepts_tokens_with_moments_of_the_scenario() {
    for claims in ["nbf = \"-10s\"\niat = \"-20s\"", "nbf = 1700000000\niat = 1700000000.5"] {
        let storm = with_keys(
            "[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n",
            &format!("[token.claims]\n{claims}\n[policy]\nrequires = [\"nbf\"]\n"),
        );
        let run = storm.run();
        let summary = run.expect(0);
        assert_eq!(summary["outcomes"]["accepted"], 8, "{}", run.stderr);
        assert_eq!(summary["verdicts"]["correct"], 8);
    }
}

#[test]
fn no_matrix_is_a_bug_of_ours_where_the_scenario_gives_iat_nbf_and_jti() {
    for claims in ["nbf = \"now\"\niat = \"-1m\"\njti = \"same\"", "nbf = 1700000000\niat = 0"] {
        let storm = with_keys(
            "[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n",
            &format!("[token.claims]\nsub = \"{{client_id}}\"\n{claims}\n"),
        );
        let path = storm.scenario();
        let out = storm.out();
        let run = tokenstorm(&[
            "matrix",
            path.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--progress",
            "none",
        ]);
        assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
        assert!(!run.stderr.contains("bug of tokenstorm"), "{}", run.stderr);
    }
}

#[test]
fn a_secret_in_base64_reaches_no_file_of_the_run() {
    let secret = "bWFya2VyLW1hcmtlci1tYXJrZXItbWFya2Vy";
    let storm = with_keys(
        &format!(
            "[keys.main]\nalgorithm = \"HS256\"\nsecret = \"{secret}\"\nsecret_base64 = true\n"
        ),
        "",
    );
    let run = storm.run();
    run.expect(0);
    let all = everything(&run);
    assert!(!all.contains(secret) && !all.contains("marker-marker-marker-marker"), "{all}");
}

#[test]
fn a_secret_in_the_place_of_a_name_is_shown_nowhere() {
    let keys = "[keys.main]\nalgorithm = \"ES256\"\ngenerate = true\n";
    let issuer = |more: &str| format!("[issuer]\nclient_secret = \"x\"\n{more}\n");
    let oauth = "[oauth]\nclient_id = \"a\"\n";
    for secret in [
        format!("hunter2-{MARKER}"),
        MARKER.to_owned(),
        format!("{MARKER}+/c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0Cg="),
        format!("eyJrdHkiOiJvY3QiLCJrIjoi{MARKER}"),
        format!("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY{MARKER}"),
        format!("main_{MARKER}"),
    ] {
        for more in [
            format!("[token]\nkey = \"{secret}\"\n"),
            format!("[[mix]]\ntoken = \"expired\"\nshare = 1\nkey = \"{secret}\"\n"),
            issuer(&format!("keys = [\"{secret}\"]")),
            issuer(&format!("client_key = \"{secret}\"")),
            format!(
                "{}{oauth}private_key_jwt = \"{secret}\"\n[token]\nsource = \"oauth\"\n",
                issuer("")
            ),
            format!(
                "{}[[events]]\nat = \"1s\"\ndo = \"rotate_keys\"\nto = \"{secret}\"\n",
                issuer("")
            ),
            format!("{}[[events]]\nat = \"1s\"\ndo = \"revoke\"\nkey = \"{secret}\"\n", issuer("")),
            format!("[sweep]\nrsa_bits = [2048]\n[token]\nkey = \"{secret}\"\n"),
        ] {
            let ended = plan(&with_keys(keys, &more), &[]);
            refused_without_showing(&ended, "main");
        }
        let set = |assignment: &str| plan(&with_keys(keys, ""), &["--set", assignment]);
        refused_without_showing(&set(&format!("token.key={secret}")), "main");
        refused_without_showing(&set(&format!("target.profile={secret}")), "profile");
    }
    let tls = "target.brokers=[\"mqtts://127.0.0.1:9\"]";
    let name = format!("target.tls.server_name=hunter2 {MARKER}");
    let ended = plan(&with_keys(keys, ""), &["--set", tls, "--set", &name]);
    refused_without_showing(&ended, "server_name");
    let near = plan(&with_keys(keys, "[token]\nkey = \"mian\"\n"), &[]);
    assert!(near.stderr.contains("there is no key `mian`"), "{}", near.stderr);
}

#[test]
fn the_text_of_a_file_that_is_no_profile_is_not_shown() {
    let storm = with_keys("[keys.main]\nalgorithm = \"ES256\"\ngenerate = true\n", "");
    let folder = storm.scenario().parent().unwrap().join("keys");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hmac.key"), format!("{MARKER}\n")).unwrap();
    refused_without_showing(&plan(&storm, &["--set", "target.profile=keys/hmac.key"]), "profile");
}

#[test]
fn what_stands_beside_an_assignment_of_the_command_line_is_not_shown() {
    let storm = with_keys("[keys.main]\nalgorithm = \"HS256\"\n", "");
    let path = storm.scenario();
    let path = path.to_str().unwrap();
    let spaced = format!("keys.main.secret=a {MARKER}");
    for command in ["plan", "run", "matrix", "issuer", "broker"] {
        for set in [
            &["--set", "keys.main.secret", MARKER][..],
            &["--set", "keys.main.secret=", MARKER],
            &["--set", "keys.main.secret", "=", MARKER],
            &["--set=keys.main.secret", MARKER],
            &["--set", MARKER],
            &[&format!("--set={MARKER}")],
            &["--set", &format!("={MARKER}")],
            &["--set", &format!("{MARKER}==")],
            &["--set", &format!("keys.main.secret:{MARKER}")],
            &["--set", &spaced, "--set", "load.hold=5"],
        ] {
            for arguments in [[&[command, path], set].concat(), [&[command], set, &[path]].concat()]
            {
                refused_without_showing(&tokenstorm(&arguments), "--set");
            }
        }
    }
    let ended = tokenstorm(&["run", path, "--set", "keys.main.secret=correct", "horse", MARKER]);
    refused_without_showing(&ended, "--set");
    let ended = tokenstorm(&["run", path, "--set", "keys.main.secret=a", &format!("--{MARKER}")]);
    assert!(!ended.stderr.contains(MARKER), "{}", ended.stderr);
}

#[test]
fn a_control_without_iat_keeps_the_nbf_of_the_scenario() {
    let keys =
        "[keys.main]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    let storm = with_keys(keys, "[token.claims]\nnbf = \"now\"\n");
    let path = storm.scenario();
    let mint =
        ["token", "mint", path.to_str().unwrap(), "--token", "iat_absent", "--at", "1700000000"];
    let minted = tokenstorm(&mint);
    let inspected = tokenstorm(&["token", "inspect", minted.stdout.trim()]);
    assert!(inspected.stdout.contains("\"nbf\": 1700000000"), "{}", inspected.stdout);
}
