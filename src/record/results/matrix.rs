//! `matrix.json` and `matrix.csv`: every cell of a matrix, judged by the broker's promises and strictly.

mod known;
mod remarks;
mod state;

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{known::KnownAs, state::State};

use super::{
    Folder, Percentile,
    canary::Fetch,
    cells::Beyond,
    gone::DiedAt,
    sheets,
    summary::FORMAT,
    tables,
    time::{microseconds, percentile_of},
    writing::replace_table,
};
use crate::{
    base::{
        clock::{SECOND, nanoseconds},
        error::Result,
        words::{Expected, OutcomeKind},
    },
    client::{
        attempt::{Code, Phase},
        verdict::{Expectation, Judge, Validity, Verdict},
    },
    plan::{Plan, cells::Cells},
    record::measure::{Measurements, Tally, Times, latency::Quantile, sum},
    scenario::{Check, Group, Protocol},
    token::{Kind, Must, Severity, policy::Policy},
};

/// The result of a matrix.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Matrix {
    pub format: u32,
    pub partial: bool,
    pub target: String,
    pub profile: String,
    /// Keys of `[policy]` in the scenario that go over the profile.
    pub overridden: Vec<String>,
    /// The command that made it, without `--only`.
    pub command: String,
    /// What is to be known before any cell: `judged`, `accepts_all`, `refuses_all`, `unsteady` or `silent`.
    pub state: State,
    /// Versions of MQTT under which refusals say nothing, since good tokens are refused too.
    pub unheard: Vec<u8>,
    /// Of several brokers, what is to be known of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brokers: Vec<BrokerState>,
    pub cells: Vec<Cell>,
    pub skipped: Vec<Skipped>,
    /// Versions of MQTT that the broker does not speak, by its policy.
    pub unspoken: Vec<u8>,
    /// Cells that were answered much later than the others and than the policy promises.
    pub slow: Vec<Slow>,
    /// Requests to the canary: headers that were followed.
    pub fetches: Vec<Fetch>,
    /// The good clients that came meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The good clients that were held, to see whether the broker is there.
    #[serde(default)]
    pub witnesses: Witnesses,
    /// When the broker went away, and after which cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub died_at: Vec<DiedAt>,
    /// Bad tokens that were judged, and how many of them were accepted.
    pub bad_judged: u64,
    pub false_accepts: u64,
    /// The share of bad tokens that may be accepted, at 95 % confidence, where none was.
    pub upper_bound_95: Option<f64>,
}

/// The good clients that were held: how many came, and how many were accepted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Witnesses {
    pub attempts: u64,
    pub accepted: u64,
}

impl Witnesses {
    /// Those of a kind.
    fn of(tallies: &[(Tally, u64)], kind: usize) -> Self {
        let (accepted, refused, others) = tables::answers(tallies, |tally| tally.kind == kind);
        Self { attempts: accepted + refused + others, accepted }
    }
}

/// What is to be known of one of several brokers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the matrix itself")]
pub struct BrokerState {
    pub broker: String,
    pub state: State,
    pub unheard: Vec<u8>,
}

/// One cell: an entry of the catalogue in one version of MQTT, at one broker.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
pub struct Cell {
    pub defect: String,
    pub group: String,
    pub protocol: u8,
    pub expected: Expected,
    pub strict_expected: Expected,
    pub outcome: OutcomeKind,
    /// A number that was sent, or a word.
    pub code: Value,
    pub verdict: Verdict,
    pub severity: Severity,
    pub attempts: u64,
    /// Attempts that had to be refused, and whose answer says whether they were.
    pub judged: u64,
    pub false_accepts: u64,
    pub latency_p50_us: Option<Percentile>,
    pub strict_verdict: Verdict,
    /// The share of such tokens that may be accepted, at 95 % confidence, where none was.
    pub upper_bound_95: Option<f64>,
    /// Why nothing is promised of it, where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpromised: Option<String>,
    /// Of several brokers, which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// What became of it, where `--known` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownAs>,
}

