//! The embedded queue: lanes of ids in this process, journaled through the store.
//!
//! An item is in the journal before `publish` returns and leaves it after its ack; what is in between when the process dies
//! is delivered again by the next one. Memory holds ids, and the content of a few megabytes of the newest and the next
//! items at most; everything else is read from the journal when its turn comes.
//!
//! Frames in the live lane are given up when a newer one displaces them or when they become too old (`lanes`, `fresh`): they
//! leave the journal without an outcome, counted in `chaperone_frames_shed_total`.
//!
//! A process that ends without closing its queue may have been ended by an item. What it may have had in hand counts that; an item
//! that this happens to more than once is handed out alone, its try written down before it begins, and given up when too many of
//! those did not end.
//!
//! Acks are collected for [`ACK_DELAY`] and settled together: a lost ack is only a redelivery, which the worker's
//! seen-before check ends.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use models::Lane;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::{
    CRASHED_WORKER, DeadLetter, Delivery, LaneDepth, NoticeDelivery, Queue, Settle,
    lanes::{Entry, Frame, Lanes, Left, Next},
};
use crate::{
    clock::Clock,
    config::QueueConfig,
    error::PipelineError,
    item::{Envelope, Item, ItemId, ItemKind},
    store::{Event, Store},
};

/// How long an ack waits for others.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// Acks settled together at most.
const ACK_BATCH: usize = 1024;
/// Content kept in memory at most, in bytes.
const KEPT_BYTES: usize = 8 << 20;
/// Items read from the journal together at most, and their bytes.
const READ_AHEAD: (usize, usize) = (64, 1 << 20);
/// Pause before another try when the store cannot be reached.
const STORE_PAUSE: Duration = Duration::from_millis(250);
/// Where this queue's time starts, so that what was received before the start has a place in it. Nothing is seen as older.
const HEAD_START: Duration = Duration::from_secs(24 * 3600);
/// What a refused publisher is told to wait.
const RETRY_AFTER_S: u32 = 1;

/// The embedded queue.
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    wake: Notify,
    start: Instant,
    clock: Clock,
    /// Makes participants' keys; random, so that nobody can choose names that share one.
    keys: RandomState,
    settled: mpsc::Sender<Settled>,
    /// Tries of a suspect that may end with their process.
    delivery_limit: u32,
}

struct State {
    lanes: Lanes,
    kept: HashMap<ItemId, Item>,
    kept_bytes: usize,
    closed: bool,
}

/// What the journal has to be told, late.
enum Settled {
    Ack(ItemId),
    Attempt(ItemId),
    Shed(Vec<ItemId>),
    Flush(oneshot::Sender<()>),
}

/// What `receive` found.
enum Found {
    Ready(Item, Next),
    Load(Next, Vec<ItemId>),
    Nothing(Option<Duration>),
    Closed,
}

impl State {
    fn keep(&mut self, item: Item) {
        let bytes = item.content.len();
        if self.kept_bytes + bytes <= KEPT_BYTES {
            self.kept_bytes += bytes;
            if let Some(before) = self.kept.insert(item.envelope.id, item) {
                self.kept_bytes -= before.content.len();
            }
        }
    }

    fn unkeep(&mut self, id: ItemId) -> Option<Item> {
        let item = self.kept.remove(&id)?;
        self.kept_bytes -= item.content.len();
        Some(item)
    }

    fn find(&mut self, now: Duration) -> Found {
        if self.closed {
            return Found::Closed;
        }
        let again = self.lanes.promote(now);
        let next = match self.lanes.take(now) {
            Ok(next) => next,
            Err(later) => return Found::Nothing([again, later].into_iter().flatten().min()),
        };
        match self.unkeep(next.id) {
            Some(item) => Found::Ready(item, next),
            None => {
                let (count, bytes) = READ_AHEAD;
                let room = bytes.min(KEPT_BYTES - self.kept_bytes);
                let mut ids = self.lanes.ahead(next.lane, count, room);
                ids.retain(|id| !self.kept.contains_key(id));
                Found::Load(next, ids)
            }
        }
    }
}

