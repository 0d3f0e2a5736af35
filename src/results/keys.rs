//! What became of tokens while keys came and went: how long a new key took to be accepted and an old one to be refused,
//! what that cost good tokens, and how often the key set was fetched for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::summary::{Percentile, microseconds};
use crate::{
    clock::SECOND,
    issuer::{Visit, happenings::Happened},
    measure::KeyAnswer,
    plan::{
        Plan,
        timeline::{Action, Rotation},
    },
    token::Must,
};

/// `jwks` of the summary. Times are null where nothing of that kind happened or no token told of it; `">…"` where it
/// had not come about by the end.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Jwks {
    /// From the publication of a new key, or its first use where that came later, to when all its tokens were accepted;
    /// the longest of several.
    pub time_to_accept_new_key_us: Option<Percentile>,
    /// From the removal of an old key to when all its tokens were refused; the longest of several.
    pub time_to_refuse_old_key_us: Option<Percentile>,
    /// Tokens that were good when they were sent, and refused.
    pub good_tokens_refused: u64,
    /// The same as a share of all good tokens.
    pub good_tokens_refused_share: f64,
    /// Requests for the key set.
    pub fetches: u64,
    /// Requests for the key set for a thousand connects that were answered.
    pub fetches_per_1000_connects: f64,
    /// Answers to tokens of one key that went back on the one before, at the same broker.
    pub flips: u64,
    /// How long brokers of a cluster disagreed about a key; the longest of several.
    pub brokers_apart_us: Option<f64>,
    /// Bad tokens that were accepted while the key set was away.
    pub accepted_while_away: u64,
    /// Good tokens that were refused while the key set was away, as a share of those sent meanwhile.
    pub refused_while_away_share: Option<f64>,
    /// Changes of keys, in their order.
    pub rotations: Vec<Change>,
    /// Times in which the key set was away.
    pub outages: Vec<Absence>,
}

/// A change of keys.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Change {
    /// The key that signed before.
    pub from: String,
    /// The key that signs afterwards.
    pub to: String,
    /// The order of its steps.
    pub order: String,
    /// From the publication of the new key, or its first use, to when all its tokens were accepted.
    pub accept_us: Option<Percentile>,
    /// By how much that may be less: the time since the token before.
    pub accept_uncertainty_us: Option<f64>,
    /// From the removal of the old key to when all its tokens were refused.
    pub refuse_us: Option<Percentile>,
    /// By how much that may be less.
    pub refuse_uncertainty_us: Option<f64>,
    /// Good tokens of either key that were refused from its first step to the next change.
    pub good_tokens_refused: u64,
    /// How far apart the brokers of a cluster accepted the new key.
    pub brokers_apart_us: Option<f64>,
}

/// A time in which the key set was away.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Absence {
    /// How.
    pub how: String,
    /// Whether it was away before the storm.
    pub at_start: bool,
    /// Seconds from the start of the storm.
    pub from_s: f64,
    /// Its end; null where the run ended first.
    pub to_s: Option<f64>,
    /// Good tokens meanwhile.
    pub good_accepted: u64,
    /// Good tokens that were refused.
    pub good_refused: u64,
    /// Bad tokens that were accepted.
    pub bad_accepted: u64,
    /// Bad tokens that were refused.
    pub bad_refused: u64,
    /// `open`, `closed`, `keeps known keys`, or nothing where no token tells.
    pub verdict: Option<String>,
}

/// What is told from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// All answers.
    pub answers: &'a [KeyAnswer],
    /// All events.
    pub happened: &'a [Happened],
    /// All requests.
    pub visits: &'a [Visit],
    /// When the storm started.
    pub start: u64,
    /// When it ended, or now.
    pub end: u64,
}

/// When a key was published and removed; the last of several times.
#[derive(Clone, Copy, Debug)]
struct Life {
    published: Option<u64>,
    signs: Option<u64>,
    removed: Option<u64>,
}