/// An entry that was not sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Skipped {
    pub defect: String,
    pub protocol: u8,
    pub reason: String,
}

/// A cell that was answered late.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Slow {
    pub defect: String,
    pub protocol: u8,
    /// How long its slowest answer took.
    pub latency_max_us: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
}

/// The good clients of a background.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Background {
    pub attempts: u64,
    pub accepted: u64,
    pub connack_p50_us: Option<Percentile>,
    pub connack_p99_us: Option<Percentile>,
}

impl Cell {
    /// Whether the broker keeps a promise by letting in what no broker should.
    pub fn is_weak(&self) -> bool {
        self.verdict == Verdict::Correct && self.strict_verdict == Verdict::FalseAccept
    }

    /// Whether the broker breaks its promise.
    pub fn is_wrong(&self) -> bool {
        self.verdict.is_wrong()
    }

    /// Whether it is a good token.
    pub fn is_control(&self) -> bool {
        self.group == "control"
    }

    /// The version of MQTT in words.
    pub fn version(&self) -> &'static str {
        version(self.protocol)
    }

    /// The version of MQTT, and of several brokers which one.
    pub fn place(&self) -> String {
        match &self.broker {
            Some(broker) => format!("{} at {broker}", self.version()),
            None => self.version().to_owned(),
        }
    }
}

/// A version of MQTT in words.
pub fn version(protocol: u8) -> &'static str {
    if protocol == 5 { "5.0" } else { "3.1.1" }
}

/// The largest rate of an event that `tries` without one leave at 95 % confidence: about 3 / tries.
///
/// Hanley, Lippman-Hand: If nothing goes wrong, is everything all right? JAMA 249 (1983). The exact form, which is also
/// right for few tries: 1 - 0.05^(1 / tries).
pub fn upper_bound(tries: u64) -> Option<f64> {
    (tries > 0).then(|| 1.0 - 0.05_f64.powf(1.0 / tries as f64))
}

/// Tokens that had to be refused and were judged: of several brokers those of the one with the fewest, as each is as sure as
/// its own answers make it.
fn fewest(cells: &[Cell], labels: &[&str]) -> u64 {
    let of = |label: &&str| {
        let own = |cell: &&Cell| cell.broker.as_deref().is_none_or(|broker| broker == *label);
        cells.iter().filter(own).map(|cell| cell.judged).sum()
    };
    labels.iter().map(of).min().unwrap_or_default()
}

