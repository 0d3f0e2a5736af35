//! Edges of a verifier, found with real connects: how much leeway it has, how long a password it takes, when one and the
//! same token turns good and bad, and whether its times tell which check failed.

use std::time::Duration;

use super::volleys::{Seen, Volley, Volleys};
use crate::{
    base::{
        clock::SECOND,
        error::{Error, Result},
    },
    client::verdict::Verdict,
    plan::cells::PROBE,
    record::{
        measure::{Answer, KeyAnswer, Measurements, Times},
        results::edges::{Edge, Edges, Sample, Shift, Tell, Turn, Unwatched, shift},
    },
    scenario::{Group, Protocol},
    token::{
        FRESH, Kind, Must,
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
/// How long before its turn a token is brought for the first time, in seconds: long enough that a broker has kept its verdict.
const BEFORE_TURN: u64 = 3;
/// How long a token must have turned until it is taken to have turned for good, in nanoseconds.
const STAYED: u64 = 2 * SECOND;
/// Longer than any token is watched.
const HOUR: Duration = Duration::from_hours(1);
/// Why nothing is promised of a token that a probe sends.
const ASKED: &str = "a probe asks what becomes of it";
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

/// Finds the edges of a matrix' broker and writes them into the run folder, after each part, so that no part is lost. One and the
/// same token is watched until `watch` after its turn.
///
/// # Errors
/// When good tokens are refused: then there is no edge to be found. When it is interrupted, or can't be written.
pub(super) fn probe(volleys: Volleys<'_>, watch: Duration) -> Result<()> {
    let plan = volleys.plan();
    let protocol = plan.policy.protocols.last().copied().unwrap_or(plan.protocol);
    let Some(counted_as) = plan.cells.as_ref().and_then(|cells| cells.probe) else {
        return Ok(());
    };
    let key = plan.signing_key();
    let mut prober = Prober { volleys, counted_as, protocol, key };
    let mut edges = Edges { protocol: protocol.into(), ..Edges::default() };
    let found = prober.find(&mut edges, watch);
    prober.write(&mut edges)?;
    found
}

fn no_answer() -> Error {
    Error::not_measured("the broker did not answer the probes")
        .hint("`tokenstorm doctor` looks at names and brokers")
}

/// What became of one token that was brought again and again.
#[derive(Debug)]
struct Watched {
    /// When CONNECT was sent, in seconds after the claim's instant, and whether it was accepted.
    answers: Vec<(f64, bool)>,
}

impl Watched {
    /// The answers, by time, in seconds after this instant.
    fn new(answers: &[KeyAnswer], instant: i64) -> Self {
        let since = |at: u64| (at as i64).saturating_sub(instant) as f64 / SECOND as f64;
        let mut answers: Vec<(f64, bool)> =
            answers.iter().map(|answer| (since(answer.sent), answer.accepted)).collect();
        answers.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self { answers }
    }

    /// What became of a token that was to be `good` after its turn.
    fn turn(&self, good: bool) -> Turn {
        let before = self.answers.iter().rposition(|(_, accepted)| *accepted != good);
        let first = before.map_or(0, |last| last + 1);
        let has_turned = before.is_some() && first < self.answers.len();
        Turn {
            turned_s: self.answers.get(first).filter(|_| has_turned).map(|(at, _)| *at),
            watched_s: self.answers.last().map(|(at, _)| *at),
            accepted_s: self.answers.iter().rfind(|(_, accepted)| *accepted).map(|(at, _)| *at),
        }
    }
}

/// Whether a token has turned, and stayed so for long enough. It turns again where several verifiers do not agree.
fn has_turned(answers: &[KeyAnswer], good: bool) -> bool {
    let last = |wanted: bool| {
        let own = answers.iter().filter(|answer| answer.accepted == wanted);
        own.map(|answer| answer.sent).max()
    };
    let (Some(before), Some(now)) = (last(!good), last(good)) else { return false };
    now >= before + STAYED
}

struct Prober<'a> {
    volleys: Volleys<'a>,
    /// The kind of the run that its attempts are.
    counted_as: usize,
    protocol: Protocol,
    key: Option<usize>,
}

impl Prober<'_> {
    fn find(&mut self, edges: &mut Edges, watch: Duration) -> Result<()> {
        edges.leeway_exp_s = self.search((0, LONGEST), 1, |seconds| Recipe {
            exp: Exp::Absent,
            dated: Some(("exp", -(seconds as i64))),
            ..GOOD
        })?;
        self.write(edges)?;
        let early = |seconds: u64| Recipe { dated: Some(("nbf", seconds as i64)), ..GOOD };
        edges.leeway_nbf_s = self.search((1, LONGEST), 1, early)?;
        self.write(edges)?;
        // Edges on the other side of their instant are a matter of clocks.
        if edges.leeway_nbf_s.is_none() {
            let late = |seconds: u64| Recipe { dated: Some(("nbf", -(seconds as i64))), ..GOOD };
            edges.late_nbf_s = self.search_back(late)?;
        }
        if edges.leeway_exp_s.is_none() {
            edges.early_exp_s = self.search_back(|seconds| Recipe {
                exp: Exp::Absent,
                dated: Some(("exp", seconds as i64)),
                ..GOOD
            })?;
        }
        self.write(edges)?;
        let long = |bytes: u64| Recipe { twist: Twist::Length(bytes as usize), ..GOOD };
        edges.longest_token = self.search((1024, 65_535), 4, long)?;
        self.write(edges)?;
        edges.takes_good(self.turns_good(edges.leeway_nbf_s, watch)?);
        self.write(edges)?;
        edges.takes_bad(self.turns_bad(edges.leeway_exp_s, watch)?);
        self.write(edges)?;
        let (delay, tells) = self.times()?;
        edges.refusal_delay_us = delay.map(|delay| delay.us);
        edges.refusal_delay_low_us = delay.map(|delay| delay.low_us);
        edges.refusal_delay_high_us = delay.map(|delay| delay.high_us);
        edges.tells = tells;
        Ok(())
    }

    /// Writes what was found so far, and how many attempts that took.
    fn write(&self, edges: &mut Edges) -> Result<()> {
        let collector = self.volleys.collector();
        let tallies = collector.all().tallies();
        let own = tallies.iter().filter(|(tally, _)| tally.kind == self.counted_as);
        let (mut attempts, mut false_accepts) = (0, 0);
        for (tally, count) in own {
            attempts += count;
            false_accepts += if tally.verdict == Verdict::FalseAccept { *count } else { 0 };
        }
        (edges.attempts, edges.false_accepts) = (attempts, false_accepts);
        collector.folder().map_or(Ok(()), |folder| edges.write(folder))
    }

    /// Sends kinds in this order and returns what was seen.
    fn volley(&mut self, kinds: Vec<Kind>, round: Vec<usize>) -> Result<Seen> {
        let counted_as = vec![self.counted_as; kinds.len()];
        let (rate, shares_token, is_asking) = (RATE, false, true);
        let volley =
            Volley { kinds, counted_as, round, rate, shares_token, is_asking, witness: None };
        self.volleys.fire(volley, |_| false)
    }

    fn kind(&self, recipe: Recipe) -> Result<Kind> {
        let fresh = defect(FRESH).ok_or_else(no_answer)?;
        Ok(Kind {
            label: PROBE.to_owned(),
            defect: fresh,
            recipe,
            must: Must::Unpromised(Group::Time.into(), ASKED),
            key: self.key,
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
            let kinds = all.map(|recipe| self.kind(recipe.clone())).collect::<Result<Vec<_>>>()?;
            let round: Vec<usize> = (0..kinds.len()).collect();
            let seen = self.volley(kinds, round)?;
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

    /// How long after its `nbf` one and the same token turns good; the leeway as found is part of where it is looked for.
    fn turns_good(
        &mut self,
        nbf: Edge,
        watch: Duration,
    ) -> Result<std::result::Result<Turn, Unwatched>> {
        let before = match nbf.lead(nbf.accepted) {
            Ok(before) => Duration::from_secs(before + BEFORE_TURN),
            Err(why) => return Ok(Err(why)),
        };
        let exp = Exp::In(before + HOUR);
        let seen = self.watch(Recipe { nbf_after: Some(before), exp, ..GOOD }, true, watch)?;
        let nbf = seen.validity.map_or(i64::MIN, |validity| validity.from);
        Ok(Ok(Watched::new(&seen.all.answers, nbf).turn(true)))
    }

    /// How long after its `exp` one and the same token turns bad.
    fn turns_bad(
        &mut self,
        exp: Edge,
        watch: Duration,
    ) -> Result<std::result::Result<Turn, Unwatched>> {
        let after = match exp.lead(exp.refused) {
            Ok(after) => after,
            Err(why) => return Ok(Err(why)),
        };
        // One that is still accepted for long has ended before it is brought.
        let exp = match BEFORE_TURN.checked_sub(after) {
            // A whole second more: the one of the moment of use has begun already.
            Some(left) => Exp::In(Duration::from_secs(left + 1)),
            None => Exp::Ago(Duration::from_secs(after - BEFORE_TURN)),
        };
        // Nothing but its end is to be wrong with it.
        let claims = &[("iat", "")];
        let seen = self.watch(Recipe { exp, claims, ..GOOD }, false, watch)?;
        let exp = seen.validity.map_or(i64::MAX, |validity| validity.until);
        Ok(Ok(Watched::new(&seen.all.answers, exp).turn(false)))
    }

    /// Brings a token again and again until it has turned and stayed so, or `watch` after its turn was due.
    fn watch(&mut self, recipe: Recipe, good: bool, watch: Duration) -> Result<Seen> {
        let kind = Kind { must: Must::AcceptInTime, ..self.kind(recipe)? };
        let seconds = watch.as_secs_f64() + BEFORE_TURN as f64 + 1.0;
        let slots = (seconds * SLOTS_A_SECOND as f64).ceil() as usize;
        let volley = Volley {
            kinds: vec![kind],
            counted_as: vec![self.counted_as],
            round: vec![0; slots],
            rate: SLOTS_A_SECOND as f64,
            shares_token: true,
            is_asking: true,
            witness: None,
        };
        self.volleys.fire(volley, |all| has_turned(&all.answers, good))
    }

    /// How much longer a refusal takes than an accept, and which checks its times tell apart.
    fn times(&mut self) -> Result<(Option<Shift>, Vec<Tell>)> {
        let mut kinds = Vec::new();
        for entry in std::iter::once(FRESH).chain(CHECKS).filter_map(defect) {
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
        let seen = self.volley(kinds, round)?;
        let samples = |kind: usize, answer: Answer| -> Vec<Sample> {
            let latency = seen.all.latency(
                self.volleys.plan().verdict_phase(),
                Some(kind),
                None,
                Some(answer),
            );
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
    own.next().and_then(|(tally, _)| tally.outcome.lets_in())
}

#[cfg(test)]
mod tests;
