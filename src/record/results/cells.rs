//! Cells of CSV files: bare numbers or nothing, and a last column that names the times that lie beyond their cell.
//!
//! A program that reads a column of times reads numbers. Where a percentile is only known to be longer than the timeout,
//! the cell holds the timeout and the column `beyond` the percentile's name; where nothing is known, the cell is empty.

use serde::de::DeserializeOwned;

use super::Percentile;

/// The name of the last column.
pub const BEYOND: &str = "beyond";

/// Cells of one row that hold times, and which of these lie beyond their cell.
#[derive(Clone, Debug, Default)]
pub struct Beyond(Vec<&'static str>);

impl Beyond {
    /// The number for the cell of a time, in microseconds. `name` is the column's name without its unit, such as `p99`
    /// or `connack_p99`, and is noted where the time lies beyond the number.
    pub fn number(&mut self, name: &'static str, time: Option<Percentile>) -> Option<f64> {
        let bound = time.and_then(Percentile::bound);
        if bound.is_some() {
            self.0.push(name);
        }
        bound.or_else(|| time.and_then(Percentile::number))
    }

    /// The same as text.
    pub fn cell(&mut self, name: &'static str, time: Option<Percentile>) -> String {
        self.number(name, time).map(|number| number.to_string()).unwrap_or_default()
    }

    /// The text of the last column: `p99;p999`.
    pub fn text(&self) -> String {
        self.0.join(";")
    }
}

/// A row whose times are parted into a bare number and a note of those that lie beyond it.
pub trait Timed {
    /// Its times, each with the name of its column less the unit.
    fn times(&mut self) -> Vec<(&'static str, &mut Option<Percentile>)>;
}

/// A row as its file has it: its times as bare numbers, and the text of the last column.
pub fn parted<T: Timed + Clone>(row: &T) -> (T, String) {
    let (mut row, mut beyond) = (row.clone(), Beyond::default());
    for (name, time) in row.times() {
        *time = beyond.number(name, *time).map(Percentile::Number);
    }
    (row, beyond.text())
}

/// A row that was [`parted`], with its times as they were measured.
///
/// # Errors
/// When it is no such row.
pub fn read<T: Timed + DeserializeOwned>(
    row: &csv::StringRecord,
    head: &csv::StringRecord,
) -> csv::Result<T> {
    let column = head.iter().position(|name| name == BEYOND);
    let beyond = column.and_then(|column| row.get(column)).unwrap_or_default();
    let mut read: T = row.deserialize(Some(head))?;
    for (name, time) in read.times() {
        *time = restored(name, time.take(), beyond);
    }
    Ok(read)
}

/// A time as it was before it became a cell: `beyond` is the text of its row's last column.
fn restored(name: &str, cell: Option<Percentile>, beyond: &str) -> Option<Percentile> {
    match cell {
        Some(Percentile::Number(us)) if beyond.split(';').any(|column| column == name) => {
            Some(Percentile::Beyond(us))
        }
        // Files of before 2026-11-28 have the text in the cell itself.
        cell => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_number_or_nothing_and_what_lies_beyond_it_is_named_and_read_back() {
        let mut beyond = Beyond::default();
        let late = Percentile::Beyond(10_000_000.0);
        let cells = [
            beyond.cell("p50", Some(Percentile::Number(1.5))),
            beyond.cell("p99", Some(late)),
            beyond.cell("p999", Some(Percentile::Unanswered(10_000_000.0))),
            beyond.cell("p9999", None),
            beyond.cell("max", Some(late)),
        ];
        assert_eq!(cells, ["1.5", "10000000", "", "", "10000000"]);
        assert_eq!(beyond.text(), "p99;max");
        let number = Some(Percentile::Number(10_000_000.0));
        assert_eq!(restored("p99", number, "p99;max"), Some(late));
        assert_eq!(restored("p999", number, "p99;max"), number);
        assert_eq!(restored("p99", Some(late), ""), Some(late));
    }
}
