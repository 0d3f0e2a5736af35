//! One address: when it was gone, and what explains it.

use std::collections::BTreeMap;

use super::{Absence, BEFORE, is_within};
use crate::{
    base::clock::SECOND,
    record::{
        measure::signs::{Held, LENGTH, Signs, Site, Slot, Span},
        results::{
            gone::Sign,
            outages::{Deed, next_start},
        },
    },
};

/// Two connects that were refused so long apart say that nobody listens any more.
const APART: u64 = SECOND / 10;
/// All witnesses of a broker that is gone end within this time.
const TOGETHER: u64 = SECOND;
/// So few witnesses may end together by chance.
const FEWEST_WITNESSES: u64 = 3;
/// Who leaves so long after the last end of a witness was not ended with it, even where a thread was late to see its end.
const LATE: u64 = SECOND / 20;
/// How long slots are kept: what decides about an instant comes within two seconds of it.
const KEPT: u64 = 4 * SECOND / LENGTH;

/// An instant at which a broker was found gone, and by what.
type Gone = (u64, Sign);

/// A time in which a broker need not answer: an event stopped it, or it said that it shuts down.
#[derive(Debug)]
struct Excuse {
    /// The number of the deed that stopped it.
    deed: Option<usize>,
    from: u64,
    /// A CONNACK on a connect that was begun after this ends it.
    after: u64,
    until: Option<u64>,
}

impl Excuse {
    fn covers(&self, at: u64) -> bool {
        at >= self.from && self.until.is_none_or(|until| at <= until)
    }
}

/// What is known of an address.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) site: Site,
    slots: BTreeMap<u64, Slot>,
    held: Vec<Held>,
    /// Slots before this one have been looked at for refused connects and answers.
    looked: u64,
    /// Ends of witnesses before this slot are decided about.
    decided: u64,
    /// The last sign of life.
    life: Option<u64>,
    /// The first refused connect since then.
    refused: Option<u64>,
    /// The last sign of life of the slots that are not kept any more.
    forgotten: u64,
    excuses: Vec<Excuse>,
    /// When the last worker had nothing left to do here.
    pub(super) over: Option<u64>,
}

impl Watched {
    pub(super) fn new(site: Site) -> Self {
        Self {
            site,
            slots: BTreeMap::new(),
            held: Vec::new(),
            looked: 0,
            decided: 0,
            life: None,
            refused: None,
            forgotten: 0,
            excuses: Vec::new(),
            over: None,
        }
    }

    pub(super) fn take(&mut self, signs: &Signs) {
        for slot in signs.slots() {
            let known = self
                .slots
                .entry(slot.number)
                .or_insert(Slot { number: slot.number, ..Slot::default() });
            known.join(slot);
            self.over = self.over.max(slot.over);
            // What is told late is looked at late: the walk goes back to it.
            self.looked = self.looked.min(slot.number);
        }
        self.held.extend_from_slice(signs.held());
    }

    /// Decides about all that came before `known`.
    pub(super) fn decide(
        &mut self,
        known: u64,
        start: u64,
        deeds: &[Deed],
        absences: &mut Vec<Absence>,
    ) {
        self.excuse(start, deeds);
        let end = known / LENGTH;
        let slots: Vec<Slot> = self.slots.range(self.looked..end).map(|(_, slot)| *slot).collect();
        for slot in &slots {
            self.look(slot, absences);
        }
        self.looked = self.looked.max(end);
        self.decide_by_ends(known, absences);
        self.forget();
    }

