//! The pipeline's answer about one item.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    action::{Action, ActionKind},
    item::Envelope,
    language::Language,
    signal::{Signal, Span},
};

/// Why a rule fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Rule name.
    pub rule: String,
    /// One sentence.
    pub text: String,
    /// The label that carried it.
    pub label: String,
    /// Its score.
    pub score: f32,
    /// The action that the rule asked for.
    pub action: ActionKind,
}

/// The answer. Everything in it can be rebuilt from the signals, the policy version and the stream state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The severest action of all live rules that fired; `allow` when none did.
    pub action: ActionKind,
    /// At least one live rule fired.
    pub flagged: bool,
    /// Live rules that fired, severest first.
    pub reasons: Vec<Reason>,
    /// Shadow rules that would have fired: recorded, never acted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<Reason>,
    /// Score behind the first reason; for `allow`, 1 − the highest score that a rule looked at.
    pub confidence: f32,
    /// The text with offending stretches replaced by `*`; only for text, only when something is masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanitized_text: Option<String>,
    /// The offending stretches, code points of the text as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Texts only: their language, and whether a model has learnt it. What no model has learnt has no scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Policy version that decided.
    pub policy: String,
    /// No model has judged this: the models failed, and this is the answer that the configuration gives then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// Seconds spent per stage, for metrics and for the demo's table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Between acceptance and the start of work.
    pub waiting_ms: f32,
    /// Decoding and normalising.
    pub prepare_ms: f32,
    /// Models, their queue included.
    pub infer_ms: f32,
    /// From the start of work to the decision.
    pub total_ms: f32,
}

/// Measures [`Timings`] while an item passes the stages.
pub(crate) struct Stopwatch {
    started: Instant,
    timings: Timings,
}

impl Stopwatch {
    pub(crate) fn start(waited: TimeDelta) -> Self {
        let waiting_ms = milliseconds(waited.to_std().unwrap_or_default());
        Self { started: Instant::now(), timings: Timings { waiting_ms, ..Timings::default() } }
    }

    fn elapsed_ms(&self) -> f32 {
        milliseconds(self.started.elapsed())
    }

    pub(crate) fn prepared(&mut self) {
        self.timings.prepare_ms = self.elapsed_ms();
    }

    pub(crate) fn inferred(&mut self) {
        self.timings.infer_ms = self.elapsed_ms() - self.timings.prepare_ms;
    }

    pub(crate) fn read(&self) -> Timings {
        Timings { total_ms: self.elapsed_ms(), ..self.timings }
    }
}

fn milliseconds(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1000.0
}

/// What is recorded about an item in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The item without its content.
    pub envelope: Envelope,
    /// SHA-256 of the content, hex: what was judged, without keeping it.
    pub content_sha256: String,
    /// All scores.
    pub signals: Vec<Signal>,
    /// The answer.
    pub verdict: Verdict,
    /// What is to be done; empty for `allow`.
    pub actions: Vec<Action>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// Where the time went.
    pub timings: Timings,
    /// The scores are those of an earlier frame of the same participant that shows the same (`stream::likeness`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// Frames only: milliseconds after which the participant's next frame should be sent (`stream::sampling`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_frame_ms: Option<u32>,
    /// Characters of a text, bytes of a picture; 0 when it was not written down (outcomes of before, and those that no model saw).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub length: usize,
    /// Pixels per row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub width: u32,
    /// Rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub height: u32,
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
