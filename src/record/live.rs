//! What is told of a run while it goes, to all who want to know.
//!
//! Once a second the collector hands over a [`Snapshot`] of what it has merged. No worker knows of it.

mod created;
mod cumulated;
mod exporter;
mod families;
mod labelled;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "live/without_otlp.rs"]
mod otlp;
mod receiver;
mod runs;
mod snapshot;
mod standing;
mod text;

use std::{fmt, sync::Arc};

pub use self::{
    exporter::Exporter,
    otlp::Pusher,
    receiver::Receiver,
    snapshot::{Now, Snapshot, Usage},
    standing::{Judgement, Others},
};

/// Somebody who is told how a run goes.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Takes what there is to tell. It must not block: the collector waits for it.
    fn hears(&self, snapshot: &Arc<Snapshot>);
}

/// All who are told how the runs of this program go.
#[derive(Clone, Debug, Default)]
pub struct Live(Vec<Arc<dyn Listener>>);

impl Live {
    /// Nobody more than these.
    pub fn of(listeners: Vec<Arc<dyn Listener>>) -> Self {
        Self(listeners)
    }

    /// Whether nobody is told, so that there need not be anything to tell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.0.iter().for_each(|listener| listener.hears(&snapshot));
    }
}

#[cfg(test)]
mod tests;
