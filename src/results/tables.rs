//! From measurements to what the files say: counts by name, phases by part, throughput.

use std::collections::BTreeMap;

use super::summary::{Counts, Generator, Part, Per100Ms, PhaseStats, Phases, Sessions, Throughput};
use crate::{
    attempt::Phase,
    clock::SECOND,
    measure::{Measurements, SLOT, Tally, latency::Latency},
    plan::{
        Model, Plan,
        threshold::{OUTCOMES, VERDICTS},
    },
};

/// Counts of outcomes and verdicts over the tallies that `select` keeps: every name is there.
pub fn counts(tallies: &[(Tally, u64)], select: impl Fn(&Tally) -> bool) -> (Counts, Counts) {
    let zeros = |names: &[&str]| -> Counts {
        names.iter().map(|name| ((*name).to_owned(), 0_u64.into())).collect()
    };
    let (mut outcomes, mut verdicts) = (zeros(&OUTCOMES), zeros(&VERDICTS));
    for (tally, count) in tallies.iter().filter(|(tally, _)| select(tally)) {
        for (counts, name) in
            [(&mut outcomes, tally.outcome.name()), (&mut verdicts, tally.verdict.name())]
        {
            let sum =
                counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default() + count;
            counts.insert(name.to_owned(), sum.into());
        }
    }
    (outcomes, verdicts)
}

/// Attempts by outcome and code, as files have them.
pub fn codes(tallies: &[(Tally, u64)]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut codes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (tally, count) in tallies {
        let outcome = codes.entry(tally.outcome.name().to_owned()).or_default();
        *outcome.entry(tally.outcome.code().to_string()).or_default() += count;
    }
    codes
}

/// Statistics of all phases that somebody entered.
pub fn phases(latency: impl Fn(Phase) -> Latency, timeout: u64) -> Phases {
    Phase::ALL
        .into_iter()
        .filter_map(|phase| {
            Some((phase.name().to_owned(), PhaseStats::new(&latency(phase), timeout)?))
        })
        .collect()
}

/// The result of one kind of token.
pub fn token(all: &Measurements, tallies: &[(Tally, u64)], kind: usize, timeout: u64) -> Part {
    let of_kind = |tally: &Tally| tally.kind == kind;
    part(tallies, of_kind, phases(|phase| all.latency(phase, Some(kind), None, None), timeout))
}

/// The result of one broker.
pub fn broker(all: &Measurements, tallies: &[(Tally, u64)], broker: usize, timeout: u64) -> Part {
    let of_broker = |tally: &Tally| tally.broker == broker;
    part(tallies, of_broker, phases(|phase| all.latency(phase, None, Some(broker), None), timeout))
}

fn part(tallies: &[(Tally, u64)], select: impl Fn(&Tally) -> bool + Copy, phases: Phases) -> Part {
    let (outcomes, verdicts) = counts(tallies, select);
    let attempts = tallies.iter().filter(|(tally, _)| select(tally)).map(|(_, count)| count).sum();
    Part { attempts, outcomes, verdicts, phases }
}

/// What became of accepted clients.
pub fn sessions(all: &Measurements) -> Sessions {
    Sessions {
        held: all.sessions.held,
        dropped: all.sessions.dropped.iter().map(|(_, count)| count).sum(),
        dropped_by_code: all
            .sessions
            .dropped
            .iter()
            .map(|(code, count)| (code.to_string(), *count))
            .collect(),
    }
}

/// Verdicts a second from the first start to the last answer, never over the hold.
pub fn throughput(plan: &Plan, all: &Measurements, storm: u64) -> Throughput {
    let span = match (all.first_start, all.last_answer) {
        (Some(first), Some(last)) if last > first => (last - first) as f64 / SECOND as f64,
        _ => 0.0,
    };
    let slots = all.verdict_slots();
    let judged: u64 = slots.iter().map(|count| u64::from(*count)).sum();
    let offered = match &plan.model {
        // `n` arrivals part `n - 1` gaps; a single one has no rate.
        Model::Open { .. } => all.last_scheduled.filter(|last| *last > storm).map(|last| {
            all.started.saturating_sub(1) as f64 / ((last - storm) as f64 / SECOND as f64)
        }),
        Model::Closed { .. } => None,
    };
    Throughput {
        offered_per_s: offered,
        verdicts_per_s: if span > 0.0 { judged as f64 / span } else { 0.0 },
        per_100ms: per_100ms(all, storm),
    }
}

/// The distribution of verdicts over the slots from that of the first start to the last one that
/// ended before the last answer came; a run shorter than that has its one slot.
fn per_100ms(all: &Measurements, storm: u64) -> Per100Ms {
    let (Some(first), Some(last)) = (all.first_start, all.last_answer) else {
        return Per100Ms::default();
    };
    let mut counts: Vec<u64> = all.verdict_slots().iter().map(|count| u64::from(*count)).collect();
    // Slots before the first verdict had none, nor had those in which nothing but overload was said.
    let slot = |at: u64| at.saturating_sub(storm) / SLOT;
    let idle = all.first_verdict_slot().saturating_sub(slot(first));
    counts.splice(0..0, std::iter::repeat_n(0, idle as usize));
    counts.resize((slot(last) - slot(first)) as usize + 1, 0);
    if counts.len() > 1 && last.saturating_sub(storm) % SLOT != SLOT - 1 {
        counts.pop();
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
    let cpu_s = all.cpu_ns as f64 / 1e9;
    let attempts = all.attempts().max(1) as f64;
    Generator { cpu_s, cpu_us_per_attempt: cpu_s * 1e6 / attempts, ..used.clone() }
}
