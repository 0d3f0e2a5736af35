//! What the monitor has read: said, written, and told in the summary.

use super::{Collector, Monitor, Options};
use crate::{
    client::{attempt::Outcome, verdict::Verdict},
    record::measure::Mark,
    record::results::monitor::{Monitored, Reading, Rows, Side, Span, Used, drift},
};

impl Collector {
    /// Says what the monitor could not read and what could not be done to brokers, each once.
    pub(super) fn warn(&mut self, options: &Options) {
        let warnings = self.monitor.as_ref().map(Monitor::warnings).unwrap_or_default();
        for warning in &warnings[self.warned.min(warnings.len())..] {
            options.screen.warn(warning);
        }
        self.warned = warnings.len();
        self.warn_of_brokers(options);
    }

    /// Writes what the monitor has read since.
    pub(super) fn write_readings(&mut self) {
        let Some(monitor) = &self.monitor else { return };
        self.readings.extend(monitor.take());
        let Some(folder) = &self.folder else { return };
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => {
                let settings = self.storm.plan.scenario.monitor.as_ref();
                let named = settings.map(|settings| settings.metrics.clone()).unwrap_or_default();
                none.insert(Rows::begin(folder.path(), &named))
            }
        };
        rows.append(&self.readings[self.written..], self.storm.start);
        self.written = self.readings.len();
    }

    /// What both sides used.
    pub(super) fn monitored(&self) -> Option<Monitored> {
        let monitor = self.monitor.as_ref()?;
        let count = |accepted: bool| -> u64 {
            let tallies = self.all.tallies();
            let judged = tallies.iter().filter(|(tally, _)| tally.verdict != Verdict::NotJudged);
            judged
                .filter(|(tally, _)| (tally.outcome == Outcome::Accepted) == accepted)
                .map(|(_, count)| count)
                .sum()
        };
        let span = Span {
            stretches: match self.storm.gate.stretches() {
                waves if !waves.is_empty() => waves,
                _ => self
                    .all
                    .mark(Mark::FirstStart)
                    .zip(self.all.mark(Mark::LastAnswer))
                    .into_iter()
                    .collect(),
            },
            storm: self.storm.start,
            accepted: count(true),
            refused: count(false),
            // Waves come and go within a second: what memory they take is not seen by it.
            peak: if self.storm.gate.stretches().is_empty() {
                (self.generator.open_peak, self.peak_second)
            } else {
                (0, 0)
            },
        };
        let of = |side: Side, watched: Vec<String>| {
            let own: Vec<&Reading> = self.readings.iter().filter(|it| it.side == side).collect();
            // Waves are shorter than the time between two answers of an endpoint.
            let is_too_coarse = side == Side::Broker
                && monitor.only_told
                && !self.storm.gate.stretches().is_empty();
            let stretches = if is_too_coarse { Vec::new() } else { span.stretches.clone() };
            Used::of(watched, &own, &Span { stretches, ..span.clone() })
        };
        let medians: Vec<(f64, f64)> = (0_u32..)
            .zip(&self.medians)
            .filter_map(|(second, (_, connack))| {
                Some((f64::from(second), (*connack)? as f64 / 1e3))
            })
            .collect();
        let (connack_drift_us_per_h, connack_drifts) = drift(&medians);
        Some(Monitored {
            broker: of(Side::Broker, monitor.watched.clone()),
            harness: of(Side::Harness, vec!["tokenstorm".into()]),
            connack_drift_us_per_h,
            connack_drifts,
            warnings: monitor.warnings(),
        })
    }
}
