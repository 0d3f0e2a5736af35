//! What became of tokens while keys came and went: how long a new key took to be accepted and an old one to be refused,
//! what that cost good tokens, and how often the key set was fetched for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    happened::{Happened, Visit},
    time::{Percentile, microseconds},
};
use crate::{
    base::clock::{SECOND, nanoseconds},
    plan::{
        Plan,
        timeline::{Action, Rotation},
    },
    record::measure::{KeyAnswer, MOST_ANSWERS},
    token::{Must, policy::Policy},
};

/// What became of tokens while keys came and went. Times are upper bounds: nobody asked between two
/// tokens. A change that had not happened by the end reads `">..."` with the time until then. The
/// delay of refusals (`refusal_delay_s`) is taken off.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Jwks {
    /// Microseconds from the publication of a new key, or its first use if that is later, to the
    /// first token after the last one that was refused; the longest of several changes. Null if no
    /// new key was published, or no token tells.
    pub time_to_accept_new_key_us: Option<Percentile>,
    /// Microseconds from the removal of an old key to the first refusal after the last acceptance;
    /// the longest of several. Null if no key was removed, or no token tells.
    pub time_to_refuse_old_key_us: Option<Percentile>,
    /// Tokens that were refused although their key was published, or was the signing key at that
    /// moment: the outage that a rotation costs.
    pub good_tokens_refused: u64,
    /// The same as a share of all good tokens, 0 to 1.
    pub good_tokens_refused_share: f64,
    /// Requests for the key set, of all callers.
    pub fetches: u64,
    /// Where the key set was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Requests for the key set for each thousand connects that were answered.
    pub fetches_per_1000_connects: f64,
    /// Answers that contradict an earlier one for the same key at the same broker, which had ended
    /// when the token was sent: the broker's workers have caches of their own.
    pub flips: u64,
    /// How far apart the brokers of a cluster accepted a new key, in microseconds; the longest of
    /// several. Null if no change tells.
    pub brokers_apart_us: Option<Percentile>,
    /// Bad tokens that were accepted while the key set was away, of kinds that were not accepted
    /// before: the broker fails open.
    pub accepted_while_away: u64,
    /// Good tokens that were refused, as a share of those sent and decided while the key set was
    /// away, 0 to 1. Null if there were none.
    pub refused_while_away_share: Option<f64>,
    /// The changes of keys, in their order.
    pub rotations: Vec<Change>,
    /// The times in which the key set was away.
    pub outages: Vec<Absence>,
    /// Whether there were more answers than the 1 000 000 that are kept: then everything but
    /// `fetches` is told from the first ones.
    pub truncated: bool,
}

/// A change of keys.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Change {
    /// The key that signed before.
    pub from: String,
    /// The key that signs afterwards.
    pub to: String,
    /// The `order` of the event: `publish_then_sign`, `sign_before_publish` or `remove_old`.
    pub order: String,
    /// Microseconds from the publication of the new key, or its first use if that is later, until
    /// all its tokens were accepted. Null if no token tells.
    pub accept_us: Option<Percentile>,
    /// By how much `accept_us` may be less, in microseconds: the time since the token before. Null
    /// if there is no such time.
    pub accept_uncertainty_us: Option<f64>,
    /// Microseconds from the removal of the old key until all its tokens were refused. Null if it
    /// was not removed, or no token tells.
    pub refuse_us: Option<Percentile>,
    /// By how much `refuse_us` may be less, in microseconds. Null if there is no such time.
    pub refuse_uncertainty_us: Option<f64>,
    /// Good tokens of either key that were refused from the first step of this change to the next
    /// change.
    pub good_tokens_refused: u64,
    /// How far apart the brokers of a cluster accepted the new key, in microseconds. Null with one
    /// broker.
    pub brokers_apart_us: Option<Percentile>,
}

