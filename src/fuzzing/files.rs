//! Files that a user names, and that others may have written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::choice;
use crate::{
    base::host::Limits,
    client::verdict::Judge,
    plan::{Plan, cells::known::Known},
    report::{self, Format, compare::record::Record},
    scenario::{self, Algorithm, Loaded, Overrides, PolicySettings, Protocol, Scenario},
    token::policy::Policy,
};

/// Clients of a plan at most: that a plan for more ends in time is not asked here.
const CLIENTS: u64 = 1000;
/// What parts the files of a run folder in one input: a line `=== NAME`.
const FILE: &str = "=== ";
/// Names of files that an input may have.
const FILES: [&str; 14] = [
    "summary.json",
    "scenario.toml",
    "environment.json",
    "timeline.csv",
    "latency.csv",
    "verdicts.csv",
    "findings.csv",
    "matrix.json",
    "matrix.csv",
    "agents.csv",
    "monitor.csv",
    "brokers.csv",
    "events.csv",
    "comparison.json",
];

/// A scenario that is read is written and read again as the same, and what can be planned without files is.
pub(super) fn scenario(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(read) = scenario::parse(text, &Overrides::default()) else { return };
    let Ok(written) = toml::to_string(&read) else { return };
    let again = scenario::parse(&written, &Overrides::default());
    let again = again.ok().and_then(|again| toml::to_string(&again).ok());
    assert_eq!(again, Some(written));
    if reads_nothing(&read) {
        plan(read);
    }
}

/// Known findings mean the same whatever is said in comments.
pub(super) fn known(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(read) = Known::parse("known.txt", text) else { return };
    let commented: Vec<String> = text.lines().map(|line| format!("  {line} # known")).collect();
    assert_eq!(Known::parse("known.txt", &commented.join("\n")).ok(), Some(read));
}

/// Whether planning it reads no file and makes no key that takes its time.
fn reads_nothing(scenario: &Scenario) -> bool {
    let profile = scenario.target.profile.as_deref().unwrap_or_default();
    scenario.keys.values().all(|key| {
        let is_file = key.private_key.is_some() || key.jwk.is_some() || key.secret_file.is_some();
        !is_file && key.algorithm.family() != "RSA"
    }) && !profile.contains(['/', '.'])
        && scenario.target.tls.is_none()
        && scenario.oauth.is_none()
        && scenario.issuer.is_none()
        && scenario.target.jwks.is_none()
        && scenario.load.source_addresses.is_empty()
}

fn plan(mut scenario: Scenario) {
    let clients = scenario.load.clients.unwrap_or(CLIENTS).min(CLIENTS);
    scenario.load.clients = Some(clients);
    let loaded = Loaded::new(PathBuf::from("fuzzed.toml"), scenario);
    if let Ok(plan) = Plan::unchecked(&loaded, &Limits::read()) {
        assert!(plan.attempts <= clients, "{} of {clients}", plan.attempts);
    }
}

/// A profile that is read is the same promise when it is written out.
pub(super) fn profile(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(settings) = toml::from_str::<PolicySettings>(text) else { return };
    let of = |settings: &PolicySettings| {
        Policy::resolve("strict", Path::new("."), settings, vec![Algorithm::ES256]).ok()
    };
    let Some(policy) = of(&settings) else { return };
    for protocol in [Protocol::V4, Protocol::V5] {
        drop(Judge::new(&policy, protocol, policy.leeway));
    }
    let written = |policy: &Policy| toml::to_string(&policy.settings()).ok();
    let again = of(&policy.settings());
    assert_eq!(again.as_ref().and_then(written), written(&policy));
}

/// A run folder of strangers is rendered in every format, or refused.
pub(super) fn run_folder(input: &[u8]) {
    let (format, input) = choice(input);
    // In memory, where there is such a place: a folder is written for each input.
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let Ok(folder) = made else { return };
    for file in String::from_utf8_lossy(input).split(FILE).skip(1) {
        let (name, text) = file.split_once('\n').unwrap_or((file, ""));
        if FILES.contains(&name.trim()) {
            let _ = fs::write(folder.path().join(name.trim()), text);
        }
    }
    let formats = [
        Format::Terminal,
        Format::Json,
        Format::Csv,
        Format::Html,
        Format::Junit,
        Format::Markdown,
    ];
    let _ = report::render(folder.path(), formats[usize::from(format) % formats.len()]);
    let _ = Record::read(folder.path());
}
