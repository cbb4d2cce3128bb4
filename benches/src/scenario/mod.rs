//! What is measured, one file per question.

pub mod analyze;
pub mod chaos;
pub mod frames;
pub mod memory;
pub mod storm;
pub mod text;
pub mod throughput;

use std::path::PathBuf;

/// What every scenario needs to know.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The `chaperone` binary.
    pub binary: PathBuf,
    /// The folder `datasets`.
    pub datasets: PathBuf,
    /// The folder `benches/peers`.
    pub peers: PathBuf,
    /// The model repository.
    pub repository: PathBuf,
    /// Models that judge texts in the scenario `analyze`.
    pub text_models: Vec<String>,
    /// Alternating rounds per comparison.
    pub rounds: usize,
    /// Seconds per measurement.
    pub seconds: u64,
}
