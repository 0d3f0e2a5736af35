//! Edges of a verifier, found with real connects: how much leeway it has, how long a password it takes, when one and the
//! same token turns good and bad, and whether its times tell which check failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{HEAD_START, TLS_HEAD_START, spawn, storm::Storm, target::Targets};
use crate::{
    attempt::{Outcome, Phase},
    clock::Clock,
    error::{Error, Result},
    host::Limits,
    measure::{Answer, Measurements},
    plan::Plan,
    results::edges::{Edge, Edges, Tell, shift},
    scenario::Protocol,
    supply::{Supply, signal::Signal},
    token::{
        Kind, Must,
        catalogue::defect,
        mixed,
        recipe::{Exp, GOOD, Recipe, Twist},
    },
};

/// Connects a second: slow enough that one is over before the next begins, for most brokers.
const RATE: f64 = 100.0;
/// Candidates that are tried at once: a search in twenty parts is over in few rounds.
const AT_ONCE: u64 = 20;
/// How often each of the kinds whose times are compared is sent.
const TIMED: usize = 60;
/// Slots a second in which one token is brought again and again.
const SLOTS_A_SECOND: usize = 20;
/// A day, which no leeway is.
const LONGEST: u64 = 86_400;

/// Kinds whose refusals fail at different checks; the first is the one that others are compared with.
const CHECKS: [&str; 12] = [
    "wrong_key",
    "signature_stripped",
    "alg_none",
    "unknown_kid",
    "expired",
    "not_yet_valid",
    "wrong_issuer",
    "wrong_audience",
    "stolen",
    "not_a_jwt",
    "segments_2",
    "payload_not_json",
];

/// Finds the edges of the first broker of a matrix' plan.
///
/// # Errors
/// When no broker can be started or reached, or good tokens are refused: then there is no edge to be found.
pub fn probe(plan: Plan, stop: &Arc<AtomicBool>) -> Result<Edges> {
    let targets = Targets::start(&plan)?;
    let protocol = plan.policy.protocols.last().copied().unwrap_or(plan.protocol);
    let mut prober = Prober { plan: Some(plan), targets, stop: Arc::clone(stop), protocol };
    let [good] = prober.accepted(&[GOOD])?[..] else { return Err(no_answer()) };
    if !good {
        return Err(Error::not_measured("good tokens are refused: there is no edge to be found")
            .hint("look at the cells of group `control` first"));
    }
    let expired =
        |seconds: u64| Recipe { exp: Exp::Absent, claims: claim("exp", -(seconds as i64)), ..GOOD };
    let early = |seconds: u64| Recipe { claims: claim("nbf", seconds as i64), ..GOOD };
    let long = |bytes: u64| Recipe { twist: Twist::Length(bytes as usize), ..GOOD };
    let leeway_exp = prober.search((0, LONGEST), 1, expired)?;
    let leeway_nbf = prober.search((1, LONGEST), 1, early)?;
    let password = prober.search((1024, 65_535), 4, long)?;
    let turns = prober.turns(leeway_exp, leeway_nbf)?;
    let (refusal_delay_us, tells) = prober.times()?;
    Ok(Edges {
        protocol: protocol.into(),
        leeway_exp_s: leeway_exp,
        leeway_nbf_s: leeway_nbf,
        longest_token: password,
        turns_good_s: turns.0,
        turns_bad_s: turns.1,
        refusal_delay_us,
        tells,
    })
}

fn no_answer() -> Error {
    Error::not_measured("the broker did not answer the probes")
        .hint("`tokenstorm doctor` looks at names and brokers")
}

