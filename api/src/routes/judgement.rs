//! A judged item as callers see it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use pipeline::{
    action::Action,
    item::Envelope,
    language::Language,
    signal::{Signal, Span},
    verdict::{Outcome, Reason, Timings},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who, where, when.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemView {
    /// Names the item.
    pub id: Uuid,
    /// `text`, `image` or `frame`.
    #[schema(example = "text")]
    pub kind: &'static str,
    /// Who wrote or showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// In which call it was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Your own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Your id of the message that it is a version of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was written or captured. A time from the future is replaced by the time of acceptance.
    pub occurred_at: DateTime<Utc>,
    /// When we accepted it.
    pub received_at: DateTime<Utc>,
}

impl From<Envelope> for ItemView {
    fn from(envelope: Envelope) -> Self {
        Self {
            id: envelope.id.0,
            kind: envelope.kind.as_str(),
            actor: envelope.actor.map(|actor| actor.0),
            conversation: envelope.conversation.map(|conversation| conversation.0),
            call: envelope.call.map(|call| call.0),
            reference: envelope.reference,
            message: envelope.message,
            occurred_at: envelope.occurred_at,
            received_at: envelope.received_at,
        }
    }
}

/// The answer about an item, with everything that it rests on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judgement {
    /// The severest action of all rules that fired: `allow`, `warn`, `blur`, `mute`, `review`, `remove`, `disconnect`, `suspend`, `ban`.
    #[schema(example = "warn")]
    pub action: &'static str,
    /// At least one rule fired.
    pub flagged: bool,
    /// Rules that fired, severest first.
    pub reasons: Vec<ReasonView>,
    /// Shadow rules that would have fired: recorded, never acted on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ReasonView>,
    /// 0 to 1: the score behind the first reason; for `allow`, 1 − the highest score that a rule looked at.
    pub confidence: f32,
    /// The text with its offending stretches masked; absent when nothing is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sanitized_text: Option<String>,
    /// The offending stretches.
    pub spans: Vec<SpanView>,
    /// Label to score, 0 to 1; of two models with one label, the higher score.
    pub scores: BTreeMap<String, f32>,
    /// Every score with the model that gave it.
    pub signals: Vec<SignalView>,
    /// What is done; every action goes out as an event `moderation.action`.
    pub actions: Vec<ActionView>,
    /// Version of the policy that decided.
    pub policy: String,
    /// No model has judged this: the models failed, and this is the configured answer (rule `model_failure`). It is final.
    pub degraded: bool,
    /// Texts only: the language, and whether some model has learnt it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<LanguageView>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// Where the time went.
    pub timings: TimingsView,
    /// The scores are those of an earlier frame of the same participant that shows the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// Frames only: milliseconds after which the participant's next frame should be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_frame_ms: Option<u32>,
}

/// Why a rule fired.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    /// Rule name.
    pub rule: String,
    /// One sentence.
    pub text: String,
    /// The label that carried it.
    #[schema(example = "toxic")]
    pub label: String,
    /// Its score.
    pub score: f32,
    /// The action that the rule asked for.
    pub action: &'static str,
}

/// The language of a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct LanguageView {
    /// ISO 639-1 code; `und` for a text that is too short, mixed, or written so that its language cannot be told.
    #[schema(example = "en")]
    pub code: String,
    /// 0 to 1: how sure the detector is.
    pub confidence: f32,
    /// Is there a model for it? When not, no model has judged the text and there are no scores: the verdict is no all-clear, and its
    /// confidence is 0 unless another rule fired. An undetermined text is judged by every model.
    pub supported: bool,
}

/// An offending stretch of the text as it was sent, in Unicode code points.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpanView {
    /// First code point.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// First UTF-16 unit: what JavaScript, Java and C# count.
    pub start_utf16: usize,
    /// One past the last.
    pub end_utf16: usize,
    /// The label that it drove.
    pub label: String,
    /// How strongly, 0 to 1.
    pub score: f32,
}

/// One score by one model.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignalView {
    /// Model name.
    pub model: String,
    /// Model version.
    pub version: String,
    /// What the score is of.
    pub label: String,
    /// 0 to 1.
    pub score: f32,
}

/// One thing that is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionView {
    /// Performing it twice must equal performing it once: deduplicate by this.
    pub id: Uuid,
    /// What.
    pub kind: &'static str,
    /// The rule that asked for it.
    pub rule: String,
    /// One sentence for the person concerned.
    pub reason: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Violations of the participant in the window, this one included; 0 outside ladders.
    pub violations: u32,
}

/// Milliseconds per stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimingsView {
    /// Between acceptance and the start of work.
    pub waiting_ms: f32,
    /// Decoding and normalising.
    pub prepare_ms: f32,
    /// Models, their queue included.
    pub infer_ms: f32,
    /// From the start of work to the decision.
    pub total_ms: f32,
}

impl Judgement {
    /// Splits an outcome into the item and what was found.
    pub fn of(outcome: Outcome) -> (ItemView, Self) {
        let verdict = outcome.verdict;
        let mut scores = BTreeMap::<String, f32>::new();
        for signal in &outcome.signals {
            let score = scores.entry(signal.label.clone()).or_insert(signal.score);
            *score = score.max(signal.score);
        }
        let judgement = Self {
            action: verdict.action.as_str(),
            flagged: verdict.flagged,
            reasons: verdict.reasons.into_iter().map(ReasonView::from).collect(),
            shadow: verdict.shadow.into_iter().map(ReasonView::from).collect(),
            confidence: verdict.confidence,
            sanitized_text: verdict.sanitized_text,
            spans: verdict.spans.into_iter().map(SpanView::from).collect(),
            scores,
            signals: outcome.signals.into_iter().map(SignalView::from).collect(),
            actions: outcome.actions.into_iter().map(ActionView::from).collect(),
            policy: verdict.policy,
            degraded: verdict.degraded,
            language: verdict.language.map(LanguageView::from),
            decided_at: outcome.decided_at,
            timings: outcome.timings.into(),
            reused: outcome.reused,
            next_frame_ms: outcome.next_frame_ms,
        };
        (outcome.envelope.into(), judgement)
    }
}

impl From<Reason> for ReasonView {
    fn from(Reason { rule, text, label, score, action }: Reason) -> Self {
        Self { rule, text, label, score, action: action.as_str() }
    }
}

impl From<Language> for LanguageView {
    fn from(Language { code, confidence, supported }: Language) -> Self {
        Self { code, confidence, supported }
    }
}

impl From<Span> for SpanView {
    fn from(Span { start, end, start_utf16, end_utf16, label, score }: Span) -> Self {
        Self { start, end, start_utf16, end_utf16, label, score }
    }
}

impl From<Signal> for SignalView {
    fn from(Signal { model, version, label, score }: Signal) -> Self {
        Self { model, version, label, score }
    }
}

impl From<Action> for ActionView {
    fn from(action: Action) -> Self {
        Self {
            id: action.id.0,
            kind: action.kind.as_str(),
            rule: action.rule,
            reason: action.reason,
            confidence: action.confidence,
            violations: action.violations,
        }
    }
}

impl From<Timings> for TimingsView {
    fn from(timings: Timings) -> Self {
        let Timings { waiting_ms, prepare_ms, infer_ms, total_ms } = timings;
        Self { waiting_ms, prepare_ms, infer_ms, total_ms }
    }
}
