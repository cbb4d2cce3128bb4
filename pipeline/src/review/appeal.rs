//! Appeals: somebody objects to what was decided about them. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::PipelineError,
    item::{AppealId, CaseId, DecisionId, ItemId, TenantId, check_name},
};

/// Longest text of an appeal, in bytes.
pub const MAX_APPEAL_BYTES: usize = 8000;

/// Where an appeal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppealState {
    /// It waits for another reviewer.
    Open,
    /// The decision stands.
    Upheld,
    /// The decision fell.
    Overturned,
}

impl AppealState {
    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Upheld => "upheld",
            Self::Overturned => "overturned",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Upheld, Self::Overturned].into_iter().find(|state| state.as_str() == name)
    }
}

/// An objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    /// Names it for ever; also its idempotency key.
    pub id: AppealId,
    /// Whose.
    pub tenant: TenantId,
    /// Who objects.
    pub actor: String,
    /// To which decision of a reviewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    /// To what was decided about which item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// Their words. User content: never logged.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Where it stands.
    pub state: AppealState,
    /// The case that answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<DateTime<Utc>>,
}

impl Appeal {
    /// Checks names and text. No message quotes the text.
    pub fn check(&self) -> Result<(), PipelineError> {
        check_name("actor", &self.actor)?;
        if self.decision.is_none() == self.item.is_none() {
            let message = "name what the appeal is about: `decision` or `item`, one of them";
            return Err(PipelineError::invalid("appeal_about", message));
        }
        if self.text.trim().is_empty() {
            return Err(PipelineError::invalid("appeal_empty", "`text` is empty: send the person's own words"));
        }
        if self.text.len() > MAX_APPEAL_BYTES {
            let message = format!("`text` has {} bytes, at most {MAX_APPEAL_BYTES}: shorten it", self.text.len());
            return Err(PipelineError::invalid("note_too_long", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_appeals_are_checked_without_being_quoted() {
        let good = Appeal {
            id: AppealId::new(),
            tenant: "t".into(),
            actor: "ann".into(),
            decision: Some(DecisionId::new()),
            item: None,
            text: "SECRET".into(),
            at: DateTime::UNIX_EPOCH,
            state: AppealState::Open,
            case: None,
            resolved_at: None,
        };
        assert!(good.check().is_ok());
        let rows = [
            (Appeal { actor: String::new(), ..good.clone() }, "name_empty"),
            (Appeal { decision: None, ..good.clone() }, "appeal_about"),
            (Appeal { item: Some(ItemId::new()), ..good.clone() }, "appeal_about"),
            (Appeal { text: " ".into(), ..good.clone() }, "appeal_empty"),
            (Appeal { text: "SECRET".repeat(2000), ..good.clone() }, "note_too_long"),
        ];
        for (appeal, expected) in rows {
            let error = appeal.check().unwrap_err();
            assert!(matches!(error, PipelineError::Invalid { code, .. } if code == expected), "{expected}: {error:?}");
            assert!(!error.to_string().contains("SECRET"));
        }
    }
}
