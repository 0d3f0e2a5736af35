//! Numbers of a run that are neither the times of a phase nor counts of outcomes or verdicts.

use super::vocabulary;

vocabulary! {
    /// A number of a run that a threshold can bound.
    Metric: "metric" {
        /// Attempts that have ended.
        Attempts = "attempts";
        /// Verdicts a second.
        VerdictsPerS = "throughput.verdicts_per_s";
        /// Arrivals a second, as they were.
        OfferedPerS = "throughput.offered_per_s";
        /// Clients that were held.
        SessionsHeld = "sessions.held";
        /// Held clients whose connection ended before they wanted.
        SessionsDropped = "sessions.dropped";
        /// Connections whose token ended.
        LifetimeExpired = "lifetime.expired";
        /// Those that the broker ended at the deadline or later.
        LifetimeEnforced = "lifetime.enforced";
        /// Those that it ended before.
        LifetimeEndedEarly = "lifetime.ended_early";
        /// Those that outlived their token.
        LifetimeOutlived = "lifetime.outlived";
        /// Those that ended otherwise.
        LifetimeUndecided = "lifetime.undecided";
        /// Tokens that clients renewed by connecting again.
        RenewalsCount = "renewals.count";
        /// Those that were accepted after the end of the token before.
        RenewalsLate = "renewals.late";
        /// Those with a good token that were not accepted.
        RenewalsFailed = "renewals.failed";
        /// Asks for another token that brought none.
        RenewalsTokenFailed = "renewals.token_failed";
        /// Tokens whose renewal was planned for half of their life.
        RenewalsAtHalfLife = "renewals.at_half_life";
        /// Connections that ended whose clients may come back.
        ReturnsDrops = "returns.drops";
        /// Attempts to come back.
        ReturnsAttempts = "returns.attempts";
        /// Clients that came back.
        ReturnsBack = "returns.back";
        /// Clients that gave up.
        ReturnsGaveUp = "returns.gave_up";
        /// Clients that were away when they would have left.
        ReturnsStillAway = "returns.still_away";
        /// Until half of the clients were back.
        UntilHalfBack = "returns.until_half_back";
        /// Until 99 % were.
        Until99Back = "returns.until_99_back";
        /// CPU time of an attempt to come back, in microseconds.
        ReturnsCpu = "returns.cpu_us_per_attempt";
        /// The share of TLS handshakes that resumed a session.
        TlsResumedShare = "tls.resumed_share";
        /// CPU time of the generator that an attempt took, in microseconds.
        GeneratorCpuPerAttempt = "generator.cpu_us_per_attempt";
        /// CPU time of the generator, in seconds.
        GeneratorCpu = "generator.cpu_s";
        /// Tokens minted a second.
        TokensMintedPerS = "generator.tokens_minted_per_s";
        /// What a search found.
        CapacityPerS = "capacity.per_s";
        /// The lower end of its interval.
        CapacityLowPerS = "capacity.low_per_s";
        /// The upper end.
        CapacityHighPerS = "capacity.high_per_s";
        /// What a token of one's own costs more than none, of `connack`.
        ControlConnack = "control.connack";
        /// The same, of the broker's CPU.
        ControlCpuPerVerdict = "control.cpu_us_per_verdict";
        /// CPU time of the broker a verdict, in microseconds.
        CpuPerVerdict = "monitor.cpu_us_per_verdict";
        /// Memory of the broker an open connection.
        BytesPerConnection = "monitor.bytes_per_connection";
        /// How fast the broker's memory grows.
        RssDrift = "monitor.rss_drift_bytes_per_h";
        /// How fast the harness' memory grows.
        HarnessRssDrift = "monitor.harness_rss_drift_bytes_per_h";
        /// How fast `connack` grows.
        ConnackDrift = "monitor.connack_drift_per_h";
        /// Verdicts a second as a share of what one core of this host verifies.
        BrokerShare = "yardstick.broker_share";
        /// Requests to the authorization server.
        OauthRequests = "oauth.requests";
        /// Fetches that were tried again.
        OauthRetries = "oauth.retries";
        /// Fetches that failed in the end.
        OauthFailed = "oauth.failed";
        /// JWTs without an end.
        OauthWithoutExpiry = "oauth.without_expiry";
        /// Until the first token of a new key was accepted.
        NewKey = "jwks.time_to_accept_new_key";
        /// Until no token of an old key was accepted any more.
        OldKey = "jwks.time_to_refuse_old_key";
        /// How far brokers were apart in that.
        BrokersApart = "jwks.brokers_apart";
        /// Good tokens that were refused meanwhile.
        GoodRefused = "jwks.good_tokens_refused";
        /// Their share.
        GoodRefusedShare = "jwks.good_tokens_refused_share";
        /// Fetches of the key set.
        KeySetFetches = "jwks.fetches";
        /// The same, a thousand connects.
        FetchesPer1000 = "jwks.fetches_per_1000_connects";
        /// How often the answer to a key went back and forth.
        Flips = "jwks.flips";
        /// Bad tokens that were accepted while the key set was away.
        AcceptedWhileAway = "jwks.accepted_while_away";
        /// The share of good tokens that were refused meanwhile.
        RefusedWhileAway = "jwks.refused_while_away_share";
    }
}

/// What a number is, as far as its bound is written otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A time: in microseconds within, with its unit in a condition.
    Time,
    /// A plain number.
    Number,
}

impl Metric {
    /// What it is.
    pub fn unit(self) -> Unit {
        match self {
            Self::ControlConnack
            | Self::ConnackDrift
            | Self::UntilHalfBack
            | Self::Until99Back
            | Self::NewKey
            | Self::OldKey
            | Self::BrokersApart => Unit::Time,
            _ => Unit::Number,
        }
    }

    /// Whether it is the time of a change of keys, which may never be seen.
    pub fn is_of_change(self) -> bool {
        matches!(self, Self::NewKey | Self::OldKey | Self::BrokersApart)
    }

    /// Whether it is told of a whole series, and not while a run goes.
    pub fn is_of_series(self) -> bool {
        matches!(
            self,
            Self::CapacityPerS
                | Self::CapacityLowPerS
                | Self::CapacityHighPerS
                | Self::ControlConnack
                | Self::ControlCpuPerVerdict
        )
    }
}