/// A time in which the key set was away. The answer to a token counts if the token was sent and
/// decided in it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Absence {
    /// The `how` of the event, such as `refuse` or `hang`.
    pub how: String,
    /// Whether the key set was away before the storm.
    pub at_start: bool,
    /// Its start, in seconds since the start of the storm; negative before it.
    pub from_s: f64,
    /// Its end, likewise. Null if the run ended first.
    pub to_s: Option<f64>,
    /// Good tokens that were accepted.
    pub good_accepted: u64,
    /// Good tokens that were refused.
    pub good_refused: u64,
    /// Bad tokens that were accepted.
    pub bad_accepted: u64,
    /// Bad tokens that were refused.
    pub bad_refused: u64,
    /// Tokens that were sent meanwhile and decided after the end: the effect of the outage on them
    /// is not known.
    #[serde(default)]
    pub decided_after: u64,
    /// `open` (bad tokens got in), `closed` (the last answers to good tokens were refusals) or
    /// `keeps known keys`. Null if no token tells.
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
    /// Connects that were answered, whether kept or not.
    pub answered: u64,
    /// When the storm started.
    pub start: u64,
    /// When it ended, or now.
    pub end: u64,
}

/// When a key was in the key set, from and until, and when it signed.
#[derive(Clone, Debug, Default)]
struct Life {
    published: Vec<(u64, Option<u64>)>,
    signs: Option<(u64, Option<u64>)>,
}

impl Life {
    /// Whether it was in the key set at an instant.
    fn is_published(&self, at: u64) -> bool {
        self.published.iter().any(|span| is_within(*span, at))
    }

    /// When it first entered the key set.
    fn first_published(&self) -> Option<u64> {
        self.published.first().map(|(from, _)| *from)
    }

    /// When it left the key set for good.
    fn removed(&self) -> Option<u64> {
        self.published.last().and_then(|(_, until)| *until)
    }
}

fn is_within((from, until): (u64, Option<u64>), at: u64) -> bool {
    from <= at && until.is_none_or(|until| at < until)
}

/// An answer that ends when the broker decided: what the policy has it delay a refusal by is taken off.
fn decided(answer: &KeyAnswer, policy: &Policy) -> KeyAnswer {
    let delay = if answer.accepted { 0 } else { nanoseconds(policy.refusal_delay) };
    // One that was not delayed after all was decided after it was asked, too.
    KeyAnswer { ended: answer.sent.max(answer.ended.saturating_sub(delay)), ..*answer }
}

impl Jwks {
    /// Tells it from what was seen.
    pub fn of(seen: Seen<'_>) -> Self {
        let policy = &seen.plan.policy;
        let mut answers: Vec<KeyAnswer> =
            seen.answers.iter().map(|answer| decided(answer, policy)).collect();
        answers.sort_unstable_by_key(|answer| answer.sent);
        let truncated = answers.len() >= MOST_ANSWERS;
        // Of what came after the last one that was kept nothing is known.
        let last = answers.last().map_or(seen.end, |answer| answer.sent);
        let seen = if truncated { Seen { end: last, ..seen } } else { seen };
        let teller = Teller { seen, answers, lives: lives(&seen) };
        let rotations = teller.rotations();
        let outages = teller.outages();
        let good = teller.answers.iter().filter(|answer| teller.is_good(answer));
        let (all, refused) = good.fold((0_u64, 0_u64), |(all, refused), answer| {
            (all + 1, refused + u64::from(!answer.accepted))
        });
        let fetches: u64 =
            seen.visits.iter().filter(|visit| visit.path == "/jwks").map(|visit| visit.count).sum();
        let sum = |of: fn(&Absence) -> u64| outages.iter().map(of).sum::<u64>();
        let meanwhile = sum(|outage| outage.good_accepted + outage.good_refused);
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        Self {
            url: None,
            time_to_accept_new_key_us: longest(rotations.iter().map(|change| &change.accept_us)),
            time_to_refuse_old_key_us: longest(rotations.iter().map(|change| &change.refuse_us)),
            good_tokens_refused: refused,
            good_tokens_refused_share: share(refused, all),
            fetches,
            fetches_per_1000_connects: share(fetches * 1000, seen.answered),
            flips: teller.flips(),
            brokers_apart_us: longest(rotations.iter().map(|change| &change.brokers_apart_us)),
            accepted_while_away: sum(|outage| outage.bad_accepted),
            refused_while_away_share: (meanwhile > 0)
                .then(|| share(sum(|outage| outage.good_refused), meanwhile)),
            rotations,
            outages,
            truncated,
        }
    }
}

