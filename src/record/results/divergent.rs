//! Brokers that should answer alike and do not: the same kind of token, in the same seconds, let in by one and refused by
//! another. A stale key set, a clock that is off, an old configuration on one node.
//!
//! Told from closed seconds alone, whoever measured them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::decided::Decided;
use crate::{
    client::{
        attempt::{Code, Outcome},
        verdict::{Expectation, Verdict},
    },
    plan::Plan,
    record::measure::Tally,
};

/// Answers of each of two brokers by which they are compared: as many seconds back as it takes to have them. Eight that all
/// are of one mind against eight of the other are four standard errors apart, which is what is asked for.
const ENOUGH: u64 = 8;
/// Seconds back at most: what lies further apart is not the same time.
const WINDOW: u64 = 30;
/// Answers without which a broker is not compared: a single stray one among them is no more than a third.
const LEAST: u64 = 3;
/// How far the shares must be apart.
const APART: f64 = 0.5;
/// How many standard errors they must be apart: by chance that is one window in 16 000.
const ERRORS: f64 = 4.0;
/// Entries of a run. What differs that often is told by the first ones.
const MOST: usize = 100;

/// Brokers that should answer alike and do not.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Divergent {
    /// The kind of token.
    pub token: String,
    /// What the policy wants: `accept`, `refuse`, or `either` if nothing is promised.
    pub expected: String,
    /// `verdict`: one broker accepts and another refuses. `code`: both refuse, with different codes
    /// (a weaker finding: it may be another version).
    pub what: String,
    /// The answers of each broker that took part, by label, from `first_second` on.
    pub brokers: BTreeMap<String, Answers>,
    /// The smaller group; if the groups are equal, the one that violates the policy. `[]` if that
    /// does not decide either.
    pub minority: Vec<String>,
    /// The brokers whose answer is not the promised one; of three brokers that may be two.
    pub against_promise: Vec<String>,
    /// The first second of the storm in which the minority differed. Adjoining seconds in which
    /// only part of its answers differed are included.
    pub first_second: u64,
    /// The last second of the storm in which the minority differed, likewise.
    pub last_second: u64,
    /// The answers of all these brokers: the sum of `brokers`.
    pub attempts: u64,
}

/// What a broker answered to a kind of token.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Answers {
    /// Tokens that it accepted.
    pub accepted: u64,
    /// Tokens that it refused.
    pub refused: u64,
    /// Refusals by code.
    pub codes: BTreeMap<String, u64>,
}

/// Finds brokers that answer differently, second by second.
#[derive(Clone, Debug, Default)]
pub struct Divergences {
    /// Of each kind of token, and what was expected of it, the last seconds.
    past: BTreeMap<(usize, Want), VecDeque<Second>>,
    found: Vec<Found>,
}

/// What was expected, without how a refusal has to look.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Want {
    Accept,
    Refuse,
    Either,
}

impl Want {
    fn name(self) -> &'static str {
        ["accept", "refuse", "either"][self as usize]
    }
}

/// The judged answers of each broker in a second.
type Second = (u64, Vec<Counts>);

/// The judged answers of one broker.
#[derive(Clone, Debug, Default)]
struct Counts {
    accepted: u64,
    codes: BTreeMap<Code, u64>,
}

impl Counts {
    fn refused(&self) -> u64 {
        self.codes.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
    }
}

/// How two brokers may differ: in what they do with a token, or in a code of their refusals.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum What {
    Verdict,
    Code(Code),
}

impl What {
    /// Of a broker's answers those on the one side, and all that count.
    fn of(self, counts: &Counts) -> (u64, u64) {
        match self {
            Self::Verdict => (counts.accepted, counts.accepted + counts.refused()),
            Self::Code(code) => {
                (counts.codes.get(&code).copied().unwrap_or_default(), counts.refused())
            }
        }
    }
}

/// A difference, while it goes on and after.
#[derive(Clone, Debug)]
struct Found {
    kind: usize,
    want: Want,
    what: What,
    /// Brokers on the one side: those that accept, or that say this code more often; and on the other.
    sides: [BTreeSet<usize>; 2],
    first: u64,
    last: u64,
    /// Seconds up to which the answers are counted.
    counted: u64,
    answers: BTreeMap<usize, Counts>,
}

