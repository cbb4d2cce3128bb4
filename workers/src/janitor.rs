//! Background duties: idempotent, without input, on a timer and on a nudge.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use pipeline::{
    PipelineError,
    clock::Clock,
    index::VectorIndex,
    queue::Queue,
    store::{Store, desk::Desk},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::reconcile::{Reconciled, Reconciler};

/// What is done regularly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Gauges of queue and index.
    Measure,
    /// The index's writes become durable.
    Flush,
    /// The index merges segments and builds its graph.
    Optimise,
    /// Rows past their retention go.
    Expire,
    /// The index gets what it missed.
    Reconcile,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 5] = [Self::Measure, Self::Flush, Self::Optimise, Self::Expire, Self::Reconcile];

    /// For logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Flush => "flush",
            Self::Optimise => "optimise",
            Self::Expire => "expire",
            Self::Reconcile => "reconcile",
        }
    }

    /// Time between the start and the first turn, and between two turns.
    pub fn timer(self) -> (Duration, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Measure => (seconds(0), seconds(5)),
            Self::Flush => (seconds(10), seconds(10)),
            // Expensive and never urgent: not while a service starts.
            Self::Optimise => (seconds(60), seconds(600)),
            Self::Expire => (seconds(30), seconds(3600)),
            // Mostly a look whether there is a reason.
            Self::Reconcile => (seconds(5), seconds(15)),
        }
    }
}

/// Performs the duties.
pub struct Janitor {
    store: Arc<dyn Store>,
    index: Arc<dyn VectorIndex>,
    queue: Arc<dyn Queue>,
    clock: Clock,
    retention: TimeDelta,
    reconciler: Reconciler,
    nudges: [Notify; Duty::ALL.len()],
}

impl Janitor {
    /// `retention`: how long expiring rows are kept.
    pub fn new(
        store: Arc<dyn Store>,
        index: Arc<dyn VectorIndex>,
        queue: Arc<dyn Queue>,
        clock: Clock,
        retention: TimeDelta,
    ) -> Self {
        // Names this process among those that share the store.
        let holder = uuid::Uuid::now_v7().to_string();
        let reconciler = Reconciler::new(store.clone(), index.clone(), clock.clone(), holder);
        Self { store, index, queue, clock, retention, reconciler, nudges: Default::default() }
    }

    /// Makes `duty` run now, or once more when it is running.
    pub fn nudge(&self, duty: Duty) {
        self.nudges[duty as usize].notify_one();
    }

    /// Performs `duty` on its timer and on nudges until `stop`; a turn in progress is dropped then (it is idempotent). A failure is logged, and
    /// the next turn tries again.
    pub async fn repeat(&self, duty: Duty, stop: &CancellationToken) {
        let (first, period) = duty.timer();
        let mut wait = first;
        loop {
            let turn = async {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.nudges[duty as usize].notified() => {}
                }
                self.perform(duty).await
            };
            let Some(result) = stop.run_until_cancelled(turn).await else { return };
            let name = duty.as_str();
            if let Err(error) = &result {
                tracing::warn!(duty = name, %error, "a background duty failed; the next turn tries again");
            }
            let result = if result.is_ok() { "done" } else { "failed" };
            metrics::counter!("chaperone_duties_total", "duty" => name, "result" => result).increment(1);
            wait = period;
        }
    }

    /// One turn of `duty`.
    pub async fn perform(&self, duty: Duty) -> Result<(), PipelineError> {
        match duty {
            Duty::Measure => self.measure().await,
            Duty::Flush => self.index.flush().await,
            Duty::Optimise => self.index.optimise().await,
            Duty::Expire => self.expire().await,
            Duty::Reconcile => self.reconcile().await,
        }
    }

    async fn measure(&self) -> Result<(), PipelineError> {
        // One part that is down must not hide the other.
        let (depths, points) = (self.queue.depth().await, self.index.count().await);
        if let Ok(points) = &points {
            metrics::gauge!("chaperone_index_points").set(*points as f64);
        }
        for depth in depths? {
            let lane = depth.lane.as_str();
            metrics::gauge!("chaperone_queue_waiting", "lane" => lane).set(depth.waiting as f64);
            metrics::gauge!("chaperone_queue_in_flight", "lane" => lane).set(depth.in_flight as f64);
            metrics::gauge!("chaperone_queue_capacity", "lane" => lane).set(depth.capacity as f64);
        }
        points.map(|_| ())
    }

    async fn reconcile(&self) -> Result<(), PipelineError> {
        let Some(report) = self.reconciler.turn().await? else { return Ok(()) };
        let Reconciled { profiles, misfits, written, removed } = report;
        if written + removed > 0 {
            tracing::info!(profiles, written, removed, "the index differed from the store: put right");
        }
        if misfits > 0 {
            tracing::warn!(misfits, "profiles were embedded by another model: send them again to have them found");
        }
        metrics::counter!("chaperone_index_repaired_total").increment((written + removed) as u64);
        Ok(())
    }

    async fn expire(&self) -> Result<(), PipelineError> {
        let desk = Desk::new(self.store.tables(), self.clock.clone(), Arc::default());
        let rows = self.store.expire(self.clock.now() - self.retention).await?
            + desk.expire_evidence().await?
            + desk.expire_versions().await?
            + desk.expire_hashes().await?;
        if rows > 0 {
            tracing::info!(rows, "rows past their retention are deleted");
        }
        metrics::counter!("chaperone_expired_rows_total").increment(rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Feed, StillIndex, empty_store};

    async fn janitor(index: Arc<StillIndex>) -> Janitor {
        let (queue, _, _) = Feed::new();
        Janitor::new(empty_store().await, index, queue, Clock::system(), TimeDelta::days(30))
    }

    #[tokio::test]
    async fn every_duty_can_be_done_twice() {
        let janitor = janitor(Arc::default()).await;
        for duty in Duty::ALL.into_iter().chain(Duty::ALL) {
            janitor.perform(duty).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_nudge_does_not_wait_for_the_timer_and_a_failure_does_not_end_the_duty() {
        let index = Arc::new(StillIndex { fails: true, ..StillIndex::default() });
        let janitor = Arc::new(janitor(index.clone()).await);
        let stop = CancellationToken::new();
        let started = tokio::time::Instant::now();
        let running = tokio::spawn({
            let (janitor, stop) = (janitor.clone(), stop.clone());
            async move { janitor.repeat(Duty::Flush, &stop).await }
        });
        for turn in 1..=3 {
            janitor.nudge(Duty::Flush);
            while *index.flushes.lock().unwrap() < turn {
                tokio::task::yield_now().await;
            }
        }
        assert!(started.elapsed() < Duty::Flush.timer().0, "the nudges waited for the timer");
        stop.cancel();
        running.await.unwrap();
    }
}
