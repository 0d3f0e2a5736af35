//! `tokenstorm init`: writes a scenario for somebody's broker, and tries it at once.

mod answers;
mod text;
mod tried;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::say;
use crate::{
    base::{
        error::{Error, Exit, Result, plain, showable::pasted},
        host::Limits,
        release::{REPOSITORY, attached},
        shipped::is_path,
    },
    cli::{self, Told},
    plan::{Plan, cells::Ask},
    scenario::{self, Algorithm, Check, Loaded, Overrides},
    token::{key::SigningKey, policy::profile_settings},
};

/// The schema that editors check the scenario by, beside it.
const SCHEMA: &str = "tokenstorm.schema.json";
/// In this order a key is tried, where nobody says what it is for.
const CUSTOMARY: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::HS256];

/// Writes the scenario and tries it.
pub(super) fn init(arguments: &cli::Init) -> Result<Exit> {
    let file = &arguments.file;
    if file.exists() && !arguments.force {
        return Err(Error::usage(format!("`{}` is there already", file.display()))
            .hint("name another file: `tokenstorm init other.toml`; or write over it: `--force`"));
    }
    let told = answers::asked(arguments.told.clone())?;
    check(&told, file)?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let told = settled(told, folder)?;
    let text = text::scenario(&told, file, &checks_of(&told, folder)?);
    // What could not be run is not written.
    let loaded = Loaded::new(file, scenario::parse(&text, &Overrides::default())?);
    Plan::matrix(&loaded, &Limits::read(), &Ask::default())?;
    // Where releases have the schema attached, the scenario names that one.
    let written = if attached(REPOSITORY, SCHEMA).is_none() {
        write_schema(&folder.join(SCHEMA))?;
        format!("{} and {SCHEMA} are", file.display())
    } else {
        format!("{} is", file.display())
    };
    write(file, &text)?;
    say(&format!("{written} written\n"))?;
    if arguments.no_try {
        return say(&text::next(file, true));
    }
    let tried = tried::tried(loaded).map_err(|error| {
        let file = file.display();
        error
            .within(format!("{file} is written, and could not be tried"))
            .or_hint("change `brokers` in it, or run `init` again with `--force`")
    })?;
    say(&text::next(file, tried.is_in))?;
    Ok(tried.exit)
}

/// What can be told to be wrong before anything is read.
fn check(told: &Told, file: &Path) -> Result<()> {
    if file.to_string_lossy().chars().any(char::is_control) {
        return Err(Error::usage("the name of the scenario's file has a control character in it"));
    }
    if let Some(what) = told.target.as_deref().and_then(pasted) {
        return Err(Error::usage(format!(
            "`--target` is given {}, and not the URL of a broker",
            what.words()
        )));
    }
    let mut names: Vec<&str> = told.claims.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = plain::line(twice[0]);
        return Err(Error::usage(format!("`--claim {name}=…` is given twice")).hint(
            "a claim has one value; several audiences are a list: edit the file afterwards",
        ));
    }
    check_files(told)
}

/// What is to be read has to be a file: a folder or a pipe would be noticed late, or never.
fn check_files(told: &Told) -> Result<()> {
    let files = [("--key", &told.key), ("--secret-file", &told.secret_file), ("--ca", &told.ca)];
    for (option, file) in files {
        let Some(file) = file else { continue };
        if let Some(what) = pasted(&file.to_string_lossy()) {
            return Err(Error::usage(format!("`{option}` is given {} itself", what.words()))
                .hint("write it into a file that only you can read, and name that"));
        }
        let why = match fs::metadata(file) {
            Ok(found) if found.is_file() => continue,
            Ok(_) => "that is no file".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(Error::usage(format!(
            "`{option} {}` can't be read: {why}",
            plain::line(&file.display().to_string())
        )));
    }
    Ok(())
}

/// The schema is written over one of another version, and over nothing else.
fn write_schema(file: &Path) -> Result<()> {
    let is_ours = |text: String| {
        let schema: serde_json::Result<serde_json::Value> = serde_json::from_str(&text);
        schema.is_ok_and(|schema| schema["title"] == "Scenario")
    };
    let is_foreign = match fs::read_to_string(file) {
        Ok(text) => !is_ours(text),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if is_foreign {
        return Err(Error::usage(format!(
            "`{}`, where the schema would be, is something else",
            file.display()
        ))
        .hint("move it away, or have the scenario in another folder"));
    }
    write(file, &super::schema_text()?)
}

/// The claims whose value the broker's profile says that it checks.
fn checks_of(told: &Told, folder: &Path) -> Result<Vec<Check>> {
    let is_ours = told.target.as_deref().is_some_and(answers::is_ours);
    let profile = told.profile.as_deref().unwrap_or(if is_ours { "rmqtt" } else { "strict" });
    Ok(profile_settings(profile, folder)?.1.checks.unwrap_or_default())
}

/// What was told, with the algorithm of the key and paths from the folder of the scenario.
fn settled(mut told: Told, folder: &Path) -> Result<Told> {
    for path in [&mut told.key, &mut told.secret_file, &mut told.ca].into_iter().flatten() {
        *path = from_folder(path, folder);
    }
    if let Some(profile) = told.profile.as_mut().filter(|profile| is_path(profile)) {
        *profile = from_folder(Path::new(&profile), folder).display().to_string();
    }
    if told.algorithm.is_none() {
        told.algorithm = Some(match &told.key {
            Some(key) => algorithm_of(key, folder)?,
            None => Algorithm::HS256,
        });
    }
    Ok(told)
}

/// A path that was typed here, as a scenario in `folder` names it.
fn from_folder(path: &Path, folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() || path.is_absolute() {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The first algorithm that a key can do.
fn algorithm_of(file: &Path, folder: &Path) -> Result<Algorithm> {
    let load = |algorithm| SigningKey::load("main", &text::key_of(file, algorithm), folder);
    let mut first = None;
    for algorithm in CUSTOMARY {
        match load(algorithm) {
            Ok(_) => return Ok(algorithm),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    Err(first.unwrap_or_else(|| Error::usage("no algorithm is known")).or_hint(
        "a private key is a file in PEM, DER or JWK; `--algorithm` says what it signs with",
    ))
}

fn write(file: &Path, text: &str) -> Result<()> {
    let wrong = |error| Error::usage(format!("can't write `{}`: {error}", file.display()));
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create(true).truncate(true).open(file).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)
}
