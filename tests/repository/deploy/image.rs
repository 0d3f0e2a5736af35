//! The image, as far as it can be looked at without building it.

use std::fs;

use super::{path, text};

/// The instructions of the Dockerfile, comments left out.
fn instructions() -> Vec<(String, String)> {
    let text = text("Dockerfile").replace("\\\n", " ");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_once(' ').unwrap())
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// What is copied from the context.
fn copied() -> Vec<String> {
    let copies = instructions().into_iter().filter(|(word, _)| word == "COPY");
    let own = copies.map(|(_, rest)| rest).filter(|rest| !rest.starts_with("--from="));
    own.flat_map(|rest| {
        let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        words[..words.len() - 1].to_vec()
    })
    .collect()
}

#[test]
fn everything_that_is_copied_exists_and_is_let_through() {
    let let_through: Vec<String> = text(".dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .map(str::to_owned)
        .collect();
    let copied = copied();
    assert!(copied.len() >= 6, "{copied:?}");
    for name in &copied {
        assert!(path(name).exists(), "{name}");
    }
    assert_eq!(
        copied.iter().collect::<std::collections::BTreeSet<_>>(),
        let_through.iter().collect()
    );
}

#[test]
fn everything_that_the_program_includes_is_copied() {
    fn sources(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What only tests include is not built.
            if path.ends_with("tests") {
                continue;
            }
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    sources(&path("src"), &mut texts);
    let copied = copied();
    let mut included = 0;
    for text in texts {
        for file in text.split("include_str!(\"../").skip(1) {
            let file = file.split('"').next().unwrap().trim_start_matches("../");
            let folder = file.split('/').next().unwrap();
            assert!(copied.iter().any(|name| name == folder), "{file}");
            included += 1;
        }
    }
    // The build script lists the files of whole folders.
    let script = text("build.rs");
    for folder in script.split('"').filter(|word| !word.is_empty() && path(word).is_dir()) {
        assert!(copied.iter().any(|name| name == folder), "{folder}");
        included += 1;
    }
    assert!(included > 1, "{included}");
}

#[test]
fn the_toolchain_is_the_one_that_the_package_names() {
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let version = manifest["package"]["rust-version"].as_str().unwrap().to_owned();
    let (word, builder) = instructions()[0].clone();
    assert_eq!(word, "FROM");
    assert!(builder.starts_with(&format!("rust:{version}-bookworm AS ")), "{builder}");
    // The pinned toolchain of this repository would be fetched in place of the image's.
    assert!(!copied().contains(&"rust-toolchain.toml".to_owned()));
}

#[test]
fn what_runs_has_no_shell_and_is_not_root() {
    let all = instructions();
    let last = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    // The builder's glibc is not newer than that of the image.
    assert_eq!(all[last].1, "gcr.io/distroless/cc-debian12:nonroot");
    let of = |word: &str| -> Vec<&str> {
        all[last..].iter().filter(|(it, _)| it == word).map(|(_, rest)| rest.as_str()).collect()
    };
    assert_eq!(of("USER"), ["65532:65532"]);
    assert_eq!(of("ENTRYPOINT"), ["[\"/tokenstorm\"]"]);
    assert!(of("RUN").is_empty(), "there is no shell to run anything");
}
