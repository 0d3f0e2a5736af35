//! What it costs that a broker is stopped while the others go on: told from closed seconds, and from what was done when.

use serde::{Deserialize, Serialize};

use super::{
    Percentile,
    decided::Decided,
    time::{microseconds, percentile_of},
};
use crate::{
    base::clock::SECOND,
    client::{attempt::Outcome, verdict::Verdict},
    plan::Plan,
    record::measure::latency::Latency,
};

/// Something that was done to a broker.
#[derive(Clone, Debug, Default)]
pub struct Deed {
    /// Index of the broker.
    pub broker: usize,
    /// Whether it was started, and not stopped.
    pub starts: bool,
    /// When that began, in nanoseconds of the run's clock.
    pub began: u64,
    /// When it was done; `None` while it goes on.
    pub ended: Option<u64>,
    /// Whether it could not be done.
    pub failed: bool,
    /// What was done, in words.
    pub detail: String,
    /// When the first attempt that began after a start had an answer that was judged, where somebody looked.
    pub back: Option<u64>,
}

impl Deed {
    /// Its event's name in files.
    pub fn name(&self) -> &'static str {
        if self.starts {
            crate::scenario::Deed::StartBroker
        } else {
            crate::scenario::Deed::StopBroker
        }
        .name()
    }
}

/// What it cost that a broker was stopped.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outage {
    /// The label of the broker.
    pub broker: String,
    /// When the stop began, in seconds since the start of the storm.
    pub stopped_s: f64,
    /// When the start began, likewise. Null if it was not started again.
    pub started_s: Option<f64>,
    /// Attempts at this broker whose TCP connection failed (`ECONNREFUSED` and the like). This key
    /// and the next two count from the second of the stop to `all_back_s`, and for
    /// `connect_timeout` longer, since hanging attempts end late. A close that the policy promises
    /// for the token is not among them.
    pub refused: u64,
    /// Attempts at this broker that ran into their timeout.
    pub hanging: u64,
    /// Attempts at this broker without a judged CONNACK in any other way: closed, TLS, overload.
    /// Those that failed on this host, or had no token, are not among them.
    pub failed: u64,
    /// Microseconds from the beginning of the start to the first judged CONNACK of an attempt that
    /// began after it, so the broker's boot is included. Null if there was none. A failed start has
    /// it too if the broker answered anyway.
    pub time_until_back_us: Option<f64>,
    /// False if the answer was not seen directly, as with `--agents`. Then `time_until_back_us` is
    /// an upper bound: up to 1 s too high, or up to 2 s if the broker was stopped in the same
    /// second, or answered something in between. Null if there was no answer.
    pub time_until_back_exact: Option<bool>,
    /// The second of the storm from which no attempt at this broker failed. Null if there was none.
    pub all_back_s: Option<u64>,
    /// The brokers that stayed.
    pub others: Others,
}

/// The brokers that stayed, before the outage, during it, and after.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Others {
    /// Since all brokers ran.
    pub before: Span,
    /// From the second of the stop to the first whole second after the start in which the stopped
    /// broker answered everything.
    pub during: Span,
    /// Until the next outage, or the end.
    pub after: Span,
}

/// What the brokers that stayed did in some seconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Span {
    /// How many seconds.
    pub seconds: u64,
    /// Attempts at these brokers.
    pub attempts: u64,
    /// The ones whose verdict is neither `correct` nor `indeterminate`.
    pub not_as_promised: u64,
    /// The 99th percentile of `connack`, in microseconds. Null if no attempt came as far.
    pub connack_p99_us: Option<Percentile>,
}

/// Follows outages, second by second.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    /// Of each broker, what was seen since all of them ran.
    calm: Vec<Sum>,
    /// Outages, each with the number of the deed that began it.
    all: Vec<Followed>,
}

#[derive(Clone, Debug, Default)]
struct Followed {
    deed: usize,
    broker: usize,
    refused: u64,
    hanging: u64,
    failed: u64,
    /// Whether it still answered in a whole second after the stop.
    lingers: bool,
    /// The first second that had an answer of it from after the start.
    answered: Option<u64>,
    /// The first one of these in which nothing failed.
    clear: Option<u64>,
    /// The second after the last failure.
    all_back: Option<u64>,
    /// What was seen of each broker until the outage began, in case it turns out to be none.
    calm: Vec<Sum>,
    before: Sum,
    during: Sum,
    after: Sum,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    seconds: u64,
    attempts: u64,
    not_as_promised: u64,
    latency: Latency,
}

