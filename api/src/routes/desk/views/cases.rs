//! Cases, their evidence, decisions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// How urgent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorityView {
    /// Somebody is in danger, or a law sets the time.
    Urgent,
    /// Harm goes on meanwhile.
    High,
    /// The usual.
    Normal,
    /// When there is time.
    Low,
}

/// Why there is a case.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceView {
    /// A policy rule asked for a human.
    Rule,
    /// Somebody reported somebody.
    Report,
    /// Drawn by chance.
    Sample,
    /// Somebody objects to a decision, or two reviewers differ.
    Appeal,
    /// Shown to leads only: a second review.
    Second,
    /// Shown to leads only: a case whose answer is known.
    Golden,
    /// A member of staff opened it.
    Manual,
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseStateView {
    /// It waits, or somebody has it: see `lease`.
    Open,
    /// Put aside until `held_until`.
    Held,
    /// Somebody decided.
    Decided,
}

/// Who has a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseView {
    /// The member of staff.
    pub holder: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, unless a heartbeat prolongs it.
    pub until: DateTime<Utc>,
}

/// One piece of work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseView {
    /// Names it for ever.
    pub id: Uuid,
    /// Whose.
    pub tenant: String,
    /// About whom: a person of the platform, or `item:<id>`.
    #[schema(example = "ann")]
    pub subject: String,
    /// Why it is there.
    pub source: SourceView,
    /// In which queue.
    #[schema(example = "general")]
    pub queue: String,
    /// How urgent.
    pub priority: PriorityView,
    /// Where it stands.
    pub state: CaseStateView,
    /// A lead has to decide.
    pub escalated: bool,
    /// Language of its content.
    #[serde(default)]
    pub language: Option<String>,
    /// When it came.
    pub opened_at: DateTime<Utc>,
    /// When it changed last.
    pub changed_at: DateTime<Utc>,
    /// When it should be decided.
    pub due_at: DateTime<Utc>,
    /// Put aside until then.
    #[serde(default)]
    pub held_until: Option<DateTime<Utc>>,
    /// Only this person may take it.
    #[serde(default)]
    pub assignee: Option<String>,
    /// Who has it; it may be over.
    #[serde(default)]
    pub lease: Option<LeaseView>,
    /// Send it as `seen` with the decision.
    pub version: i64,
    /// When it was decided.
    #[serde(default)]
    pub decided_at: Option<DateTime<Utc>>,
    /// Rules that asked for a human.
    pub rules: Vec<String>,
    /// Labels and reasons of reports.
    pub labels: Vec<String>,
    /// One sentence.
    pub summary: String,
    /// Pieces of evidence.
    pub evidence: u32,
    /// Of them, reports.
    pub reports: u32,
    /// It shows what harms to look at: blur first.
    pub graphic: bool,
    /// The highest score behind it.
    pub score: f32,
    /// `intimate_image`: 48 hours by law.
    #[serde(default)]
    pub clock: Option<String>,
    /// The case whose evidence it shows.
    #[serde(default)]
    pub origin: Option<Uuid>,
    /// The decision that it is about.
    #[serde(default)]
    pub about: Option<Uuid>,
    /// The appeal that it answers.
    #[serde(default)]
    pub appeal: Option<Uuid>,
}

/// One page of cases.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaseList {
    /// The cases.
    pub items: Vec<CaseView>,
    /// `cursor` of the next page; absent on the last.
    #[serde(default)]
    pub next: Option<String>,
}

/// A score.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScoreView {
    /// Model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// Label; `context.…` is of the message with what came before.
    pub label: String,
    /// 0 to 1.
    pub score: f32,
}

/// A stretch of text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StretchView {
    /// First code point.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Label that it drove.
    pub label: String,
    /// How strongly, 0 to 1.
    pub score: f32,
}

/// What the author wrote before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BeforeView {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
}

