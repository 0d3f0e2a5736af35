//! Cells of a matrix against the findings that were known before it (`--known`).

use serde::{Deserialize, Serialize};

use super::{Cell, Matrix, State};
use crate::{
    base::words::Verdict,
    plan::cells::known::{Known, cell_name},
};

/// What became of a finding that was known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownAs {
    /// The cell is wrong, and no worse than known.
    Wrong,
    /// The cell is as promised now.
    Fixed,
}

impl KnownAs {
    /// Its word in `matrix.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Fixed => "fixed",
        }
    }
}

impl Cell {
    /// Its name: the entry and the version of MQTT, and of several brokers which one.
    pub fn name(&self) -> String {
        cell_name(&self.defect, self.protocol, self.broker.as_deref())
    }

    /// Whether it is wrong, and was known to be.
    pub fn is_known(&self) -> bool {
        self.known == Some(KnownAs::Wrong)
    }

    /// Whether it is wrong, and nobody knew.
    pub fn is_new(&self) -> bool {
        self.is_wrong() && !self.is_known()
    }

    /// Its verdict in words, and whether that was known.
    pub fn told(&self) -> String {
        let known = if self.is_known() { ", known" } else { "" };
        format!("{}{known}", self.verdict.words())
    }
}

impl Matrix {
    /// Marks the cells whose findings were known; `target` is the broker of cells that name none.
    pub(super) fn mark(&mut self, known: &Known, target: &str) {
        let stand: Vec<bool> = self.cells.iter().map(|cell| self.stands_for_itself(cell)).collect();
        for (cell, stands) in self.cells.iter_mut().zip(stand) {
            let broker = cell.broker.as_deref().unwrap_or(target);
            let is_right = cell.verdict == Verdict::Correct && !cell.is_weak();
            cell.known = if !stands {
                None
            } else if known.covers((&cell.defect, cell.protocol), broker, cell.verdict) {
                Some(KnownAs::Wrong)
            } else if is_right && known.names(&cell.defect, cell.protocol, broker) {
                Some(KnownAs::Fixed)
            } else {
                None
            };
        }
    }

    /// Whether a cell says something of its token. At a broker that lets everybody in or nobody it does not, and a good token
    /// that is refused where all of its version are says that nothing was judged: neither may be excused by being known.
    pub fn stands_for_itself(&self, cell: &Cell) -> bool {
        let own = self.brokers.iter().find(|of| Some(&of.broker) == cell.broker.as_ref());
        let (state, unheard) =
            own.map_or((self.state, &self.unheard), |own| (own.state, &own.unheard));
        let is_told = matches!(state, State::Judged | State::Unsteady);
        is_told && !(cell.is_control() && unheard.contains(&cell.protocol))
    }

    /// The names of cells that were known to be wrong and are as promised now.
    pub fn fixed(&self) -> Vec<String> {
        let fixed = self.cells.iter().filter(|cell| cell.known == Some(KnownAs::Fixed));
        fixed.map(Cell::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::results::{fixture, matrix::BrokerState};

    #[test]
    fn a_cell_is_known_fixed_or_new_and_one_that_was_not_judged_is_none_of_them() {
        let cells = [
            ("expired", "refuse", "false_accept"),
            ("alg_none", "refuse", "correct"),
            ("wrong_key", "refuse", "not_judged"),
            ("not_a_jwt", "refuse", "wrong_reason"),
        ];
        let mut matrix = fixture::matrix(
            &cells.map(|(defect, expected, verdict)| fixture::cell(defect, expected, verdict)),
        );
        let text = "expired-v5\nalg_none-v5\nwrong_key-v5\nnot_a_jwt-v4";
        matrix.mark(&Known::parse("known.txt", text).unwrap(), "embedded");
        let marks: Vec<_> = matrix.cells.iter().map(|cell| cell.known).collect();
        assert_eq!(marks, [Some(KnownAs::Wrong), Some(KnownAs::Fixed), None, None]);
        assert_eq!(matrix.fixed(), ["alg_none-v5"]);
        let is_new: Vec<bool> = matrix.cells.iter().map(Cell::is_new).collect();
        assert_eq!(is_new, [false, false, false, true], "another version of MQTT is another cell");
    }

    #[test]
    fn what_one_of_several_brokers_does_to_everybody_is_never_known() {
        let of = |broker: &str, defect: &str, expected: &str, verdict: &str| {
            let mut cell = fixture::cell(defect, expected, verdict);
            cell["broker"] = broker.into();
            if expected == "accept" {
                cell["group"] = "control".into();
            }
            cell
        };
        let mut matrix = fixture::matrix(&[
            of("a", "expired", "refuse", "false_accept"),
            of("b", "expired", "refuse", "false_accept"),
            of("c", "expired", "refuse", "not_judged"),
            of("c", "fresh", "accept", "false_reject"),
        ]);
        let state = |broker: &str, state, unheard| BrokerState {
            broker: broker.to_owned(),
            state,
            unheard,
        };
        matrix.brokers = vec![
            state("a", State::Judged, vec![]),
            state("b", State::AcceptsAll, vec![]),
            state("c", State::Unsteady, vec![5]),
        ];
        matrix.mark(&Known::parse("known.txt", "expired-v5\nfresh-v5").unwrap(), "a");
        let is_known: Vec<bool> = matrix.cells.iter().map(Cell::is_known).collect();
        assert_eq!(is_known, [true, false, false, false]);
    }

    #[test]
    fn a_weak_cell_is_not_fixed_since_its_token_is_still_let_in() {
        let mut cell = fixture::cell("expired", "either", "correct");
        cell["strict_verdict"] = "false_accept".into();
        let mut matrix = fixture::matrix(&[cell]);
        matrix.mark(&Known::parse("known.txt", "expired-v5").unwrap(), "embedded");
        assert_eq!(matrix.cells[0].known, None);
    }
}
