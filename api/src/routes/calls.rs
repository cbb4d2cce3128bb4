//! Calls are sessions: start, join, leave, end.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::{
    item::{ActorId, CallId, TenantId},
    process::calls::ChangedCall,
    stream::call::{Call, Participant, ParticipantState},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query, name},
};

/// Calls of one page when the caller does not say.
const PAGE: usize = 50;
/// Most calls of one page.
const MAX_PAGE: usize = 500;
/// Open calls that a list can reach.
const MAX_LISTED: usize = 10_000;

/// A call that starts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "id": "call-17", "participants": ["ann", "bob"] }))]
pub struct NewCall {
    /// Your id of the call.
    #[schema(value_type = String, example = "call-17")]
    id: CallId,
    /// Who is in it from the beginning.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    participants: Vec<ActorId>,
}

impl Payload for NewCall {}

/// Somebody who joins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "actor": "cid" }))]
pub struct NewParticipant {
    /// Who.
    #[schema(value_type = String, example = "ann")]
    actor: ActorId,
}

impl Payload for NewParticipant {}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallView {
    /// Your id of it.
    id: String,
    /// When it began.
    started_at: DateTime<Utc>,
    /// Set once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    /// In order of first join.
    participants: Vec<ParticipantView>,
}

/// Somebody in a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipantView {
    /// Who.
    actor: String,
    /// First join.
    joined_at: DateTime<Utc>,
    /// Set while out of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_at: Option<DateTime<Utc>>,
    /// What the frames led to; only where one call is shown, and not before the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<StateView>,
}

/// What is remembered of a participant.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateView {
    /// Ladder name to number of violations in the window that ends at the latest violation.
    violations: BTreeMap<String, usize>,
    /// When the latest of them was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_violation_at: Option<DateTime<Utc>>,
    /// Set once the participant was disconnected.
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnected_at: Option<DateTime<Utc>>,
    /// Frames judged.
    frames: u64,
}

/// Open calls, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallPage {
    /// This page.
    calls: Vec<CallView>,
    /// Send it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PageOptions {
    /// Calls of this page, 1 to 500; 50 when absent.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Start a call
///
/// The same call again, while it runs and with the same participants, is answered with 200 and changes nothing.
#[utoipa::path(
    post, path = "/v1/calls", tag = "calls", request_body = NewCall,
    responses(
        (status = 201, description = "Started", body = CallView),
        (status = 200, description = "It was running already", body = CallView),
        (status = 409, description = "Another call has this id", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn start(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Body(new): Body<NewCall>,
) -> Result<(StatusCode, Json<CallView>), ApiError> {
    name("id", new.id.as_str())?;
    let started = app.services.pipeline.start_call(&caller.tenant, new.id, new.participants).await;
    let ChangedCall { call, changes } = started.map_err(|error| {
        let error = ApiError::from(error);
        match error.code() {
            "call_exists" => error.at("id"),
            code if code.starts_with("name_") => error.at("participants"),
            _ => error,
        }
    })?;
    let status = if changes.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(call.into())))
}

/// List open calls
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/calls", tag = "calls", params(PageOptions),
    responses(
        (status = 200, description = "One page", body = CallPage),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Query(options): Query<PageOptions>,
) -> Result<Json<CallPage>, ApiError> {
    let limit = options.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(
            ApiError::invalid("limit_out_of_range", format!("`limit` is {limit}: send 1 to {MAX_PAGE}.")).at("limit")
        );
    }
    let after = options.cursor.as_deref().map(parse_cursor).transpose()?;
    let reach = if after.is_some() { MAX_LISTED } else { limit + 1 };
    let calls = app.services.store.open_calls(&caller.tenant, reach).await?;
    let mut calls: Vec<Call> = match after {
        Some(after) => calls.into_iter().filter(|call| order(call) < (after.0, after.1.as_str())).collect(),
        None => calls,
    };
    let next_cursor = (calls.len() > limit).then(|| cursor(&calls[limit - 1]));
    calls.truncate(limit);
    Ok(Json(CallPage { calls: calls.into_iter().map(CallView::from).collect(), next_cursor }))
}

/// Show one call
///
/// With the state of every participant.
#[utoipa::path(
    get, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 404, description = "No such call", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<String>,
) -> Result<Json<CallView>, ApiError> {
    let call = load(&app, &caller.tenant, &CallId(id)).await?;
    let id = call.id.clone();
    let mut view = CallView::from(call);
    for participant in &mut view.participants {
        let actor = ActorId(participant.actor.clone());
        let state = app.services.store.load_participant(&caller.tenant, &id, &actor).await?;
        participant.state = state.map(|(state, _)| StateView::from(state));
    }
    Ok(Json(view))
}

