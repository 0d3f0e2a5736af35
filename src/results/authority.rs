//! `issuer.csv` and `events.csv`: who asked the issuer for what, and what happened to it.

use std::{fs, path::Path};

use super::{
    folder::{replace_in, unwritable},
    keys::by_second,
};
use crate::{
    error::Result,
    issuer::{Visit, happenings::Happened},
    measure::KeyAnswer,
    plan::Plan,
};

/// Writes both into a folder, which is made where it is missing.
///
/// # Errors
/// When they can't be written.
pub fn write(folder: &Path, visits: &[Visit], happened: &[Happened]) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let head = ["second", "path", "status", "caller", "count"];
    let rows = visits.iter().map(|visit| {
        [
            visit.second.to_string(),
            visit.path.to_owned(),
            visit.status.to_string(),
            visit.caller.clone(),
            visit.count.to_string(),
        ]
    });
    replace_in(folder, "issuer.csv", &table(folder, head, rows)?)?;
    let rows = happened.iter().map(|happened| {
        [format!("{:.3}", happened.second), happened.event.to_owned(), happened.detail.clone()]
    });
    replace_in(folder, "events.csv", &table(folder, ["second", "event", "detail"], rows)?)
}

/// Writes `keys.csv`: what became of the tokens of each key, second by second.
///
/// # Errors
/// When it can't be written.
pub fn write_keys(folder: &Path, plan: &Plan, answers: &[KeyAnswer], start: u64) -> Result<()> {
    let rows = by_second(plan, answers, start).into_iter().map(
        |((second, key, broker), (accepted, refused))| {
            [
                second.to_string(),
                plan.mould
                    .keys
                    .get(usize::from(key))
                    .map_or_else(String::new, |key| key.name.clone()),
                plan.brokers[usize::from(broker)].label.clone(),
                accepted.to_string(),
                refused.to_string(),
            ]
        },
    );
    let head = ["second", "key", "broker", "accepted", "refused"];
    replace_in(folder, "keys.csv", &table(folder, head, rows)?)
}

/// Rows of CSV.
pub(super) fn table<const COLUMNS: usize>(
    folder: &Path,
    head: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let fail = |error: csv::Error| unwritable(folder, &error);
    csv.write_record(head).map_err(fail)?;
    for row in rows {
        csv.write_record(&row).map_err(fail)?;
    }
    csv.into_inner().map_err(|error| unwritable(folder, &error))
}
