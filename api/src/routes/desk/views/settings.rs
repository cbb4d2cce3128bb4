//! Queues, settings, accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::PriorityView;

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

/// A sentence for the person concerned, ready to be picked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateView {
    /// What reviewers pick it by.
    #[schema(example = "spam, first time")]
    pub name: String,
    /// The sentence.
    #[schema(example = "Please do not advertise here.")]
    pub text: String,
    /// Only with these rules; with all, when empty.
    #[serde(default)]
    pub rules: Vec<String>,
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
    /// Days that the versions of messages which the platform names are kept; 0: none is.
    #[serde(default)]
    pub version_days: u32,
    /// Days in which copies of a picture are found; 0: none is looked for.
    #[serde(default)]
    pub copy_days: u32,
    /// Does a decision that restricts something want a statement of reasons?
    #[serde(default)]
    pub statements: bool,
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
    /// Sentences for the person concerned that reviewers pick instead of writing them.
    #[serde(default)]
    pub templates: Vec<TemplateView>,
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