impl Divergences {
    /// Looks at what was decided in a second that is over; seconds come in their order.
    pub fn second(&mut self, plan: &Plan, second: u64, seen: &Decided) {
        let brokers = plan.brokers.len();
        if brokers < 2 {
            return;
        }
        let mut now: BTreeMap<(usize, Want), Vec<Counts>> = BTreeMap::new();
        for (tally, count) in &seen.tallies {
            if let Some(want) = wanted(tally, plan.watches_keys()) {
                let all = now
                    .entry((tally.kind, want))
                    .or_insert_with(|| vec![Counts::default(); brokers]);
                let own = &mut all[tally.broker];
                match tally.outcome {
                    Outcome::Accepted => own.accepted += count,
                    other => *own.codes.entry(other.code()).or_default() += count,
                }
            }
        }
        for ((kind, want), counts) in now {
            let past = self.past.entry((kind, want)).or_default();
            past.retain(|(earlier, _)| earlier + WINDOW > second);
            past.push_back((second, counts));
            for (what, sides, begins) in differences(past) {
                note(&mut self.found, (kind, want, what), sides, &begins, past);
            }
            // Where it ended within a second, that one alone may not tell it.
            let own = self.found.iter_mut().filter(|found| {
                (found.kind, found.want) == (kind, want) && found.last + WINDOW > second
            });
            for found in own {
                let last = found.last;
                if let Some(last) = found.stretch(past.iter().filter(|(at, _)| *at > last)) {
                    found.last = last;
                    found.count(past, last);
                }
            }
        }
    }

    /// What differed so far.
    pub fn told(&self, plan: &Plan) -> Vec<Divergent> {
        let mut told: Vec<Divergent> = Vec::new();
        for found in &self.found {
            let one = found.told(plan);
            // Where two codes take each other's place, that is one difference.
            let is_known = told.iter().any(|other| {
                (&other.token, &other.expected, &other.what, &other.brokers, other.first_second)
                    == (&one.token, &one.expected, &one.what, &one.brokers, one.first_second)
            });
            if !is_known {
                told.push(one);
            }
        }
        told
    }
}

/// What was expected of judged answers; `None` of those that say nothing of their token, or that both answers are right to
/// since its time or its key is just changing.
fn wanted(tally: &Tally, watches_keys: bool) -> Option<Want> {
    if matches!(tally.verdict, Verdict::NotJudged | Verdict::Indeterminate) {
        return None;
    }
    // An end of the connection is an answer only where brokers promise it: a node that dies closes too.
    if matches!(tally.outcome, Outcome::Closed(_)) && tally.verdict == Verdict::WrongReason {
        return None;
    }
    match tally.expected {
        Expectation::Accept => Some(Want::Accept),
        Expectation::Refuse(_) => Some(Want::Refuse),
        // Where keys come and go, brokers have until the end of the promise to notice; after that it is one of the others.
        Expectation::Either(_) => (!watches_keys).then_some(Want::Either),
        Expectation::Indeterminate => None,
    }
}

/// Of each broker that differs, where the seconds begin by which that was told: the latest of its pairs.
type Begins = BTreeMap<usize, u64>;

