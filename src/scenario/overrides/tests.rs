use super::*;
use crate::scenario::parse;

const TEXT: &str = "name = \"a\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                        [[mix]]\ntoken = \"fresh\"\nshare = 1\n[keys.main]\nalgorithm = \"HS256\"\n";

fn with(set: &[&str]) -> Result<Scenario> {
    parse(
        TEXT,
        &Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() },
    )
}

#[test]
fn dotted_keys_reach_tables_and_array_entries() {
    let scenario = with(&["load.clients=500", "mix.0.share=3", "load.hold=5s", "name=b"]).unwrap();
    assert_eq!(scenario.load.clients, Some(500));
    assert!((scenario.mix[0].share - 3.0).abs() < f64::EPSILON);
    assert_eq!(scenario.load.hold().as_secs(), 5);
    assert_eq!(scenario.name, "b");
}

#[test]
fn a_metric_is_one_key_whatever_dots_and_quotes_it_has() {
    for key in ["verdict.not_judged", "\"verdict.not_judged\"", "'verdict.not_judged'"] {
        let scenario = with(&[&format!("thresholds.{key}=[\"rate <= 0.5\"]")]).unwrap();
        assert_eq!(scenario.thresholds["verdict.not_judged"], ["rate <= 0.5".into()]);
    }
    let at_broker = "connack{broker:mqtt://127.0.0.1:1883}";
    let scenario = with(&[&format!("thresholds.{at_broker}=[\"p99 < 1s\"]")]).unwrap();
    assert!(scenario.thresholds.contains_key(at_broker));
}

#[test]
fn a_set_that_goes_nowhere_says_why() {
    assert!(with(&["mix.7.share=1"]).unwrap_err().to_string().contains("has 1 entries"));
    assert!(with(&["load.clinets=1"]).unwrap_err().to_string().contains("unknown field `clinets`"));
    assert!(with(&["load.clients"]).unwrap_err().to_string().contains("no `=`"));
}

#[test]
fn the_changes_are_handed_on_as_arguments_without_their_secrets() {
    let overrides = Overrides {
        set: [
            "keys.a.secret=hunter2",
            "keys.b={ algorithm = \"HS256\", secret = \"hunter2\" }",
            "keys.c.secret_env=BROKER_JWT_SECRET",
            "load.hold=5s",
        ]
        .map(str::to_owned)
        .into(),
        targets: vec!["mqtt://127.0.0.1".into(), "ws://127.0.0.1/mqtt?token=hunter2".into()],
        authorized: true,
        ..Overrides::default()
    };
    assert_eq!(
        overrides.arguments().join(" "),
        "--set keys.c.secret_env=BROKER_JWT_SECRET --set load.hold=5s --target mqtt://127.0.0.1 --authorized"
    );
}

#[test]
fn a_secret_given_by_set_is_never_shown() {
    let inline = "keys.main={ algorithm = \"HS256\", secret = \"4242\" }";
    for set in ["keys.main.secret=4242", inline] {
        let message = with(&[set, "load.clients=none"]).unwrap_err().to_string();
        assert!(message.contains("<redacted>") && !message.contains("4242"), "{message}");
    }
}

#[test]
fn secrets_on_the_command_line_are_told_by_their_keys_and_names_of_secrets_are_not() {
    let exposed = |set: &[&str], targets: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let overrides =
            Overrides { set: owned(set), targets: owned(targets), ..Overrides::default() };
        let all = overrides.exposed();
        assert!(!format!("{all:?}").contains("hunter2"), "{all:?}");
        all.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    for (set, key) in [
        ("keys.main.secret=hunter2", "keys.main.secret"),
        ("keys.main={ algorithm = \"HS256\", secret = \"hunter2\" }", "keys.main.secret"),
        ("keys={ a = { algorithm = \"HS256\", secret = \"hunter2\" } }", "keys.a.secret"),
        ("oauth.client_secret=hunter2", "oauth.client_secret"),
        ("issuer.password = 'hunter2'", "issuer.password"),
        ("target.brokers=[\"ws://127.0.0.1/mqtt?token=hunter2\"]", "target.brokers"),
    ] {
        assert_eq!(exposed(&[set], &[]), [key], "{set}");
    }
    assert_eq!(exposed(&[], &["ws://127.0.0.1/mqtt?token=hunter2"]), ["--target"]);
    let names = [
        "keys.main.secret_env=MINE",
        "keys.main.secret_file=mine.txt",
        "keys.main.secret_base64=true",
        "oauth.password_env=MINE",
        "load.clients=5",
        "token.claims={ password = \"x\" }",
    ];
    assert!(exposed(&names, &["mqtt://127.0.0.1"]).is_empty());
}
