//! Edges of a verifier, found with real connects: how much leeway it has, how long a password it takes, when one and the
//! same token turns good and bad, and whether its times tell which check failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::RecvTimeoutError;

use super::{
    HEAD_START, TLS_HEAD_START, spawn,
    storm::Storm,
    target::{KeysFrom, Targets},
};
use crate::{
    attempt::{Close, Outcome, Phase},
    clock::{Clock, SECOND},
    error::{Error, Result},
    host::Limits,
    issuer::Issuer,
    measure::{Answer, Measurements, Times},
    plan::Plan,
    results::edges::{Edge, Edges, Sample, Shift, Tell, Unwatched, shift},
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
/// How often is looked whether the user wants it to end.
const GLANCE: Duration = Duration::from_millis(50);
/// A day, which no leeway is.
const LONGEST: u64 = 86_400;
/// Steps between two answers that are near enough for an edge where the answers between contradict one another.
const NEARLY: u64 = 3;

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

/// Finds the edges of a matrix' broker; `found` is told after each part, so that no part is lost.
///
/// # Errors
/// When no broker can be started or reached, or good tokens are refused: then there is no edge to be found. When it is
/// interrupted.
pub fn probe(
    plan: Plan,
    stop: &Arc<AtomicBool>,
    found: impl Fn(&Edges) -> Result<()>,
) -> Result<()> {
    let issuer = Issuer::of(&plan, Clock::start())?.map(Arc::new);
    let targets = Targets::start(&plan, &KeysFrom { issuer, discovered: None }, &[])?;
    let protocol = plan.policy.protocols.last().copied().unwrap_or(plan.protocol);
    let mut prober = Prober { plan: Some(plan), targets, stop: Arc::clone(stop), protocol };
    let mut edges = Edges { protocol: protocol.into(), ..Edges::default() };
    let expired =
        |seconds: u64| Recipe { exp: Exp::Absent, claims: claim("exp", -(seconds as i64)), ..GOOD };
    edges.leeway_exp_s = prober.search((0, LONGEST), 1, expired)?;
    found(&edges)?;
    let early = |seconds: u64| Recipe { claims: claim("nbf", seconds as i64), ..GOOD };
    edges.leeway_nbf_s = prober.search((1, LONGEST), 1, early)?;
    found(&edges)?;
    // Edges on the other side of their instant are a matter of clocks.
    if edges.leeway_nbf_s.is_none() {
        let late = |seconds: u64| Recipe { claims: claim("nbf", -(seconds as i64)), ..GOOD };
        edges.late_nbf_s = prober.search_back(late)?;
    }
    if edges.leeway_exp_s.is_none() {
        let young = |seconds: u64| Recipe {
            exp: Exp::Absent,
            claims: claim("exp", seconds as i64),
            ..GOOD
        };
        edges.early_exp_s = prober.search_back(young)?;
    }
    found(&edges)?;
    let long = |bytes: u64| Recipe { twist: Twist::Length(bytes as usize), ..GOOD };
    edges.longest_token = prober.search((1024, 65_535), 4, long)?;
    found(&edges)?;
    let (good, bad) = prober.turns(edges.leeway_exp_s, edges.leeway_nbf_s)?;
    (edges.turns_good_s, edges.good_unwatched) = (good.ok().flatten(), good.err());
    (edges.turns_bad_s, edges.bad_unwatched) = (bad.ok().flatten(), bad.err());
    found(&edges)?;
    let (delay, tells) = prober.times()?;
    edges.refusal_delay_us = delay.map(|delay| delay.us);
    edges.refusal_delay_low_us = delay.map(|delay| delay.low_us);
    edges.refusal_delay_high_us = delay.map(|delay| delay.high_us);
    edges.tells = tells;
    found(&edges)
}

fn no_answer() -> Error {
    Error::not_measured("the broker did not answer the probes")
        .hint("`tokenstorm doctor` looks at names and brokers")
}

/// A second so far from the moment of use, as recipes write it. Leaked: their texts live as long as the catalogue.
fn now_and(seconds: i64) -> &'static str {
    Box::leak(format!("$now{seconds:+}").into_boxed_str())
}