impl Matrix {
    /// What the measurements say of a plan's cells.
    pub fn new(
        plan: &Plan,
        cells: &Cells,
        all: &Measurements,
        (fetches, died_at): (Vec<Fetch>, Vec<DiedAt>),
    ) -> Self {
        let tallies = all.tallies();
        let timeout = nanoseconds(plan.load().connect_timeout);
        let labels: Vec<&str> = plan.brokers.iter().map(|broker| broker.label.as_str()).collect();
        let mut matrix = Self {
            format: FORMAT,
            partial: true,
            target: labels.join(", "),
            profile: plan.policy.profile.clone(),
            overridden: plan.overridden.clone(),
            command: cells.command.clone(),
            skipped: cells
                .skipped
                .iter()
                .map(|skipped| Skipped {
                    defect: skipped.defect.to_owned(),
                    protocol: skipped.protocol.into(),
                    reason: skipped.reason.to_string(),
                })
                .collect(),
            unspoken: cells.unspoken.iter().map(|protocol| (*protocol).into()).collect(),
            fetches,
            died_at,
            ..Self::default()
        };
        let slow = slow(plan, cells, all);
        let strict = [Protocol::V4, Protocol::V5].map(|protocol| strict_judge(plan, protocol));
        for (at, kind) in plan.mould.kinds.iter().enumerate() {
            let of_kind = || tallies.iter().filter(move |(tally, _)| tally.kind == at).copied();
            if cells.background == Some(at) {
                let Witnesses { attempts, accepted } = Witnesses::of(&tallies, at);
                let latency = all.latency(Phase::Connack, Some(at), None, None);
                matrix.background = Some(Background {
                    attempts,
                    accepted,
                    connack_p50_us: percentile_of(&latency, 50.0, timeout),
                    connack_p99_us: percentile_of(&latency, 99.0, timeout),
                });
                continue;
            }
            if cells.witness == Some(at) {
                matrix.witnesses = Witnesses::of(&tallies, at);
            }
            if !cells.is_cell(at) {
                continue;
            }
            for broker in 0..labels.len() {
                let mut own: Vec<(Tally, u64)> =
                    of_kind().filter(|(tally, _)| tally.broker == broker).collect();
                let attempts = own.iter().map(|(_, count)| count).sum();
                if !matrix.died_at.is_empty() {
                    without_the_lost(&mut own);
                }
                let strict = &strict[usize::from(kind.protocol == Protocol::V5)];
                let label = (labels.len() > 1).then(|| labels[broker].to_owned());
                let Some(mut cell) = cell(kind, &own, strict, strictly(cells, at, kind)) else {
                    matrix.left_out(kind);
                    continue;
                };
                let latency = all.latency(plan.verdict_phase(), Some(at), Some(broker), None);
                let slowest = latency.times.as_ref().map_or(0, Times::max);
                if slowest > slow {
                    let (defect, protocol) = (cell.defect.clone(), cell.protocol);
                    let latency_max_us = microseconds(slowest as f64);
                    let broker = label.clone();
                    matrix.slow.push(Slow { defect, protocol, latency_max_us, broker });
                }
                cell.latency_p50_us = percentile_of(&latency, 50.0, timeout);
                // Those that a broker lost as well: they were sent, and are counted in the run.
                cell.attempts = attempts;
                cell.broker = label;
                matrix.cells.push(cell);
            }
        }
        matrix.judge(plan, cells, &tallies);
        matrix.mark(&cells.known, labels.first().copied().unwrap_or_default());
        matrix.bad_judged = matrix.cells.iter().map(|cell| cell.judged).sum();
        matrix.false_accepts = matrix.cells.iter().map(|cell| cell.false_accepts).sum();
        if matrix.false_accepts == 0 {
            matrix.upper_bound_95 = upper_bound(fewest(&matrix.cells, &labels));
        }
        matrix
    }

    /// A kind that was not answered.
    fn left_out(&mut self, kind: &Kind) {
        let (defect, protocol) = (kind.defect.name, u8::from(kind.protocol));
        let is_it = |known: &Skipped| known.defect == defect && known.protocol == protocol;
        if !self.skipped.iter().any(is_it) {
            let reason = "the run ended before it was answered".to_owned();
            self.skipped.push(Skipped { defect: defect.to_owned(), protocol, reason });
        }
    }

    /// Finds out what is to be known of the brokers, of each by itself.
    fn judge(&mut self, plan: &Plan, cells: &Cells, tallies: &[(Tally, u64)]) {
        let mut known: Vec<BrokerState> = Vec::new();
        for (at, broker) in plan.brokers.iter().enumerate() {
            let own: Vec<(Tally, u64)> =
                tallies.iter().filter(|(tally, _)| tally.broker == at).copied().collect();
            let unheard = state::unheard(plan, cells, &own);
            let is_own = |cell: &&Cell| cell.broker.as_ref().is_none_or(|it| *it == broker.label);
            let own: Vec<Cell> = self.cells.iter().filter(is_own).cloned().collect();
            let state = state::state(&own, &unheard);
            self.withdraw(&unheard, (plan.brokers.len() > 1).then_some(broker.label.as_str()));
            known.push(BrokerState { broker: broker.label.clone(), state, unheard });
        }
        // What is said of all is true of each.
        self.state = known
            .iter()
            .map(|broker| broker.state)
            .find(|state| known.iter().all(|broker| broker.state == *state))
            .unwrap_or(State::Judged);
        self.unheard = [4, 5]
            .into_iter()
            .filter(|protocol| known.iter().all(|broker| broker.unheard.contains(protocol)))
            .collect();
        if known.len() > 1 {
            self.brokers = known;
        }
    }

