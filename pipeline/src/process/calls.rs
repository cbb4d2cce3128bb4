//! Calls: read, change purely, write with the events that tell of it.
//!
//! Two doors lead here: HTTP, where the order is the order of arrival, and notices from the platform's bus, which come late and
//! twice (`stream::heard`).

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{Pipeline, contended};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, TenantId, check_name},
    record::interested,
    store::{Event, Recorded},
    stream::call::{Call, CallChange, changes},
};

/// Event kind: a call began.
pub const CALL_STARTED: &str = "call.started";
/// Event kind: somebody joined a call, or came back.
pub const CALL_JOINED: &str = "call.joined";
/// Event kind: somebody left a call.
pub const CALL_LEFT: &str = "call.left";
/// Event kind: a call is over.
pub const CALL_ENDED: &str = "call.ended";

/// Tries of a change while other processes change the same call. Each time one of them succeeds.
const STALE_TRIES: usize = 50;

/// A call after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedCall {
    /// As it is now.
    pub call: Call,
    /// What others were told; empty when nothing changed for them.
    pub changes: Vec<CallChange>,
}

impl Pipeline {
    /// Starts a call. The same call again, while it runs with the same people, changes nothing; another one of this id is a `Conflict`.
    pub async fn start_call(
        &self,
        tenant: &TenantId,
        id: CallId,
        actors: Vec<ActorId>,
    ) -> Result<ChangedCall, PipelineError> {
        check_name("id", id.as_str())?;
        actors.iter().try_for_each(|actor| check_name("participants", actor.as_str()))?;
        self.change_call(tenant, &id, None, |known, at| {
            let call = Call::start(id.clone(), at, actors.clone())?;
            match known {
                None => Ok(call),
                Some(known) if known.ended_at.is_none() && actors_of(&known) == actors_of(&call) => Ok(known),
                Some(known) => Err(exists(&known)),
            }
        })
        .await
    }

    /// Somebody joins now.
    pub async fn join_call(
        &self,
        tenant: &TenantId,
        id: &CallId,
        actor: &ActorId,
    ) -> Result<ChangedCall, PipelineError> {
        check_name("actor", actor.as_str())?;
        self.change_call(tenant, id, None, |known, at| known_call(known, id)?.join(actor.clone(), at)).await
    }

    /// Somebody leaves now.
    pub async fn leave_call(
        &self,
        tenant: &TenantId,
        id: &CallId,
        actor: &ActorId,
    ) -> Result<ChangedCall, PipelineError> {
        self.change_call(tenant, id, None, |known, at| known_call(known, id)?.leave(actor, at)).await
    }

    /// It ends now, for everybody.
    pub async fn end_call(&self, tenant: &TenantId, id: &CallId) -> Result<ChangedCall, PipelineError> {
        self.change_call(tenant, id, None, |known, at| Ok(known_call(known, id)?.end(at))).await
    }

    /// Reads the call, changes it by `step`, writes it with its events. `at`: when the change happened; `None` is now.
    pub(super) async fn change_call(
        &self,
        tenant: &TenantId,
        id: &CallId,
        at: Option<DateTime<Utc>>,
        step: impl Fn(Option<Call>, DateTime<Utc>) -> Result<Call, PipelineError> + Send,
    ) -> Result<ChangedCall, PipelineError> {
        check_name("call", id.as_str())?;
        // Changes from this process take turns; those of other processes show as a stale version.
        let _turn = self.calls.hold((tenant.clone(), id.clone())).await;
        let at = at.unwrap_or_else(|| self.clock.now());
        for _ in 0..STALE_TRIES {
            let before = self.store.load_call(tenant, id).await?;
            let call = step(before.clone(), at)?;
            let changes = changes(before.as_ref(), &call);
            if before.as_ref() == Some(&call) {
                return Ok(ChangedCall { call, changes });
            }
            let events: Vec<Event> = changes.iter().map(|change| event(change, tenant, id, at)).collect();
            let webhooks = interested(&events, &self.webhooks);
            // Another process may have changed it meanwhile.
            if self.store.put_call(tenant, &call, before.as_ref(), events, webhooks).await? != Recorded::Stale {
                return Ok(ChangedCall { call, changes });
            }
        }
        Err(contended("a call"))
    }
}

fn known_call(known: Option<Call>, id: &CallId) -> Result<Call, PipelineError> {
    known.ok_or_else(|| PipelineError::NotFound { what: "call", id: id.to_string() })
}

fn actors_of(call: &Call) -> Vec<&ActorId> {
    call.participants.iter().map(|participant| &participant.actor).collect()
}

fn exists(call: &Call) -> PipelineError {
    let state = if call.ended_at.is_some() { "has ended" } else { "runs with other participants" };
    let message = format!("the call `{}` {state}: give every call its own id, and join it to add people", call.id);
    PipelineError::Conflict { code: "call_exists", message }
}

/// Its key is new: a change is written once, so it is told under one key only.
fn event(change: &CallChange, tenant: &TenantId, call: &CallId, at: DateTime<Utc>) -> Event {
    let (kind, data) = match change {
        CallChange::Started(actors) => (CALL_STARTED, json!({ "call": call, "participants": actors })),
        CallChange::Joined(actor) => (CALL_JOINED, json!({ "call": call, "actor": actor })),
        CallChange::Left(actor) => (CALL_LEFT, json!({ "call": call, "actor": actor })),
        CallChange::Ended => (CALL_ENDED, json!({ "call": call })),
    };
    Event { sequence: 0, kind: kind.to_owned(), tenant: tenant.clone(), key: Uuid::now_v7().to_string(), at, data }
}
