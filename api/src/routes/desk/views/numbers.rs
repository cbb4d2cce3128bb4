//! Counts, search, quality, the live wall, statements of reasons.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One day, one thing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DayCountView {
    /// By UTC.
    pub day: NaiveDate,
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What happened in a time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatsView {
    /// Automatic actions by day.
    pub actions: Vec<DayCountView>,
    /// The same by day and rule: the severest of those that fired.
    pub actions_by_rule: Vec<DayCountView>,
    /// The same by day and label that this rule went by.
    pub actions_by_label: Vec<DayCountView>,
    /// Decisions by day and ruling.
    pub decisions: Vec<DayCountView>,
    /// What people did, by day and action.
    pub measures: Vec<DayCountView>,
    /// Decisions by day and queue.
    pub queues: Vec<DayCountView>,
    /// Decisions by day and rule.
    pub rules: Vec<DayCountView>,
    /// Decisions on real cases.
    pub decided: u64,
    /// Of them, overturned later.
    pub overturned: u64,
    /// Share of them.
    #[serde(default)]
    pub overturn_rate: Option<f64>,
    /// Mean seconds that a reviewer looked.
    pub mean_looked_seconds: f64,
    /// Mean seconds until decided.
    pub mean_waited_seconds: f64,
    /// Reports by state.
    pub reports: BTreeMap<String, u64>,
    /// Appeals by state.
    pub appeals: BTreeMap<String, u64>,
}

/// A text that was found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FoundView {
    /// In which case.
    pub case: Uuid,
    /// Which piece of evidence.
    pub evidence: Uuid,
    /// About whom.
    pub subject: String,
    /// Its beginning.
    pub text: String,
}

/// A case whose answer is known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GoldenView {
    /// Which.
    pub case: Uuid,
    /// The right answer.
    pub expected: String,
    /// Why.
    pub note: String,
    /// Who said so.
    pub added_by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How one person does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReviewerQualityView {
    /// Who.
    pub reviewer: String,
    /// Decisions on real cases.
    pub decisions: u64,
    /// Of them, overturned.
    pub overturned: u64,
    /// Known answers asked for.
    pub golden: u64,
    /// Of them, right.
    pub golden_right: u64,
    /// Decisions judged again.
    pub second: u64,
    /// Of them, judged the same.
    pub second_same: u64,
    /// Mean seconds per case.
    pub mean_seconds: f64,
}

/// How the team does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QualityView {
    /// Pairs of first and second reviews.
    pub pairs: u64,
    /// Share that agrees.
    pub agreement: Option<f64>,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
    /// By person.
    pub reviewers: Vec<ReviewerQualityView>,
}

/// Somebody in a running call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WallParticipantView {
    /// Who.
    pub actor: String,
    /// Risk, 0 to 1.
    pub risk: f32,
    /// Frames judged.
    pub frames: u64,
    /// Violations that are remembered.
    pub violations: usize,
    /// Were they disconnected?
    pub disconnected: bool,
    /// What holds for them, newest first, whoever did it and wherever.
    pub actions: Vec<WallActionView>,
}

/// Something that holds for somebody in a call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WallActionView {
    /// Its id: the key of its event `moderation.action`.
    pub id: Uuid,
    /// `warn`, `blur`, `mute`, `disconnect`, `suspend`, `ban`.
    #[schema(example = "blur")]
    pub kind: String,
    /// `policy`, or the pseudonym of a member of staff.
    #[schema(example = "policy")]
    pub by: String,
    /// A person did it.
    pub by_hand: bool,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when; for good, when absent.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
}

/// A running call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WallCallView {
    /// Which.
    pub id: String,
    /// Since when.
    pub started_at: DateTime<Utc>,
    /// The highest risk of its participants.
    pub risk: f32,
    /// Who is in it, the highest risk first.
    pub participants: Vec<WallParticipantView>,
}

/// A statement of reasons as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptStatementView {
    /// Whose.
    pub tenant: String,
    /// Of which decision.
    pub decision: Uuid,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// `draft`, `queued`, `sent`, `failed`, `withdrawn`.
    #[schema(example = "queued")]
    pub state: String,
    /// What is sent; absent until somebody let it go.
    #[serde(default)]
    pub statement: Option<StatementView>,
    /// Tries to send it.
    pub tries: u32,
    /// When the database took it.
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it could not be sent.
    #[serde(default)]
    pub error: Option<String>,
    /// The database's id of it.
    #[serde(default)]
    pub remote: Option<String>,
    /// Who let it go.
    #[serde(default)]
    pub by: Option<String>,
}

/// One page of statements.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeptStatementList {
    /// The statements.
    pub items: Vec<KeptStatementView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// A draft of the EU's statement of reasons; names and values are those of the Commission's transparency database.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementView {
    /// Restrictions of what is seen.
    #[serde(default)]
    pub decision_visibility: Vec<String>,
    /// In words.
    #[serde(default)]
    pub decision_visibility_other: Option<String>,
    /// Suspension of the service.
    #[serde(default)]
    pub decision_provision: Option<String>,
    /// Suspension or termination of the account.
    #[serde(default)]
    pub decision_account: Option<String>,
    /// End of the account's restriction.
    #[serde(default)]
    pub end_date_account_restriction: Option<NaiveDate>,
    /// End of the service's restriction.
    #[serde(default)]
    pub end_date_service_restriction: Option<NaiveDate>,
    /// End of the visibility's restriction.
    #[serde(default)]
    pub end_date_visibility_restriction: Option<NaiveDate>,
    /// Ground.
    pub decision_ground: String,
    /// Which part of the terms.
    pub incompatible_content_ground: String,
    /// Why.
    pub incompatible_content_explanation: String,
    /// Illegal, too? `Yes` or `No`.
    pub incompatible_content_illegal: String,
    /// Kinds of content.
    pub content_type: Vec<String>,
    /// In words.
    #[serde(default)]
    pub content_type_other: Option<String>,
    /// Category.
    pub category: String,
    /// Keywords.
    #[serde(default)]
    pub category_specification: Vec<String>,
    /// Language.
    #[serde(default)]
    pub content_language: Option<String>,
    /// When the content was made.
    pub content_date: NaiveDate,
    /// From when on it holds.
    pub application_date: NaiveDate,
    /// What happened.
    pub decision_facts: String,
    /// How it was noticed.
    pub source_type: String,
    /// Found by a machine?
    pub automated_detection: String,
    /// Decided by a machine?
    pub automated_decision: String,
    /// Unique id.
    pub puid: String,
}
