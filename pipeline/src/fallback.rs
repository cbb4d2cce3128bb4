//! What becomes of an item that no model can judge. Pure: the configuration, the failure and the number of the try go in, a decision comes
//! out.

use serde::{Deserialize, Serialize};

use crate::{Kind, Lane, action::ActionKind, error::PipelineError, item::ItemKind};

/// Name of the rule in verdicts and actions that no model stands behind.
pub const MODEL_FAILURE: &str = "model_failure";

/// What is done with an item of the queue whose models keep failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnModelFailure {
    /// Tried again for as long as items are tried: it waits, and may end as a dead letter.
    Retry,
    /// Let pass.
    Open,
    /// Taken down; a frame's participant is blurred.
    Closed,
    /// Given to a human.
    Hold,
}

/// What a caller of the check API is told when a model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCheckFailure {
    /// 503: the caller decides.
    Error,
    /// Let pass.
    Open,
    /// Taken down.
    Closed,
    /// Given to a human.
    Hold,
}

/// Section `[pipeline.on_model_failure]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFailureConfig {
    /// Texts.
    pub interactive: OnModelFailure,
    /// Call frames.
    pub live: OnModelFailure,
    /// Uploads.
    pub bulk: OnModelFailure,
    /// Tries before it is done.
    pub attempts: u32,
    /// `POST /v1/check`, at the first failure.
    pub check: OnCheckFailure,
}

impl Default for ModelFailureConfig {
    fn default() -> Self {
        Self {
            interactive: OnModelFailure::Hold,
            // The frame is seconds old by then and the next ones come anyway: nobody can review a call that goes on.
            live: OnModelFailure::Open,
            bulk: OnModelFailure::Hold,
            attempts: 3,
            check: OnCheckFailure::Error,
        }
    }
}

/// An answer without a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Let pass.
    Open,
    /// Taken down; a frame's participant is blurred.
    Closed,
    /// Given to a human.
    Hold,
}

impl Fallback {
    /// What is done to an item of this kind.
    pub fn action(self, kind: ItemKind) -> ActionKind {
        match (self, kind) {
            (Self::Open, _) => ActionKind::Allow,
            (Self::Closed, ItemKind::Frame) => ActionKind::Blur,
            (Self::Closed, ItemKind::Text | ItemKind::Image) => ActionKind::Remove,
            (Self::Hold, _) => ActionKind::Review,
        }
    }

    /// One sentence for the person concerned and for staff.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Open => "The models could not judge this: it was let pass unjudged.",
            Self::Closed => "The models could not judge this: it is held back as a precaution.",
            Self::Hold => "The models could not judge this: a person will look at it.",
        }
    }
}

/// Is it the models that failed, through no fault of the item?
pub fn is_model_failure(error: &PipelineError) -> bool {
    let PipelineError::Model(error) = error else { return false };
    matches!(error.kind(), Kind::TooBusy | Kind::Unavailable | Kind::Internal)
}

impl ModelFailureConfig {
    /// The answer about an item of the queue after its try number `attempt` (from 1) has failed so; `None`: not yet, or never.
    pub fn of_queue(&self, error: &PipelineError, lane: Lane, attempt: u32) -> Option<Fallback> {
        if !is_model_failure(error) || attempt < self.attempts {
            return None;
        }
        let chosen = match lane {
            Lane::Interactive => self.interactive,
            Lane::Live => self.live,
            Lane::Bulk => self.bulk,
        };
        match chosen {
            OnModelFailure::Retry => None,
            OnModelFailure::Open => Some(Fallback::Open),
            OnModelFailure::Closed => Some(Fallback::Closed),
            OnModelFailure::Hold => Some(Fallback::Hold),
        }
    }

    /// The answer to a caller who waits; `None`: the error itself.
    pub fn of_check(&self, error: &PipelineError) -> Option<Fallback> {
        match self.check {
            _ if !is_model_failure(error) => None,
            OnCheckFailure::Error => None,
            OnCheckFailure::Open => Some(Fallback::Open),
            OnCheckFailure::Closed => Some(Fallback::Closed),
            OnCheckFailure::Hold => Some(Fallback::Hold),
        }
    }
}

#[cfg(test)]
mod tests {
    use models::ModelError;

    use super::*;

    fn failures() -> [PipelineError; 3] {
        let full = ModelError::Full { model: "m".into(), waiting: 9 };
        let broken = ModelError::Backend { backend: "ort", message: "…".into() };
        [full.into(), ModelError::Stopped("m".into()).into(), broken.into()]
    }

    #[test]
    fn i7_only_the_models_own_failures_count() {
        let others = [
            PipelineError::invalid("text_empty", "…"),
            PipelineError::Unavailable { part: "store", message: "…".into() },
            PipelineError::Full { what: "queue", retry_after_s: 1 },
            ModelError::InvalidInput("…".into()).into(),
            ModelError::UnknownModel("m".into()).into(),
        ];
        assert!(failures().iter().all(is_model_failure));
        assert!(!others.iter().any(is_model_failure));
        let config = ModelFailureConfig { check: OnCheckFailure::Open, ..ModelFailureConfig::default() };
        assert!(others.iter().all(|error| config.of_queue(error, Lane::Bulk, 99).is_none()));
        assert!(others.iter().all(|error| config.of_check(error).is_none()));
    }

    #[test]
    fn i7_each_lane_has_its_answer_after_the_tries() {
        let config = ModelFailureConfig {
            interactive: OnModelFailure::Closed,
            live: OnModelFailure::Open,
            bulk: OnModelFailure::Retry,
            attempts: 3,
            check: OnCheckFailure::Hold,
        };
        let table = [
            (Lane::Interactive, 1, None),
            (Lane::Interactive, 2, None),
            (Lane::Interactive, 3, Some(Fallback::Closed)),
            (Lane::Interactive, 9, Some(Fallback::Closed)),
            (Lane::Live, 2, None),
            (Lane::Live, 3, Some(Fallback::Open)),
            (Lane::Bulk, 3, None),
            (Lane::Bulk, 99, None),
        ];
        for error in failures() {
            for (lane, attempt, expected) in table {
                assert_eq!(config.of_queue(&error, lane, attempt), expected, "{error:?}, {lane:?}, try {attempt}");
            }
            assert_eq!(config.of_check(&error), Some(Fallback::Hold));
            assert_eq!(ModelFailureConfig::default().of_check(&error), None);
        }
    }

    #[test]
    fn p1_each_answer_has_an_action_that_fits_the_kind() {
        let table = [
            (Fallback::Open, ItemKind::Text, ActionKind::Allow),
            (Fallback::Open, ItemKind::Frame, ActionKind::Allow),
            (Fallback::Closed, ItemKind::Text, ActionKind::Remove),
            (Fallback::Closed, ItemKind::Image, ActionKind::Remove),
            (Fallback::Closed, ItemKind::Frame, ActionKind::Blur),
            (Fallback::Hold, ItemKind::Text, ActionKind::Review),
            (Fallback::Hold, ItemKind::Frame, ActionKind::Review),
        ];
        for (fallback, kind, action) in table {
            assert_eq!(fallback.action(kind), action, "{fallback:?} of {kind:?}");
        }
    }
}
