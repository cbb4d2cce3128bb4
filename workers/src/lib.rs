//! Deliveries in, acks out: consumers, the outbox, background duties, shutdown.
//! CONTRACT: the two configuration types are fixed; the rest is being written (helper `workers`).

use serde::{Deserialize, Serialize};

/// Section `[workers]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkersConfig {
    /// Items in flight at once.
    pub permits: usize,
    /// Tries before an item is dead-lettered.
    pub max_attempts: u32,
    /// Seconds that one item may take.
    pub item_seconds: u64,
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self { permits: 128, max_attempts: 5, item_seconds: 30 }
    }
}

/// One receiver of events, `[[webhooks]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// For logs and rows; unique.
    pub name: String,
    /// Where events are posted.
    pub url: url::Url,
    /// Signing secret; printed as stars.
    pub secret: String,
    /// Event kinds; empty: all.
    #[serde(default)]
    pub events: Vec<String>,
}
