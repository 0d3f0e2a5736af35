//! What is written when a run is over: first what others depend on.

use super::Collector;
use crate::{error::Result, results::Summary};

impl Collector {
    /// Writes the end of a run. A file on which no other depends is only said where it can't be written.
    ///
    /// # Errors
    /// When one can't be written that makes the folder a run.
    pub(super) fn write_end(&mut self, summary: &Summary) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let plan = &self.storm.plan;
        folder.json("environment.json", &self.environment)?;
        self.write_matrix(folder, false)?;
        if let Some(folder) = &mut self.folder {
            folder.end(summary, plan, &self.all)?;
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        folder.spare(folder.latencies(plan, &self.all, self.storm.timeout));
        folder.spare(self.write_authority(folder, false));
        folder.spare(self.write_agents());
        Ok(())
    }
}
