//! The scripts for Slurm and ssh, run whole, with stand-ins for all that they start.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::path;

/// Notes its arguments, a line each, and what it has of credentials; the coordinator ends with 7.
const TOKENSTORM: &str = r#"
name=$SEEN/command.$$
printf '%s\n' "$@" >"$name.new"
printf '%s %s\n' "$TOKENSTORM_NATS_USER" "${#TOKENSTORM_NATS_PASSWORD}" >>"$SEEN/credentials"
mv "$name.new" "$name"
cut -d' ' -f1,5 "/proc/$$/stat" >"$SEEN/group-$1"
[ "$1" = agent ] && exit 0
exit 7
"#;
/// Writes the file that says where it listens, and waits for its end.
const NATS_SERVER: &str = r#"
cp "$2" "$SEEN/nats.conf"
stat -c %a "$2" "$(dirname "$2")" >"$SEEN/modes"
echo $$ >"$SEEN/nats.pid"
printf '{"nats":["nats://127.0.0.1:4555","nats://10.0.0.7:4555"]}' >"$4/nats-server_1.ports"
exec sleep 60
"#;
/// Runs the command once for each task.
const SRUN: &str = r#"
printf '%s\n' "$@" >"$SEEN/srun"
while case $1 in --*) true ;; *) false ;; esac; do shift; done
task=0
while [ "$task" -lt "$SLURM_NTASKS" ]; do SLURM_PROCID=$task "$@"; task=$((task + 1)); done
"#;
/// Notes its arguments, and makes the files that they name.
const OPENSSL: &str = r#"
printf '%s\n' "$@" >>"$SEEN/openssl"
while [ $# -gt 0 ]; do
    case $1 in -keyout | -out) : >"$2" ;; esac
    shift
done
"#;
/// Says which port leads back where that is asked for, and gives the command to a shell, as the other side would.
const SSH: &str = r#"
printf '%s\n' "$@" >>"$SEEN/ssh"
case " $* " in *" -R "*) echo 'Allocated port 4777 for remote forward to 127.0.0.1:4555' >&2 ;; esac
while [ "$1" != -- ]; do shift; done
exec sh -c "$3"
"#;

/// What the scripts started.
pub(crate) struct Seen {
    /// Command lines of tokenstorm, in no order.
    pub(crate) commands: Vec<Vec<String>>,
    folder: TempDir,
    output: Output,
}

impl Seen {
    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The command lines of agents.
    fn agents(&self) -> Vec<&Vec<String>> {
        self.commands.iter().filter(|command| command[0] == "agent").collect()
    }

    fn coordinator(&self) -> &Vec<String> {
        self.commands.iter().find(|command| command[0] == "run").unwrap()
    }
}

fn stand_in(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\nset -u\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn value<'a>(arguments: &'a [String], option: &str) -> &'a str {
    let at = arguments.iter().position(|argument| argument == option);
    &arguments[at.unwrap_or_else(|| panic!("{option} is not in {arguments:?}")) + 1]
}

/// Runs a script with the stand-ins first in its path.
fn run(script: &str, prepare: impl FnOnce(&Path, &mut Command)) -> Seen {
    let folder = TempDir::new().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for (name, script) in [
        ("tokenstorm", TOKENSTORM),
        ("nats-server", NATS_SERVER),
        ("openssl", OPENSSL),
        ("srun", SRUN),
        ("ssh", SSH),
    ] {
        stand_in(&bin, name, script);
    }
    let mut command = Command::new("bash");
    let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command.arg(path(script)).current_dir(&folder).env("PATH", search).env("SEEN", folder.path());
    for unset in ["TOKENSTORM", "TOKENSTORM_NATS", "TOKENSTORM_FILES", "TOKENSTORM_OUT"] {
        command.env_remove(unset);
    }
    prepare(folder.path(), &mut command);
    let output = command.output().unwrap();
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let commands = entries
        .filter(|path| path.file_stem().is_some_and(|stem| stem == "command"))
        .map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect())
        .collect();
    Seen { commands, folder, output }
}

