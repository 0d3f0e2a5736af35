//! Three agents on hosts of their own, NATS, a coordinator, and a broker that counts.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::net::Net;
use crate::{
    run::{Ended, check_conserved, ended, number, read_json, rows},
    server::{Server, until_closed},
};

const NATS: &str = "nats://10.77.0.2:4222";
const BROKER: &str = "10.77.0.3:2883";
const SECRET: &str = "0123456789abcdef-hosts-0123456789";
pub(super) const AGENTS: [&str; 3] = ["a1", "a2", "a3"];
/// Clients of a run: a hundred a second for four seconds.
pub(super) const CLIENTS: u64 = 400;

/// A process that ends with the test.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for its end.
    pub(super) fn ends(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All of them.
pub(super) struct Crew {
    pub(super) net: Net,
    folder: TempDir,
    broker: Server,
    nats: Option<Running>,
    agents: BTreeMap<&'static str, Running>,
}

/// A run that goes on.
pub(super) struct Run {
    pub(super) child: Child,
    out: PathBuf,
    /// Where it says what goes on.
    said: PathBuf,
    /// Clients that the broker had heard before.
    before: usize,
}

/// A run that has ended, and what the broker has heard of it.
pub(super) struct Judged {
    pub(super) run: Ended,
    pub(super) heard: u64,
}

impl Run {
    /// Waits until it has said something.
    pub(super) fn wait_until_said(&mut self, what: &str) {
        until(self, |run| fs::read_to_string(&run.said).unwrap().contains(what));
    }
}

fn until(run: &mut Run, is_so: impl Fn(&Run) -> bool) {
    let begun = Instant::now();
    while !is_so(run) {
        let is_over = run.child.try_wait().unwrap().is_some();
        let said = || fs::read_to_string(&run.said).unwrap();
        assert!(!is_over && begun.elapsed() < Duration::from_secs(30), "{}", said());
        thread::sleep(Duration::from_millis(10));
    }
}

impl Crew {
    /// `None` where this machine makes no such hosts.
    pub(super) fn new() -> Option<Self> {
        let hosts = [("nats", 2), ("brk", 3), ("crd", 5), ("a1", 11), ("a2", 12), ("a3", 13)];
        let net = Net::new(&hosts)?;
        let broker = Server::on(net.listen("brk", BROKER), |stream, _| {
            // Whoever is cut off has its reasons.
            if stream.write_all(&[0x20, 3, 0, 0, 0]).is_ok() {
                until_closed(stream);
            }
        });
        let folder = TempDir::new().unwrap();
        let mut crew = Self { net, folder, broker, nats: None, agents: BTreeMap::new() };
        let listen = NATS.strip_prefix("nats://").unwrap();
        let conf = format!("listen: \"{listen}\"\nauthorization {{ token: \"t-hosts\" }}\n");
        fs::write(crew.path("nats.conf"), conf).unwrap();
        crew.start_nats();
        crew.give_secret("", SECRET);
        for agent in AGENTS {
            fs::create_dir(crew.path(agent)).unwrap();
            crew.give_secret(agent, SECRET);
            crew.start_agent(agent);
        }
        Some(crew)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a secret into the files of an agent; those of the coordinator have no name.
    pub(super) fn give_secret(&self, to: &str, secret: &str) {
        fs::write(self.path(to).join("secret"), secret).unwrap();
    }

    /// Another one than all others have.
    pub(super) fn give_another_secret(&self, to: &str) {
        self.give_secret(to, &SECRET.replace("hosts", "other"));
    }

    pub(super) fn give_the_secret(&self, to: &str) {
        self.give_secret(to, SECRET);
    }

    /// Gives all the same private key, of RSA with 4096 bits.
    pub(super) fn give_rsa_keys(&self) {
        let file = self.path("rsa.pem");
        let mut command = Command::new("openssl");
        command.args([
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:4096",
            "-out",
        ]);
        assert!(command.arg(&file).stderr(Stdio::null()).status().unwrap().success());
        for agent in AGENTS {
            fs::copy(&file, self.path(agent).join("rsa.pem")).unwrap();
        }
    }

    pub(super) fn start_nats(&mut self) {
        let mut command = self.net.on("nats", "nats-server");
        command.arg("-c").arg(self.path("nats.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        self.nats = Some(Running(command.spawn().unwrap()));
    }

    pub(super) fn kill_nats(&mut self) {
        self.nats = None;
    }

    fn start_agent(&mut self, name: &'static str) {
        let mut command = self.program(name);
        command.args(["agent", "--nats", NATS, "--group", "hosts", "--authorized", "--files"]);
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        command.arg(self.path(name)).stdout(Stdio::null()).stderr(log);
        self.agents.insert(name, Running(command.spawn().unwrap()));
    }

    pub(super) fn agent(&mut self, name: &str) -> &mut Running {
        self.agents.get_mut(name).unwrap()
    }

    /// What an agent has said.
    pub(super) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap()
    }

    /// The program, on a host.
    fn program(&self, host: &str) -> Command {
        let mut command = self.net.on(host, env!("CARGO_BIN_EXE_tokenstorm"));
        command.env("TOKENSTORM_NATS_TOKEN", "t-hosts").stdin(Stdio::null());
        command
    }

    /// Starts a run of all three, with more keys of `[load]`.
    pub(super) fn start(&self, name: &str, load: &str) -> Run {
        self.start_at(100, "algorithm = \"HS256\"\nsecret_file = \"secret\"", name, load)
    }

    /// The same at this rate, with tokens that this key signs.
    pub(super) fn start_at(&self, rate: u64, key: &str, name: &str, load: &str) -> Run {
        let scenario = format!(
            "name = \"{name}\"\n[target]\nbrokers = [\"mqtt://{BROKER}\"]\nprotocol = 5\n[load]\n\
             stages = [{{ rate = {rate}, for = \"4s\" }}]\narrivals = \"constant\"\n{load}\n[keys.main]\n{key}\n\
             [[mix]]\ntoken = \"fresh\"\nshare = 1\n"
        );
        let of = |ending: &str| self.path(&format!("{name}.{ending}"));
        let (file, out, said) = (of("toml"), of("out"), of("said"));
        fs::write(&file, scenario).unwrap();
        let before = self.broker.received().len();
        let mut command = self.program("crd");
        command.arg("run").arg(&file).arg("--out").arg(&out);
        command.args(["--agents", "3", "--nats", NATS, "--group", "hosts", "--authorized"]);
        command.args(["--progress", "plain"]).stdout(Stdio::piped());
        command.stderr(fs::File::create(&said).unwrap());
        Run { child: command.spawn().unwrap(), out, said, before }
    }

    /// Clients that the broker has heard of a run.
    fn heard(&self, run: &Run) -> u64 {
        (self.broker.received().len() - run.before) as u64
    }

    /// Waits until the broker has heard so many clients of a run.
    pub(super) fn wait_for(&self, run: &mut Run, clients: u64) {
        until(run, |run| self.heard(run) >= clients);
    }

    /// Waits for the end of a run. Whatever happened to it, its numbers add up, and are not above what the broker has heard.
    pub(super) fn end(&self, run: Run) -> Judged {
        let Run { child, out, said, before } = run;
        let output = child.wait_with_output().unwrap();
        let run = ended(Output { stderr: fs::read(said).unwrap(), ..output }, out);
        let heard = (self.broker.received().len() - before) as u64;
        let judged = Judged { run, heard };
        if let Some(summary) = judged.summary() {
            check_conserved(&summary);
            let accepted = summary["outcomes"]["accepted"].as_u64().unwrap();
            assert!(accepted <= heard, "{accepted} accepted, {heard} heard");
        }
        judged
    }
}

impl Judged {
    pub(super) fn summary(&self) -> Option<Value> {
        read_json(&self.run.out.join("summary.json"))
    }

    /// That nothing is missing.
    pub(super) fn is_exact(&self) {
        let Ended { code, stdout, stderr, .. } = &self.run;
        assert_eq!(*code, Some(0), "{stdout}{stderr}");
        let summary = self.summary().unwrap();
        assert_eq!((&summary["attempts"], self.heard), (&CLIENTS.into(), CLIENTS));
        assert_eq!(summary["outcomes"]["accepted"], CLIENTS);
        assert_eq!(summary["agents"]["lost"], serde_json::json!([]), "{stderr}");
    }

    pub(super) fn environment(&self) -> Value {
        read_json(&self.run.out.join("environment.json")).unwrap()
    }

    /// Connections that were open at the end of each second.
    pub(super) fn open(&self) -> Vec<u64> {
        let rows = rows(&self.run.out.join("timeline.csv"));
        rows.iter().map(|row| number(row, "open")).collect()
    }

    /// The reasons of its validity.
    pub(super) fn reasons(&self) -> String {
        let summary = self.summary().unwrap();
        let reasons = summary["validity"]["reasons"].as_array().unwrap();
        reasons.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
    }

    /// The row of `agents.csv` of the agent on a host.
    pub(super) fn agent(&self, log: &str) -> BTreeMap<String, String> {
        let name = log.split_whitespace().nth(1).unwrap();
        let mut rows = rows(&self.run.out.join("agents.csv")).into_iter();
        rows.find(|row| row["agent"] == name).unwrap()
    }
}
