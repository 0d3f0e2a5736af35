//! A listener that can be closed and opened again, with HTTP behind it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use super::{Shared, identity::Identities};
use crate::base::error::{Error, Result};

/// Connections waiting to be accepted.
const BACKLOG: u32 = 4096;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it is until a port that was given up is asked for again.
const AGAIN: Duration = Duration::from_millis(20);

/// How connections are received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    /// As they should be.
    Open,
    /// With a certificate that has expired.
    Expired,
    /// Nobody listens.
    Closed,
}

/// A port that is listened on.
pub(super) struct Listening {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Listening {
    pub(super) fn bind(address: SocketAddr) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::not_measured(format!("the issuer can't listen on `{address}`: {error}"))
                .hint("port 0 takes a free one")
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        // Told again, it takes the new length: the standard library's is 128.
        rustix::net::listen(&listener, BACKLOG as i32).map_err(|error| failed(error.into()))?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves what comes, as the door is. Each change of the door cuts off what was open before.
    pub(super) async fn serve(
        self,
        router: Router,
        identities: Option<Arc<Identities>>,
        mut door: watch::Receiver<Door>,
        shared: Arc<Shared>,
    ) {
        let mut first = TcpListener::from_std(self.listener).ok();
        loop {
            let how = *door.borrow_and_update();
            if how == Door::Closed {
                // As long as it is there, the kernel takes connections for it.
                drop(first.take());
                // The port is kept: bound and not listening it refuses as well, and nobody else gets it.
                let kept = keep(self.address).await;
                if door.changed().await.is_err() {
                    return;
                }
                first =
                    if *door.borrow() == Door::Closed { None } else { kept.listen(BACKLOG).ok() };
                continue;
            }
            let listener = match first.take() {
                Some(listener) => listener,
                None => match keep(self.address).await.listen(BACKLOG) {
                    Ok(listener) => listener,
                    Err(_) => continue,
                },
            };
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    changed = until_changed(&mut door) => {
                        let () = changed;
                        break;
                    }
                };
                // Out of descriptors, perhaps: those who wait may be luckier.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let (router, identities) = (router.clone(), identities.clone());
                let (mut door, shared) = (door.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    tokio::select! {
                        () = receive(stream, router, identities, how, shared) => {}
                        () = until_changed(&mut door) => {}
                    }
                });
            }
        }
    }
}

/// Resolves when the door changes; never where nobody can change it.
async fn until_changed(door: &mut watch::Receiver<Door>) {
    if door.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A socket that has the port, and does not listen; asked for again until there is one.
async fn keep(address: SocketAddr) -> TcpSocket {
    loop {
        match bind(address) {
            Ok(socket) => return socket,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn receive(
    stream: TcpStream,
    router: Router,
    identities: Option<Arc<Identities>>,
    how: Door,
    shared: Arc<Shared>,
) {
    let Some(identities) = identities else { return converse(stream, router).await };
    let acceptor = match (how, &identities.expired) {
        (Door::Expired, Some(expired)) => expired,
        _ => &identities.good,
    };
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, router).await,
        // Who that was, it did not come to say.
        _ => shared.visits.count("tls", 0, "unnamed"),
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let service = TowerToHyperService::new(router);
    // Whoever hangs up has its answer, or wants none.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
