//! What a reviewer decides about a case. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::routing::ReviewSettings;
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{CaseId, DecisionId},
};

/// Longest reason or note, in bytes.
pub const MAX_REASON_BYTES: usize = 4000;
/// Longest key and rule name, in bytes.
const MAX_KEY_BYTES: usize = 200;
/// Longest action: ten years, in seconds.
const MAX_SECONDS: u64 = 10 * 366 * 86_400;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It was a violation, and what was done already is enough. Of an appeal: the decision stands.
    Uphold,
    /// It was none: what was done is undone. Of an appeal: the decision falls.
    Dismiss,
    /// It was one, and this is done.
    Act,
}

impl Ruling {
    /// Every ruling.
    pub const ALL: [Self; 3] = [Self::Uphold, Self::Dismiss, Self::Act];

    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uphold => "uphold",
            Self::Dismiss => "dismiss",
            Self::Act => "act",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ruling| ruling.as_str() == name)
    }

    /// Was it a violation? What two reviewers can agree on.
    pub fn is_violation(self) -> bool {
        !matches!(self, Self::Dismiss)
    }
}

/// What a reviewer hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionDraft {
    /// The client's key: the same one again changes nothing.
    pub key: String,
    /// The answer.
    pub ruling: Ruling,
    /// What is done; only of [`Ruling::Act`].
    pub action: Option<ActionKind>,
    /// For how long, in seconds; for ever, when absent. Only of actions that last.
    pub seconds: Option<u64>,
    /// The policy's rule that was broken.
    pub rule: Option<String>,
    /// One sentence, which the person concerned is told.
    pub reason: Option<String>,
    /// For colleagues only.
    pub note: Option<String>,
    /// The version of the case that was looked at: another one is refused, so that nobody decides on what they have not seen.
    pub seen: Option<i64>,
    /// Seconds that the reviewer looked at it.
    pub looked_seconds: u32,
    /// Also decide like this about every open report of this person.
    pub all_reports: bool,
    /// Remove the copies of its pictures, too, whoever showed them.
    pub copies: bool,
}

impl DecisionDraft {
    /// Refuses what cannot be.
    pub fn check(&self, settings: &ReviewSettings) -> Result<(), PipelineError> {
        let wrong = |code, message: &str| Err(PipelineError::invalid(code, message));
        if !(1..=MAX_KEY_BYTES).contains(&self.key.len()) {
            return wrong("decision_key", "`key` is 1 to 200 bytes: send a new UUID with each decision");
        }
        let acts = self.ruling == Ruling::Act;
        match self.action {
            None if acts => return wrong("decision_action", "`act` needs `action`: say what is done"),
            Some(_) if !acts => {
                return wrong("decision_action", "`action` belongs to the ruling `act` only: leave it out");
            }
            Some(ActionKind::Allow | ActionKind::Review) => {
                return wrong(
                    "decision_action",
                    "`allow` and `review` do nothing: rule `dismiss`, or escalate the case",
                );
            }
            _ => {}
        }
        if self.copies && self.action != Some(ActionKind::Remove) {
            return wrong("decision_copies", "`copies` belongs to the action `remove` only: leave it out");
        }
        let lasts = self.action.is_some_and(lasts);
        if self.seconds.is_some_and(|seconds| !lasts || seconds == 0 || seconds > MAX_SECONDS) {
            return wrong(
                "decision_duration",
                "`seconds` belongs to `mute`, `blur`, `suspend` and `ban`, from 1 s to ten years",
            );
        }
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_REASON_BYTES);
        if too_long(&self.reason) || too_long(&self.note) {
            return wrong("note_too_long", "`reason` and `note` have at most 4000 bytes each: shorten them");
        }
        if self.rule.as_ref().is_some_and(|rule| rule.is_empty() || rule.len() > MAX_KEY_BYTES) {
            return wrong("decision_rule", "`rule` is the name of a rule, 1 to 200 bytes");
        }
        let empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        if acts && settings.require_reason && empty(&self.reason) {
            return wrong("decision_reason_missing", "this tenant wants a `reason` with every decision that acts");
        }
        if acts && settings.require_rule && self.rule.is_none() {
            return wrong("decision_rule_missing", "this tenant wants the broken `rule` with every decision that acts");
        }
        Ok(())
    }
}