    /// Opens the gaps that events open, and notes what ends them.
    fn excuse(&mut self, start: u64, deeds: &[Deed]) {
        let since = |at: u64| at.saturating_sub(start);
        for (number, stop) in deeds.iter().enumerate() {
            if stop.starts || stop.broker != usize::from(self.site.broker) {
                continue;
            }
            // Whoever is started again answers from then on; a command may do both.
            let started = next_start(deeds, number).map(|(_, begun)| begun.began);
            let after = started.or(stop.ended).map_or(u64::MAX, since);
            let known = self.excuses.iter_mut().find(|excuse| excuse.deed == Some(number));
            match known {
                _ if stop.failed => self.excuses.retain(|excuse| excuse.deed != Some(number)),
                Some(excuse) => excuse.after = after,
                None => self.excuses.push(Excuse {
                    deed: Some(number),
                    from: since(stop.began),
                    after,
                    until: None,
                }),
            }
        }
    }

    /// Looks at a slot: who answered, who was refused, in their order.
    fn look(&mut self, slot: &Slot, absences: &mut Vec<Absence>) {
        if let Some(shut) = slot.shut {
            let open = self.excuses.iter_mut().find(|it| it.deed.is_none() && it.until.is_none());
            if let Some(excuse) = open {
                excuse.after = shut;
            } else {
                self.excuses.push(Excuse { deed: None, from: shut, after: shut, until: None });
            }
        }
        let (life, refused) = (slot.life, slot.refused);
        let before = |refused: &Span| life.is_none_or(|life| refused.first < life.first);
        if let Some(refused) = refused.filter(before) {
            self.refuse(refused.first, absences);
        }
        if let Some(life) = life {
            self.life = self.life.max(Some(life.last));
            self.refused = None;
        }
        let after = |refused: &Span| life.is_none_or(|life| refused.last > life.last);
        if let Some(refused) = refused.filter(after) {
            self.refuse(refused.last, absences);
        }
        if let Some((begun, at)) = slot.answered {
            for gone in absences.iter_mut().filter(|gone| gone.site == self.site) {
                if gone.back.is_none() && begun > gone.at {
                    gone.back = Some(at);
                }
            }
            for excuse in &mut self.excuses {
                if excuse.until.is_none() && begun > excuse.after {
                    excuse.until = Some(at);
                }
            }
        }
    }

    fn refuse(&mut self, at: u64, absences: &mut Vec<Absence>) {
        // One that was never there has not gone, and what came before a sign of life says nothing any more.
        let Some(life) = self.life.filter(|life| *life <= at) else { return };
        let first = *self.refused.get_or_insert(at);
        if at >= first + APART {
            self.found((first, Sign::Port), life, absences);
        }
    }

    /// Looks for witnesses that ended together.
    fn decide_by_ends(&mut self, known: u64, absences: &mut Vec<Absence>) {
        let ends: Vec<Span> = self
            .slots
            .range(self.decided..)
            .filter_map(|(_, slot)| slot.ends)
            .take_while(|ends| ends.first.saturating_add(TOGETHER) <= known)
            .collect();
        for Span { first, .. } in ends {
            if let Some(life) = self.ended_together(first) {
                self.found((first, Sign::Sessions), life, absences);
            }
            self.decided = first / LENGTH + 1;
        }
        self.decided = self.decided.max(known.saturating_sub(TOGETHER) / LENGTH);
    }

    /// Whether all witnesses that were open at an instant ended within a second, unexplained: the last sign of life before.
    fn ended_together(&self, first: u64) -> Option<u64> {
        let slots = self.slots.range(first / LENGTH..=(first + TOGETHER) / LENGTH);
        let (mut count, mut last) = (0_u64, first);
        for (_, slot) in slots.clone() {
            if let Some(ends) = slot.ends {
                let is_whole = ends.last <= first + TOGETHER;
                let is_within = is_whole || ends.first <= first + TOGETHER;
                count += if is_within { u64::from(slot.ended) } else { 0 };
                last = last.max(if is_whole { ends.last } else { ends.first });
            }
        }
        let has_left = slots.clone().any(|(number, slot)| {
            *number > (last + LATE) / LENGTH && slot.left.is_some_and(|accepted| accepted < first)
        });
        let has_survivor = has_left
            || self.held.iter().any(|held| held.at >= first + TOGETHER && held.oldest < first);
        let has_answered = slots
            .filter_map(|(_, slot)| slot.answered)
            .any(|(begun, at)| begun > first && at <= last);
        let before = self.slots.range(first.saturating_sub(TOGETHER) / LENGTH..first / LENGTH);
        // The last few sessions of a broker that ends each of them are none that ended together.
        let strays: u64 = before.map(|(_, slot)| u64::from(slot.ended)).sum();
        if count < FEWEST_WITNESSES || strays > count / 10 || has_survivor || has_answered {
            return None;
        }
        let before = self.slots.range(..=first / LENGTH).rev();
        let lives = before.filter_map(|(_, slot)| slot.life);
        let life = lives
            .flat_map(|life| [life.last, life.first])
            .find(|at| *at <= first)
            .unwrap_or(self.forgotten);
        Some(life)
    }

