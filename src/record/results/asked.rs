//! What was asked of a run: enough to ask a part of it again.

use std::env;

use serde::{Deserialize, Serialize};

use crate::{base::error::showable::pasted, plan::Plan};

/// The scenario of a run, and where it was started.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Asked {
    /// The scenario's file as it was named, or the name of one that comes with the program.
    pub scenario: String,
    /// What the command line changed in it, as arguments, secrets left out.
    pub overrides: Vec<String>,
    /// What was left out, by the names of keys and options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// The folder that relative paths start from.
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
