//! What was asked of a run: enough to ask a part of it again.

use std::env;

use serde::{Deserialize, Serialize};

use crate::{base::error::showable::pasted, plan::Plan};

/// What was asked of a run: enough to ask a part of it again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Asked {
    /// The scenario's file as it was named, or the name of one that comes with the program.
    pub scenario: String,
    /// The changes of the command line as arguments, without secrets.
    pub overrides: Vec<String>,
    /// The names of changes that may be secret and were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// The folder where the run was started. Relative paths begin there.
    pub folder: String,
}

impl Asked {
    /// Of a plan; nothing where the name of its file may be a secret.
    pub fn of(plan: &Plan) -> Option<Self> {
        let scenario = plan.path.display().to_string();
        let folder = env::current_dir().unwrap_or_default().display().to_string();
        pasted(&scenario).is_none().then(|| Self {
            scenario,
            overrides: plan.overrides.clone(),
            withheld: plan.withheld.clone(),
            folder,
        })
    }
}
