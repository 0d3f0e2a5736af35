//! Requests to the canary, which no verifier should make.

use serde::{Deserialize, Serialize};

/// A request that should not have come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fetch {
    /// The defect whose header was followed: the first part of the path.
    pub defect: String,
    /// The path, without its query.
    pub path: String,
    /// Who asked, by address.
    pub from: String,
}
