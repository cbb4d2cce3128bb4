//! Feedback: what somebody says a text's scores should have been. Kept for tuning thresholds; it changes no score by itself.
//!
//! The text is user content: it stays in the store, out of events and logs, and goes with the retention or when its tenant erases it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::item::{FeedbackId, TenantId};

/// One suggestion.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Unique; made at acceptance, so that it also tells the order.
    pub id: FeedbackId,
    /// Whose.
    pub tenant: TenantId,
    /// What was scored.
    pub text: String,
    /// What its scores should have been, by Perspective's attribute.
    pub scores: BTreeMap<String, SuggestedScores>,
    /// Languages of the text, as the caller named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The community whose norms the suggestion follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// The caller's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// What the scores of one attribute should have been.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SuggestedScores {
    /// Of the whole text, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<f32>,
    /// Of stretches of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SuggestedSpan>,
}

/// What the score of a stretch should have been.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SuggestedSpan {
    /// First UTF-16 unit.
    pub begin: u32,
    /// One past the last.
    pub end: u32,
    /// 0 to 1.
    pub score: f32,
}

impl std::fmt::Debug for Feedback {
    /// Never shows content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let attributes: Vec<&String> = self.scores.keys().collect();
        f.debug_struct("Feedback")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("bytes", &self.text.len())
            .field("attributes", &attributes)
            .finish_non_exhaustive()
    }
}
