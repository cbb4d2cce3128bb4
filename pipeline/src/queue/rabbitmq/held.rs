//! A message in our hands: acked when each of its items is settled.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use lapin::{
    Acker,
    options::{BasicAckOptions, BasicNackOptions},
};

use super::session::{away, unavailable};
use crate::error::PipelineError;

/// One message of the broker, with its items that are not settled.
pub(super) struct Message {
    acker: Acker,
    items: usize,
    /// No worker was lost with it, and nobody suspects it.
    new: bool,
    left: AtomicUsize,
    /// An item could be neither settled nor passed on: the whole message has to come back.
    spoiled: AtomicBool,
}

impl Message {
    pub(super) fn new(acker: Acker, items: usize, new: bool) -> Arc<Self> {
        Arc::new(Self { acker, items, new, left: AtomicUsize::new(items), spoiled: AtomicBool::new(false) })
    }

    /// Does it come for the first time, and not as a suspect?
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Is it one item's own?
    pub(super) fn is_single(&self) -> bool {
        self.items == 1
    }

    /// Are all its items still to be settled, and these `count` are all?
    pub(super) fn is_whole(&self, count: usize) -> bool {
        self.items == count && self.left.load(Ordering::SeqCst) == count
    }

    /// `count` of its items are done with. An error means that the broker does not know, and delivers the message again.
    pub(super) async fn settle(&self, count: usize) -> Result<(), PipelineError> {
        if self.left.fetch_sub(count, Ordering::SeqCst) != count {
            return Ok(());
        }
        if self.spoiled.load(Ordering::SeqCst) {
            return self.give_back().await;
        }
        match self.acker.ack(BasicAckOptions::default()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(away("the connection that brought this item is gone: it is delivered again")),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// One of its items has to come back, and so all do.
    pub(super) async fn spoil(&self) -> Result<(), PipelineError> {
        self.spoiled.store(true, Ordering::SeqCst);
        self.settle(1).await
    }

    /// Back to the queue as a whole, now.
    pub(super) async fn give_back(&self) -> Result<(), PipelineError> {
        give_back(&self.acker).await
    }
}

/// Back to the queue.
pub(super) async fn give_back(acker: &Acker) -> Result<(), PipelineError> {
    let options = BasicNackOptions { requeue: true, ..Default::default() };
    acker.nack(options).await.map(|_| ()).map_err(|error| unavailable(&error))
}