/// How brokers differ in the last second, who is on which side, and by which seconds that was told.
fn differences(past: &VecDeque<Second>) -> Vec<(What, [BTreeSet<usize>; 2], Begins)> {
    let Some((_, last)) = past.back() else { return Vec::new() };
    let codes: BTreeSet<Code> =
        last.iter().flat_map(|counts| counts.codes.keys().copied()).collect();
    // Where all refuse by one code there is nothing to compare.
    let codes = if codes.len() > 1 { codes } else { BTreeSet::new() };
    let all = std::iter::once(What::Verdict).chain(codes.into_iter().map(What::Code));
    let mut found = Vec::new();
    for what in all {
        let (mut sides, mut from) = ([BTreeSet::new(), BTreeSet::new()], Begins::new());
        for one in 0..last.len() {
            for other in one + 1..last.len() {
                if let Some((one_has_more, begins)) = pair(past, what, one, other) {
                    let (more, less) = if one_has_more { (one, other) } else { (other, one) };
                    sides[0].insert(more);
                    sides[1].insert(less);
                    for broker in [one, other] {
                        let latest = from.entry(broker).or_default();
                        *latest = begins.max(*latest);
                    }
                }
            }
        }
        // One between two extremes differs from both: it belongs to neither.
        let between: Vec<usize> = sides[0].intersection(&sides[1]).copied().collect();
        for broker in between {
            sides[0].remove(&broker);
            sides[1].remove(&broker);
        }
        if !sides[0].is_empty() && !sides[1].is_empty() {
            found.push((what, sides, from));
        }
    }
    found
}

/// Whether two brokers differ: whether the first has the larger share, and where the seconds begin that tell it.
fn pair(past: &VecDeque<Second>, what: What, one: usize, other: usize) -> Option<(bool, u64)> {
    let (mut first, mut second) = ((0, 0), (0, 0));
    let mut begins = 0;
    for (at, counts) in past.iter().rev() {
        for (sum, broker) in [(&mut first, one), (&mut second, other)] {
            let (part, all) = what.of(&counts[broker]);
            *sum = (sum.0 + part, sum.1 + all);
        }
        begins = *at;
        if first.1.min(second.1) >= ENOUGH {
            break;
        }
    }
    differ(first, second).map(|more| (more, begins))
}

/// Whether two shares differ by more than stray answers and chance: whether the first one is the larger.
///
/// The test of two proportions with their pooled variance (Wald).
fn differ(one: (u64, u64), other: (u64, u64)) -> Option<bool> {
    if one.1.min(other.1) < LEAST {
        return None;
    }
    let share = |(part, all): (u64, u64)| part as f64 / all as f64;
    let apart = share(one) - share(other);
    let pooled = share((one.0 + other.0, one.1 + other.1));
    let error = (pooled * (1.0 - pooled) * (1.0 / one.1 as f64 + 1.0 / other.1 as f64)).sqrt();
    // Eight against eight are four errors apart but for rounding.
    let is_so = apart.abs() >= APART && apart.abs() >= (ERRORS - 1e-9) * error;
    is_so.then_some(apart > 0.0)
}

/// Adds a second in which brokers differ to what is known of it, or begins anew.
fn note(
    found: &mut Vec<Found>,
    (kind, want, what): (usize, Want, What),
    sides: [BTreeSet<usize>; 2],
    begins: &Begins,
    past: &VecDeque<Second>,
) {
    let Some(now) = past.back().map(|(second, _)| *second) else { return };
    let at = match found.iter().rposition(|known| {
        (known.kind, known.want, known.what) == (kind, want, what)
            && known.last + WINDOW >= now
            // Of the first seconds not all brokers may have had enough answers.
            && known.sides[0].is_disjoint(&sides[1])
            && known.sides[1].is_disjoint(&sides[0])
    }) {
        Some(at) => at,
        None if found.len() < MOST => {
            let (first, answers) = (u64::MAX, BTreeMap::new());
            let sides = sides.clone();
            found.push(Found { kind, want, what, sides, first, last: 0, counted: 0, answers });
            found.len() - 1
        }
        None => return,
    };
    let entry = &mut found[at];
    for (known, new) in entry.sides.iter_mut().zip(sides) {
        known.extend(new);
    }
    // The seconds in which the odd ones did what makes them odd. A pair with a broker that has few answers goes further
    // back than it takes to tell.
    let of_odd = entry.odd().iter().filter_map(|broker| begins.get(broker)).max();
    let from = of_odd.or_else(|| begins.values().max()).copied().unwrap_or(now);
    let mut told =
        past.iter().filter(|(at, counts)| *at >= from && entry.of_sides(counts).0 == Some(true));
    let Some((first, _)) = told.next() else { return };
    let last = told.next_back().map_or(*first, |(last, _)| *last);
    // Where it began within a second, that one alone may not tell it.
    let before = past.iter().rev().filter(|(at, _)| at < first);
    let first = entry.stretch(before).unwrap_or(*first);
    entry.first = entry.first.min(first);
    entry.last = entry.last.max(last);
    entry.count(past, now);
}

