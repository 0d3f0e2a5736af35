//! From measurements to what the files say: counts by name, phases by part, throughput.

use std::collections::BTreeMap;

use super::{
    operations::Lifetime,
    summary::{Generator, Part, Per100Ms, Phases, Sessions, Throughput, TlsStats},
    time::PhaseStats,
};
use crate::{
    base::{
        clock::SECOND,
        words::{Counts, OutcomeKind, Phase, Verdict},
    },
    client::verdict::Expectation,
    plan::{Model, Plan},
    record::measure::{Count, Mark, Measurements, SLOT, Tally, latency::Latency},
    token::recipe::{Also, Refusal},
};

/// Counts of outcomes and verdicts over the tallies that `select` keeps.
pub fn counts(
    tallies: &[(Tally, u64)],
    select: impl Fn(&Tally) -> bool,
) -> (Counts<OutcomeKind>, Counts<Verdict>) {
    let kept = || tallies.iter().filter(|(tally, _)| select(tally));
    (
        kept().map(|(tally, count)| (tally.outcome.kind(), *count)).collect(),
        kept().map(|(tally, count)| (tally.verdict, *count)).collect(),
    )
}

/// How many attempts were accepted, how many refused, and how many neither, of those that `select` keeps.
pub fn answers(tallies: &[(Tally, u64)], select: impl Fn(&Tally) -> bool) -> (u64, u64, u64) {
    let (outcomes, _) = counts(tallies, select);
    let (accepted, refused) = (outcomes[OutcomeKind::Accepted], outcomes[OutcomeKind::Refused]);
    (accepted, refused, outcomes.sum() - accepted - refused)
}

/// Attempts by outcome and code, as files have them.
pub fn codes(tallies: &[(Tally, u64)]) -> BTreeMap<OutcomeKind, BTreeMap<String, u64>> {
    let mut codes: BTreeMap<OutcomeKind, BTreeMap<String, u64>> = BTreeMap::new();
    for (tally, count) in tallies {
        let outcome = codes.entry(tally.outcome.kind()).or_default();
        *outcome.entry(tally.outcome.code().to_string()).or_default() += count;
    }
    codes
}

