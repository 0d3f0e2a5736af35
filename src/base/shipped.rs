//! The files that come with the program, so that it needs no other folder: `build.rs` lists them.

use std::path::Path;

/// A file that comes with the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shipped {
    /// Its name, such as `quickstart.toml`.
    pub file: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The scenarios, and the files of tokens that stand beside them.
pub const SCENARIOS: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
/// The profiles of brokers.
pub const PROFILES: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// Whether the name of a profile is the path of a file, and not that of one that comes along.
pub fn is_path(profile: &str) -> bool {
    profile.contains('/') || Path::new(profile).extension().is_some_and(|it| it == "toml")
}

impl Shipped {
    /// The file of this name among `all`; `.toml` at its end may be left out.
    pub fn find(all: &'static [Self], name: &str) -> Option<&'static Self> {
        all.iter().find(|it| it.file == name).or_else(|| Self::called(all, name))
    }

    /// The one of `all` that is called so.
    pub fn called(all: &'static [Self], name: &str) -> Option<&'static Self> {
        all.iter().find(|it| it.name() == Some(name))
    }

    /// The name that it is called by: that of the file without `.toml`; none where it is another kind of file.
    pub fn name(&self) -> Option<&'static str> {
        self.file.strip_suffix(".toml")
    }

    /// The names of those that are called by one.
    pub fn names(all: &'static [Self]) -> impl Iterator<Item = &'static str> + Clone {
        all.iter().filter_map(Self::name)
    }

    /// The file that a path means: a name alone, not one in a folder.
    pub fn at(all: &'static [Self], path: &Path) -> Option<&'static Self> {
        let is_bare = path.parent().is_some_and(|parent| parent.as_os_str().is_empty());
        Self::find(all, path.to_str().filter(|_| is_bare)?)
    }

    /// What it is, by its first comment: up to the line that ends a sentence.
    pub fn about(&self) -> String {
        let mut about = String::new();
        for line in self.text.lines().map_while(|line| line.strip_prefix("# ")) {
            about.push_str(line);
            if line.ends_with(['.', '?']) {
                break;
            }
            about.push(' ');
        }
        about
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_found_by_its_name_alone_and_not_in_a_folder() {
        let quickstart = Shipped::find(SCENARIOS, "quickstart").unwrap();
        assert_eq!(Shipped::at(SCENARIOS, Path::new("quickstart.toml")), Some(quickstart));
        assert_eq!(Shipped::at(SCENARIOS, Path::new("./quickstart")), None);
        assert_eq!(Shipped::at(SCENARIOS, Path::new("elsewhere/quickstart.toml")), None);
        assert_eq!(Shipped::at(SCENARIOS, Path::new("")), None);
        assert!(quickstart.about().starts_with("Question: does my set-up work"));
    }

    #[test]
    fn each_says_in_a_sentence_what_it_is() {
        for shipped in SCENARIOS.iter().chain(PROFILES).filter(|it| it.name().is_some()) {
            let about = shipped.about();
            assert!(about.ends_with(['.', '?']) && about.len() < 250, "{}: {about}", shipped.file);
        }
    }

    #[test]
    fn a_file_of_tokens_has_no_name_to_be_called_by() {
        let tokens = Shipped::find(SCENARIOS, "tokens.csv").unwrap();
        assert_eq!(tokens.name(), None);
        assert!(Shipped::names(SCENARIOS).all(|name| !name.contains('.')));
    }
}
