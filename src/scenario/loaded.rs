//! How a scenario is found and read: a file, or one that comes with the program, with what the command line changes in it.

use std::{
    borrow::Cow,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{Overrides, Scenario, broker_file, refusal, values};
use crate::base::{
    error::{Error, Result, nearest, showable},
    host::reading,
    shipped::{SCENARIOS, Shipped},
};

/// A scenario together with the file it came from, which errors name and relative paths start from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file as the user named it, or the name of a scenario that comes with the program.
    pub path: PathBuf,
    /// What is in it, with the overrides of the command line applied.
    pub scenario: Scenario,
    /// Those overrides as arguments, secrets left out.
    pub overrides: Vec<String>,
    /// Those that were left out, by their keys.
    pub withheld: Vec<String>,
    /// Whether it comes with the program: the files beside it do, too.
    pub is_shipped: bool,
    /// What of it the broker of `--broker` has no use for, and was left out.
    pub left_out: Vec<String>,
}

impl Loaded {
    /// A scenario as it is in a file; one without a name is called as that is.
    pub fn new(path: impl Into<PathBuf>, mut scenario: Scenario) -> Self {
        let path = path.into();
        if scenario.name.is_empty() {
            scenario.name = named_after(&path);
        }
        let (overrides, withheld, left_out) = (Vec::new(), Vec::new(), Vec::new());
        Self { path, scenario, overrides, withheld, is_shipped: false, left_out }
    }

    /// Whether the command line gives a value to this key, or to the table that it is in.
    pub fn sets(&self, key: &str) -> bool {
        let sets = self.overrides.windows(2).filter(|pair| pair[0] == "--set");
        sets.filter_map(|pair| pair[1].split_once('=')).any(|(set, _)| {
            let set = set.trim();
            set == key || key.strip_prefix(set).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The folder of the file.
    pub fn folder(&self) -> &Path {
        // That of a bare name is empty, and no folder by itself.
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or_else(|| Path::new("."))
    }

    /// What is in a file that comes with the program beside this scenario, where it does.
    pub fn shipped(&self, file: &Path) -> Option<&'static Shipped> {
        Shipped::at(SCENARIOS, file).filter(|_| self.is_shipped)
    }
}

/// How much of a scenario is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needed {
    /// All that a run is made of.
    Run,
    /// What says how the broker is reached, and what its tokens are.
    Broker,
}

/// Reads a scenario and applies the overrides of the command line. A name alone may be that of one that comes with the
/// program, where there is no such file.
///
/// # Errors
/// When the file can't be read, is not TOML, has unknown keys or values outside their set: with
/// line, column, the value found and the values allowed. A line that may hold a secret is not shown.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded> {
    read(path, overrides, Needed::Run)
}

/// The same where what it says of the broker and its tokens is enough: it may have neither `[load]` nor `[[mix]]`.
///
/// # Errors
/// As [`load()`].
pub fn load_of_broker(path: &Path, overrides: &Overrides) -> Result<Loaded> {
    read(path, overrides, Needed::Broker)
}

fn read(path: &Path, overrides: &Overrides, needed: Needed) -> Result<Loaded> {
    let source = Source::of(path)?;
    let text = completed(&source.text, needed);
    let scenario = parse(&text, overrides).map_err(|error| error.within(&source.place))?;
    let (overrides, withheld) = (overrides.arguments(), overrides.withheld());
    let is_shipped = source.is_shipped;
    Ok(Loaded { overrides, withheld, is_shipped, ..Loaded::new(path, scenario) })
}

/// Reads a scenario from text and applies the overrides of the command line.
///
/// # Errors
/// As [`load()`], without the file's name.
pub fn parse(text: &str, overrides: &Overrides) -> Result<Scenario> {
    let scenario = checked(text)?;
    if overrides.is_empty() {
        return Ok(scenario);
    }
    let mut table = table_of(text)?;
    if let Some(path) = &overrides.broker {
        table = broker_file::laid_over(table, &broker(path)?);
    }
    overrides.apply(table)
}

/// The scenario of a text, looked at by itself.
fn checked(text: &str) -> Result<Scenario> {
    let scenario: Scenario =
        toml::from_str(text).map_err(|error| refusal::of_text(text, &error))?;
    values::check(&table_of(text)?)?;
    Ok(scenario)
}

fn table_of(text: &str) -> Result<toml::Table> {
    toml::from_str(text).map_err(|error| refusal::of_text(text, &error))
}

/// What the file of `--broker` says, with paths that mean the same from everywhere.
fn broker(path: &Path) -> Result<toml::Table> {
    let source = Source::of(path)?;
    let text = completed(&source.text, Needed::Broker);
    let within = |error: Error| error.within(format!("`--broker`, {}", source.place));
    checked(&text).map_err(within)?;
    // What was put in for the sake of the form is not the broker's.
    let mut table = table_of(&source.text).map_err(within)?;
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    values::root(&mut table, &std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned()));
    Ok(table)
}

/// The text with the smallest load and mix, where it has none and needs none: at its end, so that lines keep their numbers.
fn completed(text: &str, needed: Needed) -> Cow<'_, str> {
    let Some(table) = table_of(text).ok().filter(|_| needed == Needed::Broker) else {
        return text.into();
    };
    let mut more = String::new();
    if !table.contains_key("load") {
        more.push_str("\n[load]\nclients = 1\nconcurrency = 1\n");
    }
    // A file of tokens says by itself what comes.
    let source = table.get("token").and_then(|token| token.get("source"));
    let is_file = source.and_then(|source| source.as_str()) == Some("file");
    if !table.contains_key("mix") && !is_file {
        more.push_str("\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n");
    }
    if more.is_empty() { text.into() } else { format!("{text}{more}").into() }
}

