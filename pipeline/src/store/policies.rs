//! Policies of tenants in the store.
//!
//! - A text is kept once: handed in again, it is the version that it was.
//! - A rollout is only written over the revision that it was made from; otherwise the answer is [`Recorded::Stale`].

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Event, Recorded};
use crate::{
    error::PipelineError,
    item::{ItemId, TenantId},
    policy::{
        backtest::Run,
        rollout::{PolicyVersion, Rollout, Side, Tally},
    },
    verdict::Outcome,
};

/// A place among the outcomes; only the store that gave it can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomePlace {
    pub(in crate::store) position: i64,
    pub(in crate::store) id: Uuid,
}

impl Default for OutcomePlace {
    /// Before the first.
    fn default() -> Self {
        Self { position: i64::MIN, id: Uuid::nil() }
    }
}

/// Versions, what is in force, and how much each side judged.
#[async_trait]
pub trait PolicyStore: Send + Sync {
    /// Keeps a text under the next number (the one that is passed in does not matter). A text that is there already is answered as
    /// it was kept, with `false`.
    async fn put_policy(&self, version: PolicyVersion) -> Result<(PolicyVersion, bool), PipelineError>;
    /// One version.
    async fn load_policy(&self, tenant: &TenantId, number: u32) -> Result<Option<PolicyVersion>, PipelineError>;
    /// Versions with a number below `before`, newest first.
    async fn policies_before(
        &self,
        tenant: &TenantId,
        before: u32,
        limit: usize,
    ) -> Result<Vec<PolicyVersion>, PipelineError>;
    /// Puts a rollout into force, with the events that tell of it.
    async fn put_rollout(
        &self,
        rollout: &Rollout,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError>;
    /// Rollouts of a tenant, newest first: the first is in force.
    async fn rollouts(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Rollout>, PipelineError>;
    /// What is in force for every tenant that has a rollout. For the service itself.
    async fn rollouts_in_force(&self) -> Result<Vec<Rollout>, PipelineError>;
    /// Adds to how much was judged under a tenant's revision.
    async fn add_tallies(&self, counted: Vec<(TenantId, u64, Side, Tally)>) -> Result<(), PipelineError>;
    /// Outcomes of a tenant that were decided from `from` on and before `to`, in the order in which they were, after `after`; with the place
    /// of the last one.
    async fn outcomes_between(
        &self,
        tenant: &TenantId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: OutcomePlace,
        limit: usize,
    ) -> Result<(Vec<Outcome>, OutcomePlace), PipelineError>;
    /// Of these items, those about which an action was taken back by somebody.
    async fn overturned_items(&self, tenant: &TenantId, ids: Vec<ItemId>) -> Result<Vec<ItemId>, PipelineError>;
    /// Writes how far a backtest is.
    async fn put_backtest(&self, run: &Run) -> Result<(), PipelineError>;
    /// One backtest.
    async fn load_backtest(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Run>, PipelineError>;
    /// A tenant's backtests, newest first.
    async fn backtests(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Run>, PipelineError>;
    /// Did a backtest of this text come to its end?
    async fn is_backtested(&self, tenant: &TenantId, digest: &str) -> Result<bool, PipelineError>;
    /// How much was judged under a revision: live, canary.
    async fn tallies(&self, tenant: &TenantId, revision: u64) -> Result<(Tally, Tally), PipelineError>;
}