/// A claim so many seconds from the moment of use. Leaked: a recipe's texts live as long as the catalogue.
fn claim(name: &'static str, seconds: i64) -> &'static [(&'static str, &'static str)] {
    let text: &'static str = Box::leak(format!("$now{seconds:+}").into_boxed_str());
    // An `iat` after `exp` would be another defect.
    Box::leak(vec![("iat", ""), (name, text)].into_boxed_slice())
}

struct Prober {
    /// Taken by each volley, and given back.
    plan: Option<Plan>,
    targets: Targets,
    stop: Arc<AtomicBool>,
    protocol: Protocol,
}

impl Prober {
    /// Sends kinds in this order and returns what was seen.
    fn volley(
        &mut self,
        kinds: Vec<Kind>,
        round: Vec<usize>,
        rate: f64,
        shares_token: bool,
    ) -> Result<Measurements> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted while probing: no edges were found"));
        }
        let plan = self.plan.take().ok_or_else(no_answer)?;
        let plan = Arc::new(plan.volley(kinds, round, rate, shares_token)?);
        let seen = volley(&plan, &self.targets);
        // All threads that had it have ended.
        self.plan = Arc::try_unwrap(plan).ok();
        seen
    }

    fn kind(&self, recipe: Recipe) -> Result<Kind> {
        let fresh = defect("fresh").ok_or_else(no_answer)?;
        Ok(Kind {
            label: "probe".to_owned(),
            defect: fresh,
            recipe,
            must: Must::AcceptInTime,
            key: self.plan.as_ref().and_then(Plan::signing_key),
            protocol: self.protocol,
            share: 1.0,
        })
    }

    /// Which of these the broker accepts.
    fn accepted(&mut self, recipes: &[Recipe]) -> Result<Vec<bool>> {
        let kinds = recipes.iter().map(|recipe| self.kind(*recipe)).collect::<Result<Vec<_>>>()?;
        let round: Vec<usize> = (0..kinds.len()).collect();
        let seen = self.volley(kinds, round, RATE, false)?;
        Ok((0..recipes.len()).map(|kind| is_accepted(&seen, kind) == Some(true)).collect())
    }

    /// The largest value that is accepted and the smallest that is not, between these bounds and so near to each other;
    /// `None` on a side that there is not.
    fn search(
        &mut self,
        (least, most): (u64, u64),
        step: u64,
        recipe: impl Fn(u64) -> Recipe,
    ) -> Result<Edge> {
        let mut edge = Edge { accepted: None, refused: None };
        let (mut low, mut high) = (least, most);
        loop {
            let candidates = spread(low, high, step);
            let recipes: Vec<Recipe> = candidates.iter().map(|value| recipe(*value)).collect();
            let answers = self.accepted(&recipes)?;
            // The first that is refused: what lies beyond it is of no matter.
            let first = answers.iter().position(|accepted| !accepted);
            match first {
                None => {
                    edge.accepted = candidates.last().copied().or(edge.accepted);
                    return Ok(edge);
                }
                Some(0) => {
                    edge.refused = Some(candidates[0]);
                    return Ok(edge);
                }
                Some(first) => {
                    (low, high) = (candidates[first - 1], candidates[first]);
                    edge = Edge { accepted: Some(low), refused: Some(high) };
                    if high - low <= step {
                        return Ok(edge);
                    }
                }
            }
        }
    }

    /// How long after `nbf` one and the same token turns good, and after `exp` bad, in seconds; `None` where it does not
    /// within the time that it is watched.
    fn turns(&mut self, exp: Edge, nbf: Edge) -> Result<(Option<f64>, Option<f64>)> {
        // The leeway as found, so that both turns fall into the time that is watched.
        let (before, after) = (nbf.accepted.unwrap_or(0), exp.refused.unwrap_or(0));
        if before > 600 || after > 600 || nbf.refused.is_none() || exp.refused.is_none() {
            return Ok((None, None));
        }
        let (begins, ends) = (before as i64 + 2, 5 - after as i64);
        let text = |seconds: i64| -> &'static str {
            Box::leak(format!("$now{seconds:+}").into_boxed_str())
        };
        let claims: &'static [_] = Box::leak(
            vec![("iat", ""), ("nbf", text(begins)), ("exp", text(ends))].into_boxed_slice(),
        );
        let recipe = Recipe { exp: Exp::Absent, claims, ..GOOD };
        let slots = 8 * SLOTS_A_SECOND;
        let kinds = (0..slots).map(|_| self.kind(recipe)).collect::<Result<Vec<_>>>()?;
        let seen = self.volley(kinds, (0..slots).collect(), SLOTS_A_SECOND as f64, true)?;
        let answers: Vec<Option<bool>> = (0..slots).map(|slot| is_accepted(&seen, slot)).collect();
        let Some(begun) = seen.first_start else { return Ok((None, None)) };
        let clock = Clock::start();
        // `$now` is the second in which the first was due: what of it had passed by then shifts all.
        let offset = clock.wall(begun).rem_euclid(1_000_000_000) as f64 / 1e9;
        let at = |slot: usize| slot as f64 / SLOTS_A_SECOND as f64 + offset;
        let turned = |from: bool, to: bool, after: usize| {
            let mut pairs = answers.windows(2).enumerate().skip(after);
            pairs
                .find(|(_, pair)| pair[0] == Some(from) && pair[1] == Some(to))
                .map(|(slot, _)| slot + 1)
        };
        let good = turned(false, true, 0);
        let bad = turned(true, false, good.unwrap_or(0));
        Ok((good.map(|slot| at(slot) - begins as f64), bad.map(|slot| at(slot) - ends as f64)))
    }

    /// How much longer a refusal takes than an accept, in microseconds, and which checks its times tell apart.
    fn times(&mut self) -> Result<(Option<f64>, Vec<Tell>)> {
        let names = || std::iter::once("fresh").chain(CHECKS);
        let mut kinds = Vec::new();
        for entry in names().filter_map(defect) {
            let build = (entry.build)(entry.default_by().unwrap_or_default());
            kinds.push(Kind { defect: entry, ..self.kind(build)? });
        }
        let count = kinds.len();
        // In another order each time: what a broker does after one answer must not fall on the same kind always.
        let round: Vec<usize> = (0..TIMED as u64)
            .flat_map(|turn| {
                let mut kinds: Vec<usize> = (0..count).collect();
                kinds.sort_by_key(|kind| mixed(turn, *kind as u64));
                kinds
            })
            .collect();
        let seen = self.volley(kinds, round, RATE, false)?;
        let samples = |kind: usize, answer: Answer| -> Vec<f64> {
            let latency = seen.latency(Phase::Connack, Some(kind), None, Some(answer));
            let times = latency.times.iter().flat_map(|times| times.iter_recorded());
            times
                .flat_map(|value| {
                    let us = value.value_iterated_to() as f64 / 1e3;
                    std::iter::repeat_n(us, value.count_at_value() as usize)
                })
                .collect()
        };
        let (good, usual) = (samples(0, Answer::Accepted), samples(1, Answer::Refused));
        let compared = CHECKS.len() - 1;
        let tells = CHECKS[1..].iter().enumerate().filter_map(|(at, name)| {
            let own = samples(at + 2, Answer::Refused);
            shift(&usual, &own, compared).map(|shift| Tell { defect: (*name).to_owned(), shift })
        });
        let tells = tells.collect();
        Ok((shift(&good, &usual, 1).map(|shift| shift.us), tells))
    }
}

