//! What happens to the issuer, and when: `[[events]]`, taken apart into single steps.

use std::time::Duration;

use crate::{
    base::error::{Error, Result, name_shown, suggestion},
    scenario::{Deed, Event, How, Order, Outage},
    token::key::SigningKey,
};

/// Between the steps of a rotation, where the scenario does not say.
const STEP: Duration = Duration::from_secs(2);

/// One thing that is done to the issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// A key enters the key set.
    Publish(usize),
    /// A key signs from now on.
    SignWith(usize),
    /// A key leaves the key set.
    Remove(usize),
    /// The key set is away from now on.
    Away(Outage),
    /// It is back.
    Back,
    /// Every answer of the token endpoint is late by so much.
    Slow(Duration),
    /// A key and its tokens are revoked, or all tokens issued so far.
    Revoke(Option<usize>),
}

/// An action with its time.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When, after the start of the storm.
    pub at: Duration,
    /// What.
    pub action: Action,
    /// The event that it belongs to, as `events.csv` has it.
    pub event: &'static str,
    /// What is done, in words.
    pub detail: String,
}

/// A change of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// The key that signed before.
    pub from: usize,
    /// The one that signs afterwards.
    pub to: usize,
    /// In which order.
    pub order: Order,
}

/// All that happens, in its order.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The steps, by time.
    pub moments: Vec<Moment>,
    /// Keys that sign one after the other, each from its moment on; the first from the start.
    signers: Vec<(Duration, usize)>,
    /// Changes of keys, in their order.
    pub rotations: Vec<Rotation>,
}

impl Timeline {
    /// Takes events apart; `published` are the keys of the issuer at the start, of which the first one signs.
    ///
    /// # Errors
    /// When a key is unknown or can't be published, or a parameter does not belong to its event.
    pub fn resolve(events: &[Event], keys: &[SigningKey], published: &[usize]) -> Result<Self> {
        let first = published.first().copied().unwrap_or_default();
        let mut line = Self { signers: vec![(Duration::ZERO, first)], ..Self::default() };
        let own = events.iter().enumerate().filter(|(_, event)| event.r#do.is_of_issuer());
        let mut sorted: Vec<(usize, &Event)> = own.collect();
        sorted.sort_by_key(|(_, event)| event.at);
        for (index, event) in sorted {
            line.add(event, keys).map_err(|error| error.within(format!("`events[{index}]`")))?;
        }
        line.moments.sort_by_key(|moment| moment.at);
        line.signers.sort_by_key(|(at, _)| *at);
        line.check_outages()?;
        Ok(line)
    }

    /// One outage at a time: the end of the first would end the second.
    fn check_outages(&self) -> Result<()> {
        let changes = self.moments.iter().filter_map(|moment| match moment.action {
            Action::Away(_) => Some((moment.at, true)),
            Action::Back => Some((moment.at, false)),
            _ => None,
        });
        let mut is_away = false;
        for (at, away) in changes {
            if is_away && away {
                return Err(Error::usage(format!(
                    "`[[events]]` has the key set away at {} while it is away already",
                    humantime::format_duration(at)
                ))
                .hint("let the first outage end before, by `for` or by `restore`"));
            }
            is_away = away;
        }
        Ok(())
    }

    fn add(&mut self, event: &Event, keys: &[SigningKey]) -> Result<()> {
        check_parameters(event)?;
        let at = event.at;
        let named = |index: usize| keys[index].name.as_str();
        let key = || event.key.as_deref().map(|name| key_named(name, "key", keys)).transpose();
        match event.r#do {
            Deed::RotateKeys => {
                let to = key_named(event.to.as_deref().unwrap_or_default(), "to", keys)?;
                self.rotate(event, to, keys)?;
            }
            Deed::JwksOutage => {
                let how = match event.how.map(How::outage) {
                    None => Outage::default(),
                    Some(Some(outage)) => outage,
                    Some(None) => {
                        return Err(Error::usage("`how` is one of `drop_clients`, not of `jwks_outage`")
                            .hint("write `how = \"refuse\"`, `hang`, `500`, `html`, `empty_set`, `duplicate_kid`, `huge` or `expired_certificate`"));
                    }
                };
                let detail = format!("the key set is away: {how}");
                self.push(at, Action::Away(how), Deed::JwksOutage, detail);
                if let Some(length) = event.r#for {
                    self.push(
                        at + length,
                        Action::Back,
                        Deed::Restore,
                        "the key set is back".into(),
                    );
                }
            }
            Deed::IssuerSlow => {
                let by = event.by.unwrap_or(STEP);
                let detail = format!("tokens take {} longer", humantime::format_duration(by));
                self.push(at, Action::Slow(by), Deed::IssuerSlow, detail);
                if let Some(length) = event.r#for {
                    let detail = "tokens take as long as ever".into();
                    self.push(at + length, Action::Slow(Duration::ZERO), Deed::Restore, detail);
                }
            }
            Deed::Revoke => {
                let key = key()?;
                let detail = match key {
                    Some(key) => format!("key `{}` and its tokens are revoked", named(key)),
                    None => "all tokens issued so far are revoked".into(),
                };
                self.push(at, Action::Revoke(key), Deed::Revoke, detail);
            }
            // Those are not of the issuer: `plan/nodes` and `plan/drops` have them.
            Deed::StopBroker | Deed::StartBroker | Deed::DropClients => {}
            Deed::Restore => {
                if let Some(key) = key()? {
                    let detail = format!("key `{}` is published again", named(key));
                    self.push(at, Action::Publish(key), Deed::Restore, detail);
                } else {
                    self.push(at, Action::Back, Deed::Restore, "the key set is back".into());
                    let detail = "tokens take as long as ever".into();
                    self.push(at, Action::Slow(Duration::ZERO), Deed::Restore, detail);
                }
            }
        }
        Ok(())
    }

    fn rotate(&mut self, event: &Event, to: usize, keys: &[SigningKey]) -> Result<()> {
        let from = self.signers.last().map_or(to, |(_, key)| *key);
        if from == to {
            return Err(Error::usage(format!("`to` is `{}`, which signs already", keys[to].name)));
        }
        if self.signers.iter().any(|(_, key)| *key == to) {
            return Err(Error::usage(format!("`to` is `{}`, which has signed before", keys[to].name))
                .hint("a key that comes back could not be told from the one that went: give the rotation a new one"));
        }
        let same = self.signers.iter().find(|(_, key)| keys[*key].kid == keys[to].kid);
        if let Some((_, other)) = same {
            return Err(Error::usage(format!(
                "`to` is `{}`, which has the same `kid` as `{}`",
                keys[to].name, keys[*other].name
            ))
            .hint("give each key a `kid` of its own"));
        }
        let begins = self
            .moments
            .iter()
            .filter(|moment| matches!(moment.action, Action::SignWith(_)) && moment.at > event.at);
        if begins.count() > 0 {
            return Err(Error::usage("a rotation begins before the one before it has signed")
                .hint("let `at` be later, or the `step` of the one before shorter"));
        }
        let order = event.order.unwrap_or_default();
        let step = event.step.unwrap_or(STEP);
        let at = event.at;
        let (published, signs) = match order {
            Order::PublishThenSign => (at, at + step),
            Order::SignBeforePublish => (at + step, at),
            Order::RemoveOld => (at, at),
        };
        let mut push = |at, action, detail| self.push(at, action, Deed::RotateKeys, detail);
        let (new, old) = (&keys[to].name, &keys[from].name);
        push(published, Action::Publish(to), format!("key `{new}` is published"));
        push(signs, Action::SignWith(to), format!("key `{new}` signs"));
        let keep = match (event.keep_old, order) {
            (None, Order::RemoveOld) => Some(Duration::ZERO),
            (keep, _) => keep,
        };
        if let Some(keep) = keep {
            push(signs + keep, Action::Remove(from), format!("key `{old}` is removed"));
        }
        self.signers.push((signs, to));
        self.rotations.push(Rotation { from, to, order });
        Ok(())
    }

    fn push(&mut self, at: Duration, action: Action, deed: Deed, detail: String) {
        self.moments.push(Moment { at, action, event: deed.name(), detail });
    }

    /// The key that signs so long after the start of the storm, counted among those that ever sign: 0 is the first.
    pub fn rotation_at(&self, offset: Duration) -> usize {
        self.signers.iter().rposition(|(from, _)| *from <= offset).unwrap_or_default()
    }

    /// The keys that sign after the first one, in their order.
    pub fn later_signers(&self) -> Vec<usize> {
        self.signers.iter().skip(1).map(|(_, key)| *key).collect()
    }

    /// Whether anything happens.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Keys that enter the key set after the start.
    pub fn published_later(&self) -> impl Iterator<Item = usize> {
        self.moments.iter().filter_map(|moment| match moment.action {
            Action::Publish(key) => Some(key),
            _ => None,
        })
    }
}

