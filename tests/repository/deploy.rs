//! What runs tokenstorm on many hosts is what it says: Kubernetes' types, the image, the scripts, and command lines that the
//! program takes. Nothing here needs a cluster.

mod command_lines;
mod image;
mod kubernetes;
mod pods;
mod release;
mod scripts;
mod shipped;

use std::{fs, path::PathBuf};

/// A path of the package.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of the package.
fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
