//! The log of webhook deliveries, and their replay.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{error::PipelineError, item::TenantId};

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for its first or its next try, or is being tried.
    Due,
    /// The webhook answered 2xx.
    Delivered,
    /// Given up: a dead letter.
    Dead,
}

impl DeliveryState {
    /// Every state, in the order of their numbers in the rows.
    pub const ALL: [Self; 3] = [Self::Due, Self::Delivered, Self::Dead];

    /// Name for JSON and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// As the rows hold it.
    pub(in crate::store) fn number(self) -> i16 {
        match self {
            Self::Due => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
        }
    }

    pub(in crate::store) fn from_number(number: i64) -> Self {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number).copied()).unwrap_or(Self::Dead)
    }
}

/// One delivery, without the event's body.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Rises with the deliveries.
    pub id: i64,
    /// Webhook name, from the configuration.
    pub webhook: String,
    /// Whose event.
    pub tenant: TenantId,
    /// The event's number.
    pub sequence: i64,
    /// The event's kind.
    pub kind: String,
    /// The event's idempotency key.
    pub key: String,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried since it was made or replayed.
    pub attempts: u32,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next; `None` once it is settled.
    pub next_at: Option<DateTime<Utc>>,
    /// When the webhook answered 2xx.
    pub delivered_at: Option<DateTime<Utc>>,
    /// How the last try failed.
    pub error: Option<String>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Whose; `None`: everybody's (the operator).
    pub tenant: Option<TenantId>,
    /// Of this webhook only.
    pub webhook: Option<String>,
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// Only those with a smaller id: the last id of the page before.
    pub before: Option<i64>,
}

/// What became of the webhooks' deliveries. Settled ones are kept for the retention.
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// Newest first.
    async fn deliveries(&self, filter: &DeliveryFilter, limit: usize) -> Result<Vec<Delivery>, PipelineError>;
    /// One delivery of this tenant (`None`: of any).
    async fn load_delivery(&self, tenant: Option<&TenantId>, id: i64) -> Result<Option<Delivery>, PipelineError>;
    /// Makes settled deliveries of this tenant (`None`: of any) due at `at`, as if never tried. Those that are due already, and unknown
    /// ids, are left alone. Answers how many are due now.
    async fn replay_deliveries(
        &self,
        tenant: Option<&TenantId>,
        ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<usize, PipelineError>;
}
