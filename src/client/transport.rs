//! What lies between TCP and MQTT at one broker: nothing, TLS, WebSocket, or both.

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use crate::base::tls::clients::ClientCertificates;

/// The transport of a broker, as one worker speaks it.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// TLS, with the name that the broker's certificate must have.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The certificates of the clients, where each has one of its own.
    pub certificates: Option<Arc<ClientCertificates>>,
    /// WebSocket.
    pub ws: Option<Arc<Endpoint>>,
}

/// Where a WebSocket is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Host and port, as the `Host` header has them.
    pub host: String,
    /// Path, and query if any.
    pub path: String,
}

impl Transport {
    /// What a client speaks TLS with, and the name that the broker's certificate must have, where there is TLS; `certificate` is
    /// the number of the client whose certificate it comes with.
    pub fn tls_of(
        &self,
        certificate: Option<u64>,
    ) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let (config, name) = self.tls.as_ref()?;
        let config = match (&self.certificates, certificate) {
            (Some(all), Some(n)) => all.settings(config, n),
            _ => Arc::clone(config),
        };
        Some((config, name.clone()))
    }

    /// Whether MQTT goes over TCP as it is.
    pub fn is_plain(&self) -> bool {
        self.tls.is_none() && self.ws.is_none()
    }

    /// Does what the first handshake of a thread would otherwise do on top of its own.
    pub fn warm_up(&self) {
        if let Some((config, name)) = &self.tls {
            // Its first flight draws random numbers; what can't be made now fails by attempt.
            drop(ClientConnection::new(Arc::clone(config), name.clone()));
        }
    }
}
