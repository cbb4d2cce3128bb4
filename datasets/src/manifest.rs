//! `manifest.toml`: what data there is, where it is from, and under which licence.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::DataError;

/// All sets of one folder.
#[derive(Debug, Clone)]
pub struct Manifest {
    root: PathBuf,
    sets: Vec<Set>,
}

/// One data file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Name to ask for it by.
    pub name: String,
    /// Path inside the datasets folder.
    pub path: PathBuf,
    /// Where it came from.
    pub source: String,
    /// Licence of the texts and of the labels.
    pub licence: String,
    /// Digest of the file, lower-case hex.
    pub sha256: String,
    /// Data rows, header not counted.
    pub rows: usize,
    /// Columns in file order.
    pub columns: Vec<String>,
    /// What it is used for here: `train`, `tune`, `test`.
    pub used_for: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    set: Vec<Set>,
}

impl Manifest {
    /// Reads `<root>/manifest.toml`.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataError> {
        let root = root.into();
        let path = root.join("manifest.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| DataError::io(&path, &error))?;
        let file: File =
            toml::from_str(&text).map_err(|error| DataError::Manifest { path, message: error.to_string() })?;
        Ok(Self { root, sets: file.set })
    }

    /// Every set, in file order.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// One set.
    pub fn set(&self, name: &str) -> Result<&Set, DataError> {
        self.sets.iter().find(|set| set.name == name).ok_or_else(|| DataError::Unknown {
            name: name.to_owned(),
            known: self.sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Path of one set's file, not checked.
    pub fn path(&self, name: &str) -> Result<PathBuf, DataError> {
        Ok(self.root.join(&self.set(name)?.path))
    }

    /// Path of one set's file, its digest checked.
    pub fn verify(&self, name: &str) -> Result<PathBuf, DataError> {
        let expected = self.set(name)?.sha256.clone();
        let path = self.path(name)?;
        let found = digest(&path)?;
        if found == expected { Ok(path) } else { Err(DataError::Digest { path, expected, found }) }
    }
}

fn digest(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|error| DataError::io(path, &error))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}
