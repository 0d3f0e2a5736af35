//! The search for the highest rate of arrivals at which the objectives hold.
//!
//! Up by a factor as long as they hold, then between the highest rate that held and the lowest that did not, in the middle
//! of their logarithms; then the rate that was found is run again and again. A step counts only in steady state: what
//! arrives leaves, and the median response does not grow.

use std::time::Duration;

use super::{Options, Series, Trial, first_line, is_final, narrowed};
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        error::{Error, Result},
        host::Limits,
        numbers::{count, nanos, whole},
        words::{LimitedBy, OutcomeKind, Validity, Verdict},
    },
    client::attempt::Phase,
    engine::Lost,
    plan::{Plan, series::hold_at, threshold::Threshold},
    record::{
        measure::{Mark, Measurements, SLOT},
        results::{
            Reason, Summary,
            judged::{Aborted, Judged},
            series::{Capacity as Found, Step, write_timed},
            sheets,
            summary::Yardstick,
            threshold,
            time::percentile,
            trend::{Trend, median},
        },
    },
    report::style,
    scenario::{Capacity, Loaded},
    supply::yardstick::Measured,
    token::mixed,
};

/// Share of the arrivals that must get a verdict while a step is measured, where chance alone does not explain less.
const SUSTAINED: f64 = 0.95;
/// By how much of itself the median response must grow over a step, and by how many nanoseconds at least, to count.
const DRIFT: f64 = 0.2;
const LEAST_DRIFT: f64 = 200_000.0;
/// How often a search goes down from a rate that was not confirmed.
const RETREATS: usize = 4;

pub(super) fn run(loaded: &Loaded, settings: &Capacity, options: &Options) -> Result<Trial> {
    let series = Series::open(loaded, options)?;
    let mut search = Search {
        loaded,
        settings,
        series,
        steps: Vec::new(),
        failed: None,
        passed: Vec::new(),
        ended: None,
        is_gone: false,
        confirmations: Vec::new(),
        last: None,
        was_aborted: false,
    };
    search.search()?;
    search.finish()
}

struct Search<'a> {
    loaded: &'a Loaded,
    settings: &'a Capacity,
    series: Series,
    steps: Vec<Step>,
    /// The lowest rate that did not hold.
    failed: Option<Failed>,
    /// Rates that held.
    passed: Vec<f64>,
    /// Why it ended before it was done.
    ended: Option<String>,
    /// The broker is gone, or does not answer any more.
    is_gone: bool,
    /// Verdicts a second of the runs that confirmed the rate.
    confirmations: Vec<f64>,
    /// The last run that held.
    last: Option<Trial>,
    /// A threshold of the scenario ended the last run.
    was_aborted: bool,
}

/// A rate that did not hold.
struct Failed {
    rate: f64,
    /// The generator was the limit there.
    is_limited: bool,
    /// A threshold of the scenario ended its run.
    is_aborted: bool,
    why: String,
}

