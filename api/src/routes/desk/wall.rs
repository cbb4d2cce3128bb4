//! The live wall: running calls by risk, and acting on somebody by hand.

use axum::{Json, extract::State, http::StatusCode};
use pipeline::{
    action::{Action, ActionKind},
    item::{ActorId, CallId},
    process::review::{ActionByHand, WallCall},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::WallCallView;
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Payload},
    seat::{Seat, ToActLive, ToView},
};

/// Show running calls, the riskiest first
#[utoipa::path(
    get, path = "/v1/review/calls", tag = "review", operation_id = "list_live_calls",
    responses(
        (status = 200, description = "The calls", body = Vec<WallCallView>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn calls(State(app): State<Shared>, staff: Seat<ToView>) -> Result<Json<Vec<WallCall>>, ApiError> {
    Ok(Json(app.services.pipeline.wall(&staff.tenant).await?))
}

/// What is done to somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "call": "call-17", "actor": "ann", "action": "blur", "seconds": 60, "reason": "Nudity is not allowed in calls." }))]
pub struct NewAction {
    /// In which call; on the person everywhere, when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "call-17")]
    call: Option<CallId>,
    /// To whom.
    #[schema(value_type = String, example = "ann")]
    actor: ActorId,
    /// `warn`, `blur`, `mute`, `disconnect`, `suspend`, `ban`.
    #[schema(value_type = String, example = "blur")]
    action: ActionKind,
    /// For how long, in seconds; for ever, when absent.
    #[serde(default)]
    seconds: Option<u64>,
    /// One sentence for the person concerned.
    #[schema(example = "Nudity is not allowed in calls.")]
    reason: String,
}

impl Payload for NewAction {}

/// What was done.
#[derive(Serialize, ToSchema)]
pub struct ActionTaken {
    /// The action's id: the key of its event.
    id: Uuid,
    /// To whom.
    actor: String,
    /// What.
    #[schema(value_type = String)]
    action: ActionKind,
}

impl From<Action> for ActionTaken {
    fn from(action: Action) -> Self {
        let actor = action.subject.actor.map(|actor| actor.0).unwrap_or_default();
        Self { id: action.id.0, actor, action: action.kind }
    }
}

/// Act on somebody by hand
///
/// Goes out as `moderation.action`, like what a policy decides.
#[utoipa::path(
    post, path = "/v1/review/actions", tag = "review", operation_id = "act_in_call", request_body = NewAction,
    responses(
        (status = 201, description = "Told to the platform", body = ActionTaken),
        (status = 404, description = "They are not in this call", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn act(
    State(app): State<Shared>,
    staff: Seat<ToActLive>,
    Body(new): Body<NewAction>,
) -> Result<(StatusCode, Json<ActionTaken>), ApiError> {
    let by_hand =
        ActionByHand { call: new.call, actor: new.actor, kind: new.action, seconds: new.seconds, reason: new.reason };
    let action = app.services.pipeline.act_by_hand(&staff, by_hand).await?;
    Ok((StatusCode::CREATED, Json(action.into())))
}