/// A job of three tasks on so many nodes.
pub(crate) fn slurm(nodes: &str) -> Seen {
    run("deploy/slurm/tokenstorm.sbatch", |_, command| {
        command.args(["my scenario.toml", "--authorized", "--set", "name=\"it's\""]);
        for (name, value) in [
            ("SLURM_JOB_ID", "31"),
            ("SLURM_NTASKS", "3"),
            ("SLURM_CPUS_PER_TASK", "4"),
            ("SLURM_JOB_NUM_NODES", nodes),
        ] {
            command.env(name, value);
        }
    })
}

/// Two hosts with three agents.
pub(crate) fn ssh() -> Seen {
    run("deploy/ssh/tokenstorm-ssh", |folder, command| {
        fs::write(folder.join("hosts"), "# two of them\nuser@first 2\n\nsecond # one\n").unwrap();
        command.args(["--hosts", "hosts", "--files", "/keys of/it's", "my scenario.toml"]);
        command.args(["--authorized", "--set", "name=\"it's\""]);
    })
}

/// Whether what was started is gone.
fn is_gone(seen: &Seen) -> bool {
    let pid = seen.file("nats.pid");
    !pid.trim().is_empty() && !Path::new(&format!("/proc/{}", pid.trim())).exists()
}

#[test]
fn scripts_are_programs_that_bash_can_read() {
    for script in
        ["deploy/slurm/tokenstorm.sbatch", "deploy/ssh/tokenstorm-ssh", "scripts/slurm-demo"]
    {
        let checked = Command::new("bash").arg("-n").arg(path(script)).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let mode = fs::metadata(path(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run");
    }
}

#[test]
fn the_slurm_job_ends_as_its_coordinator_does_and_leaves_nothing() {
    let seen = slurm("1");
    let said = String::from_utf8_lossy(&seen.output.stderr);
    assert_eq!(seen.output.status.code(), Some(7), "{said}");
    assert!(is_gone(&seen), "{said}");
    let private = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("private");
    let out = fs::read_dir(seen.folder.path().join("tokenstorm-31")).unwrap();
    assert_eq!(out.map(Result::unwrap).filter(private).count(), 0, "credentials are gone too");
    assert_eq!(seen.agents().len(), 3);
    assert!(
        seen.file("srun").lines().any(|it| it == "--cpus-per-task=4"),
        "srun does not inherit it"
    );
    let run = seen.coordinator();
    assert_eq!((run[1].as_str(), value(run, "--agents")), ("my scenario.toml", "3"));
    assert_eq!(value(run, "--set"), "name=\"it's\"");
    for command in &seen.commands {
        assert_eq!(value(command, "--nats"), "nats://127.0.0.1:4555");
        assert_eq!(value(command, "--group"), "slurm-31");
        assert!(command.contains(&"--authorized".to_owned()));
        assert!(!command.contains(&"--tls".to_owned()), "it is loopback");
    }
}

#[test]
fn a_slurm_job_that_is_ended_before_its_coordinator_runs_ends_at_once() {
    let seen = run("deploy/slurm/tokenstorm.sbatch", |folder, command| {
        let ends = "echo $$ >\"$SEEN/nats.pid\"\nkill -TERM $PPID\nexec sleep 60\n";
        stand_in(&folder.join("bin"), "nats-server", ends);
        command.arg("my.toml").env("SLURM_JOB_ID", "31").env("SLURM_NTASKS", "3");
        command.env_remove("SLURM_JOB_NUM_NODES").env_remove("SLURM_NNODES");
    });
    let said = String::from_utf8_lossy(&seen.output.stderr);
    assert_eq!(seen.output.status.code(), Some(130), "{said}");
    assert!(is_gone(&seen) && seen.commands.is_empty(), "{said}");
}

#[test]
fn the_coordinator_over_ssh_is_in_a_group_of_its_own() {
    // Ctrl-C would reach it twice: from the terminal, and by the script. A second one ends it at once.
    let seen = ssh();
    let group = seen.file("group-run");
    let (pid, group) = group.trim().split_once(' ').unwrap();
    assert_eq!(pid, group);
}

#[test]
fn the_nats_of_a_slurm_job_of_several_nodes_speaks_tls_and_asks_for_a_password() {
    let seen = slurm("3");
    assert_eq!(seen.output.status.code(), Some(7));
    for command in &seen.commands {
        assert!(command.contains(&"--tls".to_owned()));
        assert!(value(command, "--tls-ca").ends_with("/nats.crt"));
        assert!(!value(command, "--nats").contains("127.0.0.1"), "{command:?}");
    }
    let conf = seen.file("nats.conf");
    assert!(conf.contains("tls { cert_file:") && conf.contains("host: \"0.0.0.0\""), "{conf}");
    // An authority's certificate is none that rustls takes for a server's.
    let asked = seen.file("openssl");
    assert!(
        asked.contains("basicConstraints=critical,CA:FALSE") && asked.contains("=DNS:"),
        "{asked}"
    );
}

#[test]
fn passwords_are_in_the_environment_and_in_no_command_line() {
    for seen in [slurm("1"), ssh()] {
        let lines = seen.file("credentials");
        assert_eq!(lines.lines().count(), 4);
        for line in lines.lines() {
            // A letter and 24 bytes in hexadecimal digits.
            assert_eq!(line, "tokenstorm 49");
        }
        let conf = seen.file("nats.conf");
        assert!(conf.contains("password: $TOKENSTORM_NATS_PASSWORD"), "{conf}");
        assert_eq!(seen.file("modes"), "600\n700\n", "nobody else reads the configuration");
        let words: Vec<&String> = seen.commands.iter().flatten().collect();
        assert!(words.iter().all(|word| word.len() < 49 || word.starts_with('/')), "{words:?}");
    }
}

#[test]
fn agents_over_ssh_are_numbered_over_all_hosts_and_words_arrive_as_they_were() {
    let seen = ssh();
    let said = String::from_utf8_lossy(&seen.output.stderr);
    assert_eq!(seen.output.status.code(), Some(7), "{said}");
    assert!(is_gone(&seen), "{said}");
    let mut indexes: Vec<&str> =
        seen.agents().into_iter().map(|agent| value(agent, "--index")).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, ["0", "1", "2"]);
    for agent in seen.agents() {
        assert_eq!(value(agent, "--files"), "/keys of/it's");
        // Through the port of the host's own loopback that leads here.
        assert_eq!(value(agent, "--nats"), "nats://127.0.0.1:4777");
        assert!(agent.contains(&"--authorized".to_owned()) && agent.contains(&"--once".to_owned()));
    }
    let run = seen.coordinator();
    assert_eq!((run[1].as_str(), value(run, "--agents")), ("my scenario.toml", "3"));
    assert_eq!(value(run, "--nats"), "nats://127.0.0.1:4555");
    assert_eq!(value(run, "--group"), value(seen.agents()[0], "--group"));
    assert!(seen.file("ssh").contains("127.0.0.1:0:127.0.0.1:4555"));
}

#[test]
fn a_file_of_hosts_that_is_wrong_is_refused_before_anything_starts() {
    for hosts in ["", "first two\n", "-oProxyCommand=true\n", "first 0\n", "first 1 2\n"] {
        let seen = run("deploy/ssh/tokenstorm-ssh", |folder, command| {
            fs::write(folder.join("hosts"), hosts).unwrap();
            command.args(["--hosts", "hosts", "my.toml"]);
        });
        assert_eq!(seen.output.status.code(), Some(2), "{hosts:?}");
        assert!(seen.commands.is_empty() && seen.file("ssh").is_empty(), "{hosts:?}");
    }
}
