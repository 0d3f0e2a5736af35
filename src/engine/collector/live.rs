//! What is told of the run while it goes, to whoever scrapes it.

use std::path::Path;

use super::{Collector, Options};
use crate::{
    base::clock::SECOND,
    record::{
        live::{Now, Snapshot, Usage},
        results::monitor::Side,
    },
};

/// The folders of the trials of a comparison.
const SIDES: [&str; 2] = ["baseline", "candidate"];

impl Collector {
    /// Hands over what was merged so far, where somebody may ask for it.
    pub(super) fn publish(&self, options: &Options) {
        if options.live.is_empty() {
            return;
        }
        let path = self.folder.as_ref().map_or_else(|| self.place.path(), |folder| folder.path());
        let since = self.storm.clock.now().saturating_sub(self.storm.start);
        let usage = [Side::Broker, Side::Harness]
            .into_iter()
            .filter_map(|side| self.readings.iter().rev().find(|reading| reading.side == side))
            .map(|reading| Usage {
                side: reading.side,
                cpu_s: reading.usage.cpu_s,
                resident_bytes: reading.usage.rss_bytes,
            });
        let now = Now {
            run: named(path),
            folder: self.folder.as_ref().map(|folder| folder.path().to_path_buf()),
            number: self.storm.start,
            storm_s: since as f64 / SECOND as f64,
            storm_start_s: self.storm.clock.wall(self.storm.start) as f64 / SECOND as f64,
            open: self.open,
            cpu_s: self.generator.total_cpu_s,
            usage: usage.collect(),
        };
        options.live.publish(Snapshot::of(&self.storm.plan, &self.all, now));
    }
}

/// What a run is called by its folder: of a trial of two builds with the side that it is of, as both have a run of each number.
fn named(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = name(folder);
    match folder.parent().map(name) {
        Some(side) if SIDES.contains(&side.as_str()) => format!("{side}/{own}"),
        _ => own,
    }
}
