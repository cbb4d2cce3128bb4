//! `/v1/actions`, `/v1/actors`, `/v1/breakers`: what was done to whom, what became of it, and how it is taken back.

use std::net::IpAddr;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{
    action::ActionKind,
    enforcement::{
        breaker::BreakerState,
        entry::Enforced,
        evasion::Traces,
        person::{Person, PersonFacts, Restriction},
    },
    item::{ActionId, ActorId},
    process::traces::Told,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Either, Seat, ToEditPolicy, ToUndo, ToView, ToViewStats},
};

/// Actions that a list shows when the caller does not say.
const DEFAULT_LIMIT: usize = 50;
/// Most that it shows.
const MAX_LIMIT: usize = 200;

/// Why an action is taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "It was satire." }))]
pub struct Undo {
    /// One sentence for the person concerned, up to 1000 bytes.
    #[schema(example = "It was satire.")]
    reason: String,
}

impl Payload for Undo {}

/// What the platform tells of a person. What is absent stays as it was.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "device": "f3a9c1", "ip": "192.0.2.17", "email": "ann@example.org", "account_created_at": "2026-01-02T03:04:05Z" }))]
pub struct NewFacts {
    /// When their account was made: policies read its age.
    account_created_at: Option<DateTime<Utc>>,
    /// A fingerprint of their device, as you make it. Kept as a keyed digest only.
    device: Option<String>,
    /// Their address on the internet. Its range (/24, /48) is kept, as a keyed digest only.
    #[schema(value_type = Option<String>, example = "192.0.2.17")]
    ip: Option<IpAddr>,
    /// Their e-mail address. Its pattern is kept, as a keyed digest only.
    email: Option<String>,
    /// How often they tried to get around a restriction, to be added.
    #[serde(default)]
    circumvention_attempts: u32,
}

impl Payload for NewFacts {}

/// What is known of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct Facts {
    /// When their account was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_created_at: Option<DateTime<Utc>>,
    /// How many traces were told.
    traces: u32,
    /// How often they tried to get around a restriction.
    circumvention_attempts: u32,
}

impl From<PersonFacts> for Facts {
    fn from(facts: PersonFacts) -> Self {
        Self {
            account_created_at: facts.account_created_at,
            traces: facts.traces,
            circumvention_attempts: facts.circumvention_attempts,
        }
    }
}

/// What to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// Most entries, 1 to 200; 50 when absent.
    limit: Option<usize>,
    /// Only actions before this time: `at` of the last one of the page before.
    before: Option<DateTime<Utc>>,
}

/// An action with what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Action)]
pub struct ActionView {
    /// Its id.
    id: Uuid,
    /// `warn`, `blur`, …, or what takes one back: `unwarn`, `unblur`, …
    action: String,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// Because of which item.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Uuid>,
    /// The rule that asked for it; `strikes` for what strikes led to.
    rule: String,
    /// One sentence for the person concerned.
    reason: String,
    /// `policy`, `expiry`, or who.
    by: String,
    /// When it was decided.
    at: DateTime<Utc>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
    /// Strikes that came with it.
    strikes: u32,
    /// Until when they count.
    #[serde(skip_serializing_if = "Option::is_none")]
    strikes_until: Option<DateTime<Utc>>,
    /// The action whose strikes led to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Uuid>,
    /// The action that this one takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    reverses: Option<Uuid>,
    /// Whether you have performed it: `unasked`, `awaited`, `acknowledged`, or `missing` when you were told as often as the policy says.
    receipt: &'static str,
    /// How often you were told, as far as we waited for your word.
    told: u32,
    /// When you are told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime<Utc>>,
    /// When your word came.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<DateTime<Utc>>,
    /// The action that took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    reversed_by: Option<Uuid>,
    /// It ended because its time was over; its strikes stay.
    expired: bool,
}

impl From<Enforced> for ActionView {
    fn from(Enforced { entry, fate }: Enforced) -> Self {
        Self {
            id: entry.id.0,
            action: entry.kind,
            actor: entry.actor.map(|actor| actor.0),
            item: entry.item.map(|id| id.0),
            rule: entry.rule,
            reason: entry.reason,
            by: entry.by,
            at: entry.at,
            expires_at: entry.until,
            strikes: entry.strikes,
            strikes_until: entry.strikes_until,
            cause: entry.cause.map(|id| id.0),
            reverses: entry.reverses.map(|id| id.0),
            receipt: fate.receipt.as_str(),
            told: fate.told,
            due_at: fate.due_at,
            acknowledged_at: fate.acknowledged_at,
            reversed_by: fate.reversed_by.map(|id| id.0),
            expired: fate.expired,
        }
    }
}

