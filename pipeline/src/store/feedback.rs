//! The area of the store that keeps feedback.

use async_trait::async_trait;

use crate::{
    error::PipelineError,
    feedback::Feedback,
    item::{FeedbackId, TenantId},
};

/// Feedback rows. They expire with everything else (`Store::expire`).
#[async_trait]
pub trait FeedbackStore: Send + Sync {
    /// Keeps one suggestion; the same id again changes nothing.
    async fn put_feedback(&self, feedback: &Feedback) -> Result<(), PipelineError>;
    /// A tenant's suggestions after `after`, in the order in which they came, at most `limit`.
    async fn feedback_after(
        &self,
        tenant: &TenantId,
        after: Option<FeedbackId>,
        limit: usize,
    ) -> Result<Vec<Feedback>, PipelineError>;
    /// Forgets all of a tenant's suggestions. Answers how many went.
    async fn erase_feedback(&self, tenant: &TenantId) -> Result<u64, PipelineError>;
}
