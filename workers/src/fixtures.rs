//! Stand-ins for tests: items, outcomes, a queue and an index that can be watched.

mod bus;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use models::Lane;
use pipeline::{
    PipelineError,
    action::ActionKind,
    index::{Cursor, Held, Hit, Point, Query, Stamp, VectorIndex},
    item::{Content, Envelope, Item, ItemId, ItemKind, ProfileId, TenantId},
    process::Processed,
    queue::{DeadLetter, Delivery, LaneDepth, NoticeDelivery, Queue, Settle},
    store::{Event, Store},
    verdict::{Outcome, Timings, Verdict},
};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

pub(crate) use bus::{Bus, NoticeSettled};

/// How a delivery was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    Ack,
    Retry(Duration),
    Dead(String),
    Abandoned,
}

/// In order of settling.
pub(crate) type Settlements = Arc<Mutex<Vec<(ItemId, Settled)>>>;

#[derive(Clone)]
pub(crate) struct Recorder(Settlements);

impl Recorder {
    fn add(&self, id: ItemId, settled: Settled) {
        self.0.lock().unwrap().push((id, settled));
    }
}

#[async_trait]
impl Settle for Recorder {
    async fn ack(&self, id: ItemId) -> Result<(), PipelineError> {
        self.add(id, Settled::Ack);
        Ok(())
    }
    async fn retry(&self, id: ItemId, after: Duration) -> Result<(), PipelineError> {
        self.add(id, Settled::Retry(after));
        Ok(())
    }
    async fn dead_letter(&self, id: ItemId, reason: &str) -> Result<(), PipelineError> {
        self.add(id, Settled::Dead(reason.to_owned()));
        Ok(())
    }
    fn abandon(&self, id: ItemId) {
        self.add(id, Settled::Abandoned);
    }
}

pub(crate) fn settlements() -> (Recorder, Settlements) {
    let seen = Settlements::default();
    (Recorder(seen.clone()), seen)
}

pub(crate) fn item(text: &str) -> Item {
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let envelope = Envelope {
        id: ItemId::new(),
        tenant: TenantId::from("t"),
        kind: ItemKind::Text,
        actor: None,
        conversation: None,
        call: None,
        reference: None,
        message: None,
        occurred_at: at,
        received_at: at,
    };
    Item { envelope, content: Content::Text(text.to_owned()) }
}

pub(crate) fn processed(fresh: bool) -> Processed {
    let envelope = item("").envelope;
    let decided_at = envelope.received_at;
    let verdict = Verdict {
        action: ActionKind::Allow,
        flagged: false,
        reasons: vec![],
        shadow: vec![],
        confidence: 1.0,
        sanitized_text: None,
        spans: vec![],
        policy: "p".into(),
        degraded: false,
        language: None,
    };
    let outcome = Outcome {
        envelope,
        content_sha256: String::new(),
        signals: vec![],
        verdict,
        actions: vec![],
        decided_at,
        timings: Timings::default(),
        reused: false,
        next_frame_ms: None,
        length: 0,
        width: 0,
        height: 0,
    };
    Processed { outcome, fresh }
}

/// Hands out what is sent into it; nothing comes back.
pub(crate) struct Feed {
    items: AsyncMutex<mpsc::Receiver<Item>>,
    recorder: Recorder,
    /// What was asked of [`Queue::hold`]; it holds nothing.
    pub(crate) held: Arc<Mutex<Vec<(Lane, bool)>>>,
}

impl Feed {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Sender<Item>, Settlements) {
        let (send, items) = mpsc::channel(1000);
        let (recorder, seen) = settlements();
        (Arc::new(Self { items: AsyncMutex::new(items), recorder, held: Arc::default() }), send, seen)
    }
}

