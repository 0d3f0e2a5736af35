//! Who issues tokens and keys where that is not the run itself: its authorization server, what happens to that, how clients
//! fetch from one, and how embedded brokers take their keys from a key set.

use std::{path::Path, time::Duration};

use url::Url;

use super::{
    Model,
    authority::Authority,
    broker::Broker,
    fetching::Fetching,
    secret::check_plain,
    timeline::{Action, Moment, Timeline},
};
use crate::{
    base::{
        error::{Error, Result},
        tls::Trust,
    },
    scenario::{Jwks, Load, Outage, Scenario, TokenSource},
    token::{key::SigningKey, names::Names, policy::Policy},
};

/// Who issues tokens and keys.
#[derive(Debug)]
pub struct Issuance {
    /// The run's own authorization server, where there is one.
    pub authority: Option<Authority>,
    /// What happens to it meanwhile.
    pub timeline: Timeline,
    /// How clients fetch their tokens, where they do.
    pub fetching: Option<Fetching>,
    /// How embedded brokers take their keys from a key set, where they do.
    pub jwks: Option<Jwks>,
    /// Whose certificates the server of that key set may show, where `target.jwks.ca` says it.
    pub jwks_trust: Option<Trust>,
}

impl Issuance {
    /// Resolves `[issuer]`, `[[events]]` and `[oauth]`; relative paths start at `base`.
    ///
    /// # Errors
    /// When one of them can't be as it is written.
    pub fn resolve(
        scenario: &Scenario,
        jwks: Option<Jwks>,
        keys: &[SigningKey],
        names: &Names,
        base: &Path,
    ) -> Result<Self> {
        let authority = Authority::resolve(scenario, keys, names, base)?;
        let timeline = timeline(scenario, authority.as_ref(), keys)?;
        let fetching = Fetching::resolve(scenario, authority.as_ref(), keys, names, base)?;
        let ca = jwks.as_ref().and_then(|jwks| jwks.ca.as_deref());
        let jwks_trust =
            ca.map(|ca| Trust::load("target.jwks.ca", Some(ca), None, base)).transpose()?;
        Ok(Self { authority, timeline, fetching, jwks, jwks_trust })
    }

    /// Warns of events that can't happen within the storm, or do not reach the brokers.
    pub(super) fn warn_of_events(&self, model: &Model, load: &Load, warnings: &mut Vec<String>) {
        if let Model::Open { rates, .. } = model {
            let end = rates.length() + load.hold();
            let late = self.timeline.moments.iter().filter(|moment| moment.at > end);
            warnings.extend(late.map(|moment| comes_late(&moment.detail, moment.at, end)));
        }
        let is_elsewhere = self.jwks.as_ref().is_some_and(|jwks| jwks.url.is_some());
        if is_elsewhere && self.authority.is_some() && !self.timeline.is_empty() {
            warnings.push(
                "`target.jwks.url` is given: what `[[events]]` do to the run's own key set does not reach the embedded brokers"
                    .into(),
            );
        }
    }

    /// Warns of brokers that may know the first keys of the run's own issuer later than the run assumes: they can read its
    /// key set only from the run's start on.
    pub(super) fn warn_of_first_keys(
        &self,
        policy: &Policy,
        brokers: &[Broker],
        (model, load): (&Model, &Load),
        warnings: &mut Vec<String>,
    ) {
        let external = brokers.iter().find(|broker| !broker.is_embedded());
        let (Some(_), Some(broker)) = (&self.authority, external) else { return };
        let broker = &broker.label;
        let Some(within) = policy.new_key_within else {
            warnings.push(format!(
                "`{broker}` can read the key set of `[issuer]` only once the run has started, and the policy does not say how soon it does: a good token that it refuses before is judged a false reject. Write that time: `policy.new_key_within = \"1m\"`"
            ));
            return;
        };
        if let Model::Open { rates, .. } = model
            && rates.length() + load.connect_timeout <= within
        {
            let shown = humantime::format_duration;
            warnings.push(format!(
                "`{broker}` has {} to read the key set of `[issuer]` (`policy.new_key_within`), and the storm lasts {}: no good token has to be accepted in it. Let the storm last longer, or have the broker read the set more often and lower `policy.new_key_within` to that",
                shown(within),
                shown(rates.length())
            ));
        }
    }

    /// The key that the issuer signs with at the start, where there is one.
    pub fn signs(&self) -> Option<usize> {
        self.authority.as_ref().map(|authority| authority.published[0])
    }

    /// Keys that brokers can find in the issuer's key set at some time.
    pub fn published(&self) -> Vec<usize> {
        let first = self.authority.iter().flat_map(|authority| authority.published.iter().copied());
        first.chain(self.timeline.published_later()).collect()
    }