impl Search<'_> {
    fn search(&mut self) -> Result<()> {
        let mut rate = self.settings.start;
        loop {
            match self.step(rate, "raise")? {
                Once::Held if rate < self.settings.most => {
                    rate = (rate * self.settings.step).min(self.settings.most);
                }
                Once::Ended => return Ok(()),
                _ => break,
            }
        }
        while let (Some(low), Some(Failed { rate: high, .. })) = (self.highest(), &self.failed) {
            if *high <= low * (1.0 + self.settings.precision) {
                break;
            }
            if let Once::Ended = self.step((low * high).sqrt(), "bisect")? {
                return Ok(());
            }
        }
        self.confirm()
    }

    /// The highest rate that held, below those that did not.
    fn highest(&self) -> Option<f64> {
        let bound = self.failed.as_ref().map_or(f64::INFINITY, |failed| failed.rate);
        self.passed.iter().copied().filter(|rate| *rate < bound).max_by(f64::total_cmp)
    }

    /// Runs the rate that was found again, and a lower one where it does not hold each time.
    fn confirm(&mut self) -> Result<()> {
        for _ in 0..RETREATS {
            let Some(rate) = self.highest() else { break };
            self.confirmations.clear();
            let mut held = 0;
            while held < self.settings.confirm {
                match self.step(rate, "confirm")? {
                    Once::Held => held += 1,
                    Once::Ended => return Ok(()),
                    _ => break,
                }
                // Chance may bring more than was asked for; what is claimed is not more.
                let achieved = self.steps.last().map_or(0.0, |step| step.achieved_per_s);
                self.confirmations.push(achieved.min(rate));
            }
            if held == self.settings.confirm {
                return Ok(());
            }
            self.confirmations.clear();
            self.passed.retain(|passed| *passed < rate);
            let lower = rate / (1.0 + self.settings.precision);
            if self.highest().is_none_or(|next| next < lower) && lower >= self.settings.start {
                // Whether the next one holds is what the next round finds.
                self.passed.push(lower);
            }
        }
        if self.steps.iter().all(|step| step.purpose != "confirm") {
            return Ok(());
        }
        self.passed.clear();
        self.ended = Some(format!(
            "no rate held {} times in a row: the broker or this host is not the same from run to run",
            self.settings.confirm
        ));
        Ok(())
    }

    /// The least share of the arrivals that an objective looks at.
    fn thinnest(&self) -> f64 {
        let plan = &self.series.plan;
        let share = |threshold: &Threshold| {
            let kinds = plan.mould.kinds.iter();
            let of_kind: f64 = kinds
                .filter(|kind| threshold.token.as_ref().is_none_or(|name| *name == kind.label))
                .map(|kind| kind.share)
                .sum();
            let of_broker = threshold.broker.as_ref().map_or(1.0, |label| plan.share_of(label));
            of_kind * of_broker
        };
        // What nobody brings can't be waited for.
        plan.slo.iter().map(share).filter(|share| *share > 0.0).fold(1.0, f64::min)
    }

    /// Runs a rate; once more, for longer, where only a drift or this host speaks against it.
    fn step(&mut self, rate: f64, purpose: &str) -> Result<Once> {
        let most = self.settings.max_steps as usize;
        if self.steps.len() >= most {
            self.ended = Some(format!("`capacity.max_steps` is {most}"));
            return Ok(Once::Ended);
        }
        let hold = hold_at(self.settings, rate * self.thinnest());
        let mut once = self.run_once(rate, hold, purpose)?;
        if matches!(once, Once::Again) && self.steps.len() < most {
            once = match self.run_once(rate, hold * 2, purpose)? {
                // It has run once, and that is what counts.
                Once::Unfit => Once::Failed,
                other => other,
            };
        }
        match once {
            Once::Held => self.passed.push(rate),
            Once::Failed | Once::Again => self.fails(rate),
            Once::Unfit | Once::Ended => {}
        }
        Ok(once)
    }

    fn fails(&mut self, rate: f64) {
        let last = self.steps.last();
        let (is_limited, why) = last
            .map_or((false, String::new()), |step| (step.limited_by_generator, step.why.clone()));
        if self.failed.as_ref().is_none_or(|failed| rate <= failed.rate) {
            let is_aborted = self.was_aborted;
            self.failed = Some(Failed { rate, is_limited, is_aborted, why });
        }
    }

    fn run_once(&mut self, rate: f64, hold: Duration, purpose: &str) -> Result<Once> {
        let seed = mixed(self.loaded.scenario.seed, self.steps.len() as u64) >> 1;
        let arguments = [
            format!("capacity.start={rate}"),
            format!("capacity.hold={}", humantime::format_duration(hold)),
            // Other arrivals in each step, or the confirming runs would be one run.
            format!("seed={seed}"),
        ];
        let one = narrowed(self.loaded, &arguments, |scenario| {
            if let Some(capacity) = &mut scenario.capacity {
                (capacity.start, capacity.hold) = (rate, hold);
                capacity.most = capacity.most.max(rate);
            }
            scenario.seed = seed;
        });
        let words = format!("{purpose} {} a second", whole(rate));
        let label = format!("{purpose} {rate:.0}");
        let plan = match Plan::new(&one, &Limits::read()) {
            Ok(plan) => plan,
            // What was planned at lower rates does not fit this host any more.
            Err(error) if !self.steps.is_empty() => {
                let why = first_line(&error);
                self.failed = Some(Failed { rate, is_limited: true, is_aborted: false, why });
                return Ok(Once::Unfit);
            }
            Err(error) => return Err(error),
        };
        let trial = match self.series.run(Trial::run, &one, &label, self.settings.rest) {
            Ok(trial) => trial,
            Err(error) if is_final(&error) && !self.series.is_stopped() => return Err(error),
            Err(error) => {
                self.is_gone = !self.series.is_stopped();
                self.ended = Some(format!("{words}: {}", first_line(&error)));
                return Ok(Once::Ended);
            }
        };
        let (once, step) = self.judge(&plan, &trial, rate, hold, purpose);
        self.series.say(&step.told());
        self.steps.push(step);
        if matches!(once, Once::Held) {
            self.last = Some(trial);
        }
        let rows = write_timed(self.series.path(), &sheets::CAPACITY, &self.steps);
        let summary = self.summary(true);
        self.series.write(rows, &summary);
        Ok(once)
    }

    /// What a run says of its rate.
    fn judge(
        &mut self,
        plan: &Plan,
        trial: &Trial,
        rate: f64,
        hold: Duration,
        purpose: &str,
    ) -> (Once, Step) {
        let timeout = nanoseconds(plan.load().connect_timeout);
        let (summary, all) = (&trial.summary, &trial.all);
        let window = Window::of(self.settings.warmup, hold, summary.aborted.as_ref());
        let measured_s = window.seconds();
        let achieved = if measured_s > 0.0 { window.verdicts(all) / measured_s } else { 0.0 };
        let attempts = summary.attempts.max(1) as f64;
        let not_judged = summary.verdicts[Verdict::NotJudged] as f64 / attempts;
        // How a step that was ended would have gone on nobody knows.
        let is_whole = summary.aborted.is_none();
        self.was_aborted = !is_whole;
        let drift = window.drift(&trial.medians).filter(|_| is_whole);
        // What this host could not do says nothing of the broker.
        let local = summary.outcomes[OutcomeKind::LocalError];
        let is_limited = local > 0 || summary.validity.verdict == Validity::GeneratorLimited;
        let mut why: Vec<String> = summary.aborted.iter().map(Aborted::words).collect();
        let objectives = threshold::judge(&plan.slo, plan, all, summary);
        why.extend(objectives.iter().filter(|judged| judged.passed != Some(true)).map(missed));
        let holds = why.is_empty();
        // Chance of Poisson arrivals: four standard deviations.
        let least = rate * SUSTAINED.min(1.0 - 4.0 / (rate * hold.as_secs_f64()).sqrt());
        let is_sustained = is_whole && achieved >= least;
        if is_whole && !is_sustained {
            why.push(format!("only {} verdicts a second", whole(achieved)));
        }
        if let Some(total) = drift {
            why.push(format!("the median response grew by {}", nanos(total)));
        }
        if is_limited {
            why.extend(summary.validity.reasons.first().map(ToString::to_string));
        }
        if local > 0 {
            why.push(format!("{} attempts met a limit of this host", count(local)));
        }
        if self.series.is_stopped() {
            why = vec!["interrupted".to_owned()];
        }
        let latency = all.latency(Phase::Connack, None, None, None);
        let at = |percent| (!latency.is_empty()).then(|| percentile(&latency, percent, timeout));
        let step = Step {
            step: self.steps.len() + 1,
            offered_per_s: rounded(rate),
            achieved_per_s: rounded(achieved),
            connack_p50_us: at(50.0),
            connack_p99_us: at(99.0),
            not_judged_rate: not_judged,
            steady: is_sustained && drift.is_none(),
            passed: holds && is_sustained && drift.is_none() && !is_limited,
            purpose: purpose.to_owned(),
            measured_s,
            limited_by_generator: is_limited,
            why: why.join("; "),
            run: trial.name(),
        };
        // A hiccup of this host in one run is no limit of it.
        (self.outcome(trial, &step, holds && is_sustained), step)
    }

    fn outcome(&mut self, trial: &Trial, step: &Step, deserves_another: bool) -> Once {
        if self.series.is_stopped() {
            self.ended = Some("interrupted".into());
            Once::Ended
        } else if let Some(Lost { label, .. }) = trial.lost.first() {
            self.is_gone = true;
            self.ended = Some(format!(
                "the broker `{label}` ended by itself at {} a second",
                whole(step.offered_per_s)
            ));
            Once::Ended
        } else if let Some(stall) = stall(&trial.all).filter(|_| !step.limited_by_generator) {
            self.is_gone = true;
            self.ended = Some(format!(
                "the broker stalled at {} a second: no verdict came in the last {} of arrivals",
                whole(step.offered_per_s),
                nanos(stall as f64)
            ));
            Once::Ended
        } else if step.passed {
            Once::Held
        } else if deserves_another {
            Once::Again
        } else {
            Once::Failed
        }
    }

    fn found(&self) -> Found {
        let mut confirmed = self.confirmations.clone();
        let is_done = self.ended.is_none() && confirmed.len() == self.settings.confirm as usize;
        let low = confirmed.iter().copied().reduce(f64::min);
        let per_s = is_done.then(|| rounded(median(&mut confirmed)));
        let is_ours = !self.is_gone && self.failed.as_ref().is_none_or(|failed| failed.is_limited);
        let mut reasons = Vec::new();
        match &self.failed {
            Some(Failed { rate, is_limited: true, why, .. }) => {
                reasons.push(Reason::GeneratorAt(*rate, why.clone()));
            }
            Some(Failed { rate, why, .. }) => {
                reasons.push(Reason::FailedAt(*rate, why.clone()));
            }
            None if is_done => reasons.push(Reason::AllHeld(self.settings.most)),
            None => {}
        }
        if self.passed.is_empty()
            && self.ended.is_none()
            && let Some(failed) = &self.failed
        {
            let what = if is_ours {
                "the generator was the limit even"
            } else if failed.is_aborted {
                "a threshold ended the run even"
            } else {
                "the objectives do not hold even"
            };
            reasons.push(Reason::NotEven(what, self.settings.start));
        }
        let shared = |reason: &&Reason| matches!(reason, Reason::BusyHost { .. });
        if let Some(last) = &self.last {
            reasons.extend(last.summary.validity.reasons.iter().filter(shared).cloned());
        }
        Found {
            per_s,
            low_per_s: low.filter(|_| is_done).map(rounded),
            high_per_s: self
                .failed
                .as_ref()
                .filter(|_| !is_ours)
                .map(|failed| rounded(failed.rate)),
            limited_by: if is_ours { LimitedBy::Generator } else { LimitedBy::Broker },
            steps: self.steps.len(),
            confirmed: if is_done { self.settings.confirm } else { 0 },
            reasons,
            ended: self.ended.clone(),
        }
    }

    fn summary(&self, partial: bool) -> Summary {
        let mut summary = self.series.summary(partial, self.series.is_stopped());
        let found = self.found();
        if !summary.interrupted {
            // Overload is what a search looks for: only what ended it must not have been the generator.
            let is_ours = self.failed.as_ref().is_some_and(|failed| failed.is_limited);
            let is_limited = is_ours && !self.is_gone;
            summary.validity.verdict =
                if is_limited { Validity::GeneratorLimited } else { Validity::Valid };
            summary.validity.reasons = if is_ours { found.reasons.clone() } else { Vec::new() };
            // Files are those of the search as well.
            if !self.series.sum.cut.is_empty() {
                let cut = self.series.sum.cut.iter().cloned();
                summary.validity.reasons.extend(cut.map(Reason::Told));
                if !is_ours || self.is_gone {
                    summary.validity.verdict = Validity::Degraded;
                }
            }
        }
        if let Some(last) = &self.last {
            summary.monitor.clone_from(&last.summary.monitor);
        }
        summary.capacity = Some(found);
        summary
    }

    fn finish(self) -> Result<Trial> {
        let mut summary = self.summary(false);
        let measured = Measured::of(&self.series.plan, self.series.clock).unwrap_or_default();
        let per_s = summary.capacity.as_ref().and_then(|found| found.per_s);
        summary.yardstick = Yardstick::of(&measured.0)
            .map(|yardstick| per_s.map_or(yardstick.clone(), |per_s| yardstick.against(per_s)));
        if self.steps.is_empty() && !self.series.is_stopped() {
            return Err(Error::not_measured(self.ended.unwrap_or_default()));
        }
        Ok(Trial { held: self.last.map(Box::new), ..self.series.finish(summary)? })
    }
}

