//! What fuzzing tries by the million (`scripts/fuzz`), here with its seeds and with every input that ever failed.
#![expect(clippy::unwrap_used, reason = "a test that can't read its files has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use tokenstorm::fuzzing::{TARGETS, run};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let files = entries.map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn every_target_takes_its_seeds_and_all_that_ever_failed() {
    for (name, body) in TARGETS {
        let seeds = inputs(&fuzz().join("seeds").join(name));
        assert!(!seeds.is_empty(), "`{name}` has no seeds under fuzz/seeds/{name}/");
        for (path, input) in seeds.into_iter().chain(inputs(&fuzz().join("failed").join(name))) {
            println!("{}", path.display());
            body(&input);
            // What is cut short anywhere is what strangers send first.
            for end in (0..input.len()).step_by(input.len() / 16 + 1) {
                body(&input[..end]);
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_every_binary_a_target() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named.len(), TARGETS.len(), "each name is there once");
    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let binaries = inputs(&fuzz().join("fuzz_targets"));
    assert_eq!(binaries.iter().map(|(path, _)| stem(path)).collect::<BTreeSet<_>>(), named);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (path, source) in &binaries {
        let name = stem(path);
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
        assert!(String::from_utf8_lossy(source).contains(&format!("run(\"{name}\"")), "{name}");
    }
    // Inputs of a target that is gone are run by nobody.
    for folder in ["seeds", "failed"] {
        for entry in fs::read_dir(fuzz().join(folder)).into_iter().flatten() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(named.contains(&name), "fuzz/{folder}/{name} has no target");
        }
    }
    run("no such target", b"is passed over");
}
