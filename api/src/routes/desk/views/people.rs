//! Appeals, reports, the audit, erasure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// An appeal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppealView {
    /// Names it for ever.
    pub id: Uuid,
    /// Whose.
    pub tenant: String,
    /// Who objects.
    pub actor: String,
    /// To which decision.
    #[serde(default)]
    pub decision: Option<Uuid>,
    /// To what was decided about which item.
    #[serde(default)]
    pub item: Option<Uuid>,
    /// Their words.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// `open`, `upheld` (the decision stands), `overturned`.
    pub state: String,
    /// The case that answers it.
    #[serde(default)]
    pub case: Option<Uuid>,
    /// When it was answered.
    #[serde(default)]
    pub resolved_at: Option<DateTime<Utc>>,
}

/// One page of appeals.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AppealList {
    /// The appeals.
    pub items: Vec<AppealView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// A report with where it stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptReportView {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub tenant: String,
    /// Who tells.
    pub reporter: String,
    /// Of whom.
    pub subject: String,
    /// Where it happened.
    #[serde(default)]
    pub conversation: Option<String>,
    /// In which call.
    #[serde(default)]
    pub call: Option<String>,
    /// About which item.
    #[serde(default)]
    pub item: Option<Uuid>,
    /// About which message.
    #[serde(default)]
    pub message: Option<String>,
    /// Your code.
    pub reason: String,
    /// The reporter's words.
    #[serde(default)]
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// `open`, `queued`, `assigned`, `escalated`, `closed`.
    pub state: String,
    /// The case that it is part of.
    #[serde(default)]
    pub case: Option<Uuid>,
    /// `upheld`, `dismissed`, `muted`.
    #[serde(default)]
    pub outcome: Option<String>,
    /// When it was closed.
    #[serde(default)]
    pub resolved_at: Option<DateTime<Utc>>,
}

/// One page of reports.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeptReportList {
    /// The reports.
    pub items: Vec<KeptReportView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// What is known about a reporter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReporterView {
    /// Who.
    pub actor: String,
    /// How far they are believed, 0 to 1; a half when nothing is known.
    pub credibility: f64,
    /// Reports that were upheld, faded.
    pub upheld: f64,
    /// Reports that were dismissed, faded.
    pub dismissed: f64,
    /// Their reports make no cases until then.
    #[serde(default)]
    pub muted_until: Option<DateTime<Utc>>,
}

/// One entry of the audit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEntryView {
    /// From 1, without holes.
    pub number: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a login, `key:<name>`, or `policy`.
    pub actor: String,
    /// What.
    #[schema(example = "case.decided")]
    pub kind: String,
    /// To what.
    #[schema(example = "case:0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10")]
    pub subject: String,
    /// Details; never content.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The hash before.
    pub previous: String,
    /// This one's.
    pub hash: String,
}

/// One page of the audit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The entries, newest first.
    pub items: Vec<AuditEntryView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// Where a chain breaks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BreakView {
    /// At which entry.
    pub number: i64,
    /// What is wrong.
    pub what: String,
}

/// What verifying found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerifiedView {
    /// Entries that hold together.
    pub entries: i64,
    /// The hash of the last of them: note it elsewhere.
    pub head: String,
    /// Where it breaks; absent when it does not.
    #[serde(default)]
    pub broken: Option<BreakView>,
}

/// A receipt of an erasure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// Names it.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// The person, as a digest.
    pub person: String,
    /// Rows that were removed or made nameless, by kind.
    pub rows: BTreeMap<String, u64>,
    /// What goes later by itself.
    pub later: Vec<String>,
}

/// A hold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// Whom.
    pub actor: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}
