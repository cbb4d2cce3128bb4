//! Calls are sessions: start, join, leave, end.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, SecondsFormat, Utc};
use pipeline::{
    PipelineError,
    item::{ActorId, CallId, TenantId},
    store::Event,
    stream::call::{Call, Participant, ParticipantState},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::MutexGuard;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

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
    new.participants.iter().try_for_each(|actor| name("participants", actor.as_str()))?;
    let now = app.services.clock.now();
    let call = Call::start(new.id, now, new.participants)?;
    let _turn = turn(&app, &caller.tenant, &call.id).await;
    if let Some(known) = app.services.store.load_call(&caller.tenant, &call.id).await? {
        let same = known.ended_at.is_none() && actors(&known) == actors(&call);
        return if same { Ok((StatusCode::OK, Json(known.into()))) } else { Err(exists(&known)) };
    }
    let participants: Vec<_> = actors(&call);
    let event = event("call.started", &caller.tenant, now, json!({ "call": call.id, "participants": participants }));
    save(&app, &caller.tenant, &call, event).await?;
    Ok((StatusCode::CREATED, Json(call.into())))
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
    let actor = new.actor.clone();
    change(&app, &caller.tenant, id, "call.joined", Some(&actor), |call, now| call.join(new.actor, now)).await
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
    let actor = ActorId(actor);
    change(&app, &caller.tenant, id, "call.left", Some(&actor), |call, now| call.leave(&actor, now)).await
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
    change(&app, &caller.tenant, id, "call.ended", None, |call, now| Ok(call.end(now))).await
}

/// Reads a call, changes it, writes it with the event that tells of it. A change that changes nothing is not told.
async fn change(
    app: &App,
    tenant: &TenantId,
    id: String,
    kind: &str,
    actor: Option<&ActorId>,
    step: impl FnOnce(Call, DateTime<Utc>) -> Result<Call, PipelineError>,
) -> Result<Json<CallView>, ApiError> {
    let id = CallId(id);
    let _turn = turn(app, tenant, &id).await;
    let before = load(app, tenant, &id).await?;
    let now = app.services.clock.now();
    let after = step(before.clone(), now)?;
    if after != before {
        let data = actor.map_or_else(|| json!({ "call": id }), |actor| json!({ "call": id, "actor": actor }));
        save(app, tenant, &after, event(kind, tenant, now, data)).await?;
    }
    Ok(Json(after.into()))
}

/// One call, or 404.
pub(super) async fn load(app: &App, tenant: &TenantId, id: &CallId) -> Result<Call, ApiError> {
    name("call", id.as_str())?;
    app.services.store.load_call(tenant, id).await?.ok_or_else(|| ApiError::not_found("call", id))
}

async fn save(app: &App, tenant: &TenantId, call: &Call, event: Event) -> Result<(), ApiError> {
    let wanting = app.services.config.webhooks.iter().filter(|webhook| webhook.wants(&event.kind));
    let webhooks = wanting.map(|webhook| (0, webhook.name.clone())).collect();
    Ok(app.services.store.put_call(tenant, call, vec![event], webhooks).await?)
}

fn event(kind: &str, tenant: &TenantId, at: DateTime<Utc>, data: serde_json::Value) -> Event {
    Event { sequence: 0, kind: kind.to_owned(), tenant: tenant.clone(), key: Uuid::now_v7().to_string(), at, data }
}

/// Waits until nobody else changes this call.
async fn turn<'a>(app: &'a App, tenant: &TenantId, id: &CallId) -> MutexGuard<'a, ()> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((tenant, id));
    let index = (hash % app.call_locks.len() as u64) as usize;
    app.call_locks[index].lock().await
}

fn actors(call: &Call) -> Vec<&ActorId> {
    call.participants.iter().map(|participant| &participant.actor).collect()
}

fn exists(call: &Call) -> ApiError {
    let state = if call.ended_at.is_some() { "has ended" } else { "runs with other participants" };
    ApiError::conflict(
        "call_exists",
        format!("The call `{}` {state}: give every call its own id, and join it to add people.", call.id),
    )
    .at("id")
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
