//! Tokens that end while their connections live: what a scenario may ask for, and when what it asks for can't be seen.

use std::time::Duration;

use super::{Model, Plan, broker::Broker};
use crate::{
    base::{
        clock::{SECOND, nanoseconds, signed},
        error::{Error, Result},
        words::{Operation, Phase},
    },
    scenario::{
        EndsOn, LoadMode, OnExpiry, Scenario, SessionSettings, TokenSource, bounds::MOST_CLIENTS,
    },
    token::{
        Occasion,
        names::Names,
        policy::{Policy, SECOND_PROBE},
        recipe::Exp,
        template::Template,
    },
};

/// Checks `[session]` and the keys that say when tokens end; the topic that probes go to, where there are any.
///
/// # Errors
/// When a value is out of range or contradicts another: with key, value and a way out.
pub(super) fn resolve(
    scenario: &Scenario,
    policy: &Policy,
    names: &Names,
    warnings: &mut Vec<String>,
) -> Result<Option<Template>> {
    check_tokens(scenario)?;
    if scenario.session.is_some() {
        check_mode(scenario)?;
    }
    let session = scenario.session.clone().unwrap_or_default();
    if session.grace < Duration::from_millis(100) || session.grace > Duration::from_hours(1) {
        return Err(Error::usage(format!(
            "`session.grace` is {}, but must be 100ms to 1h",
            shown(session.grace)
        )));
    }
    let own = scenario.target.protocol;
    // Where nobody holds nothing is waited for.
    if !scenario.load.hold().is_zero() {
        check_within(scenario, policy, policy.expiry.ends_on(own), session.grace)?;
    }
    if policy.expiry.on_expiry(own) == Some(OnExpiry::Starve) && asks(scenario) {
        warnings.push(
            "`policy.on_expiry` is `starve`, and is judged as `keep`: no client publishes anything that could be missed"
                .into(),
        );
    }
    let mut spoken = policy.protocols.iter();
    let is_shown = spoken.any(|it| policy.expiry.ends_on(*it) == EndsOn::Publish);
    // Names of clients that no topic can hold are none of a fault where nobody publishes.
    if !is_shown && scenario.session.is_none() {
        return Ok(None);
    }
    let topic = topic(&session.probe_topic, names)
        .map_err(|error| error.within("`session.probe_topic`"))?;
    Ok(is_shown.then_some(topic))
}

/// Whether a scenario asks itself what becomes of tokens that end, and not its profile alone.
fn asks(scenario: &Scenario) -> bool {
    scenario.session.is_some() || scenario.policy.on_expiry.is_some()
}

pub(super) fn shown(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}

fn check_mode(scenario: &Scenario) -> Result<()> {
    let (mode, why) = match scenario.load.model() {
        LoadMode::Open | LoadMode::Closed => return Ok(()),
        LoadMode::Churn => ("churn", "a client leaves with its verdict there"),
        LoadMode::Preconnect => ("preconnect", "what it measures is over with the verdict"),
    };
    Err(Error::usage(format!("`[session]` is given, but `load.mode` is `{mode}`: {why}"))
        .hint("use `open` or `closed`, or leave `[session]` out"))
}

fn check_tokens(scenario: &Scenario) -> Result<()> {
    let token = &scenario.token;
    let hour = Duration::from_hours(1);
    if token.ttl_jitter > hour * 24 {
        return Err(Error::usage(format!(
            "`token.ttl_jitter` is {}, but must be 0s to 1day",
            shown(token.ttl_jitter)
        )));
    }
    if let Some(at) = token.exp_at.filter(|at| !(Duration::from_secs(1)..=hour * 24).contains(at)) {
        return Err(Error::usage(format!(
            "`token.exp_at` is {}, but must be 1s to 1day after the start of the storm",
            shown(at)
        )));
    }
    let given = [("ttl_jitter", !token.ttl_jitter.is_zero()), ("exp_at", token.exp_at.is_some())];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((key, _)) if token.source == TokenSource::OAuth => Err(Error::usage(format!(
            "`token.{key}` is given, but `token.source` is `oauth`: the authorization server says when its tokens end"
        ))
        .hint("leave it out; `[issuer] ttl` is the lifetime of tokens of the built-in server")),
        _ => Ok(()),
    }
}

fn check_within(
    scenario: &Scenario,
    policy: &Policy,
    ends_on: EndsOn,
    grace: Duration,
) -> Result<()> {
    let probes = match ends_on {
        EndsOn::Time => Duration::ZERO,
        EndsOn::Packet | EndsOn::Publish => SECOND_PROBE,
    };
    if policy.expiry.within + probes <= grace {
        return Ok(());
    }
    let more = match ends_on {
        EndsOn::Time => "",
        EndsOn::Packet | EndsOn::Publish => ", and 1.1s lie between the two probes of `ends_on`",
    };
    let key = if scenario.session.is_some() { "is" } else { "is by default" };
    Err(Error::usage(format!(
        "`policy.expiry_within` is {}{more}; `session.grace` {key} {}, which is shorter: a connection would count as one that outlived its token while its end may still come",
        shown(policy.expiry.within),
        shown(grace)
    ))
    .hint("raise `session.grace`, or lower `policy.expiry_within`"))
}

/// Compiles the topic of probes.
fn topic(text: &str, names: &Names) -> Result<Template> {
    let topic = names.text(text)?;
    // Of names that a file lists, each counts.
    let listed = names.listed();
    let examples = (0..listed).map(|n| topic.text(n));
    let examples = examples.chain((listed == 0).then(|| topic.text(MOST_CLIENTS)));
    examples.into_iter().try_for_each(|example| check_topic(text, &example))?;
    Ok(topic)
}