#[async_trait]
impl Queue for Feed {
    async fn publish(&self, _: Vec<Item>, _: Lane) -> Result<(), PipelineError> {
        Ok(())
    }
    async fn receive(&self) -> Option<Delivery> {
        let item = self.items.lock().await.recv().await?;
        Some(Delivery::new(item, Lane::Bulk, 1, Arc::new(self.recorder.clone())))
    }
    fn hold(&self, lane: Lane, held: bool) {
        self.held.lock().unwrap().push((lane, held));
    }
    async fn depth(&self) -> Result<Vec<LaneDepth>, PipelineError> {
        let lane = |lane| LaneDepth { lane, waiting: 3, in_flight: 1, capacity: 9 };
        Ok(Lane::ALL.map(lane).to_vec())
    }
    async fn dead_letters(&self, _: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        Ok(vec![])
    }
    async fn dead_letter(&self, _: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError> {
        Ok(None)
    }
    async fn replay(&self, _: Vec<ItemId>) -> Result<usize, PipelineError> {
        Ok(0)
    }
    async fn discard(&self, _: Vec<ItemId>) -> Result<usize, PipelineError> {
        Ok(0)
    }
    fn has_bus(&self) -> bool {
        false
    }
    async fn announce(&self, _: &[Event]) -> Result<(), PipelineError> {
        Ok(())
    }
    async fn receive_notice(&self) -> Option<NoticeDelivery> {
        std::future::pending().await
    }
    async fn close(&self) {
        self.items.lock().await.close();
    }
    async fn health(&self) -> Result<(), PipelineError> {
        Ok(())
    }
}

/// A store in memory.
pub(crate) async fn empty_store() -> Arc<dyn Store> {
    pipeline::store::connect("sqlite::memory:").await.unwrap()
}

/// An index that finds nothing and counts what it is asked to do.
#[derive(Default)]
pub(crate) struct StillIndex {
    pub(crate) flushes: Mutex<u32>,
    pub(crate) points: Mutex<Vec<Point>>,
    pub(crate) clears: std::sync::atomic::AtomicUsize,
    pub(crate) fails: bool,
}

#[async_trait]
impl VectorIndex for StillIndex {
    fn dimensions(&self) -> usize {
        1
    }
    async fn stamps(&self, profiles: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError> {
        let kept = self.points.lock().unwrap();
        let stamp = |(tenant, id): &(TenantId, ProfileId)| {
            kept.iter().find(|point| point.tenant == *tenant && point.id == *id).map(Point::stamp)
        };
        Ok(profiles.iter().map(stamp).collect())
    }
    async fn held(&self, _: Option<Cursor>, _: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError> {
        let kept = self.points.lock().unwrap();
        let held = |point: &Point| Held { tenant: point.tenant.clone(), id: point.id.clone(), stamp: point.stamp() };
        Ok((kept.iter().map(held).collect(), None))
    }
    async fn upsert(&self, points: Vec<Point>) -> Result<(), PipelineError> {
        let mut kept = self.points.lock().unwrap();
        kept.retain(|old| !points.iter().any(|new| new.id == old.id && new.tenant == old.tenant));
        kept.extend(points);
        Ok(())
    }
    async fn delete(&self, tenant: &TenantId, ids: Vec<ProfileId>) -> Result<(), PipelineError> {
        self.points.lock().unwrap().retain(|point| point.tenant != *tenant || !ids.contains(&point.id));
        Ok(())
    }
    async fn clear(&self) -> Result<(), PipelineError> {
        self.clears.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.points.lock().unwrap().clear();
        Ok(())
    }
    async fn search(&self, _: Query) -> Result<Vec<Hit>, PipelineError> {
        Ok(vec![])
    }
    async fn count(&self) -> Result<usize, PipelineError> {
        Ok(self.points.lock().unwrap().len())
    }
    async fn flush(&self) -> Result<(), PipelineError> {
        *self.flushes.lock().unwrap() += 1;
        if self.fails { Err(PipelineError::Unavailable { part: "index", message: "full".into() }) } else { Ok(()) }
    }
    async fn optimise(&self) -> Result<(), PipelineError> {
        Ok(())
    }
    async fn health(&self) -> Result<(), PipelineError> {
        Ok(())
    }
}
