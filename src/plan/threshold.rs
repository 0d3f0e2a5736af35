//! Thresholds: a metric, with token kind and broker in braces, and the conditions it must hold.

use std::time::Duration;

use crate::{
    base::{
        error::{Error, Result, suggestion},
        words::{Metric, Operation, OperationOutcome, OutcomeKind, Phase, Unit, Verdict, Word},
    },
    scenario::bounds,
};

/// One condition on one metric.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// The metric as written, braces included.
    pub metric: String,
    /// The condition as written.
    pub condition: String,
    /// Which number.
    pub subject: Subject,
    /// Only attempts with this kind of token.
    pub token: Option<String>,
    /// Only attempts at this broker.
    pub broker: Option<String>,
    /// How the number is made.
    pub aggregate: Aggregate,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what; microseconds for the times of a phase.
    pub bound: f64,
    /// Where its failure ends the run: the time from the start of the storm in which it does not yet.
    pub abort_after: Option<Duration>,
    /// Whether it holds for every run, and not because somebody wrote it.
    pub is_default: bool,
}

/// Which number a threshold bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// The times of a phase.
    Phase(Phase),
    /// How many attempts had an outcome.
    Outcome(OutcomeKind),
    /// How many attempts had a verdict.
    Verdict(Verdict),
    /// How many operations of connected clients had an outcome.
    OperationOutcome(Operation, OperationOutcome),
    /// How many of them had a verdict.
    OperationVerdict(Operation, Verdict),
    /// Another number of the summary.
    Value(Metric),
}

/// How a number is made of what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// How many.
    Count,
    /// Share of all attempts, as a fraction of 1.
    Rate,
    /// Least time.
    Min,
    /// Mean time.
    Mean,
    /// Greatest time.
    Max,
    /// A percentile, 0 to 100.
    Percentile(f64),
    /// The number itself.
    Value,
}

/// How a number is compared with its bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the operators speak for themselves")]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Whether `observed` holds against `bound`.
    #[expect(clippy::float_cmp, reason = "`==` is for counts, which f64 holds exactly")]
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Self::Less => observed < bound,
            Self::LessOrEqual => observed <= bound,
            Self::Greater => observed > bound,
            Self::GreaterOrEqual => observed >= bound,
            Self::Equal => observed == bound,
            Self::NotEqual => observed != bound,
        }
    }
}

/// The metric that has a threshold where none is written.
pub const NOT_JUDGED: &str = "verdict.not_judged";
/// The share of attempts that may remain without a judgement.
const MOST_NOT_JUDGED: f64 = 0.01;

impl Threshold {
    /// What holds for every run that does not bound [`NOT_JUDGED`] itself: where most attempts say nothing about their
    /// token, the others do not make a run that passed.
    pub fn of_every_run() -> Self {
        Self {
            metric: NOT_JUDGED.to_owned(),
            condition: format!("rate <= {MOST_NOT_JUDGED}"),
            subject: Subject::Verdict(Verdict::NotJudged),
            token: None,
            broker: None,
            aggregate: Aggregate::Rate,
            comparison: Comparison::LessOrEqual,
            bound: MOST_NOT_JUDGED,
            abort_after: None,
            is_default: true,
        }
    }

    /// Whether it bounds a time, which a generator that is late makes longer.
    pub fn is_of_time(&self) -> bool {
        is_time(self.subject, self.aggregate)
    }

    /// Reads one entry of a section such as `[thresholds]`; `tokens` and `brokers` are those there are.
    ///
    /// # Errors
    /// When the metric, the token kind, the broker or the condition is unknown: with what there is.
    pub fn parse(
        section: &str,
        metric: &str,
        condition: &str,
        tokens: &[&str],
        brokers: &[&str],
    ) -> Result<Self> {
        let place = format!("`{section}.\"{metric}\"`");
        Self::parts(metric, condition, tokens, brokers).map_err(|error| error.within(place))
    }

    /// The same, which ends the run where it fails after so long.
    ///
    /// # Errors
    /// When no run can tell it while it goes.
    pub fn aborting(self, after: Option<Duration>) -> Result<Self> {
        let is_of_series = matches!(self.subject, Subject::Value(metric) if metric.is_of_series());
        if after.is_some() && is_of_series {
            return Err(Error::usage(format!(
                "`thresholds.\"{}\"` has `abort_on_fail`, but is told of a whole series, and not while a run goes",
                self.metric
            ))
            .hint(format!("write `[\"{}\"]`", self.condition)));
        }
        Ok(Self { abort_after: after, ..self })
    }

