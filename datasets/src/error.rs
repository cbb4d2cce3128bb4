//! The one error type of this crate.

use std::path::PathBuf;

/// What can be wrong with a data file. Every text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// No such file.
    #[error(
        "{path} is missing: run from the project's folder, or name the folder with `--datasets` or the file with `--data`"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("reading {path}: {message}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its own words.
        message: String,
    },
    /// A row does not have the columns or values that it should.
    #[error("{path}, line {line}: {message}: correct or remove that row")]
    Row {
        /// The file.
        path: PathBuf,
        /// Line on which the row begins, from 1; the header is line 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The file has no rows.
    #[error("{path} has no rows below its header")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// `manifest.toml` does not parse.
    #[error("{path}: {message}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        message: String,
    },
    /// The manifest knows no such set.
    #[error("no data set `{name}` in the manifest; there are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The content is not what the manifest pins.
    #[error("{path}: expected sha256 {expected}, found {found}: restore the file from git")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Pinned digest, lower-case hex.
        expected: String,
        /// Digest of what is there, lower-case hex.
        found: String,
    },
}

impl DataError {
    /// From an error of the operating system.
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), message: error.to_string() },
        }
    }
}
