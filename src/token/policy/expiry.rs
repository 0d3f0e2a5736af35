//! What a policy promises of live connections whose token ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::scenario::{ByVersion, End, EndsOn, EndsWith, OnExpiry, PolicySettings, Protocol};

/// Brokers that look whether a token has ended when something comes are asked twice, the second time so long after the
/// first: one that counts whole seconds keeps the connection through the second of `exp`.
pub const SECOND_PROBE: Duration = Duration::from_millis(1_100);
/// How long after the deadline an end may come, where nothing else is said.
const WITHIN: Duration = Duration::from_secs(2);

/// What becomes of a live connection when its token ends.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ExpiryPolicy {
    on_expiry: ByVersion<Option<OnExpiry>>,
    ends_on: ByVersion<Option<EndsOn>>,
    ends_with: EndsWith,
    /// How long after `exp` and [`Self::leeway`] the end may come.
    pub within: Duration,
    /// The leeway of live connections.
    pub leeway: Duration,
}

impl ExpiryPolicy {
    /// That of a profile with `settings` over it; `leeway` is that of CONNECT.
    pub(super) fn over(base: &PolicySettings, settings: &PolicySettings, leeway: Duration) -> Self {
        let ends_with = |of: &PolicySettings| of.ends_with.clone().unwrap_or_default();
        let (own, below) = (ends_with(settings), ends_with(base));
        let on_expiry = settings.on_expiry.unwrap_or_default();
        let ends_on = settings.ends_on.unwrap_or_default();
        Self {
            on_expiry: on_expiry.or(base.on_expiry.unwrap_or_default()),
            ends_on: ends_on.or(base.ends_on.unwrap_or_default()),
            ends_with: EndsWith { v4: own.v4.or(below.v4), v5: own.v5.or(below.v5) },
            within: settings.expiry_within.or(base.expiry_within).unwrap_or(WITHIN),
            leeway: settings.expiry_leeway.or(base.expiry_leeway).unwrap_or(leeway),
        }
    }

    /// Refuses what no end can look like.
    pub(super) fn check(&self) -> Result<()> {
        let is_code = |end: &End| matches!(end, End::Code(_));
        let (v4, v5) = (self.ends_with.v4.as_deref(), self.ends_with.v5.as_deref());
        for (key, ends) in [("v4", v4), ("v5", v5)] {
            if ends.is_some_and(<[End]>::is_empty) {
                return Err(Error::usage(format!(
                    "`policy.ends_with.{key}` is empty: no end of a connection would be right"
                ))
                .hint("leave it out where any end will do"));
            }
        }
        if let Some(End::Code(code)) = v4.and_then(|ends| ends.iter().find(|end| is_code(end))) {
            return Err(Error::usage(format!(
                "`policy.ends_with.v4` holds {code}, but in MQTT 3.1.1 a broker sends no code: no end would be right"
            ))
            .hint("write `fin`, `rst` or `disconnect`"));
        }
        Ok(())
    }

    /// Writes it as a scenario does.
    pub(super) fn write(&self, into: &mut PolicySettings) {
        let is_said = |it: &ByVersion<Option<OnExpiry>>| it.v4.is_some() || it.v5.is_some();
        into.on_expiry = Some(self.on_expiry).filter(is_said);
        into.ends_on = Some(self.ends_on).filter(|it| it.v4.is_some() || it.v5.is_some());
        into.ends_with = Some(self.ends_with.clone()).filter(|it| *it != EndsWith::default());
        into.expiry_within = Some(self.within);
        into.expiry_leeway = Some(self.leeway);
    }

    /// What is promised in a version of MQTT, if anything is.
    pub fn on_expiry(&self, protocol: Protocol) -> Option<OnExpiry> {
        *self.on_expiry.of(protocol)
    }

    /// When the broker looks.
    pub fn ends_on(&self, protocol: Protocol) -> EndsOn {
        self.ends_on.of(protocol).unwrap_or_default()
    }

    /// How the end has to look; `None` where any end will do.
    pub fn ends_with(&self, protocol: Protocol) -> Option<&[End]> {
        match protocol {
            Protocol::V4 => self.ends_with.v4.as_deref(),
            Protocol::V5 => self.ends_with.v5.as_deref(),
        }
    }
}
