//! The phases of attempts and of other operations.

use super::{Operation, vocabulary};

vocabulary! {
    /// A stretch of an operation whose length is measured, in the order of the contract.
    Phase: "phase" {
        /// Scheduled to started: the generator's own lateness.
        StartDelay = "start_delay", "start_delay (ours)";
        /// Asking for a token to holding it, where a client had to wait.
        Token = "token";
        /// Name resolution.
        Dns = "dns";
        /// The TCP handshake.
        TcpConnect = "tcp_connect";
        /// The TLS handshake.
        TlsHandshake = "tls_handshake";
        /// The upgrade of HTTP to WebSocket.
        WsUpgrade = "ws_upgrade";
        /// CONNECT handed over to CONNACK read: the broker's verdict.
        Connack = "connack", "connack (the verdict)";
        /// Started to CONNACK: service time.
        Connect = "connect", "connect (service time)";
        /// Scheduled to CONNACK: response time, which a stall of the broker can't hide from
        /// (coordinated omission).
        Response = "response", "response (from schedule)";
        /// CONNACK's arrival in the kernel to its being read, where the kernel says when that was: the generator's own
        /// delay, which `connack` is then free of.
        ReceiveDelay = "receive_delay", "receive_delay (ours)";
        /// The deadline of a connection's token to its end, of those that ended at it or later.
        ExpiryEnforcement = "expiry_enforcement", "expiry_enforcement (after exp)";
        /// The end of a connection to the deadline of its token, of those that ended before it.
        ExpiryEarly = "expiry_early", "expiry_early (before exp)";
        /// The end of a client's connection to its next CONNACK that accepts it, over all its attempts.
        Reconnect = "reconnect", "reconnect (end to back)";
        /// AUTH handed over that authenticates again, to the answer.
        Reauth = "reauth", "reauth (AUTH to answer)";
    }
}

impl Phase {
    /// What it is a phase of. Each phase is of one operation, so that its place in the list stands for both.
    pub const fn operation(self) -> Operation {
        match self {
            Self::StartDelay
            | Self::Token
            | Self::Dns
            | Self::TcpConnect
            | Self::TlsHandshake
            | Self::WsUpgrade
            | Self::Connack
            | Self::Connect
            | Self::Response
            | Self::ReceiveDelay => Operation::Connect,
            Self::ExpiryEnforcement | Self::ExpiryEarly => Operation::Expire,
            Self::Reconnect => Operation::Return,
            Self::Reauth => Operation::Reauthenticate,
        }
    }

    /// Whether it is the generator's own time, and not the broker's.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::StartDelay | Self::ReceiveDelay)
    }

    /// Whether every attempt enters it that gets so far, whatever its plan.
    pub fn is_of_all(self) -> bool {
        match self {
            Self::StartDelay
            | Self::TcpConnect
            | Self::Connack
            | Self::Connect
            | Self::Response => true,
            Self::Token
            | Self::Dns
            | Self::TlsHandshake
            | Self::WsUpgrade
            | Self::ReceiveDelay
            | Self::ExpiryEnforcement
            | Self::ExpiryEarly
            | Self::Reconnect
            | Self::Reauth => false,
        }
    }

    /// Whether it is part of the way to the broker or the broker's own time, and not a sum of such, or ours.
    pub fn is_step(self) -> bool {
        self <= Self::Connack
    }
}