impl Jwks {
    /// Tells it from what was seen.
    pub fn of(seen: Seen<'_>) -> Self {
        let mut answers: Vec<KeyAnswer> = seen.answers.to_vec();
        answers.sort_unstable_by_key(|answer| answer.sent);
        let teller = Teller { seen, answers, lives: lives(&seen) };
        let rotations = teller.rotations();
        let outages = teller.outages();
        let good = teller.answers.iter().filter(|answer| teller.is_good(answer));
        let (all, refused) = good.fold((0_u64, 0_u64), |(all, refused), answer| {
            (all + 1, refused + u64::from(!answer.accepted))
        });
        let jwks = |visit: &&Visit| visit.path == "/jwks";
        let fetches: u64 = seen.visits.iter().filter(jwks).map(|visit| visit.count).sum();
        let sum = |of: fn(&Absence) -> u64| outages.iter().map(of).sum::<u64>();
        let meanwhile = sum(|outage| outage.good_accepted + outage.good_refused);
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        Self {
            time_to_accept_new_key_us: longest(rotations.iter().map(|change| &change.accept_us)),
            time_to_refuse_old_key_us: longest(rotations.iter().map(|change| &change.refuse_us)),
            good_tokens_refused: refused,
            good_tokens_refused_share: share(refused, all),
            fetches,
            fetches_per_1000_connects: share(fetches * 1000, teller.answers.len() as u64),
            flips: teller.flips(),
            brokers_apart_us: rotations
                .iter()
                .filter_map(|change| change.brokers_apart_us)
                .max_by(f64::total_cmp),
            accepted_while_away: sum(|outage| outage.bad_accepted),
            refused_while_away_share: (meanwhile > 0)
                .then(|| share(sum(|outage| outage.good_refused), meanwhile)),
            rotations,
            outages,
        }
    }
}

struct Teller<'a> {
    seen: Seen<'a>,
    /// In the order in which they were sent.
    answers: Vec<KeyAnswer>,
    lives: Vec<Life>,
}

/// When all had turned, since an instant, and by how much earlier that may have been, in nanoseconds.
#[derive(Clone, Copy)]
enum Turned {
    At(u64, u64),
    NotYet,
}

