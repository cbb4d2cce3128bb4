//! Deciding, the record of decisions, taking one back, and what a law wants to be told of it.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{
    action::ActionKind,
    item::{CaseId, DecisionId},
    review::{
        decision::{Decision, DecisionDraft, Ruling},
        staff::Permission,
        statement::Statement,
    },
    store::desk::{
        Page,
        decide::{Decided, DecisionFilter},
    },
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    id_cursor, length,
    views::{DecidedView, DecisionList, DecisionView, StatementView},
    word,
};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Seat, ToDecide, ToExportPeople, ToView},
};

/// What is decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "key": "0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10", "ruling": "act", "action": "suspend", "seconds": 86400, "rule": "threat", "reason": "No threats.", "seen": 3 }))]
pub struct NewDecision {
    /// A new UUID for each decision: sent again, it changes nothing.
    #[schema(example = "0198f3a0-5a41-7cc1-9a3e-5d0c2b7e9f10")]
    key: String,
    /// `uphold`: it was a violation, and what was done is enough; `dismiss`: it was none, undo what was done; `act`: do this. Of an appeal, `uphold`
    /// lets the decision stand, the others overturn it.
    #[schema(value_type = String, example = "act")]
    ruling: Ruling,
    /// What is done: `warn`, `blur`, `mute`, `remove`, `disconnect`, `suspend`, `ban`. Only with `act`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "suspend")]
    action: Option<ActionKind>,
    /// For how long, in seconds; for ever, when absent.
    #[serde(default)]
    #[schema(example = 86400)]
    seconds: Option<u64>,
    /// The rule that was broken.
    #[serde(default)]
    rule: Option<String>,
    /// One sentence for the person concerned.
    #[serde(default)]
    reason: Option<String>,
    /// For colleagues only.
    #[serde(default)]
    note: Option<String>,
    /// `version` of the case that you looked at: refused with `case_changed` when it has more evidence by now.
    #[serde(default)]
    seen: Option<i64>,
    /// Seconds that you looked at it.
    #[serde(default)]
    looked_seconds: u32,
    /// Also close every open report of this person in the same way.
    #[serde(default)]
    all_reports: bool,
    /// With the action `remove`: also remove the copies of its pictures (`GET /v1/cases/{id}/copies`), whoever showed them.
    #[serde(default)]
    copies: bool,
}

impl Payload for NewDecision {}

impl From<NewDecision> for DecisionDraft {
    fn from(new: NewDecision) -> Self {
        let NewDecision { key, ruling, action, seconds, rule, reason, note, seen, looked_seconds, all_reports, copies } =
            new;
        Self { key, ruling, action, seconds, rule, reason, note, seen, looked_seconds, all_reports, copies }
    }
}

/// Decide a case that you have
#[utoipa::path(
    post, path = "/v1/cases/{id}/decision", tag = "review", operation_id = "decide_case", request_body = NewDecision, params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 201, description = "Decided", body = DecidedView),
        (status = 200, description = "This key had decided before", body = DecidedView),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = 409, description = "You do not have it, it changed, or it is decided", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn decide(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(id): Path<Uuid>,
    Body(new): Body<NewDecision>,
) -> Result<(StatusCode, Json<Decided>), ApiError> {
    let mut decided = app.services.pipeline.decide_case(&staff, CaseId(id), new.into()).await?;
    if !staff.role.may(Permission::ViewQuality) {
        decided.case = decided.case.disguised();
        if matches!(decided.decision.source.as_str(), "golden" | "second") {
            decided.decision.source = "rule".into();
        }
    }
    Ok((if decided.fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(decided)))
}

/// Which decisions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DecisionOptions {
    /// About this case.
    case: Option<Uuid>,
    /// About this person.
    subject: Option<String>,
    /// By this member of staff; `me` is yourself.
    reviewer: Option<String>,
    /// `uphold`, `dismiss`, `act`.
    ruling: Option<String>,
    /// Not before.
    from: Option<DateTime<Utc>>,
    /// Before.
    to: Option<DateTime<Utc>>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// List decisions, newest first
#[utoipa::path(
    get, path = "/v1/decisions", tag = "review", params(DecisionOptions),
    responses(
        (status = 200, description = "One page", body = DecisionList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Query(options): Query<DecisionOptions>,
) -> Result<Json<Page<Decision>>, ApiError> {
    let filter = DecisionFilter {
        case: options.case.map(CaseId),
        subject: options.subject,
        reviewer: options.reviewer.map(|name| if name == "me" { staff.name.clone() } else { name }),
        ruling: word("ruling", options.ruling.as_deref(), Ruling::named)?,
        from: options.from,
        to: options.to,
    };
    let (limit, before) = (length(options.limit)?, id_cursor(options.cursor.as_deref())?);
    let measured = staff.role.may(Permission::ViewQuality);
    Ok(Json(app.services.pipeline.desk().decisions(&staff.tenant, filter, measured, before, limit).await?))
}

/// Show one decision
#[utoipa::path(
    get, path = "/v1/decisions/{id}", tag = "review", params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 200, description = "The decision", body = DecisionView),
        (status = 404, description = "No such decision", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(id): Path<Uuid>,
) -> Result<Json<Decision>, ApiError> {
    Ok(Json(app.services.pipeline.desk().decision(&staff.tenant, DecisionId(id)).await?))
}

/// Take a decision back
///
/// What it did is undone and its case waits again. Your own within 15 minutes; leads can take back any.
#[utoipa::path(
    post, path = "/v1/decisions/{id}/undo", tag = "review", params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 200, description = "Taken back", body = DecisionView),
        (status = 404, description = "No such decision", body = ErrorBody),
        (status = 409, description = "It no longer holds, or the time is over", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn undo(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(id): Path<Uuid>,
) -> Result<Json<Decision>, ApiError> {
    Ok(Json(app.services.pipeline.desk().take_back(&staff, DecisionId(id)).await?))
}

/// Draft the EU's statement of reasons for a decision
///
/// Names and values are those of the Commission's transparency database. A person reads it before it is sent. 409 when the decision restricted
/// nothing.
#[utoipa::path(
    get, path = "/v1/decisions/{id}/statement", tag = "review", params(("id" = Uuid, Path, description = "The decision")),
    responses(
        (status = 200, description = "The draft", body = StatementView),
        (status = 404, description = "No such decision", body = ErrorBody),
        (status = 409, description = "It restricted nothing", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn statement(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(id): Path<Uuid>,
) -> Result<Json<Statement>, ApiError> {
    Ok(Json(app.services.pipeline.desk().statement(&staff.tenant, DecisionId(id)).await?))
}