/// The name of a scenario that has none: that of its file, as far as folders may be called so.
fn named_after(path: &Path) -> String {
    let stem = path.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    stem.chars().map(kept).collect()
}

/// Where the text of a scenario is.
struct Source {
    text: Cow<'static, str>,
    /// As errors name it.
    place: String,
    is_shipped: bool,
}

impl Source {
    fn of(path: &Path) -> Result<Self> {
        let place = match showable::pasted(&path.to_string_lossy()) {
            Some(_) => "the scenario (its name may be a secret and is not shown)".to_owned(),
            None => format!("scenario `{}`", path.display()),
        };
        let shipped = Shipped::at(SCENARIOS, path).filter(|shipped| shipped.name().is_some());
        if let Some(shipped) = shipped.filter(|_| !path.is_file()) {
            return Ok(Self { text: shipped.text.into(), place, is_shipped: true });
        }
        let text = reading::read_text(path, reading::LONGEST_TEXT).map_err(|error| {
            Error::usage(format!("can't read {place}: {error}")).hint(way_out(path))
        })?;
        Ok(Self { text: text.into(), place, is_shipped: false })
    }
}

/// What may have been meant by a path that leads to no scenario.
fn way_out(path: &Path) -> String {
    const LIST: &str = "`tokenstorm scenarios` lists those that come with the program";
    let stem = path.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    if path.extension().is_some_and(|it| it == "toml")
        && nearest(&stem, Shipped::names(SCENARIOS)).is_none()
    {
        return format!(
            "is this the right folder? `tokenstorm init` writes a scenario for your broker; {LIST}"
        );
    }
    match nearest(&stem, Shipped::names(SCENARIOS)) {
        Some(name) => format!("did you mean `{name}`, which comes with the program? {LIST}"),
        None => LIST.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BROKER: &str = r#"
[target]
brokers = ["mqtt://127.0.0.1:1883"]
[keys.own]
algorithm = "ES256"
private_key = "own.pem"
"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_folder_of_a_bare_file_name_is_the_one_that_we_are_in() {
        let scenario = load(Path::new("quickstart"), &Overrides::default()).unwrap().scenario;
        let folder = |path: &str| Loaded::new(path, scenario.clone()).folder().to_owned();
        assert_eq!(folder("ag.toml"), Path::new("."));
        assert_eq!(folder("./ag.toml"), Path::new("."));
        assert_eq!(folder("a/ag.toml"), Path::new("a"));
    }

    #[test]
    fn a_name_means_the_scenario_that_comes_along_only_where_there_is_no_such_file() {
        let folder = folder(&[("quickstart", &format!("{BROKER}[load]\nclients = 3\n"))]);
        let own = load(&folder.path().join("quickstart"), &Overrides::default()).unwrap();
        assert_eq!((own.scenario.load.clients, own.is_shipped), (Some(3), false));
        let shipped = load(Path::new("quickstart"), &Overrides::default()).unwrap();
        assert!(shipped.is_shipped && shipped.scenario.load.clients.is_none());
        let missing = load(&folder.path().join("quikstart.toml"), &Overrides::default());
        let hint = missing.unwrap_err().way_out().unwrap_or_default().to_owned();
        assert!(hint.starts_with("did you mean `quickstart`"), "{hint}");
    }

    #[test]
    fn a_scenario_without_a_name_is_called_as_its_file_is() {
        let folder = folder(&[("my broker.toml", BROKER)]);
        let path = folder.path().join("my broker.toml");
        let loaded = load_of_broker(&path, &Overrides::default()).unwrap();
        assert_eq!(loaded.scenario.name, "my-broker");
        assert_eq!(loaded.scenario.mix.len(), 1);
        let error = load(&path, &Overrides::default()).unwrap_err().to_string();
        assert!(error.contains("missing field `load`"), "{error}");
    }

    #[test]
    fn paths_in_the_file_of_a_broker_start_from_its_own_folder() {
        let folder = folder(&[("own.toml", BROKER)]);
        let broker = Some(folder.path().join("own.toml"));
        let overrides = Overrides { broker, ..Overrides::default() };
        let scenario = load(Path::new("quickstart"), &overrides).unwrap().scenario;
        assert_eq!(scenario.target.brokers, ["mqtt://127.0.0.1:1883"]);
        assert_eq!(scenario.keys.keys().collect::<Vec<_>>(), ["own"]);
        let key = scenario.keys["own"].private_key.as_deref();
        assert_eq!(key, Some(&*folder.path().join("own.pem")));
        // The question is still its own.
        assert_eq!((scenario.name.as_str(), scenario.mix.len()), ("quickstart", 2));
    }

    #[test]
    fn what_is_wrong_in_the_file_of_a_broker_is_told_with_its_line() {
        let folder = folder(&[("own.toml", &BROKER.replace("algorithm", "algoritm"))]);
        let broker = Some(folder.path().join("own.toml"));
        let overrides = Overrides { broker, ..Overrides::default() };
        let error = load(Path::new("quickstart"), &overrides).unwrap_err().to_string();
        assert!(error.contains("own.toml") && error.contains("line 5"), "{error}");
    }
}
