use std::fs;

use super::*;

fn resolve(profile: &str, settings: &PolicySettings, algorithms: Vec<Algorithm>) -> Result<Policy> {
    Policy::resolve(profile, Path::new("."), settings, algorithms)
}

#[test]
fn a_profile_is_read_from_a_file_and_a_broken_one_says_where() {
    let policy = resolve("profiles/strict.toml", &PolicySettings::default(), vec![]).unwrap();
    assert!(policy.profile.starts_with('/') && policy.profile.ends_with("profiles/strict.toml"));
    assert!(policy.requires("exp"));
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.toml");
    fs::write(&mine, "check = [\"exp\"]\n").unwrap();
    let mine = Policy::resolve("mine.toml", folder.path(), &PolicySettings::default(), vec![]);
    let message = mine.unwrap_err().to_string();
    assert!(
        message.contains("mine.toml") && message.contains("unknown field `check`"),
        "{message}"
    );
    fs::write(folder.path().join("mine.toml"), "checks = [\"exp\"]\n").unwrap();
    let mine = Policy::resolve("mine.toml", folder.path(), &PolicySettings::default(), vec![]);
    assert!(mine.unwrap_err().way_out().unwrap().contains("`refuses_with"));
    let missing = resolve("no/such.toml", &PolicySettings::default(), vec![]).unwrap_err();
    assert!(missing.to_string().contains("can't be read"), "{missing}");
}

fn settings(text: &str) -> PolicySettings {
    toml::from_str(text).unwrap()
}

#[test]
fn every_profile_that_is_built_in_resolves() {
    for name in Shipped::names(PROFILES) {
        let policy = resolve(name, &PolicySettings::default(), vec![Algorithm::HS256]).unwrap();
        for protocol in policy.protocols.clone() {
            assert!(!policy.codes(Group::Time, protocol).is_empty(), "{name} {protocol:?}");
        }
    }
}

#[test]
fn every_file_of_a_profile_is_built_in_and_says_of_each_line_where_it_comes_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let known: Vec<&str> = PROFILES.iter().map(|profile| profile.file).collect();
    assert_eq!(files, known);
    let sources = ["een live: ", "ead, not run", ": read", "(read)", "Read, not run"];
    for Shipped { file, text } in PROFILES {
        let name = file.trim_end_matches(".toml");
        if !SEEN.contains(&name) {
            continue;
        }
        let keys: toml::Table = toml::from_str(text).unwrap();
        let begins = |line: &&str| {
            let key = line.split([' ', '.', '=']).next().unwrap_or_default();
            keys.contains_key(key)
        };
        let lines: Vec<&str> = text.lines().collect();
        let starts = || (0..lines.len()).filter(|at| begins(&lines[*at]));
        for start in starts() {
            // Keys that adjoin, as those of `refuses_with`, share a comment.
            let end = starts().find(|at| *at > start && !adjoins(lines[at - 1], lines[*at]));
            let own = lines[start..end.unwrap_or(lines.len())].join(" ").replace('#', " ");
            let own = own.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(sources.iter().any(|source| own.contains(source)), "{name}: {own}");
            let seen = own.to_lowercase();
            let has_version = |what: &str| what.chars().take(60).any(|c| c.is_ascii_digit());
            assert!(seen.split("seen live").skip(1).all(has_version), "{name}: {own}");
        }
    }
}

/// Whether two lines are keys of one table.
fn adjoins(before: &str, line: &str) -> bool {
    let table = |line: &str| line.split_once('.').map(|(table, _)| table.to_owned());
    table(line).is_some_and(|own| !own.contains(' ') && Some(own) == table(before))
}

/// Profiles of brokers that ran here: each line names the version that was seen, or says that it was only read.
const SEEN: [&str; 5] = ["emqx", "emqx-hardened", "ejabberd", "rabbitmq-4", "rabbitmq-3.10"];

#[test]
fn the_sample_of_the_guide_keeps_all_that_its_profile_promises() {
    let guide = include_str!("../../../docs/your-broker.md");
    let sample = guide.split("```toml\nname = \"my-broker\"").nth(1).unwrap();
    let sample = format!("name = \"my-broker\"{}", sample.split("```").next().unwrap());
    let written = crate::scenario::parse(&sample, &crate::scenario::Overrides::default());
    let written = written.unwrap();
    let profile = written.target.profile.as_deref().unwrap();
    let plain = resolve(profile, &PolicySettings::default(), vec![]).unwrap();
    let sample = resolve(profile, &written.policy, vec![]).unwrap();
    assert!(plain.checks.iter().all(|check| sample.checks(*check)), "{:?}", sample.checks);
    assert_eq!((plain.requires, plain.leeway), (sample.requires, sample.leeway));
    // Other profiles have codes of their own, which the sample would go over.
    assert!(written.policy.refuses_with.is_none());
}

#[test]
fn the_scenario_overrides_the_profile_and_a_group_overrides_both() {
    let policy = resolve(
        "rmqtt",
        &settings("leeway = \"5s\"\nrefuses_with = { v5 = [0x86], signature = { v4 = [4] } }"),
        vec![Algorithm::HS256],
    )
    .unwrap();
    assert_eq!(policy.leeway, Duration::from_secs(5));
    assert_eq!(policy.codes(Group::Time, Protocol::V5), [0x86]);
    assert_eq!(policy.codes(Group::Time, Protocol::V4), [5]);
    assert_eq!(policy.codes(Group::Signature, Protocol::V4), [4]);
    assert_eq!(policy.codes(Group::Signature, Protocol::V5), [0x86]);
}

#[test]
fn a_policy_that_was_written_out_resolves_to_itself() {
    let written =
        settings("refuses_with = { v5 = [0x86], signature = { v4 = [4] } }\nleeway = \"3s\"");
    let policy = resolve("rmqtt", &written, vec![Algorithm::ES256]).unwrap();
    let text = toml::to_string(&policy.settings()).unwrap();
    let again = resolve("rmqtt", &settings(&text), vec![]).unwrap();
    assert_eq!(format!("{policy:?}"), format!("{again:?}"));
}

#[test]
fn an_unknown_profile_names_the_nearest_and_what_lists_all() {
    let error = resolve("strickt", &PolicySettings::default(), vec![]).unwrap_err();
    let hint = error.way_out().unwrap();
    assert!(hint.starts_with("did you mean `strict`? `tokenstorm profiles` lists them"), "{hint}");
    assert!(hint.contains("path of a profile of your own"), "{hint}");
}

#[test]
fn codes_of_a_scenario_reach_the_groups_that_its_profile_names_and_their_own_go_first() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("p.toml"),
        "refuses_with = { v4 = [5], v5 = [0x87], time = { v4 = [4], v5 = [0x86] }, header = { v5 = [0x8C] } }",
    )
    .unwrap();
    let settings: PolicySettings =
        toml::from_str("refuses_with = { v5 = [0x80], header = { v5 = [0x83] } }").unwrap();
    let policy = Policy::resolve("p.toml", folder.path(), &settings, Vec::new()).unwrap();
    let codes = |group, protocol| policy.codes(group, protocol).to_vec();
    assert_eq!(codes(Group::Time, Protocol::V5), [0x80], "what is said of all is said of it");
    assert_eq!(codes(Group::Time, Protocol::V4), [4], "nothing was said of this version");
    assert_eq!(codes(Group::Header, Protocol::V5), [0x83]);
    assert_eq!(codes(Group::Signature, Protocol::V5), [0x80]);
}
