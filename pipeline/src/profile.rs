//! A person who can be matched.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{index::Attributes, item::{ProfileId, TenantId}};

/// A person's text and attributes with the embedding made of the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Unique within the tenant.
    pub id: ProfileId,
    /// Whose.
    pub tenant: TenantId,
    /// Short phrases, most important first.
    #[serde(default)]
    pub interests: Vec<String>,
    /// Free text.
    #[serde(default)]
    pub bio: String,
    /// What searches filter by.
    #[serde(default)]
    pub attributes: Attributes,
    /// Rises when the embedded text changes.
    pub version: u32,
    /// SHA-256 of the embedded text and the embedding model's name and version: unchanged means that `vector` stands.
    pub text_sha256: String,
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// Last write.
    pub updated_at: DateTime<Utc>,
}

impl Profile {
    /// The text that is embedded: interests as one line, then the bio.
    pub fn embedded_text(interests: &[String], bio: &str) -> String {
        let interests = interests.join(", ");
        match (interests.is_empty(), bio.trim()) {
            (true, bio) => bio.to_owned(),
            (false, "") => interests,
            (false, bio) => format!("{interests}. {bio}"),
        }
    }
}