/// What one step came to.
enum Once {
    Held,
    /// Nothing but a drift, or this host, speaks against it.
    Again,
    Failed,
    /// This host can't make that rate.
    Unfit,
    /// The search can't go on.
    Ended,
}

/// The stretch of a run that is measured.
struct Window {
    from: u64,
    to: u64,
}

impl Window {
    /// In nanoseconds from the start of a run; of one that was ended, the part that ran.
    fn of(warmup: Duration, hold: Duration, aborted: Option<&Aborted>) -> Self {
        let from = nanoseconds(warmup);
        let end = aborted.map_or(u64::MAX, |aborted| (aborted.second + 1) * SECOND);
        Self { from, to: nanoseconds(warmup + hold).min(end).max(from) }
    }

    fn seconds(&self) -> f64 {
        (self.to - self.from) as f64 / SECOND as f64
    }

    /// Verdicts in it.
    fn verdicts(&self, all: &Measurements) -> f64 {
        let wanted = self.from / SLOT..self.to / SLOT;
        let slots = all.slots();
        (slots.first..)
            .zip(&slots.counts)
            .filter(|(slot, _)| wanted.contains(slot))
            .map(|(_, count)| f64::from(*count))
            .sum()
    }

    /// By how many nanoseconds the median response grew, where that is more than chance and more than a trifle.
    fn drift(&self, medians: &[Option<u64>]) -> Option<f64> {
        let seconds = self.from.div_ceil(SECOND) as usize..(self.to / SECOND) as usize;
        let own: Vec<f64> = medians
            .get(seconds.start.min(medians.len())..seconds.end.min(medians.len()))?
            .iter()
            .flatten()
            .map(|ns| *ns as f64)
            .collect();
        let trend = Trend::of(&own)?;
        let total = trend.slope * (own.len() - 1) as f64;
        let usual = median(&mut own.clone());
        (trend.is_clear() && total > (DRIFT * usual).max(LEAST_DRIFT)).then_some(total)
    }
}

/// An objective that did not hold, and what was observed.
fn missed(judged: &Judged) -> String {
    let observed = match &judged.observed {
        None => "nothing measured".to_owned(),
        // A count, a rate or a value; else a time.
        Some(observed) if judged.condition.starts_with(['c', 'r', 'v']) => observed.to_string(),
        Some(observed) => style::percentile(observed),
    };
    format!("{} {} ({observed})", judged.metric, judged.condition)
}

/// For how long before the last arrival no verdict came, where that is so long that a broker which is only slow does not
/// explain it.
fn stall(all: &Measurements) -> Option<u64> {
    let (first, last) = (all.mark(Mark::FirstStart)?, all.mark(Mark::LastScheduled)?);
    let answer = all.mark(Mark::LastAnswer).unwrap_or(first);
    let silent = last.saturating_sub(answer);
    (silent > (last.saturating_sub(first) / 3).max(2 * SECOND)).then_some(silent)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