/// Does the action go on until it is lifted?
pub fn lasts(action: ActionKind) -> bool {
    matches!(action, ActionKind::Blur | ActionKind::Mute | ActionKind::Suspend | ActionKind::Ban)
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Names it for ever.
    pub id: DecisionId,
    /// About which case.
    pub case: CaseId,
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
    /// The answer.
    pub ruling: Ruling,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionKind>,
    /// For how long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The rule that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the person concerned is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For colleagues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Policy version in force.
    pub policy: String,
    /// Models (`name@version`) whose scores were seen.
    #[serde(default)]
    pub models: Vec<String>,
    /// Seconds that the reviewer looked at it.
    pub looked_seconds: u32,
    /// Ids of the actions that it told the platform of.
    #[serde(default)]
    pub actions: Vec<String>,
    /// Ids of earlier actions that it undid.
    #[serde(default)]
    pub undone: Vec<String>,
    /// Since when it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overturned_at: Option<DateTime<Utc>>,
}

/// The name of a member of staff towards outside systems: the same one every time, and not their own.
pub fn pseudonym(tenant: &str, staff: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(tenant.len().to_le_bytes());
    digest.update(tenant);
    digest.update(staff);
    format!("reviewer-{}", hex::encode(&digest.finalize()[..6]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(ruling: Ruling) -> DecisionDraft {
        DecisionDraft {
            key: "k".into(),
            ruling,
            action: (ruling == Ruling::Act).then_some(ActionKind::Ban),
            seconds: None,
            rule: None,
            reason: None,
            note: None,
            seen: None,
            looked_seconds: 0,
            all_reports: false,
            copies: false,
        }
    }

    fn code(draft: &DecisionDraft, settings: &ReviewSettings) -> &'static str {
        match draft.check(settings) {
            Ok(()) => "",
            Err(PipelineError::Invalid { code, .. }) => code,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn c1_decisions_are_checked() {
        let lax = ReviewSettings { require_reason: false, require_rule: false, ..ReviewSettings::builtin() };
        let strict = ReviewSettings { require_reason: true, require_rule: true, ..lax.clone() };
        let act = || draft(Ruling::Act);
        let rows = [
            (act(), &lax, ""),
            (draft(Ruling::Uphold), &strict, ""),
            (draft(Ruling::Dismiss), &strict, ""),
            (DecisionDraft { key: String::new(), ..act() }, &lax, "decision_key"),
            (DecisionDraft { action: None, ..act() }, &lax, "decision_action"),
            (DecisionDraft { action: Some(ActionKind::Ban), ..draft(Ruling::Dismiss) }, &lax, "decision_action"),
            (DecisionDraft { action: Some(ActionKind::Allow), ..act() }, &lax, "decision_action"),
            (DecisionDraft { seconds: Some(60), ..act() }, &lax, ""),
            (DecisionDraft { seconds: Some(0), ..act() }, &lax, "decision_duration"),
            (DecisionDraft { seconds: Some(u64::MAX), ..act() }, &lax, "decision_duration"),
            (DecisionDraft { action: Some(ActionKind::Warn), seconds: Some(60), ..act() }, &lax, "decision_duration"),
            (DecisionDraft { note: Some("x".repeat(4001)), ..act() }, &lax, "note_too_long"),
            (DecisionDraft { copies: true, ..act() }, &lax, "decision_copies"),
            (DecisionDraft { copies: true, action: Some(ActionKind::Remove), ..act() }, &lax, ""),
            (act(), &strict, "decision_reason_missing"),
            (DecisionDraft { reason: Some("because".into()), ..act() }, &strict, "decision_rule_missing"),
            (DecisionDraft { reason: Some("because".into()), rule: Some("spam".into()), ..act() }, &strict, ""),
        ];
        for (draft, settings, expected) in rows {
            assert_eq!(code(&draft, settings), expected, "{draft:?}");
        }
    }

    #[test]
    fn c3_pseudonyms_are_stable_and_differ_by_tenant() {
        assert_eq!(pseudonym("a", "mia"), pseudonym("a", "mia"));
        assert_ne!(pseudonym("a", "mia"), pseudonym("b", "mia"));
        assert_ne!(pseudonym("a", "bmia"), pseudonym("ab", "mia"));
        assert!(!pseudonym("a", "mia").contains("mia"));
    }
}
