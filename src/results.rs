//! The run folder: what is written of a run, and how it is read again.

pub mod authority;
pub mod calibration;
pub mod edges;
pub mod environment;
pub mod fetches;
pub mod folder;
pub mod keys;
pub mod matrix;
pub mod monitor;
pub mod series;
pub mod summary;
pub mod tables;
pub mod threshold;
pub mod trend;
pub mod whole;

pub use edges::Edges;
pub use environment::Environment;
pub use folder::{Folder, Place};
pub use keys::Jwks;
pub use matrix::Matrix;
pub use summary::{Percentile, PhaseStats, Summary};