/// What was wrong with the tokens that should have been good, by groups of defects, where every single one of these had to
/// be refused; nothing where one had not, or the run has no such tokens.
pub fn nothing_good(plan: &Plan, tallies: &[(Tally, u64)]) -> Vec<String> {
    // Fetched tokens are of this kind too. An attempt that came to nothing says nothing about its token.
    let should_be_good = |tally: &Tally| {
        let is_good = plan.mould.kinds[tally.kind].defect.is_good();
        // What a file says is to be refused was never meant to be good.
        let is_meant =
            matches!(tally.expected, Expectation::Refuse(Refusal { also: Also::AnyReason, .. }));
        let is_about_it = !plan.is_aside(tally.kind) && !is_meant;
        is_good && is_about_it && tally.verdict != Verdict::NotJudged
    };
    let mut groups = Vec::new();
    for (tally, _) in tallies.iter().filter(|(tally, _)| should_be_good(tally)) {
        let Expectation::Refuse(refusal) = tally.expected else { return Vec::new() };
        let name = refusal.group.name().to_owned();
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    groups
}

/// Whether both answers were right for every token that was answered, of a run whose tokens others made: then no answer says
/// anything. Of its own tokens a run knows what they are, and for how long both answers to them are right.
pub fn nothing_promised(plan: &Plan, tallies: &[(Tally, u64)]) -> bool {
    let mut judged =
        tallies.iter().filter(|(tally, _)| tally.verdict != Verdict::NotJudged).peekable();
    (plan.is_issued_elsewhere() || plan.rows.is_some())
        && judged.peek().is_some()
        && judged.all(|(tally, _): &(Tally, u64)| {
            matches!(tally.expected, Expectation::Either(_)) && !tally.verdict.is_wrong()
        })
}

/// Statistics of all phases that somebody entered.
pub fn phases(plan: &Plan, latency: impl Fn(Phase) -> Latency) -> Phases {
    Phase::ALL
        .into_iter()
        .filter_map(|phase| Some((phase, PhaseStats::new(&latency(phase), plan.limit(phase))?)))
        .collect()
}

/// The result of one kind of token.
pub fn token(plan: &Plan, all: &Measurements, tallies: &[(Tally, u64)], kind: usize) -> Part {
    let phases = phases(plan, |phase| all.latency(phase, Some(kind), None, None));
    let lifetime = Lifetime::of(all, Some(kind), None);
    let of = &plan.mould.kinds[kind];
    let own = (of.label != of.defect.name).then(|| of.defect.name.to_owned());
    Part { lifetime, kind: own, ..part(tallies, |tally| tally.kind == kind, phases) }
}

/// The result of one broker.
pub fn broker(plan: &Plan, all: &Measurements, tallies: &[(Tally, u64)], broker: usize) -> Part {
    let phases = phases(plan, |phase| all.latency(phase, None, Some(broker), None));
    let (tls, lifetime) = (tls(all, Some(broker)), Lifetime::of(all, None, Some(broker)));
    Part { tls, lifetime, ..part(tallies, |tally| tally.broker == broker, phases) }
}

/// TLS handshakes with one broker or all; `None` where there was none.
pub fn tls(all: &Measurements, broker: Option<usize>) -> Option<TlsStats> {
    let mut stats = TlsStats::default();
    for (handshake, count) in all.handshakes(broker) {
        stats.handshakes += count;
        stats.resumed += if handshake.is_resumed { count } else { 0 };
        *stats.suites.entry(handshake.words()).or_default() += count;
    }
    stats.resumed_share = stats.resumed as f64 / stats.handshakes as f64;
    (stats.handshakes > 0).then_some(stats)
}

fn part(tallies: &[(Tally, u64)], select: impl Fn(&Tally) -> bool, phases: Phases) -> Part {
    let (outcomes, verdicts) = counts(tallies, select);
    let attempts = outcomes.sum();
    Part { attempts, outcomes, verdicts, phases, ..Part::default() }
}

/// What became of accepted clients.
pub fn sessions(all: &Measurements) -> Sessions {
    let dropped = all.dropped();
    Sessions {
        held: all[Count::Held],
        dropped: dropped.sum(),
        dropped_by_code: dropped
            .into_iter()
            .map(|(code, count)| (code.to_string(), *count))
            .collect(),
    }
}

/// Verdicts a second from the first start to the last answer, never over the hold; of waves, over the `busy` nanoseconds
/// from their releases to their last answers.
pub fn throughput(plan: &Plan, all: &Measurements, storm: u64, busy: u64) -> Throughput {
    let span = match (all.mark(Mark::FirstStart), all.mark(Mark::LastAnswer)) {
        _ if matches!(plan.model, Model::Preconnect(_)) => busy as f64 / SECOND as f64,
        (Some(first), Some(last)) if last > first => (last - first) as f64 / SECOND as f64,
        _ => 0.0,
    };
    let judged: u64 = all.slots().counts.iter().map(|count| u64::from(*count)).sum();
    let offered = match &plan.model {
        // `n` arrivals part `n - 1` gaps; a single one has no rate.
        Model::Open { .. } => {
            all.mark(Mark::LastScheduled).filter(|last| *last > storm).map(|last| {
                all.clients().saturating_sub(1) as f64 / ((last - storm) as f64 / SECOND as f64)
            })
        }
        Model::Preconnect(waves) => waves.rate,
        Model::Closed { .. } => None,
    };
    Throughput {
        offered_per_s: offered,
        verdicts_per_s: if span > 0.0 { judged as f64 / span } else { 0.0 },
        per_100ms: per_100ms(plan, all, storm),
    }
}

/// The distribution of verdicts over the slots from that of the first start to the last one that
/// ended before the last answer came; a run shorter than that has its one slot. Of waves, those slots in which there was
/// a verdict.
fn per_100ms(plan: &Plan, all: &Measurements, storm: u64) -> Per100Ms {
    let (Some(first), Some(last)) = (all.mark(Mark::FirstStart), all.mark(Mark::LastAnswer)) else {
        return Per100Ms::default();
    };
    let slots = all.slots();
    let mut counts: Vec<u64> = slots.counts.iter().map(|count| u64::from(*count)).collect();
    // Slots before the first verdict had none, nor had those in which nothing but overload was said.
    let slot = |at: u64| at.saturating_sub(storm) / SLOT;
    let idle = slots.first.saturating_sub(slot(first));
    counts.splice(0..0, std::iter::repeat_n(0, idle as usize));
    counts.resize((slot(last) - slot(first)) as usize + 1, 0);
    if counts.len() > 1 && last.saturating_sub(storm) % SLOT != SLOT - 1 {
        counts.pop();
    }
    if matches!(plan.model, Model::Preconnect(_)) {
        counts.retain(|count| *count > 0);
    }
    let Ok(mut histogram) = hdrhistogram::Histogram::<u32>::new(3) else {
        return Per100Ms::default();
    };
    for count in counts {
        // Grows as needed, so that it can't fail below 2^62.
        let _ = histogram.record(count);
    }
    Per100Ms {
        p1: histogram.value_at_quantile(0.01),
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}

/// CPU time of the clients' threads, and that a single attempt took of it.
pub fn generator(all: &Measurements, used: &Generator) -> Generator {
    let cpu_s = all[Count::CpuNs] as f64 / 1e9;
    let attempts = all.attempts().saturating_sub(all[Count::EndedAfter]).max(1) as f64;
    Generator { cpu_s, cpu_us_per_attempt: cpu_s * 1e6 / attempts, ..used.clone() }
}

#[cfg(test)]
mod tests;
