//! The shapes of the desk in the OpenAPI document. Answers are the domain's own types; a test reads each of them back as its view, so that the two
//! cannot drift.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
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

/// What waits in one queue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueCountView {
    /// Which.
    pub queue: String,
    /// For people.
    pub description: String,
    /// Cases that wait or are with somebody.
    pub open: u64,
    /// Of them, with somebody now.
    pub claimed: u64,
    /// Of them, with you.
    pub mine: u64,
    /// Past their time.
    pub overdue: u64,
    /// Urgent, high, normal, low.
    pub by_priority: [u64; 4],
    /// When the oldest came.
    #[serde(default)]
    pub oldest_at: Option<DateTime<Utc>>,
    /// When the next one is due.
    #[serde(default)]
    pub next_due_at: Option<DateTime<Utc>>,
    /// Nobody gets its cases for now.
    pub paused: bool,
    /// Only leads get its cases.
    pub leads_only: bool,
    /// Only staff with this skill.
    #[serde(default)]
    pub skill: Option<String>,
}

/// A queue and what comes into it. An empty list asks for nothing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueRuleView {
    /// Unique: `a-z`, `0-9`, `_`, `-`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `rule`, `report`, `sample`, `appeal`, `manual`.
    #[serde(default)]
    pub sources: Vec<String>,
    /// `text`, `frame`, `image`, `report`.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Policy rules.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Labels, or reasons of reports.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Languages.
    #[serde(default)]
    pub languages: Vec<String>,
    /// How urgent what comes into it is.
    #[serde(default)]
    pub priority: Option<PriorityView>,
    /// Minutes until decided.
    #[serde(default)]
    pub sla_minutes: Option<u32>,
    /// Only staff with this skill get its cases.
    #[serde(default)]
    pub skill: Option<String>,
    /// Only leads get its cases.
    #[serde(default)]
    pub leads_only: bool,
    /// Nobody gets its cases for now.
    #[serde(default)]
    pub paused: bool,
}

/// Minutes until a case should be decided.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SlaMinutesView {
    /// Urgent.
    pub urgent: u32,
    /// High.
    pub high: u32,
    /// Normal.
    pub normal: u32,
    /// Low.
    pub low: u32,
}

/// What one person should look at in a day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExposureBudgetView {
    /// Graphic cases.
    pub items: u32,
    /// Minutes on them.
    pub minutes: u32,
}

/// How review works.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewSettingsView {
    /// Seconds that a claim holds without a heartbeat.
    pub lease_seconds: u32,
    /// Cases that one reviewer may have at once.
    pub capacity: u32,
    /// Actions of the policy that open a case.
    pub case_actions: Vec<String>,
    /// Rules that open one, whatever they do.
    pub case_rules: Vec<String>,
    /// Share of judged items that become a case by chance.
    pub sample_share: f64,
    /// Share of decisions that somebody else judges again.
    pub second_share: f64,
    /// Share of claims answered with a case whose answer is known.
    pub golden_share: f64,
    /// Must a decision that acts say why?
    pub require_reason: bool,
    /// Must it name the rule?
    pub require_rule: bool,
    /// Days that evidence is kept after the decision.
    pub evidence_days: u32,
    /// Days in which a reporter's past counts half.
    pub credibility_half_life_days: u32,
    /// Labels of what harms to look at.
    pub graphic_labels: Vec<String>,
    /// Reasons of reports that start the 48-hour clock.
    pub intimate_reasons: Vec<String>,
    /// Minutes until decided, by priority.
    pub sla_minutes: SlaMinutesView,
    /// What one person should look at in a day.
    pub exposure: ExposureBudgetView,
    /// The queues, in order.
    pub queues: Vec<QueueRuleView>,
}

/// The settings as they are kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeptSettingsView {
    /// Send it back as `version` when you change them.
    pub version: i64,
    /// Who wrote them.
    #[serde(default)]
    pub by: Option<String>,
    /// When.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// What they say.
    pub settings: ReviewSettingsView,
}

/// What somebody wants to see, and how.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComfortView {
    /// Pictures are blurred until asked for.
    pub blur: bool,
    /// How strongly, in pixels.
    pub blur_pixels: u32,
    /// Pictures are grey.
    pub grey: bool,
    /// Sound is off.
    pub mute: bool,
    /// Propose a break after so many minutes; 0 never.
    pub break_minutes: u32,
    /// Never give me cases with these labels.
    pub avoid_labels: Vec<String>,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserView {
    /// Names it for ever.
    pub id: Uuid,
    /// Whose rows it sees.
    pub tenant: String,
    /// What it signs in with.
    pub login: String,
    /// `reviewer`, `lead`, `admin`.
    pub role: String,
    /// Locked out.
    pub disabled: bool,
    /// Asks for a code at sign-in.
    pub totp: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What to call them.
    pub name: String,
    /// Skills that queues may ask for.
    pub skills: Vec<String>,
    /// Languages that they read; empty: all.
    pub languages: Vec<String>,
    /// Cases that they may have at once.
    pub capacity: Option<u32>,
    /// How they want to see evidence.
    pub comfort: ComfortView,
}

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
    /// Decisions by day and ruling.
    pub decisions: Vec<DayCountView>,
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
