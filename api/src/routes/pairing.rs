//! Live pairing: tickets of people who wait for a partner now.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{item::ProfileId, process::matching::Place};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::matches::MatchView;
use crate::{
    app::Shared,
    auth::{Allowed, ToProfiles, ToSearch},
    error::{ApiError, ErrorBody},
    extract::{Optional, Path, Payload, name},
};

/// Somebody waits.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "tier": 0 }))]
pub struct NewTicket {
    /// 0 for everybody; higher ones have a head start of some seconds (`pipeline.matching.head_start_seconds`).
    tier: u8,
}

impl Payload for NewTicket {}

/// Where somebody is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketView {
    /// `waiting` or `matched`.
    state: &'static str,
    /// Since when they wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    /// When the ticket ends, unless it is asked for again.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    /// Their open live match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(rename = "match")]
    r#match: Option<MatchView>,
}

impl From<Place> for TicketView {
    fn from(place: Place) -> Self {
        match place {
            Place::Waiting(ticket) => {
                Self { state: "waiting", since: Some(ticket.since), until: Some(ticket.until), r#match: None }
            }
            Place::Matched(made) => {
                Self { state: "matched", since: None, until: None, r#match: Some(MatchView::from(*made)) }
            }
        }
    }
}

/// Wait for a partner
///
/// Call it again before `until` to go on waiting: the place in the queue stays. People are paired once a second; the events `match.created`
/// tell of it. Who is in an open live match gets that. The body may be left out.
#[utoipa::path(
    put, path = "/v1/pairing/{person}", tag = "matching", request_body(content = Option<NewTicket>, example = json!({ "tier": 0 })),
    params(("person" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "Waiting, or matched", body = TicketView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = 409, description = "In a call, or kept out by moderation", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn wait(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(person): Path<String>,
    Optional(new): Optional<NewTicket>,
) -> Result<Json<TicketView>, ApiError> {
    name("person", &person)?;
    Ok(Json(app.services.pipeline.wait(&caller.tenant, &ProfileId(person), new.tier).await?.into()))
}

/// Does somebody wait?
#[utoipa::path(
    get, path = "/v1/pairing/{person}", tag = "matching",
    params(("person" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "Waiting, or matched", body = TicketView),
        (status = 404, description = "Neither", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn place(
    State(app): State<Shared>,
    caller: Allowed<ToSearch>,
    Path(person): Path<String>,
) -> Result<Json<TicketView>, ApiError> {
    name("person", &person)?;
    Ok(Json(app.services.pipeline.place(&caller.tenant, &ProfileId(person)).await?.into()))
}

/// Wait no more
///
/// An open match stays: end it by `POST /v1/matches/{id}/end`.
#[utoipa::path(
    delete, path = "/v1/pairing/{person}", tag = "matching",
    params(("person" = String, Path, description = "Your id of the person")),
    responses(
        (status = 204, description = "Does not wait (any more)"),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn leave(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(person): Path<String>,
) -> Result<StatusCode, ApiError> {
    name("person", &person)?;
    app.services.pipeline.leave(&caller.tenant, &ProfileId(person)).await?;
    Ok(StatusCode::NO_CONTENT)
}
