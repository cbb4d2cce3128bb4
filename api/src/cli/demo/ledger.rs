//! Who waits for which verdict. The event stream settles; everything that sends, waits.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::StreamExt;
use pipeline::{item::ItemId, store::Event};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{client::Client, sse};

/// An item without a verdict after this time makes the demo fail.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What the service said about one item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) action: String,
    pub(super) flagged: bool,
    /// Label and score, highest first.
    pub(super) scores: Vec<(String, f32)>,
    /// From sending to the arrival of the event that tells the verdict.
    pub(super) latency_ms: f64,
}

/// One `moderation.action` event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Performed {
    pub(super) action: String,
    pub(super) actor: Option<String>,
    /// `text`, `frame`, `image`.
    #[serde(rename = "kind")]
    pub(super) item_kind: String,
}

/// A sent item whose verdict has not come yet.
pub(super) struct Waiting {
    id: ItemId,
    settled: oneshot::Receiver<Judged>,
}

#[derive(Default)]
struct Inner {
    pending: HashMap<String, (Instant, oneshot::Sender<Judged>)>,
    /// By idempotency key: a repeated event counts once.
    performed: Vec<(String, Performed)>,
}

/// Shared by senders and the reader of events. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Inner>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called just before `id` is sent: its clock starts now.
    pub(super) fn expect(&self, id: ItemId) -> Waiting {
        let (send, settled) = oneshot::channel();
        self.lock().pending.insert(id.to_string(), (Instant::now(), send));
        Waiting { id, settled }
    }

    pub(super) fn performed(&self) -> Vec<Performed> {
        self.lock().performed.iter().map(|(_, performed)| performed.clone()).collect()
    }

    /// Takes one event in.
    fn note(&self, event: &Event) -> Result<()> {
        match event.kind.as_str() {
            "item.judged" => {
                let mut judged = judged(event).context("an `item.judged` event without a verdict")?;
                // An answer to nobody: the same event again after a reconnect.
                let Some((sent, settle)) = self.lock().pending.remove(&event.key) else { return Ok(()) };
                judged.latency_ms = sent.elapsed().as_secs_f64() * 1e3;
                // An error means that whoever sent it has given up waiting, and told so.
                let _ = settle.send(judged);
            }
            "moderation.action" => {
                let performed = performed(event).context("a `moderation.action` event without an action")?;
                let mut inner = self.lock();
                if !inner.performed.iter().any(|(known, _)| *known == event.key) {
                    inner.performed.push((event.key.clone(), performed));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads events until `stop`; a broken stream is taken up again where it broke.
    pub(super) async fn follow(
        self,
        client: Client,
        opened: oneshot::Sender<()>,
        stop: CancellationToken,
    ) -> Result<()> {
        let mut opened = Some(opened);
        let mut last = String::new();
        loop {
            let response = client.events(&last).await?;
            if let Some(opened) = opened.take() {
                // The other side went away: then `stop` is about to be set.
                let _ = opened.send(());
            }
            let mut reader = sse::Reader::default();
            let mut stream = response.bytes_stream();
            loop {
                let piece = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    piece = stream.next() => piece,
                };
                let Some(Ok(piece)) = piece else { break };
                for message in reader.feed(&piece) {
                    let event = serde_json::from_str(&message.data).context("an event of another shape")?;
                    self.note(&event)?;
                    last = message.id;
                }
            }
        }
    }
}

/// The verdict out of an `item.judged` event.
fn judged(event: &Event) -> Option<Judged> {
    #[derive(Deserialize)]
    struct Data {
        action: String,
        flagged: bool,
        scores: BTreeMap<String, f32>,
    }
    let Data { action, flagged, scores } = Data::deserialize(&event.data).ok()?;
    let mut scores: Vec<(String, f32)> = scores.into_iter().collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    Some(Judged { action, flagged, scores, latency_ms: 0.0 })
}

/// The action out of a `moderation.action` event.
fn performed(event: &Event) -> Option<Performed> {
    Performed::deserialize(&event.data).ok()
}

impl Waiting {
    /// The verdict, or an error after [`PATIENCE`].
    pub(super) async fn verdict(self) -> Result<Judged> {
        let verdict = tokio::time::timeout(PATIENCE, self.settled).await;
        let verdict =
            verdict.with_context(|| format!("item {} has no verdict after {} s", self.id, PATIENCE.as_secs()))?;
        verdict.context("the event stream ended before the verdict came")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, key: &str, data: serde_json::Value) -> Event {
        let at = chrono::DateTime::UNIX_EPOCH;
        Event { sequence: 1, kind: kind.into(), tenant: "default".into(), key: key.into(), at, data }
    }

    #[tokio::test]
    async fn a_verdict_finds_whoever_waits_for_it() {
        let ledger = Ledger::default();
        let id = ItemId::new();
        let waiting = ledger.expect(id);
        let data = json!({"kind": "text", "action": "warn", "flagged": true, "scores": {"insult": 0.5, "toxic": 0.9}, "more": 1});
        let judged = event("item.judged", &id.to_string(), data);
        ledger.note(&judged).unwrap();
        ledger.note(&judged).unwrap();
        let verdict = waiting.verdict().await.unwrap();
        assert_eq!((verdict.action.as_str(), verdict.flagged), ("warn", true));
        assert_eq!(verdict.scores, [("toxic".to_owned(), 0.9), ("insult".to_owned(), 0.5)]);
    }

    #[test]
    fn a_repeated_action_counts_once() {
        let ledger = Ledger::default();
        let action =
            event("moderation.action", "a1", json!({"kind": "frame", "actor": "olaf", "action": "warn", "rule": "r"}));
        ledger.note(&action).unwrap();
        ledger.note(&action).unwrap();
        let performed = Performed { action: "warn".into(), actor: Some("olaf".into()), item_kind: "frame".into() };
        assert_eq!(ledger.performed(), [performed]);
    }

    #[test]
    fn an_event_without_what_it_should_hold_is_an_error() {
        let ledger = Ledger::default();
        assert!(ledger.note(&event("item.judged", "1", json!({}))).is_err());
        assert!(ledger.note(&event("call.started", "1", json!({}))).is_ok(), "other events are none of its business");
    }
}
