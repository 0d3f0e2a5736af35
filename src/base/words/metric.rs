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
        /// Connections that the broker ended at the deadline of their token or later.
        LifetimeEnforced = "lifetime.enforced";
        /// Connections that it ended before the deadline.
        LifetimeEndedEarly = "lifetime.ended_early";
        /// Connections that outlived their token.
        LifetimeOutlived = "lifetime.outlived";
        /// Connections that ended otherwise, so that nothing was decided.
        LifetimeUndecided = "lifetime.undecided";
        /// Renewals that got their token, and began to connect with it or sent it by AUTH.
        RenewalsCount = "renewals.count";
        /// Renewals that were accepted after the end of the token before.
        RenewalsLate = "renewals.late";
        /// Renewals with a good token that were not accepted.
        RenewalsFailed = "renewals.failed";
        /// Requests for another token that brought none.
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
        /// How long it took until half of the clients were back, from when most connections ended.
        UntilHalfBack = "returns.until_half_back";
        /// The same until 99 % were.
        Until99Back = "returns.until_99_back";
        /// CPU time of an attempt after the first turns were over, in microseconds.
        ReturnsCpu = "returns.cpu_us_per_attempt";
        /// The share of TLS handshakes that resumed a session.
        TlsResumedShare = "tls.resumed_share";
        /// CPU time of the generator that an attempt took, in microseconds.
        GeneratorCpuPerAttempt = "generator.cpu_us_per_attempt";
        /// CPU time of the generator, in seconds.
        GeneratorCpu = "generator.cpu_s";
        /// Tokens minted a second.
        TokensMintedPerS = "generator.tokens_minted_per_s";
        /// The highest rate of arrivals that a search found, a second.
        CapacityPerS = "capacity.per_s";
        /// The lower end of the interval of what a search found.
        CapacityLowPerS = "capacity.low_per_s";
        /// The upper end of that interval.
        CapacityHighPerS = "capacity.high_per_s";
        /// How much longer `connack` takes with a token of one's own than with none.
        ControlConnack = "control.connack";
        /// The same of the broker's CPU time a verdict, in microseconds.
        ControlCpuPerVerdict = "control.cpu_us_per_verdict";
        /// CPU time of the broker a verdict, in microseconds.
        CpuPerVerdict = "monitor.cpu_us_per_verdict";
        /// Memory of the broker an open connection, in bytes.
        BytesPerConnection = "monitor.bytes_per_connection";
        /// How fast the broker's memory grows, in bytes an hour.
        RssDrift = "monitor.rss_drift_bytes_per_h";
        /// How fast tokenstorm's memory grows, in bytes an hour.
        HarnessRssDrift = "monitor.harness_rss_drift_bytes_per_h";
        /// How fast the median of `connack` grows, a time an hour.
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
        /// From the publishing of a new key until its first token was accepted.
        NewKey = "jwks.time_to_accept_new_key";
        /// From the withdrawal of an old key until none of its tokens was accepted any more.
        OldKey = "jwks.time_to_refuse_old_key";
        /// How far brokers were apart in either.
        BrokersApart = "jwks.brokers_apart";
        /// Good tokens that were refused while keys changed.
        GoodRefused = "jwks.good_tokens_refused";
        /// Their share of the good tokens then.
        GoodRefusedShare = "jwks.good_tokens_refused_share";
        /// Fetches of the key set.
        KeySetFetches = "jwks.fetches";
        /// Fetches of the key set a thousand connects.
        FetchesPer1000 = "jwks.fetches_per_1000_connects";
        /// How often the answers to a key went back and forth.
        Flips = "jwks.flips";
        /// Bad tokens that were accepted while the key set was away.
        AcceptedWhileAway = "jwks.accepted_while_away";
        /// The share of good tokens that were refused while the key set was away.
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
