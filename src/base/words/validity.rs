//! Whether the numbers of a run can be trusted, and what limited a search.

use super::vocabulary;

vocabulary! {
    /// Whether the numbers of a run can be trusted.
    #[derive(Default)]
    Validity: "validity" {
        /// They can.
        #[default]
        Valid = "valid";
        /// The generator was the limit: times may be its own.
        GeneratorLimited = "generator_limited";
        /// Something else keeps them from being taken at their face value.
        Degraded = "degraded";
        /// The user ended it.
        Interrupted = "interrupted";
    }
}

vocabulary! {
    /// What kept a search from going higher: what nobody has shown to be the broker's is not the broker's.
    #[derive(Default)]
    LimitedBy: "limit" {
        /// The broker.
        Broker = "broker";
        /// The generator.
        #[default]
        Generator = "generator";
    }
}
