//! Starts the program and reads what it leaves behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use serde_json::Value;
use tempfile::TempDir;

/// An HMAC secret that tests look for where it must not be.
pub(crate) const SECRET: &str = "0123456789abcdef-tests-0123456789";

/// A scenario in a folder of its own, and where its results go.
pub(crate) struct Storm {
    folder: Arc<TempDir>,
}

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) out: PathBuf,
    /// Where it wrote to, kept as long as somebody may read it.
    _folder: Option<Arc<TempDir>>,
}

/// A scenario for a broker at `target`: eight clients, one after the other, an HMAC key, and
/// whatever `more` says. `load` has the keys of `[load]` that differ.
pub(crate) fn scenario(target: &str, load: &str, more: &str) -> String {
    let mut keys: BTreeMap<&str, &str> =
        [("clients", "8"), ("concurrency", "4"), ("hold", "\"0s\""), ("connect_timeout", "\"5s\"")]
            .into();
    for line in load.lines().filter(|line| !line.trim().is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        keys.insert(key.trim(), value.trim());
    }
    if keys.contains_key("stages") {
        keys.remove("concurrency");
        if !load.contains("clients") {
            keys.remove("clients");
        }
    }
    let load: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let load = load.join("\n");
    let (target_keys, more) = more.split_once("---\n").unwrap_or(("", more));
    let mix = if more.contains("[[mix]]") { "" } else { "[[mix]]\ntoken = \"fresh\"\nshare = 1\n" };
    format!(
        "name = \"test\"\n[target]\nbrokers = [\"{target}\"]\n{target_keys}\n[load]\n{load}\n\
         [keys.main]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\n{mix}{more}\n"
    )
}

