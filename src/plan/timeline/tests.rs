use super::*;
use crate::plan::loaded;

fn line(events: &str) -> Result<Timeline> {
    let key = |name: &str| {
        format!("[keys.{name}]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"{name}\"\n")
    };
    let text = format!(
        "name = \"x\"\n[target]\nbrokers = [\"embedded\"]\n[load]\nclients = 1\nconcurrency = 1\n{}{}{}{events}\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n",
        key("a"),
        key("b"),
        key("c")
    );
    let scenario = loaded(&text).scenario;
    let load = |(name, key): (&String, &crate::scenario::Key)| {
        SigningKey::load(name, key, std::path::Path::new("."))
    };
    let keys: Vec<_> = scenario.keys.iter().map(load).collect::<Result<_>>().unwrap();
    Timeline::resolve(&scenario.events, &keys, &[0])
}

fn steps(line: &Timeline) -> Vec<(u64, Action)> {
    line.moments.iter().map(|moment| (moment.at.as_secs(), moment.action)).collect()
}

#[test]
fn each_order_of_a_rotation_has_its_steps_in_that_order() {
    let rotate = |more: &str| {
        line(&format!("[[events]]\nat = \"10s\"\ndo = \"rotate_keys\"\nto = \"b\"\n{more}"))
            .unwrap()
    };
    let (publish, sign, remove) = (Action::Publish(1), Action::SignWith(1), Action::Remove(0));
    let first = rotate("step = \"3s\"\nkeep_old = \"5s\"");
    assert_eq!(steps(&first), [(10, publish), (13, sign), (18, remove)]);
    let second = rotate("order = \"sign_before_publish\"");
    assert_eq!(steps(&second), [(10, sign), (12, publish)]);
    let third = rotate("order = \"remove_old\"");
    assert_eq!(steps(&third), [(10, publish), (10, sign), (10, remove)]);
    let turns = [0, 12, 13, 60].map(|at| first.rotation_at(Duration::from_secs(at)));
    assert_eq!(turns, [0, 0, 1, 1]);
}

#[test]
fn rotations_follow_one_another_whatever_their_place_in_the_file() {
    let line = line(
            "[[events]]\nat = \"20s\"\ndo = \"rotate_keys\"\nto = \"c\"\n[[events]]\nat = \"5s\"\ndo = \"rotate_keys\"\nto = \"b\"\n",
        )
        .unwrap();
    let changes: Vec<_> = line.rotations.iter().map(|change| (change.from, change.to)).collect();
    assert_eq!(changes, [(0, 1), (1, 2)]);
    assert_eq!(line.later_signers(), [1, 2]);
}

#[test]
fn an_outage_ends_by_itself_or_by_restore() {
    let line = line(
            "[[events]]\nat = \"1s\"\ndo = \"jwks_outage\"\nhow = \"500\"\nfor = \"2s\"\n[[events]]\nat = \"9s\"\ndo = \"restore\"\n",
        )
        .unwrap();
    let away = Action::Away(Outage::Status500);
    let slow = Action::Slow(Duration::ZERO);
    assert_eq!(steps(&line), [(1, away), (3, Action::Back), (9, Action::Back), (9, slow)]);
}

#[test]
fn what_does_not_belong_to_an_event_is_refused_by_name() {
    let error = |events: &str| line(&format!("[[events]]\nat = \"1s\"\n{events}")).unwrap_err();
    for (events, part) in [
        ("do = \"rotate_keys\"", "needs `to`"),
        ("do = \"rotate_keys\"\nto = \"d\"", "no key under `[keys]`"),
        ("do = \"rotate_keys\"\nto = \"a\"", "signs already"),
        (
            "do = \"rotate_keys\"\nto = \"b\"\n[[events]]\nat = \"9s\"\ndo = \"rotate_keys\"\nto = \"a\"",
            "has signed before",
        ),
        (
            "do = \"rotate_keys\"\nto = \"b\"\n[[events]]\nat = \"2s\"\ndo = \"rotate_keys\"\nto = \"c\"",
            "before the one before it",
        ),
        (
            "do = \"jwks_outage\"\nfor = \"9s\"\n[[events]]\nat = \"2s\"\ndo = \"jwks_outage\"",
            "away already",
        ),
        ("do = \"jwks_outage\"\nby = \"1s\"", "`by` says nothing to `jwks_outage`"),
        ("do = \"jwks_outage\"\nshare = 0.5", "`share` says nothing to `jwks_outage`"),
        ("do = \"revoke\"\nfor = \"1s\"", "`for` says nothing to `revoke`"),
    ] {
        let message = error(events).to_string();
        assert!(message.contains("events") && message.contains(part), "{message}");
    }
}
