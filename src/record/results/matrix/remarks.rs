//! What is to be known of a matrix before any of its cells, and which of them are to be named.

use std::cmp::Reverse;

use super::{BrokerState, Cell, Matrix, State};
use crate::record::results::diagnosis::Diagnosis;

impl Matrix {
    /// The brokers of which something else is to be known than of the others; one `None` where what is to be known is true of all.
    pub fn places(&self) -> Vec<Option<&str>> {
        let told = |broker: &BrokerState| (broker.state, self.is_mute_at(&broker.broker));
        let is_alike = match self.brokers.as_slice() {
            [] | [_] => true,
            [first, rest @ ..] => {
                first.state == self.state && rest.iter().all(|it| told(it) == told(first))
            }
        };
        if is_alike {
            return vec![None];
        }
        self.brokers.iter().map(|broker| Some(broker.broker.as_str())).collect()
    }

    /// What the answers of one of several brokers, or of all, say before any cell; and under which versions of MQTT its
    /// refusals say nothing.
    pub fn state_at(&self, place: Option<&str>) -> (State, &[u8]) {
        let own = self.brokers.iter().find(|broker| Some(broker.broker.as_str()) == place);
        own.map_or((self.state, &self.unheard), |own| (own.state, &own.unheard))
    }

    /// What explains that versions of MQTT let nobody in, at one of several brokers or at all.
    pub fn diagnoses(&self, place: Option<&str>) -> Vec<(u8, Diagnosis)> {
        let own = |cell: &&Cell| place.is_none() || cell.broker.as_deref() == place;
        let of = |protocol| Diagnosis::of_cells(protocol, self.cells.iter().filter(own));
        [4, 5].into_iter().filter_map(|at| Some((at, of(at)?))).collect()
    }

    /// Whether something is to be known before any cell.
    pub fn is_remarkable(&self) -> bool {
        self.places().into_iter().any(|place| {
            let is_mute = place.map_or_else(|| self.is_mostly_mute(), |at| self.is_mute_at(at));
            self.state_at(place).0 != State::Judged || is_mute || !self.diagnoses(place).is_empty()
        })
    }

    /// The kinds of token whose cells are like that, the worst first.
    pub fn kinds(&self, is_wanted: impl Fn(&Cell) -> bool) -> Vec<String> {
        let mut found: Vec<&Cell> = self.cells.iter().filter(|cell| is_wanted(cell)).collect();
        found.sort_by_key(|cell| (Reverse(cell.severity), &cell.defect));
        found.dedup_by_key(|cell| &cell.defect);
        found.into_iter().map(|cell| cell.defect.clone()).collect()
    }
}
