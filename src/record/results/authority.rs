//! `issuer.csv` and `events.csv`: who asked the issuer for what, and what happened to it.

use std::{borrow::Cow, fs, path::Path};

use super::{
    gone::BrokerGone,
    happened::{Happened, Visit},
    keys::by_second,
    outages::Deed,
    sheets,
    writing::{replace_table, unwritable},
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
    // Whoever asks says who it is.
    let rows = visits.iter().map(|visit| Visit { caller: cell(&visit.caller), ..visit.clone() });
    replace_table(folder, &sheets::ISSUER, rows)
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
    drops: &[(f64, String)],
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
    let dropped =
        |(second, detail): &(f64, String)| (*second, "drop_clients", detail.clone().into());
    all.extend(drops.iter().map(dropped));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let rows = all.into_iter().map(|(second, event, what)| (format!("{second:.3}"), event, what));
    replace_table(folder, &sheets::EVENTS, rows)
}

/// Writes `keys.csv`: what became of the tokens of each key, second by second.
///
/// # Errors
/// When it can't be written.
pub fn write_keys(folder: &Path, plan: &Plan, answers: &[KeyAnswer], start: u64) -> Result<()> {
    let rows = by_second(plan, answers, start);
    let rows = rows.into_iter().map(|((second, key, broker), counts)| {
        let key = plan.mould.keys.get(usize::from(key)).map(|key| &key.name);
        (second, key, &plan.brokers[usize::from(broker)].label, counts)
    });
    replace_table(folder, &sheets::KEYS, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_told_at_its_beginning_and_a_start_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let deed = |starts, began, ended| {
            let (ended, detail) = (Some(ended * SECOND), "x".to_owned());
            Deed { starts, began: began * SECOND, ended, detail, ..Deed::default() }
        };
        let deeds = [deed(false, 7, 9), deed(true, 11, 14)];
        write_events(folder.path(), &[], (&deeds, &[]), &[], 5 * SECOND).unwrap();
        let told = fs::read_to_string(folder.path().join("events.csv")).unwrap();
        assert!(told.contains("2.000,stop_broker,x\n9.000,start_broker,x\n"), "{told}");
    }
}
