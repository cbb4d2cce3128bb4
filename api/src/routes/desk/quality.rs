//! `/v1/review/quality`: agreement, and cases whose answer is known.

use axum::{Json, extract::State, http::StatusCode};
use chrono::TimeDelta;
use pipeline::{
    item::CaseId,
    review::decision::Ruling,
    store::desk::quality::{Golden, Quality},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::views::{GoldenView, QualityView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Seat, ToViewQuality},
};

/// Over which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct QualityOptions {
    /// Days back: 1 to 366; 30, when absent.
    days: Option<u16>,
}

/// Show how well people judge
#[utoipa::path(
    get, path = "/v1/review/quality", tag = "review", params(QualityOptions),
    responses(
        (status = 200, description = "The figures", body = QualityView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    staff: Seat<ToViewQuality>,
    Query(options): Query<QualityOptions>,
) -> Result<Json<Quality>, ApiError> {
    let days = options.days.unwrap_or(30).clamp(1, 366);
    let desk = app.services.pipeline.desk();
    Ok(Json(desk.quality(&staff.tenant, desk.now() - TimeDelta::days(i64::from(days))).await?))
}

/// List cases whose answer is known
#[utoipa::path(
    get, path = "/v1/review/golden", tag = "review", operation_id = "list_golden",
    responses(
        (status = 200, description = "The cases", body = Vec<GoldenView>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn golden(State(app): State<Shared>, staff: Seat<ToViewQuality>) -> Result<Json<Vec<Golden>>, ApiError> {
    Ok(Json(app.services.pipeline.desk().golden(&staff.tenant).await?))
}

/// The known answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "expected": "uphold", "note": "A plain threat." }))]
pub struct NewGolden {
    /// `uphold`, `dismiss` or `act`.
    #[schema(value_type = String, example = "uphold")]
    expected: Ruling,
    /// Why: for whoever gets it wrong.
    #[serde(default)]
    note: String,
}

impl Payload for NewGolden {}

/// Make a decided case one whose answer is known
#[utoipa::path(
    put, path = "/v1/review/golden/{id}", tag = "review", request_body = NewGolden, params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "Kept", body = GoldenView),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = 409, description = "It is not decided", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put_golden(
    State(app): State<Shared>,
    staff: Seat<ToViewQuality>,
    Path(id): Path<Uuid>,
    Body(new): Body<NewGolden>,
) -> Result<Json<Golden>, ApiError> {
    Ok(Json(app.services.pipeline.desk().put_golden(&staff, CaseId(id), new.expected, &new.note).await?))
}

/// Take a case out of those whose answer is known
#[utoipa::path(
    delete, path = "/v1/review/golden/{id}", tag = "review", params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 204, description = "Taken out"),
        (status = 404, description = "It was none", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn remove_golden(
    State(app): State<Shared>,
    staff: Seat<ToViewQuality>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    app.services.pipeline.desk().remove_golden(&staff, CaseId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
