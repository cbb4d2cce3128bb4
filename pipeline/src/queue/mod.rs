//! The queue seam: accepted items wait here until a worker has recorded their outcome.
//!
//! Semantics that every implementation keeps (`contract.rs` checks them):
//!
//! - `publish` returns when the items would survive `kill -9`. All of a call's items are accepted or none is.
//! - A full lane refuses with [`PipelineError::Full`]; it never blocks and never drops what was accepted.
//! - Delivery is at least once. A delivery that is dropped without being settled comes back, its attempt count raised.
//! - Attempts are tries of the item itself. When a process is lost, what it had in hand comes back and counts none; what comes back more
//!   than once is a suspect and is handed out alone (`isolation`). Only a process that is lost while it has nothing but this item
//!   in hand counts against it; at the limit it is given up with [`CRASHED_WORKER`].
//! - Lanes: [`Lane::Interactive`] before [`Lane::Live`] before [`Lane::Bulk`], with a share kept for the lower ones so
//!   that none starves. Within a lane, first in, first out; a retried item comes back after its wait.
//! - Frames of calls in [`Lane::Live`] are worthless when late, and the one exception: of each participant the newest waits,
//!   participants in turn, and what is displaced or becomes too old is given up without an outcome (`fresh`).
//! - After `close`, `receive` and `receive_notice` answer `None` once and for ever; what was not settled stays for the next
//!   start.

#[cfg(test)]
pub(crate) mod contract;
pub(crate) mod fresh;
mod isolation;
mod lanes;
pub mod memory;
mod notice;
pub mod rabbitmq;
mod shares;

pub use notice::{NoticeDelivery, RejectedNotice, SettleNotice};

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use models::Lane;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::QueueConfig,
    error::PipelineError,
    item::{Item, ItemId, ItemKind, TenantId},
    store::{Event, Store},
};

/// Reason of an item that was given up because its process was lost too often while it judged nothing else.
pub const CRASHED_WORKER: &str = "crashed_worker";
/// Lost processes after which an item is a suspect.
pub(crate) const SUSPECT_AFTER: u32 = 2;

/// How many wait in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LaneDepth {
    /// Which lane.
    pub lane: Lane,
    /// Items that wait, deliveries in flight not counted.
    pub waiting: usize,
    /// Deliveries handed out and not settled.
    pub in_flight: usize,
    /// The limit at which `publish` refuses.
    pub capacity: usize,
}

/// An item that was given up, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    /// Which item.
    pub id: ItemId,
    /// Whose.
    pub tenant: TenantId,
    /// What it is.
    pub kind: ItemKind,
    /// The lane it came through.
    pub lane: Lane,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Size of its content.
    pub bytes: u32,
}