impl MemoryQueue {
    /// Opens the queue; what an earlier process accepted and did not finish waits again, oldest first. Frames that became
    /// too old meanwhile are given up.
    pub async fn open(config: &QueueConfig, store: Arc<dyn Store>, clock: Clock) -> Result<Self, PipelineError> {
        let lanes = Lanes::new(config.capacity(), config.live_wait());
        let (settled, inbox) = mpsc::channel(4 * ACK_BATCH);
        tokio::spawn(settle(Arc::clone(&store), inbox));
        let state = State { lanes, kept: HashMap::new(), kept_bytes: 0, closed: false };
        let (state, wake, keys) = (Mutex::new(state), Notify::new(), RandomState::new());
        let delivery_limit = config.delivery_limit;
        let shared = Shared { store, state, wake, start: Instant::now(), clock, keys, settled, delivery_limit };
        shared.restore().await?;
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since [`HEAD_START`] before the start.
    fn now(&self) -> Duration {
        HEAD_START + self.start.elapsed()
    }

    /// The item as its lane sees it. A frame's age counts from its acceptance, by our clock: a platform's clock that is wrong
    /// must not make all of its frames too old.
    fn entry(&self, envelope: &Envelope, bytes: usize) -> Entry {
        let frame = match (envelope.kind, &envelope.call, &envelope.actor) {
            (ItemKind::Frame, Some(call), Some(actor)) => {
                let age = (self.clock.now() - envelope.received_at).to_std().unwrap_or_default();
                let participant = self.keys.hash_one((&envelope.tenant, call, actor));
                Some(Frame { participant, since: self.now().saturating_sub(age) })
            }
            _ => None,
        };
        Entry { id: envelope.id, bytes: u32::try_from(bytes).unwrap_or(u32::MAX), frame }
    }

    /// Lets wait again what the journal holds.
    async fn restore(&self) -> Result<(), PipelineError> {
        self.store.journal_opened().await?;
        let pending = self.store.journal_pending().await?;
        // Only the items themselves say which are frames of whom, and since when. Displacing keeps them few.
        let mut live: Vec<_> = pending.iter().filter(|entry| entry.lane == Lane::Live).map(|entry| entry.id).collect();
        let mut frames = HashMap::with_capacity(live.len());
        while !live.is_empty() {
            let part = live.split_off(live.len().saturating_sub(READ_AHEAD.0));
            for item in self.store.journal_load_many(part).await? {
                frames.insert(item.envelope.id, self.entry(&item.envelope, item.content.len()).frame);
            }
        }
        {
            let (mut state, now) = (self.state(), self.now());
            for waits in pending {
                let frame = frames.get(&waits.id).copied().flatten();
                let left = Left { lane: waits.lane, attempts: waits.attempts, lost: waits.lost };
                state.lanes.restore(Entry { id: waits.id, bytes: waits.bytes, frame }, left, now);
            }
            state.lanes.thin_all(now);
        }
        self.tell_shed();
        Ok(())
    }

    /// Has the journal forget the frames that were given up.
    fn tell_shed(&self) {
        let mut state = self.state();
        let shed = state.lanes.take_shed();
        if shed.is_empty() {
            return;
        }
        for (id, _) in &shed {
            state.unkeep(*id);
        }
        match self.settled.try_send(Settled::Shed(shed.iter().map(|(id, _)| *id).collect())) {
            Ok(()) => shed.into_iter().for_each(|(_, why)| why.count()),
            // Full: the next call tells of them.
            Err(_) => state.lanes.put_back_shed(shed),
        }
    }

    /// Writes the items to the journal, then lets them be handed out. All or none.
    async fn accept(&self, items: Vec<Item>, lane: Lane) -> Result<(), PipelineError> {
        let ids: Vec<Entry> = items.iter().map(|item| self.entry(&item.envelope, item.content.len())).collect();
        let reserved = {
            let (mut state, now) = (self.state(), self.now());
            state.lanes.thin(now);
            state.lanes.reserve(lane, &ids)
        };
        self.tell_shed();
        if !reserved {
            let what = match lane {
                Lane::Interactive => "the interactive lane",
                Lane::Live => "the live lane",
                Lane::Bulk => "the bulk lane",
            };
            return Err(PipelineError::Full { what, retry_after_s: RETRY_AFTER_S });
        }
        let copies = items.clone();
        let appended = self.store.journal_append(items.into_iter().map(|item| (item, lane)).collect()).await;
        {
            let mut state = self.state();
            if let Err(error) = appended {
                state.lanes.withdraw(&ids);
                return Err(error);
            }
            let fresh: std::collections::HashSet<ItemId> =
                state.lanes.admit(lane, &ids, self.now()).into_iter().collect();
            for item in copies.into_iter().filter(|item| fresh.contains(&item.envelope.id)) {
                // The first of two with one id is the one that the journal kept.
                if !state.kept.contains_key(&item.envelope.id) {
                    state.keep(item);
                }
            }
        }
        self.wake.notify_waiters();
        Ok(())
    }

    /// Lets items wait again that were given up. An operator wants them judged: frames among them are not too old.
    async fn revive(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        let revived = self.store.journal_revive(ids).await?;
        {
            let (mut state, now) = (self.state(), self.now());
            for (id, lane, bytes) in &revived {
                let left = Left { lane: *lane, attempts: 0, lost: 0 };
                state.lanes.restore(Entry { id: *id, bytes: *bytes, frame: None }, left, now);
            }
        }
        self.wake.notify_waiters();
        Ok(revived.len())
    }

    /// Reads an item that was taken, and the next ones with it.
    async fn load(&self, next: Next, mut ids: Vec<ItemId>) -> Result<Option<Item>, PipelineError> {
        ids.push(next.id);
        let items = self.store.journal_load_many(ids).await?;
        let mut state = self.state();
        let mut wanted = None;
        for item in items {
            if item.envelope.id == next.id {
                wanted = Some(item);
            } else if !state.kept.contains_key(&item.envelope.id) && state.lanes.waits(item.envelope.id) {
                state.keep(item);
            }
        }
        if wanted.is_none() {
            // Settled meanwhile: its outcome is recorded.
            state.lanes.forget(next.id);
        }
        Ok(wanted)
    }

    /// Writes down that the try of a suspect begins. `false`: it may not.
    async fn begin(self: &Arc<Self>, guard: Taken<'_>, lane: Lane) -> bool {
        let Some(id) = guard.id else { return false };
        match self.store.journal_try(id, self.delivery_limit.saturating_add(1)).await {
            Ok(true) => {
                guard.keep();
                metrics::counter!("chaperone_suspects_tried_total", "lane" => lane.as_str()).increment(1);
                true
            }
            Ok(false) => {
                guard.keep();
                tracing::error!(item.id = %id, reason = CRASHED_WORKER, "item given up: the process ended too often while it judged nothing else");
                // In a task of its own: a receiver that leaves must not leave it half given up.
                let shared = Arc::clone(self);
                let buried = tokio::spawn(async move { shared.dead_letter(id, CRASHED_WORKER).await }).await;
                if let Ok(Err(error)) = buried {
                    tracing::error!(queue.error = %error, "an item cannot be given up; trying again");
                }
                false
            }
            Err(error) => {
                tracing::error!(queue.error = %error, "the journal cannot be written; trying again");
                drop(guard);
                tokio::time::sleep(STORE_PAUSE).await;
                false
            }
        }
    }

    fn put_back(&self, id: ItemId, after: Duration) {
        let due = (!after.is_zero()).then(|| self.now() + after);
        self.state().lanes.put_back(id, due);
        self.wake.notify_waiters();
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn publish(&self, items: Vec<Item>, lane: Lane) -> Result<(), PipelineError> {
        if items.is_empty() {
            return Ok(());
        }
        // In a task of its own: a caller that leaves must not leave a journaled item behind that nobody delivers.
        let shared = Arc::clone(&self.shared);
        let accepted = tokio::spawn(async move { shared.accept(items, lane).await }).await;
        accepted.unwrap_or_else(|error| {
            Err(PipelineError::Internal { part: "queue", message: format!("publishing was cut off: {error}") })
        })
    }

    async fn receive(&self) -> Option<Delivery> {
        loop {
            let mut wake = std::pin::pin!(self.shared.wake.notified());
            // Register for the wake-up before looking for work.
            wake.as_mut().enable();
            let found = self.shared.state().find(self.shared.now());
            self.shared.tell_shed();
            let (item, next) = match found {
                Found::Closed => return None,
                Found::Nothing(None) => {
                    wake.await;
                    continue;
                }
                Found::Nothing(Some(due)) => {
                    let _ = tokio::time::timeout_at(self.shared.start + due.saturating_sub(HEAD_START), wake).await;
                    continue;
                }
                Found::Ready(item, next) => (item, next),
                Found::Load(next, ahead) => {
                    // Dropped when the caller leaves: the item goes back.
                    let guard = Taken { shared: &self.shared, id: Some(next.id) };
                    let loaded = self.shared.load(next, ahead).await;
                    match loaded {
                        Ok(Some(item)) => {
                            guard.keep();
                            (item, next)
                        }
                        Ok(None) => {
                            guard.keep();
                            continue;
                        }
                        Err(error) => {
                            tracing::error!(queue.error = %error, "the journal cannot be read; trying again");
                            drop(guard);
                            tokio::time::sleep(STORE_PAUSE).await;
                            continue;
                        }
                    }
                }
            };
            if next.suspect && !self.shared.begin(Taken { shared: &self.shared, id: Some(next.id) }, next.lane).await {
                continue;
            }
            let settle: Arc<dyn Settle> = Arc::clone(&self.shared) as Arc<dyn Settle>;
            return Some(Delivery::new(item, next.lane, next.attempt, settle));
        }
    }

    fn hold(&self, lane: Lane, held: bool) {
        self.shared.state().lanes.hold(lane, held);
        if !held {
            self.shared.wake.notify_waiters();
        }
    }

    async fn depth(&self) -> Result<Vec<LaneDepth>, PipelineError> {
        Ok(self.shared.state().lanes.depth())
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        self.shared.store.journal_dead(limit).await
    }

    async fn dead_letter(&self, id: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError> {
        let found = self.shared.store.journal_dead_item(id).await?;
        Ok(found.map(|(letter, item, _)| (letter, item)))
    }

    async fn replay(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        // In a task of its own: a caller that leaves must not leave a revived item behind that nobody delivers.
        let shared = Arc::clone(&self.shared);
        let replayed = tokio::spawn(async move { shared.revive(ids).await }).await;
        replayed.unwrap_or_else(|error| {
            Err(PipelineError::Internal { part: "queue", message: format!("replaying was cut off: {error}") })
        })
    }

    async fn discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        self.shared.store.journal_discard(ids).await
    }

    fn has_bus(&self) -> bool {
        false
    }

    async fn announce(&self, _: &[Event]) -> Result<(), PipelineError> {
        Ok(())
    }

    async fn receive_notice(&self) -> Option<NoticeDelivery> {
        loop {
            let mut wake = std::pin::pin!(self.shared.wake.notified());
            wake.as_mut().enable();
            if self.shared.state().closed {
                return None;
            }
            wake.await;
        }
    }

    async fn close(&self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_waiters();
        let (done, flushed) = oneshot::channel();
        if self.shared.settled.send(Settled::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
        if let Err(error) = self.shared.store.journal_closed().await {
            // What waits then counts a lost process that it was not lost with: no harm unless that happens often.
            tracing::warn!(queue.error = %error, "the journal could not be closed in good order");
        }
    }

    async fn health(&self) -> Result<(), PipelineError> {
        self.shared.store.health().await
    }
}

/// An item that was taken and not delivered yet; dropped, it goes back as it was.
struct Taken<'a> {
    shared: &'a Shared,
    id: Option<ItemId>,
}

impl Taken<'_> {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.state().lanes.untake(id);
            self.shared.wake.notify_waiters();
        }
    }
}

