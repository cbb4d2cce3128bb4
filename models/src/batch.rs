//! What goes into a model and what comes out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Pixels;

/// Who waits for the answer. Order is urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A caller waits inside a request.
    Interactive,
    /// A frame of a running call: worthless when late.
    Live,
    /// Uploads, backfill: throughput matters.
    Bulk,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Live, Self::Bulk];

    /// Position in [`Lane::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Name for logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Live => "live",
            Self::Bulk => "bulk",
        }
    }
}

/// One input. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Input {
    /// UTF-8 text, not empty.
    Text(Arc<str>),
    /// Decoded RGB pixels.
    Image(Arc<Pixels>),
}

/// One answer.
#[derive(Debug, Clone)]
pub enum Output {
    /// From a classifier.
    Scores(Scores),
    /// From an embedder: unit length, `spec.dimensions` numbers.
    Embedding(Arc<[f32]>),
}

/// A label with its score in 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Label as the model's `model.toml` spells it.
    pub label: Arc<str>,
    /// 0..=1.
    pub score: f32,
}

/// A stretch of the input text that drove a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanScore {
    /// First byte, on a character boundary of the text as given.
    pub start: usize,
    /// One past the last byte, on a character boundary.
    pub end: usize,
    /// The label that it drove.
    pub label: Arc<str>,
    /// How strongly, 0..=1.
    pub score: f32,
}

/// Scores of one input by one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Model name.
    pub model: Arc<str>,
    /// Model version, from `model.toml`.
    pub version: Arc<str>,
    /// In the order of `spec.labels`.
    pub scores: Vec<Score>,
    /// Offending stretches, in text order; empty when the model has none to give.
    #[serde(default)]
    pub spans: Vec<SpanScore>,
}
