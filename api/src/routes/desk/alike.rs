//! `/v1/cases/{id}/similar`: how others decided what is like it.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use pipeline::{
    item::CaseId,
    process::alike::AlikeCase,
    review::staff::{Permission, Role},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{CaseView, DecisionView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::Path,
    seat::{Seat, ToView},
};

/// Cases that are told.
const TOLD: usize = 5;

/// A case like another.
#[derive(Serialize, ToSchema)]
pub struct SimilarCase {
    /// The case.
    #[schema(value_type = CaseView)]
    case: pipeline::review::case::Case,
    /// The text in it that is alike.
    text: String,
    /// How much: cosine of the embeddings, -1 to 1.
    score: f32,
    /// What was decided; absent while it waits.
    #[schema(value_type = Option<DecisionView>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<pipeline::review::decision::Decision>,
}

/// Find cases like this one
///
/// Cases about others whose texts share words with it, the nearest in meaning first, with what was decided. None for cases without a text. Reviewers are
/// not shown those that were handed up.
#[utoipa::path(
    get, path = "/v1/cases/{id}/similar", tag = "review", operation_id = "similar_cases", params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "At most five", body = Vec<SimilarCase>),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn similar(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let found = app.services.pipeline.cases_like(&staff.tenant, CaseId(id), TOLD).await?;
    let hidden = |case: &pipeline::review::case::Case| {
        staff.role == Role::Reviewer && case.escalated && case.assignee.as_deref() != Some(&staff.name)
    };
    let sees_measured = staff.role.may(Permission::ViewQuality);
    let told: Vec<SimilarCase> = found
        .into_iter()
        .filter(|alike| !hidden(&alike.case) && (sees_measured || alike.case.source.acts()))
        .map(|AlikeCase { case, text, score, decision }| SimilarCase { case, text, score, decision })
        .collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}
