//! Deliveries in, acks out: consumers, the outbox, background duties, shutdown.
//!
//! | part | module |
//! |---|---|
//! | one loop that receives and spawns; permits are the limit | [`consumer`] |
//! | how many live frames may be in flight, pure | [`pace`] |
//! | one delivery: time limit, panics, and what becomes of it, as a pure table | [`handle`] |
//! | webhooks, told at least once | [`outbox`], [`signature`] |
//! | events to the platform's bus, in order, without a gap | [`relay`] |
//! | what the platform tells, put into effect | [`notices`] |
//! | policies taken up while running | [`policies`] |
//! | bans that end, actions told again | [`enforcement`] |
//! | statements of reasons to the transparency database | [`statements`] |
//! | how long to wait before the next try, pure | [`backoff`] |
//! | the store is down: hold, knock, go on | [`breaker`] |
//! | duties on a timer and a nudge | [`janitor`] |
//! | decisions that reach matching, live pairing, daily lists | [`matching`] |
//! | the index made whole from the store: an embedded one at start, any other while everybody writes | [`reindex`], [`reconcile`] |
//! | all of it started, watched and drained | [`supervise`] |
//!
//! Deliberately absent: rules, SQL, tensors, routes.

pub mod backoff;
pub mod breaker;
pub mod config;
pub mod consumer;
pub mod enforcement;
#[cfg(test)]
mod fixtures;
pub mod handle;
pub mod janitor;
pub mod matching;
pub mod notices;
pub mod outbox;
pub mod pace;
pub mod policies;
pub mod reconcile;
pub mod reindex;
pub mod relay;
pub mod signature;
pub mod statements;
pub mod supervise;

pub use config::{BusConfig, StatementsConfig, WebhookConfig, WorkersConfig, minimum_permits};
pub use janitor::Duty;
pub use reconcile::{Reconciled, Reconciler};
pub use reindex::{Reindexed, reindex};
pub use supervise::{Drained, Setup, Workers, WorkersError};
