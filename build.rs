//! Puts into the program the git commit and the compiler's version, for the results it writes, and the files that it
//! brings along: the scenarios of `scenarios/` and the profiles of `profiles/`.

use std::{env, fmt::Write, fs, path::Path, process::Command};

fn main() {
    for (folder, extensions) in [("scenarios", &["toml", "csv"][..]), ("profiles", &["toml"])] {
        println!("cargo:rerun-if-changed={folder}");
        bring(folder, extensions);
    }
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let is_dirty = !output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let commit = match commit.as_str() {
        "" => "unknown".to_owned(),
        commit if is_dirty => format!("{commit}-modified"),
        commit => commit.to_owned(),
    };
    println!("cargo:rustc-env=TOKENSTORM_COMMIT={commit}");
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    println!("cargo:rustc-env=TOKENSTORM_COMPILER={}", output(&compiler, &["--version"]));
}

/// Writes the files of a folder as a table of Rust, `base::shipped`'s, in the order of their names.
fn bring(folder: &str, extensions: &[&str]) {
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let is_wanted = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let folder_path = Path::new(&root).join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder_path)
        .unwrap_or_else(|error| panic!("can't list `{}`: {error}", folder_path.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_wanted(path))
        .collect();
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let path = path.to_string_lossy();
        // Writing to a `String` can't fail.
        let _ = writeln!(table, "Shipped {{ file: {name:?}, text: include_str!({path:?}) }},");
    }
    table.push(']');
    let out = Path::new(&env::var("OUT_DIR").unwrap_or_default()).join(folder).with_extension("rs");
    fs::write(&out, table)
        .unwrap_or_else(|error| panic!("can't write `{}`: {error}", out.display()));
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