/// Refuses a parameter that its event does not look at.
fn check_parameters(event: &Event) -> Result<()> {
    let deed = event.r#do;
    let rotates = deed == Deed::RotateKeys;
    if rotates && event.to.is_none() {
        return Err(Error::usage("`rotate_keys` needs `to`, the key that signs afterwards")
            .hint("write `to = \"new\"`, and `[keys.new]` with `generate = true`"));
    }
    let lasts = matches!(deed, Deed::JwksOutage | Deed::IssuerSlow);
    let belongs = |key: &str| match key {
        "to" | "order" | "keep_old" => rotates,
        "step" => rotates && event.order != Some(Order::RemoveOld),
        "how" => deed == Deed::JwksOutage,
        "by" => deed == Deed::IssuerSlow,
        "key" => matches!(deed, Deed::Revoke | Deed::Restore),
        "for" => lasts,
        _ => false,
    };
    match event.parameters().find(|key| !belongs(key)) {
        Some(key) => Err(Error::usage(format!("`{key}` says nothing to `{}` here", deed.name()))
            .hint("docs/issuer.md has the parameters of each event")),
        None => Ok(()),
    }
}

/// The key of that name, where it can stand in a key set.
pub(super) fn key_named(name: &str, place: &str, keys: &[SigningKey]) -> Result<usize> {
    let names = || keys.iter().map(|key| key.name.as_str());
    let index = names().position(|known| known == name).ok_or_else(|| {
        let shown = name_shown(name, names());
        Error::usage(format!("`{place}` is {shown}, which is no key under `[keys]`"))
            .hint(suggestion(name, names()))
    })?;
    if keys[index].algorithm.is_hmac() {
        return Err(Error::usage(format!(
            "`{place}` is `{name}`, whose secret a key set would publish"
        ))
        .hint("give the key an algorithm with a public half, such as ES256"));
    }
    Ok(index)
}

#[cfg(test)]
mod tests;
