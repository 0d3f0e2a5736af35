use super::*;
use crate::{
    base::host::Limits,
    plan::Plan,
    scenario::{Overrides, parse},
};

/// What is said of a scenario whose `[policy]` and whose command line are these.
fn warned(policy: &str, set: &[&str]) -> Vec<String> {
    let text = format!(
        "name = \"x\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:1\"]\nprofile = \"strict\"\n[load]\nclients = 1\n\
             concurrency = 1\n[keys.a]\nalgorithm = \"HS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n[policy]\n{policy}\n"
    );
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    let scenario = parse(&text, &overrides).unwrap();
    let loaded = Loaded { overrides: overrides.arguments(), ..Loaded::new("x.toml", scenario) };
    let mut warnings = Plan::new(&loaded, &Limits::read()).unwrap().warnings;
    warnings.retain(|warning| warning.contains("`[policy]`"));
    warnings
}

#[test]
fn a_policy_that_goes_over_the_profile_of_the_command_line_is_told_key_by_key() {
    const STRICT: &str = "target.profile=strict";
    let policy = "checks = [\"exp\"]\nrequires = [\"exp\"]\nleeway = \"5s\"\n\
                      refuses_with = { v4 = [4, 5], time = { v5 = [0x87] } }";
    let warnings = warned(policy, &[STRICT]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in [
        "profile `strict`",
        "`checks` is [\"exp\"] in place of [\"exp\", \"nbf\", \"typ\"]",
        "`leeway` is \"5s\" in place of \"0s\"",
        "`refuses_with.time.v5` is [135] in place of not given",
    ] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }
    // What is the profile's own does no harm.
    assert!(!warnings[0].contains("`requires`") && !warnings[0].contains("`refuses_with.v4`"));
    assert!(warned(policy, &[]).is_empty(), "the file's own profile is meant to be changed");
    let table = "target={ brokers = [\"mqtt://127.0.0.1:1\"], profile = \"strict\" }";
    assert_eq!(warned(policy, &[table]).len(), 1);
    let both = [STRICT, "policy.checks=[\"exp\"]"];
    assert!(warned("", &both).is_empty(), "who types both means both");
    let whole = [STRICT, "policy={ checks = [\"exp\"] }"];
    assert!(warned("", &whole).is_empty());
    assert!(warned("checks = [\"exp\", \"nbf\", \"typ\"]", &[STRICT]).is_empty());
}
