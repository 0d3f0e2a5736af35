use super::*;

fn of(text: &str) -> BTreeMap<String, String> {
    let table: toml::Table = toml::from_str(text).unwrap();
    let mut facts = BTreeMap::new();
    for (key, value) in &placeless(&table) {
        flatten(key, value, &mut facts);
    }
    facts
}

#[test]
fn where_a_broker_is_may_differ_and_what_is_asked_of_it_may_not() {
    let one =
        of("seed = 1\n[target]\nbrokers = [\"mqtt://a\"]\nprotocol = 5\n[monitor]\npid = [1]");
    let same =
        of("seed = 1\n[target]\nbrokers = [\"mqtt://b\"]\nprotocol = 5\n[monitor]\npid = [2]");
    assert_eq!(between(&one, &same), []);
    let stops = |url: &str, how: &str| {
        let event =
            format!("at = \"1s\"\ndo = \"stop_broker\"\nbroker = \"{url}\"\ncommand = \"{how}\"");
        of(&format!("[target]\nbrokers = [\"mqtt://c\", \"{url}\"]\n[[events]]\n{event}"))
    };
    assert_eq!(between(&stops("mqtt://a", "x"), &stops("mqtt://b", "y")), []);
    assert_ne!(between(&stops("mqtt://a", "x"), &stops("mqtt://c", "x")), []);
    let other = of("seed = 2\n[target]\nbrokers = [\"mqtt://a\"]");
    let named: Vec<String> = between(&one, &other).iter().map(ToString::to_string).collect();
    assert_eq!(named, ["seed: 1 against 2", "target.protocol: 5 against nothing"]);
}
