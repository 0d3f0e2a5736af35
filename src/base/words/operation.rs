//! What a client does that is timed and judged.

use super::vocabulary;

vocabulary! {
    /// What a client does, or meets, whose phases are measured.
    Operation: "operation" {
        /// An attempt: one CONNECT, from its schedule to the answer.
        Connect = "connect";
    }
}
