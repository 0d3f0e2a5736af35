use super::*;

fn settings(verifier: Verifier) -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        ws: false,
        token_in: TokenIn::Password,
        verifier,
    }
}

fn plugin(key: VerifyingKey) -> Verifier {
    Verifier::Plugin { key, exp: true, nbf: false, expected: Expected::default(), ends: false }
}

#[test]
fn a_program_that_is_no_broker_is_told_by_what_it_said() {
    let start = |program: &str| {
        let told = settings(Verifier::Anonymous);
        Embedded::start_from(Path::new(program), &told, &Arc::default()).unwrap_err()
    };
    // `cat` knows no `--settings`, `echo` says something else, `true` says nothing.
    assert!(start("/bin/cat").to_string().contains("--settings"), "{}", start("/bin/cat"));
    for silent in ["/bin/echo", "/bin/true"] {
        assert!(start(silent).to_string().ends_with("it does not say why"), "{silent}");
    }
    assert!(start("/no/such/file").to_string().contains("did not start"));
}

#[test]
fn settings_survive_their_way_and_are_never_shown() {
    let told = settings(plugin(VerifyingKey::Secret("aHVudGVyMg==".into())));
    let line = serde_json::to_string(&told).unwrap();
    assert!(!line.contains('\n'));
    let heard: Settings = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&heard).unwrap(), line);
    assert!(!format!("{told:?}").contains("aHVudGVyMg"), "{told:?}");
}