    /// How many keys an embedded broker verifies with, of so many there are: one with a key set may come to know several.
    pub fn known_keys(&self, keys: usize) -> usize {
        if self.jwks.is_some() { keys.max(2) } else { keys }
    }
}

/// A warning of what comes after the storm.
pub(super) fn comes_late(what: &str, at: Duration, end: Duration) -> String {
    let shown = humantime::format_duration;
    format!(
        "an event comes after the storm: {what} ({} after its start, which lasts {})",
        shown(at),
        shown(end)
    )
}

/// Whether clients fetch from a server that is not the run's own.
pub(super) fn is_foreign(scenario: &Scenario) -> bool {
    let oauth = scenario.oauth.as_ref();
    scenario.token.source == TokenSource::OAuth
        && oauth.is_some_and(|oauth| oauth.issuer.is_some() || oauth.token_endpoint.is_some())
}

/// Whether tokens are none that the run, or its own server, has made.
pub(super) fn is_of_others(scenario: &Scenario) -> bool {
    is_foreign(scenario) || scenario.token.source == TokenSource::File
}

/// How embedded brokers take their keys from a key set, where they do.
///
/// # Errors
/// When nobody says where that is.
pub(super) fn jwks(
    scenario: &Scenario,
    embedded: bool,
    warnings: &mut Vec<String>,
) -> Result<Option<Jwks>> {
    let jwks = scenario.target.jwks.clone().or(scenario.issuer.as_ref().map(|_| Jwks::default()));
    if !embedded {
        if scenario.target.jwks.is_some() {
            warnings.push("`[target.jwks]` is for embedded brokers, and there is none here".into());
        }
        return Ok(None);
    }
    // Its discovery document says where the key set is.
    let is_discovered =
        is_foreign(scenario) && scenario.oauth.as_ref().is_some_and(|oauth| oauth.issuer.is_some());
    if is_foreign(scenario) && !is_discovered && jwks.as_ref().is_none_or(|jwks| jwks.url.is_none())
    {
        return Err(Error::usage("`target.jwks.url` is missing: an embedded broker has to know the keys of the server that `[oauth]` names")
            .hint("write where its key set is: `[target.jwks]` with `url = \"https://...\"`; with `oauth.issuer` in place of `oauth.token_endpoint` the discovery document says it"));
    }
    let jwks = jwks.or(is_discovered.then(Jwks::default));
    let Some(jwks) = jwks else { return Ok(None) };
    if let Some(text) = &jwks.url {
        let url = Url::parse(text).map_err(|error| {
            Error::usage(format!("`target.jwks.url` is no URL: {error}"))
                .hint("write `https://host:port/path`")
        })?;
        check_plain("target.jwks.url", &url)?;
    }
    if jwks.url.is_none() && scenario.issuer.is_none() && !is_discovered {
        return Err(Error::usage("`target.jwks.url` is missing: where is the key set?")
            .hint("write `url = \"https://...\"`, or bring an issuer along: `[issuer]`"));
    }
    Ok(Some(jwks))
}

/// What an embedded broker promises of keys that come and go follows from how it fetches them, and how long that may take.
pub(super) fn keys_within(policy: &mut Policy, jwks: &Jwks) {
    let fetch = jwks.timeout;
    let least = if jwks.refetch { jwks.min_interval } else { jwks.cache.max(jwks.min_interval) };
    policy.new_key_within = policy.new_key_within.or(Some(least + fetch));
    policy.old_key_within =
        policy.old_key_within.or(Some(jwks.cache.max(jwks.min_interval) + fetch));
}

/// What happens to the issuer meanwhile.
fn timeline(
    scenario: &Scenario,
    authority: Option<&Authority>,
    keys: &[SigningKey],
) -> Result<Timeline> {
    match authority {
        Some(authority) => {
            let expires =
                |moment: &Moment| moment.action == Action::Away(Outage::ExpiredCertificate);
            let line = Timeline::resolve(&scenario.events, keys, &authority.published)?;
            if line.moments.iter().any(expires) && !authority.can_expire() {
                return Err(Error::usage("an event lets a certificate expire, but the issuer has none that has expired")
                    .hint("write `[issuer.tls]` with `generate = true`, or with `expired_cert` and `expired_key`"));
            }
            Ok(line)
        }
        None => match scenario.events.iter().find(|event| event.r#do.is_of_issuer()) {
            None => Ok(Timeline::default()),
            Some(event) => Err(Error::usage(format!(
                "`{}` of `[[events]]` is done to the run's own issuer, and there is no `[issuer]`",
                event.r#do.name()
            ))
            .hint("write `[issuer]`, or leave the event out; `stop_broker`, `start_broker` and `drop_clients` need none")),
        },
    }
}