/// A claim so many seconds from the moment of use.
fn claim(name: &'static str, seconds: i64) -> &'static [(&'static str, &'static str)] {
    // An `iat` after `exp` would be another defect.
    Box::leak(vec![("iat", ""), (name, now_and(seconds))].into_boxed_slice())
}

/// When a token turned, in seconds after the claim's instant: `None` where it did not while it was watched, and why where
/// it was not watched.
type Turn = std::result::Result<Option<f64>, Unwatched>;

/// What became of one token that was brought again and again.
struct Watched {
    answers: Vec<Option<bool>>,
    offset_s: f64,
}

impl Watched {
    /// The first slot, not before `after`, whose answer is another than the one before it.
    fn turn(&self, from: bool, to: bool, after: usize) -> Option<usize> {
        let mut pairs = self.answers.windows(2).enumerate().skip(after);
        pairs
            .find(|(_, pair)| pair[0] == Some(from) && pair[1] == Some(to))
            .map(|(slot, _)| slot + 1)
    }

    /// When a slot was, in seconds after a claim that lies so far from the token's moment of use.
    fn since(&self, slot: Option<usize>, claim: i64) -> Option<f64> {
        slot.map(|slot| slot as f64 / SLOTS_A_SECOND as f64 + self.offset_s - claim as f64)
    }
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
    ) -> Result<Seen> {
        let plan = self.plan.take().ok_or_else(no_answer)?;
        let plan = Arc::new(plan.volley(kinds, round, rate, shares_token)?);
        let seen = volley(&plan, &self.targets, &self.stop);
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
            later: Vec::new(),
            protocol: self.protocol,
            share: 1.0,
        })
    }

    /// Which of these the broker accepts. A good token comes along: where that is refused, or one is not answered, a
    /// second try decides whether anything can be said.
    fn accepted(&mut self, recipes: &[Recipe]) -> Result<Vec<bool>> {
        for _ in 0..2 {
            let all = recipes.iter().chain([&GOOD]);
            let kinds = all.map(|recipe| self.kind(*recipe)).collect::<Result<Vec<_>>>()?;
            let round: Vec<usize> = (0..kinds.len()).collect();
            let seen = self.volley(kinds, round, RATE, false)?;
            let answers: Option<Vec<bool>> =
                (0..=recipes.len()).map(|kind| is_accepted(&seen.all, kind)).collect();
            if let Some(mut answers) = answers
                && answers.pop() == Some(true)
            {
                return Ok(answers);
            }
        }
        Err(no_answer())
    }

    /// The largest value that is accepted and the smallest that is not, between these bounds and so near to each other; a
    /// side that there is not is empty, and both where answers contradict one another.
    fn search(
        &mut self,
        (least, most): (u64, u64),
        step: u64,
        recipe: impl Fn(u64) -> Recipe,
    ) -> Result<Edge> {
        let (mut low, mut high) = (least, most);
        let mut is_first = true;
        loop {
            let candidates = spread(low, high, step);
            let recipes: Vec<Recipe> = candidates.iter().map(|value| recipe(*value)).collect();
            let answers = self.accepted(&recipes)?;
            // The first that is refused: what lies beyond it is of no matter.
            let first = answers.iter().position(|accepted| !accepted);
            match (first, is_first) {
                (None, true) => return Ok(Edge { accepted: Some(high), refused: None }),
                (Some(0), true) => return Ok(Edge { accepted: None, refused: Some(low) }),
                // The edge moves with the fraction of the second at which it is looked for.
                (None | Some(0), false) if high - low <= NEARLY * step => {
                    return Ok(Edge { accepted: Some(low), refused: Some(high) });
                }
                // What was accepted before is refused now, or the other way round.
                (None | Some(0), false) => return Ok(Edge::default()),
                (Some(first), _) => (low, high) = (candidates[first - 1], candidates[first]),
            }
            if high - low <= step {
                return Ok(Edge { accepted: Some(low), refused: Some(high) });
            }
            is_first = false;
        }
    }

    /// The seconds from which on tokens are accepted, where fewer are refused.
    fn search_back(&mut self, recipe: impl Fn(u64) -> Recipe) -> Result<Edge> {
        let found = self.search((0, LONGEST - 1), 1, |value| recipe(LONGEST - value))?;
        let seconds = |value: Option<u64>| value.map(|value| LONGEST - value);
        Ok(Edge { accepted: seconds(found.accepted), refused: seconds(found.refused) })
    }

    /// How long after `nbf` one and the same token turns good, and after `exp` bad.
    fn turns(&mut self, exp: Edge, nbf: Edge) -> Result<(Turn, Turn)> {
        // The leeway as found, so that both turns fall into the time that is watched.
        let begins = nbf.lead(nbf.accepted).map(|before| before as i64 + 2);
        let ends = exp.lead(exp.refused).map(|after| 5 - after as i64);
        if let (Ok(begins), Ok(ends)) = (begins, ends)
            && begins <= ends
        {
            let watched = self.watch(&[("nbf", begins), ("exp", ends)], 8)?;
            let good = watched.turn(false, true, 0);
            let bad = good.and_then(|good| watched.turn(true, false, good));
            return Ok((Ok(watched.since(good, begins)), Ok(watched.since(bad, ends))));
        }
        // With much leeway one token would have to end before it begins, and a claim that is not checked has no turn: a
        // token for each turn that there is.
        let good = match begins {
            Ok(begins) => {
                let young = self.watch(&[("nbf", begins), ("exp", begins + 3600)], 5)?;
                Ok(young.since(young.turn(false, true, 0), begins))
            }
            Err(why) => Err(why),
        };
        let bad = match ends {
            Ok(ends) => {
                let old = self.watch(&[("exp", ends)], 8)?;
                Ok(old.since(old.turn(true, false, 0), ends))
            }
            Err(why) => Err(why),
        };
        Ok((good, bad))
    }

    /// Brings a token with these claims, in seconds from its moment of use, again and again for so many seconds.
    fn watch(&mut self, claims: &[(&'static str, i64)], seconds: usize) -> Result<Watched> {
        let texts = claims.iter().map(|(name, seconds)| (*name, now_and(*seconds)));
        let claims: Vec<_> = [("iat", "")].into_iter().chain(texts).collect();
        let recipe =
            Recipe { exp: Exp::Absent, claims: Box::leak(claims.into_boxed_slice()), ..GOOD };
        let slots = seconds * SLOTS_A_SECOND;
        let kinds = (0..slots).map(|_| self.kind(recipe)).collect::<Result<Vec<_>>>()?;
        let seen = self.volley(kinds, (0..slots).collect(), SLOTS_A_SECOND as f64, true)?;
        let answers = (0..slots).map(|slot| is_accepted(&seen.all, slot)).collect();
        Ok(Watched { answers, offset_s: seen.offset_s })
    }

    /// How much longer a refusal takes than an accept, and which checks its times tell apart.
    fn times(&mut self) -> Result<(Option<Shift>, Vec<Tell>)> {
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
        let samples = |kind: usize, answer: Answer| -> Vec<Sample> {
            let latency = seen.all.latency(Phase::Connack, Some(kind), None, Some(answer));
            latency.times.as_ref().map(samples).unwrap_or_default()
        };
        let (good, usual) = (samples(0, Answer::Accepted), samples(1, Answer::Refused));
        let compared = CHECKS.len() - 1;
        let tells = CHECKS[1..].iter().enumerate().filter_map(|(at, name)| {
            let own = samples(at + 2, Answer::Refused);
            shift(&usual, &own, compared).map(|shift| Tell { defect: (*name).to_owned(), shift })
        });
        let tells = tells.collect();
        Ok((shift(&good, &usual, 1), tells))
    }
}

/// The times of a histogram, each as the bucket that it lies in.
fn samples(times: &Times) -> Vec<Sample> {
    let us = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let sample = |time: u64| Sample {
        from_us: us(times.lowest_equivalent(time)),
        to_us: us(times.next_non_equivalent(time)),
    };
    times
        .iter_recorded()
        .flat_map(|at| {
            std::iter::repeat_n(sample(at.value_iterated_to()), at.count_at_value() as usize)
        })
        .collect()
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

/// Whether a kind was accepted; `None` where the answer says nothing about the token.
fn is_accepted(all: &Measurements, kind: usize) -> Option<bool> {
    let tallies = all.tallies();
    let mut own = tallies.iter().filter(|(tally, _)| tally.kind == kind);
    own.next().and_then(|(tally, _)| match tally.outcome {
        Outcome::Accepted => Some(true),
        // Overload, limits and bans.
        Outcome::Refused(3 | 0x88 | 0x89 | 0x8A | 0x97 | 0x9F) => None,
        Outcome::Refused(_) | Outcome::Closed(Close::Fin) => Some(false),
        _ => None,
    })
}

/// What a volley has seen.
struct Seen {
    all: Measurements,
    /// How long the second in which the first token was to be used had lasted when the volley began, in seconds.
    offset_s: f64,
}

/// A storm of a few attempts that leaves no folder.
fn volley(plan: &Arc<Plan>, targets: &Targets, stop: &AtomicBool) -> Result<Seen> {
    let clock = Clock::start();
    let signals = vec![Signal::new().map(Arc::new)?];
    let head_start = if plan.tls.is_some() { TLS_HEAD_START } else { HEAD_START };
    let planned = clock.now() + head_start;
    let (supply, outlets) = Supply::start(plan, clock, planned, plan.attempts, &signals)?;
    while !supply.is_ready() {
        thread::sleep(Duration::from_millis(1));
    }
    if let Some(error) = supply.failure() {
        return Err(error);
    }
    let start = clock.now() + head_start;
    supply.put_off(start);
    let ports = Limits::read().ports;
    let storm = Arc::new(Storm::new(plan, clock, start, targets, ports, &signals)?);
    let mut all = storm.recorder();
    let (threads, lines) = spawn(&storm, &signals, outlets)?;
    for (reports, _spares) in &lines {
        loop {
            if stop.load(Ordering::Relaxed) {
                for signal in &signals {
                    signal.stop();
                }
            }
            match reports.recv_timeout(GLANCE) {
                Ok(report) => {
                    all.merge(&report.seen);
                    if report.is_last {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // A worker that fails hangs up: why is known when it is joined.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }
    drop(lines);
    for thread in threads {
        thread.join().map_err(|_| no_answer())??;
    }
    supply.stop();
    if stop.load(Ordering::Relaxed) {
        return Err(Error::interrupted("interrupted while probing"));
    }
    // The first token was minted for the planned instant, in whole seconds.
    let second = clock.wall(planned).div_euclid(SECOND as i64) * SECOND as i64;
    let offset_s = (clock.wall(start) - second) as f64 / SECOND as f64;
    Ok(Seen { all, offset_s })
}

#[cfg(test)]
mod tests {
    use super::{samples, spread};
    use crate::measure::empty_times;

    #[test]
    fn a_time_is_known_to_its_bucket() {
        let mut times = empty_times(3);
        times.record_n(3_000_000_000, 2).unwrap();
        times.record(1500).unwrap();
        let samples = samples(&times);
        assert_eq!(samples.len(), 3);
        let widths: Vec<f64> = samples.iter().map(|at| at.to_us - at.from_us).collect();
        assert!((widths[0] - 0.001).abs() < 1e-9, "a nanosecond, never nothing: {widths:?}");
        assert!((1000.0..4200.0).contains(&widths[1]), "1 to 4 ms at 3 s: {widths:?}");
        let is_in = |us: f64| samples[1].from_us <= us && us < samples[1].to_us;
        assert!(is_in(3e6), "{samples:?}");
    }

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
