//! What fuzzing tries by the million (`scripts/fuzz`), here with its seeds and with every input that ever failed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use tokenstorm::{
    fuzzing::{TARGETS, run},
    token::mixed,
};

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

/// Variants of each seed.
const VARIANTS: u64 = 100;

#[test]
fn every_target_takes_its_seeds_with_something_changed() {
    for (name, body) in TARGETS {
        for (path, seed) in inputs(&fuzz().join("seeds").join(name)) {
            println!("{}", path.display());
            (0..VARIANTS).for_each(|number| body(&variant(&seed, number)));
        }
    }
}

/// A seed with up to four changes that follow from a number: a byte, a bit, a piece taken out, doubled, or filled.
fn variant(seed: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in 0..=mixed(number, 0) % 4 {
        let draw = |of: u64| mixed(number, change * 8 + of);
        let at = draw(1) as usize % bytes.len().max(1);
        let end = (at + 1 + draw(2) as usize % 8).min(bytes.len());
        match draw(3) % 5 {
            _ if bytes.is_empty() => bytes.push(draw(4) as u8),
            0 => bytes[at] = draw(4) as u8,
            1 => bytes[at] ^= 1 << (draw(4) % 8),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            _ => bytes[at..end].fill(if draw(4) % 2 == 0 { 0xFF } else { 0 }),
        }
    }
    bytes
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
