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
