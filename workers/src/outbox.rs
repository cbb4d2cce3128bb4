//! Webhooks: each event reaches each webhook that wants it at least once, signed, with a key that tells repeats apart.
//!
//! The rows are the truth: one stays due until the webhook answered 2xx or its tries are used up. A crash between the answer and
//! the row means that the webhook is told twice, with the same key.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    PipelineError,
    clock::Clock,
    store::{DueDelivery, Store},
};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::{
    task::{self, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    WebhookConfig,
    backoff::{Backoff, Jitter},
    signature::{EVENT_ID_HEADER, EVENT_KIND_HEADER, SIGNATURE_HEADER, sign},
};

/// Tries before a delivery is given up.
pub const MAX_TRIES: u32 = 12;
/// Waits between tries.
pub const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(3600) };
/// Time that a webhook may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at once to one webhook.
const PER_WEBHOOK: usize = 8;
/// Rows claimed at once.
const WINDOW: usize = 256;
/// Rows held at most: so many that a slow webhook fills before it hides the others.
const MAX_WAITING: usize = 16_384;
/// How long a claimed row is ours. Much longer than [`TIMEOUT`], short enough that a dead process's rows soon go to another.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);
/// What must be left of it when a request starts: the request's time, and as much again to write down how it went.
const NEEDED: TimeDelta = TimeDelta::seconds(20);
/// Time between two looks at least, however many events come.
const PACE: Duration = Duration::from_millis(20);
/// How often due retries are looked for when no event wakes us.
const IDLE: Duration = Duration::from_secs(1);
/// Pause after the store failed, so that a delivery whose end cannot be written is not repeated at full speed.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// The most of an answer's body that is read, to keep the connection; nobody looks at it.
const MAX_ANSWER: usize = 64 << 10;

/// How a webhook answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// Not within [`TIMEOUT`].
    TimedOut,
    /// No connection.
    Unreachable,
    /// The connection broke.
    Broken,
}

