//! Releases: scripts/release packs the program of these tests, scripts/ci-install takes it from there, and what names a release
//! names the same.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use tokenstorm::base::release::{REPOSITORY, attached};

use super::{path, text};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What stands for an address where there is none yet.
const EXAMPLE: &str = "https://github.com/Example/tokenstorm";
/// A program that has nothing to pack but its name: packing the real one takes seconds.
const STAND_IN: &str =
    "#!/bin/sh\ncase $1 in --version) echo \"tokenstorm $SAID\" ;; man) mkdir \"$2\" ;; esac\n";
/// An engine that notes what it is asked for, and saves an image.
const ENGINE: &str =
    "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$SEEN\"\n[ \"$1\" != save ] || : >\"$3\"\n";

fn executable(file: &Path, script: &str) -> PathBuf {
    fs::write(file, script).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_owned()
}

/// A checkout that has what is packed, with an address in its Cargo.toml.
fn checkout(folder: &Path, repository: &str) -> PathBuf {
    let root = folder.join("checkout");
    fs::create_dir_all(root.join("scripts")).unwrap();
    let names = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "scripts/release"];
    for name in names {
        fs::copy(path(name), root.join(name)).unwrap();
    }
    let own = format!("\nrepository = \"{REPOSITORY}\"\n");
    let manifest = text("Cargo.toml");
    assert!(manifest.contains(&own), "{own}");
    let other = format!("\nrepository = \"{repository}\"\n");
    fs::write(root.join("Cargo.toml"), manifest.replace(&own, &other)).unwrap();
    root
}

/// The target of this host, as releases call it.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// What is said on both streams.
fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams.map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