/// Accepts items and hands them to workers.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Accepts `items` into `lane`. An item whose id already waits is accepted again without effect.
    async fn publish(&self, items: Vec<Item>, lane: Lane) -> Result<(), PipelineError>;

    /// The next item; waits for one. `None` after `close`.
    async fn receive(&self) -> Option<Delivery>;

    /// Hands out nothing from `lane` from now on (`held`), or hands out again. What waits goes on waiting; a `receive` that
    /// waits sees the change. Only the process's own consumer calls it: it has as many of this lane in flight as it can do.
    fn hold(&self, lane: Lane, held: bool);

    /// How many wait, per lane in the order of [`Lane::ALL`].
    async fn depth(&self) -> Result<Vec<LaneDepth>, PipelineError>;

    /// Items given up, oldest first, at most `limit`.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError>;

    /// One item given up, with its content. `None`: no such.
    async fn dead_letter(&self, id: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError>;

    /// Items given up wait again, as if never tried. Answers how many; other ids are left alone.
    async fn replay(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError>;

    /// Forgets items given up. Answers how many; other ids are left alone.
    async fn discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError>;

    /// Does [`Queue::announce`] reach anybody? `false`: there is no bus, and nobody needs to relay events to it.
    fn has_bus(&self) -> bool;

    /// Publishes events to the platform's bus, in order; they are kept there when it returns. At least once: a consumer
    /// deduplicates by the event's key.
    async fn announce(&self, events: &[Event]) -> Result<(), PipelineError>;

    /// The next event from the platform; waits for one. `None` after `close`. Without a bus it only waits.
    async fn receive_notice(&self) -> Option<NoticeDelivery>;

    /// Events of the platform that were given up, oldest first, at most `limit`. Without a bus there are none: who tells over HTTP is
    /// answered at once.
    async fn rejected_notices(&self, _limit: usize) -> Result<Vec<RejectedNotice>, PipelineError> {
        Ok(Vec::new())
    }

    /// Events that were given up are told again. Answers how many; other ids are left alone.
    async fn replay_notices(&self, _ids: Vec<Uuid>) -> Result<usize, PipelineError> {
        Ok(0)
    }

    /// Forgets events that were given up. Answers how many; other ids are left alone.
    async fn discard_notices(&self, _ids: Vec<Uuid>) -> Result<usize, PipelineError> {
        Ok(0)
    }

    /// Stops handing out. Settling of what is in flight still works.
    async fn close(&self);

    /// Is the part behind this queue reachable?
    async fn health(&self) -> Result<(), PipelineError>;
}

/// What an implementation does when a delivery is settled.
#[async_trait]
pub trait Settle: Send + Sync {
    /// The outcome is recorded: forget the item.
    async fn ack(&self, id: ItemId) -> Result<(), PipelineError>;
    /// Give it back, to be delivered again after `after`.
    async fn retry(&self, id: ItemId, after: Duration) -> Result<(), PipelineError>;
    /// Give up on it.
    async fn dead_letter(&self, id: ItemId, reason: &str) -> Result<(), PipelineError>;
    /// The delivery was dropped: give it back at once. Must not block.
    fn abandon(&self, id: ItemId);
}

/// One item, handed to one worker. Settling consumes it; dropping it unsettled gives it back.
pub struct Delivery {
    item: Arc<Item>,
    lane: Lane,
    attempt: u32,
    trace: Option<String>,
    settle: Option<Arc<dyn Settle>>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delivery({}, attempt {})", self.item.envelope.id, self.attempt)
    }
}

impl Delivery {
    /// Made by queue implementations. `attempt` counts from 1.
    pub fn new(item: impl Into<Arc<Item>>, lane: Lane, attempt: u32, settle: Arc<dyn Settle>) -> Self {
        Self { item: item.into(), lane, attempt, trace: None, settle: Some(settle) }
    }

    /// Adds the publisher's W3C trace context (`traceparent`), for the span of the work.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<String>) -> Self {
        self.trace = trace;
        self
    }

    /// The publisher's W3C trace context, when it sent one.
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// The item.
    pub fn item(&self) -> &Arc<Item> {
        &self.item
    }

    /// The lane it came through.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// 1 for the first try. An item that comes back because its process was lost may have been tried, and even judged, all the same.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Call when the outcome is durable, not earlier.
    pub async fn ack(mut self) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.ack(self.item.envelope.id).await,
            None => Ok(()),
        }
    }

    /// Gives it back, to be delivered again after `after`.
    pub async fn retry(mut self, after: Duration) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.retry(self.item.envelope.id, after).await,
            None => Ok(()),
        }
    }

    /// Gives up on it.
    pub async fn dead_letter(mut self, reason: &str) -> Result<(), PipelineError> {
        match self.settle.take() {
            Some(settle) => settle.dead_letter(self.item.envelope.id, reason).await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.abandon(self.item.envelope.id);
        }
    }
}

/// Opens the queue that `config.url` names: `memory:` (lanes in this process, journaled through `store`). `lanes` are those
/// that this process consumes; none makes it a publisher only.
pub async fn connect(
    config: &QueueConfig,
    lanes: &[Lane],
    store: Arc<dyn Store>,
    clock: Clock,
) -> Result<Arc<dyn Queue>, PipelineError> {
    match config.url.split(':').next() {
        Some("memory") => Ok(Arc::new(memory::MemoryQueue::open(config, store, clock).await?)),
        Some("amqp" | "amqps") => Ok(Arc::new(rabbitmq::RabbitmqQueue::open(config, lanes, clock).await?)),
        // The URL may hold a password: it is not repeated.
        _ => {
            Err(PipelineError::invalid("queue_url", "queue.url is not known: use `memory:`, `amqp://…` or `amqps://…`"))
        }
    }
}