/// Whether some of these brokers did what those on the one side do, or on the other; `None` where none of them answered.
fn did(what: What, is_first: bool, brokers: &BTreeSet<usize>, counts: &[Counts]) -> Option<bool> {
    let all = brokers.iter().map(|broker| what.of(&counts[*broker])).filter(|(_, all)| *all > 0);
    all.map(|(part, all): (u64, u64)| if is_first { part > 0 } else { part < all })
        .reduce(|one, other| one || other)
}

impl Found {
    /// Whether the odd ones did in a second what makes them odd, and whether the others did.
    fn of_sides(&self, counts: &[Counts]) -> (Option<bool>, Option<bool>) {
        let is_second = *self.odd() == self.sides[1];
        let [odd, others] = if is_second { [1, 0] } else { [0, 1] };
        let of = |side: usize| did(self.what, !is_second, &self.sides[side], counts);
        (of(odd), of(others))
    }

    /// The furthest of seconds that adjoin each other in which the odd ones stand out. Those in which they did not answer
    /// are passed over.
    fn stretch<'a>(&self, seconds: impl Iterator<Item = &'a Second>) -> Option<u64> {
        let mut furthest = None;
        for (at, counts) in seconds {
            match self.of_sides(counts) {
                (None, _) => {}
                (Some(true), Some(false) | None) => furthest = Some(*at),
                _ => break,
            }
        }
        furthest
    }

    /// Adds what was answered up to a second and is not counted yet.
    fn count(&mut self, past: &VecDeque<Second>, until: u64) {
        let begin = self.counted.max(self.first);
        for (_, counts) in past.iter().filter(|(at, _)| *at >= begin && *at <= until) {
            for broker in self.sides.iter().flatten() {
                self.answers.entry(*broker).or_default().add(&counts[*broker]);
            }
        }
        self.counted = self.counted.max(until + 1);
    }

    /// The fewer; of as many those that broke the promise, or else those that accept.
    fn odd(&self) -> &BTreeSet<usize> {
        let [more, less] = &self.sides;
        match more.len().cmp(&less.len()) {
            std::cmp::Ordering::Less => more,
            std::cmp::Ordering::Greater => less,
            std::cmp::Ordering::Equal => self.wrong().unwrap_or(more),
        }
    }

    /// Those whose answer is not the promised one, where that can be told.
    fn wrong(&self) -> Option<&BTreeSet<usize>> {
        match (self.what, self.want) {
            (What::Verdict, Want::Accept) => Some(&self.sides[1]),
            (What::Verdict, Want::Refuse) => Some(&self.sides[0]),
            _ => None,
        }
    }

    fn told(&self, plan: &Plan) -> Divergent {
        let label = |broker: &usize| plan.brokers[*broker].label.clone();
        let labels = |some: &BTreeSet<usize>| some.iter().map(label).collect::<Vec<_>>();
        let is_even = self.sides[0].len() == self.sides[1].len();
        let answers = |(broker, counts): (&usize, &Counts)| {
            let codes = counts.codes.iter().map(|(code, count)| (code.to_string(), *count));
            let (accepted, refused) = (counts.accepted, counts.refused());
            (label(broker), Answers { accepted, refused, codes: codes.collect() })
        };
        Divergent {
            token: plan.mould.kinds[self.kind].label.clone(),
            expected: self.want.name().to_owned(),
            what: if self.what == What::Verdict { "verdict" } else { "code" }.to_owned(),
            brokers: self.answers.iter().map(answers).collect(),
            minority: match self.wrong() {
                None if is_even => Vec::new(),
                _ => labels(self.odd()),
            },
            against_promise: self.wrong().map(labels).unwrap_or_default(),
            first_second: self.first,
            last_second: self.last,
            attempts: self.answers.values().map(|own| own.accepted + own.refused()).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