struct Teller<'a> {
    seen: Seen<'a>,
    /// In the order in which they were sent.
    answers: Vec<KeyAnswer>,
    lives: Vec<Life>,
}

/// How brokers turned after an instant.
#[derive(Clone, Copy)]
struct Turned {
    since: u64,
    /// After how long all had turned, and by how much earlier that may have been, in nanoseconds; `None` where not all had.
    after: Option<(u64, u64)>,
}

impl Turned {
    /// After how long, as files have it; the storm ended at `end`.
    fn time(self, end: u64) -> Percentile {
        match self.after {
            Some((after, _)) => Percentile::Number(microseconds(after as f64)),
            None => Percentile::Beyond((end.saturating_sub(self.since) / 1000) as f64),
        }
    }

    fn uncertainty_us(self) -> Option<f64> {
        self.after.map(|(_, uncertainty)| microseconds(uncertainty as f64))
    }
}

impl Teller<'_> {
    fn must(&self, answer: &KeyAnswer) -> Must {
        self.seen.plan.mould.kinds[usize::from(answer.kind)].must
    }

    fn life(&self, answer: &KeyAnswer) -> Option<&Life> {
        self.lives.get(usize::from(answer.key?))
    }

    /// Whether nothing but its key can be wrong with a token.
    fn tells_of_key(&self, answer: &KeyAnswer) -> bool {
        answer.in_time && self.must(answer) == Must::AcceptInTime
    }

    /// Whether its token was good when it was sent: its key was published, or signs just then and was never taken back.
    fn is_good(&self, answer: &KeyAnswer) -> bool {
        self.tells_of_key(answer)
            && self.life(answer).is_some_and(|life| {
                let signs = life.signs.is_some_and(|span| is_within(span, answer.sent));
                let mut ends = life.published.iter().filter_map(|(_, until)| *until);
                let was_removed = ends.any(|end| end <= answer.sent);
                life.is_published(answer.sent) || signs && !was_removed
            })
    }

    /// Whether its token was good for somebody who can't see the key set just now.
    fn is_known(&self, answer: &KeyAnswer) -> bool {
        self.tells_of_key(answer)
            && self.life(answer).is_some_and(|life| life.is_published(answer.sent))
    }

    /// Whether its token is none that the key set makes good.
    fn is_bad(&self, answer: &KeyAnswer) -> bool {
        matches!(self.must(answer), Must::Refuse(_))
            || answer.key.is_some()
                && self.must(answer) == Must::AcceptInTime
                && self
                    .life(answer)
                    .is_none_or(|life| !life.published.iter().any(|(from, _)| *from <= answer.sent))
    }

    fn rotations(&self) -> Vec<Change> {
        let changes = &self.seen.plan.issuance.timeline.rotations;
        let change = |(index, rotation): (usize, &Rotation)| {
            let ended = changes.get(index + 1).and_then(|next| self.begun(next.to));
            self.rotation(*rotation, ended.unwrap_or(self.seen.end))
        };
        let has_begun = |(_, rotation): &(usize, &Rotation)| self.begun(rotation.to).is_some();
        changes.iter().enumerate().filter(has_begun).map(change).collect()
    }

    /// When the first step was done of making this key the one that signs.
    fn begun(&self, key: usize) -> Option<u64> {
        let life = &self.lives[key];
        life.first_published().into_iter().chain(life.signs.map(|(from, _)| from)).min()
    }

    fn rotation(&self, rotation: Rotation, ended: u64) -> Change {
        let plan = self.seen.plan;
        let (new, old) = (&self.lives[rotation.to], &self.lives[rotation.from]);
        let until = new.removed().unwrap_or(self.seen.end);
        let accepted_by = |broker: Option<u16>| {
            let since = self.presented_since(rotation.to)?;
            self.turned(rotation.to, true, broker, (since, until))
        };
        let end = self.seen.end;
        let accepted = accepted_by(None);
        let refused =
            old.removed().and_then(|since| self.turned(rotation.from, false, None, (since, end)));
        let by_broker: Vec<Turned> =
            (0..plan.brokers.len()).filter_map(|broker| accepted_by(Some(broker as u16))).collect();
        let begun = self.begun(rotation.to).unwrap_or(ended);
        let cost = self.answers.iter().filter(|answer| {
            (begun..ended).contains(&answer.sent)
                && answer
                    .key
                    .is_some_and(|key| [rotation.from, rotation.to].contains(&usize::from(key)))
        });
        let cost = cost.filter(|answer| !answer.accepted && self.is_good(answer)).count();
        Change {
            from: plan.mould.keys[rotation.from].name.clone(),
            to: plan.mould.keys[rotation.to].name.clone(),
            order: serde_json::to_value(rotation.order)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            accept_us: accepted.map(|turned| turned.time(end)),
            accept_uncertainty_us: accepted.and_then(Turned::uncertainty_us),
            refuse_us: refused.map(|turned| turned.time(end)),
            refuse_uncertainty_us: refused.and_then(Turned::uncertainty_us),
            good_tokens_refused: cost as u64,
            brokers_apart_us: if by_broker.len() > 1 { apart(&by_broker, end) } else { None },
        }
    }

    /// When a new key could first be accepted: when it was published, or, where it signed nothing before, when it signed.
    fn presented_since(&self, key: usize) -> Option<u64> {
        let life = &self.lives[key];
        let published = life.first_published()?;
        let signs = life.signs.map(|(from, _)| from).filter(|signs| *signs > published);
        let signs = signs.unwrap_or(published);
        let is_early = |answer: &KeyAnswer| {
            self.is_of(answer, key) && (published..signs).contains(&answer.sent)
        };
        Some(if self.answers.iter().any(is_early) { published } else { signs })
    }

    /// Whether an answer tells of this key.
    fn is_of(&self, answer: &KeyAnswer, key: usize) -> bool {
        answer.key.map(usize::from) == Some(key) && self.tells_of_key(answer)
    }

    /// Brokers of which a change can be seen: what accepted a key before it was published does not begin to, and what never
    /// accepted it does not cease to.
    fn brokers_that_can_turn(&self, key: usize, to_accepted: bool) -> BTreeSet<u16> {
        let its = || self.answers.iter().filter(|answer| self.is_of(answer, key));
        let published = self.lives[key].first_published().unwrap_or_default();
        let accepted = its().filter(|answer| answer.accepted);
        if to_accepted {
            let early = accepted.filter(|answer| answer.ended < published);
            let early: BTreeSet<u16> = early.map(|answer| answer.broker).collect();
            its().map(|answer| answer.broker).filter(|broker| !early.contains(broker)).collect()
        } else {
            accepted.map(|answer| answer.broker).collect()
        }
    }

    /// When all tokens of a key were accepted (or refused), after `since`; nothing where none was sent.
    fn turned(
        &self,
        key: usize,
        accepted: bool,
        broker: Option<u16>,
        (since, until): (u64, u64),
    ) -> Option<Turned> {
        let can_turn = self.brokers_that_can_turn(key, accepted);
        let is_its = |answer: &&KeyAnswer| {
            self.is_of(answer, key)
                && (since..until).contains(&answer.sent)
                && broker.is_none_or(|broker| broker == answer.broker)
                && can_turn.contains(&answer.broker)
        };
        let its: Vec<&KeyAnswer> = self.answers.iter().filter(is_its).collect();
        let last_other = its.iter().rposition(|answer| answer.accepted != accepted);
        let after = its.get(last_other.map_or(0, |at| at + 1)).map(|first| {
            // One that was sent before it may have been answered later.
            let other = last_other.map_or(since, |at| its[at].ended);
            let turned = first.ended.max(other);
            let before = last_other.map_or(since, |at| its[at].sent);
            (turned.saturating_sub(since), turned.saturating_sub(before))
        });
        (!its.is_empty()).then_some(Turned { since, after })
    }

    /// Answers that went back on the one before, of the same key at the same broker, though the key neither came nor went
    /// between them. The one before is the last that had ended when the token was sent.
    fn flips(&self) -> u64 {
        let mut by_place: BTreeMap<(u16, u16), Vec<&KeyAnswer>> = BTreeMap::new();
        for answer in self.answers.iter().filter(|answer| self.tells_of_key(answer)) {
            if let Some(key) = answer.key {
                by_place.entry((key, answer.broker)).or_default().push(answer);
            }
        }
        by_place.values().map(|answers| self.flips_of(answers)).sum()
    }

    /// Of one key at one broker, in the order in which they were sent.
    fn flips_of(&self, answers: &[&KeyAnswer]) -> u64 {
        let mut by_end = answers.to_vec();
        by_end.sort_unstable_by_key(|answer| answer.ended);
        let (mut ended, mut flips) = (0, 0);
        for answer in answers {
            while by_end.get(ended).is_some_and(|before| before.ended <= answer.sent) {
                ended += 1;
            }
            let Some(before) = ended.checked_sub(1).map(|at| by_end[at]) else { continue };
            let is_published = |answer: &KeyAnswer| {
                self.life(answer).is_some_and(|life| life.is_published(answer.sent))
            };
            let (was, is) = (is_published(before), is_published(answer));
            // A key that is there turns good once, one that is gone bad once: the other way is back.
            let goes_back =
                was == is && before.accepted != answer.accepted && answer.accepted != is;
            flips += u64::from(goes_back);
        }
        flips
    }

    fn outages(&self) -> Vec<Absence> {
        let happened = self.seen.happened;
        let start = self.seen.start;
        let let_in_anyway = self.let_in_anyway();
        let mut all = Vec::new();
        for (index, event) in happened.iter().enumerate() {
            let Action::Away(how) = event.action else { continue };
            let end = happened[index + 1..]
                .iter()
                .find(|later| matches!(later.action, Action::Away(_) | Action::Back));
            let until = end.map_or(self.seen.end, |end| end.at);
            let mut absence = Absence {
                how: how.to_string(),
                at_start: event.at < start,
                from_s: event.second,
                to_s: end.map(|end| end.second),
                ..Absence::default()
            };
            let meanwhile = |answer: &&KeyAnswer| (event.at..until).contains(&answer.sent);
            let (mut last_good, mut last_refused) = (0, 0);
            for answer in self.answers.iter().filter(meanwhile) {
                if answer.ended > until {
                    absence.decided_after += 1;
                    continue;
                }
                let is_bad = self.is_bad(answer) && !let_in_anyway.contains(&answer.kind);
                let counter = match (self.is_known(answer), is_bad, answer.accepted) {
                    (true, _, true) => {
                        last_good = answer.sent;
                        &mut absence.good_accepted
                    }
                    (true, _, false) => {
                        last_refused = answer.sent;
                        &mut absence.good_refused
                    }
                    (_, true, true) => &mut absence.bad_accepted,
                    (_, true, false) => &mut absence.bad_refused,
                    _ => continue,
                };
                *counter += 1;
            }
            // A cache may last for a while: what counts is how it ended.
            let is_closed = last_refused > last_good;
            absence.verdict = verdict(&absence, is_closed).map(str::to_owned);
            all.push(absence);
        }
        all
    }

    /// Kinds of bad tokens that were accepted before the key set was ever away: that the broker lets them in says nothing
    /// of outages.
    fn let_in_anyway(&self) -> BTreeSet<u16> {
        let mut away =
            self.seen.happened.iter().filter(|event| matches!(event.action, Action::Away(_)));
        let first = away.next().map_or(u64::MAX, |event| event.at);
        let is_one =
            |answer: &&KeyAnswer| answer.accepted && answer.ended < first && self.is_bad(answer);
        self.answers.iter().filter(is_one).map(|answer| answer.kind).collect()
    }
}