    fn parts(metric: &str, condition: &str, tokens: &[&str], brokers: &[&str]) -> Result<Self> {
        let (name, braces) = match metric.split_once('{') {
            Some((name, rest)) => (
                name,
                rest.strip_suffix('}').ok_or_else(|| Error::usage("the brace is not closed"))?,
            ),
            None => (metric, ""),
        };
        let (mut token, mut broker) = (None, None);
        for tag in braces.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            // A broker's URL has colons of its own: only the first one parts tag and value.
            match tag.split_once(':') {
                Some(("token", kind)) => token = Some(one_of(kind, tokens, "token kind")?),
                Some(("broker", url)) => broker = Some(one_of(url, brokers, "broker")?),
                _ => {
                    return Err(Error::usage(format!("`{tag}` is no tag")).hint(
                        "the tags are `token:KIND` and `broker:URL`, as in `connack{token:fresh}`",
                    ));
                }
            }
        }
        let subject = subject(name.trim())?;
        if matches!(subject, Subject::Value(_)) && (token.is_some() || broker.is_some()) {
            return Err(Error::usage(format!(
                "`{}` is counted of the whole run, and of no kind of token or broker alone",
                name.trim()
            ))
            .hint(
                "leave the braces out; phases, verdicts, outcomes and operations may have them",
            ));
        }
        let (aggregate, comparison, bound) = parse_condition(condition, subject)?;
        Ok(Self {
            metric: metric.to_owned(),
            condition: condition.to_owned(),
            subject,
            token,
            broker,
            aggregate,
            comparison,
            bound,
            abort_after: None,
            is_default: false,
        })
    }
}

fn one_of(found: &str, known: &[&str], what: &str) -> Result<String> {
    let found = found.trim();
    if known.contains(&found) {
        return Ok(found.to_owned());
    }
    Err(Error::usage(format!("there is no {what} `{found}` in this scenario"))
        .hint(suggestion(found, known.iter().copied())))
}

fn subject(name: &str) -> Result<Subject> {
    let known = |prefix: &str| name.strip_prefix(prefix);
    Phase::named(name)
        .map(Subject::Phase)
        .or_else(|| known("verdict.").and_then(Verdict::named).map(Subject::Verdict))
        .or_else(|| known("outcome.").and_then(OutcomeKind::named).map(Subject::Outcome))
        .or_else(|| known("operation.").and_then(of_operation))
        .or_else(|| Metric::named(name).map(Subject::Value))
        .ok_or_else(|| {
            let all: Vec<String> = subjects().map(|subject| subject.to_string()).collect();
            Error::usage(format!("there is no metric `{name}`"))
                .hint(suggestion(name, all.iter().map(String::as_str)))
        })
}

/// What `expire.open` or `expire.false_accept` names.
fn of_operation(name: &str) -> Option<Subject> {
    let (operation, what) = name.split_once('.')?;
    let operation = Operation::named(operation).filter(|it| Operation::OF_SESSIONS.contains(it))?;
    let outcome = OperationOutcome::named(what);
    let outcome = outcome.filter(|it| operation.outcomes().contains(it));
    outcome
        .map(|outcome| Subject::OperationOutcome(operation, outcome))
        .or_else(|| Verdict::named(what).map(|it| Subject::OperationVerdict(operation, it)))
}

/// All that can be bounded, in the order in which it is listed.
fn subjects() -> impl Iterator<Item = Subject> {
    let phases = Phase::ALL.into_iter().map(Subject::Phase);
    let verdicts = Verdict::ALL.into_iter().map(Subject::Verdict);
    let outcomes = OutcomeKind::ALL.into_iter().map(Subject::Outcome);
    let operations = Operation::OF_SESSIONS.into_iter().flat_map(|operation| {
        let outcomes = operation.outcomes().iter();
        let outcomes = outcomes.map(move |it| Subject::OperationOutcome(operation, *it));
        let verdicts = Verdict::ALL.into_iter();
        outcomes.chain(verdicts.map(move |it| Subject::OperationVerdict(operation, it)))
    });
    let values = Metric::ALL.into_iter().map(Subject::Value);
    phases.chain(verdicts).chain(outcomes).chain(operations).chain(values)
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "{phase}"),
            Self::Verdict(verdict) => write!(f, "verdict.{verdict}"),
            Self::Outcome(outcome) => write!(f, "outcome.{outcome}"),
            Self::OperationOutcome(operation, outcome) => {
                write!(f, "operation.{operation}.{outcome}")
            }
            Self::OperationVerdict(operation, verdict) => {
                write!(f, "operation.{operation}.{verdict}")
            }
            Self::Value(metric) => write!(f, "{metric}"),
        }
    }
}

