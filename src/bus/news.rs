//! What a connection to the bus tells of itself while it is used.

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

/// What the server says where it does not allow a subject (NATS client protocol, `-ERR`).
const VIOLATION: &str = "permissions violation for ";

/// Something that happened to a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// It is gone; the library tries to bring it back.
    Gone,
    /// It stands again.
    Back,
    /// The server does not take these credentials any more.
    Refused,
    /// The server does not allow to say, or to hear, something: what it said of that.
    Denied(String),
}

impl News {
    /// What an event of the library means here; nothing of most.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let refused = ConnectErrorKind::AuthorizationViolation.to_string();
        match event {
            Event::Disconnected => Some(Self::Gone),
            Event::Connected => Some(Self::Back),
            Event::ServerError(ServerError::AuthorizationViolation) => Some(Self::Refused),
            Event::ClientError(ClientError::Other(what)) if *what == refused => Some(Self::Refused),
            Event::ServerError(ServerError::Other(what)) => {
                let is_it = what.to_lowercase().starts_with(VIOLATION);
                is_it.then(|| Self::Denied(what.clone()))
            }
            _ => None,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Gone => "the connection to NATS is gone, and is tried again".into(),
            Self::Back => "the connection to NATS is back".into(),
            Self::Refused => "NATS refuses the credentials that it took before".into(),
            Self::Denied(what) => format!(
                "the permissions of this NATS user do not allow what is needed: {}",
                crate::error::plain::line(what)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_does_not_allow_is_told_apart_from_what_else_it_says() {
        let said = |what: &str| News::of(&Event::ServerError(ServerError::Other(what.into())));
        let denied = "Permissions Violation for Publish to \"g.call\"";
        assert_eq!(said(denied), Some(News::Denied(denied.into())));
        assert_eq!(said("maximum connections exceeded"), None);
        assert_eq!(News::of(&Event::LameDuckMode), None);
        let refused = ClientError::Other("authorization violation".into());
        assert_eq!(News::of(&Event::ClientError(refused)), Some(News::Refused));
    }
}