impl Answer {
    /// For the delivery's row: no body, no URL.
    fn words(self) -> String {
        match self {
            Self::Status(status @ 300..400) => {
                format!("answered {status}; redirects are not followed: configure the final URL")
            }
            Self::Status(status) => format!("answered {status}"),
            Self::TimedOut => format!("no answer within {} s", TIMEOUT.as_secs()),
            Self::Unreachable => "no connection".to_owned(),
            Self::Broken => "the connection broke".to_owned(),
        }
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Told.
    Done,
    /// Again, then.
    Again(DateTime<Utc>),
    /// Given up.
    Dead,
}

/// Decides about a delivery that had been tried `tries` times before this answer. `jitter` in 0..1.
pub fn next_step(tries: u32, answer: Answer, now: DateTime<Utc>, jitter: f64) -> Step {
    let tries = tries.saturating_add(1);
    match answer {
        Answer::Status(200..300) => Step::Done,
        _ if tries >= MAX_TRIES => Step::Dead,
        _ => Step::Again(now + TimeDelta::from_std(BACKOFF.wait(tries, jitter)).unwrap_or(TimeDelta::hours(1))),
    }
}

/// The outbox's parts.
pub struct Outbox {
    /// Where due deliveries are.
    pub store: Arc<dyn Store>,
    /// By name.
    pub webhooks: HashMap<String, WebhookConfig>,
    /// Without redirects; see [`client`].
    pub client: reqwest::Client,
    /// Time for signatures and retries.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
    /// Deliveries that a webhook answered with 2xx, since the start.
    pub told: Arc<AtomicU64>,
}

/// An HTTP client that follows no redirect (a signed body goes to the configured URL only) and gives up after [`TIMEOUT`].
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Outbox {
    /// Delivers until `stop`, then finishes what is on its way. Dropped before: those rows stay due.
    pub async fn run(self, stop: CancellationToken) {
        let outbox = Arc::new(self);
        let mut signal = outbox.store.event_signal();
        // Without a writer in this process only the timer wakes us.
        let mut signalled = true;
        let mut board = Board::default();
        let mut tasks = JoinSet::new();
        let mut last = Instant::now();
        let mut next = last;
        loop {
            if Instant::now() >= next {
                last = Instant::now();
                // Before looking, so that an event that comes meanwhile wakes us again.
                signal.mark_unchanged();
                let more = outbox.look(&mut board).await;
                next = last + if more { PACE } else { IDLE };
            }
            while let Some(due) = board.start(outbox.clock.now()) {
                let (outbox, stop, webhook) = (outbox.clone(), stop.clone(), due.webhook.clone());
                let task = tasks.spawn(async move { outbox.deliver(&due, &stop).await });
                board.started(task.id(), webhook);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = signal.changed(), if signalled => {
                    signalled = changed.is_ok();
                    next = next.min(last + PACE);
                }
                Some(ended) = tasks.join_next_with_id() => {
                    board.ended(ended);
                    while let Some(ended) = tasks.try_join_next_with_id() {
                        board.ended(ended);
                    }
                }
                () = tokio::time::sleep_until(next) => {}
            };
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Claims what is due, as far as there is room. `true`: there may be more.
    async fn look(&self, board: &mut Board) -> bool {
        let (now, room) = (self.clock.now(), board.room());
        if room == 0 {
            return false;
        }
        match self.store.claim_deliveries(now, now + LEASE, room).await {
            Ok(due) => {
                let more = due.len() >= room;
                board.add(due, now + LEASE);
                more
            }
            Err(error) => {
                tracing::warn!(%error, "cannot claim due webhook deliveries");
                false
            }
        }
    }

    /// Tells one webhook of one event and writes down how it went.
    async fn deliver(&self, due: &DueDelivery, stop: &CancellationToken) {
        let written = match self.webhooks.get(&due.webhook) {
            None => self.store.delivery_failed(due.id, None, "no webhook of this name is configured").await,
            Some(webhook) if !webhook.wants(&due.event.kind) => {
                self.store.delivery_done(due.id, self.clock.now()).await
            }
            Some(webhook) => self.attempt(webhook, due).await,
        };
        if let Err(error) = written {
            tracing::warn!(delivery.id = due.id, webhook = due.webhook, %error, "cannot write down a webhook delivery");
            stop.run_until_cancelled(tokio::time::sleep(STORE_PAUSE)).await;
        }
    }

    async fn attempt(&self, webhook: &WebhookConfig, due: &DueDelivery) -> Result<(), PipelineError> {
        let started = Instant::now();
        let answer = self.post(webhook, due).await?;
        let step = next_step(due.attempts, answer, self.clock.now(), self.jitter.draw());
        let (name, tries, error) = (webhook.name.clone(), due.attempts + 1, answer.words());
        let result = match step {
            Step::Done => {
                self.told.fetch_add(1, Ordering::Relaxed);
                self.store.delivery_done(due.id, self.clock.now()).await?;
                "done"
            }
            Step::Again(at) => {
                tracing::warn!(webhook = name, event.key = due.event.key, tries, error, next = %at, "webhook failed, again later");
                self.store.delivery_failed(due.id, Some(at), &error).await?;
                "retry"
            }
            Step::Dead => {
                tracing::error!(webhook = name, event.key = due.event.key, tries, error, "webhook delivery given up");
                self.store.delivery_failed(due.id, None, &error).await?;
                "dead_letter"
            }
        };
        metrics::counter!("chaperone_webhook_deliveries_total", "webhook" => name.clone(), "result" => result)
            .increment(1);
        metrics::histogram!("chaperone_webhook_seconds", "webhook" => name).record(started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn post(&self, webhook: &WebhookConfig, due: &DueDelivery) -> Result<Answer, PipelineError> {
        let body = serde_json::to_vec(&due.event)
            .map_err(|error| PipelineError::Internal { part: "outbox", message: error.to_string() })?;
        let signature = sign(&webhook.secret, self.clock.now().timestamp(), &body);
        let request = self
            .client
            .post(webhook.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(EVENT_ID_HEADER, header(&due.event.key))
            .header(EVENT_KIND_HEADER, header(&due.event.kind))
            .header(SIGNATURE_HEADER, signature)
            .body(body);
        Ok(match request.send().await {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let mut read = 0;
                while let Ok(Some(chunk)) = response.chunk().await {
                    read += chunk.len();
                    if read > MAX_ANSWER {
                        break;
                    }
                }
                Answer::Status(status)
            }
            Err(error) if error.is_timeout() => Answer::TimedOut,
            Err(error) if error.is_connect() => Answer::Unreachable,
            Err(_) => Answer::Broken,
        })
    }
}

/// A header's value; what a header cannot carry (a key that a platform chose) is percent-encoded.
fn header(text: &str) -> HeaderValue {
    let encoded = || url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let plain =
        text.bytes().all(|byte| (0x21..0x7f).contains(&byte)).then(|| HeaderValue::from_str(text).ok()).flatten();
    plain.or_else(|| HeaderValue::from_str(&encoded()).ok()).unwrap_or(HeaderValue::from_static("-"))
}

/// What waits and what is on its way. No IO.
#[derive(Default)]
struct Board {
    /// Webhook → what we hold for it, oldest first, and until when.
    waiting: BTreeMap<String, VecDeque<(DueDelivery, DateTime<Utc>)>>,
    /// Webhook → requests on their way.
    busy: HashMap<String, usize>,
    tasks: HashMap<task::Id, String>,
}

impl Board {
    /// How many rows to ask for.
    fn room(&self) -> usize {
        let waiting: usize = self.waiting.values().map(VecDeque::len).sum();
        MAX_WAITING.saturating_sub(waiting).min(WINDOW)
    }

    /// Takes in rows that are ours until `until`.
    fn add(&mut self, due: Vec<DueDelivery>, until: DateTime<Utc>) {
        for delivery in due {
            self.waiting.entry(delivery.webhook.clone()).or_default().push_back((delivery, until));
        }
    }

    /// A delivery whose webhook has room. Rows that are not ours long enough are let go: they become due again.
    fn start(&mut self, now: DateTime<Utc>) -> Option<DueDelivery> {
        for (webhook, waiting) in &mut self.waiting {
            while waiting.front().is_some_and(|(_, until)| *until - now < NEEDED) {
                waiting.pop_front();
            }
            let busy = self.busy.entry(webhook.clone()).or_default();
            if *busy < PER_WEBHOOK
                && let Some((delivery, _)) = waiting.pop_front()
            {
                *busy += 1;
                return Some(delivery);
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        None
    }

    /// The delivery that was just handed out runs in this task.
    fn started(&mut self, task: task::Id, webhook: String) {
        self.tasks.insert(task, webhook);
    }

    /// A delivery's task has ended.
    fn ended(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            // Its row comes back when our hold on it ends, not at once: one that panics us must not do so in a quick circle.
            Err(error) => {
                tracing::error!(%error, "a webhook delivery's task failed");
                error.id()
            }
        };
        if let Some(busy) = self.tasks.remove(&task).and_then(|webhook| self.busy.get_mut(&webhook)) {
            *busy = busy.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
