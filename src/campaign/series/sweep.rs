//! The same scenario at all combinations of some values, in an order that the seed shuffles.

use super::{Options, Series, Trial, control, first_line, is_final, narrowed, run_within};
use crate::{
    base::{
        clock::nanoseconds,
        error::{Error, Result},
        host::Limits,
        words::Verdict,
    },
    client::attempt::Phase,
    plan::Plan,
    record::{
        measure::latency::Latency,
        results::{
            Summary,
            reason::joined,
            series::{SweepRun, write_timed},
            sheets,
            time::percentile,
        },
    },
    scenario::{Algorithm, Loaded, Sweep},
    token::mixed,
};

/// Parts the random numbers of this order from others.
const ORDER_STREAM: u64 = 0x7377_6565;

/// Runs all combinations, each as often as the scenario says; a repeat of all comes before the next repeat of any.
pub(super) fn run(loaded: &Loaded, settings: &Sweep, options: &Options) -> Result<Trial> {
    let points = points(settings, loaded);
    let mut series = Series::open(loaded, options)?;
    series.planned = Some(points.len() * settings.repeat as usize);
    let mut rows: Vec<SweepRun> = Vec::new();
    'all: for repeat in 0..settings.repeat {
        for point in in_order(&points, loaded.scenario.seed, repeat) {
            let words = match settings.repeat {
                1 => point.words(),
                _ => format!("{} {}", point.words(), repeat + 1),
            };
            let one = point.narrow(loaded);
            let plan = Plan::new(&one, &Limits::read())?;
            match series.run(run_within, &one, &words, settings.rest) {
                Ok(trial) => {
                    let capacity = trial.summary.capacity.as_ref();
                    if let Some(ended) = capacity.and_then(|capacity| capacity.ended.as_ref()) {
                        series.sum.damage.push(format!("{words}: {ended}").into());
                    }
                    rows.push(point.row(rows.len() + 1, repeat + 1, &plan, &trial));
                }
                Err(error) if series.is_stopped() => drop(error),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    series.sum.damage.push(format!("{words}: {}", first_line(&error)).into());
                }
            }
            let written = write_timed(series.path(), &sheets::SWEEP, &rows);
            let summary = summary(&series, &rows, true);
            series.write(written, &summary);
            if series.is_stopped() {
                break 'all;
            }
        }
    }
    if rows.is_empty() && !series.is_stopped() {
        return Err(Error::not_measured(joined(&series.sum.damage)));
    }
    let summary = summary(&series, &rows, false);
    series.finish(summary)
}

/// Plans each combination, and of one that is a series again each run of that.
pub(super) fn check(loaded: &Loaded, settings: &Sweep) -> Result<()> {
    for point in points(settings, loaded) {
        if point == Point::default() {
            return Err(Error::usage("`sweep` has `rsa_bits` alone, and no RSA key signs: there is nothing to sweep over")
                .hint("write `algorithm = [\"RS256\"]` beside it"));
        }
        let one = point.narrow(loaded);
        let plan = Plan::unchecked(&one, &Limits::read());
        let control = one.scenario.control.as_ref();
        let all = control.map_or(Ok(()), |control| control::check(&one, control));
        plan.map(drop)
            .and(all)
            .map_err(|error| error.within(format!("sweep at {}", point.words())))?;
    }
    Ok(())
}

fn summary(series: &Series, rows: &[SweepRun], partial: bool) -> Summary {
    let mut summary = series.summary(partial, series.is_stopped());
    let mut rows = rows.to_vec();
    rows.sort_by(|one, other| {
        key(one).partial_cmp(&key(other)).unwrap_or(std::cmp::Ordering::Equal)
    });
    summary.sweep = rows;
    // What failed in one run has failed, whatever all of them come to together.
    summary.aborted.clone_from(&series.sum.aborted);
    summary
}

/// By what the table is sorted: its axes, and the repeats within.
fn key(row: &SweepRun) -> (String, Option<u16>, u8, Option<u32>, Option<f64>, u32) {
    (row.algorithm.clone(), row.rsa_bits, row.protocol, row.token_bytes, row.bad_share, row.repeat)
}

/// One combination; `None` where the scenario's own value stands.
#[derive(Clone, Debug, Default, PartialEq)]
struct Point {
    algorithm: Option<Algorithm>,
    rsa_bits: Option<u16>,
    protocol: Option<u8>,
    bad_share: Option<f64>,
    token_bytes: Option<u32>,
}

/// The values of an axis, or the scenario's own.
fn axis<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
}

/// All combinations, each once.
fn points(sweep: &Sweep, loaded: &Loaded) -> Vec<Point> {
    let keys = &loaded.scenario.keys;
    let own = loaded.scenario.token.key.as_ref().and_then(|name| keys.get(name));
    let own = own.or_else(|| keys.values().next()).map(|key| key.algorithm);
    let mut points: Vec<Point> = Vec::new();
    for algorithm in axis(&sweep.algorithm) {
        let is_rsa = algorithm.or(own).is_some_and(|algorithm| algorithm.family() == "RSA");
        for rsa_bits in axis(&sweep.rsa_bits) {
            let rsa_bits = rsa_bits.filter(|_| is_rsa);
            for protocol in axis(&sweep.protocol) {
                for token_bytes in axis(&sweep.token_bytes) {
                    for bad_share in axis(&sweep.bad_share) {
                        let point = Point { algorithm, rsa_bits, protocol, bad_share, token_bytes };
                        if !points.contains(&point) {
                            points.push(point);
                        }
                    }
                }
            }
        }
    }
    points
}