#[async_trait]
impl Settle for Shared {
    async fn ack(&self, id: ItemId) -> Result<(), PipelineError> {
        let closed = {
            let mut state = self.state();
            state.lanes.forget(id);
            if state.lanes.is_isolating() {
                self.wake.notify_waiters();
            }
            state.closed
        };
        if closed {
            // The process is about to end: nobody waits for others now.
            return self.store.journal_settle(vec![id]).await;
        }
        self.settled.send(Settled::Ack(id)).await.map_err(|_| stopped())
    }

    async fn retry(&self, id: ItemId, after: Duration) -> Result<(), PipelineError> {
        let counted = self.store.journal_retry(id).await;
        self.put_back(id, after);
        counted
    }

    async fn dead_letter(&self, id: ItemId, reason: &str) -> Result<(), PipelineError> {
        let buried = self.store.journal_bury(id, reason, self.clock.now()).await;
        match buried {
            Ok(()) => {
                self.state().lanes.forget(id);
                self.wake.notify_waiters();
            }
            // Nothing accepted is lost: it comes back, and is buried then.
            Err(_) => self.put_back(id, STORE_PAUSE),
        }
        buried
    }

    fn abandon(&self, id: ItemId) {
        // Best effort: without it the count is one lower after a restart.
        let _ = self.settled.try_send(Settled::Attempt(id));
        self.put_back(id, Duration::ZERO);
    }
}