/// Refuses what is no topic name; `text` is how it is written.
fn check_topic(text: &str, example: &str) -> Result<()> {
    let wrong = |why: &str| Error::usage(format!("`{text}` is no topic to publish to: {why}"));
    if example.is_empty() || example.len() > 65_535 {
        return Err(wrong("it has 1 to 65535 bytes"));
    }
    if let Some(found) = example.chars().find(|c| matches!(c, '+' | '#' | '\0')) {
        return Err(wrong(&format!(
            "{} stands for other topics in a filter, or must not be in any text of MQTT",
            found.escape_default()
        ))
        .hint("write one without `+`, `#` and NUL (MQTT 5.0, 4.7); those of `[identity]` count as well"));
    }
    if example.starts_with('$') {
        return Err(wrong("those that begin with `$` are the broker's own (MQTT 5.0, 4.7.2)"));
    }
    Ok(())
}

impl Plan {
    /// `[session]` as written, or as it is without.
    pub fn session(&self) -> SessionSettings {
        self.scenario.session.clone().unwrap_or_default()
    }

    /// How long a minted token of a first turn lasts, from the moment of its use: the shortest and the longest. Of `exp_at` it
    /// is the life of one that is used at the start.
    pub fn lives(&self) -> (Duration, Duration) {
        match self.mould.exp_at {
            Some(at) => (at, at + Duration::from_secs(1)),
            None => (self.mould.ttl, self.mould.ttl + self.mould.ttl_jitter),
        }
    }

    /// What the token of a turn is minted for that is used at a wall time, in a storm that began at `start`; both in
    /// nanoseconds since 1970.
    pub fn occasion(&self, turn: u32, at: i64, start: i64) -> Occasion {
        let whole = |end: i64| end.saturating_add(SECOND as i64 - 1).div_euclid(SECOND as i64);
        let end = self.mould.exp_at.filter(|_| turn == 0).map(nanoseconds).map(signed);
        Occasion { at, exp: end.map(|end| whole(start.saturating_add(end))) }
    }

    /// Whether tokens that a client was accepted with end while it holds.
    pub fn ends_inside_hold(&self) -> bool {
        let mints = self.mould.kinds.iter().any(|kind| kind.recipe.exp == Exp::Ttl);
        mints && self.knows_lives() && self.lives().0 <= self.load().hold()
    }

    /// Whether the run is about what becomes of live connections whose tokens end, so that one that decides nothing has not
    /// measured what it was to; `seen` tells whether any ended.
    pub fn expects_ends(&self, seen: bool) -> bool {
        // Tokens that are renewed do not end on a connection.
        let renews = self.renews();
        self.asks_for_ends() && !renews && (seen || self.ends_inside_hold())
    }

    /// Whether its author asks what becomes of tokens that end: what is resolved has all keys of a policy.
    fn asks_for_ends(&self) -> bool {
        self.scenario.session.is_some() || self.overridden.iter().any(|key| key == "on_expiry")
    }

    /// Says that clients leave before it is known what became of their tokens, or come with tokens that have ended.
    pub(super) fn warn_of_short_hold(&self, warnings: &mut Vec<String>) {
        if let (Some(at), Model::Open { rates, .. }) = (self.mould.exp_at, &self.model)
            && at < rates.length()
        {
            warnings.push(format!(
                "`token.exp_at` is {}, but clients come for {}: later ones bring tokens that have ended",
                shown(at),
                shown(rates.length())
            ));
        }
        if self.turns.is_some() && self.load().hold().is_zero() {
            warnings.push(
                "`[session]` has clients connect again, but `load.hold` is 0s: they leave as soon as they are accepted"
                    .into(),
            );
        }
        if self.renews_by_auth() && self.policy.reauth.promise.is_none() {
            warnings.push(
                "`session.renew` is `reauthenticate`, but `policy.reauthentication` promises nothing: only a bad token that is taken is judged"
                    .into(),
            );
        }
        let renews = self.renews();
        if !self.asks_for_ends() || renews || !self.ends_inside_hold() {
            return;
        }
        let expiry = &self.policy.expiry;
        if expiry.on_expiry(self.protocol) == Some(OnExpiry::Disconnect)
            && expiry.ends_on(self.protocol) == EndsOn::Time
            && self.brokers.iter().any(Broker::is_embedded)
        {
            warnings.push(
                "the embedded broker looks at a token when the next packet comes, but `policy.ends_on` is `time`: connections of silent clients will count as ones that outlived their token; write `ends_on = \"packet\"`"
                    .into(),
            );
        }
        let (leeway, grace) = (self.policy.expiry.leeway, self.session().grace);
        let needed = self.lives().1 + leeway + grace;
        if self.load().hold() < needed {
            warnings.push(format!(
                "tokens end while clients hold, but `load.hold` is {}: it takes {} (lifetime, `policy.expiry_leeway` and `session.grace`) to tell whether a connection outlived its token",
                shown(self.load().hold()),
                shown(needed)
            ));
        }
    }

    /// From which time on a phase counts as one that never came to its end, in nanoseconds.
    pub fn limit(&self, phase: Phase) -> u64 {
        match phase.operation() {
            Operation::Connect | Operation::Reauthenticate => {
                nanoseconds(self.load().connect_timeout)
            }
            // Who does not come back was never answered: no time is its bound.
            Operation::Return => nanoseconds(self.load().hold()),
            Operation::Expire => nanoseconds(self.policy.expiry.leeway + self.session().grace),
        }
    }
}

#[cfg(test)]
mod tests;
