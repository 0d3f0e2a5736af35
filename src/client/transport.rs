//! What lies between TCP and MQTT at one broker: nothing, TLS, WebSocket, or both.

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

/// The transport of a broker, as one worker speaks it.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// TLS, with the name that the broker's certificate must have.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
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
