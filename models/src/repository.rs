//! The model repository: one folder per model. CONTRACT: names below are fixed; the body is being written.

use std::path::{Path, PathBuf};

use crate::{ModelError, ModelSpec};

/// A folder of model folders.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// A model whose files are there and have the pinned digests.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// `<repository>/<name>`.
    pub path: PathBuf,
    /// Its `model.toml`.
    pub spec: ModelSpec,
}

impl ModelFolder {
    /// Path of the file with this role; an error names the role when `model.toml` lists none.
    pub fn file(&self, role: &str) -> Result<PathBuf, ModelError> {
        todo!()
    }
}

impl Repository {
    /// Opens the folder; it must exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ModelError> {
        todo!()
    }

    /// `<repository>`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every `model.toml`, by name.
    pub fn specs(&self) -> Result<Vec<ModelSpec>, ModelError> {
        todo!()
    }

    /// One model's spec, files not checked.
    pub fn spec(&self, name: &str) -> Result<ModelSpec, ModelError> {
        todo!()
    }

    /// One model with its files checked against their digests.
    pub fn verify(&self, name: &str) -> Result<ModelFolder, ModelError> {
        todo!()
    }
}