fn verdict(absence: &Absence, is_closed: bool) -> Option<&'static str> {
    match absence {
        Absence { bad_accepted: 1.., .. } => Some("open"),
        Absence { good_refused: 1.., .. } if is_closed => Some("closed"),
        Absence { good_accepted: 1.., .. } => Some("keeps known keys"),
        _ => None,
    }
}

/// How far apart brokers are; one that had not turned by the end is further than any.
fn apart(turned: &[Turned], end: u64) -> Option<Percentile> {
    let first = turned.iter().filter_map(|turned| turned.after).map(|(after, _)| after);
    let (least, most) = (first.clone().min()?, first.max()?);
    let late = turned.iter().find(|turned| turned.after.is_none());
    Some(match late {
        Some(late) => Turned { since: late.since + least, after: None }.time(end),
        None => Percentile::Number(microseconds((most - least) as f64)),
    })
}

fn lives(seen: &Seen<'_>) -> Vec<Life> {
    let mut lives = vec![Life::default(); seen.plan.mould.keys.len()];
    let authority = seen.plan.issuance.authority.as_ref();
    for key in authority.iter().flat_map(|authority| &authority.published) {
        lives[*key].published.push((0, None));
    }
    if let Some(key) = seen.plan.issuance.signs() {
        lives[key].signs = Some((0, None));
    }
    for event in seen.happened {
        let at = event.at;
        match event.action {
            Action::Publish(key) if !lives[key].is_published(at) => {
                lives[key].published.push((at, None));
            }
            Action::SignWith(key) => {
                for life in &mut lives {
                    life.signs = life.signs.map(|(from, until)| (from, until.or(Some(at))));
                }
                lives[key].signs = Some((at, None));
            }
            Action::Remove(key) | Action::Revoke(Some(key)) => {
                if let Some((_, until)) = lives[key].published.last_mut() {
                    *until = until.or(Some(at));
                }
            }
            _ => {}
        }
    }
    lives
}

/// The longest of times; one that has not ended is longer than any that has.
fn longest<'a>(times: impl Iterator<Item = &'a Option<Percentile>>) -> Option<Percentile> {
    let length = |time: &Percentile| (time.number().is_none(), time.number().or(time.bound()));
    times.flatten().copied().max_by(|a, b| {
        let ((a_is_open, a), (b_is_open, b)) = (length(a), length(b));
        a_is_open.cmp(&b_is_open).then(a.unwrap_or_default().total_cmp(&b.unwrap_or_default()))
    })
}

/// What became of the tokens of a key in the second in which a broker decided: second, key, broker, accepted, refused. Those
/// that something else is wrong with say nothing about their key.
pub fn by_second(
    plan: &Plan,
    answers: &[KeyAnswer],
    start: u64,
) -> BTreeMap<(u64, u16, u16), (u64, u64)> {
    let mut seconds: BTreeMap<(u64, u16, u16), (u64, u64)> = BTreeMap::new();
    for answer in answers.iter().map(|answer| decided(answer, &plan.policy)) {
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