    /// Refusals of a broker that refuses good tokens too say nothing about bad ones.
    fn withdraw(&mut self, unheard: &[u8], broker: Option<&str>) {
        let is_own =
            |cell: &&mut Cell| unheard.contains(&cell.protocol) && cell.broker.as_deref() == broker;
        for cell in self.cells.iter_mut().filter(is_own) {
            if !cell.is_control() && cell.outcome != OutcomeKind::Accepted {
                cell.verdict = Verdict::NotJudged;
                cell.strict_verdict = Verdict::NotJudged;
                (cell.judged, cell.upper_bound_95) = (0, None);
            }
        }
    }

    /// Whether its cells say nothing of the broker: nobody was let in, or nothing was answered.
    pub fn says_nothing(&self) -> bool {
        matches!(self.state, State::RefusesAll | State::Silent) || self.is_mostly_mute()
    }

    /// Whether more than half of what must be refused was not judged: the rest says little of the broker.
    pub fn is_mostly_mute(&self) -> bool {
        self.is_mute(|_| true)
    }

    /// The same of one of several brokers.
    pub fn is_mute_at(&self, broker: &str) -> bool {
        self.is_mute(|cell| cell.broker.as_deref() == Some(broker))
    }

    fn is_mute(&self, of: impl Fn(&Cell) -> bool + Copy) -> bool {
        let own = self.cells.iter().filter(|cell| of(cell));
        // By attempts: of many, a few that say nothing do not silence their cell.
        let must = own.filter(|cell| cell.expected == Expected::Refuse);
        let (judged, all) =
            must.fold((0, 0), |(judged, all), cell| (judged + cell.judged, all + cell.attempts));
        all > 0 && judged * 2 < all
    }

    /// Reads the matrix of a run folder.
    ///
    /// # Errors
    /// When there is none, or one of another format.
    pub fn read(folder: &Path) -> Result<Self> {
        super::read_json(&folder.join("matrix.json"))
            .map_err(|error| error.or_hint("`tokenstorm matrix` writes one"))
    }

    /// Writes both files. At the end nothing depends on `matrix.csv`, and a run without it is said.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn write(&self, folder: &Folder) -> Result<()> {
        folder.json("matrix.json", self)?;
        let rows = self.write_rows(folder);
        if self.partial {
            return rows;
        }
        folder.spare(rows);
        Ok(())
    }

    fn write_rows(&self, folder: &Folder) -> Result<()> {
        let rows = self.cells.iter().map(|cell| {
            let code = cell.code.as_str().map_or_else(|| cell.code.to_string(), str::to_owned);
            let mut beyond = Beyond::default();
            let p50 = beyond.cell("p50", cell.latency_p50_us);
            let bound = cell.upper_bound_95.map(|bound| format!("{bound:.3e}"));
            let broker = cell.broker.as_deref().unwrap_or(&self.target);
            (
                (&cell.defect, &cell.group, cell.protocol, cell.expected, cell.strict_expected),
                (cell.outcome, code, cell.verdict, cell.severity),
                (cell.attempts, cell.false_accepts, p50, cell.strict_verdict, bound),
                (broker, cell.known.map(KnownAs::name), beyond.text()),
            )
        });
        replace_table(folder.path(), &sheets::MATRIX, rows)
    }
}

/// What a broker that was gone had no part in says nothing of a cell that was sent again and answered.
fn without_the_lost(own: &mut Vec<(Tally, u64)>) {
    if own.iter().any(|(tally, _)| tally.verdict != Verdict::NotJudged) {
        own.retain(|(tally, _)| tally.verdict != Verdict::NotJudged || tally.outcome.is_answer());
    }
}

