//! Events from the platform, handed out like items.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{error::PipelineError, hash::sha256_hex, item::TenantId, notice::Notice};

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

/// An event from the platform that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedNotice {
    /// Made of its bytes, because the platform's id may be missing: the same bytes have the same one.
    pub id: Uuid,
    /// The platform's id, when it can be read.
    pub notice: Option<String>,
    /// Its type, when it can be read.
    pub kind: Option<String>,
    /// Whose it says it is. `None`: that cannot be read.
    pub tenant: Option<TenantId>,
    /// Why it was given up: a stable code.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Its size.
    pub bytes: u32,
}

impl RejectedNotice {
    /// Reads what can be read of `body`.
    pub fn of(body: &[u8], reason: String, at: DateTime<Utc>) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let digest = sha256_hex(body);
        Self {
            id: Uuid::parse_str(&digest[..32]).unwrap_or_default(),
            notice: text("id"),
            kind: text("type"),
            tenant: text("tenant").map(TenantId),
            reason,
            at,
            bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
        }
    }
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
