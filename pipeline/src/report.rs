//! A report: one person tells of another. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::item::{ActorId, CallId, ConversationId, ItemId, ReportId, TenantId};

/// What somebody reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Unique; given by the platform or made at acceptance.
    pub id: ReportId,
    /// Whose report.
    pub tenant: TenantId,
    /// Who tells.
    pub reporter: ActorId,
    /// Of whom.
    pub subject: ActorId,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// In which call it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// Which message or picture it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// A code of the platform's: `harassment`, `nudity`, …
    pub reason: String,
    /// The reporter's own words. User content: never logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub at: DateTime<Utc>,
}
