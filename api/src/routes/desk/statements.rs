//! `/v1/statements`: statements of reasons on their way to the European Commission's transparency database.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pipeline::{
    item::DecisionId,
    review::statement::{Statement, StatementState},
    store::desk::{Page, statements::KeptStatement},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    id_cursor, length,
    views::{KeptStatementList, KeptStatementView, StatementView},
    word,
};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Seat, ToExportPeople},
};

/// Statements that the database takes in one call.
const BATCH: usize = 100;

/// Which statements.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StatementOptions {
    /// `draft`, `queued`, `sent`, `failed`, `withdrawn`; all, when absent.
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// List statements of reasons, the newest decision first
#[utoipa::path(
    get, path = "/v1/statements", tag = "review", params(StatementOptions),
    responses(
        (status = 200, description = "One page", body = KeptStatementList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Query(options): Query<StatementOptions>,
) -> Result<Json<Page<KeptStatement>>, ApiError> {
    let state = word("state", options.state.as_deref(), StatementState::named)?;
    let (limit, before) = (length(options.limit)?, id_cursor(options.cursor.as_deref())?);
    Ok(Json(app.services.pipeline.desk().statements(&staff.tenant, state, before, limit).await?))
}

/// Statements in the form in which the database takes many at once.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementBatch {
    /// At most 100.
    #[schema(value_type = Vec<StatementView>)]
    statements: Vec<Statement>,
}

/// Export what is queued
///
/// At most 100, oldest last, as the body of the database's `POST /api/v1/statements`. Say afterwards what was taken (`POST /v1/statements/{id}/sent`).
#[utoipa::path(
    get, path = "/v1/statements/export", tag = "review", operation_id = "export_statements",
    responses(
        (status = 200, description = "The batch", body = StatementBatch),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn export(State(app): State<Shared>, staff: Seat<ToExportPeople>) -> Result<Response, ApiError> {
    let queued = Some(StatementState::Queued);
    let page = app.services.pipeline.desk().statements(&staff.tenant, queued, None, BATCH).await?;
    let statements = page.items.into_iter().filter_map(|kept| kept.statement).collect();
    let headers = [
        (header::CONTENT_DISPOSITION, "attachment; filename=\"statements.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Json(StatementBatch { statements })).into_response())
}

/// What goes out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({}))]
pub struct QueuedStatement {
    /// The draft (`GET /v1/decisions/{id}/statement`) as a person corrected it; as it is, when absent.
    #[schema(value_type = Option<StatementView>)]
    statement: Option<Statement>,
}

impl Payload for QueuedStatement {}

/// Let a statement go
///
/// It is told as the event `statement.queued`, waits in the export, and is sent by the service where `[[statements]]` says where to. Again, when the database
/// refused it.
#[utoipa::path(
    put, path = "/v1/statements/{id}", tag = "review", operation_id = "queue_statement", request_body = QueuedStatement,
    params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 200, description = "Queued", body = KeptStatementView),
        (status = 404, description = "No such decision", body = ErrorBody),
        (status = 409, description = "It restricted nothing, no longer holds, or its statement is on its way", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn queue(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(id): Path<Uuid>,
    Body(given): Body<QueuedStatement>,
) -> Result<Json<KeptStatement>, ApiError> {
    Ok(Json(app.services.pipeline.desk().queue_statement(&staff, DecisionId(id), given.statement).await?))
}

/// The database's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "remote": "4b4e1a7e-6a2f-4d1c-9f0b-1f6f6f4f2c11" }))]
pub struct SentStatement {
    /// Its id of the statement (`uuid`).
    #[schema(example = "4b4e1a7e-6a2f-4d1c-9f0b-1f6f6f4f2c11")]
    remote: String,
}

impl Payload for SentStatement {}

/// Say that a statement was sent by other means
#[utoipa::path(
    post, path = "/v1/statements/{id}/sent", tag = "review", operation_id = "settle_statement", request_body = SentStatement,
    params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 204, description = "Noted"),
        (status = 404, description = "No such statement", body = ErrorBody),
        (status = 409, description = "It was not queued", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn sent(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(id): Path<Uuid>,
    Body(given): Body<SentStatement>,
) -> Result<StatusCode, ApiError> {
    if given.remote.trim().is_empty() {
        let message = "`remote` is the id under which the database keeps the statement.";
        return Err(ApiError::invalid("statement_invalid", message).at("remote"));
    }
    app.services.pipeline.desk().settle_statement(&staff, DecisionId(id), Some(&given.remote)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Withdraw a statement that has not been sent
#[utoipa::path(
    delete, path = "/v1/statements/{id}", tag = "review", operation_id = "withdraw_statement",
    params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 204, description = "Withdrawn"),
        (status = 404, description = "No such statement", body = ErrorBody),
        (status = 409, description = "It was sent", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn withdraw(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    app.services.pipeline.desk().settle_statement(&staff, DecisionId(id), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
