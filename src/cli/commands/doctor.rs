//! `tokenstorm doctor`: what on this host would limit a run.

use std::path::Path;

use super::say;
use crate::{
    base::{
        error::{Error, Exit, Result, plain::Paint},
        host::Limits,
    },
    cli::{
        self,
        doctor::{Finding, Row, examine},
    },
    plan::{self, Plan},
    report::style::table,
};

/// Examines this host, for a scenario where one is given.
pub(super) fn doctor(scenario: Option<&Path>, change: &cli::Change) -> Result<Exit> {
    let limits = Limits::read();
    let mut overrides = change.overrides();
    let plan = match scenario {
        Some(path) => {
            let loaded = plan::load(path, &overrides)?;
            Some(Plan::unchecked(&loaded, &limits)?)
        }
        // The file of a broker is a scenario, too: a matrix or the smallest run.
        None => match overrides.broker.take() {
            Some(path) => {
                let loaded = plan::load_of_broker(&path, &overrides)?;
                Some(Plan::unchecked(&loaded, &limits)?)
            }
            None if !overrides.is_empty() => {
                return Err(Error::usage("a scenario is changed, and none is named")
                    .hint("name it in front: `tokenstorm doctor SCENARIO --set …`"));
            }
            None => None,
        },
    };
    let rows = examine(plan.as_ref(), &limits);
    let lines: Vec<Vec<String>> = rows.iter().map(line).collect();
    say(&table(&["limit", "value", "need", "", "what changes it"], &lines))?;
    let worst = rows.iter().map(|row| row.finding).max().unwrap_or(Finding::Fine);
    let verdict = match (&plan, worst) {
        (None, _) => {
            "these are the limits; `tokenstorm doctor SCENARIO` sets them against a need".into()
        }
        (Some(plan), Finding::Stops) => {
            format!("{} can't be run on this host as it is", plan.scenario.name)
        }
        (Some(plan), Finding::Beware) => {
            format!("{} can be run; what it measures may be of this host", plan.scenario.name)
        }
        (Some(plan), _) => format!("nothing here limits {}", plan.scenario.name),
    };
    say(&format!("\n{verdict}\n"))?;
    Ok(if worst == Finding::Stops { Exit::Failed } else { Exit::Fine })
}

fn line(row: &Row) -> Vec<String> {
    let word = match row.finding {
        Finding::Fine => "ok".green(),
        Finding::Unknown => "?".to_owned(),
        Finding::Beware => "beware".yellow(),
        Finding::Stops => "STOPS".red().bold(),
    };
    vec![row.what.into(), row.value.clone(), row.need.clone(), word, row.advice.clone()]
}
