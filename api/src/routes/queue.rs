//! `/v1/queue`: how much waits, and what was given up. A key sees and changes the dead letters of its own tenant only.

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use pipeline::{
    item::{Content, Item, ItemId, TenantId},
    queue::DeadLetter,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{health::LaneView, judgement::ItemView};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToAdmin},
    error::{ApiError, ErrorBody},
    extract::{Path, Query},
    seat::{Either, ToViewStats},
};

/// Dead letters that a list shows when the caller does not say.
const DEFAULT_LIMIT: usize = 100;
/// Most that it shows.
const MAX_LIMIT: usize = 1000;
/// Dead letters of all tenants that are looked through for those of one.
const LOOKED_THROUGH: usize = 100_000;

/// How much waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueStats {
    /// Every lane, all tenants together.
    pub lanes: Vec<LaneView>,
}

/// How many to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// Most to show, 1 to 1000; 100 when absent.
    limit: Option<usize>,
}

/// What to show of one.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ShowOptions {
    /// The text or the picture too.
    content: bool,
}

/// An item that was given up, without its content.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// The item's id.
    pub id: Uuid,
    /// `text`, `image` or `frame`.
    pub kind: &'static str,
    /// The lane that it came through.
    pub lane: &'static str,
    /// Why it was given up: a stable code.
    #[schema(example = "timed_out")]
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Size of its content.
    pub bytes: u32,
}

/// Several, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetters {
    /// Of the caller's tenant.
    pub dead_letters: Vec<DeadLetterView>,
}

/// One, with what is known of the item.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownDeadLetter {
    #[serde(flatten)]
    letter: DeadLetterView,
    /// Who, where, when.
    item: ItemView,
    /// The text; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The picture, base64; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    image: Option<String>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id.0,
            kind: letter.kind.as_str(),
            lane: letter.lane.as_str(),
            reason: letter.reason,
            attempts: letter.attempts,
            at: letter.at,
            bytes: letter.bytes,
        }
    }
}

impl ShownDeadLetter {
    /// `content`: with the text or picture itself.
    pub(crate) fn new(letter: DeadLetter, item: Item, content: bool) -> Self {
        let (text, image) = match item.content {
            _ if !content => (None, None),
            Content::Text(text) => (Some(text), None),
            Content::Picture(bytes) => (None, Some(BASE64_STANDARD.encode(bytes))),
        };
        Self { letter: letter.into(), item: item.envelope.into(), text, image }
    }
}

/// How much waits
///
/// Items per lane of the queue, all tenants together.
#[utoipa::path(
    get, path = "/v1/queue", tag = "operation",
    responses(
        (status = 200, description = "Every lane", body = QueueStats),
        (status = 503, description = "The queue does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn stats(
    State(app): State<Shared>,
    _caller: Either<ToAdmin, ToViewStats>,
) -> Result<Json<QueueStats>, ApiError> {
    let depth = app.services.queue.depth().await?;
    Ok(Json(QueueStats { lanes: depth.into_iter().map(LaneView::from).collect() }))
}

/// List what was given up
///
/// Oldest first, without content.
#[utoipa::path(
    get, path = "/v1/queue/dead-letters", tag = "operation",
    params(ListOptions),
    responses(
        (status = 200, description = "Those of the key's tenant", body = DeadLetters),
        (status = 503, description = "The queue does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Query(options): Query<ListOptions>,
) -> Result<Json<DeadLetters>, ApiError> {
    let limit = limit_of(&options)?;
    let all = app.services.queue.dead_letters(LOOKED_THROUGH).await?;
    let own = all.into_iter().filter(|letter| letter.tenant == caller.tenant).take(limit);
    Ok(Json(DeadLetters { dead_letters: own.map(DeadLetterView::from).collect() }))
}

/// How many the caller wants to see.
pub(super) fn limit_of(options: &ListOptions) -> Result<usize, ApiError> {
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}: ask for 1 to {MAX_LIMIT}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    Ok(limit)
}

/// Show one that was given up
///
/// Its content only with `content=true`: what people wrote and showed is nobody's business by default.
#[utoipa::path(
    get, path = "/v1/queue/dead-letters/{id}", tag = "operation",
    params(("id" = Uuid, Path, description = "The item's id"), ShowOptions),
    responses(
        (status = 200, description = "The item", body = ShownDeadLetter),
        (status = 404, description = "No such dead letter", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<Uuid>,
    Query(options): Query<ShowOptions>,
) -> Result<Json<ShownDeadLetter>, ApiError> {
    let (letter, item) = own(&app, &caller.tenant, id).await?;
    if options.content {
        tracing::info!(item.id = %id, caller.key = caller.key, "the content of a dead letter is shown");
    }
    Ok(Json(ShownDeadLetter::new(letter, item, options.content)))
}

/// Judge one again that was given up
///
/// It waits in its lane again, as if never tried.
#[utoipa::path(
    post, path = "/v1/queue/dead-letters/{id}/replay", tag = "operation",
    params(("id" = Uuid, Path, description = "The item's id")),
    responses(
        (status = 202, description = "It waits again"),
        (status = 404, description = "No such dead letter", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn replay(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    own(&app, &caller.tenant, id).await?;
    match app.services.queue.replay(vec![ItemId(id)]).await? {
        0 => Err(ApiError::not_found("dead letter", id)),
        _ => Ok(StatusCode::ACCEPTED),
    }
}

/// Forget one that was given up
///
/// For ever: it is not judged any more.
#[utoipa::path(
    delete, path = "/v1/queue/dead-letters/{id}", tag = "operation",
    params(("id" = Uuid, Path, description = "The item's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such dead letter", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn discard(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    own(&app, &caller.tenant, id).await?;
    match app.services.queue.discard(vec![ItemId(id)]).await? {
        0 => Err(ApiError::not_found("dead letter", id)),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// One of this tenant's; another's is as if it were not there.
async fn own(app: &App, tenant: &TenantId, id: Uuid) -> Result<(DeadLetter, Item), ApiError> {
    let found = app.services.queue.dead_letter(ItemId(id)).await?;
    found.filter(|(letter, _)| letter.tenant == *tenant).ok_or_else(|| ApiError::not_found("dead letter", id))
}
