//! A broker that is a process of its own: it runs until it is told to end.

use std::{
    fmt::{Debug, Display},
    net::SocketAddr,
};

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

use crate::base::{
    error::{Error, Result},
    host::{Limits, signals::ending_signals},
};

/// Runs the broker that `start` makes until a signal ends it, or until standard input closes where `follows_stdin`; tells
/// `ready` where it listens.
///
/// # Errors
/// When it can't be started, or ends by itself with an error.
pub(super) fn served<R, E>(
    follows_stdin: bool,
    ready: impl FnOnce(SocketAddr),
    start: impl Future<Output = Result<(R, SocketAddr)>>,
) -> Result<()>
where
    R: Future<Output = std::result::Result<(), E>> + Send + 'static,
    E: Debug + Display + Send + 'static,
{
    Limits::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let ended = runtime.block_on(async {
        let (running, address) = start.await?;
        let running = tokio::spawn(running);
        ready(address);
        tokio::select! {
            ended = running => match ended {
                Ok(ended) => ended.map_err(|error| failed(&error)),
                Err(error) => Err(failed(&error)),
            },
            () = told_to_end(follows_stdin) => Ok(()),
        }
    });
    // Tasks of sessions may still run; nothing of theirs is worth waiting for.
    runtime.shutdown_background();
    ended
}

/// Resolves when a signal comes, or standard input closes.
async fn told_to_end(follows_stdin: bool) {
    let closed = async {
        if !follows_stdin {
            return std::future::pending().await;
        }
        let mut rest = [0; 64];
        while matches!(tokio::io::stdin().read(&mut rest).await, Ok(1..)) {}
    };
    // Ctrl-C at the terminal reaches the whole group: the run ends its brokers by itself, after its
    // clients have left. So does the end of the terminal, unless that is ignored.
    let to_group = async |kind: SignalKind| {
        came(kind).await;
        if follows_stdin {
            std::future::pending::<()>().await;
        }
    };
    let hung_up = async {
        if !ending_signals().contains(&signal_hook::consts::SIGHUP) {
            std::future::pending::<()>().await;
        }
        to_group(SignalKind::hangup()).await;
    };
    tokio::select! {
        () = closed => {},
        () = came(SignalKind::terminate()) => {},
        () = to_group(SignalKind::interrupt()) => {},
        () = hung_up => {},
    }
}

/// Resolves when a signal comes; never where it can't be heard.
async fn came(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// That a broker does not run, and why.
pub(super) fn failed(error: &dyn Display) -> Error {
    Error::not_measured(format!("the embedded broker failed: {error}"))
}
