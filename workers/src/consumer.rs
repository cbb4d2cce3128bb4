//! The loop between queue and pipeline: a permit, then a delivery, then a task that owns both.
//!
//! Permits are for all lanes. Of live frames fewer may be in flight, as [`pace`](crate::pace) finds out; while there are that
//! many the queue keeps its live lane to itself, where newer frames displace older ones.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use models::Lane;
use pipeline::{PipelineError, item::Item, process::Processed, queue::Queue};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tracing::Instrument;

use crate::{
    handle::{Decision, Terms, handle},
    pace::Pace,
};

/// How many deliveries ended how, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Outcome recorded.
    pub acked: AtomicU64,
    /// Given back for later.
    pub retried: AtomicU64,
    /// Live frames that became too old in our hands.
    pub shed: AtomicU64,
    /// Given up.
    pub dead: AtomicU64,
}

impl Counts {
    fn count(&self, decision: Decision) {
        let counter = match decision {
            Decision::Ack => &self.acked,
            Decision::Shed => &self.shed,
            Decision::Retry(_) => &self.retried,
            Decision::DeadLetter(_) => &self.dead,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything that the loop needs.
pub struct Consumer<P> {
    /// Where deliveries come from.
    pub queue: Arc<dyn Queue>,
    /// The work on an item of a lane in its try of this number: `Pipeline::process_queued`, or a test's stand-in.
    pub process: P,
    /// Tasks at once.
    pub permits: usize,
    /// Age at which a live frame is worthless; those in flight are kept well below it.
    pub live_max_age: Duration,
    /// What deliveries are handled with.
    pub terms: Terms,
    /// Counted as deliveries end.
    pub counts: Arc<Counts>,
}

impl<P, F> Consumer<P>
where
    P: Fn(Arc<Item>, Lane, u32) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Processed, PipelineError>> + Send + 'static,
{
    /// Receives until the terms' stop or until the queue is closed, and not while the store is down; then waits for the tasks in flight.
    /// Dropped before: their deliveries go back.
    pub async fn run(self) {
        // A quarter of the permits is never live frames', so that texts find one at once.
        let most = self.permits - self.permits / 4;
        // Frames wait for their turn before we take them, and the verdict has to arrive: a quarter of the time is ours.
        let live = Arc::new(Live::new(Pace::new(most, self.live_max_age / 4), self.queue.clone()));
        // Suspected uploads wait for the second opinion with their permits in hand: half of them are never uploads'.
        let bulk = Arc::new(Bulk::new((self.permits / 2).max(1), self.queue.clone()));
        let stop = &self.terms.stop;
        let semaphore = Arc::new(Semaphore::new(self.permits));
        let mut tasks = JoinSet::new();
        while let Some(Ok(permit)) = stop.run_until_cancelled(semaphore.clone().acquire_owned()).await {
            reap(&mut tasks);
            if stop.run_until_cancelled(self.terms.gate.pass()).await.is_none() {
                break;
            }
            let Some(Some(delivery)) = stop.run_until_cancelled(self.queue.receive()).await else { break };
            let frame = (delivery.lane() == Lane::Live).then(|| live.begin());
            let upload = (delivery.lane() == Lane::Bulk).then(|| bulk.begin());
            let (process, terms, counts) = (self.process.clone(), self.terms.clone(), self.counts.clone());
            tasks.spawn(async move {
                let (item, lane, attempt) = (delivery.item().clone(), delivery.lane(), delivery.attempt());
                let trace = delivery.trace().map(str::to_owned);
                let in_flight = metrics::gauge!("chaperone_items_in_flight");
                in_flight.increment(1.0);
                // The call itself belongs to the work: a panic in it must be caught as well.
                let work = || {
                    let (process, item) = (process.clone(), item.clone());
                    Box::pin(async move { process(item, lane, attempt).await })
                };
                // The publisher's trace goes on here.
                let span = tracing::info_span!("item", item.id = %item.envelope.id, traceparent = trace);
                counts.count(handle(delivery, work, &terms).instrument(span).await);
                in_flight.decrement(1.0);
                drop((frame, upload, permit));
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Live frames in flight.
struct Live {
    state: Mutex<LiveState>,
    queue: Arc<dyn Queue>,
    start: Instant,
}

struct LiveState {
    pace: Pace,
    in_flight: usize,
    held: bool,
}

impl Live {
    fn new(pace: Pace, queue: Arc<dyn Queue>) -> Self {
        let state = LiveState { pace, in_flight: 0, held: false };
        Self { state: Mutex::new(state), queue, start: Instant::now() }
    }

    /// A frame was taken. It counts until the answer is dropped.
    fn begin(self: &Arc<Self>) -> InFlight {
        self.change(|state| state.in_flight += 1);
        InFlight { live: self.clone(), started: self.start.elapsed() }
    }

    fn change(&self, change: impl FnOnce(&mut LiveState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let full = state.in_flight >= state.pace.limit();
        if full != state.held {
            state.held = full;
            // Under the lock, so that of two changes the later one stands.
            self.queue.hold(Lane::Live, full);
        }
        metrics::gauge!("chaperone_live_frames_limit").set(state.pace.limit() as f64);
    }
}

struct InFlight {
    live: Arc<Live>,
    started: Duration,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.live.start.elapsed();
        self.live.change(|state| {
            let in_flight = state.in_flight;
            state.in_flight -= 1;
            state.pace.finished(self.started, now, in_flight);
        });
    }
}

/// Bulk items in flight.
struct Bulk {
    most: usize,
    in_flight: Mutex<usize>,
    queue: Arc<dyn Queue>,
}

impl Bulk {
    fn new(most: usize, queue: Arc<dyn Queue>) -> Self {
        Self { most, in_flight: Mutex::new(0), queue }
    }

    /// An item was taken. It counts until the answer is dropped.
    fn begin(self: &Arc<Self>) -> BulkItem {
        self.change(|in_flight| *in_flight += 1);
        BulkItem(self.clone())
    }

    fn change(&self, change: impl FnOnce(&mut usize)) {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *in_flight >= self.most;
        change(&mut in_flight);
        let full = *in_flight >= self.most;
        if full != before {
            self.queue.hold(Lane::Bulk, full);
        }
    }
}

struct BulkItem(Arc<Bulk>);

impl Drop for BulkItem {
    fn drop(&mut self) {
        self.0.change(|in_flight| *in_flight -= 1);
    }
}

/// Forgets finished tasks, so that the set does not grow.
fn reap(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended {
            // The work's own panics never come this far: this one is in the handling. Its delivery went back when it was dropped.
            tracing::error!(%error, "a delivery's task failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        backoff::Jitter,
        breaker::Gate,
        fixtures::{Feed, Settled, item, processed},
        handle::{HOLD, Rules},
    };

    fn consumer<P>(queue: Arc<Feed>, process: P, permits: usize) -> Consumer<P> {
        let (rules, jitter) = (Rules::new(5, Duration::from_secs(30)), Jitter::from_fn(|| 1.0));
        let terms =
            Terms { rules, gate: Gate::new(jitter.clone()), jitter, hold: HOLD, stop: CancellationToken::new() };
        let live_max_age = Duration::from_secs(2);
        Consumer { queue, process, permits, live_max_age, terms, counts: Arc::default() }
    }

    #[tokio::test]
    async fn i7_permits_are_the_limit() {
        let (queue, send, seen) = Feed::new();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let process = {
            let (running, most) = (running.clone(), most.clone());
            move |_, _, _| {
                let (running, most) = (running.clone(), most.clone());
                async move {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(processed(true))
                }
            }
        };
        for _ in 0..50 {
            send.send(item("hello")).await.unwrap();
        }
        drop(send);
        let consumer = consumer(queue, process, 4);
        let counts = consumer.counts.clone();
        consumer.run().await;
        assert_eq!(most.load(Ordering::SeqCst), 4);
        assert_eq!(counts.acked.load(Ordering::Relaxed), 50);
        assert!(seen.lock().unwrap().iter().all(|(_, settled)| *settled == Settled::Ack));
    }

    #[tokio::test]
    async fn i6_uploads_take_no_more_than_half_of_the_permits() {
        let (queue, send, _) = Feed::new();
        let held = queue.held.clone();
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let process = {
            let (begun, go) = (begun.clone(), go.clone());
            move |_, _, _| {
                begun.fetch_add(1, Ordering::SeqCst);
                let go = go.clone();
                async move {
                    go.cancelled().await;
                    Ok(processed(true))
                }
            }
        };
        let running = tokio::spawn(consumer(queue, process, 8).run());
        for sent in 1..=4 {
            assert_eq!(held.lock().unwrap().last(), None, "after {sent} of four");
            send.send(item("an upload")).await.unwrap();
            while begun.load(Ordering::SeqCst) < sent {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(*held.lock().unwrap(), [(Lane::Bulk, true)]);
        drop(send);
        go.cancel();
        running.await.unwrap();
        assert_eq!(*held.lock().unwrap(), [(Lane::Bulk, true), (Lane::Bulk, false)]);
    }

    #[tokio::test]
    async fn i7_stop_finishes_what_is_in_flight_and_receives_no_more() {
        let (queue, send, seen) = Feed::new();
        let process = |_, _, _| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(processed(true))
        };
        for _ in 0..3 {
            send.send(item("hello")).await.unwrap();
        }
        let consumer = consumer(queue, process, 2);
        let stop = consumer.terms.stop.clone();
        let running = tokio::spawn(consumer.run());
        tokio::time::sleep(Duration::from_millis(20)).await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(seen.lock().unwrap().len(), 2, "the third was still waiting");
    }

    #[tokio::test]
    async fn i7_a_cut_off_drain_gives_deliveries_back() {
        let (queue, send, seen) = Feed::new();
        let process = |_, _, _| std::future::pending();
        send.send(item("hello")).await.unwrap();
        let running = tokio::spawn(consumer(queue, process, 2).run());
        tokio::time::sleep(Duration::from_millis(20)).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        // The tasks of the dropped set end at their next turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(seen.lock().unwrap()[0].1, Settled::Abandoned);
    }

    #[tokio::test]
    async fn i7_one_panicking_item_costs_only_itself() {
        let (queue, send, seen) = Feed::new();
        let process = |item: Arc<Item>, _, _| {
            assert!(item.content.len() < 4, "a defect, before the first await");
            async { Ok(processed(true)) }
        };
        for text in ["ok", "longer", "ok"] {
            send.send(item(text)).await.unwrap();
        }
        drop(send);
        consumer(queue, process, 1).run().await;
        let seen: Vec<Settled> = seen.lock().unwrap().iter().map(|(_, settled)| settled.clone()).collect();
        assert_eq!(seen, [Settled::Ack, Settled::Retry(Duration::from_secs(1)), Settled::Ack]);
    }

    #[tokio::test]
    async fn i7_nothing_is_received_while_the_store_is_down() {
        let (queue, send, seen) = Feed::new();
        let consumer = consumer(queue, |_, _, _| async { Ok(processed(true)) }, 2);
        let (gate, stop) = (consumer.terms.gate.clone(), consumer.terms.stop.clone());
        (0..3).for_each(|_| gate.suspect());
        send.send(item("hello")).await.unwrap();
        let running = tokio::spawn(consumer.run());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(seen.lock().unwrap().is_empty(), "received while the gate was shut");
        let knocking = tokio::spawn(gate.knock(crate::fixtures::empty_store().await, stop.clone()));
        while seen.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        running.await.unwrap();
        knocking.await.unwrap();
        assert_eq!(seen.lock().unwrap()[0].1, Settled::Ack);
    }
}
