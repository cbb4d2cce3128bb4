//! Writes that the index missed because it was down: counted in the store, so that whichever process does the reconciliation knows of them.
//!
//! Two positions in the store: how many were missed, and how many of these are repaired. The writer commits its row first and notes the miss
//! afterwards, so a reconciliation that begins after it read the count sees the row.

use crate::{error::PipelineError, store::Store};

const MISSED: &str = "index.missed";
const REPAIRED: &str = "index.repaired";

/// Notes that a row was written which the index does not have. Two at the same moment may count as one.
pub async fn note(store: &dyn Store) -> Result<(), PipelineError> {
    let missed = store.relay_position(MISSED).await?.unwrap_or(0);
    store.move_relay(MISSED, missed.saturating_add(1)).await
}

/// Missed writes that nobody repaired yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// How many, at least one.
    pub count: i64,
    up_to: i64,
}

/// What is missed now, to pass to [`repaired`] afterwards; `None` when all is repaired.
pub async fn seen(store: &dyn Store) -> Result<Option<Missed>, PipelineError> {
    let up_to = store.relay_position(MISSED).await?.unwrap_or(0);
    let count = up_to.saturating_sub(store.relay_position(REPAIRED).await?.unwrap_or(0));
    Ok((count > 0).then_some(Missed { count, up_to }))
}

/// Everything that was missed when it was `seen` is in the index.
pub async fn repaired(store: &dyn Store, seen: Missed) -> Result<(), PipelineError> {
    store.move_relay(REPAIRED, seen.up_to).await
}
