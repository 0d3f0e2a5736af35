//! A NATS server of one's own, on loopback, for agents of this host: `nats-server` from the path.

use std::{
    env, fs, io,
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use super::joining::TOKEN;
use crate::base::{
    error::{Error, Result},
    launch::{Guard, Launched, free_port},
};

const PROGRAM: &str = "nats-server";
/// How long it may take to listen.
const STARTING: Duration = Duration::from_secs(10);
/// How long it may take to end: it keeps nothing.
const ENDING: Duration = Duration::from_secs(1);
/// The variable that has its settings until they are in their file.
const SETTINGS: &str = "TOKENSTORM_NATS_CONF";

/// A server that ends when this is dropped, or this program does.
#[derive(Debug)]
pub struct Server {
    _launched: Launched,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its clients have to know, in the variable that [`Server::variable`] names.
    pub token: String,
}

impl Server {
    /// Starts it, with its settings and its log in this folder, which is nobody else's, and which is taken away with it.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start(folder: &Path, token: String, stop: &AtomicBool) -> Result<Self> {
        let program = find()?;
        let port = free_port()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (settings, log) = (folder.join("nats.conf"), folder.join("nats.log"));
        let text = format!(
            "listen: \"{address}\"\nauthorization {{ token: \"{token}\" }}\nmax_payload: 8MB\nwrite_deadline: \"10s\"\n"
        );
        private(&log).map_err(|error| {
            Error::not_measured(format!("can't write `{}`: {error}", log.display()))
        })?;
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let (program, settings) = (quoted(&program), quoted(&settings));
        // Others on this host must not read the token, or start storms. It is written where the warden is there already,
        // which takes it away however this program ends.
        let command = format!(
            "umask 077; printf %s \"${SETTINGS}\" >{settings}; unset {SETTINGS}; exec {program} -c {settings}"
        );
        let variables = [(SETTINGS, text.as_str())];
        let guard = Guard { variables: &variables, grace: ENDING, remove: Some(folder) };
        let mut launched = Launched::start(&command, port, &log, &guard)?;
        if !launched.wait_for_port(address, STARTING, stop)? {
            return Err(Error::interrupted("interrupted before the storm: nothing was measured"));
        }
        Ok(Self { _launched: launched, address, token })
    }

    /// The variable by which its clients are told the token.
    pub fn variable() -> &'static str {
        TOKEN
    }
}

/// Makes an empty file that nobody else can read.
///
/// # Errors
/// When it can't be made, or is there already.
pub fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Where the program is.
fn find() -> Result<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|path| {
        fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    }).ok_or_else(|| {
        Error::not_measured(format!(
            "`--agents` without `--nats` needs `{PROGRAM}`, which is not in PATH"
        ))
        .hint("install it (Debian and Ubuntu: `apt install nats-server`), or give `--nats URL` of one that runs")
    })
}