fn bash(script: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("bash");
    for unset in ["GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "SOURCE_DATE_EPOCH"] {
        command.env_remove(unset);
    }
    command.arg(script).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn the_program_is_packed_checked_installed_and_runs() {
    let folder = TempDir::new().unwrap();
    let root = checkout(folder.path(), "");
    // Where an address has the files of a release.
    let out = folder.path().join(format!("releases/download/v{VERSION}"));
    let notes = folder.path().join("notes.md");
    let arguments = [
        "--program",
        env!("CARGO_BIN_EXE_tokenstorm"),
        "--image",
        "--notes",
        notes.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let nowhere = [("ENGINE", "no-such-engine")];
    let released = bash(&root.join("scripts/release"), &arguments, &nowhere);
    assert!(released.status.success(), "{}", said(&released));
    assert!(said(&released).contains("no image: no engine"), "{}", said(&released));
    let notes = fs::read_to_string(notes).unwrap();
    assert!(notes.contains("| every other target | not built by us |"), "{notes}");
    let packed = format!("tokenstorm-{VERSION}-{}", target());
    assert!(notes.contains(&format!("`{packed}.tar.gz`")), "{notes}");

    let mut sums = Command::new("sha256sum");
    let checked = sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out).output();
    let checked = said(&checked.unwrap());
    for name in [format!("{packed}.tar.gz"), "tokenstorm.schema.json".to_owned()] {
        assert!(checked.contains(&format!("{name}: OK")), "{checked}");
    }

    // As the action takes it: a folder stands for the address.
    let address = format!("file://{}", folder.path().display());
    let (to, known) = (folder.path().join("to"), folder.path().join("path"));
    let install = || {
        let variables = [
            ("VERSION", VERSION),
            ("TOKENSTORM_REPOSITORY", &address),
            ("TOKENSTORM_TO", to.to_str().unwrap()),
            ("GITHUB_PATH", known.to_str().unwrap()),
        ];
        bash(&path("scripts/ci-install"), &[], &variables)
    };
    let installed = install();
    assert!(installed.status.success(), "{}", said(&installed));
    let place = PathBuf::from(fs::read_to_string(&known).unwrap().trim());
    assert_eq!(place, to.join(&packed));
    let version = Command::new(place.join("tokenstorm")).arg("--version").output().unwrap();
    assert!(said(&version).starts_with(&format!("tokenstorm {VERSION}")), "{}", said(&version));
    for file in ["man/tokenstorm.1", "completions/tokenstorm.bash", "LICENSE-MIT", "README.md"] {
        assert!(fs::metadata(place.join(file)).unwrap().len() > 0, "{file}");
    }

    fs::remove_dir_all(&to).unwrap();
    fs::write(out.join(format!("{packed}.tar.gz")), "something else").unwrap();
    let forged = install();
    assert_eq!(forged.status.code(), Some(1), "{}", said(&forged));
    assert!(said(&forged).contains("it is not used") && !to.exists(), "{}", said(&forged));
}

#[test]
fn an_address_names_the_release_the_schema_and_the_image_and_without_one_nothing_does() {
    assert!(REPOSITORY.is_empty() || REPOSITORY.starts_with("https://"), "{REPOSITORY}");
    assert!(!REPOSITORY.ends_with(['/', ' ']), "{REPOSITORY}");
    assert_eq!(attached("", "tokenstorm.schema.json"), None);
    let file = |name: &str| format!("{EXAMPLE}/releases/download/v{VERSION}/{name}");
    let schema = attached(EXAMPLE, "tokenstorm.schema.json");
    assert_eq!(schema, Some(file("tokenstorm.schema.json")));

    // As cargo-binstall fills the template in.
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let filled = |key: &str| {
        let values = [("repo", EXAMPLE), ("name", "tokenstorm"), ("version", VERSION)];
        let template = binstall[key].as_str().unwrap().replace("{ target }", &target());
        let template = template.replace("{ bin }", "tokenstorm").replace("{ binary-ext }", "");
        values
            .iter()
            .fold(template, |text, (name, value)| text.replace(&format!("{{ {name} }}"), value))
    };
    let packed = format!("tokenstorm-{VERSION}-{}", target());
    assert_eq!(filled("pkg-url"), file(&format!("{packed}.tar.gz")));
    assert_eq!(filled("bin-dir"), format!("{packed}/tokenstorm"));
    assert_eq!(binstall["pkg-fmt"].as_str(), Some("tgz"));

    for (repository, image) in
        [(EXAMPLE, "ghcr.io/example/tokenstorm"), ("", "localhost/tokenstorm")]
    {
        let folder = TempDir::new().unwrap();
        let root = checkout(folder.path(), repository);
        let program = executable(&folder.path().join("program"), STAND_IN);
        let engine = executable(&folder.path().join("engine"), ENGINE);
        let (seen, out) = (folder.path().join("seen"), folder.path().join("out"));
        let variables = [
            ("ENGINE", engine.to_str().unwrap()),
            ("SEEN", seen.to_str().unwrap()),
            ("SAID", VERSION),
        ];
        let script = root.join("scripts/release");
        let program = program.to_str().unwrap();
        let arguments = ["--program", program, "--image", "--out", out.to_str().unwrap()];
        let released = bash(&script, &arguments, &variables);
        assert!(released.status.success(), "{}", said(&released));
        let seen = fs::read_to_string(seen).unwrap();
        assert!(seen.contains(&format!("--tag {image}:{VERSION} .")), "{seen}");
        let archive = format!("tokenstorm-{VERSION}-image-{}.tar.gz", std::env::consts::ARCH);
        assert!(fs::read_to_string(out.join("SHA256SUMS")).unwrap().contains(&archive));
    }
}

#[test]
fn what_is_of_another_version_is_not_released() {
    let folder = TempDir::new().unwrap();
    let script = checkout(folder.path(), "").join("scripts/release");
    let program = executable(&folder.path().join("program"), STAND_IN);
    let release = |version: &str, tag: &str| {
        let out = TempDir::new_in(folder.path()).unwrap();
        let places = (program.to_str().unwrap(), out.path().to_str().unwrap());
        let arguments = ["--tag", tag, "--program", places.0, "--out", places.1];
        bash(&script, &arguments, &[("SAID", version)]).status.code()
    };
    let tag = format!("v{VERSION}");
    assert_eq!(release(VERSION, &tag), Some(0));
    assert_eq!(release(VERSION, "v99.0.0"), Some(2));
    assert_eq!(release("99.0.0", &tag), Some(1));
    assert_eq!(release(&format!("{VERSION}1"), &tag), Some(1));
}

#[test]
fn the_workflow_runs_on_tags_and_does_its_work_in_the_script() {
    let workflow: Value = serde_saphyr::from_str(&text(".github/workflows/release.yml")).unwrap();
    assert_eq!(workflow["on"]["push"]["tags"], serde_json::json!(["v*"]));
    let steps = workflow["jobs"]["release"]["steps"].as_array().unwrap();
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(runs.iter().all(|run| run.lines().count() == 1), "{runs:?}");
    let release = runs.iter().find(|run| run.starts_with("scripts/release ")).unwrap();
    let script = text("scripts/release");
    let usage = script.lines().find(|line| line.contains("usage: scripts/release")).unwrap();
    for option in release.split_whitespace().filter(|word| word.starts_with("--")) {
        assert!(usage.contains(option), "{option} is none of: {usage}");
    }
    assert!(release.contains("--sbom") && release.contains("--image"), "{release}");
}

#[test]
#[cfg(feature = "embedded")]
fn the_matrix_of_a_pull_request_fails_until_its_findings_are_known() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("own.toml");
    let own = "[target]\nbrokers = [\"embedded\"]\nprofile = \"strict\"\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\nkid = \"main\"\n";
    fs::write(&scenario, own).unwrap();
    let known = folder.path().join("known.txt");
    let matrix = |name: &str, known: &str, arguments: &str| {
        let (out, output) = (folder.path().join(name), folder.path().join(format!("{name}.txt")));
        let variables = [
            ("TOKENSTORM", env!("CARGO_BIN_EXE_tokenstorm")),
            ("SCENARIO", scenario.to_str().unwrap()),
            ("OUT", out.to_str().unwrap()),
            ("KNOWN", known),
            ("ARGUMENTS", arguments),
            ("GITHUB_OUTPUT", output.to_str().unwrap()),
        ];
        let ended = bash(&path("scripts/ci-matrix"), &[], &variables);
        let comment = fs::read_to_string(out.join("comment.md")).unwrap_or_default();
        (ended, fs::read_to_string(output).unwrap_or_default(), comment)
    };
    let write = format!("--write-known\n{}", known.display());
    let (ended, output, comment) = matrix("first", "", &write);
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    assert!(output.starts_with("verdict=failed\ncomment="), "{output}");
    let mark = format!("<!-- tokenstorm matrix {} -->\n", scenario.display());
    assert!(comment.starts_with(&mark) && comment.contains("false accept"), "{comment}");
    let (ended, output, comment) = matrix("second", known.to_str().unwrap(), "");
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert!(output.starts_with("verdict=passed\n"), "{output}");
    assert!(comment.contains("No new finding"), "{comment}");
    let (ended, output, _) = matrix("third", "no-such-file.txt", "");
    assert_eq!((ended.status.code(), output.as_str()), (Some(2), ""), "{}", said(&ended));
}
