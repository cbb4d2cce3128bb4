//! The stages in order: this file is the product's story. CONTRACT: signatures are fixed; the body is being written.

use std::sync::Arc;

use models::{Engine, Lane};

use crate::{
    clock::Clock,
    config::PipelineConfig,
    error::PipelineError,
    index::{Attributes, Condition, Hit, VectorIndex},
    item::{Item, ProfileId, TenantId},
    policy::PolicySet,
    profile::Profile,
    store::Store,
    verdict::Outcome,
};

/// The result of processing one item.
#[derive(Debug, Clone)]
pub struct Processed {
    /// What was decided.
    pub outcome: Outcome,
    /// `false`: another outcome of this item had been recorded before; nothing was written.
    pub fresh: bool,
}

/// Whether the outcome is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Record outcome, state and events; actions go out.
    Record,
    /// Judge only: nothing is written, no state changes, no action goes out.
    DryRun,
}

/// What a profile is made of, as the platform sends it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileDraft {
    /// Short phrases.
    pub interests: Vec<String>,
    /// Free text.
    pub bio: String,
    /// Filterable.
    pub attributes: Attributes,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub enum Like {
    /// People like this text.
    Text(String),
    /// People like this person (who is left out of the answer).
    Profile(ProfileId),
}

/// Everything that judging needs. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    engine: Engine,
    policies: Arc<PolicySet>,
    store: Arc<dyn Store>,
    index: Arc<dyn VectorIndex>,
    clock: Clock,
    config: Arc<PipelineConfig>,
}

impl Pipeline {
    /// Wires the parts. `webhooks`: names of the webhooks that are told of events (see `store::OutcomeRecord::webhooks`).
    pub fn new(
        engine: Engine,
        policies: Arc<PolicySet>,
        store: Arc<dyn Store>,
        index: Arc<dyn VectorIndex>,
        clock: Clock,
        config: PipelineConfig,
        webhooks: Vec<String>,
    ) -> Self {
        todo!()
    }

    /// Checks an item's form: sizes, names, emptiness. Cheap; called before acceptance so that a bad item is refused at the door.
    pub fn validate(&self, item: &Item) -> Result<(), PipelineError> {
        todo!()
    }

    /// Judges one item: dispatches on its kind to `process_text` or `process_picture`.
    pub async fn process(&self, item: &Item, lane: Lane, mode: Mode) -> Result<Processed, PipelineError> {
        todo!()
    }

    /// Embeds and stores a profile; unchanged text is not embedded again.
    pub async fn put_profile(&self, tenant: &TenantId, id: ProfileId, draft: ProfileDraft) -> Result<Profile, PipelineError> {
        todo!()
    }

    /// Removes a profile from store and index; `NotFound` when there was none.
    pub async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<(), PipelineError> {
        todo!()
    }

    /// People near a text or a person.
    pub async fn similar(&self, tenant: &TenantId, like: Like, filter: Vec<Condition>, limit: usize) -> Result<Vec<Hit>, PipelineError> {
        todo!()
    }
}
