//! What verifying costs: the same load without tokens, with one token, and with a token for each, in turn.

use std::collections::BTreeMap;

use super::{Options, Series, Trial, first_line, is_final, narrowed};
use crate::{
    base::{error::Result, host::Limits, words::OutcomeKind},
    plan::Plan,
    record::results::{
        Reason, Summary,
        monitor::Used,
        series::{ArmStats, Control as Compared, ControlRun, Difference, Interval, write},
        sheets,
        trend::median,
    },
    scenario::{Arm, Control, Loaded, Monitor},
    token::mixed,
};

/// Parts the random numbers of this order from others.
const ORDER_STREAM: u64 = 0x636f_6e74;

/// Runs all arms in each round, in another order each time.
pub(super) fn run(loaded: &Loaded, settings: &Control, options: &Options) -> Result<Trial> {
    let mut series = Series::open(loaded, options)?;
    let arms = in_order(settings, loaded.scenario.seed, 0).len();
    series.planned = Some(arms * settings.repeat as usize);
    let mut runs: Vec<ControlRun> = Vec::new();
    'all: for round in 0..settings.repeat {
        for arm in in_order(settings, loaded.scenario.seed, round) {
            let one = narrow(loaded, arm);
            let words = format!("{} {}", arm.name(), round + 1);
            match series.run(Trial::run, &one, &words, settings.rest) {
                // Half a run is no pair of a whole one.
                Ok(_) if series.is_stopped() => {}
                Ok(trial) => {
                    let accepted = trial.summary.outcomes[OutcomeKind::Accepted];
                    if arm == Arm::Without && accepted < trial.summary.attempts {
                        series.sum.damage.push(Reason::Told(format!(
                            "{words}: only {accepted} of {} were let in without a token, so that refusals are compared with accepts: `control.target` names a broker that lets them in",
                            trial.summary.attempts
                        )));
                    }
                    if trial.summary.aborted.is_some() {
                        series.sum.notes.push(Reason::Told(format!(
                            "{words}: in no median and no difference, as a threshold ended it"
                        )));
                    } else {
                        runs.push(row(round, arm, &trial));
                    }
                }
                Err(error) if series.is_stopped() => drop(error),
                Err(error) if is_final(&error) || series.sum.start.is_none() => return Err(error),
                Err(error) => {
                    series
                        .sum
                        .damage
                        .push(Reason::Told(format!("{words}: {}", first_line(&error))));
                }
            }
            let rows = write(series.path(), &sheets::CONTROL, &runs);
            let summary = summary(&series, &runs, true);
            series.write(rows, &summary);
            if series.is_stopped() {
                break 'all;
            }
        }
    }
    let summary = summary(&series, &runs, false);
    series.finish(summary)
}

/// Plans each arm.
pub(super) fn check(loaded: &Loaded, settings: &Control) -> Result<()> {
    for &arm in &settings.arms {
        Plan::unchecked(&narrow(loaded, arm), &Limits::read())
            .map_err(|error| error.within(format!("control, arm `{}`", arm.name())))?;
    }
    Ok(())
}

/// The arms in the order of a round, which follows from the seed.
fn in_order(settings: &Control, seed: u64, round: u32) -> Vec<Arm> {
    let mut arms = settings.arms.clone();
    arms.sort_unstable();
    arms.dedup();
    arms.sort_by_key(|arm| mixed(seed ^ ORDER_STREAM, u64::from(round) << 8 | *arm as u64));
    arms
}

fn narrow(loaded: &Loaded, arm: Arm) -> Loaded {
    narrowed(loaded, &[format!("control.arms=[\"{}\"]", arm.name())], |scenario| {
        if let Some(control) = &mut scenario.control {
            control.arms = vec![arm];
        }
        // CPU is half of the answer.
        scenario.monitor.get_or_insert_with(Monitor::default);
    })
}

fn row(round: u32, arm: Arm, trial: &Trial) -> ControlRun {
    let summary = &trial.summary;
    let connack = summary.phases.get(&summary.verdict_phase());
    let cpu =
        |of: fn(&Summary) -> Option<&Used>| of(summary).and_then(|used| used.cpu_us_per_verdict);
    ControlRun {
        round: round + 1,
        arm: arm.name().into(),
        attempts: summary.attempts,
        verdicts_per_s: summary.throughput.verdicts_per_s,
        connack_p50_us: connack.and_then(|stats| stats.p50_us.number()),
        connack_p99_us: connack.and_then(|stats| stats.p99_us.number()),
        broker_cpu_us_per_verdict: cpu(|summary| Some(&summary.monitor.as_ref()?.broker)),
        harness_cpu_us_per_verdict: cpu(|summary| Some(&summary.monitor.as_ref()?.harness)),
        validity: summary.validity.verdict,
        run: trial.name(),
    }
}

fn summary(series: &Series, runs: &[ControlRun], partial: bool) -> Summary {
    let mut summary = series.summary(partial, series.is_stopped());
    summary.control = Some(compared(runs));
    // What failed in one run has failed, whatever the others come to.
    summary.aborted.clone_from(&series.sum.aborted);
    summary
}

/// What the arms have cost, and by how much they differ within a round.
fn compared(runs: &[ControlRun]) -> Compared {
    let of = |arm: Arm| runs.iter().filter(move |run| run.arm == arm.name());
    let all = [Arm::Without, Arm::Reused, Arm::Unique];
    let mut arms = BTreeMap::new();
    for arm in all.into_iter().filter(|arm| of(*arm).next().is_some()) {
        // A run whose percentile was a timeout has none: a median without it would flatter.
        let middle = |value: fn(&ControlRun) -> Option<f64>| {
            let mut values = of(arm).map(value).collect::<Option<Vec<f64>>>()?;
            (!values.is_empty()).then(|| median(&mut values))
        };
        arms.insert(
            arm.name().to_owned(),
            ArmStats {
                runs: of(arm).count(),
                connack_p50_us: middle(|run| run.connack_p50_us),
                connack_p99_us: middle(|run| run.connack_p99_us),
                verdicts_per_s: middle(|run| Some(run.verdicts_per_s)).unwrap_or_default(),
                broker_cpu_us_per_verdict: middle(|run| run.broker_cpu_us_per_verdict),
                harness_cpu_us_per_verdict: middle(|run| run.harness_cpu_us_per_verdict),
            },
        );
    }
    let mut differences = BTreeMap::new();
    for (more, less) in
        [(Arm::Unique, Arm::Without), (Arm::Unique, Arm::Reused), (Arm::Reused, Arm::Without)]
    {
        let pairs = |value: fn(&ControlRun) -> Option<f64>| -> Vec<f64> {
            let both = of(more).filter_map(|run| {
                of(less).find(|other| other.round == run.round).map(|other| (run, other))
            });
            let differences = both.map(|(run, other)| Some(value(run)? - value(other)?));
            differences.collect::<Option<_>>().unwrap_or_default()
        };
        let difference = Difference {
            connack_p50_us: Interval::of(&pairs(|run| run.connack_p50_us)),
            broker_cpu_us_per_verdict: Interval::of(&pairs(|run| run.broker_cpu_us_per_verdict)),
        };
        if difference.connack_p50_us.is_some() || difference.broker_cpu_us_per_verdict.is_some() {
            differences.insert(format!("{} - {}", more.name(), less.name()), difference);
        }
    }
    let rounds = runs.iter().map(|run| run.round).max().unwrap_or_default() as usize;
    Compared { rounds, arms, differences }
}
