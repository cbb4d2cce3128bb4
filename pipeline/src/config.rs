//! Sections of the configuration that this crate owns.

use serde::{Deserialize, Serialize};

/// Where accepted items wait. Section `[queue]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// `memory:` (this process, journaled through the store).
    pub url: String,
    /// Items that may wait in the interactive lane before 429.
    pub interactive_capacity: usize,
    /// Items that may wait in the live lane before 429.
    pub live_capacity: usize,
    /// Items that may wait in the bulk lane before 429.
    pub bulk_capacity: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { url: "memory:".into(), interactive_capacity: 20_000, live_capacity: 20_000, bulk_capacity: 50_000 }
    }
}

/// Where rows live. Section `[store]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:<path>`, created when missing.
    pub url: String,
    /// Days that context texts, events and settled deliveries are kept.
    pub retention_days: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite:data/chaperone.db".into(), retention_days: 30 }
    }
}

/// Where vectors live. Section `[index]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexConfig {
    /// `edge:<folder>`, created when missing.
    pub url: String,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { url: "edge:data/index".into() }
    }
}

/// How items are judged. Section `[pipeline]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// Policy file; empty means the built-in default policy.
    pub policy: Option<std::path::PathBuf>,
    /// Models that judge texts.
    pub text_models: Vec<String>,
    /// Models that judge pictures and frames.
    pub picture_models: Vec<String>,
    /// Model that embeds profiles and queries.
    pub embedding_model: String,
    /// Longest text, in bytes.
    pub max_text_bytes: usize,
    /// Largest encoded picture, in bytes.
    pub max_picture_bytes: usize,
    /// Largest encoded call frame, in bytes.
    pub max_frame_bytes: usize,
    /// Largest decoded picture, in pixels; checked before memory is taken.
    pub max_pixels: u64,
    /// Messages of the same author in the same conversation that a text is judged with; 0 turns context off.
    pub context_messages: usize,
    /// Oldest message that counts as context, in seconds.
    pub context_seconds: u64,
    /// Verdict signals remembered for repeated texts; 0 turns the cache off.
    pub cache_entries: u64,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            policy: None,
            text_models: vec!["toxicity".into(), "spam".into()],
            picture_models: vec!["nsfw-mobilenet".into()],
            embedding_model: "embed-minilm".into(),
            max_text_bytes: 20_000,
            max_picture_bytes: 20 << 20,
            max_frame_bytes: 256 << 10,
            max_pixels: 50_000_000,
            context_messages: 5,
            context_seconds: 600,
            cache_entries: 100_000,
        }
    }
}
