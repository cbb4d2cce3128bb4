//! The second opinion about pictures: a larger model is asked about what the first ones suspect, and the two become one score. Pure.
//!
//! Rules read the combined score under the label's own name. What each model said is recorded too, as `first.<label>` and `second.<label>`;
//! a suspicion that nobody could confirm is recorded as `unconfirmed.<label>`, and then there is no score under the label's own name: no rule
//! fires on it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::signal::Signal;

/// What the labels of the first models' own scores begin with.
pub const FIRST_PREFIX: &str = "first.";
/// What the labels of the asked model's own scores begin with.
pub const SECOND_PREFIX: &str = "second.";
/// What the labels of suspicions begin with that could not be confirmed.
pub const UNCONFIRMED_PREFIX: &str = "unconfirmed.";

/// How two scores of one label become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The lower of the first score and of the sum of the second model's suspicious labels: it must agree that the picture is one of them,
    /// not on which.
    Agreement,
    /// The lower of both.
    Min,
    /// Their mean.
    Mean,
    /// Their product.
    Product,
    /// The second one's word.
    Second,
}

/// Section `[pipeline.second_opinion]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecondOpinionConfig {
    /// The model that is asked; empty: nobody, and the first models' scores stand alone.
    pub model: String,
    /// Labels that are suspicious.
    pub labels: Vec<String>,
    /// Score of such a label from which on it is asked. At or below every threshold that policies compare these labels with.
    pub from: f64,
    /// How the scores of a label become one.
    pub combine: Combine,
    /// Labels for which they become one in another way.
    pub combine_label: BTreeMap<String, Combine>,
    /// Call frames: suspected frames in a row that stand for a second opinion which cannot be had (too many ask, or the model fails).
    pub corroborating_frames: u32,
    /// Most seconds between two such frames.
    pub corroborating_seconds: u64,
}

impl Default for SecondOpinionConfig {
    fn default() -> Self {
        Self {
            model: "nsfw-inception".into(),
            labels: ["porn", "hentai", "sexy"].map(String::from).to_vec(),
            from: 0.5,
            combine: Combine::Agreement,
            combine_label: BTreeMap::new(),
            corroborating_frames: 3,
            corroborating_seconds: 10,
        }
    }
}

impl SecondOpinionConfig {
    fn is_suspicious(&self, label: &str) -> bool {
        self.labels.iter().any(|suspicious| suspicious == label)
    }

    /// Is there something to ask about?
    pub fn suspects(&self, first: &[Signal]) -> bool {
        first.iter().any(|signal| f64::from(signal.score) >= self.from && self.is_suspicious(&signal.label))
    }

    /// Was a picture with these signals, as they are recorded, suspected after all?
    pub(crate) fn suspected(&self, recorded: &[Signal]) -> bool {
        recorded.iter().any(|signal| signal.label.starts_with(UNCONFIRMED_PREFIX)) || self.suspects(recorded)
    }

    /// How far apart two frames in a row may be.
    pub(crate) fn window(&self) -> TimeDelta {
        let seconds = i64::try_from(self.corroborating_seconds).ok();
        seconds.and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX)
    }

    /// Both opinions, and what they come to. A label that only one model knows keeps its score.
    pub fn combined(&self, first: Vec<Signal>, second: &[Signal]) -> Vec<Signal> {
        let explicit: f32 =
            second.iter().filter(|signal| self.is_suspicious(&signal.label)).map(|signal| signal.score).sum();
        let mut signals = Vec::with_capacity(2 * first.len() + second.len());
        for one in first {
            let Some(other) = second.iter().find(|signal| signal.label == one.label) else {
                signals.push(one);
                continue;
            };
            let score = match self.combine_label.get(&one.label).unwrap_or(&self.combine) {
                Combine::Agreement if self.is_suspicious(&one.label) => one.score.min(explicit.min(1.0)),
                Combine::Agreement | Combine::Mean => f32::midpoint(one.score, other.score),
                Combine::Min => one.score.min(other.score),
                Combine::Product => one.score * other.score,
                Combine::Second => other.score,
            };
            signals.push(Signal {
                model: format!("{}+{}", one.model, other.model),
                version: format!("{}+{}", one.version, other.version),
                label: one.label.clone(),
                score,
            });
            signals.push(prefixed(FIRST_PREFIX, &one));
        }
        signals.extend(second.iter().map(|signal| prefixed(SECOND_PREFIX, signal)));
        signals
    }

    /// The first opinion when there is no second one: suspicious labels are out of the rules' sight.
    pub(crate) fn unconfirmed(&self, first: &[Signal]) -> Vec<Signal> {
        let hide = |signal: &Signal| match self.is_suspicious(&signal.label) {
            true => prefixed(UNCONFIRMED_PREFIX, signal),
            false => signal.clone(),
        };
        first.iter().map(hide).collect()
    }
}