    /// Notes that the broker was gone, unless something explains it or that is known already.
    fn found(&self, (at, by): Gone, last_life: u64, absences: &mut Vec<Absence>) {
        let is_known = absences.iter().any(|gone| gone.site == self.site && is_within(gone, at));
        let is_explained = self.excuses.iter().any(|excuse| {
            excuse.covers(at)
                || excuse.deed.is_none() && (excuse.from..=excuse.after + BEFORE).contains(&at)
        });
        if is_known || is_explained {
            return;
        }
        let later = self.slots.range(at / LENGTH..self.looked.max(at / LENGTH));
        let answers = later.filter_map(|(_, slot)| slot.answered);
        let back = answers.filter(|(begun, _)| *begun > at).map(|(_, at)| at).next();
        let about = at.saturating_sub(BEFORE) / LENGTH..=(at + BEFORE) / LENGTH;
        let has_cut = self.slots.range(about).any(|(_, slot)| slot.cut.is_some());
        let (site, on_the_way) = (self.site, Vec::new());
        absences.push(Absence { site, at, by, back, on_the_way, last_life, has_cut });
    }

    /// Whether signs that came by then may yet say that the broker was gone.
    pub(super) fn is_undecided(&self, by: u64, known: u64) -> bool {
        let is_refusing = self.refused.is_some_and(|first| first <= by && first + APART > known);
        let by_ends = self.slots.range(self.decided..).filter_map(|(_, slot)| slot.ends);
        is_refusing || known < u64::MAX && by_ends.into_iter().any(|ends| ends.first <= by)
    }

    /// Whether a connect was refused between two instants: nobody listened, if only for a moment.
    pub(super) fn has_refused(&self, from: u64, to: u64) -> bool {
        let slots = self.slots.range(from / LENGTH..=to / LENGTH);
        slots.filter_map(|(_, slot)| slot.refused).any(|it| it.last >= from && it.first <= to)
    }

    /// Whether something explained, at an instant, that the broker was away.
    pub(super) fn is_excused(&self, at: u64) -> bool {
        self.excuses.iter().any(|excuse| excuse.covers(at))
    }

    /// Whether the broker had said that it shuts down, and was not back, at some instant between these.
    pub(super) fn had_shut(&self, from: u64, to: u64) -> bool {
        self.excuses
            .iter()
            .filter(|excuse| excuse.deed.is_none())
            .any(|excuse| excuse.from < to && excuse.until.is_none_or(|until| until >= from))
    }

    /// Drops slots that decide about nothing any more.
    fn forget(&mut self) {
        let first = self.decided.min(self.looked).max(self.looked.saturating_sub(KEPT));
        let first = first.saturating_sub(KEPT);
        let kept = self.slots.split_off(&first);
        let lives = self.slots.values().filter_map(|slot| slot.life).map(|life| life.last).max();
        self.forgotten = self.forgotten.max(lives.unwrap_or_default());
        self.slots = kept;
        self.held.retain(|held| held.at / LENGTH >= first);
    }
}
