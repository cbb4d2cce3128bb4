//! A signal: a score derived from an item.

use serde::{Deserialize, Serialize};

/// One score by one model. Policy rules read signals and nothing else about content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Model name.
    pub model: String,
    /// Model version: a decision can be rebuilt years later.
    pub version: String,
    /// Label, lower case, `_` for blanks: what rules call it (`toxic`, `porn`, `spam`).
    pub label: String,
    /// 0..=1.
    pub score: f32,
}

/// A stretch of text that drove a score, in the text as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// First Unicode code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// The label that it drove.
    pub label: String,
    /// How strongly, 0..=1.
    pub score: f32,
}