/// The kind of token that a metric is of, where its braces name one.
pub(super) fn token_of(metric: &str) -> Option<&str> {
    let braces = metric.split_once('{')?.1.strip_suffix('}')?;
    braces.split(',').find_map(|tag| tag.trim().strip_prefix("token:"))
}

/// What is compared in a condition, how, and with what; nothing where there is no operator.
pub(super) fn parts(condition: &str) -> Option<(&str, Comparison, &str)> {
    const OPERATORS: [(&str, Comparison); 6] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    OPERATORS.into_iter().find_map(|(sign, comparison)| {
        let (left, right) = condition.split_once(sign)?;
        Some((left.trim(), comparison, right.trim()))
    })
}

/// The percentile of that name: `p99` or `p(99)`.
pub(super) fn percentile(name: &str) -> Option<f64> {
    name.strip_prefix('p')?.trim_start_matches('(').trim_end_matches(')').parse().ok()
}

fn parse_condition(condition: &str, subject: Subject) -> Result<(Aggregate, Comparison, f64)> {
    let example = match subject {
        Subject::Phase(_) => "p99 < 250ms",
        Subject::Value(metric) if metric.unit() == Unit::Time => "value < 5s",
        Subject::Value(_) => "value < 100",
        _ => "count == 0",
    };
    let wrong = |why: String| {
        Error::usage(format!("condition `{condition}`: {why}"))
            .hint(format!("write it like `{example}`"))
    };
    let (aggregate, comparison, bound) = parts(condition).ok_or_else(|| {
        wrong("there is no operator (`<`, `<=`, `>`, `>=`, `==`, `!=`) in it".into())
    })?;
    let aggregate = parse_aggregate(aggregate, subject).map_err(&wrong)?;
    let bound = if is_time(subject, aggregate) {
        let time = bounds::duration(bound).map_err(|error| wrong(format!("`{bound}`: {error}")))?;
        time.as_secs_f64() * 1e6
    } else {
        bound
            .parse()
            .ok()
            .filter(|bound: &f64| bound.is_finite())
            .ok_or_else(|| wrong(format!("`{bound}` is no number")))?
    };
    Ok((aggregate, comparison, bound))
}

/// Whether a number is a time.
fn is_time(subject: Subject, aggregate: Aggregate) -> bool {
    match subject {
        Subject::Phase(_) => !matches!(aggregate, Aggregate::Count | Aggregate::Rate),
        Subject::Value(metric) => metric.unit() == Unit::Time,
        _ => false,
    }
}

fn parse_aggregate(name: &str, subject: Subject) -> std::result::Result<Aggregate, String> {
    let is_phase = matches!(subject, Subject::Phase(_));
    let is_value = matches!(subject, Subject::Value(_));
    match name {
        "count" if !is_value => return Ok(Aggregate::Count),
        "rate" if !is_value && !is_phase => return Ok(Aggregate::Rate),
        "value" if is_value => return Ok(Aggregate::Value),
        "min" if is_phase => return Ok(Aggregate::Min),
        "max" if is_phase => return Ok(Aggregate::Max),
        "mean" | "avg" if is_phase => return Ok(Aggregate::Mean),
        _ => {}
    }
    match percentile(name) {
        Some(percent) if is_phase && (0.0..=100.0).contains(&percent) => {
            Ok(Aggregate::Percentile(percent))
        }
        _ => Err(format!(
            "`{name}` is none of {}",
            if is_phase {
                "`p50`, `p99`, `p99.9` ..., `min`, `mean`, `max`, `count`"
            } else if is_value {
                "`value`"
            } else {
                "`count`, `rate`"
            }
        )),
    }
}

#[cfg(test)]
mod tests;
