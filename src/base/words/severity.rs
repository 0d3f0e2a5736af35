//! How bad it is when a defect is accepted.

use super::vocabulary;

vocabulary! {
    /// How bad it is when a defect is accepted, from the harmless up.
    Severity: "severity" {
        /// Nothing is wrong with the token.
        None = "none";
        /// Leniency.
        Info = "info";
        /// A weakness next to others.
        Low = "low";
        /// A rule of the standard is broken.
        Medium = "medium";
        /// Access lasts longer or reaches further than granted.
        High = "high";
        /// Anybody gets in, or anybody becomes somebody else.
        Critical = "critical";
    }
}

impl Severity {
    /// From the worst down.
    pub const WORST_FIRST: [Self; Self::COUNT] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info, Self::None];
}
