//! Reports as work: where they stand, and who is believed. (`/v1/reports` itself takes them in and lists them: `routes/reports.rs`.)

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use pipeline::{
    item::ReportId,
    review::reporter::ReportState,
    store::desk::reports::{KeptReport, Reporter},
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{KeptReportView, ReporterView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload},
    seat::{Seat, ToManageReports, ToView},
};

/// Where a report goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "state": "closed", "upheld": true }))]
pub struct ReportMove {
    /// `open`, `queued`, `assigned`, `escalated`, `closed`: by the table in docs/review.md.
    #[schema(value_type = String, example = "closed")]
    state: ReportState,
    /// With `closed`: was it right? Credits the reporter.
    #[serde(default)]
    upheld: Option<bool>,
}

impl Payload for ReportMove {}

/// Move a report, or close it
#[utoipa::path(
    post, path = "/v1/reports/{id}/state", tag = "review", request_body = ReportMove, params(("id" = Uuid, Path, description = "The report")),
    responses(
        (status = 200, description = "The report after it", body = KeptReportView),
        (status = 404, description = "No such report", body = ErrorBody),
        (status = 409, description = "It cannot go there from where it is", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn move_report(
    State(app): State<Shared>,
    staff: Seat<ToManageReports>,
    Path(id): Path<Uuid>,
    Body(to): Body<ReportMove>,
) -> Result<Json<KeptReport>, ApiError> {
    Ok(Json(app.services.pipeline.desk().move_report(&staff, ReportId(id), to.state, to.upheld).await?))
}

/// Show what is known of a reporter
#[utoipa::path(
    get, path = "/v1/reporters/{actor}", tag = "review", operation_id = "show_reporter", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "The reporter", body = ReporterView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn reporter(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(actor): Path<String>,
) -> Result<Json<Reporter>, ApiError> {
    Ok(Json(app.services.pipeline.desk().reporter(&staff.tenant, &actor).await?))
}

/// How long a reporter is muted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "until": "2027-01-01T00:00:00Z" }))]
pub struct Mute {
    /// Until then their reports make no cases; `null` lifts it. Reports about intimate pictures always do.
    until: Option<DateTime<Utc>>,
}

impl Payload for Mute {}

/// Mute a reporter, or lift it
#[utoipa::path(
    put, path = "/v1/reporters/{actor}", tag = "review", operation_id = "mute_reporter", request_body = Mute, params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "The reporter after it", body = ReporterView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn mute(
    State(app): State<Shared>,
    staff: Seat<ToManageReports>,
    Path(actor): Path<String>,
    Body(mute): Body<Mute>,
) -> Result<Json<Reporter>, ApiError> {
    let desk = app.services.pipeline.desk();
    desk.mute_reporter(&staff, &actor, mute.until).await?;
    Ok(Json(desk.reporter(&staff.tenant, &actor).await?))
}
