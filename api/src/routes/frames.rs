//! `POST /v1/calls/{id}/participants/{actor}/frames`: what somebody in a call shows.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, Utc};
use pipeline::{
    clock::clamp_occurred,
    item::{ActorId, CallId, Content, Envelope, Item, ItemId, ItemKind},
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    calls,
    items::{self, Accepted, Incoming},
};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{self, Path, Query},
};

/// What is said about a frame.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FrameOptions {
    /// When it was captured; now, when absent.
    captured_at: Option<DateTime<Utc>>,
    /// Names the frame for ever: sent again, it changes nothing. Made by us when absent.
    frame_id: Option<Uuid>,
    /// Your own id of it; comes back in every answer and event.
    reference: Option<String>,
}

/// Accept one frame
///
/// The body is the picture itself (JPEG, PNG, WebP, GIF, BMP, TIFF). Actions come as events `moderation.action`; that and `item.judged`
/// say in `next_frame_ms` how soon the participant's next frame should be sent. Frames are worthless when late: when more come than can
/// be judged, of each participant only the newest waits, and what became too old is given up without a verdict.
#[utoipa::path(
    post, path = "/v1/calls/{id}/participants/{actor}/frames", tag = "calls",
    params(
        ("id" = String, Path, description = "The call's id"),
        ("actor" = String, Path, description = "Who shows it"),
        FrameOptions,
    ),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 202, description = "On disk, in the queue", body = Accepted),
        (status = 404, description = "No such call, or nobody of this name in it", body = ErrorBody),
        (status = 409, description = "The call has ended, or the participant has left", body = ErrorBody),
        (status = 413, description = "The picture is too large", body = ErrorBody),
        (status = 429, description = "The queue is full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn accept(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path((call, actor)): Path<(String, String)>,
    Query(options): Query<FrameOptions>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    require_picture(&headers)?;
    let (call, actor) = (CallId(call), ActorId(actor));
    require_presence(&app, &caller, &call, &actor).await?;
    let picture = extract::read_body(body, app.services.config.pipeline.max_frame_bytes).await?;
    let received_at = app.services.clock.now();
    let envelope = Envelope {
        id: options.frame_id.map_or_else(ItemId::new, ItemId),
        tenant: caller.tenant.clone(),
        kind: ItemKind::Frame,
        actor: Some(actor),
        conversation: None,
        call: Some(call),
        reference: options.reference,
        message: None,
        occurred_at: clamp_occurred(options.captured_at, received_at),
        received_at,
    };
    let item = Item { envelope, content: Content::Picture(picture) };
    app.services.pipeline.validate(&item)?;
    let accepted = items::enqueue(&app, vec![Incoming { item, chosen: options.frame_id.is_some() }]).await?;
    let accepted =
        accepted.first().copied().ok_or_else(|| ApiError::internal("one item was published, none came back"))?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// Frames are pictures as they are: any image type, or bytes that say nothing of themselves.
pub(super) fn require_picture(headers: &HeaderMap) -> Result<(), ApiError> {
    let media_type = extract::media_type(headers);
    if media_type.is_empty() || media_type == "application/octet-stream" || media_type.starts_with("image/") {
        return Ok(());
    }
    Err(extract::unsupported(&media_type, "image/jpeg` or `application/octet-stream"))
}

/// The call runs, and the participant is in it.
async fn require_presence(app: &App, caller: &Allowed<ToItems>, id: &CallId, actor: &ActorId) -> Result<(), ApiError> {
    let call = calls::load(app, &caller.tenant, id).await?;
    if call.ended_at.is_some() {
        return Err(ApiError::conflict("call_ended", format!("The call `{id}` has ended: send no more frames of it.")));
    }
    let participant = call.participants.iter().find(|participant| participant.actor == *actor);
    match participant {
        None => Err(ApiError::not_found("participant", actor)),
        Some(participant) if participant.left_at.is_some() => Err(ApiError::conflict(
            "participant_left",
            format!("`{actor}` has left the call `{id}`: join again before sending frames."),
        )),
        Some(_) => Ok(()),
    }
}
