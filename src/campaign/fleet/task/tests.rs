use super::*;
use crate::{
    scenario::{Overrides, parse},
    token::policy::Policy,
};

fn run() -> Name {
    Name::of("run").unwrap()
}

#[test]
fn the_kid_of_a_jwk_travels_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/ec256.jwk.json");
    let mut jwk: Value = serde_json::from_slice(&std::fs::read(own).unwrap()).unwrap();
    jwk["kid"] = "of-the-file".into();
    std::fs::write(folder.path().join("file.jwk"), jwk.to_string()).unwrap();
    let text = "name = \"a\"\n[target]\nbrokers = [\"mqtt://127.0.0.1\"]\n[load]\nclients = 1\nconcurrency = 1\n\
                    [[mix]]\ntoken = \"fresh\"\nshare = 1\n[keys.main]\nalgorithm = \"ES256\"\njwk = \"file.jwk\"\n";
    let scenario = parse(text, &Overrides::default()).unwrap();
    let path = folder.path().join("scenario.toml");
    let loaded = Loaded::new(path, scenario);
    let plan = Plan::unchecked(&loaded, &Limits::read()).unwrap();
    let script = Script::of(&loaded.scenario, &plan, true, &run()).unwrap();
    assert_eq!(script.scenario["keys"]["main"]["kid"], "of-the-file");
    assert!(script.keys.contains_key("main"));
}

#[test]
fn an_agent_without_a_file_plans_what_its_coordinator_plans_from_files() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| std::fs::write(here.path().join(name), text).unwrap();
    write(
        "mine.toml",
        "checks = [\"exp\"]\nleeway = \"7s\"\nmax_lifetime = \"2h\"\nrefuses_with = { v4 = [5], v5 = [0x87] }\n",
    );
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    write("own.pem", &made.cert.pem());
    write("own.key", &made.signing_key.serialize_pem());
    write("secret", "0123456789abcdef0123456789abcdef");
    let text = "name = \"a\"\n[target]\nbrokers = [\"mqtts://127.0.0.1:1\"]\nprofile = \"mine.toml\"\n\
                    [target.tls]\nca = \"own.pem\"\ncert = \"own.pem\"\nkey = \"own.key\"\n[load]\nclients = 9\n\
                    concurrency = 1\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n[keys.main]\nalgorithm = \"HS256\"\n\
                    secret_file = \"secret\"\n";
    let scenario = parse(text, &Overrides::default()).unwrap();
    let loaded = Loaded::new(here.path().join("scenario.toml"), scenario);
    let plan = Plan::unchecked(&loaded, &Limits::read()).unwrap();
    let order = |is_private| {
        let script = Script::of(&loaded.scenario, &plan, is_private, &run()).unwrap();
        let ports = Limits::read().ports;
        let task = Task {
            scenario: script.scenario,
            keys: script.keys,
            promise: script.promise,
            tls: script.tls,
            weights: vec![1],
            index: 0,
            ports: (*ports.start(), *ports.end()),
            ahead: 0,
            uncertainty: 0,
            embedded: vec![None],
        };
        // As it comes over the bus.
        let bytes = crate::campaign::fleet::message::bytes(&task);
        crate::campaign::fleet::message::read::<Task>(&bytes).unwrap()
    };
    let own = |files| Own {
        files,
        variables: &[],
        authorized: false,
        source_addresses: &[],
        clock: Clock::start(),
    };
    let limits = Limits::read();
    let script = Script::of(&loaded.scenario, &plan, true, &run()).unwrap();
    let (taken, marks) = planned(&order(true), &own(there.path()), &limits, &run()).unwrap();
    assert_eq!(marks, script.marks, "what has travelled is the same");
    assert_eq!((taken.clients, taken.attempts), (9, 9));
    let promised =
        |plan: &Plan| format!("{:?}", Policy { profile: String::new(), ..plan.policy.clone() });
    assert_eq!(promised(&taken), promised(&plan));
    assert_eq!(plan.policy.leeway.as_secs(), 7);
    // Where the way can be read, agents have the files themselves.
    assert!(planned(&order(false), &own(there.path()), &limits, &run()).is_err());
    let own_of = own(here.path());
    let (taken, marks) = planned(&order(false), &own_of, &limits, &run()).unwrap();
    assert_eq!((promised(&taken), &marks), (promised(&plan), &script.marks));
    write("secret", "another-one-cdef0123456789abcdef");
    let (_, other) = planned(&order(false), &own_of, &limits, &run()).unwrap();
    assert_eq!(marks::difference(&script.marks, &other), Some("keys.main"));
}
