//! What a broker said in CONNACK that holds for the connection (MQTT 5.0, 3.2.2).

use crate::client::packet::Connack;

/// The longest text that is kept of what a broker says, in bytes: ids that brokers assign have some forty, and a broker
/// that sends more must not fill the memory with it.
const LONGEST: usize = 256;

/// What client and broker have agreed on. Small: most brokers say nothing of all this, and there is one for every client
/// that is connected.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// Session Present: the broker goes on with an earlier session of this client.
    pub session_present: bool,
    /// Maximum QoS that the broker takes.
    pub maximum_qos: u8,
    /// Receive Maximum: how many publishes of QoS 1 the broker takes without having acknowledged any.
    pub receive_maximum: u16,
    /// Keep alive in seconds: Server Keep Alive, or that of CONNECT; 0 for none.
    pub keep_alive: u16,
    named: Option<Box<Named>>,
}

#[derive(Clone, Debug)]
struct Named {
    assigned_client_identifier: Option<Box<str>>,
    authentication_method: Option<Box<str>>,
    authentication_data: Option<Box<[u8]>>,
}

impl Agreed {
    /// What follows from CONNACK, where CONNECT said this keep alive. Texts that are longer than [`LONGEST`] are left out.
    pub(super) fn of(connack: &Connack<'_>, keep_alive: u16) -> Self {
        let named = Named {
            assigned_client_identifier: connack.assigned_client_identifier.and_then(short),
            authentication_method: connack.authentication_method.and_then(short),
            authentication_data: connack.authentication_data.and_then(short),
        };
        let is_named = named.assigned_client_identifier.is_some()
            || named.authentication_method.is_some()
            || named.authentication_data.is_some();
        Self {
            session_present: connack.session_present,
            maximum_qos: connack.maximum_qos.unwrap_or(2),
            receive_maximum: connack.receive_maximum.unwrap_or(u16::MAX),
            keep_alive: connack.server_keep_alive.unwrap_or(keep_alive),
            named: is_named.then(|| Box::new(named)),
        }
    }

    /// Assigned Client Identifier: the id that the broker gave to a client which came without one.
    pub fn assigned_client_identifier(&self) -> Option<&str> {
        self.named.as_ref()?.assigned_client_identifier.as_deref()
    }

    /// Authentication Method of enhanced authentication.
    pub fn authentication_method(&self) -> Option<&str> {
        self.named.as_ref()?.authentication_method.as_deref()
    }

    /// Authentication Data of enhanced authentication.
    pub fn authentication_data(&self) -> Option<&[u8]> {
        self.named.as_ref()?.authentication_data.as_deref()
    }
}

/// A text, kept where it is short.
fn short<T: AsRef<[u8]> + ?Sized>(text: &T) -> Option<Box<T>>
where
    for<'a> Box<T>: From<&'a T>,
{
    (text.as_ref().len() <= LONGEST).then(|| text.into())
}