impl Storm {
    pub(crate) fn new(scenario: &str) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        fs::write(folder.path().join("test.toml"), scenario).unwrap();
        Self { folder }
    }

    pub(crate) fn scenario(&self) -> PathBuf {
        self.folder.path().join("test.toml")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn command(&self) -> Command {
        let mut command = program();
        command
            .arg("run")
            .arg(self.scenario())
            .arg("--out")
            .arg(self.out())
            .args(["--progress", "none"]);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Ended {
        self.run_with(&[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str]) -> Ended {
        self.ended(self.command().args(arguments).output().unwrap())
    }

    /// Runs it in an environment with these variables, into a folder of its own.
    pub(crate) fn run_in(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let out = TempDir::new_in(self.folder.path()).unwrap().keep();
        let mut command = program();
        command.envs(variables.iter().copied()).arg("run").arg(self.scenario());
        command.arg("--out").arg(&out).args(["--progress", "none"]).args(arguments);
        let ended = self.ended(command.output().unwrap());
        ended.with_out(out)
    }

    /// Runs it once more, into another folder.
    pub(crate) fn run_again(&self, arguments: &[&str]) -> Ended {
        let out = self.folder.path().join("again");
        let mut command = program();
        command.arg("run").arg(self.scenario()).arg("--out").arg(&out);
        command.args(["--progress", "none"]).args(arguments);
        let ended = self.ended(command.output().unwrap());
        ended.with_out(out)
    }

    /// Runs it with every log that a library may write, into a folder of its own.
    pub(crate) fn run_traced(&self, arguments: &[&str]) -> Ended {
        let out = TempDir::new_in(self.folder.path()).unwrap().keep();
        let mut command = program();
        command.env("RUST_LOG", "trace").arg("run").arg(self.scenario()).arg("--out").arg(&out);
        command.args(["--progress", "plain"]).args(arguments);
        let ended = self.ended(command.output().unwrap());
        ended.with_out(out)
    }

    /// Runs it under `ulimit`.
    pub(crate) fn run_limited(&self, limits: &str) -> Ended {
        let script = format!("ulimit {limits} && exec \"$@\"");
        let own = self.command();
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(own.get_program()).args(own.get_args());
        self.ended(command.output().unwrap())
    }

    fn ended(&self, output: Output) -> Ended {
        Ended { _folder: Some(Arc::clone(&self.folder)), ..ended(output, self.out()) }
    }

    /// Waits for the end of one that was started, and reads what it left.
    pub(crate) fn wait(&self, child: Child) -> Ended {
        self.ended(child.wait_with_output().unwrap())
    }

    /// Starts it, lets the test end it, and keeps what it says.
    pub(crate) fn start_and_show(&self) -> Child {
        self.start_and_show_with(&[])
    }

    pub(crate) fn start_and_show_with(&self, arguments: &[&str]) -> Child {
        self.command()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts it, and lets the test end it.
    pub(crate) fn start(&self) -> Child {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// The program itself.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstorm"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs the program with these arguments.
pub(crate) fn tokenstorm(arguments: &[&str]) -> Ended {
    ended(program().args(arguments).output().unwrap(), PathBuf::new())
}

pub(crate) fn ended(output: Output, out: PathBuf) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        out,
        _folder: None,
    }
}

impl Ended {
    /// The same run with its results in another folder.
    pub(crate) fn with_out(self, out: PathBuf) -> Self {
        Self { out, ..self }
    }

    pub(crate) fn summary(&self) -> Value {
        read_json(&self.out.join("summary.json"))
            .unwrap_or_else(|| panic!("no summary: {}", self.stderr))
    }

    /// Checks the exit code, and that nothing was lost between attempts, outcomes and verdicts.
    pub(crate) fn expect(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        let summary = self.summary();
        check_conserved(&summary);
        let counted: u64 =
            rows(&self.out.join("verdicts.csv")).iter().map(|row| number(row, "count")).sum();
        assert_eq!(counted, summary["attempts"].as_u64().unwrap());
        summary
    }

    /// Rows of `verdicts.csv` as `token outcome code verdict`, with their counts.
    pub(crate) fn verdicts(&self) -> BTreeMap<String, u64> {
        rows(&self.out.join("verdicts.csv"))
            .iter()
            .map(|row| {
                let name = ["token", "outcome", "code", "verdict"]
                    .map(|column| row[column].as_str())
                    .join(" ");
                (name, number(row, "count"))
            })
            .collect()
    }
}

/// attempts = sum of outcomes = sum of verdicts, in all and in each part; phases are entered in order.
pub(crate) fn check_conserved(summary: &Value) {
    let parts = ["by_token", "by_broker"].map(|name| summary[name].as_object().unwrap());
    for part in parts.iter().flat_map(|parts| parts.values()).chain([summary]) {
        let attempts = part["attempts"].as_u64().unwrap();
        assert_eq!(sum(&part["outcomes"]), attempts, "{part}");
        assert_eq!(sum(&part["verdicts"]), attempts, "{part}");
        // AUTHs are no attempts.
        let phases = part["phases"].as_object().unwrap().iter();
        for (phase, stats) in phases.filter(|(phase, _)| *phase != "reauth") {
            let entered = stats["count"].as_u64().unwrap() + stats["unfinished"].as_u64().unwrap();
            assert!(entered <= attempts, "{phase}: {entered} of {attempts}");
        }
        let answered = part["outcomes"]["accepted"].as_u64().unwrap()
            + part["outcomes"]["refused"].as_u64().unwrap();
        if let Some(connack) = part["phases"].get("connack") {
            assert!(connack["count"].as_u64().unwrap() <= answered, "{part}");
        }
    }
    for parts in parts {
        let all: u64 = parts.values().map(|part| part["attempts"].as_u64().unwrap()).sum();
        assert_eq!(all, summary["attempts"].as_u64().unwrap());
    }
}

pub(crate) fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

pub(crate) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Rows of a CSV file, by column.
pub(crate) fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}

pub(crate) fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("`{column}` is `{}`", row[column]))
}

/// Ids of the processes that a process has started, by whichever of its threads.
pub(crate) fn children(pid: u32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()
        })
        .collect()
}

/// All that a run wrote and said, in one text.
pub(crate) fn everything(run: &Ended) -> String {
    let mut all = format!("{}{}", run.stdout, run.stderr);
    for entry in fs::read_dir(&run.out).unwrap() {
        all.push_str(&String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()));
    }
    all
}