impl Sum {
    /// Adds a second of one broker.
    fn add(&mut self, seen: &Decided, broker: usize) {
        for (tally, count) in &seen.tallies {
            if tally.broker == broker {
                self.attempts += count;
                let is_fine = matches!(tally.verdict, Verdict::Correct | Verdict::Indeterminate);
                self.not_as_promised += if is_fine { 0 } else { *count };
            }
        }
        seen.connack(broker).for_each(|part| self.latency.join(part));
    }

    fn merge(&mut self, other: &Self) {
        self.seconds = self.seconds.max(other.seconds);
        self.attempts += other.attempts;
        self.not_as_promised += other.not_as_promised;
        self.latency.join(&other.latency);
    }

    fn told(&self, timeout: u64) -> Span {
        Span {
            seconds: self.seconds,
            attempts: self.attempts,
            not_as_promised: self.not_as_promised,
            connack_p99_us: percentile_of(&self.latency, 99.0, timeout),
        }
    }
}

impl Outages {
    /// Looks at what was decided in a second that is over; seconds come in their order. `start` is when the storm started,
    /// `deeds` are what has been done so far, or is being done.
    pub fn second(
        &mut self,
        plan: &Plan,
        (start, second): (u64, u64),
        seen: &Decided,
        deeds: &[Deed],
    ) {
        if plan.nodes.is_empty() {
            return;
        }
        let brokers = plan.brokers.len();
        self.calm.resize_with(brokers, Sum::default);
        let end = start + (second + 1) * SECOND;
        self.forget(deeds);
        self.open(deeds, end);
        let patience = plan.load().connect_timeout.as_secs() + 1;
        for outage in &mut self.all {
            outage.look(second, seen, deeds, (start, end), patience);
        }
        let down: Vec<usize> =
            self.all.iter().filter(|outage| outage.clear.is_none()).map(|it| it.broker).collect();
        let newest = self.all.iter().map(|outage| outage.deed).max();
        for outage in &mut self.all {
            // What comes after an outage ends where the next one begins.
            let is_newest = newest == Some(outage.deed);
            let sum = match outage.clear {
                None => &mut outage.during,
                Some(_) if is_newest => &mut outage.after,
                Some(_) => continue,
            };
            sum.seconds += 1;
            for broker in (0..brokers).filter(|at| *at != outage.broker && !down.contains(at)) {
                sum.add(seen, broker);
            }
        }
        if down.is_empty() {
            for (broker, calm) in self.calm.iter_mut().enumerate() {
                calm.seconds += 1;
                calm.add(seen, broker);
            }
        }
    }

    /// Drops what has turned out to be no outage: the broker could not be stopped.
    fn forget(&mut self, deeds: &[Deed]) {
        let is_none = |outage: &mut Followed| deeds.get(outage.deed).is_some_and(|it| it.failed);
        for outage in self.all.extract_if(.., is_none) {
            for (calm, before) in self.calm.iter_mut().zip(&outage.calm) {
                let seconds = calm.seconds + before.seconds;
                calm.merge(before);
                calm.seconds = seconds;
            }
        }
    }

    /// Begins to follow outages that began before a second's end.
    fn open(&mut self, deeds: &[Deed], end: u64) {
        for (number, deed) in deeds.iter().enumerate() {
            let is_known = self.all.iter().any(|outage| outage.deed == number);
            if deed.starts || deed.failed || is_known || deed.began >= end {
                continue;
            }
            let mut before = Sum::default();
            let others = self.calm.iter().enumerate().filter(|(at, _)| *at != deed.broker);
            others.for_each(|(_, calm)| before.merge(calm));
            let calm = vec![Sum::default(); self.calm.len()];
            let calm = std::mem::replace(&mut self.calm, calm);
            self.all.push(Followed {
                deed: number,
                broker: deed.broker,
                calm,
                before,
                ..Followed::default()
            });
        }
    }

