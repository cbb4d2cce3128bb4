//! Settling one item that was handed out.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use models::Lane;

use super::{
    held::Message,
    inbox::{self, Ready},
    message::{self, Parcel},
    names,
    shared::Shared,
};
use crate::{
    error::PipelineError,
    item::{Item, ItemId},
    queue::{Delivery, Settle, fresh::Shed},
};

/// The right to settle one item.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    item: Arc<Item>,
    trace: Option<String>,
    lane: Lane,
    attempt: u32,
    message: Arc<Message>,
}

/// Hands an item out. It was counted as in flight already.
pub(super) fn hand_out(shared: &Arc<Shared>, ready: Ready) -> Delivery {
    let Ready { parcel, lane, message } = ready;
    let (item, attempt) = (Arc::new(parcel.item), parcel.attempts.saturating_add(1));
    let ticket = Ticket {
        shared: Arc::clone(shared),
        item: Arc::clone(&item),
        trace: parcel.trace.clone(),
        lane,
        attempt,
        message,
    };
    Delivery::new(item, lane, attempt, Arc::new(ticket)).with_trace(parcel.trace)
}

impl Ticket {
    /// The item as a message of its own, this try counted. Its worker lived: what it was suspected of is forgotten.
    fn parcel(&self) -> Parcel {
        Parcel { item: (*self.item).clone(), attempts: self.attempt, lost: 0, trace: self.trace.clone() }
    }

    /// A copy is on its way, or is not: the original goes, or comes back.
    async fn passed_on(&self, copied: Result<(), PipelineError>) -> Result<(), PipelineError> {
        match copied {
            Ok(()) => self.message.settle(1).await,
            Err(error) => {
                // Nothing is lost: the message comes back when the others of it are settled.
                let _ = self.message.spoil().await;
                Err(error)
            }
        }
    }

    /// Again, at once, this try counted: the broker's own count is no count of tries.
    async fn again(self) -> Result<(), PipelineError> {
        let parcel = self.parcel();
        let key = message::key(&self.item, self.lane, self.shared.config.partitions);
        let outgoing = self.shared.to_items(key, message::write_one(&parcel));
        let copied = self.shared.publish(&[outgoing]).await.map_err(super::session::Refusal::into_error);
        self.passed_on(copied).await
    }
}

#[async_trait]
impl Settle for Ticket {
    async fn ack(&self, _: ItemId) -> Result<(), PipelineError> {
        self.shared.count_in(self.lane);
        self.message.settle(1).await
    }

    async fn retry(&self, _: ItemId, after: Duration) -> Result<(), PipelineError> {
        self.shared.count_in(self.lane);
        let ms = names::wait_for(after);
        if inbox::is_frame(&self.item, self.lane) {
            let ready_at = self.shared.clock.now() + Duration::from_millis(ms.into());
            let age = (ready_at - inbox::age_from(&self.item)).to_std().unwrap_or_default();
            if age > self.shared.max_age() {
                // Another frame of this participant is there by then.
                Shed::Stale.count();
                return self.message.settle(1).await;
            }
        }
        let key = message::key(&self.item, self.lane, self.shared.config.partitions);
        let waiting = self.shared.to_wait(self.lane.as_str(), ms, key, message::write_one(&self.parcel()));
        let copied = self.shared.publish(&[waiting]).await.map_err(super::session::Refusal::into_error);
        self.passed_on(copied).await
    }

    async fn dead_letter(&self, _: ItemId, reason: &str) -> Result<(), PipelineError> {
        self.shared.count_in(self.lane);
        let dead = self.shared.to_dead(message::write_one(&self.parcel()), self.lane, self.attempt, reason);
        let copied = self.shared.publish(&[dead]).await.map_err(super::session::Refusal::into_error);
        self.passed_on(copied).await
    }

    fn abandon(&self, _: ItemId) {
        let ticket = Ticket {
            shared: Arc::clone(&self.shared),
            item: Arc::clone(&self.item),
            trace: self.trace.clone(),
            lane: self.lane,
            attempt: self.attempt,
            message: Arc::clone(&self.message),
        };
        self.shared.runtime.spawn(async move {
            let (shared, lane) = (Arc::clone(&ticket.shared), ticket.lane);
            if let Err(error) = ticket.again().await {
                tracing::debug!(%error, "an item that was dropped comes back later");
            }
            // In flight until then: a drain can wait for it.
            shared.count_in(lane);
        });
    }
}
