//! What all parts of the queue share: the session of the moment, the inbox, who is in flight.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{Channel, types::FieldTable};
use models::Lane;
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify, mpsc, watch},
    time::Instant,
};
use uuid::Uuid;

use super::{
    headers,
    inbox::{Inbox, Next},
    members::Members,
    message::Letter,
    names::{self, Names},
    session::{Outgoing, Refusal, Session},
};
use crate::{clock::Clock, config::QueueConfig, error::PipelineError, queue::NoticeDelivery};

/// Events from the platform that wait in this process.
pub(super) const NOTICES: usize = 32;

pub(super) struct Shared {
    pub(super) config: QueueConfig,
    pub(super) names: Names,
    pub(super) clock: Clock,
    /// Lanes that this process consumes.
    pub(super) lanes: Vec<Lane>,
    pub(super) runtime: Handle,
    /// `None` while the broker cannot be reached.
    pub(super) session: watch::Sender<Option<Arc<Session>>>,
    /// Nothing is handed out any more.
    pub(super) closing: watch::Sender<bool>,
    /// The queue is gone: connections end.
    pub(super) stopped: watch::Sender<bool>,
    pub(super) members: Mutex<Members>,
    pub(super) wake: Notify,
    pub(super) notice_in: mpsc::Sender<NoticeDelivery>,
    pub(super) notice_out: AsyncMutex<mpsc::Receiver<NoticeDelivery>>,
    /// Subscriptions that may still bring something.
    pub(super) subscriptions: watch::Sender<usize>,
    /// Where suspects are asked for, while there is a session.
    suspects: Mutex<Option<Channel>>,
    /// Where the time of `isolation` begins.
    start: Instant,
    inbox: Mutex<Inbox>,
    in_flight: [AtomicUsize; 3],
}

impl Shared {
    pub(super) fn new(config: &QueueConfig, lanes: &[Lane], clock: Clock) -> Arc<Self> {
        let (notice_in, notice_out) = mpsc::channel(NOTICES);
        Arc::new(Self {
            config: config.clone(),
            names: Names::new(&config.prefix),
            clock,
            lanes: lanes.to_vec(),
            runtime: Handle::current(),
            session: watch::channel(None).0,
            closing: watch::channel(false).0,
            stopped: watch::channel(false).0,
            members: Mutex::new(Members::new(Uuid::now_v7(), config.partitions)),
            wake: Notify::new(),
            notice_in,
            notice_out: AsyncMutex::new(notice_out),
            subscriptions: watch::channel(0).0,
            suspects: Mutex::default(),
            start: Instant::now(),
            inbox: Mutex::new(Inbox::new(config.live_wait())),
            in_flight: Default::default(),
        })
    }

    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn suspects_channel(&self) -> MutexGuard<'_, Option<Channel>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn max_age(&self) -> Duration {
        self.config.live_wait()
    }

    /// Time that publishing may take.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.config.publish_seconds)
    }

    /// What comes next. What is to be handed out counts as in flight from here on. `None`: the queue is closed.
    pub(super) fn next(&self) -> Option<Next> {
        let mut inbox = self.inbox();
        if inbox.closed {
            return None;
        }
        let in_flight = Lane::ALL.into_iter().map(|lane| self.in_flight(lane)).sum();
        let next = inbox.next(self.clock.now(), self.start.elapsed(), in_flight);
        if let Next::Ready(ready) = &next {
            // Under the inbox's lock: the next one to ask must see it.
            self.in_flight[ready.lane.index()].fetch_add(1, Ordering::SeqCst);
        }
        Some(next)
    }

    /// The point in time that `isolation` calls `at`.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }

    /// One that was in flight is settled.
    pub(super) fn count_in(&self, lane: Lane) {
        self.in_flight[lane.index()].fetch_sub(1, Ordering::SeqCst);
        // A suspect may be waiting for it, or others for a suspect.
        if self.inbox().is_isolating() {
            self.wake.notify_waiters();
        }
    }

    pub(super) fn in_flight(&self, lane: Lane) -> usize {
        self.in_flight[lane.index()].load(Ordering::SeqCst)
    }

    /// The session, waiting for one until `deadline`.
    pub(super) async fn session_by(&self, deadline: Instant) -> Result<Arc<Session>, PipelineError> {
        let mut sessions = self.session.subscribe();
        let alive = |session: &Option<Arc<Session>>| session.as_ref().is_some_and(|session| session.is_alive());
        let found = tokio::time::timeout_at(deadline, sessions.wait_for(alive)).await;
        match found {
            Ok(Ok(session)) => session.clone().ok_or_else(|| super::session::away("the queue is closed")),
            _ => Err(super::session::away("the broker cannot be reached")),
        }
    }

    /// Publishes and waits for the confirms, over another connection if the first is lost meanwhile: a message may then be
    /// there twice, with the same id.
    pub(super) async fn publish(&self, messages: &[Outgoing]) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.patience();
        loop {
            let session = self.session_by(deadline).await.map_err(|error| Refusal::Away(error.to_string()))?;
            let refusal = match session.publish(messages, deadline.saturating_duration_since(Instant::now())).await {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            if refusal == Refusal::Full || session.is_alive() || Instant::now() >= deadline {
                return Err(refusal);
            }
        }
    }

    pub(super) fn to_items(&self, key: String, letter: Letter) -> Outgoing {
        Outgoing { exchange: self.names.items(), key, letter, mandatory: true }
    }

    /// Back to the items by `key` after `ms`.
    pub(super) fn to_wait(&self, of: &str, ms: u32, key: String, letter: Letter) -> Outgoing {
        let letter = stamp(letter, |table| {
            headers::put(table, names::LANE, of);
            headers::put_count(table, names::WAIT, ms);
        });
        Outgoing { exchange: self.names.waits(), key, letter, mandatory: true }
    }

    /// To the dead letters.
    pub(super) fn to_dead(&self, letter: Letter, lane: Lane, attempts: u32, reason: &str) -> Outgoing {
        let died_at = self.clock.now().to_rfc3339();
        let letter = stamp(letter, |table| {
            headers::put(table, names::LANE, lane.as_str());
            headers::put(table, names::REASON, reason);
            headers::put(table, names::DIED_AT, &died_at);
            headers::put_count(table, names::ATTEMPTS, attempts);
        });
        let letter = Letter { properties: letter.properties.with_delivery_mode(2), ..letter };
        Outgoing { exchange: String::new(), key: self.names.dead(), letter, mandatory: true }
    }

    /// Frames that are not judged: acked, counted.
    pub(super) fn tell_shed(&self) {
        let shed = self.inbox().take_shed();
        if shed.is_empty() {
            return;
        }
        self.runtime.spawn(async move {
            for (frame, why) in shed {
                why.count();
                let _ = frame.message.settle(1).await;
            }
        });
    }
}

/// Adds headers; the broker's own history is left behind.
pub(super) fn stamp(letter: Letter, change: impl FnOnce(&mut FieldTable)) -> Letter {
    let kept = headers::of(&letter.properties);
    let mut table = FieldTable::default();
    let theirs =
        |name: &str| name == names::DELIVERY_COUNT || name.starts_with("x-death") || name.starts_with("x-first-death");
    for (name, value) in kept.inner().iter().filter(|(name, _)| !theirs(name.as_str())) {
        table.insert(name.clone(), value.clone());
    }
    change(&mut table);
    Letter { body: letter.body, properties: letter.properties.with_headers(table) }
}
