//! The rooms of `src/`, which of them each may use, and that no files of a room go round in a circle.
#![expect(clippy::unwrap_used, reason = "a test that can't read its files has failed")]

#[path = "architecture/source.rs"]
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use self::source::Sources;

/// Each room, in the order in which data passes through them, and those that it may use: no other, not even an earlier
/// one. Its first lines say the same.
const ROOMS: [(&str, &[&str]); 13] = [
    ("base", &[]),
    ("scenario", &["base"]),
    ("token", &["base", "scenario"]),
    ("plan", &["base", "scenario", "token"]),
    ("client", &["base", "scenario", "token", "plan"]),
    ("record", &["base", "scenario", "token", "plan", "client"]),
    ("servers", &["base", "scenario", "token", "plan", "client", "record"]),
    ("supply", &["base", "scenario", "token", "plan", "client", "record", "servers"]),
    ("report", &["base", "scenario", "token", "plan", "client", "record"]),
    ("engine", &["base", "scenario", "token", "plan", "client", "record", "servers", "supply"]),
    (
        "campaign",
        &["base", "scenario", "token", "plan", "client", "record", "supply", "report", "engine"],
    ),
    (
        "cli",
        &[
            "base", "scenario", "token", "plan", "client", "record", "servers", "supply", "report",
            "engine", "campaign",
        ],
    ),
    (
        "fuzzing",
        &["base", "scenario", "token", "plan", "client", "record", "supply", "report", "campaign"],
    ),
];

/// What `crate::` names that is no room: macros.
const MACROS: [&str; 1] = ["tell"];

#[test]
fn a_room_uses_the_rooms_that_the_table_allows_it_and_all_of_them() {
    let sources = Sources::read(&root());
    for (room, allowed) in ROOMS {
        let mut used = BTreeSet::new();
        for (file, name) in sources.rooms_used_in(room) {
            let is_allowed = allowed.contains(&name) || name == room || MACROS.contains(&name);
            assert!(is_allowed, "{file} uses `{name}`, which the table does not allow `{room}`");
            used.insert(name);
        }
        let unused: Vec<_> = allowed.iter().filter(|name| !used.contains(*name)).collect();
        assert!(unused.is_empty(), "`{room}` does not use {unused:?}: take them out of the table");
    }
}

#[test]
fn the_first_lines_of_a_room_name_the_rooms_that_it_may_use() {
    for (room, allowed) in ROOMS {
        let text = fs::read_to_string(root().join(room).with_extension("rs")).unwrap();
        let head: Vec<&str> =
            text.lines().map_while(|line| line.strip_prefix("//! ")).map(str::trim).collect();
        let head = head.join(" ");
        let (_, uses) = head.split_once(" Uses ").unwrap_or_else(|| panic!("`{room}`: {head}"));
        let named: Vec<&str> = uses.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, allowed, "`{room}`");
    }
}

#[test]
fn every_folder_is_a_room_of_the_table_and_the_crate_lists_them_in_its_order() {
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_room = ROOMS.iter().any(|(room, _)| *room == name);
        let is_known = is_room || ["lib", "main"].contains(&name.as_str()) || name.starts_with('.');
        assert!(is_known, "`{name}` is no room: where does data pass through it?");
    }
    let crate_root = fs::read_to_string(root().join("lib.rs")).unwrap();
    let listed: Vec<&str> = crate_root
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(listed, ROOMS.map(|(room, _)| room));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = Sources::read(&root()).circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn what_is_said_to_a_person_passes_the_one_border_that_keeps_out_what_steers_a_terminal() {
    // Written so that this file does not hold them itself.
    let ways = ["println!(", "print!(", "stderr()", "stdout()"];
    let borders = ["error/plain.rs", "commands.rs"];
    let may_ask = ["is_terminal()", "ProgressDrawTarget::stderr()", "width_of(&std::io::"];
    for source in files(&root()) {
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
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for source in files(&root()).into_iter().chain(files(&tests)) {
        let lines = fs::read_to_string(&source).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: split it", source.display());
    }
}

/// The reader of imports is a program too: a circle that is there, and those that only look like one.
#[test]
fn a_circle_is_found_through_what_a_parent_hands_on_and_a_parent_is_none() {
    let of = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Sources::of(files.collect::<BTreeMap<_, _>>()).circles()
    };
    let parent = ("a.rs", "mod one;\nmod two;\npub use one::One;\npub struct Own;");
    let one = ("a/one.rs", "use super::two::Two;\npub struct One(Two);");
    let round = of(&[parent, one, ("a/two.rs", "use super::One;\npub struct Two(Box<One>);")]);
    assert_eq!(round, [["a/one.rs", "a/two.rs"]]);
    let inline = of(&[parent, one, ("a/two.rs", "pub struct Two(Box<crate::a::One>);")]);
    assert_eq!(inline, round);
    let up = of(&[parent, one, ("a/two.rs", "use super::Own;\npub struct Two(Own);")]);
    assert!(up.is_empty(), "{up:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let all = paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
