//! What a connection to the bus tells of itself while it is used.

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

/// What the server says where it does not allow a subject (NATS client protocol, `-ERR`).
const VIOLATION: &str = "permissions violation for ";

/// What happened and was not asked for: older than that is no news.
const MOST: usize = 64;

/// What has happened to a connection and was not told of yet.
#[derive(Debug, Default)]
pub(super) struct Heard {
    news: Vec<News>,
    is_gone: bool,
}

impl Heard {
    pub(super) fn add(&mut self, news: News) {
        // The first time that it stands it was not gone; a server that refuses is asked again, and refuses again.
        let is_known = self.news.last() == Some(&news) || news == News::Back && !self.is_gone;
        match news {
            News::Gone => self.is_gone = true,
            News::Back => self.is_gone = false,
            _ => {}
        }
        if !is_known && self.news.len() < MOST {
            self.news.push(news);
        }
    }

    pub(super) fn take(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}

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
                crate::base::error::plain::line(what)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_back_only_where_it_was_gone_and_what_is_repeated_is_told_once() {
        let mut heard = Heard::default();
        for news in [News::Back, News::Gone, News::Refused, News::Refused, News::Back, News::Back] {
            heard.add(news);
        }
        assert_eq!(heard.take(), [News::Gone, News::Refused, News::Back]);
        assert_eq!(heard.take(), []);
    }

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
