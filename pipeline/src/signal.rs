//! A signal: a score derived from an item.

use models::Scores;
use serde::{Deserialize, Serialize};

/// One score by one model. Policy rules read signals and nothing else about content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Model name.
    pub model: String,
    /// Model version: a decision can be rebuilt years later.
    pub version: String,
    /// Label, lower case, `_` for blanks: what rules call it (`toxic`, `porn`, `spam`).
    pub label: String,
    /// 0..=1.
    pub score: f32,
}

/// What the label of a signal begins with when the score is of a message together with its context.
pub const CONTEXT_PREFIX: &str = "context.";

/// A stretch of text that drove a score, in the text as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// First Unicode code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// The same place in UTF-16 units: what JavaScript, Java and C# count.
    #[serde(default)]
    pub start_utf16: usize,
    /// One past the last UTF-16 unit.
    #[serde(default)]
    pub end_utf16: usize,
    /// The label that it drove.
    pub label: String,
    /// How strongly, 0..=1.
    pub score: f32,
}

/// A model's label as rules call it: `Porn` → `porn`, `identity hate` → `identity_hate`.
pub fn rule_label(label: &str) -> String {
    label.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The signals in a model's answer. A score that is no number is left out: a rule must not act on it.
pub fn signals(scores: &Scores) -> impl Iterator<Item = Signal> {
    scores.scores.iter().filter(|score| score.score.is_finite()).map(|score| Signal {
        model: scores.model.to_string(),
        version: scores.version.to_string(),
        label: rule_label(&score.label),
        score: score.score,
    })
}

impl Signal {
    /// This signal as it is recorded when it judged a message together with its context.
    #[must_use]
    pub fn of_context(&self) -> Self {
        Self { label: format!("{CONTEXT_PREFIX}{}", self.label), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use models::Score;

    use super::*;

    #[test]
    fn f1_labels_become_what_rules_call_them() {
        for (label, expected) in
            [("Porn", "porn"), ("identity hate", "identity_hate"), ("severe-toxic", "severe_toxic")]
        {
            assert_eq!(rule_label(label), expected);
        }
    }

    #[test]
    fn a_score_that_is_no_number_is_left_out() {
        let scores = Scores {
            model: "m".into(),
            version: "1".into(),
            scores: vec![Score { label: "A".into(), score: f32::NAN }, Score { label: "B".into(), score: 0.5 }],
            spans: Vec::new(),
        };
        let labels: Vec<_> = signals(&scores).map(|signal| signal.label).collect();
        assert_eq!(labels, ["b"]);
    }
}
