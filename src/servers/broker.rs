//! The embedded broker: `rmqtt`, or `mqtt5`, as a process of its own.
//!
//! A real broker with a real verifier, started by a run and stopped with it. It gets its settings as
//! one line of JSON on its standard input, and ends when that closes: no run leaves one behind,
//! however the run ends.

#[cfg(feature = "embedded")]
pub mod certificates;
#[cfg(feature = "embedded")]
mod ending;
#[cfg(feature = "embedded")]
mod hook;
mod key_news;
#[cfg(feature = "embedded")]
mod key_source;
#[cfg(feature = "embedded-mqtt5")]
mod mqtt5;
pub mod mutant;
#[cfg(feature = "embedded")]
mod peer;
#[cfg(feature = "embedded")]
mod server;

use std::{
    env, fmt,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use self::key_news::{KeyNews, KeySetRead};
use self::mutant::Mutant;
use crate::{
    base::error::{Error, Result},
    scenario::{Algorithm, TokenIn, WhenAway},
    token::{oracle::Expected, policy::Policy},
};

/// How long a mutant that never answers keeps a client waiting.
#[cfg(feature = "embedded")]
const GIVE_UP: Duration = Duration::from_millis(500);

/// How long a broker may take to listen: far longer than it ever took, on a host at its limit.
const START_TIME: Duration = Duration::from_secs(20);

/// What the embedded broker is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Settings {
    /// Where it listens; port 0 for a free one.
    pub listen: SocketAddr,
    /// What it shows of itself, where it speaks TLS.
    pub tls: Option<ServerTls>,
    /// Whether MQTT travels in a WebSocket.
    pub ws: bool,
    /// The field of CONNECT that it looks for the token in.
    pub token_in: TokenIn,
    /// What verifies tokens.
    pub verifier: Verifier,
}

impl Settings {
    /// Whether it takes its keys from a server that is not the run's own.
    pub fn takes_foreign_keys(&self) -> bool {
        matches!(&self.verifier, Verifier::Hook { jwks: Some(jwks), .. } if !jwks.is_own)
    }
}

/// The TLS of an embedded broker, as PEM.
#[derive(Clone, Deserialize, Serialize)]
pub struct ServerTls {
    /// Its certificate.
    pub certificate: String,
    /// The private key of that.
    pub private_key: String,
    /// The authority of the client certificates that it asks for, where it does.
    pub client_authority: Option<String>,
}

/// What verifies tokens in the embedded broker.
#[derive(Clone, Deserialize, Serialize)]
pub enum Verifier {
    /// Nothing: everybody is let in, as a control needs it.
    Anonymous,
    /// rmqtt's own plugin `rmqtt-auth-jwt`, which knows one key.
    Plugin {
        /// The key.
        key: VerifyingKey,
        /// Whether `exp` is checked.
        exp: bool,
        /// Whether `nbf` is checked.
        nbf: bool,
        /// What it compares claims with.
        expected: Expected,
        /// Whether it ends a connection whose token has ended, at the next packet.
        ends: bool,
    },
    /// That of the crate `mqtt5`, which is a broker of its own.
    Mqtt5 {
        /// The keys.
        keys: Vec<HookKey>,
        /// What it compares claims with: `iss`, and the first `aud`.
        expected: Expected,
        /// Its clock skew: it takes a token for so many seconds after its `exp`, and one more, since it counts whole ones.
        leeway: u64,
    },
    /// An authentication hook of our own, which knows several keys and keeps to a policy.
    Hook {
        /// The keys.
        keys: Vec<HookKey>,
        /// What it checks and how it refuses.
        policy: Box<Policy>,
        /// What it compares claims with.
        expected: Expected,
        /// What is broken about it, on purpose.
        mutant: Option<&'static Mutant>,
        /// Where it takes its keys from instead, where it does.
        jwks: Option<JwksSource>,
        /// How much CPU it burns before every answer, as a slower verifier would.
        #[serde(default)]
        slowed_by: Duration,
    },
}

impl Verifier {
    /// What it is, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Anonymous => "rmqtt 0.24 without authentication",
            Self::Plugin { .. } => "rmqtt 0.24 with its plugin rmqtt-auth-jwt",
            Self::Mqtt5 { .. } => "mqtt5 0.49 with its own verifier",
            Self::Hook { mutant: None, jwks: Some(_), .. } => {
                "rmqtt 0.24 with tokenstorm's authentication hook and a key set"
            }
            Self::Hook { mutant: None, .. } => "rmqtt 0.24 with tokenstorm's authentication hook",
            Self::Hook { mutant: Some(_), .. } => {
                "rmqtt 0.24 with tokenstorm's authentication hook, broken on purpose"
            }
        }
    }
}

/// What a verifier needs of a key.
#[derive(Clone, Deserialize, Serialize)]
pub enum VerifyingKey {
    /// An HMAC secret, in base64.
    Secret(String),
    /// A public key as PEM.
    PublicPem(String),
}

/// A key set, and how it is fetched.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "four settings of the scenario, each of its own")]
pub struct JwksSource {
    /// Where it is.
    pub url: String,
    /// Whether its server is the run's own issuer, which no proxy stands before.
    pub is_own: bool,
    /// The authorities of its server's certificate, or that certificate itself, as PEM. Default: the authorities that
    /// this host trusts.
    pub authority: Option<String>,
    /// Whether its server's certificate is checked.
    pub verify: bool,
    /// Whether a server may be asked that is not on this host.
    pub authorized: bool,
    /// How long it is used before it is fetched again.
    pub cache: Duration,
    /// Whether a `kid` that is not in it has it fetched again.
    pub refetch: bool,
    /// The least time between two fetches.
    pub min_interval: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// What becomes of tokens when it is not to be had.
    pub when_away: WhenAway,
}

