//! Puts the git commit and the compiler's version into the program, for the results it writes.

use std::process::Command;

fn main() {
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
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    println!("cargo:rustc-env=TOKENSTORM_COMPILER={}", output(&compiler, &["--version"]));
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