/// The combinations in the order of a repeat.
fn in_order(points: &[Point], seed: u64, repeat: u32) -> Vec<Point> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|at| mixed(seed ^ ORDER_STREAM ^ u64::from(repeat) << 32, *at as u64));
    order.into_iter().map(|at| points[at].clone()).collect()
}

impl Point {
    fn words(&self) -> String {
        let parts = [
            self.algorithm.map(|algorithm| algorithm.to_string()),
            self.rsa_bits.map(|bits| format!("{bits} bits")),
            self.protocol.map(|version| format!("v{version}")),
            self.token_bytes.map(|bytes| format!("{bytes} bytes")),
            self.bad_share.map(|share| format!("bad {share}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn narrow(&self, loaded: &Loaded) -> Loaded {
        let parts = [
            self.algorithm.map(|algorithm| format!("sweep.algorithm=[\"{algorithm}\"]")),
            self.rsa_bits.map(|bits| format!("sweep.rsa_bits=[{bits}]")),
            self.protocol.map(|version| format!("sweep.protocol=[{version}]")),
            self.token_bytes.map(|bytes| format!("sweep.token_bytes=[{bytes}]")),
            self.bad_share.map(|share| format!("sweep.bad_share=[{share:?}]")),
        ];
        let arguments: Vec<String> = parts.into_iter().flatten().collect();
        narrowed(loaded, &arguments, |scenario| {
            scenario.sweep = Some(Sweep {
                algorithm: self.algorithm.into_iter().collect(),
                rsa_bits: self.rsa_bits.into_iter().collect(),
                protocol: self.protocol.into_iter().collect(),
                bad_share: self.bad_share.into_iter().collect(),
                token_bytes: self.token_bytes.into_iter().collect(),
                ..Sweep::default()
            });
        })
    }

    fn row(&self, trial_number: usize, repeat: u32, plan: &Plan, trial: &Trial) -> SweepRun {
        // Of a search, the columns are those of its last run that held: the others were overload.
        let capacity = trial.summary.capacity.as_ref();
        let is_empty = capacity.is_some() && trial.held.is_none();
        let one = trial.held.as_deref().unwrap_or(trial);
        let (summary, all) = (&one.summary, &one.all);
        let timeout = nanoseconds(plan.load().connect_timeout);
        let at = |latency: &Latency, percent| {
            (!latency.is_empty() && !is_empty).then(|| percentile(latency, percent, timeout))
        };
        let whole = all.latency(Phase::Connack, None, None, None);
        let good: Vec<usize> = (0..plan.mould.kinds.len())
            .filter(|kind| plan.mould.kinds[*kind].defect.group.is_none())
            .collect();
        let good = all.latency_of(Phase::Connack, &good);
        let key = plan.signing_key().map(|key| &plan.mould.keys[key]);
        let monitor = summary.monitor.as_ref();
        let attempts = summary.attempts.max(1) as f64;
        SweepRun {
            trial: trial_number,
            repeat,
            algorithm: key.map_or_else(|| "-".into(), |key| key.algorithm.to_string()),
            rsa_bits: key
                .filter(|key| key.algorithm.family() == "RSA")
                .map(|key| key.signature_length() as u16 * 8),
            protocol: plan.protocol.into(),
            bad_share: self.bad_share,
            token_bytes: self.token_bytes,
            attempts: summary.attempts,
            verdicts_per_s: summary.throughput.verdicts_per_s,
            connack_p50_us: at(&whole, 50.0),
            connack_p99_us: at(&whole, 99.0),
            good_connack_p50_us: at(&good, 50.0),
            good_connack_p99_us: at(&good, 99.0),
            not_judged_rate: summary.verdicts[Verdict::NotJudged] as f64 / attempts,
            false_accepts: trial.summary.verdicts[Verdict::FalseAccept],
            false_rejects: trial.summary.verdicts[Verdict::FalseReject],
            broker_cpu_us_per_verdict: monitor.and_then(|it| it.broker.cpu_us_per_verdict),
            harness_cpu_us_per_verdict: monitor.and_then(|it| it.harness.cpu_us_per_verdict),
            bytes_per_connection: monitor.and_then(|it| it.broker.bytes_per_connection),
            yardstick_per_s: trial.summary.yardstick.as_ref().map(|it| it.mixed_per_s),
            capacity_per_s: capacity.and_then(|it| it.per_s),
            capacity_low_per_s: capacity.and_then(|it| it.low_per_s),
            capacity_high_per_s: capacity.and_then(|it| it.high_per_s),
            capacity_limited_by: capacity.map(|it| it.limited_by),
            capacity_ended: capacity.and_then(|it| it.ended.clone()),
            validity: trial.summary.validity.verdict,
            run: trial.name(),
        }
    }
}
