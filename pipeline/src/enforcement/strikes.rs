//! Strikes: what a violation weighs, how long it counts, and what so many of them lead to.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::action::ActionKind;

/// How bad it is to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A slip.
    Low,
    /// What most rules are about.
    Medium,
    /// Does harm.
    High,
    /// Must not happen again.
    Critical,
}

/// What a violation weighs, by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Strikes of a rule with `severity = "low"`.
    pub low: u32,
    /// `medium`.
    pub medium: u32,
    /// `high`.
    pub high: u32,
    /// `critical`.
    pub critical: u32,
}

impl Weights {
    /// Strikes of one violation.
    pub fn of(&self, severity: Severity) -> u32 {
        match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }
}

/// From how many strikes on an action is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrikeStep {
    /// Strikes that count, the new ones included.
    pub strikes: u32,
    /// What is done.
    pub action: ActionKind,
    /// For how long; for good when absent.
    pub lasts: Option<TimeDelta>,
}

/// Table `[strikes]` of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrikeRules {
    /// How long a strike counts.
    pub window: TimeDelta,
    /// By severity.
    pub weights: Weights,
    /// Ascending by `strikes`.
    pub steps: Vec<StrikeStep>,
    /// One sentence for the person whom a step meets.
    pub reason: String,
}

impl StrikeRules {
    /// The step that strikes lead to which take a person from `before` to `after`: the highest that they reach now and had not reached
    /// before. Who stays on a step is not met by it twice.
    pub fn step(&self, before: u32, after: u32) -> Option<&StrikeStep> {
        self.steps.iter().rev().find(|step| before < step.strikes && step.strikes <= after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_strikes_lead_up_a_ladder_each_step_once() {
        let hours = |hours| Some(TimeDelta::hours(hours));
        let step = |strikes, action, lasts| StrikeStep { strikes, action, lasts };
        let rules = StrikeRules {
            window: TimeDelta::days(90),
            weights: Weights { low: 0, medium: 1, high: 3, critical: 10 },
            steps: vec![
                step(3, ActionKind::Suspend, hours(24)),
                step(6, ActionKind::Suspend, hours(168)),
                step(10, ActionKind::Ban, None),
            ],
            reason: "Too many.".into(),
        };
        for (before, after, expected) in [
            (0, 0, None),
            (0, 1, None),
            (2, 3, Some(3)),
            (3, 4, None),
            (3, 3, None),
            (5, 6, Some(6)),
            (0, 7, Some(6)),
            (2, 10, Some(10)),
            (10, 20, None),
        ] {
            assert_eq!(rules.step(before, after).map(|step| step.strikes), expected, "{before} to {after}");
        }
        assert_eq!(rules.weights.of(Severity::High), 3);
    }
}
