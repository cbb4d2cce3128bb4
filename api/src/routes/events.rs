//! `GET /v1/events`: what happened, as server-sent events. Pages are pulled from the store as the reader reads, so a slow reader costs no memory.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response, sse},
};
use futures::Stream;
use pipeline::{item::TenantId, store::Event};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;

use crate::{
    app::Shared,
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::Query,
};

/// Events read from the store at once.
const PAGE: usize = 128;
/// Silence after which a comment is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Wait after a read that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventOptions {
    /// Only events with a higher sequence; 0 is from the beginning. New ones only, when absent. The header `Last-Event-ID` wins.
    after: Option<i64>,
    /// Kinds, separated by commas; all, when absent.
    #[param(example = "moderation.action,item.judged")]
    kinds: Option<String>,
}

/// Stream events
///
/// Server-sent events of this tenant: `id` is the sequence, `event` the kind, `data` a JSON object `{sequence, kind, tenant, key, at, data}`.
/// A client that reconnects with `Last-Event-ID` misses none. An event may come twice: deduplicate by `key`.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(EventOptions, ("Last-Event-ID" = Option<i64>, Header, description = "Resume after this sequence")),
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 429, description = "Too many streams are open", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn stream(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Query(options): Query<EventOptions>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let kinds = options.kinds.as_deref().map(parse_kinds).transpose()?;
    let Ok(slot) = app.streams.clone().try_acquire_owned() else {
        return Err(ApiError::too_busy("Too many event streams are open: close one, or try again after 1 s."));
    };
    // Registered before the first look: what is appended in between wakes the reader.
    let mut signal = app.services.store.event_signal();
    signal.mark_unchanged();
    let after = match resume(&headers)?.or(options.after) {
        Some(after) => after,
        None => app.services.store.last_sequence().await?,
    };
    let reader =
        Reader { app, tenant: caller.tenant.clone(), kinds, after, page: VecDeque::new(), signal, _slot: slot };
    let keep_alive = sse::KeepAlive::new().interval(KEEP_ALIVE).text("alive");
    Ok(sse::Sse::new(reader.into_stream()).keep_alive(keep_alive).into_response())
}

fn resume(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let sequence = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || {
        ApiError::invalid(
            "event_id_invalid",
            "`Last-Event-ID` is not one of ours: send the `id` of the last event read, or leave it out.",
        )
    };
    sequence.map(Some).ok_or_else(wrong)
}

fn parse_kinds(text: &str) -> Result<Vec<String>, ApiError> {
    let kinds: Vec<String> =
        text.split(',').map(str::trim).filter(|kind| !kind.is_empty()).map(ToOwned::to_owned).collect();
    if kinds.is_empty() {
        return Err(ApiError::invalid(
            "kinds_empty",
            "`kinds` names no kind: send e.g. `kinds=moderation.action`, or leave it out.",
        )
        .at("kinds"));
    }
    Ok(kinds)
}

struct Reader {
    app: Shared,
    tenant: TenantId,
    kinds: Option<Vec<String>>,
    after: i64,
    page: VecDeque<Event>,
    signal: watch::Receiver<i64>,
    _slot: OwnedSemaphorePermit,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        futures::stream::unfold(self, async |mut reader| {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    /// The next event that is wanted; `None` when the service stops.
    async fn next(&mut self) -> Option<sse::Event> {
        let stop = self.app.stopping.now.clone();
        loop {
            while let Some(event) = self.page.pop_front() {
                self.after = event.sequence;
                if let Some(line) = self.wanted(&event).then(|| line(&event)).flatten() {
                    return Some(line);
                }
            }
            stop.run_until_cancelled(self.fill()).await?;
        }
    }

    /// Reads the next page; waits for one when there is none.
    async fn fill(&mut self) {
        match self.app.services.store.events_after(Some(&self.tenant), self.after, PAGE).await {
            Ok(events) if events.is_empty() => {
                // An error means that the store is gone: so is the service, and `stop` ends the stream.
                if self.signal.changed().await.is_err() {
                    self.app.stopping.now.cancelled().await;
                }
            }
            Ok(events) => self.page = events.into(),
            Err(error) => {
                tracing::warn!(error = %error, "events cannot be read; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    fn wanted(&self, event: &Event) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
    }
}

fn line(event: &Event) -> Option<sse::Event> {
    let line = sse::Event::default().id(event.sequence.to_string()).event(&event.kind).json_data(event);
    line.inspect_err(|error| tracing::error!(event.sequence, error = %error, "event cannot be written")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_a_list_without_blanks() {
        for (text, expected) in [("a", Ok(1)), ("a, b,", Ok(2)), ("", Err("kinds_empty")), (" ,", Err("kinds_empty"))] {
            let kinds = parse_kinds(text);
            assert_eq!(kinds.as_ref().map(Vec::len).map_err(ApiError::code), expected, "{text:?}");
        }
    }

    #[test]
    fn a_last_event_id_is_a_number() {
        for (text, expected) in [
            ("17", Ok(Some(17))),
            (" 17 ", Ok(Some(17))),
            ("x", Err("event_id_invalid")),
            ("", Err("event_id_invalid")),
        ] {
            let headers = HeaderMap::from_iter([("last-event-id".parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(resume(&headers).map_err(|error| error.code()), expected, "{text:?}");
        }
        assert_eq!(resume(&HeaderMap::new()).unwrap(), None);
    }
}
