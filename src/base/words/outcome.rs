//! How an attempt ended, without the details.

use super::vocabulary;

vocabulary! {
    /// How an attempt ended; why, an `Outcome` says, and a code in files.
    OutcomeKind: "outcome" {
        /// CONNACK with code 0.
        Accepted = "accepted";
        /// CONNACK with another code.
        Refused = "refused";
        /// Closed by the broker before a whole CONNACK.
        Closed = "closed";
        /// The deadline passed.
        Timeout = "timeout";
        /// The name could not be resolved, or the TCP connection did not come about.
        TcpFailed = "tcp_failed";
        /// The TLS handshake failed, or the broker took it back by an alert.
        TlsFailed = "tls_failed";
        /// The upgrade to WebSocket failed.
        WsFailed = "ws_failed";
        /// The authorization server gave no token.
        TokenFailed = "token_failed";
        /// The broker sent what is no CONNACK.
        ProtocolError = "protocol_error";
        /// Ours: no port, no descriptor.
        LocalError = "local_error";
    }
}

impl OutcomeKind {
    /// Whether the broker answered with a CONNACK.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Accepted | Self::Refused)
    }

    /// Whether an attempt ends so where its broker goes away; of some only where it was `closed` in the midst of them.
    pub fn ends_with_its_broker(self, closed: bool) -> bool {
        match self {
            Self::Closed | Self::TcpFailed | Self::Timeout => true,
            Self::TlsFailed | Self::WsFailed => closed,
            Self::Accepted
            | Self::Refused
            | Self::TokenFailed
            | Self::ProtocolError
            | Self::LocalError => false,
        }
    }
}
