//! Brokers that are started by a command: each with a log, a port of its own, and an end that takes all its children along.
//!
//! Between this program and the command stands a warden, which is this program again: it ends what the command has
//! started when its standard input closes. So nothing is left behind, however this program ends.

pub mod warden;

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
    thread,
    time::Duration,
};

use crate::base::{
    clock::{Clock, SHORT_GLANCE, nanoseconds},
    error::{Error, Result, showable::holds_secret},
    host::{Limits, dumps},
};

/// How long one connect of those looks may take.
const LOOK: Duration = Duration::from_millis(500);
/// How long the warden may take to end everything: longer than it waits before it kills.
const END: Duration = Duration::from_secs(20);
/// What a command's text has in the place of its port.
pub const PORT: &str = "{port}";
/// The variable that tells a command its port.
pub const PORT_VARIABLE: &str = "TOKENSTORM_PORT";
/// Lines of a log that an error shows.
const LAST_LINES: usize = 5;

/// A broker that was started by a command. All its processes are gone when this is dropped.
#[derive(Debug)]
pub struct Launched {
    warden: Child,
    /// Its closing tells the warden to end what it guards.
    stdin: Option<ChildStdin>,
    /// What it says goes there.
    log: PathBuf,
    /// Its processes as they were seen last, each with the moment of its start.
    seen: Vec<(i32, u64)>,
    /// The warden has ended and was waited for: its number may be anybody's.
    is_over: bool,
}

/// How a command is guarded, beside its log.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// Variables that it gets beside those of this process.
    pub variables: &'a [(&'a str, &'a str)],
    /// How long its processes may take to end by themselves once they are asked to.
    pub grace: Duration,
    /// A folder that is taken away when all of them have ended, however this program ends.
    pub remove: Option<&'a Path>,
}

impl Default for Guard<'_> {
    fn default() -> Self {
        Self { variables: &[], grace: warden::GRACE, remove: None }
    }
}

