//! All loops started, watched and drained together.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use pipeline::{clock::Clock, index::VectorIndex, notice::Notice, process::Pipeline, queue::Queue, store::Store};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    BusConfig, StatementsConfig, WebhookConfig, WorkersConfig,
    backoff::Jitter,
    breaker::Gate,
    consumer::{Consumer, Counts},
    enforcement,
    handle::{HOLD, Rules, Terms},
    janitor::{Duty, Janitor},
    matching::{self, Matching},
    notices,
    outbox::{self, Outbox},
    relay::Relay,
    statements::Statements,
};

/// Why the workers could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// No HTTP client for webhooks.
    #[error(
        "cannot make an HTTPS client for the webhooks: install the system's CA certificates (package ca-certificates)"
    )]
    Client(#[source] reqwest::Error),
    /// A loop that runs as long as the service has ended.
    #[error("the task `{0}` ended although nobody asked it to")]
    Ended(&'static str),
    /// A loop that runs as long as the service has panicked.
    #[error("the task `{0}` panicked: the log has the place")]
    Panicked(&'static str),
}

/// What the loops work with.
pub struct Setup {
    /// Section `[workers]`.
    pub config: WorkersConfig,
    /// Section `[bus]`.
    pub bus: BusConfig,
    /// Receivers of events.
    pub webhooks: Vec<WebhookConfig>,
    /// Where statements of reasons go.
    pub statements: Vec<StatementsConfig>,
    /// Fewest items in flight; see [`crate::minimum_permits`].
    pub minimum_permits: usize,
    /// Age at which a live frame is worthless.
    pub live_max_age: Duration,
    /// How long expiring rows are kept.
    pub retention: TimeDelta,
    /// Accepted items.
    pub queue: Arc<dyn Queue>,
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Vectors.
    pub index: Arc<dyn VectorIndex>,
    /// The stages.
    pub pipeline: Pipeline,
    /// Time.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
}

/// What was done between start and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Items whose outcome was recorded.
    pub acked: u64,
    /// Tries given back for later.
    pub retried: u64,
    /// Items given up.
    pub dead: u64,
    /// Webhook deliveries answered with 2xx.
    pub told: u64,
    /// Loops that had not finished by the deadline and were cut off: what they held is done again after the next start.
    pub cut_off: Vec<&'static str>,
}

/// The running loops.
pub struct Workers {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
    queue: Arc<dyn Queue>,
    janitor: Arc<Janitor>,
    counts: Arc<Counts>,
    told: Arc<AtomicU64>,
}

impl Workers {
    /// Starts consumer, outbox and duties.
    pub fn start(setup: Setup) -> Result<Self, WorkersError> {
        let Setup {
            config,
            bus,
            webhooks,
            statements,
            minimum_permits,
            live_max_age,
            retention,
            queue,
            store,
            index,
            pipeline,
            clock,
            jitter,
        } = setup;
        let permits = config.permits.max(minimum_permits);
        if permits > config.permits {
            tracing::warn!(
                configured = config.permits,
                permits,
                "workers.permits is below 2 × largest batch × instances, so batches could not fill: raised"
            );
        }
        let stop = CancellationToken::new();
        let rules = Rules::new(config.max_attempts, Duration::from_secs(config.item_seconds));
        let terms =
            Terms { rules, jitter: jitter.clone(), gate: Gate::new(jitter.clone()), hold: HOLD, stop: stop.clone() };
        let (apply, follow, matcher) = (pipeline.clone(), pipeline.clone(), pipeline.clone());
        let relay = Relay {
            store: store.clone(),
            queue: queue.clone(),
            clock: clock.clone(),
            jitter: jitter.clone(),
            holder: uuid::Uuid::now_v7().to_string(),
            kinds: bus.kinds,
        };
        let (counts, told) = (Arc::<Counts>::default(), Arc::<AtomicU64>::default());
        let consumer = Consumer {
            queue: queue.clone(),
            process: move |item: Arc<pipeline::item::Item>, lane, attempt| {
                let pipeline = pipeline.clone();
                async move { pipeline.process_queued(&item, lane, attempt).await }
            },
            permits,
            live_max_age,
            terms: terms.clone(),
            counts: counts.clone(),
        };
        // Without webhooks nobody needs CA certificates.
        let outbox = if webhooks.is_empty() {
            None
        } else {
            let webhooks = webhooks.into_iter().map(|webhook| (webhook.name.clone(), webhook)).collect();
            let client = outbox::client().map_err(WorkersError::Client)?;
            Some(Outbox {
                store: store.clone(),
                webhooks,
                client,
                clock: clock.clone(),
                jitter: jitter.clone(),
                told: told.clone(),
            })
        };
        let statements = if statements.is_empty() {
            None
        } else {
            let (store, clock, jitter, holder) = (store.clone(), clock.clone(), jitter, relay.holder.clone());
            let client = outbox::client().map_err(WorkersError::Client)?;
            Some(Statements { places: statements, store, client, clock, jitter, holder })
        };
        let follow = enforcement::run(follow, store.clone(), clock.clone(), relay.holder.clone(), stop.clone());
        let loops = Matching {
            pipeline: matcher,
            store: store.clone(),
            clock: clock.clone(),
            holder: uuid::Uuid::now_v7().to_string(),
            retention,
        };
        let janitor = Arc::new(Janitor::new(store.clone(), index, queue.clone(), clock, retention));
        let mut workers = Self { tasks: JoinSet::new(), names: HashMap::new(), stop, queue, janitor, counts, told };
        workers.spawn("consumer", consumer.run());
        workers.spawn("enforcement", follow);
        workers.spawn("breaker", terms.gate.knock(store, workers.stop.clone()));
        let loops = Arc::new(loops);
        workers.spawn(matching::STANDINGS, loops.clone().follow(workers.stop.clone()));
        for duty in matching::Duty::ALL {
            workers.spawn(duty.as_str(), loops.clone().repeat(duty, workers.stop.clone()));
        }
        if let Some(statements) = statements {
            workers.spawn("statements", statements.run(workers.stop.clone()));
        }
        if let Some(outbox) = outbox {
            workers.spawn("outbox", outbox.run(workers.stop.clone()));
        }
        if workers.queue.has_bus() {
            workers.spawn("relay", relay.run(workers.stop.clone()));
            let apply = move |notice: Notice| {
                let pipeline = apply.clone();
                async move { pipeline.apply(&notice).await }
            };
            workers.spawn("notices", notices::run(workers.queue.clone(), apply, workers.stop.clone()));
        }
        for duty in Duty::ALL {
            let (janitor, stop) = (workers.janitor.clone(), workers.stop.clone());
            workers.spawn(duty.as_str(), async move { janitor.repeat(duty, &stop).await });
        }
        Ok(workers)
    }

    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Makes a duty run now.
    pub fn nudge(&self, duty: Duty) {
        self.janitor.nudge(duty);
    }

    /// Waits until a loop ends or panics, which none should before [`Workers::drain`]. Can be dropped and called again.
    pub async fn failed(&mut self) -> WorkersError {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => WorkersError::Ended(self.name(id)),
            Some(Err(error)) => WorkersError::Panicked(self.name(error.id())),
            None => WorkersError::Ended("all"),
        }
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.get(&id).copied().unwrap_or("unknown")
    }

    /// Stops receiving, finishes what is in flight within `deadline`, cuts off the rest (it comes back after the next start).
    pub async fn drain(mut self, deadline: Duration) -> Drained {
        self.stop.cancel();
        self.queue.close().await;
        let mut running = self.names.clone();
        let finished = tokio::time::timeout(deadline, async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                running.remove(&id);
            }
        });
        let in_time = finished.await.is_ok();
        let mut cut_off = Vec::new();
        if !in_time {
            cut_off = running.into_values().collect();
            cut_off.sort_unstable();
            self.tasks.shutdown().await;
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.counts;
        Drained {
            acked: read(&counts.acked),
            retried: read(&counts.retried),
            dead: read(&counts.dead),
            told: read(&self.told),
            cut_off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Feed, StillIndex, empty_store};

    async fn workers() -> Workers {
        let (queue, _, _) = Feed::new();
        let index = Arc::<StillIndex>::default();
        let janitor = Janitor::new(empty_store().await, index, queue.clone(), Clock::system(), TimeDelta::days(1));
        Workers {
            tasks: JoinSet::new(),
            names: HashMap::new(),
            stop: CancellationToken::new(),
            queue,
            janitor: Arc::new(janitor),
            counts: Arc::default(),
            told: Arc::default(),
        }
    }

    #[tokio::test]
    async fn i7_a_loop_that_ends_or_panics_is_named() {
        let mut workers = workers().await;
        workers.spawn("good", std::future::pending());
        workers.spawn("bad", async { panic!("a defect") });
        assert!(matches!(workers.failed().await, WorkersError::Panicked("bad")));
        workers.spawn("short", async {});
        assert!(matches!(workers.failed().await, WorkersError::Ended("short")));
    }

    #[tokio::test]
    async fn i7_drain_waits_for_the_willing_and_cuts_off_the_rest() {
        let mut workers = workers().await;
        let stop = workers.stop.clone();
        workers.spawn("willing", async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        });
        workers.spawn("stubborn", std::future::pending());
        let started = tokio::time::Instant::now();
        let drained = workers.drain(Duration::from_millis(300)).await;
        assert_eq!(drained.cut_off, ["stubborn"]);
        assert!(started.elapsed() >= Duration::from_millis(300), "cut off before the deadline");
    }
}
