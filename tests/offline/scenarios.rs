//! Every scenario that comes with tokenstorm loads, plans, and says which question it answers.

mod extremes;

use std::{fs, path::PathBuf, process::Command};

use tokenstorm::{
    base::host::Limits,
    plan::Plan,
    scenario::{self, Overrides},
};

fn shipped() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    all.sort();
    all
}

#[test]
fn every_scenario_can_be_planned_without_a_warning() {
    assert!(shipped().len() >= 7, "{:?}", shipped());
    for path in shipped() {
        let loaded = scenario::load(&path, &Overrides::default()).unwrap();
        // Certificates and keys of others are made by `scripts/broker`; the program's own `plan` does without (next test).
        let scenario = &loaded.scenario;
        let authority = scenario.target.tls.iter().filter_map(|tls| tls.ca.as_ref());
        let keys = scenario.keys.values().filter_map(|key| key.private_key.as_ref());
        if authority.chain(keys).any(|file| !loaded.folder().join(file).exists()) {
            continue;
        }
        let plan = Plan::new(&loaded, &Limits::read()).unwrap_or_else(|error| panic!("{error}"));
        // Of a service that is not here nobody has the keys.
        let is_run = !fs::read_to_string(&path).unwrap().contains("# NOT run here: nobody");
        let mut warnings = plan.warnings;
        warnings.retain(|warning| is_run || !warning.contains("is made for this run, and"));
        assert!(warnings.is_empty(), "{}: {warnings:?}", path.display());
        assert!(plan.attempts > 0, "{}", path.display());
    }
}

#[test]
fn a_secret_that_is_shorter_than_its_hash_is_warned_of_by_the_name_of_its_key_and_not_shown() {
    for (algorithm, least) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let warned = |secret: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstorm"));
            let key =
                format!("keys.main={{ algorithm = \"{algorithm}\", secret_env = \"SHORT\" }}");
            command.args(["plan", "compare", "--set", &key]);
            let told = command.env("SHORT", secret).output().unwrap();
            String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap()
        };
        let short = "q".repeat(least - 1);
        let told = warned(&short);
        assert!(told.contains("the secret of key `main`"), "{algorithm}: {told}");
        assert!(told.contains(&format!("asks for {least}")), "{algorithm}: {told}");
        assert!(!told.contains(&short), "{algorithm}: it is shown");
        assert!(!warned(&"q".repeat(least)).contains("the secret of key"), "{algorithm}");
    }
}

#[test]
fn the_program_plans_all_of_them() {
    let plan = Command::new(env!("CARGO_BIN_EXE_tokenstorm")).arg("plan").args(shipped()).output();
    let plan = plan.unwrap();
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    let said = String::from_utf8(plan.stdout).unwrap();
    assert_eq!(said.matches("\n  brokers ").count(), shipped().len(), "{said}");
}

#[test]
fn every_scenario_is_named_after_its_file_and_begins_with_its_question() {
    for path in shipped() {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = scenario::load(&path, &Overrides::default()).unwrap();
        assert_eq!(
            Some(loaded.scenario.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str())
        );
        assert!(text.starts_with("# Question: "), "{}", path.display());
    }
}

#[test]
fn every_scenario_survives_being_written_and_read_again() {
    for path in shipped() {
        let scenario = scenario::load(&path, &Overrides::default()).unwrap().scenario;
        let again =
            scenario::parse(&toml::to_string(&scenario).unwrap(), &Overrides::default()).unwrap();
        assert_eq!(
            toml::to_string(&scenario).unwrap(),
            toml::to_string(&again).unwrap(),
            "{}",
            path.display()
        );
    }
}
