//! Events from the platform, handed out like items.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{error::PipelineError, notice::Notice};

/// What an implementation does when an event from the platform is settled.
#[async_trait]
pub trait SettleNotice: Send + Sync {
    /// It was dealt with: forget it.
    async fn ack(&self) -> Result<(), PipelineError>;
    /// Give it back, to be delivered again after `after`.
    async fn retry(&self, after: Duration) -> Result<(), PipelineError>;
    /// Give up on it: it is kept apart with the reason.
    async fn reject(&self, reason: &str) -> Result<(), PipelineError>;
    /// The delivery was dropped: give it back at once. Must not block.
    fn abandon(&self);
}

/// One event from the platform. Settling consumes it; dropping it unsettled gives it back.
pub struct NoticeDelivery {
    /// What the platform says, or why it cannot be read (reject it then, with the error's code).
    pub notice: Result<Notice, PipelineError>,
    settle: Option<Arc<dyn SettleNotice>>,
}

impl std::fmt::Debug for NoticeDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let readable = if self.notice.is_ok() { "readable" } else { "unreadable" };
        write!(f, "NoticeDelivery({readable})")
    }
}

impl NoticeDelivery {
    /// Made by queue implementations.
    pub fn new(notice: Result<Notice, PipelineError>, settle: Arc<dyn SettleNotice>) -> Self {
        Self { notice, settle: Some(settle) }
    }

    /// Call when what it says is durable, not earlier.
    pub async fn ack(mut self) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.ack().await,
            None => Ok(()),
        }
    }

    /// Gives it back, to be delivered again after `after`.
    pub async fn retry(mut self, after: Duration) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.retry(after).await,
            None => Ok(()),
        }
    }

    /// Gives up on it. `reason` is a stable code.
    pub async fn reject(mut self, reason: &str) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.reject(reason).await,
            None => Ok(()),
        }
    }
}

impl Drop for NoticeDelivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.abandon();
        }
    }
}
