//! What is written when a run is over: first what others depend on.

use super::Collector;
use crate::{
    base::error::Result,
    record::results::{Matrix, Summary},
};

impl Collector {
    /// Writes the end of a run. A file on which no other depends is only said where it can't be written.
    ///
    /// # Errors
    /// When one can't be written that makes the folder a run.
    pub(super) fn write_end(&mut self, summary: &Summary, matrix: Option<&Matrix>) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let plan = &self.storm.plan;
        folder.json("environment.json", &self.environment)?;
        matrix.map_or(Ok(()), |matrix| matrix.write(folder))?;
        if let Some(folder) = &mut self.folder {
            folder.end_findings(summary.findings_left_out);
            folder.end(summary, plan, &self.all)?;
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        folder.spare(folder.latencies(plan, &self.all));
        folder.spare(self.write_authority(folder, false));
        folder.spare(self.write_agents());
        Ok(())
    }
}
