//! When a broker that is a process of its own has to end.

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

use crate::base::host::signals::ending_signals;

/// Resolves when a signal comes, or standard input closes.
pub(super) async fn told_to_end(follows_stdin: bool) {
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