impl Teller<'_> {
    fn must(&self, answer: &KeyAnswer) -> Must {
        self.seen.plan.mould.kinds[usize::from(answer.kind)].must
    }

    fn life(&self, answer: &KeyAnswer) -> Option<Life> {
        self.lives.get(usize::from(answer.key?)).copied()
    }

    /// Whether its token was good when it was sent: its key could be known, or signs just then.
    fn is_good(&self, answer: &KeyAnswer) -> bool {
        let is_since = |at: Option<u64>| at.is_some_and(|at| at <= answer.sent);
        answer.in_time
            && self.must(answer) == Must::AcceptInTime
            && self.life(answer).is_some_and(|life| {
                (is_since(life.published) || is_since(life.signs)) && !is_since(life.removed)
            })
    }

    /// Whether its token is none that any key set makes good.
    fn is_bad(&self, answer: &KeyAnswer) -> bool {
        let is_unknown = |life: Life| life.published.is_none() && life.signs.is_none();
        matches!(self.must(answer), Must::Refuse(_))
            || answer.key.is_some() && self.life(answer).is_none_or(is_unknown)
    }

    fn rotations(&self) -> Vec<Change> {
        let changes = &self.seen.plan.issuance.timeline.rotations;
        let change = |(index, rotation): (usize, &Rotation)| {
            let ended = changes.get(index + 1).and_then(|next| self.begun(next.to));
            self.rotation(*rotation, ended.unwrap_or(self.seen.end))
        };
        changes.iter().enumerate().map(change).collect()
    }

    /// When the first step was done of making this key the one that signs.
    fn begun(&self, key: usize) -> Option<u64> {
        let life = self.lives[key];
        life.published.into_iter().chain(life.signs).min()
    }

    fn rotation(&self, rotation: Rotation, ended: u64) -> Change {
        let plan = self.seen.plan;
        let (new, old) = (self.lives[rotation.to], self.lives[rotation.from]);
        let until = new.removed.unwrap_or(self.seen.end);
        let accepted = |broker: Option<u16>| {
            let since = self.presented_since(rotation.to)?;
            self.turned(rotation.to, true, broker, (since, until)).map(|turned| (turned, since))
        };
        let refused = old.removed.and_then(|since| {
            let turned = self.turned(rotation.from, false, None, (since, self.seen.end))?;
            Some((turned, since))
        });
        let end = self.seen.end;
        let shown = |turned: Option<(Turned, u64)>| match turned? {
            (Turned::At(after, _), _) => Some(Percentile::Number(microseconds(after as f64))),
            (Turned::NotYet, since) => {
                Some(Percentile::Beyond(format!(">{}", end.saturating_sub(since) / 1000)))
            }
        };
        let uncertainty = |turned: Option<(Turned, u64)>| match turned? {
            (Turned::At(_, uncertainty), _) => Some(microseconds(uncertainty as f64)),
            (Turned::NotYet, _) => None,
        };
        let by_broker: Vec<u64> = (0..plan.brokers.len())
            .filter_map(|broker| match accepted(Some(broker as u16))?.0 {
                Turned::At(after, _) => Some(after),
                Turned::NotYet => None,
            })
            .collect();
        let apart = by_broker.iter().max().zip(by_broker.iter().min());
        let begun = self.begun(rotation.to).unwrap_or(ended);
        let is_its = |answer: &&KeyAnswer| {
            (begun..ended).contains(&answer.sent)
                && answer
                    .key
                    .is_some_and(|key| [rotation.from, rotation.to].contains(&usize::from(key)))
        };
        let cost = self.answers.iter().filter(is_its);
        let cost = cost.filter(|answer| !answer.accepted && self.is_good(answer)).count();
        Change {
            from: plan.mould.keys[rotation.from].name.clone(),
            to: plan.mould.keys[rotation.to].name.clone(),
            order: serde_json::to_value(rotation.order)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            accept_us: shown(accepted(None)),
            accept_uncertainty_us: uncertainty(accepted(None)),
            refuse_us: shown(refused),
            refuse_uncertainty_us: uncertainty(refused),
            good_tokens_refused: cost as u64,
            brokers_apart_us: apart
                .filter(|_| plan.brokers.len() > 1)
                .map(|(last, first)| microseconds((last - first) as f64)),
        }
    }

    /// When a new key could first be accepted: when it was published, or, where it signed nothing before, when it signed.
    fn presented_since(&self, key: usize) -> Option<u64> {
        let life = self.lives[key];
        let published = life.published?;
        let signs = life.signs.filter(|signs| *signs > published).unwrap_or(published);
        let is_early = |answer: &KeyAnswer| {
            answer.key.map(usize::from) == Some(key) && (published..signs).contains(&answer.sent)
        };
        Some(if self.answers.iter().any(is_early) { published } else { signs })
    }

    /// When all tokens of a key were accepted (or refused), after `since`; nothing where none was sent.
    fn turned(
        &self,
        key: usize,
        accepted: bool,
        broker: Option<u16>,
        (since, until): (u64, u64),
    ) -> Option<Turned> {
        let is_its = |answer: &&KeyAnswer| {
            answer.key.map(usize::from) == Some(key)
                && (since..until).contains(&answer.sent)
                && broker.is_none_or(|broker| broker == answer.broker)
                && answer.in_time
                && self.must(answer) == Must::AcceptInTime
        };
        let its: Vec<&KeyAnswer> = self.answers.iter().filter(is_its).collect();
        let last_other = its.iter().rposition(|answer| answer.accepted != accepted);
        let first = its.get(last_other.map_or(0, |at| at + 1));
        match (first, its.is_empty()) {
            (_, true) => None,
            (None, false) => Some(Turned::NotYet),
            (Some(first), false) => {
                let after = first.ended.saturating_sub(since);
                let before = last_other.map_or(since, |at| its[at].sent);
                Some(Turned::At(after, first.ended.saturating_sub(before)))
            }
        }
    }

    /// Answers that went back on the one before, of the same key at the same broker, though the key neither came nor went
    /// between them.
    fn flips(&self) -> u64 {
        let mut last: BTreeMap<(u16, u16), (KeyAnswer, bool)> = BTreeMap::new();
        let mut flips = 0;
        for answer in &self.answers {
            let Some(key) = answer.key else { continue };
            if self.must(answer) != Must::AcceptInTime || !answer.in_time {
                continue;
            }
            let Some(life) = self.life(answer) else { continue };
            let was_removed = life.removed.is_some_and(|at| at <= answer.sent);
            // Before its removal a key may turn good once, after it bad once.
            let place = last.entry((key, answer.broker)).or_insert((*answer, was_removed));
            let (before, before_removed) = *place;
            let is_after = before.ended <= answer.sent && before_removed == was_removed;
            let goes_back = if was_removed { answer.accepted } else { !answer.accepted };
            if is_after && before.accepted != answer.accepted && goes_back {
                flips += 1;
            }
            *place = (*answer, was_removed);
        }
        flips
    }

    fn outages(&self) -> Vec<Absence> {
        let happened = self.seen.happened;
        let start = self.seen.start;
        let mut all = Vec::new();
        for (index, event) in happened.iter().enumerate() {
            let Action::Away(how) = event.action else { continue };
            let ends = |later: &&Happened| matches!(later.action, Action::Away(_) | Action::Back);
            let end = happened[index + 1..].iter().find(ends);
            let until = end.map_or(self.seen.end, |end| end.at);
            let mut absence = Absence {
                how: how.name().to_owned(),
                at_start: event.at < start,
                from_s: event.second,
                to_s: end.map(|end| end.second),
                ..Absence::default()
            };
            for answer in &self.answers {
                if !(event.at..until).contains(&answer.sent) || answer.ended > until {
                    continue;
                }
                let counter = match (self.is_good(answer), self.is_bad(answer), answer.accepted) {
                    (true, _, true) => &mut absence.good_accepted,
                    (true, _, false) => &mut absence.good_refused,
                    (_, true, true) => &mut absence.bad_accepted,
                    (_, true, false) => &mut absence.bad_refused,
                    _ => continue,
                };
                *counter += 1;
            }
            absence.verdict = verdict(&absence).map(str::to_owned);
            all.push(absence);
        }
        all
    }
}

