//! Brokers that went away by themselves: what was closed is settled, and told.

use super::{Collector, Folder};
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        error::Result,
    },
    client::verdict::Verdict,
    record::{
        measure::{Count, Finding, Measurements},
        results::{
            Summary,
            absence::{Absence, Closed},
            findings::{Start, Token, replay_of},
            gone::{BrokerGone, OnTheWay},
        },
    },
};

impl Collector {
    /// Follows a second that all workers have left behind, and is written.
    pub(super) fn follow(&mut self, second: u64, mut seen: Measurements) {
        let signs = std::mem::take(&mut seen.signs);
        let closed = Closed {
            attempts: std::mem::take(&mut seen.pending),
            sessions: std::mem::take(&mut seen.ends),
        };
        self.absences.second(second, &signs, closed, Some(seen));
    }

    /// Settles what was closed, as far as it is known whether its broker was there; all where the run `is_over`.
    pub(super) fn settle(&mut self, is_over: bool) {
        let (storm, deeds) = (self.storm.start, self.deeds());
        let settled = self.absences.settle(storm, &deeds, is_over);
        self.storm.board.tell(self.absences.all());
        for settled in settled {
            self.all.pending.drain(..settled.ends.len().min(self.all.pending.len()));
            let mut findings = Vec::new();
            for (pending, verdict) in &settled.ends {
                self.all.settle(pending, *verdict, storm);
                if *verdict != Verdict::Correct {
                    findings.push(Finding { attempt: pending.attempt, verdict: *verdict });
                }
            }
            self.all.ends.drain(..settled.sessions.len().min(self.all.ends.len()));
            let sessions = settled.sessions.iter();
            for operated in sessions.filter_map(|(end, is_away)| end.settled(*is_away)) {
                self.all.operated(&operated, self.storm.warm);
                self.settled_late.operated(&operated, self.storm.warm);
            }
            if let Some(folder) = &mut self.folder {
                folder.findings(&self.storm.plan, storm, &findings);
            }
            if let Some(seen) = settled.seen {
                self.look_at_brokers(settled.second, &seen, &deeds);
            }
        }
    }

    /// Takes what was asked last, and settles the rest: the run is over.
    pub(super) fn settle_the_rest(&mut self) {
        let mut last = self.storm.recorder();
        self.storm.knocker.tell(&mut last, self.storm.start);
        let signs = std::mem::take(&mut last.signs);
        self.all.merge(&last);
        self.absences.second(self.next_second, &signs, Closed::default(), None);
        self.settle(true);
    }

    /// Puts into a summary which brokers were gone.
    pub(super) fn tell_of_absences(&self, summary: &mut Summary) {
        summary.broker_checks = self.all[Count::Checks];
        let mut gone: Vec<&Absence> = self.absences.all().iter().collect();
        gone.sort_by_key(|gone| (gone.at, gone.site));
        summary.broker_gone = gone.into_iter().map(|gone| self.shown(gone)).collect();
    }

    fn shown(&self, gone: &Absence) -> BrokerGone {
        let (plan, seconds) = (&self.storm.plan, |at: u64| at as f64 / SECOND as f64);
        let on_the_way = gone.on_the_way.iter().map(|attempt| {
            let start =
                Start { at: self.storm.start, wall: self.storm.clock.wall(self.storm.start) };
            let replay = replay_of(plan, start, &Token::of(attempt));
            OnTheWay {
                client: attempt.client,
                token: plan.mould.kinds[attempt.kind].label.clone(),
                outcome: attempt.outcome.code().to_string(),
                replay: (!replay.is_empty()).then_some(replay),
            }
        });
        BrokerGone {
            broker: plan.brokers[usize::from(gone.site.broker)].label.clone(),
            at_s: seconds(gone.at),
            by: gone.by,
            back_after_s: gone.back.map(|back| seconds(back.saturating_sub(gone.at))),
            on_the_way: on_the_way.collect(),
        }
    }

    /// Writes what has happened, to the issuer and to brokers.
    pub(super) fn write_events(&self, folder: &Folder) -> Result<()> {
        let of_issuer = self.events.as_ref().map(super::Events::done);
        let gone: Vec<BrokerGone> =
            self.absences.all().iter().map(|gone| self.shown(gone)).collect();
        let now = self.storm.clock.now().saturating_sub(self.storm.start);
        let drops = self.storm.plan.drops.iter().filter(|drop| nanoseconds(drop.at) <= now);
        let drops: Vec<(f64, String)> =
            drops.map(|drop| (drop.at.as_secs_f64(), drop.words())).collect();
        if of_issuer.is_none() && self.nodes.is_none() && gone.is_empty() && drops.is_empty() {
            return Ok(());
        }
        crate::record::results::authority::write_events(
            folder.path(),
            of_issuer.as_deref().unwrap_or_default(),
            (&self.deeds(), &gone),
            &drops,
            self.storm.start,
        )
    }
}
