//! Data flows one way: a module may use only the modules that stand before it.
#![expect(clippy::unwrap_used, reason = "a test that can't read its files has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules of `src/`, in the order in which data passes through them.
const FLOW: [&str; 37] = [
    // Ground: used by all, uses none above it.
    "clock",
    "error",
    "host", // What is asked, and what the broker promises.
    "scenario",
    "launch",
    "policy", // With which keys and tokens.
    "key",
    "tls",
    "bus",
    "web",
    "oracle",
    "broker",
    "token", // What will be done.
    "plan",
    "canary",
    "issuer",
    "supply", // What clients do, and what that is worth.
    "attempt",
    "verdict",
    "client",
    "doctor", // What was seen, written and read again.
    "measure",
    "oauth",
    "results",
    "compare",
    "live",
    "report", // What drives it all.
    "engine",
    "series",
    "fleet",
    "ab",
    "calibrate",
    "cli",
    "commands",
    "fuzzing",
    "lib",
    "main",
];

#[test]
fn modules_use_only_what_flows_into_them() {
    for (position, module) in FLOW.iter().enumerate() {
        for source in sources(module) {
            let text = fs::read_to_string(&source).unwrap();
            for used in text.split("crate::").skip(1).flat_map(names) {
                let at = FLOW.iter().position(|name| *name == used);
                assert!(
                    at.is_none_or(|at| at <= position),
                    "{} uses `{used}`, which comes after `{module}`",
                    source.display()
                );
            }
        }
    }
}

#[test]
fn every_module_has_its_place_in_the_flow() {
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        assert!(
            FLOW.contains(&name.as_str()),
            "`{name}` is not in FLOW: where does data pass through it?"
        );
    }
}

#[test]
fn what_is_said_to_a_person_passes_the_one_border_that_keeps_out_what_steers_a_terminal() {
    // Written so that this file does not hold them itself.
    let ways = ["println!(", "print!(", "stderr()", "stdout()"];
    let borders = ["error/plain.rs", "commands.rs"];
    let may_ask = ["is_terminal()", "ProgressDrawTarget::stderr()"];
    for source in FLOW.iter().flat_map(|module| sources(module)) {
        if borders.iter().any(|border| source.ends_with(border)) {
            continue;
        }
        for (number, line) in (1..).zip(fs::read_to_string(&source).unwrap().lines()) {
            let code = line.split("//").next().unwrap();
            let writes = ways.iter().any(|way| code.contains(way));
            let asks = may_ask.iter().any(|way| code.contains(way));
            assert!(!writes || asks, "{}:{number} writes past the border", source.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_a_stranger_reads() {
    let sources = FLOW.iter().flat_map(|module| sources(module));
    let tests = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    for source in sources.chain(tests) {
        let lines = fs::read_to_string(&source).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: split it", source.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The file of a module and all files below its folder.
fn sources(module: &str) -> Vec<PathBuf> {
    let own = root().join(module).with_extension("rs");
    let mut all = if own.is_file() { vec![own] } else { Vec::new() };
    all.extend(files(&root().join(module)));
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let all = paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// What follows `crate::`: one name, or those of a brace list at its first level.
fn names(text: &str) -> Vec<String> {
    let Some(list) = text.strip_prefix('{') else { return vec![first_word(text)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(first_word(list[start..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(first_word(list[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_word(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
}