/// Several, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Actions {
    actions: Vec<ActionView>,
}

/// How a person stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
pub struct StandingView {
    /// Who.
    actor: String,
    /// Strikes that count now.
    strikes: u32,
    /// Strikes ever, without those that were given back.
    strikes_total: u32,
    /// Something keeps them out.
    restricted: bool,
    /// What keeps them out now.
    restrictions: Vec<RestrictionView>,
    /// What you told of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Facts>,
    /// How many kinds of traces they share with people who are banned, one more for attempts to get around a restriction; absent when you told
    /// of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    evasion: Option<u32>,
    /// Those people. A hint for a reviewer, never a proof.
    alike: Vec<AlikeView>,
}

/// Something that keeps a person out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Restriction)]
pub struct RestrictionView {
    /// The action that did.
    id: Uuid,
    /// `suspend` or `ban`.
    action: &'static str,
    /// Since when.
    since: DateTime<Utc>,
    /// Until when; for good when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

/// Somebody who is banned and shares a trace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alike)]
pub struct AlikeView {
    /// Who.
    actor: String,
    /// `device`, `ip` or `email`.
    trace: String,
}

impl StandingView {
    fn new(actor: ActorId, person: Person, facts: Option<PersonFacts>, alike: Vec<(String, ActorId)>) -> Self {
        let restriction = |known: Restriction| RestrictionView {
            id: known.action.0,
            action: known.kind.as_str(),
            since: known.since,
            until: known.until,
        };
        Self {
            actor: actor.0,
            strikes: person.strikes,
            strikes_total: person.strikes_total,
            restricted: !person.restrictions.is_empty(),
            restrictions: person.restrictions.into_iter().map(restriction).collect(),
            facts: facts.map(Facts::from),
            evasion: person.evasion,
            alike: alike.into_iter().map(|(trace, actor)| AlikeView { actor: actor.0, trace }).collect(),
        }
    }
}

/// The day's counts of severe actions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Breakers {
    breakers: Vec<BreakerView>,
}

/// The day's count of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Breaker)]
pub struct BreakerView {
    /// `disconnect`, `suspend` or `ban`.
    action: &'static str,
    /// Decided today without a human.
    count: u32,
    /// The policy's cap; absent when it has none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<u32>,
    /// The cap is reached: humans decide instead.
    open: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<DateTime<Utc>>,
}