/// One piece of evidence. Which members are there depends on `kind`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExhibitView {
    /// `item`, `report`, `appeal`, `note`.
    pub kind: String,
    /// `item`: who, where, when.
    #[schema(value_type = Option<Object>)]
    pub envelope: Option<Value>,
    /// `item`: SHA-256 of the content.
    pub content_sha256: Option<String>,
    /// `item`, `appeal`, `note`: the words.
    pub text: Option<String>,
    /// `item`: offending stretches.
    pub spans: Vec<StretchView>,
    /// `item`: what the author wrote before.
    pub before: Vec<BeforeView>,
    /// `item`: scores.
    pub signals: Vec<ScoreView>,
    /// `item`: rules that fired: `rule`, `text`, `label`, `score`, `action`.
    #[schema(value_type = Vec<Object>)]
    pub reasons: Vec<Value>,
    /// `item`: what was done: `id`, `kind`, `rule`, `reason`, `confidence`, …
    #[schema(value_type = Vec<Object>)]
    pub actions: Vec<Value>,
    /// `item`: policy version that decided.
    pub policy: Option<String>,
    /// `item`: the policy's numbers at that time.
    pub thresholds: BTreeMap<String, f64>,
    /// `item`: names of pictures: see `media` of the case page.
    pub media: Vec<String>,
    /// `report`: which.
    pub report: Option<Uuid>,
    /// `report`: who reported.
    pub reporter: Option<String>,
    /// `report`: your code.
    pub reason: Option<String>,
    /// `report`: the reporter's words.
    pub note: Option<String>,
    /// `report`: how far the reporter was believed, 0 to 1.
    pub credibility: Option<f64>,
    /// `report`: about which item.
    pub item: Option<String>,
    /// `report`: in which call.
    pub call: Option<String>,
    /// `report`: in which conversation.
    pub conversation: Option<String>,
    /// `appeal`: which.
    pub appeal: Option<Uuid>,
    /// `note`: who wrote it.
    pub by: Option<String>,
}

/// One row of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// Names it.
    pub id: Uuid,
    /// When it came to the case.
    pub at: DateTime<Utc>,
    /// What it is; `null` once its retention is over.
    pub exhibit: Option<ExhibitView>,
}

/// A message with what it said over time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageHistoryView {
    /// Whose words.
    pub actor: String,
    /// Your id of the message.
    pub message: String,
    /// Its versions as each was judged, oldest first: exhibits of the kind `item`. Of a report's `item`, the one that was seen.
    pub versions: Vec<ExhibitView>,
}

/// A decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionView {
    /// Names it for ever.
    pub id: Uuid,
    /// About which case.
    pub case: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub reviewer: String,
    /// About whom.
    pub subject: String,
    /// In which queue the case was.
    pub queue: String,
    /// Why there was a case.
    pub source: String,
    /// `uphold`, `dismiss`, `act`.
    pub ruling: String,
    /// What was done.
    #[serde(default)]
    pub action: Option<String>,
    /// For how long, in seconds; for ever, when absent.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// The rule that was broken.
    #[serde(default)]
    pub rule: Option<String>,
    /// What the person concerned is told.
    #[serde(default)]
    pub reason: Option<String>,
    /// For colleagues.
    #[serde(default)]
    pub note: Option<String>,
    /// Policy version in force.
    pub policy: String,
    /// Models whose scores were seen.
    pub models: Vec<String>,
    /// Seconds that the reviewer looked.
    pub looked_seconds: u32,
    /// Actions that it told the platform of.
    pub actions: Vec<String>,
    /// Earlier actions that it undid.
    pub undone: Vec<String>,
    /// Since when it no longer holds.
    #[serde(default)]
    pub overturned_at: Option<DateTime<Utc>>,
}

/// One page of decisions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionList {
    /// The decisions.
    pub items: Vec<DecisionView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// The answer to a decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecidedView {
    /// The decision.
    pub decision: DecisionView,
    /// `false`: this key had decided before.
    pub fresh: bool,
    /// Its case.
    pub case: CaseView,
}
