//! `/v1/queue/notices`: what the platform told over the bus and what was given up, because it could not be read or contradicted what is known.
//! A key sees those of its own tenant, and those that do not say whose they are.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{item::TenantId, queue::RejectedNotice};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queue::{ListOptions, limit_of};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToAdmin},
    error::{ApiError, ErrorBody},
    extract::{Path, Query},
};

/// Looked through for those of one tenant.
const LOOKED_THROUGH: usize = 10_000;

/// A notice of the platform that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedNotice)]
pub struct RejectedView {
    /// Made of its bytes: the same bytes have the same one.
    pub id: Uuid,
    /// The platform's own id, when it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Its type, when it can be read.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(example = "call.joined")]
    pub kind: Option<String>,
    /// Why it was given up: a stable code.
    #[schema(example = "notice_malformed")]
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Its size.
    pub bytes: u32,
}

/// Several, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedNotices {
    /// Of the caller's tenant, or of nobody's.
    pub notices: Vec<RejectedView>,
}

impl From<RejectedNotice> for RejectedView {
    fn from(rejected: RejectedNotice) -> Self {
        let RejectedNotice { id, notice, kind, reason, at, bytes, tenant: _ } = rejected;
        Self { id, notice, kind, reason, at, bytes }
    }
}

/// List notices that were given up
///
/// Oldest first, without their data. Without a bus there are none.
#[utoipa::path(
    get, path = "/v1/queue/notices", tag = "operation",
    params(ListOptions),
    responses(
        (status = 200, description = "Those of the key's tenant, and those that do not say whose they are", body = RejectedNotices),
        (status = 503, description = "The queue does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Query(options): Query<ListOptions>,
) -> Result<Json<RejectedNotices>, ApiError> {
    let limit = limit_of(&options)?;
    let visible = visible(&app, &caller.tenant).await?;
    Ok(Json(RejectedNotices { notices: visible.into_iter().take(limit).map(RejectedView::from).collect() }))
}

/// Tell a notice again that was given up
///
/// As if the platform had just told it.
#[utoipa::path(
    post, path = "/v1/queue/notices/{id}/replay", tag = "operation",
    params(("id" = Uuid, Path, description = "The id that the list shows")),
    responses(
        (status = 202, description = "It waits again"),
        (status = 404, description = "No such notice", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn replay(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    own(&app, &caller.tenant, id).await?;
    match app.services.queue.replay_notices(vec![id]).await? {
        0 => Err(ApiError::not_found("notice", id)),
        _ => Ok(StatusCode::ACCEPTED),
    }
}

/// Forget a notice that was given up
#[utoipa::path(
    delete, path = "/v1/queue/notices/{id}", tag = "operation",
    params(("id" = Uuid, Path, description = "The id that the list shows")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such notice", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn discard(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    own(&app, &caller.tenant, id).await?;
    match app.services.queue.discard_notices(vec![id]).await? {
        0 => Err(ApiError::not_found("notice", id)),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

async fn visible(app: &App, tenant: &TenantId) -> Result<Vec<RejectedNotice>, ApiError> {
    let mut all = app.services.queue.rejected_notices(LOOKED_THROUGH).await?;
    all.retain(|rejected| rejected.tenant.as_ref().is_none_or(|of| of == tenant));
    Ok(all)
}

/// Another tenant's is as if it were not there.
async fn own(app: &App, tenant: &TenantId, id: Uuid) -> Result<(), ApiError> {
    match visible(app, tenant).await?.iter().any(|rejected| rejected.id == id) {
        true => Ok(()),
        false => Err(ApiError::not_found("notice", id)),
    }
}