/// A key of the hook.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HookKey {
    /// The only algorithm that it verifies.
    pub algorithm: Algorithm,
    /// Its `kid`.
    pub kid: Option<String>,
    /// The key.
    pub key: VerifyingKey,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey")
    }
}

/// A broker that this process started. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    child: Child,
    /// Its closing tells the broker to end.
    stdin: Option<ChildStdin>,
    address: SocketAddr,
    words: &'static str,
}

impl Embedded {
    /// Starts a broker from this program's own file.
    ///
    /// # Errors
    /// When this program was built without it, or it does not come up.
    pub fn start(settings: &Settings, news: &Arc<KeyNews>) -> Result<Self> {
        if cfg!(not(feature = "embedded")) {
            return Err(without());
        }
        check_built_in(&settings.verifier)?;
        let program = env::current_exe().map_err(|error| {
            Error::not_measured(format!("can't find this program's own file: {error}"))
        })?;
        Self::start_from(&program, settings, news)
    }

    /// Starts a broker from the program at `program`; `news` hears of its key set.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_from(program: &Path, settings: &Settings, news: &Arc<KeyNews>) -> Result<Self> {
        let failed =
            |what: &str| Error::not_measured(format!("the embedded broker did not start: {what}"));
        let mut child = Command::new(program)
            .args(["broker", "--settings", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut started =
            Self { child, stdin, address: settings.listen, words: settings.verifier.words() };
        let mut line =
            serde_json::to_string(settings).map_err(|error| failed(&error.to_string()))?;
        line.push('\n');
        if let Some(stdin) = &mut started.stdin {
            // One that has ended can't be told anything: what it said last tells more than this error.
            let _ = stdin.write_all(line.as_bytes());
        }
        let (said, hears) = mpsc::channel();
        let news = Arc::clone(news);
        thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|out| BufReader::new(out).lines()) {
                let Ok(line) = line else { break };
                match serde_json::from_str(&line) {
                    Ok(read) => news.hear(read),
                    // Nobody listens any more when it took too long.
                    Err(_) => drop(said.send(line)),
                }
            }
            let _ = said.send(String::new());
        });
        let answer = hears.recv_timeout(START_TIME);
        let address = answer.as_ref().ok().and_then(|answer| answer.strip_prefix("ready "));
        let Some(address) = address.and_then(|address| address.trim().parse().ok()) else {
            started.stop();
            let why = last_words(stderr);
            return Err(match (answer, why.as_str()) {
                (Err(_), "") => failed("it took more than 20 s"),
                (Ok(_), "") => failed("it does not say why"),
                (_, why) => failed(why),
            });
        };
        started.address = address;
        // What it says later must not fill a pipe that nobody reads.
        if let Some(mut stderr) = stderr {
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(started)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What verifies tokens in it, in words.
    pub fn verifier(&self) -> &'static str {
        self.words
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it, and waits until it has ended.
    pub fn stop(&mut self) {
        drop(self.stdin.take());
        // It has nothing to save: what it would do on its own until it ends can be cut short.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a process that has ended left in its stderr.
fn last_words(stderr: Option<ChildStderr>) -> String {
    let mut words = Vec::new();
    if let Some(stderr) = stderr {
        let _ = stderr.take(4096).read_to_end(&mut words);
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

/// Refuses a broker that this program was built without.
fn check_built_in(verifier: &Verifier) -> Result<()> {
    if cfg!(feature = "embedded-mqtt5") || !matches!(verifier, Verifier::Mqtt5 { .. }) {
        return Ok(());
    }
    Err(Error::usage("this tokenstorm was built without the broker `embedded-mqtt5`")
        .hint("build it with that: `cargo build --release --features embedded-mqtt5`"))
}

/// Runs the broker of these settings in this process until a signal ends it, or until standard input closes where
/// `follows_stdin`; tells `ready` where it listens, and `told` what comes of fetching a key set.
///
/// # Errors
/// When it can't listen, or a key can't be used.
#[cfg(feature = "embedded")]
pub fn serve(
    settings: &Settings,
    follows_stdin: bool,
    ready: impl FnOnce(SocketAddr),
    told: fn(&KeySetRead),
) -> Result<()> {
    check_built_in(&settings.verifier)?;
    #[cfg(feature = "embedded-mqtt5")]
    if let Verifier::Mqtt5 { keys, expected, leeway } = &settings.verifier {
        let verifier = mqtt5::verifier(keys, expected, *leeway)?;
        return mqtt5::serve(settings.listen, verifier, follows_stdin, ready);
    }
    server::serve(settings, follows_stdin, ready, told)
}

/// This program was built without the broker.
///
/// # Errors
/// Always.
#[cfg(not(feature = "embedded"))]
pub fn serve(_: &Settings, _: bool, _: impl FnOnce(SocketAddr), _: fn(&KeySetRead)) -> Result<()> {
    Err(without())
}

pub(crate) fn without() -> Error {
    Error::usage("this tokenstorm was built without the embedded broker")
        .hint("build it with its default features, or name a broker: `--target mqtt://host:port`")
}

#[cfg(test)]
mod tests;