fn verdict(absence: &Absence) -> Option<&'static str> {
    match absence {
        Absence { bad_accepted: 1.., .. } => Some("open"),
        Absence { good_accepted: 1.., .. } => Some("keeps known keys"),
        Absence { good_refused: 1.., .. } => Some("closed"),
        _ => None,
    }
}

fn lives(seen: &Seen<'_>) -> Vec<Life> {
    let always = Some(0);
    let none = Life { published: None, signs: None, removed: None };
    let mut lives = vec![none; seen.plan.mould.keys.len()];
    let published = seen.plan.issuance.authority.as_ref().map(|authority| &authority.published);
    for (turn, key) in published.into_iter().flatten().enumerate() {
        lives[*key].published = always;
        if turn == 0 {
            lives[*key].signs = always;
        }
    }
    for event in seen.happened {
        match event.action {
            Action::Publish(key) => {
                lives[key] = Life { published: Some(event.at), removed: None, ..lives[key] };
            }
            Action::SignWith(key) => lives[key].signs = Some(event.at),
            Action::Remove(key) | Action::Revoke(Some(key)) => lives[key].removed = Some(event.at),
            _ => {}
        }
    }
    lives
}

/// The longest of times; one that has not ended is longer than any that has.
fn longest<'a>(times: impl Iterator<Item = &'a Option<Percentile>>) -> Option<Percentile> {
    times.flatten().cloned().max_by(|a, b| match (a, b) {
        (Percentile::Number(a), Percentile::Number(b)) => a.total_cmp(b),
        (Percentile::Beyond(_), Percentile::Number(_)) => std::cmp::Ordering::Greater,
        (Percentile::Number(_), Percentile::Beyond(_)) => std::cmp::Ordering::Less,
        (Percentile::Beyond(a), Percentile::Beyond(b)) => a.len().cmp(&b.len()).then(a.cmp(b)),
    })
}

/// What became of the tokens of a key in a second: second, key, broker, accepted, refused. Those that something else is
/// wrong with say nothing about their key.
pub fn by_second(
    plan: &Plan,
    answers: &[KeyAnswer],
    start: u64,
) -> BTreeMap<(u64, u16, u16), (u64, u64)> {
    let mut seconds: BTreeMap<(u64, u16, u16), (u64, u64)> = BTreeMap::new();
    for answer in answers {
        let Some(key) = answer.key else { continue };
        if plan.mould.kinds[usize::from(answer.kind)].must != Must::AcceptInTime {
            continue;
        }
        let second = answer.ended.saturating_sub(start) / SECOND;
        let (accepted, refused) = seconds.entry((second, key, answer.broker)).or_default();
        *(if answer.accepted { accepted } else { refused }) += 1;
    }
    seconds
}

#[cfg(test)]
mod tests;
