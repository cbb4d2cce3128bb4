//! `/v1/people`: what is kept about somebody; export, erasure with a receipt, preservation holds.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pipeline::{
    item::check_name,
    review::{case::Case, decision::Decision, staff::Permission},
    store::desk::{
        decide::DecisionFilter,
        people::{Hold, Receipt},
        reports::Reporter,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{CaseView, DecisionView, HoldView, ReceiptView, ReporterView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload},
    seat::{Seat, ToErasePeople, ToExportPeople, ToView},
};

/// Cases and decisions on a person's card.
const HISTORY: usize = 50;

/// What is known about somebody.
#[derive(Serialize, ToSchema)]
pub struct PersonCard {
    /// Who.
    actor: String,
    /// Cases, newest first.
    #[schema(value_type = Vec<CaseView>)]
    cases: Vec<Case>,
    /// Decisions, newest first.
    #[schema(value_type = Vec<DecisionView>)]
    decisions: Vec<Decision>,
    /// As a reporter.
    #[schema(value_type = ReporterView)]
    reporter: Reporter,
    /// Nothing of this person is deleted.
    #[schema(value_type = Option<HoldView>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// Are they connected now? `null`: nothing is known.
    connected: Option<bool>,
}

/// Show a person
#[utoipa::path(
    get, path = "/v1/people/{actor}", tag = "review", operation_id = "show_person", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "The person", body = PersonCard),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn card(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(actor): Path<String>,
) -> Result<Json<PersonCard>, ApiError> {
    check_name("actor", &actor)?;
    let desk = app.services.pipeline.desk();
    let filter = DecisionFilter { subject: Some(actor.clone()), ..DecisionFilter::default() };
    let name = actor.as_str().into();
    let (cases, decisions, reporter, hold, presence) = tokio::try_join!(
        desk.cases_of(&staff.tenant, &actor, HISTORY),
        desk.decisions(&staff.tenant, filter, false, None, HISTORY),
        desk.reporter(&staff.tenant, &actor),
        desk.held(&staff.tenant, &actor),
        app.services.store.load_presence(&staff.tenant, &name),
    )?;
    let all = staff.role.may(Permission::ViewQuality);
    let cases = cases.into_iter().filter(|case| all || case.source.acts()).collect();
    let connected = presence.map(|(connected, _)| connected);
    Ok(Json(PersonCard { actor, cases, decisions: decisions.items, reporter, hold, connected }))
}

/// Export a person
///
/// Everything that is kept about them, as one document: items, evidence, decisions, reports, appeals, messages.
#[utoipa::path(
    get, path = "/v1/people/{actor}/export", tag = "review", operation_id = "export_person", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "The document", body = Value),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn export(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(actor): Path<String>,
) -> Result<Response, ApiError> {
    check_name("actor", &actor)?;
    let mut document: Value = app.services.pipeline.desk().export_person(&staff, &actor).await?;
    let profile = app.services.store.load_profile(&staff.tenant, &actor.as_str().into()).await?;
    document["profile"] = match profile {
        Some(profile) => serde_json::json!({
            "interests": profile.interests, "bio": profile.bio, "attributes": profile.attributes, "updated_at": profile.updated_at,
        }),
        None => Value::Null,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response())
}

/// Erase a person
///
/// Content, pictures, messages, profile and vector go; what has to stay for the record becomes nameless. A preservation hold refuses it.
#[utoipa::path(
    delete, path = "/v1/people/{actor}", tag = "review", operation_id = "erase_person", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 200, description = "The receipt", body = ReceiptView),
        (status = 409, description = "The person is held", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn erase(
    State(app): State<Shared>,
    staff: Seat<ToErasePeople>,
    Path(actor): Path<String>,
) -> Result<Json<Receipt>, ApiError> {
    check_name("actor", &actor)?;
    Ok(Json(app.services.pipeline.erase_person(&staff, &actor).await?))
}

/// Why somebody is held.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "Order 4 K 17/26" }))]
pub struct NewHold {
    /// A file number.
    #[schema(example = "Order 4 K 17/26")]
    reason: String,
}

impl Payload for NewHold {}

/// Hold a person
///
/// From now on nothing of them is deleted: no erasure, no retention, until the hold is lifted.
#[utoipa::path(
    put, path = "/v1/people/{actor}/hold", tag = "review", operation_id = "hold_person", request_body = NewHold, params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 204, description = "Held"),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn hold(
    State(app): State<Shared>,
    staff: Seat<ToErasePeople>,
    Path(actor): Path<String>,
    Body(new): Body<NewHold>,
) -> Result<StatusCode, ApiError> {
    check_name("actor", &actor)?;
    app.services.pipeline.desk().hold(&staff, &actor, Some(&new.reason)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lift a hold
#[utoipa::path(
    delete, path = "/v1/people/{actor}/hold", tag = "review", operation_id = "release_person", params(("actor" = String, Path, description = "Who")),
    responses(
        (status = 204, description = "Lifted"),
        (status = 404, description = "They were not held", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn release(
    State(app): State<Shared>,
    staff: Seat<ToErasePeople>,
    Path(actor): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.services.pipeline.desk().hold(&staff, &actor, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show a receipt of an erasure
#[utoipa::path(
    get, path = "/v1/receipts/{id}", tag = "review", operation_id = "show_receipt", params(("id" = Uuid, Path, description = "The receipt")),
    responses(
        (status = 200, description = "The receipt", body = ReceiptView),
        (status = 404, description = "No such receipt", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn receipt(
    State(app): State<Shared>,
    staff: Seat<ToExportPeople>,
    Path(id): Path<Uuid>,
) -> Result<Json<Receipt>, ApiError> {
    Ok(Json(app.services.pipeline.desk().receipt(&staff.tenant, id).await?))
}
