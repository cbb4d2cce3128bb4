//! `/v1/appeals`: the platform hands in what people object to; reviewers answer through cases.

use axum::{Json, extract::State, http::StatusCode};
use pipeline::{
    item::{AppealId, DecisionId, ItemId},
    review::appeal::{Appeal, AppealState},
    store::{Recorded, desk::Page},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    id_cursor, length,
    views::{AppealList, AppealView},
    word,
};
use crate::{
    app::Shared,
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Either, Seat, ToView},
};

/// What somebody objects to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "actor": "ann", "decision": "0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10", "text": "This was a quotation." }))]
pub struct NewAppeal {
    /// Names the appeal for ever: sent again, it changes nothing. Made by us when absent.
    #[schema(value_type = Option<Uuid>)]
    id: Option<AppealId>,
    /// Who objects; must be whom it was decided about.
    #[schema(example = "ann")]
    actor: String,
    /// A reviewer's decision (`decision` of the event `moderation.action`).
    #[schema(value_type = Option<Uuid>)]
    decision: Option<DecisionId>,
    /// Or an item that was decided on automatically.
    #[schema(value_type = Option<Uuid>)]
    item: Option<ItemId>,
    /// Their words, up to 8000 bytes. Kept for reviewers; in no event and no log.
    #[schema(example = "This was a quotation.")]
    text: String,
}

impl Payload for NewAppeal {}

/// Hand in an appeal
///
/// It becomes a case that whoever decided never gets. The answer is told as the event `appeal.resolved`; when the decision falls, what it did is
/// taken back (`moderation.action` with `reverses`). One appeal about one thing.
#[utoipa::path(
    post, path = "/v1/appeals", tag = "review", request_body = NewAppeal,
    responses(
        (status = 201, description = "Taken in", body = AppealView),
        (status = 200, description = "It was known already", body = AppealView),
        (status = 404, description = "No such decision or item of this person", body = ErrorBody),
        (status = 409, description = "There is an appeal about this already", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn submit(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Body(new): Body<NewAppeal>,
) -> Result<(StatusCode, Json<Appeal>), ApiError> {
    let pipeline = &app.services.pipeline;
    let appeal = pipeline.new_appeal(caller.tenant.clone(), new.id, new.actor, new.text);
    let appeal = Appeal { decision: new.decision, item: new.item, ..appeal };
    let (appeal, recorded) = pipeline.take_appeal(appeal).await?;
    Ok((if recorded == Recorded::New { StatusCode::CREATED } else { StatusCode::OK }, Json(appeal)))
}

/// Which appeals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AppealOptions {
    /// `open`, `upheld`, `overturned`.
    state: Option<String>,
    /// By this person.
    actor: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// List appeals, newest first
#[utoipa::path(
    get, path = "/v1/appeals", tag = "review", params(AppealOptions),
    responses(
        (status = 200, description = "One page", body = AppealList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Query(options): Query<AppealOptions>,
) -> Result<Json<Page<Appeal>>, ApiError> {
    let state = word("state", options.state.as_deref(), AppealState::named)?;
    let (limit, before) = (length(options.limit)?, id_cursor(options.cursor.as_deref())?);
    Ok(Json(app.services.pipeline.desk().appeals(&staff.tenant, state, options.actor, before, limit).await?))
}

/// Show one appeal
///
/// For the platform, too: where it stands.
#[utoipa::path(
    get, path = "/v1/appeals/{id}", tag = "review", params(("id" = Uuid, Path, description = "The appeal")),
    responses(
        (status = 200, description = "The appeal", body = AppealView),
        (status = 404, description = "No such appeal", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Either<ToItems, ToView>,
    Path(id): Path<Uuid>,
) -> Result<Json<Appeal>, ApiError> {
    Ok(Json(app.services.pipeline.desk().appeal(&caller.tenant, AppealId(id)).await?))
}
