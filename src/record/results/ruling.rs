//! What a run came to: decided once (`decide`), stored in `summary.json`, and rendered by everybody who tells of it.

pub mod decide;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::judged::{Aborted, Undecided};
use crate::base::{
    error::Exit,
    words::{Conclusion, Operation, Tone, Verdict},
};

/// What a run came to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ruling {
    /// What it came to, in a word.
    pub conclusion: Conclusion,
    /// What the command exited with, if its results could be written.
    #[serde(rename = "exit_code")]
    pub exit: Exit,
    /// How good a piece of news that is.
    pub tone: Tone,
    /// What failed: a broker that went away first, then wrong verdicts, then what was asked for.
    pub failed: Vec<Failure>,
    /// Of a matrix: wrong verdicts that `--known` names. They fail nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
    /// Of a matrix: the cells that `--known` names and that are as promised now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// Why the run did not measure what it was to. The first one is said on stderr.
    pub unmeasured: Vec<Unmeasured>,
}

/// What fails a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Failure {
    /// Brokers went away by themselves.
    BrokerGone {
        /// Their labels.
        brokers: Vec<String>,
    },
    /// A broker let everybody in, whatever the token.
    LetsEverybodyIn,
    /// Attempts got a verdict that breaks a promise.
    Wrong {
        /// The verdict.
        verdict: Verdict,
        /// How many attempts; of a matrix, how many kinds of token.
        count: u64,
        /// The kinds of token; of a matrix, the worst first.
        tokens: Vec<String>,
    },
    /// Operations of connected clients got a verdict that breaks a promise.
    WrongOperation {
        /// The operation.
        operation: Operation,
        /// The verdict.
        verdict: Verdict,
        /// How many operations.
        count: u64,
    },
    /// A verifier followed a header of the token to a server of its sender.
    HeaderFollowed {
        /// The kinds of token that had such a header.
        tokens: Vec<String>,
    },
    /// Bad tokens were let in while `--probe` looked for edges.
    EdgeAccepted {
        /// How many tokens.
        count: u64,
    },
    /// A search found no rate at which its objectives hold, and the broker was the limit.
    NoCapacity,
    /// A threshold ended the run early.
    EndedEarly(Aborted),
    /// A threshold was missed.
    Missed {
        /// The number that it bounds.
        metric: String,
        /// The bound.
        condition: String,
    },
}

/// Wrong verdicts that were known before.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Known {
    /// The verdict.
    pub verdict: Verdict,
    /// How many kinds of token.
    pub count: u64,
    /// The kinds of token, the worst first.
    pub tokens: Vec<String>,
}

impl Failure {
    /// Whether it weighs more than that a run could not measure all it was to: a bad token was let in, or a broker went away.
    pub fn is_grave(&self) -> bool {
        matches!(self, Self::BrokerGone { .. }) || self.is_of_security()
    }

    /// Whether a bad token was let in, or a verifier did what its sender wanted.
    pub fn is_of_security(&self) -> bool {
        match self {
            Self::LetsEverybodyIn | Self::HeaderFollowed { .. } | Self::EdgeAccepted { .. } => true,
            Self::Wrong { verdict, .. } | Self::WrongOperation { verdict, .. } => {
                *verdict == Verdict::FalseAccept
            }
            Self::BrokerGone { .. }
            | Self::NoCapacity
            | Self::EndedEarly(_)
            | Self::Missed { .. } => false,
        }
    }
}

