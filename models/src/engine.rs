//! The handle that callers hold. CONTRACT: signatures below are fixed; the body is being written.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Input, Lane, ModelError, Output, Repository, Scores};

/// Which models are loaded and how. Section `[models]` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Folder that holds one folder per model.
    pub repository: PathBuf,
    /// Models to load, by folder name. A `fake:<name>` entry loads the fake backend with that model's spec (tests).
    pub load: Vec<String>,
    /// Path of the ONNX Runtime library; empty means: `ORT_DYLIB_PATH`, else `<repository>/../lib/`.
    pub onnxruntime: Option<PathBuf>,
    /// Compute threads per instance; 0 means: processors ÷ instances.
    pub threads: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            repository: "models/repository".into(),
            load: ["embed-minilm", "nsfw-mobilenet", "toxicity", "spam"].map(String::from).to_vec(),
            onnxruntime: None,
            threads: 0,
        }
    }
}

/// What `/health/ready`, `models list` and the metrics say of one loaded model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelState {
    /// Model name.
    pub name: Arc<str>,
    /// Version.
    pub version: Arc<str>,
    /// Backend that runs it.
    pub backend: &'static str,
    /// Warmed up and all instances alive.
    pub ready: bool,
    /// Inputs waiting now.
    pub waiting: usize,
}

/// All loaded models. Cheap to clone; the last clone's drop (or `shutdown`) stops the instances.
#[derive(Clone)]
pub struct Engine;

impl Engine {
    /// Loads and warms up every model of `config.load`. Blocking work happens on its own threads.
    pub async fn start(config: &EngineConfig, repository: &Repository) -> Result<Self, ModelError> {
        todo!()
    }

    /// Queues one input and waits for its answer. Dropping the future cancels the entry.
    pub async fn infer(&self, model: &str, input: Input, lane: Lane) -> Result<Output, ModelError> {
        todo!()
    }

    /// [`Engine::infer`] on a classifier.
    pub async fn classify(&self, model: &str, input: Input, lane: Lane) -> Result<Scores, ModelError> {
        todo!()
    }

    /// [`Engine::infer`] on an embedder: unit-length vector.
    pub async fn embed(&self, model: &str, text: &str, lane: Lane) -> Result<Arc<[f32]>, ModelError> {
        todo!()
    }

    /// Token count of `text` as model `model` sees it (for `usage` in answers).
    pub fn count_tokens(&self, model: &str, text: &str) -> Result<usize, ModelError> {
        todo!()
    }

    /// Is this model loaded?
    pub fn has(&self, model: &str) -> bool {
        todo!()
    }

    /// State of every loaded model, in load order.
    pub fn models(&self) -> Vec<ModelState> {
        todo!()
    }

    /// Stops accepting, finishes what waits, joins the instances.
    pub async fn shutdown(&self) {
        todo!()
    }
}
