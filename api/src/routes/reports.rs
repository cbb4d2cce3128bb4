//! `/v1/reports`: one person tells of another. They are kept, told as events, and brought before a reviewer as cases.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{
    clock::clamp_occurred,
    item::{ActorId, CallId, ConversationId, ItemId, ReportId},
    report::Report,
    review::reporter::ReportState,
    store::{
        Recorded,
        desk::{
            Page,
            reports::{KeptReport, ReportFilter},
        },
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    routes::desk::{length, views::KeptReportList, word},
    seat::{Seat, ToView},
};

/// What somebody reports.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reporter": "ann", "subject": "bob", "reason": "harassment", "call": "call-17" }))]
pub struct NewReport {
    /// Names the report for ever: sent again, it changes nothing. Made by us when absent.
    #[schema(value_type = Option<Uuid>)]
    id: Option<ReportId>,
    /// Who tells.
    #[schema(value_type = String, example = "ann")]
    reporter: ActorId,
    /// Of whom.
    #[schema(value_type = String, example = "bob")]
    subject: ActorId,
    /// Your code of the reason: 1 to 64 of `a-z`, `0-9`, `_`, `.`, `-`.
    #[schema(example = "harassment")]
    reason: String,
    /// Which item it is about.
    #[schema(value_type = Option<Uuid>)]
    item: Option<ItemId>,
    /// Which message it is about, by your id (`message` of the item): the version that stood when the report was made is kept as evidence. `item`
    /// names a version itself.
    message: Option<String>,
    /// Where it happened.
    #[schema(value_type = Option<String>)]
    conversation: Option<ConversationId>,
    /// In which call it happened.
    #[schema(value_type = Option<String>)]
    call: Option<CallId>,
    /// The reporter's own words, up to 4000 bytes. Kept for reviewers; in no event and no log.
    note: Option<String>,
    /// When it was made; now, when absent.
    at: Option<DateTime<Utc>>,
}

impl Payload for NewReport {}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// Its id.
    id: Uuid,
    /// Who tells.
    reporter: String,
    /// Of whom.
    subject: String,
    /// Your code of the reason.
    reason: String,
    /// Which item it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Uuid>,
    /// Which message it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Where it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    /// In which call it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    /// The reporter's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// When it was made.
    at: DateTime<Utc>,
}

/// Submit a report
///
/// Kept, and told as the event `report.submitted`. The same id again changes nothing; the same id with other content is a conflict.
#[utoipa::path(
    post, path = "/v1/reports", tag = "reports", request_body = NewReport,
    responses(
        (status = 201, description = "Kept", body = ReportView),
        (status = 200, description = "It was known already", body = ReportView),
        (status = 409, description = "The id belongs to another report", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn submit(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Body(new): Body<NewReport>,
) -> Result<(StatusCode, Json<ReportView>), ApiError> {
    let report = Report {
        id: new.id.unwrap_or_else(ReportId::new),
        tenant: caller.tenant.clone(),
        reporter: new.reporter,
        subject: new.subject,
        conversation: new.conversation,
        call: new.call,
        item: new.item,
        message: new.message,
        reason: new.reason,
        note: new.note,
        at: clamp_occurred(new.at, app.services.clock.now()),
    };
    let (report, recorded) = app.services.pipeline.take_report(report).await?;
    let status = if recorded == Recorded::New { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(report.into())))
}

/// Which reports.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ReportOptions {
    /// `open`, `queued`, `assigned`, `escalated`, `closed`.
    state: Option<String>,
    /// About this person.
    subject: Option<String>,
    /// By this person.
    reporter: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// List reports, newest first
#[utoipa::path(
    get, path = "/v1/reports", tag = "reports", params(ReportOptions),
    responses(
        (status = 200, description = "One page", body = KeptReportList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Query(options): Query<ReportOptions>,
) -> Result<Json<Page<KeptReport>>, ApiError> {
    let state = word("state", options.state.as_deref(), ReportState::named)?;
    let filter = ReportFilter { state, subject: options.subject, reporter: options.reporter };
    let limit = length(options.limit)?;
    Ok(Json(app.services.pipeline.desk().reports(&staff.tenant, filter, options.cursor, limit).await?))
}

/// Show one report
#[utoipa::path(
    get, path = "/v1/reports/{id}", tag = "reports", params(("id" = Uuid, Path, description = "The report's id")),
    responses(
        (status = 200, description = "The report", body = ReportView),
        (status = 404, description = "No such report", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<Uuid>,
) -> Result<Json<ReportView>, ApiError> {
    let report = app.services.store.load_report(&caller.tenant, ReportId(id)).await?;
    Ok(Json(report.ok_or_else(|| ApiError::not_found("report", id))?.into()))
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            id: report.id.0,
            reporter: report.reporter.0,
            subject: report.subject.0,
            reason: report.reason,
            item: report.item.map(|id| id.0),
            message: report.message,
            conversation: report.conversation.map(|id| id.0),
            call: report.call.map(|id| id.0),
            note: report.note,
            at: report.at,
        }
    }
}