    /// What they came to so far.
    pub fn told(&self, plan: &Plan, start: u64, timeout: u64, deeds: &[Deed]) -> Vec<Outage> {
        let since = |at: u64| (at as f64 - start as f64) / SECOND as f64;
        let told = |outage: &Followed| {
            let stop = deeds.get(outage.deed).filter(|deed| !deed.failed)?;
            let was_answered =
                |begun: &&Deed| !begun.failed || begun.back.is_some() || outage.answered.is_some();
            let begun = next_start(deeds, outage.deed).map(|(_, begun)| begun).filter(was_answered);
            let back = begun.and_then(|begun| {
                // Where nobody saw the answer itself: the end of its second.
                let by_second = || outage.answered.map(|second| start + (second + 1) * SECOND);
                let exact = begun.back.map(|back| (back, true));
                let (back, is_exact) = exact.or_else(|| by_second().map(|back| (back, false)))?;
                Some((microseconds(back.saturating_sub(begun.began) as f64), is_exact))
            });
            Some(Outage {
                broker: plan.brokers[outage.broker].label.clone(),
                stopped_s: since(stop.began),
                started_s: begun.map(|begun| since(begun.began)),
                refused: outage.refused,
                hanging: outage.hanging,
                failed: outage.failed,
                time_until_back_us: back.map(|(time, _)| time),
                time_until_back_exact: back.map(|(_, is_exact)| is_exact),
                all_back_s: outage.all_back,
                others: Others {
                    before: outage.before.told(timeout),
                    during: outage.during.told(timeout),
                    after: outage.after.told(timeout),
                },
            })
        };
        self.all.iter().filter_map(told).collect()
    }
}

/// What ended the outage that a deed began, with its number among the deeds, where something did. A start that failed may
/// have done it all the same: a command can take too long, and the broker be there.
pub(super) fn next_start(deeds: &[Deed], stop: usize) -> Option<(usize, &Deed)> {
    let broker = deeds.get(stop)?.broker;
    let later = deeds.iter().enumerate().skip(stop + 1);
    let own = later.filter(|(_, deed)| deed.broker == broker);
    let is_stop = |deed: &Deed| !deed.starts && !deed.failed;
    let starts: Vec<(usize, &Deed)> =
        own.take_while(|(_, deed)| !is_stop(deed)).filter(|(_, deed)| deed.starts).collect();
    let did = starts.iter().find(|(_, deed)| !deed.failed || deed.back.is_some());
    did.or(starts.first()).copied()
}

impl Followed {
    /// Counts what failed at the broker, and notes when it is back.
    fn look(
        &mut self,
        second: u64,
        seen: &Decided,
        deeds: &[Deed],
        (start, end): (u64, u64),
        patience: u64,
    ) {
        let stops = |deed: &Deed| deed.broker == self.broker && !deed.starts && !deed.failed;
        let is_next = deeds.iter().skip(self.deed + 1).any(|deed| stops(deed) && deed.began < end);
        // Attempts that waited for their deadline may end so long after all others are answered.
        if is_next || self.clear.is_some_and(|clear| second > clear + patience) {
            return;
        }
        let (mut failures, mut answers) = (0, 0);
        let is_back = self.clear.is_some();
        for (tally, count) in &seen.tallies {
            let count = *count;
            if tally.broker != self.broker {
                continue;
            }
            match tally.outcome {
                _ if tally.verdict != Verdict::NotJudged && tally.outcome.is_connack() => {
                    answers += count;
                    continue;
                }
                // A connection that is closed is no answer of a broker that is back. Some brokers refuse so, some by
                // promise: that must not keep it from being back.
                _ if tally.verdict == Verdict::Correct => continue,
                _ if tally.verdict != Verdict::NotJudged => {
                    self.failed += if is_back { 0 } else { count };
                    continue;
                }
                // Ours.
                Outcome::LocalError(_) | Outcome::TokenFailed(_) => continue,
                Outcome::TcpFailed(_) => self.refused += count,
                Outcome::Timeout(_) => self.hanging += count,
                _ => self.failed += count,
            }
            failures += count;
        }
        let whole = |at: u64| at.saturating_sub(start) / SECOND;
        let begun = next_start(deeds, self.deed).map(|(_, deed)| whole(deed.began));
        // In the second of the start there may be answers from before the stop, or from before it was done.
        let stopped = deeds.get(self.deed).and_then(|deed| deed.ended).map(whole);
        let is_after_stop = stopped.is_some_and(|stopped| second > stopped);
        if begun.is_none_or(|begun| second < begun) {
            self.lingers |= is_after_stop && answers > 0;
            return;
        }
        let is_whole = begun.is_some_and(|begun| second > begun);
        if answers > 0 && (is_whole || is_after_stop && !self.lingers) {
            self.answered = self.answered.or(Some(second));
        }
        if !is_whole {
            return;
        }
        if self.clear.is_none() && answers > 0 && failures == 0 {
            (self.clear, self.all_back) = (Some(second), Some(second));
        } else if self.clear.is_some() && failures > 0 {
            self.all_back = Some(second + 1);
        }
    }
}

#[cfg(test)]
mod tests;