/// Show one action
#[utoipa::path(
    get, path = "/v1/actions/{id}", tag = "enforcement", operation_id = "show_action",
    params(("id" = Uuid, Path, description = "The action's id")),
    responses(
        (status = 200, description = "The action", body = ActionView),
        (status = 404, description = "No such action", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Either<ToItems, ToView>,
    Path(id): Path<Uuid>,
) -> Result<Json<ActionView>, ApiError> {
    Ok(Json(app.services.pipeline.action(&caller.tenant, ActionId(id)).await?.into()))
}

/// Acknowledge an action
///
/// You have performed it. Until you say so, a policy with a table `[acknowledge]` has it told again. Saying it twice changes nothing.
#[utoipa::path(
    post, path = "/v1/actions/{id}/ack", tag = "enforcement", operation_id = "acknowledge_action",
    params(("id" = Uuid, Path, description = "The action's id")),
    responses(
        (status = 200, description = "The action", body = ActionView),
        (status = 404, description = "No such action", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn acknowledge(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<Uuid>,
) -> Result<Json<ActionView>, ApiError> {
    Ok(Json(app.services.pipeline.acknowledge(&caller.tenant, ActionId(id)).await?.into()))
}

/// Take an action back
///
/// Its strikes are given back, what they led to is taken back with it, and you are told by `moderation.action` with `reverses`. Doing it again
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/actions/{id}/undo", tag = "enforcement", operation_id = "undo_action", request_body = Undo,
    params(("id" = Uuid, Path, description = "The action's id")),
    responses(
        (status = 200, description = "The action, with `reversed_by`", body = ActionView),
        (status = 404, description = "No such action", body = ErrorBody),
        (status = 409, description = "It takes an action back itself", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn undo(
    State(app): State<Shared>,
    caller: Seat<ToUndo>,
    Path(id): Path<Uuid>,
    Body(undo): Body<Undo>,
) -> Result<Json<ActionView>, ApiError> {
    let undone = app.services.pipeline.undo(&caller.tenant, ActionId(id), &caller.outside(), &undo.reason).await?;
    let detail = json!({ "action": undone.entry.kind, "reason": undo.reason });
    app.services.pipeline.desk().note(&caller, "action.undone", format!("action:{id}"), detail).await?;
    Ok(Json(undone.into()))
}

/// Show how a person stands
///
/// Their strikes, what keeps them out now, and whether they look like somebody who is banned.
#[utoipa::path(
    get, path = "/v1/actors/{id}", tag = "enforcement", operation_id = "show_actor",
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "How they stand; somebody whom nothing is known of has no strikes", body = StandingView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn standing(
    State(app): State<Shared>,
    caller: Either<ToItems, ToView>,
    Path(id): Path<String>,
) -> Result<Json<StandingView>, ApiError> {
    let (actor, pipeline) = (ActorId(id), &app.services.pipeline);
    let person = pipeline.person(&caller.tenant, &actor).await?;
    let facts = app.services.store.load_facts(&caller.tenant, &actor).await?;
    let alike = pipeline.banned_like(&caller.tenant, &actor).await?;
    Ok(Json(StandingView::new(actor, person, facts, alike)))
}

/// List what was done to a person
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/actors/{id}/actions", tag = "enforcement", operation_id = "list_actions",
    params(("id" = String, Path, description = "The person's id"), ListOptions),
    responses(
        (status = 200, description = "Their actions", body = Actions),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Either<ToItems, ToView>,
    Path(id): Path<String>,
    Query(options): Query<ListOptions>,
) -> Result<Json<Actions>, ApiError> {
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}: ask for 1 to {MAX_LIMIT}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    let before = options.before.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let found = app.services.store.actions_of(&caller.tenant, &ActorId(id), before, limit).await?;
    Ok(Json(Actions { actions: found.into_iter().map(ActionView::from).collect() }))
}

/// Tell of a person
///
/// Traces are kept as digests with a key of your tenant, and compared with those of people who are banned. A match is a hint
/// (`actor.evasion` in policies), never a ban by itself.
#[utoipa::path(
    put, path = "/v1/actors/{id}/facts", tag = "enforcement", operation_id = "tell_of_actor", request_body = NewFacts,
    params(("id" = String, Path, description = "The person's id")),
    responses(
        (status = 200, description = "What is known now", body = Facts),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn tell(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<String>,
    Body(new): Body<NewFacts>,
) -> Result<Json<Facts>, ApiError> {
    let told = Told {
        account_created_at: new.account_created_at,
        traces: Traces { device: new.device, ip: new.ip, email: new.email },
        circumvention_attempts: new.circumvention_attempts,
    };
    Ok(Json(app.services.pipeline.tell_of_person(&caller.tenant, &ActorId(id), told).await?.into()))
}

/// Show the breakers
///
/// How many severe actions were decided today without a human, and which kinds have reached their cap.
#[utoipa::path(
    get, path = "/v1/breakers", tag = "enforcement", operation_id = "list_breakers",
    responses(
        (status = 200, description = "Kinds that were decided today", body = Breakers),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn breakers(State(app): State<Shared>, caller: Seat<ToViewStats>) -> Result<Json<Breakers>, ApiError> {
    let policy = app.services.policies.of(&caller.tenant);
    let view = |state: BreakerState| BreakerView {
        action: state.kind.as_str(),
        count: state.count,
        cap: policy.caps().of(state.kind),
        open: state.opened_at.is_some(),
        opened_at: state.opened_at,
    };
    let states = app.services.pipeline.breakers(&caller.tenant).await?;
    Ok(Json(Breakers { breakers: states.into_iter().map(view).collect() }))
}

/// Close a breaker
///
/// The policy may decide this kind of action again today, and counts anew.
#[utoipa::path(
    post, path = "/v1/breakers/{action}/close", tag = "enforcement", operation_id = "close_breaker",
    params(("action" = String, Path, description = "`disconnect`, `suspend` or `ban`")),
    responses(
        (status = 204, description = "It is closed"),
        (status = 404, description = "No such kind", body = ErrorBody),
        (status = 409, description = "It was closed already", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn close_breaker(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Path(action): Path<String>,
) -> Result<StatusCode, ApiError> {
    let kind = ActionKind::ALL.into_iter().find(|kind| kind.as_str() == action);
    let kind = kind.ok_or_else(|| ApiError::not_found("kind of action", action))?;
    app.services.pipeline.close_breaker(&caller.tenant, kind, &caller.outside()).await?;
    let detail = json!({ "action": kind });
    app.services.pipeline.desk().note(&caller, "breaker.closed", "policy".to_owned(), detail).await?;
    Ok(StatusCode::NO_CONTENT)
}