fn prefixed(prefix: &str, signal: &Signal) -> Signal {
    Signal { label: format!("{prefix}{}", signal.label), ..signal.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(model: &str, scores: &[(&str, f32)]) -> Vec<Signal> {
        let signal = |(label, score): &(&str, f32)| Signal {
            model: model.into(),
            version: "1".into(),
            label: (*label).into(),
            score: *score,
        };
        scores.iter().map(signal).collect()
    }

    fn score(signals: &[Signal], label: &str) -> Option<f32> {
        signals.iter().find(|signal| signal.label == label).map(|signal| signal.score)
    }

    #[test]
    fn f1_only_suspicious_labels_over_the_cut_are_asked_about() {
        let config = SecondOpinionConfig::default();
        for (scores, asked) in [
            (&[("porn", 0.5)][..], true),
            (&[("porn", 0.49), ("sexy", 0.49)], false),
            (&[("drawing", 0.99)], false),
            (&[("hentai", 0.9)], true),
            (&[], false),
        ] {
            assert_eq!(config.suspects(&signals("a", scores)), asked, "{scores:?}");
        }
    }

    #[test]
    fn f1_two_opinions_become_one_as_configured() {
        let first = || signals("small", &[("porn", 0.9), ("sexy", 0.05), ("neutral", 0.05)]);
        let second = signals("large", &[("porn", 0.2), ("sexy", 0.5), ("neutral", 0.3)]);
        for (combine, expected) in [
            (Combine::Agreement, 0.7),
            (Combine::Min, 0.2),
            (Combine::Mean, 0.55),
            (Combine::Product, 0.18),
            (Combine::Second, 0.2),
        ] {
            let config = SecondOpinionConfig { combine, ..SecondOpinionConfig::default() };
            let combined = config.combined(first(), &second);
            let porn = score(&combined, "porn").unwrap();
            assert!((porn - expected).abs() < 1e-6, "{combine:?}: {porn}");
            assert_eq!((score(&combined, "first.porn"), score(&combined, "second.porn")), (Some(0.9), Some(0.2)));
            assert_eq!(combined[0].model, "small+large");
        }
        let own = BTreeMap::from([("porn".to_owned(), Combine::Second)]);
        let config =
            SecondOpinionConfig { combine: Combine::Min, combine_label: own, ..SecondOpinionConfig::default() };
        let combined = config.combined(first(), &second);
        assert_eq!((score(&combined, "porn"), score(&combined, "sexy")), (Some(0.2), Some(0.05)));
    }

    #[test]
    fn f1_a_label_of_one_model_alone_stays() {
        let config = SecondOpinionConfig::default();
        let combined = config.combined(signals("a", &[("gore", 0.9)]), &signals("b", &[("porn", 0.1)]));
        assert_eq!((score(&combined, "gore"), score(&combined, "porn")), (Some(0.9), None));
    }

    #[test]
    fn f1_what_nobody_confirmed_is_out_of_the_rules_sight() {
        let hidden = SecondOpinionConfig::default().unconfirmed(&signals("a", &[("porn", 0.9), ("neutral", 0.1)]));
        assert_eq!((score(&hidden, "porn"), score(&hidden, "unconfirmed.porn")), (None, Some(0.9)));
        assert_eq!(score(&hidden, "neutral"), Some(0.1));
    }
}
