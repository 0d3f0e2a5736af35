//! `issuer.csv` and `events.csv`: who asked the issuer for what, and what happened to it.

use std::{borrow::Cow, fs, path::Path};

use super::{
    gone::BrokerGone,
    happened::{Happened, Visit},
    keys::by_second,
    outages::Deed,
    writing::{replace_in, unwritable},
};
use crate::{
    base::{
        clock::SECOND,
        error::{Result, plain::cell},
    },
    plan::Plan,
    record::measure::KeyAnswer,
};

/// Writes who asked the issuer for what into a folder, which is made where it is missing.
///
/// # Errors
/// When it can't be written.
pub fn write(folder: &Path, visits: &[Visit]) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let head = ["second", "path", "status", "caller", "count"];
    let rows = visits.iter().map(|visit| {
        [
            visit.second.to_string(),
            visit.path.to_owned(),
            visit.status.to_string(),
            // Whoever asks says who it is.
            cell(&visit.caller),
            visit.count.to_string(),
        ]
    });
    replace_in(folder, "issuer.csv", &table(folder, head, rows)?)
}

/// Writes what has happened, to the issuer and to brokers, each when it was done, and stops when they began; the storm
/// started at `start`.
///
/// # Errors
/// When it can't be written.
pub fn write_events(
    folder: &Path,
    happened: &[Happened],
    (deeds, gone): (&[Deed], &[BrokerGone]),
    start: u64,
) -> Result<()> {
    let mut all: Vec<(f64, &str, Cow<'_, str>)> = happened
        .iter()
        .map(|happened| (happened.second, happened.event, happened.detail.as_str().into()))
        .collect();
    all.extend(deeds.iter().filter_map(|deed| {
        // A broker goes down as its stop begins, and is there when its start is done.
        let ended = deed.ended?;
        let at = if deed.starts { ended } else { deed.began };
        let second = (at as f64 - start as f64) / SECOND as f64;
        Some((second, deed.name(), deed.detail.as_str().into()))
    }));
    all.extend(gone.iter().flat_map(|gone| {
        let back = gone.back_after_s.map(|after| {
            let detail = format!("`{}` answers again, after {after:.2} s", gone.broker);
            (gone.at_s + after, "broker_back", detail.into())
        });
        [(gone.at_s, "broker_gone", gone.what().into())].into_iter().chain(back)
    }));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let rows = all.into_iter().map(|(second, event, detail)| {
        [format!("{second:.3}"), event.to_owned(), detail.into_owned()]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_told_at_its_beginning_and_a_start_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let deed = |starts, began, ended| {
            let (failed, back) = (false, None);
            let (ended, detail) = (Some(ended * SECOND), "x".to_owned());
            Deed { broker: 0, starts, began: began * SECOND, ended, failed, detail, back }
        };
        let deeds = [deed(false, 7, 9), deed(true, 11, 14)];
        write_events(folder.path(), &[], (&deeds, &[]), 5 * SECOND).unwrap();
        let told = fs::read_to_string(folder.path().join("events.csv")).unwrap();
        assert!(told.contains("2.000,stop_broker,x\n9.000,start_broker,x\n"), "{told}");
    }
}
