//! RabbitMQ as the queue: many processes, nothing lost. docs/queue.md is its contract with other teams and with operators.
//!
//! | part | module |
//! |---|---|
//! | names, routing keys, partitions; bodies and headers; who serves which partition (all pure) | [`names`], `message`, `members` |
//! | what is declared | `topology` |
//! | contents that lie beside the broker | `blob` |
//! | one connection, publishing with confirms | `session` |
//! | the connection after that one; consumers | `consume` |
//! | from a message to items that wait, and what is done about lost workers | `intake`, `inbox`, `suspects` |
//! | settling | `ticket`, `held` |
//! | dead letters; events from the platform, and those that were given up | `dead`; `notices`, `rejected` |

mod blob;
mod consume;
mod dead;
mod headers;
mod held;
mod inbox;
mod intake;
mod members;
mod message;
pub mod names;
mod notices;
mod rejected;
mod session;
mod shared;
mod suspects;
mod ticket;
mod topology;

use std::{sync::Arc, time::Duration};

use self::{
    inbox::Next,
    message::{Letter, Parcel},
    names::WAITS_MS,
    session::{Outgoing, Refusal, Session, unavailable},
    shared::Shared,
    topology::short,
};
use super::{DeadLetter, Delivery, LaneDepth, NoticeDelivery, Queue, RejectedNotice};
use crate::{
    clock::Clock,
    config::QueueConfig,
    error::PipelineError,
    item::{Item, ItemId},
    store::Event,
};
use async_trait::async_trait;
use lapin::{
    BasicProperties,
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use models::Lane;
use uuid::Uuid;

/// The longest prefix: with the longest name behind it it fits into AMQP's 255 bytes, and into a screen.
const MAX_PREFIX: usize = 100;
/// What a refused publisher is told to wait.
const RETRY_AFTER_S: u32 = 1;
/// Time for a question to the broker.
const ASK: Duration = Duration::from_secs(3);

/// A queue in a broker.
pub struct RabbitmqQueue {
    shared: Arc<Shared>,
}

impl RabbitmqQueue {
    /// Connects, declares what is missing, and consumes `lanes`. Errors: `Invalid` with `queue_url`, `queue_prefix`,
    /// `queue_partitions` or `queue_topology`; `Unavailable`.
    pub async fn open(config: &QueueConfig, lanes: &[Lane], clock: Clock) -> Result<Self, PipelineError> {
        let uri = session::parse_url(&config.url)?;
        check(config)?;
        let shared = Shared::new(config, lanes, clock);
        let session = Session::open(&uri, &shared.names, config).await?;
        let mut sessions = shared.session.subscribe();
        tokio::spawn(consume::supervise(Arc::clone(&shared), uri, session));
        let _ = sessions.wait_for(Option::is_some).await.map(|_| ());
        Ok(Self { shared })
    }

    /// Messages that wait in a queue.
    async fn count(&self, session: &Session, queues: &[String]) -> Result<usize, lapin::Error> {
        let channel = session.connection.create_channel().await?;
        let mut count = 0;
        for queue in queues {
            let options = QueueDeclareOptions::durable().passive();
            let declared = channel.queue_declare(short(queue), options, FieldTable::default()).await?;
            count += declared.message_count() as usize;
        }
        let _ = channel.close(200, short("OK")).await;
        Ok(count)
    }

    /// Every queue that holds items of a lane.
    fn queues(&self, lane: Lane) -> Vec<String> {
        let names = &self.shared.names;
        let mut queues = vec![names.lane(lane), names.suspects(lane)];
        queues.extend(WAITS_MS.map(|ms| names.wait(lane.as_str(), ms)));
        if lane == Lane::Live {
            queues.extend((0..self.shared.config.partitions).map(|partition| names.partition(partition)));
        }
        queues
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, PipelineError> {
        match tokio::time::timeout(ASK, question).await {
            Ok(answer) => answer.map_err(|error| unavailable(&error)),
            Err(_) => Err(session::away("the broker does not answer")),
        }
    }

    /// The session of this moment: who asks how we are waits for nothing.
    fn session(&self) -> Result<Arc<Session>, PipelineError> {
        let session = self.shared.session.borrow().clone();
        session.filter(|session| session.is_alive()).ok_or_else(|| session::away("the broker cannot be reached"))
    }
}

impl Drop for RabbitmqQueue {
    fn drop(&mut self) {
        self.shared.stopped.send_replace(true);
    }
}

fn check(config: &QueueConfig) -> Result<(), PipelineError> {
    let prefix = &config.prefix;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if prefix.is_empty() || prefix.len() > MAX_PREFIX || !prefix.chars().all(allowed) || prefix.starts_with("amq.") {
        let message = format!(
            "queue.prefix `{prefix}` cannot begin names: use 1 to {MAX_PREFIX} letters, digits, `-`, `_`, `.`, and not `amq.`"
        );
        return Err(PipelineError::invalid("queue_prefix", message));
    }
    if !(1..=1024).contains(&config.partitions) {
        let message = format!("queue.partitions is {}: use 1 to 1024", config.partitions);
        return Err(PipelineError::invalid("queue_partitions", message));
    }
    Ok(())
}

#[async_trait]
impl Queue for RabbitmqQueue {
    async fn publish(&self, items: Vec<Item>, lane: Lane) -> Result<(), PipelineError> {
        let parcels: Vec<Parcel> =
            items.into_iter().map(|item| Parcel { item, attempts: 0, lost: 0, trace: None }).collect();
        let address = |(letter, range): (Letter, std::ops::Range<usize>)| {
            let key = message::key(&parcels[range.start].item, lane, self.shared.config.partitions);
            self.shared.to_items(key, letter)
        };
        let outgoing: Vec<Outgoing> = message::write(&parcels).into_iter().map(address).collect();
        if outgoing.is_empty() {
            return Ok(());
        }
        match self.shared.publish(&outgoing).await {
            Ok(()) => Ok(()),
            Err(Refusal::Full) => {
                let what = match lane {
                    Lane::Interactive => "the interactive lane",
                    Lane::Live => "the live lane",
                    Lane::Bulk => "the bulk lane",
                };
                Err(PipelineError::Full { what, retry_after_s: RETRY_AFTER_S })
            }
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    async fn receive(&self) -> Option<Delivery> {
        loop {
            let mut wake = std::pin::pin!(self.shared.wake.notified());
            // Register for the wake-up before looking for work.
            wake.as_mut().enable();
            let next = self.shared.next();
            self.shared.tell_shed();
            match next? {
                Next::Ready(ready) => return Some(ticket::hand_out(&self.shared, *ready)),
                Next::Suspect => {
                    // In a task of its own: a receiver that leaves must not leave the answer behind.
                    let shared = Arc::clone(&self.shared);
                    self.shared.runtime.spawn(async move { shared.ask_for_suspect().await });
                    wake.await;
                }
                Next::Nothing(None) => wake.await,
                Next::Nothing(Some(at)) => {
                    let _ = tokio::time::timeout_at(self.shared.instant(at), wake).await;
                }
            }
        }
    }

    fn hold(&self, lane: Lane, held: bool) {
        self.shared.inbox().hold(lane, held);
        if !held {
            self.shared.wake.notify_waiters();
        }
    }

    async fn depth(&self) -> Result<Vec<LaneDepth>, PipelineError> {
        let session = self.session()?;
        let here = self.shared.inbox().waiting();
        let mut depths = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let there = self.ask(self.count(&session, &self.queues(lane))).await?;
            depths.push(LaneDepth {
                lane,
                waiting: there + here[lane.index()],
                in_flight: self.shared.in_flight(lane),
                capacity: self.shared.config.capacity()[lane.index()],
            });
        }
        Ok(depths)
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        self.shared.list_dead(limit).await
    }

    async fn dead_letter(&self, id: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError> {
        self.shared.show_dead(id).await
    }

    async fn replay(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        self.shared.settle_dead(ids, true).await
    }

    async fn discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        self.shared.settle_dead(ids, false).await
    }

    fn has_bus(&self) -> bool {
        true
    }

    async fn announce(&self, events: &[Event]) -> Result<(), PipelineError> {
        let mut outgoing = Vec::with_capacity(events.len());
        for event in events {
            let body = serde_json::to_vec(event).map_err(|error| PipelineError::Internal {
                part: "queue",
                message: format!("an event cannot be written: {error}"),
            })?;
            let key = format!("{}.{}", event.kind, event.tenant);
            let id = ShortString::try_new(event.key.as_str()).unwrap_or_default();
            let properties = BasicProperties::default()
                .with_content_type(short("application/json"))
                .with_delivery_mode(2)
                .with_message_id(id)
                .with_type(short(&event.kind))
                .with_timestamp(u64::try_from(event.at.timestamp()).unwrap_or(0));
            let letter = Letter { body, properties };
            outgoing.push(Outgoing { exchange: self.shared.names.events(), key, letter, mandatory: false });
        }
        if outgoing.is_empty() {
            return Ok(());
        }
        self.shared.publish(&outgoing).await.map_err(Refusal::into_error)
    }

    async fn receive_notice(&self) -> Option<NoticeDelivery> {
        let receiving = async { self.shared.notice_out.lock().await.recv().await };
        tokio::select! {
            biased;
            () = consume::closing(&self.shared) => None,
            notice = receiving => notice,
        }
    }

    async fn rejected_notices(&self, limit: usize) -> Result<Vec<RejectedNotice>, PipelineError> {
        self.shared.list_rejected(limit).await
    }

    async fn replay_notices(&self, ids: Vec<Uuid>) -> Result<usize, PipelineError> {
        self.shared.settle_rejected(ids, true).await
    }

    async fn discard_notices(&self, ids: Vec<Uuid>) -> Result<usize, PipelineError> {
        self.shared.settle_rejected(ids, false).await
    }

    async fn close(&self) {
        self.shared.inbox().closed = true;
        self.shared.closing.send_replace(true);
        self.shared.wake.notify_waiters();
        // Given back earlier, it would be given to us once more, and counted as lost.
        let mut subscriptions = self.shared.subscriptions.subscribe();
        let _ = tokio::time::timeout(ASK, subscriptions.wait_for(|count| *count == 0)).await;
        self.shared.give_back_waiting().await;
        if let Ok(mut notices) = self.shared.notice_out.try_lock() {
            // Dropped, they go back.
            while notices.try_recv().is_ok() {}
        }
    }

    async fn health(&self) -> Result<(), PipelineError> {
        let session = self.session()?;
        self.ask(self.count(&session, &[self.shared.names.dead()])).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;

/// [`message::open`] for the fuzz test: how many items and which codes came out.
#[cfg(test)]
pub(crate) fn fuzz_open(
    body: Vec<u8>,
    properties: &lapin::BasicProperties,
    now: chrono::DateTime<chrono::Utc>,
) -> (usize, Vec<&'static str>) {
    let opened = message::open(body, properties, now);
    let mut codes: Vec<_> = opened.parcels.iter().filter_map(|parcel| Some(parcel.as_ref().err()?.code)).collect();
    codes.dedup();
    (opened.parcels.len().min(3), codes)
}