/// Why a run did not measure what it was to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unmeasured {
    /// The run lacks the part of agents that were lost.
    AgentsLost {
        /// How many agents.
        agents: usize,
    },
    /// An embedded broker never had a key to verify tokens with.
    NoKeys,
    /// No answer says anything about its token; of a matrix, too few do.
    NothingJudged,
    /// Thresholds could not be decided.
    Undecided {
        /// Why.
        because: Undecided,
        /// How many thresholds.
        thresholds: u64,
    },
    /// Each token that should be good had to be refused.
    NothingGood {
        /// What was wrong with them, by groups of defects.
        groups: Vec<String>,
    },
    /// Both answers were right for every token that was answered.
    NothingPromised,
    /// The generator was the limit, and `validity = "strict"` asks that it is not.
    GeneratorLimited,
    /// Threads that drove clients did not come to their end.
    WorkersMissing {
        /// How many threads.
        workers: u64,
    },
    /// A search ended before it had an answer, or the generator was its limit.
    SearchOpen,
    /// It is known of no connection whether its broker did as it promised when the token ended.
    NoEndDecided {
        /// Why.
        because: NoEnd,
    },
    /// It is known of no client whether its broker did as it promised when the client authenticated
    /// again.
    NoReauthDecided {
        /// Whether no client was to authenticate again at all.
        none_met: bool,
    },
}

/// Why no end of a token was decided.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoEnd {
    /// No connection was open when its token ended: there is no `expire`.
    NoneMet,
    /// Nothing is promised: each `expire` is `not_judged`.
    NothingPromised,
    /// No `expire` is decided, and some are `indeterminate`.
    AllLeft,
}

impl NoEnd {
    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoneMet => {
                "no connection was open when its token ended: was anybody accepted, and is `load.hold` longer than the tokens last?"
            }
            Self::NothingPromised => {
                "nothing is promised of connections whose token ends: `policy.on_expiry` says what is"
            }
            Self::AllLeft => {
                "each connection ended otherwise about the time its token did, and operations.csv says how: `load.hold` has to be longer than lifetime, `policy.expiry_leeway` and `session.grace` together, and nothing else may end connections then"
            }
        }
    }
}

impl fmt::Display for Unmeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AgentsLost { .. } => {
                "agents were lost: the run lacks their part (`--allow-lost-agents` judges what is there)"
            }
            Self::NoKeys => {
                "an embedded broker never had a key to verify tokens with: its refusals say nothing"
            }
            Self::Undecided { because: Undecided::NeverHappened, .. } => {
                "a threshold bounds the time of a change of keys that was never seen: the run can't tell"
            }
            Self::Undecided { because: Undecided::GeneratorLimited, .. } => {
                "a threshold on a time is undecided: the load generator was too slow for this load on this host"
            }
            Self::NothingGood { .. } => {
                "no good token was measured: each token that should be good had to be refused"
            }
            Self::NothingPromised => {
                "nothing was judged: of each token both answers were right"
            }
            Self::NothingJudged => {
                "nothing that counts could be measured: see validity and failures above"
            }
            Self::GeneratorLimited => {
                "the load generator was too slow for this load on this host, and `load.validity` is `strict`"
            }
            Self::WorkersMissing { .. } => {
                "threads that drove clients did not come to their end: what they saw last is missing"
            }
            Self::NoEndDecided { because } => because.words(),
            Self::NoReauthDecided { none_met: true } => {
                "no client was to authenticate again: was anybody accepted, and is `load.hold` longer than the tokens last?"
            }
            Self::NoReauthDecided { none_met: false } => {
                "no answer to a client that authenticated again says whether the broker keeps its promise: operations.csv has what came"
            }
            Self::SearchOpen => {
                "the search has no answer: it ended before, or the load generator was its limit"
            }
        })
    }
}

impl Ruling {
    /// What follows from what failed and what was not measured: 130 where the user ended it, then 1 for what is grave, then 3,
    /// 1 and 0.
    fn exit_of(failed: &[Failure], unmeasured: &[Unmeasured], is_interrupted: bool) -> Exit {
        if is_interrupted {
            Exit::Interrupted
        } else if failed.iter().any(Failure::is_grave) {
            Exit::Failed
        } else if !unmeasured.is_empty() {
            Exit::NotMeasured
        } else if !failed.is_empty() {
            Exit::Failed
        } else {
            Exit::Fine
        }
    }

    /// How many attempts, or kinds of token, got a verdict that breaks a promise.
    pub fn count(&self, wanted: Verdict) -> u64 {
        let of = |failure: &Failure| match failure {
            Failure::Wrong { verdict, count, .. } if *verdict == wanted => Some(*count),
            _ => None,
        };
        self.failed.iter().find_map(of).unwrap_or_default()
    }
}