impl Launched {
    /// Starts a command by `sh`, with `{port}` in it replaced; all it says goes to `log`.
    ///
    /// # Errors
    /// When it can't be started, or the log not be written.
    pub fn start(command: &str, port: u16, log: &Path, guard: &Guard<'_>) -> Result<Self> {
        let failed = |why: &dyn std::fmt::Display| {
            Error::not_measured(format!("can't start `{}`: {why}", shown(command)))
        };
        if let Some(parent) = log.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        // Here, as the warden has nobody to tell why it can't.
        fs::File::create(log).map_err(|error| failed(&error))?;
        let program = env::current_exe().map_err(|error| failed(&error))?;
        let mut warden = Command::new(program);
        warden.arg("warden").arg("--log").arg(log);
        warden.arg("--grace").arg(humantime::format_duration(guard.grace).to_string());
        if let Some(folder) = guard.remove {
            warden.arg("--remove").arg(folder);
        }
        warden
            .arg("--")
            .arg(filled(command, port))
            .env(PORT_VARIABLE, port.to_string())
            .envs(guard.variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for this program, which ends its brokers when it is done with them.
            .process_group(0);
        let mut warden = dumps::foreign(&mut warden).map_err(|error| failed(&error))?;
        let stdin = warden.stdin.take();
        Ok(Self { warden, stdin, log: log.to_owned(), seen: Vec::new(), is_over: false })
    }

    /// Waits until it listens there; `false` when the user wants it all to end.
    ///
    /// # Errors
    /// When it ends before, or takes longer than `patience`: with what it said last.
    pub fn wait_for_port(
        &mut self,
        address: SocketAddr,
        patience: Duration,
        stop: &AtomicBool,
    ) -> Result<bool> {
        let clock = Clock::start();
        let end = clock.now() + nanoseconds(patience);
        loop {
            if is_taken(address) {
                return Ok(true);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.check_alive("it ended before it listened")?;
            if clock.now() > end {
                let patience = humantime::format_duration(patience);
                return Err(self.trouble(&format!("it does not listen at {address} after {patience}"))
                    .hint("`--ready-timeout` gives it longer; a command gets its port as `{port}` or in the variable TOKENSTORM_PORT"));
            }
            thread::sleep(SHORT_GLANCE);
        }
    }

    /// Whether all its processes are there no more.
    ///
    /// # Errors
    /// When they are: with how it ended, and what it said last.
    pub fn check_alive(&mut self, when: &str) -> Result<()> {
        let Ok(Some(status)) = self.warden.try_wait() else {
            self.look();
            return Ok(());
        };
        self.is_over = true;
        let code =
            status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
        Err(self.trouble(&format!("{when} ({code})")))
    }

    /// Notes which processes there are, as long as their warden can be asked.
    fn look(&mut self) {
        if !self.is_over {
            let now = warden::with_start(self.warden.id() as i32);
            if !now.is_empty() {
                self.seen = now;
            }
        }
    }

    /// An error with what it said last.
    pub fn trouble(&self, what: &str) -> Error {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        let last: Vec<String> = last.iter().map(|line| without_tokens(line)).collect();
        let said = if last.is_empty() { "it said nothing".to_owned() } else { last.join("\n  ") };
        Error::not_measured(format!("{what}; the end of `{}`:\n  {said}", self.log.display()))
    }

    /// The processes that the command has started and that are there now.
    pub fn processes(&mut self) -> Vec<i32> {
        self.look();
        self.seen.iter().map(|(pid, _)| *pid).collect()
    }

    /// Ends all its processes, and waits until they have ended.
    pub fn stop(&mut self) {
        self.look();
        drop(self.stdin.take());
        let clock = Clock::start();
        let end = clock.now() + nanoseconds(END);
        while !self.is_over && matches!(self.warden.try_wait(), Ok(None)) {
            if clock.now() > end {
                let _ = self.warden.kill();
                let _ = self.warden.wait();
            }
            thread::sleep(SHORT_GLANCE);
        }
        // A warden that did its work has left none of them; one that was killed itself may have.
        self.is_over = true;
        warden::kill_all(&self.seen);
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A command with its port; `${port}` is a variable of the shell's own.
fn filled(command: &str, port: u16) -> String {
    let mut parts = command.split(PORT);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if filled.ends_with('$') {
            filled += PORT;
        } else {
            filled += &port.to_string();
        }
        filled += part;
    }
    filled
}

/// A command as it may be shown: one that may hold a secret is only said to be one.
pub fn shown(command: &str) -> String {
    if may_tell(command) {
        let program = command.split_whitespace().next().unwrap_or_default();
        let program = if may_tell(program) { "a command" } else { program };
        return format!("{program} ... (the rest may hold a secret)");
    }
    command.to_owned()
}

/// Whether a command may hold what must never be shown: by more words than a line of a scenario, as these are options and
/// headers of any program.
pub(crate) fn may_tell(command: &str) -> bool {
    let text = command.to_ascii_lowercase();
    let words = [
        "passw",
        "token=",
        "token ",
        "token:",
        "bearer",
        "authorization",
        "credential",
        "api-key",
        "api_key",
        "apikey",
        "cookie",
    ];
    // `{"` in base64, with which a token begins; a user and a password before the host of a URL.
    let in_url = text.split("://").skip(1).any(|rest| {
        rest.split(['/', ' ', '"', '\'']).next().is_some_and(|host| host.contains('@'))
    });
    holds_secret(command)
        || in_url
        || command.contains("eyJ")
        || words.iter().any(|word| text.contains(word))
}

/// A line without what looks like a token, which a broker may well have said.
pub(crate) fn without_tokens(line: &str) -> String {
    // `{"` in base64, with which the header of each token begins.
    let word =
        |word: &str| if word.contains("eyJ") { "<redacted>".to_owned() } else { word.to_owned() };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A port of loopback that nobody listens at, below those that clients come from where there are any: one of these may be
/// in use, or have been a moment ago. Another one each time, as connections to the last one may rest in `TIME_WAIT`.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let first = *Limits::read().ports.start();
    let below = (1024..first).rev();
    // Two programs that look at once had better not look in the same order.
    let skipped = std::process::id() % 4096 + u32::from(ASKED.fetch_add(1, Ordering::Relaxed)) * 7;
    let start = skipped as usize % below.len().max(1);
    let mut ports = below.clone().skip(start).chain(below);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    if let Some(port) = ports.find(is_free) {
        return Ok(port);
    }
    // Hosts that have given all ports to their clients.
    let any = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    any.map(|address| address.port()).map_err(|error| {
        Error::not_measured(format!("there is no free port on loopback: {error}"))
            .hint("give the command a port of its own: `--target mqtt://127.0.0.1:PORT`")
    })
}

/// Whether somebody listens there.
pub fn is_taken(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, LOOK).is_ok()
}

#[cfg(test)]
mod tests;