/// Values between two bounds: few where they are far apart, in steps that grow, both bounds among them.
fn spread(low: u64, high: u64, step: u64) -> Vec<u64> {
    let width = high - low;
    let mut values = vec![low];
    if low < 2 && width > AT_ONCE * AT_ONCE {
        // The leeways that people set.
        values.extend([1, 2, 5, 10, 30, 59, 60, 61, 90, 120, 299, 300, 301, 600, 601, 3600]);
    } else {
        let stride = (width / AT_ONCE).max(step);
        values.extend((1..AT_ONCE).map(|turn| low + turn * stride));
    }
    values.push(high);
    values.retain(|value| (low..=high).contains(value));
    values.sort_unstable();
    values.dedup();
    values
}

/// Whether a kind was accepted; `None` where it was not answered.
fn is_accepted(seen: &Measurements, kind: usize) -> Option<bool> {
    let tallies = seen.tallies();
    let mut own = tallies.iter().filter(|(tally, _)| tally.kind == kind);
    own.next().and_then(|(tally, _)| match tally.outcome {
        Outcome::Accepted => Some(true),
        Outcome::Refused(_) | Outcome::Closed(_) => Some(false),
        _ => None,
    })
}

/// A storm of a few attempts that leaves no folder.
fn volley(plan: &Arc<Plan>, targets: &Targets) -> Result<Measurements> {
    let clock = Clock::start();
    let signals = vec![Signal::new().map(Arc::new)?];
    let head_start = if plan.tls.is_some() { TLS_HEAD_START } else { HEAD_START };
    let (supply, outlets) =
        Supply::start(plan, clock, clock.now() + head_start, plan.attempts, &signals)?;
    while !supply.is_ready() {
        thread::sleep(std::time::Duration::from_millis(1));
    }
    if let Some(error) = supply.failure() {
        return Err(error);
    }
    let start = clock.now() + head_start;
    supply.put_off(start);
    let ports = Limits::read().ports;
    let storm = Arc::new(Storm::new(plan, clock, start, targets, ports)?);
    let mut all = storm.recorder();
    let (threads, lines) = spawn(&storm, &signals, outlets)?;
    for (reports, _spares) in &lines {
        // A worker that fails hangs up: why is known when it is joined.
        while let Ok(report) = reports.recv() {
            all.merge(&report.seen);
            if report.is_last {
                break;
            }
        }
    }
    drop(lines);
    for thread in threads {
        thread.join().map_err(|_| no_answer())??;
    }
    supply.stop();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn candidates_reach_from_bound_to_bound_and_get_nearer_until_a_step_is_left() {
        let first = spread(0, 86_400, 1);
        assert_eq!((first[0], *first.last().unwrap()), (0, 86_400));
        assert!(first.contains(&60) && first.contains(&61));
        assert_eq!(spread(301, 600, 1).len(), 21);
        assert_eq!(spread(60, 61, 1), [60, 61]);
        assert_eq!(spread(1024, 65_535, 4).len(), 21);
        assert_eq!(spread(1024, 1040, 4), [1024, 1028, 1032, 1036, 1040]);
    }
}
