//! The one error type of this crate.

use models::{ModelError, error::Kind};

/// Errors of the pipeline and of the stores behind it. `code` is part of the public contract (docs/errors.md).
#[derive(Debug, Clone, thiserror::Error)]
pub enum PipelineError {
    /// The request or the item is wrong. `code` is stable, `message` is one sentence that says what to change.
    #[error("{message}")]
    Invalid {
        /// Stable, snake case: `text_too_long`, `image_truncated`, …
        code: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No such thing for this tenant.
    #[error("no {what} `{id}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The thing exists in another form.
    #[error("{message}")]
    Conflict {
        /// Stable.
        code: &'static str,
        /// What stands against it.
        message: String,
    },
    /// Full; the same call succeeds later.
    #[error("{what} is full")]
    Full {
        /// What is full.
        what: &'static str,
        /// Seconds after which another try is worth it.
        retry_after_s: u32,
    },
    /// A live frame that came through the queue became too old before it could be judged: it is given up without an outcome.
    #[error("the frame waited for {age_ms} ms, too long to be worth a verdict")]
    Stale {
        /// Since we accepted it.
        age_ms: u64,
    },
    /// A model said no.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A part that we need is down; `message` goes to the log, never to a caller.
    #[error("{part}: {message}")]
    Unavailable {
        /// `store`, `queue`, `index`.
        part: &'static str,
        /// Its own words.
        message: String,
    },
    /// Our fault; `message` goes to the log, never to a caller.
    #[error("{part}: {message}")]
    Internal {
        /// Where.
        part: &'static str,
        /// What.
        message: String,
    },
}

impl PipelineError {
    /// Shorthand for [`PipelineError::Invalid`].
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { code, message: message.into() }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } => Kind::Invalid,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Conflict { .. } => Kind::Conflict,
            Self::Full { .. } | Self::Stale { .. } => Kind::TooBusy,
            Self::Model(model) => model.kind(),
            Self::Unavailable { .. } => Kind::Unavailable,
            Self::Internal { .. } => Kind::Internal,
        }
    }
}
