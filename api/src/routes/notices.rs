//! What the platform tells us, for platforms without a bus of ours: `POST /v1/events`. And who is connected.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use pipeline::{
    PipelineError,
    item::ActorId,
    notice::Notice,
    process::notices::{Applied, is_final},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{OneOrMany, Path, name},
};

/// Most events of one request.
pub const MAX_BATCH: usize = 256;

/// Something that happened on the platform. Fields that are not listed are passed over.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `pipeline::notice` reads it")]
pub struct PlatformEvent {
    /// `user.connected`, `user.disconnected`, `call.started`, `call.joined`, `call.left`, `call.ended`; others are ignored.
    #[schema(rename = "type", example = "call.joined")]
    r#type: String,
    /// 1.
    version: u32,
    /// Your id of it, for logs.
    #[schema(example = "n-17")]
    id: String,
    /// Whose; the key's tenant when absent.
    tenant: Option<String>,
    /// When it happened. What is older never undoes what is newer.
    at: DateTime<Utc>,
    /// `actor`, `call`, `participants`: see `/schemas/notices/{name}`.
    #[schema(value_type = Object)]
    data: Value,
}

/// One event, or several.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[schema(example = json!({
    "type": "user.connected", "version": 1, "id": "n-17", "at": "2026-11-26T08:00:00Z", "data": { "actor": "ann" },
}))]
pub enum PlatformEvents {
    /// One.
    One(PlatformEvent),
    /// 1 to 256, put into effect in this order.
    Several(Vec<PlatformEvent>),
}

/// What came of the events, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Told {
    /// One entry for each event sent.
    results: Vec<ToldOne>,
}

/// What came of one event.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToldOne {
    /// Your id of it.
    id: String,
    /// How it went.
    result: TellResult,
    /// Refused: why, as a code; see `docs/errors.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Refused: why, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How it went with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TellResult {
    /// It is in effect, now or since before.
    Applied,
    /// Its type is not known here.
    Ignored,
    /// It contradicts what is known, e.g. a join after the end of the call.
    Refused,
}

/// Whether somebody is connected to the platform.
#[derive(Debug, Serialize, ToSchema)]
pub struct Presence {
    /// Who.
    actor: String,
    /// Connected, as far as we were told.
    connected: bool,
    /// Since when.
    at: DateTime<Utc>,
}

/// Tell what happened on the platform
///
/// The same events as over the bus (docs/events.md). Telling twice, or an old event late, does no harm. When one is malformed, none is put into
/// effect; after a 503 send all again.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", request_body = PlatformEvents,
    responses(
        (status = 200, description = "What came of each", body = Told),
        (status = "4XX", description = "The request is wrong; nothing was put into effect", body = ErrorBody),
    ),
)]
pub async fn tell(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    OneOrMany(values, many): OneOrMany,
) -> Result<Json<Told>, ApiError> {
    if !(1..=MAX_BATCH).contains(&values.len()) {
        let message = format!("The list holds {} events: send 1 to {MAX_BATCH}.", values.len());
        return Err(ApiError::invalid("batch_size", message));
    }
    let (mut notices, mut wrong) = (Vec::with_capacity(values.len()), Vec::new());
    for (index, value) in values.iter().enumerate() {
        match Notice::from_value(value, Some(&caller.tenant)) {
            Ok(notice) => notices.push(notice),
            Err(error) if !many => return Err(error.into()),
            Err(error) => wrong.push(ApiError::from(error).into_item(index)),
        }
    }
    if !wrong.is_empty() {
        let message = format!(
            "{} of {} events are wrong, so none was put into effect: correct those in `items`.",
            wrong.len(),
            values.len()
        );
        return Err(ApiError::invalid("batch_invalid", message).with_items(wrong));
    }
    let mut results = Vec::with_capacity(notices.len());
    for notice in notices {
        let applied = app.services.pipeline.apply(&notice).await;
        results.push(told(notice.id, applied)?);
    }
    Ok(Json(Told { results }))
}

fn told(id: String, applied: Result<Applied, PipelineError>) -> Result<ToldOne, ApiError> {
    let (result, error) = match applied {
        Ok(Applied::Done) => (TellResult::Applied, None),
        Ok(Applied::Ignored) => (TellResult::Ignored, None),
        Err(error) if is_final(&error) => (TellResult::Refused, Some(ApiError::from(error).into_item(0))),
        Err(error) => return Err(error.into()),
    };
    let (code, message) = error.map(|error| (error.code, error.message)).unzip();
    Ok(ToldOne { id, result, code, message })
}

/// Is somebody connected?
///
/// As the platform told by `user.connected` and `user.disconnected`.
#[utoipa::path(
    get, path = "/v1/presence/{actor}", tag = "events", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "What is known", body = Presence),
        (status = 404, description = "Nothing is known of this person", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn presence(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(actor): Path<String>,
) -> Result<Json<Presence>, ApiError> {
    name("actor", &actor)?;
    let actor = ActorId(actor);
    let known = app.services.store.load_presence(&caller.tenant, &actor).await?;
    let (connected, at) = known.ok_or_else(|| ApiError::not_found("presence", &actor))?;
    Ok(Json(Presence { actor: actor.0, connected, at }))
}