fn stopped() -> PipelineError {
    PipelineError::Unavailable { part: "queue", message: "the journal's task has stopped".into() }
}

/// Tells the journal about acks, many at a time. Ends when the queue and its last delivery are gone.
async fn settle(store: Arc<dyn Store>, mut inbox: mpsc::Receiver<Settled>) {
    let mut acked = Vec::new();
    while let Some(first) = inbox.recv().await {
        let deadline = Instant::now() + ACK_DELAY;
        let mut waiting = Vec::new();
        let mut message = Some(first);
        loop {
            match message {
                Some(Settled::Ack(id)) => acked.push(id),
                Some(Settled::Shed(ids)) => acked.extend(ids),
                Some(Settled::Attempt(id)) => {
                    if let Err(error) = store.journal_retry(id).await {
                        tracing::warn!(queue.error = %error, "an attempt was not counted");
                    }
                }
                Some(Settled::Flush(done)) => {
                    waiting.push(done);
                    break;
                }
                None => break,
            }
            if acked.len() >= ACK_BATCH {
                break;
            }
            message = match tokio::time::timeout_at(deadline, inbox.recv()).await {
                Ok(message) => message,
                Err(_) => break,
            };
        }
        while let Err(error) = store.journal_settle(acked.clone()).await {
            tracing::error!(queue.error = %error, "acks cannot be written; trying again");
            if !waiting.is_empty() || inbox.is_closed() {
                break;
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        acked.clear();
        for done in waiting {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests;
