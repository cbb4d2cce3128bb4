//! Events to the platform's bus: in order, at least once, no gap.
//!
//! The store's events are the truth; the relay's position in them moves after the bus has confirmed. A crash in between publishes
//! the same events again under the same keys, by which consumers tell. One process at a time relays: it holds a lease in the store.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use pipeline::{
    PipelineError,
    clock::Clock,
    queue::Queue,
    store::{Event, Store},
};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Jitter};

/// Name of the duty and of the position.
pub const RELAY: &str = "bus";
/// Events that are published at once.
const BATCH: usize = 256;
/// How long a process that vanished keeps others from relaying.
const LEASE: TimeDelta = TimeDelta::seconds(15);
/// The longest that one batch may take: shorter than the lease, which is renewed before each.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often events of other processes are looked for, when nothing wakes us.
const IDLE: Duration = Duration::from_millis(500);
/// How often a process that does not relay asks whether it may.
const STANDBY: Duration = Duration::from_secs(3);
/// Waits after a failure.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_secs(15) };

/// What one turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Another process relays.
    Standby,
    /// Nothing to tell.
    Idle,
    /// So many events were passed, told or not wanted.
    Passed(usize),
}

/// The relay's parts.
pub struct Relay {
    /// Where events are.
    pub store: Arc<dyn Store>,
    /// Whose bus they go to.
    pub queue: Arc<dyn Queue>,
    /// Time for the lease.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
    /// Names this process among those that may relay.
    pub holder: String,
    /// Kinds that are told; empty: all.
    pub kinds: Vec<String>,
}

/// Marks where the relay of an installation begins: at the newest event of now, once and for ever. Called before the first event of a
/// process that has a bus can be written, so that nothing from then on is left out.
pub async fn anchor(store: &dyn Store) -> Result<(), PipelineError> {
    if store.relay_position(RELAY).await?.is_none() {
        store.move_relay(RELAY, store.last_sequence().await?).await?;
    }
    Ok(())
}

/// Events that were written and not yet passed by the relay.
pub async fn lag(store: &dyn Store) -> Result<u64, PipelineError> {
    let position = store.relay_position(RELAY).await?.unwrap_or_default();
    Ok(u64::try_from(store.last_sequence().await? - position).unwrap_or(0))
}

impl Relay {
    /// Relays until `stop`. Dropped before: what was on its way is published again, by this process or another.
    pub async fn run(self, stop: CancellationToken) {
        let mut signal = self.store.event_signal();
        // Without a writer in this process only the timer wakes us.
        let mut signalled = true;
        let mut failures = 0;
        loop {
            signal.mark_unchanged();
            let Some(turn) = stop.run_until_cancelled(self.turn()).await else { break };
            let wait = match turn {
                Ok(Turn::Passed(_)) => Duration::ZERO,
                Ok(Turn::Idle) => IDLE,
                Ok(Turn::Standby) => STANDBY,
                Err(error) => {
                    failures += 1;
                    let wait = BACKOFF.wait(failures, self.jitter.draw());
                    tracing::warn!(%error, ?wait, "events cannot be relayed to the bus; trying again");
                    metrics::counter!("chaperone_relay_failures_total").increment(1);
                    self.measure().await;
                    stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                    continue;
                }
            };
            failures = 0;
            if wait.is_zero() {
                continue;
            }
            self.measure().await;
            tokio::select! {
                () = stop.cancelled() => break,
                changed = signal.changed(), if signalled && wait == IDLE => signalled = changed.is_ok(),
                () = tokio::time::sleep(wait) => {}
            }
        }
        // The next process need not wait for the end of the lease. Only its holder can shorten it.
        let now = self.clock.now();
        let _ = self.store.claim_duty(RELAY, &self.holder, now, now).await;
    }

    /// Publishes the next batch, if this process may.
    pub async fn turn(&self) -> Result<Turn, PipelineError> {
        let now = self.clock.now();
        if !self.store.claim_duty(RELAY, &self.holder, now, now + LEASE).await? {
            return Ok(Turn::Standby);
        }
        anchor(&*self.store).await?;
        let position = self.store.relay_position(RELAY).await?.unwrap_or_default();
        let events = self.store.events_after(None, position, BATCH).await?;
        let Some(last) = events.last().map(|event| event.sequence) else { return Ok(Turn::Idle) };
        let passed = events.len();
        let wanted: Vec<Event> = events.into_iter().filter(|event| self.wants(&event.kind)).collect();
        if !wanted.is_empty() {
            match tokio::time::timeout(PATIENCE, self.queue.announce(&wanted)).await {
                Ok(announced) => announced?,
                Err(_) => {
                    let message = format!("no confirm for events within {} s", PATIENCE.as_secs());
                    return Err(PipelineError::Unavailable { part: "queue", message });
                }
            }
        }
        self.store.move_relay(RELAY, last).await?;
        metrics::counter!("chaperone_relay_events_total").increment(wanted.len() as u64);
        Ok(Turn::Passed(passed))
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }

    async fn measure(&self) {
        // A store that fails is told of elsewhere.
        if let Ok(lag) = lag(&*self.store).await {
            metrics::gauge!("chaperone_relay_lag_events").set(lag as f64);
        }
    }
}

#[cfg(test)]
mod tests;
