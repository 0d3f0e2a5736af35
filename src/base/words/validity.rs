//! Whether the numbers of a run can be trusted, and what limited a search.

use super::vocabulary;

vocabulary! {
    /// Whether the numbers of a run can be trusted.
    Validity: "validity" {
        /// They can.
        Valid = "valid";
        /// The generator was the limit: times may be its own.
        GeneratorLimited = "generator_limited";
        /// Something else keeps them from being taken at their face value.
        Degraded = "degraded";
        /// The user ended it.
        Interrupted = "interrupted";
    }
}

impl Validity {
    /// Its name as a sentence has it: `generator limited`.
    pub fn words(self) -> String {
        self.name().replace('_', " ")
    }
}

vocabulary! {
    /// What kept a search from going higher.
    LimitedBy: "limit" {
        /// The broker.
        Broker = "broker";
        /// The generator.
        Generator = "generator";
    }
}

/// What nobody has shown to be the broker's is not the broker's.
impl Default for LimitedBy {
    fn default() -> Self {
        Self::Generator
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the list of words has no place for an attribute of one"
)]
impl Default for Validity {
    fn default() -> Self {
        Self::Valid
    }
}
