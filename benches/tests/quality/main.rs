//! Figures that documents state, measured on labelled data through the code that serves, with floors under them.
//!
//! `cargo nextest run --release --workspace -E 'binary(quality)' --success-output final` prints them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod evasion;
mod language;
mod spans;

use std::path::{Path, PathBuf};

/// Path of a bundled data file, its digest checked.
fn data(set: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("datasets");
    datasets::Manifest::open(root).unwrap().verify(set).unwrap()
}