/// From how many nanoseconds on an answer is late: a second more than the policy promises, and ten times the median of the
/// cells. A probe sends more than all cells, at another time.
fn slow(plan: &Plan, cells: &Cells, all: &Measurements) -> u64 {
    let own: Vec<usize> =
        (0..plan.mould.kinds.len()).filter(|kind| !cells.is_aside(*kind)).collect();
    let usual = match all.latency_of(Phase::Connack, &own).percentile(50.0) {
        Quantile::Time(time) => time,
        Quantile::Beyond => u64::MAX / 10,
    };
    (nanoseconds(plan.policy.refusal_delay) + SECOND).max(usual * 10)
}

/// What a strict broker must do with a kind, in its own time.
fn strictly(cells: &Cells, at: usize, kind: &Kind) -> impl Fn(&Judge) -> Expectation {
    let must = cells.strict[at];
    // Any length of life that is no moment.
    let (from, until) = kind.recipe.good_in(0, Duration::from_hours(1));
    move |judge| judge.expectation(must, Validity { from, until }, 0, 0)
}

fn strict_judge(plan: &Plan, protocol: Protocol) -> Judge {
    // Its leeway and checks are what matters: codes are the broker's own to choose.
    let checks = vec![Check::Exp, Check::Nbf];
    let strict = Policy { leeway: Duration::ZERO, checks, ..plan.policy.clone() };
    Judge::new(&strict, protocol, Duration::ZERO)
}

/// The worst that was seen of a kind; `None` where nothing was.
fn cell(
    kind: &Kind,
    tallies: &[(Tally, u64)],
    strict: &Judge,
    strictly: impl Fn(&Judge) -> Expectation,
) -> Option<Cell> {
    let (worst, _) =
        tallies.iter().max_by_key(|(tally, count)| (tally.verdict.weight(), *count))?;
    let false_accepts = sum(tallies, |tally| tally.verdict == Verdict::FalseAccept);
    let is_bad = |tally: &Tally| matches!(tally.expected, Expectation::Refuse(_));
    let judged = sum(tallies, |tally| is_bad(tally) && tally.verdict != Verdict::NotJudged);
    let strict_expected = strictly(strict);
    let strict_verdict = |outcome| match strict.verdict(strict_expected, outcome) {
        // Which code a refusal has is judged once, by the broker's own promise.
        Verdict::WrongReason => Verdict::Correct,
        verdict => verdict,
    };
    // The worst by itself: where both answers are right, they may take turns.
    let all = tallies.iter().map(|(tally, _)| strict_verdict(tally.outcome));
    let strict_verdict = all.max_by_key(|verdict| verdict.weight())?;
    Some(Cell {
        defect: kind.defect.name.to_owned(),
        group: kind.defect.group_name().to_owned(),
        protocol: kind.protocol.into(),
        expected: worst.expected.kind(),
        strict_expected: strict_expected.kind(),
        outcome: worst.outcome.kind(),
        code: match worst.outcome.code() {
            Code::Byte(byte) => byte.into(),
            Code::Status(status) => status.into(),
            Code::Word(word) => word.into(),
        },
        verdict: worst.verdict,
        // A refusal that looks otherwise than promised lets nobody in, whatever accepting the token would be.
        severity: match worst.verdict {
            Verdict::WrongReason => Severity::Low,
            _ => kind.defect.severity,
        },
        attempts: sum(tallies, |_| true),
        judged,
        false_accepts,
        latency_p50_us: None,
        strict_verdict,
        upper_bound_95: if false_accepts == 0 { upper_bound(judged) } else { None },
        unpromised: match (kind.must, worst.expected) {
            (Must::Unpromised(_, why), _) => Some(why.to_owned()),
            (_, Expectation::Either(refusal)) if refusal.group == Group::Signature => {
                Some("its key is so new that the broker need not know it yet".to_owned())
            }
            (_, Expectation::Either(_)) => Some("it is inside the leeway".to_owned()),
            _ => None,
        },
        broker: None,
        known: None,
    })
}

#[cfg(test)]
mod tests;
