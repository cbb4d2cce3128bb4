//! The one error type of this crate.

use std::path::PathBuf;

/// What a caller can do about an error. One small set for the whole product; the HTTP layer maps it to statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input is wrong: change it, do not retry.
    Invalid,
    /// No such thing.
    NotFound,
    /// The thing exists already in another form, or moved on.
    Conflict,
    /// Who are you?
    Unauthenticated,
    /// You may not.
    Forbidden,
    /// Full: the same call succeeds later.
    TooBusy,
    /// A part that this call needs is down.
    Unavailable,
    /// Our fault; the cause is in the log.
    Internal,
}

/// Errors of model loading and inference. A variant exists only where a program acts differently.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// The repository has no model of this name, or it is not loaded.
    #[error("model `{0}` is not loaded; `chaperone models list` shows what is there")]
    UnknownModel(String),
    /// The repository has no model of this name.
    #[error("there is no model `{name}`; there are: {known}")]
    NoSuchModel {
        /// What was asked for.
        name: String,
        /// What exists, separated by commas.
        known: String,
    },
    /// The input does not fit the model (an image for a text model, empty text, …).
    #[error("{0}")]
    InvalidInput(String),
    /// The model's queue is full.
    #[error("model `{model}` has {waiting} inputs waiting, its limit")]
    Full {
        /// Model name.
        model: String,
        /// Inputs that wait.
        waiting: usize,
    },
    /// The engine is shutting down, or the model's instances have died.
    #[error("model `{0}` is stopped")]
    Stopped(String),
    /// A file of the model is missing.
    #[error("{path} is missing: run `chaperone models fetch`")]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// A file does not have the pinned content.
    #[error(
        "{path}: expected sha256 {expected}, found {found}: delete the file and run `chaperone models fetch`; if it comes back different, the source was changed"
    )]
    HashMismatch {
        /// The file.
        path: PathBuf,
        /// Pinned digest, lower-case hex.
        expected: String,
        /// Digest of what is there, lower-case hex.
        found: String,
    },
    /// `model.toml` does not parse or contradicts itself.
    #[error("{path}: {message}")]
    BadSpec {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column when the parser gives them.
        message: String,
    },
    /// A backend failed to load or to run.
    #[error("backend `{backend}`: {message}")]
    Backend {
        /// Backend name.
        backend: &'static str,
        /// Its own words.
        message: String,
    },
    /// Reading, writing or fetching files failed.
    #[error("{context}: {message}")]
    Io {
        /// What was being done.
        context: String,
        /// The operating system's or the tool's own words.
        message: String,
    },
}

impl ModelError {
    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::UnknownModel(_) | Self::NoSuchModel { .. } => Kind::NotFound,
            Self::InvalidInput(_) => Kind::Invalid,
            Self::Full { .. } => Kind::TooBusy,
            Self::Stopped(_) | Self::MissingFile { .. } => Kind::Unavailable,
            Self::HashMismatch { .. } | Self::BadSpec { .. } | Self::Backend { .. } | Self::Io { .. } => Kind::Internal,
        }
    }
}
