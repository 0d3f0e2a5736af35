//! What had to happen to a token, and what an answer is worth.

use super::vocabulary;

vocabulary! {
    /// What an answer is worth.
    Verdict: "verdict" {
        /// As promised, code included.
        Correct = "correct";
        /// A token that must be refused was accepted: a security failure.
        FalseAccept = "false_accept", "FALSE ACCEPT";
        /// A good token was refused as if it were bad.
        FalseReject = "false_reject", "FALSE REJECT";
        /// Refused as it must be, but not with the promised code.
        WrongReason = "wrong_reason", "wrong reason";
        /// The answer says nothing about the token.
        NotJudged = "not_judged", "not judged";
        /// The token's time boundary fell within the attempt: both answers could be right.
        Indeterminate = "indeterminate";
    }
}

impl Verdict {
    /// Those that a run fails by, the gravest first.
    pub const WRONG: [Self; 3] = [Self::FalseAccept, Self::FalseReject, Self::WrongReason];

    /// Whether it is one that a run fails by.
    pub fn is_wrong(self) -> bool {
        Self::WRONG.contains(&self)
    }

    /// Whether the answer says something about its token.
    pub fn is_judged(self) -> bool {
        !matches!(self, Self::NotJudged | Self::Indeterminate)
    }

    /// How much it weighs: of several answers to one kind of token, the heaviest verdict is told.
    pub fn weight(self) -> u8 {
        match self {
            Self::FalseAccept => 5,
            Self::FalseReject => 4,
            Self::WrongReason => 3,
            Self::NotJudged => 2,
            // Both answers could be right: of several attempts another one decides.
            Self::Correct => 1,
            Self::Indeterminate => 0,
        }
    }

    /// What is told of attempts that got it, behind their number.
    pub fn told(self) -> &'static str {
        match self {
            Self::Correct => "answers were as promised",
            Self::FalseAccept => "tokens that must be refused were ACCEPTED",
            Self::FalseReject => "good tokens were refused",
            Self::WrongReason => "refusals gave another reason than promised",
            Self::NotJudged => "attempts say nothing about their token",
            Self::Indeterminate => "fell on a boundary of time",
        }
    }

    /// What it says, as the end of a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Correct => "as promised",
            Self::FalseAccept => "must be refused and was accepted: a security failure",
            Self::FalseReject => "a good token that was refused",
            Self::WrongReason => "refused as it must be, with another code than promised",
            Self::NotJudged => "the answer says nothing about the token",
            Self::Indeterminate => "fell on a boundary of time",
        }
    }
}

vocabulary! {
    /// What had to happen to a token.
    Expected: "expectation" {
        /// It had to be accepted.
        Accept = "accept";
        /// It had to be refused.
        Refuse = "refuse";
        /// Both answers were right.
        Either = "either";
        /// Its boundary fell within the attempt.
        Indeterminate = "indeterminate";
    }
}
