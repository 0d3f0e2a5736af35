//! Reads imports as text: which file names which.
//!
//! What a file uses of a module that only hands it on (`pub use`) it uses of the file that defines it. A file may use its
//! own parent, which is part of what it is a part of: that is no arrow here. Tests inside of files are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Where something is in the crate: the names from its root on.
type Names = Vec<String>;

/// The sources of a crate, by the path of their module.
#[derive(Default)]
pub(super) struct Sources {
    files: BTreeMap<Names, File>,
}

/// One of them.
#[derive(Default)]
struct File {
    path: String,
    text: String,
    /// What its `use` lines bind, each name to where it leads.
    bound: BTreeMap<String, Names>,
    /// All that it names in this crate.
    named: Vec<Names>,
}

impl Sources {
    /// Those below a folder.
    pub(super) fn read(root: &Path) -> Self {
        let texts = super::files(root).into_iter().map(|path| {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        });
        Self::of(texts.filter(|(name, _)| name != "main.rs").collect())
    }

    /// Those with these paths and texts.
    pub(super) fn of(texts: BTreeMap<String, String>) -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in texts {
            let stem = path.strip_suffix(".rs").unwrap();
            let module = if stem == "lib" { "" } else { stem };
            let module: Names =
                module.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            files.insert(module, File { path, text: code(&text), ..File::default() });
        }
        let modules: BTreeSet<Names> = files.keys().cloned().collect();
        for (module, file) in &mut files {
            file.look(module, &modules);
        }
        Self { files }
    }

    /// What the files of a room name behind `crate::`: the file, and the first name.
    pub(super) fn rooms_used_in<'a>(
        &'a self,
        room: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_room = self
            .files
            .iter()
            .filter(move |(module, _)| module.first().is_some_and(|first| first == room));
        of_room.flat_map(|(_, file)| {
            file.named
                .iter()
                .filter_map(|names| Some((file.path.as_str(), names.first()?.as_str())))
        })
    }

    /// Files that use each other, straight or through others.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&Names, BTreeSet<&Names>> =
            self.files.keys().map(|module| (module, self.arrows(module))).collect();
        let reach = |from| {
            let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
            while let Some(module) = left.pop() {
                left.extend(arrows[module].iter().filter(|next| seen.insert(**next)));
            }
            seen
        };
        let reached: BTreeMap<&Names, BTreeSet<&Names>> =
            arrows.keys().map(|module| (*module, reach(*module))).collect();
        let mut circles: Vec<Vec<String>> = Vec::new();
        for (module, all) in reached.iter().filter(|(module, all)| all.contains(*module)) {
            let mutual = all.iter().filter(|other| reached[**other].contains(module));
            let circle: Vec<String> = mutual.map(|other| self.files[*other].path.clone()).collect();
            if !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    /// The files that a file uses, its parents left out.
    fn arrows(&self, module: &Names) -> BTreeSet<&Names> {
        let file = &self.files[module];
        let is_test = ["tests", "fixture"].iter().any(|test| module.iter().any(|it| it == test));
        let named = file.named.iter().filter(|_| !is_test);
        let found = named.filter_map(|names| self.definer(names.clone()));
        found.filter(|other| !other.is_empty() && !module.starts_with(other)).collect()
    }

    /// The file that defines what these names lead to.
    fn definer(&self, mut names: Names) -> Option<&Names> {
        // A name that leads to itself would be followed for ever.
        for _ in 0..12 {
            let depth =
                (0..=names.len()).rev().find(|depth| self.files.contains_key(&names[..*depth]))?;
            let (module, file) = self.files.get_key_value(&names[..depth])?;
            match names.get(depth).and_then(|name| file.bound.get(name)) {
                Some(leads_to) => {
                    names = leads_to.iter().chain(&names[depth + 1..]).cloned().collect();
                }
                None => return Some(module),
            }
        }
        None
    }
}

impl File {
    /// Notes what it names: in its `use` lines first, then elsewhere.
    fn look(&mut self, module: &[String], modules: &BTreeSet<Names>) {
        let text = std::mem::take(&mut self.text);
        let (mut rest, mut lines) = (String::new(), text.lines());
        while let Some(line) = lines.next() {
            let Some(start) = use_line(line) else {
                rest.push_str(line);
                rest.push('\n');
                continue;
            };
            let mut tree = start.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().unwrap());
            }
            for (names, name) in leaves(tree.split(';').next().unwrap(), &[]) {
                if let Some(names) = absolute(module, &names, modules) {
                    self.named.push(names.clone());
                    self.bound.insert(name, names);
                }
            }
        }
        for path in rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            let names: Names = path.split("::").map(str::to_owned).collect();
            if names.len() < 2 || names.iter().any(String::is_empty) {
                continue;
            }
            let bound = self.bound.get(&names[0]);
            let through = bound.map(|bound| bound.iter().chain(&names[1..]).cloned().collect());
            self.named.extend(through.or_else(|| absolute(module, &names, modules)));
        }
    }
}

/// A text without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().flat_map(|line| [line.split("//").next().unwrap(), "\n"]).collect()
}

/// What follows `use` in a line that begins with it.
fn use_line(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let public = line.strip_prefix("pub").map(|rest| match rest.strip_prefix('(') {
        Some(within) => within.split_once(')').map_or("", |(_, rest)| rest),
        None => rest,
    });
    public.map_or(line, str::trim_start).strip_prefix("use ")
}

/// The paths that a `use` tree stands for, each with the name that it binds.
fn leaves(tree: &str, before: &[String]) -> Vec<(Names, String)> {
    let tree = tree.trim();
    let (head, list) = tree.split_once('{').map_or((tree, None), |(head, list)| (head, Some(list)));
    let (path, renamed) =
        head.split_once(" as ").map_or((head, None), |(path, name)| (path, Some(name)));
    let own = path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let mut names: Names = before.iter().cloned().chain(own).collect();
    if let Some(list) = list {
        let list = list.trim_end().strip_suffix('}').unwrap_or(list);
        return top_level(list).into_iter().flat_map(|part| leaves(part, &names)).collect();
    }
    if names.len() > 1 && names.last().is_some_and(|last| last == "self") {
        names.pop();
    }
    let Some(last) = names.last().cloned() else { return Vec::new() };
    vec![(names, renamed.map_or(last, |name| name.trim().to_owned()))]
}

/// The parts of a list between its commas, but for those within braces.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// A path from the root of the crate on; nothing of other crates.
fn absolute(module: &[String], names: &[String], modules: &BTreeSet<Names>) -> Option<Names> {
    let (first, rest) = names.split_first()?;
    let join = |from: &[String], rest: &[String]| from.iter().chain(rest).cloned().collect();
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some(join(module, rest)),
        "super" => {
            let up = names.iter().take_while(|name| *name == "super").count();
            Some(join(&module[..module.len().checked_sub(up)?], &names[up..]))
        }
        _ => modules
            .contains(&join(module, std::slice::from_ref(first)) as &Names)
            .then(|| join(module, names)),
    }
}
