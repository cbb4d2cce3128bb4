//! `GET /v1/review/events`: what the console shows without being asked: cases that come and change, and live numbers.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response, sse},
};
use futures::Stream;
use pipeline::{review::staff::Staff, store::Event};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, interval_at},
};

use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    seat::{Seat, ToView},
};

/// Events read from the store at once.
const PAGE: usize = 128;
/// Time between two sendings of the live numbers.
const NUMBERS: Duration = Duration::from_secs(3);
/// Silence after which a comment is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Wait after a read that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Kinds that the console follows.
const KINDS: [&str; 11] = [
    "case.opened",
    "case.changed",
    "case.decided",
    "report.submitted",
    "report.resolved",
    "appeal.submitted",
    "appeal.resolved",
    "moderation.action",
    "breaker.opened",
    "breaker.closed",
    "policy.changed",
];

/// Follow the desk
///
/// Server-sent events: `case.opened`, `case.changed`, `case.decided`, `report.…`, `appeal.…`, `moderation.…` as in docs/events.md, and every three
/// seconds `numbers`: the queues' counts as `GET /v1/review/queues` shows them. Begins with what happens now; ends with the session, or when it goes to another tenant.
#[utoipa::path(
    get, path = "/v1/review/events", tag = "review", operation_id = "follow_review",
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 429, description = "Too many streams are open", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn stream(State(app): State<Shared>, staff: Seat<ToView>) -> Result<Response, ApiError> {
    let Ok(slot) = app.streams.clone().try_acquire_owned() else {
        return Err(ApiError::too_busy("Too many event streams are open: close one, or try again after 1 s."));
    };
    // Registered before the first look: what is appended in between wakes the reader.
    let mut signal = app.services.store.event_signal();
    signal.mark_unchanged();
    let after = app.services.store.last_sequence().await?;
    let ticks = interval_at(Instant::now(), NUMBERS);
    let digest = staff.session.as_ref().map(|session| session.digest.clone());
    let (staff, page, checked) = ((*staff).clone(), VecDeque::new(), Instant::now());
    let follower = Follower { app, staff, digest, checked, after, page, signal, ticks, _slot: slot };
    let keep_alive = sse::KeepAlive::new().interval(KEEP_ALIVE).text("alive");
    Ok(sse::Sse::new(follower.into_stream()).keep_alive(keep_alive).into_response())
}

struct Follower {
    app: Shared,
    staff: Staff,
    /// Of the session's cookie.
    digest: Option<String>,
    /// When the session was looked at last.
    checked: Instant,
    after: i64,
    page: VecDeque<Event>,
    signal: watch::Receiver<i64>,
    ticks: tokio::time::Interval,
    _slot: OwnedSemaphorePermit,
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        futures::stream::unfold(self, async |mut follower| {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// The next event; `None` when the service stops.
    async fn next(&mut self) -> Option<sse::Event> {
        let stop = self.app.stopping.now.clone();
        loop {
            while let Some(event) = self.page.pop_front() {
                self.after = event.sequence;
                let line = || sse::Event::default().id(event.sequence.to_string()).event(&event.kind).json_data(&event);
                if KINDS.contains(&event.kind.as_str())
                    && let Ok(line) = line()
                {
                    return Some(line);
                }
            }
            if !self.is_seated().await {
                return None;
            }
            if let Some(line) = stop.run_until_cancelled(self.fill()).await? {
                return Some(line);
            }
        }
    }

    /// Does the session still hold, in the same tenant and role? A stream outlives neither a sign-out nor being shown out.
    async fn is_seated(&mut self) -> bool {
        let Some(digest) = self.digest.as_deref().filter(|_| self.checked.elapsed() >= NUMBERS) else { return true };
        self.checked = Instant::now();
        match self.app.services.pipeline.desk().session(digest).await {
            Ok(Some(session)) => session.tenant == self.staff.tenant && session.user.role == self.staff.role,
            Ok(None) => false,
            // Nothing else can be read now either.
            Err(_) => true,
        }
    }

    /// Reads the next events, or answers the numbers when it is time for them.
    async fn fill(&mut self) -> Option<sse::Event> {
        match self.app.services.store.events_after(Some(&self.staff.tenant), self.after, PAGE).await {
            Ok(events) if events.is_empty() => {
                tokio::select! {
                    changed = self.signal.changed() => {
                        // An error means that the store is gone: so is the service, and `stop` ends the stream.
                        if changed.is_err() {
                            self.app.stopping.now.cancelled().await;
                        }
                        None
                    }
                    _ = self.ticks.tick() => self.numbers().await,
                }
            }
            Ok(events) => {
                self.page = events.into();
                None
            }
            Err(error) => {
                tracing::warn!(error = %error, "events cannot be read; trying again");
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }

    async fn numbers(&self) -> Option<sse::Event> {
        let desk = self.app.services.pipeline.desk();
        let counts = desk.queue_counts(&self.staff).await;
        let counts = counts.inspect_err(|error| tracing::warn!(error = %error, "the queues cannot be counted")).ok()?;
        let open: u64 = counts.iter().map(|count| count.open).sum();
        let overdue: u64 = counts.iter().map(|count| count.overdue).sum();
        let data = serde_json::json!({ "at": desk.now(), "open": open, "overdue": overdue, "queues": counts });
        sse::Event::default().event("numbers").json_data(data).ok()
    }
}