/// Join a call
///
/// Joining twice changes nothing; whoever comes back after a disconnect starts with a clean ladder.
#[utoipa::path(
    post, path = "/v1/calls/{id}/participants", tag = "calls", request_body = NewParticipant,
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 404, description = "No such call", body = ErrorBody),
        (status = 409, description = "The call has ended, or is full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn join(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<String>,
    Body(new): Body<NewParticipant>,
) -> Result<Json<CallView>, ApiError> {
    name("actor", new.actor.as_str())?;
    let joined = app.services.pipeline.join_call(&caller.tenant, &named(id)?, &new.actor).await?;
    Ok(Json(joined.call.into()))
}

/// Leave a call
///
/// The call goes on, even when empty, until it is ended.
#[utoipa::path(
    delete, path = "/v1/calls/{id}/participants/{actor}", tag = "calls",
    params(("id" = String, Path, description = "The call's id"), ("actor" = String, Path, description = "Who leaves")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 404, description = "No such call, or nobody of this name in it", body = ErrorBody),
        (status = 409, description = "The call has ended", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn leave(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path((id, actor)): Path<(String, String)>,
) -> Result<Json<CallView>, ApiError> {
    let left = app.services.pipeline.leave_call(&caller.tenant, &named(id)?, &ActorId(actor)).await?;
    Ok(Json(left.call.into()))
}

/// End a call
///
/// For everybody. Ending an ended call changes nothing.
#[utoipa::path(
    post, path = "/v1/calls/{id}/end", tag = "calls",
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "The call", body = CallView),
        (status = 404, description = "No such call", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn end(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<String>,
) -> Result<Json<CallView>, ApiError> {
    let ended = app.services.pipeline.end_call(&caller.tenant, &named(id)?).await?;
    Ok(Json(ended.call.into()))
}

/// A call's id out of the path.
fn named(id: String) -> Result<CallId, ApiError> {
    name("call", &id)?;
    Ok(CallId(id))
}

/// One call, or 404.
pub(super) async fn load(app: &App, tenant: &TenantId, id: &CallId) -> Result<Call, ApiError> {
    name("call", id.as_str())?;
    app.services.store.load_call(tenant, id).await?.ok_or_else(|| ApiError::not_found("call", id))
}

/// Newest first, then by id: the order of `Store::open_calls`.
fn order(call: &Call) -> (DateTime<Utc>, &str) {
    (call.started_at, call.id.as_str())
}

fn cursor(call: &Call) -> String {
    hex::encode(format!("{} {}", call.started_at.to_rfc3339_opts(SecondsFormat::Nanos, true), call.id))
}

fn parse_cursor(text: &str) -> Result<(DateTime<Utc>, String), ApiError> {
    let parsed = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| {
        let (at, id) = text.split_once(' ')?;
        Some((at.parse().ok()?, id.to_owned()))
    });
    parsed.ok_or_else(|| {
        ApiError::invalid("cursor_invalid", "`cursor` is not one of ours: send `next_cursor` of the page before.")
            .at("cursor")
    })
}

impl From<Call> for CallView {
    fn from(call: Call) -> Self {
        let participants = call.participants.into_iter().map(ParticipantView::from).collect();
        Self { id: call.id.0, started_at: call.started_at, ended_at: call.ended_at, participants }
    }
}

impl From<Participant> for ParticipantView {
    fn from(participant: Participant) -> Self {
        Self { actor: participant.actor.0, joined_at: participant.joined_at, left_at: participant.left_at, state: None }
    }
}

impl From<ParticipantState> for StateView {
    fn from(state: ParticipantState) -> Self {
        Self {
            last_violation_at: state.violations.values().filter_map(|times| times.last().copied()).max(),
            violations: state.violations.into_iter().map(|(ladder, times)| (ladder, times.len())).collect(),
            disconnected_at: state.disconnected_at,
            frames: state.frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_that_it_was_made_of() {
        let at = DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
        let call = Call { id: "room/ü.1".into(), started_at: at, ended_at: None, participants: vec![] };
        let (back, id) = parse_cursor(&cursor(&call)).unwrap();
        assert_eq!((back, id.as_str()), order(&call));
        for wrong in ["", "x", "00", "zz", &hex::encode("1 a"), &hex::encode("2026-01-02T03:04:05Z")] {
            assert_eq!(parse_cursor(wrong).unwrap_err().code(), "cursor_invalid", "{wrong}");
        }
    }
}
