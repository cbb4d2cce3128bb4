//! What becomes of actions afterwards: acknowledged, told again, taken back, ended.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Pipeline;
use crate::{
    action::ActionKind,
    enforcement::{
        breaker::{BreakerState, day},
        entry::{ActionEntry, Enforced},
        inverse::inverse,
        person::Person,
    },
    error::PipelineError,
    item::{ActionId, ActorId, TenantId, check_name},
    policy::rollout::MAX_NOTE_BYTES,
    record::{ACTION_UNACKNOWLEDGED, BREAKER_CLOSED, Inverse, entry_event, interested, taken_back},
    store::{Event, Recorded, Told},
};

/// Actions that one turn of a duty deals with at most.
const TURN: usize = 200;
/// Who lifts what ends by itself.
const EXPIRY: &str = "expiry";

impl Pipeline {
    /// A person as they stand now.
    pub async fn person(&self, tenant: &TenantId, actor: &ActorId) -> Result<Person, PipelineError> {
        check_name("actor", actor.as_str())?;
        self.store.load_person(tenant, actor, self.clock.now()).await
    }

    /// One action with what became of it. Errors: `NotFound`.
    pub async fn action(&self, tenant: &TenantId, id: ActionId) -> Result<Enforced, PipelineError> {
        let found = self.store.load_action(tenant, id).await?;
        found.ok_or_else(|| PipelineError::NotFound { what: "action", id: id.to_string() })
    }

    /// The platform has performed an action. Saying it again changes nothing.
    pub async fn acknowledge(&self, tenant: &TenantId, id: ActionId) -> Result<Enforced, PipelineError> {
        self.store.acknowledge_action(tenant, id, self.clock.now()).await?;
        self.action(tenant, id).await
    }

    /// Takes an action back: its strikes are given back, what they led to is taken back with it, and the platform is told. Doing it
    /// again changes nothing. Errors: `NotFound`, `Conflict` for what takes back itself.
    pub async fn undo(
        &self,
        tenant: &TenantId,
        id: ActionId,
        by: &str,
        reason: &str,
    ) -> Result<Enforced, PipelineError> {
        if reason.trim().is_empty() || reason.len() > MAX_NOTE_BYTES {
            let message = format!("`reason` says why in 1 to {MAX_NOTE_BYTES} bytes: whoever is concerned reads it");
            return Err(PipelineError::invalid("undo_reason_invalid", message));
        }
        let known = self.action(tenant, id).await?;
        if known.entry.reverses.is_some() {
            let message = format!("`{}` takes an action back: it has no inverse; act again instead", known.entry.kind);
            return Err(PipelineError::Conflict { code: "action_is_inverse", message });
        }
        self.reverse(&known, by, reason, false).await?;
        for led_to in self.store.actions_caused_by(tenant, id).await? {
            self.reverse(&led_to, by, reason, false).await?;
        }
        self.action(tenant, id).await
    }

    /// `false`: it was taken back before, or it is nothing that can be.
    async fn reverse(&self, known: &Enforced, by: &str, reason: &str, expired: bool) -> Result<bool, PipelineError> {
        let entry = &known.entry;
        let kind = ActionKind::ALL.into_iter().find(|kind| kind.as_str() == entry.kind).and_then(inverse);
        let Some(kind) = kind.filter(|_| known.fate.reversed_by.is_none()) else { return Ok(false) };
        let how = Inverse { id: ActionId::new(), kind, by, reason, expired, at: self.clock.now() };
        let inverse = taken_back(entry, &how);
        let told = self.told(vec![entry_event(&inverse)]);
        if self.store.reverse_action(inverse, expired, told).await? != Recorded::New {
            return Ok(false);
        }
        let how = if expired { "expired" } else { "undone" };
        metrics::counter!("chaperone_actions_reversed_total", "action" => kind, "how" => how).increment(1);
        Ok(true)
    }

    fn told(&self, events: Vec<Event>) -> Told {
        let webhooks = interested(&events, &self.webhooks);
        (events, webhooks)
    }

    /// Lifts suspensions and bans whose time is over. Answers how many.
    pub async fn lift_expired(&self) -> Result<usize, PipelineError> {
        let mut lifted = 0;
        for known in self.store.expired_actions(self.clock.now(), TURN).await? {
            lifted += usize::from(self.reverse(&known, EXPIRY, "The time is over.", true).await?);
        }
        Ok(lifted)
    }

    /// Tells actions again whose acknowledgement is overdue, and gives up those that were told often enough. Answers how many were told.
    pub async fn retell_unacknowledged(&self) -> Result<usize, PipelineError> {
        let (now, mut retold) = (self.clock.now(), 0);
        for known in self.store.unacknowledged_actions(now, TURN).await? {
            let (entry, told) = (&known.entry, known.fate.told);
            let Some(terms) = entry.acknowledge else { continue };
            let (due, event) = if terms.exhausted(told) {
                (None, unacknowledged(entry, told, now))
            } else {
                (Some(terms.due(told + 1, now)), entry_event(entry))
            };
            let recorded = self.store.retell_action(entry.id, told, due, self.told(vec![event])).await?;
            if recorded == Recorded::New {
                let result = if due.is_some() { "told" } else { "given_up" };
                metrics::counter!("chaperone_actions_unacknowledged_total", "result" => result).increment(1);
                retold += usize::from(due.is_some());
                if due.is_none() {
                    let (tenant, action) = (entry.tenant.as_str(), entry.kind.as_str());
                    tracing::error!(tenant, action, id = %entry.id, told, "nobody acknowledges an action: it is not told again");
                }
            }
        }
        Ok(retold)
    }

    /// The day's counts of severe actions.
    pub async fn breakers(&self, tenant: &TenantId) -> Result<Vec<BreakerState>, PipelineError> {
        self.store.breakers(Some(tenant), day(self.clock.now())).await
    }

    /// Lets a kind of action be decided again today, counting anew. Errors: `Conflict` when its breaker is closed.
    pub async fn close_breaker(&self, tenant: &TenantId, kind: ActionKind, by: &str) -> Result<(), PipelineError> {
        let now = self.clock.now();
        let event = Event {
            sequence: 0,
            kind: BREAKER_CLOSED.to_owned(),
            tenant: tenant.clone(),
            key: uuid::Uuid::now_v7().to_string(),
            at: now,
            data: json!({ "action": kind, "by": by, "day": day(now) }),
        };
        if self.store.close_breaker(tenant, day(now), kind, self.told(vec![event])).await? {
            return Ok(());
        }
        let message = format!("the breaker for `{}` is closed: nothing was changed", kind.as_str());
        Err(PipelineError::Conflict { code: "breaker_closed", message })
    }

    /// The breakers of all tenants that are open today: for readiness and metrics.
    pub async fn open_breakers(&self) -> Result<Vec<BreakerState>, PipelineError> {
        let mut states = self.store.breakers(None, day(self.clock.now())).await?;
        states.retain(|state| state.opened_at.is_some());
        Ok(states)
    }
}

fn unacknowledged(entry: &ActionEntry, told: u32, at: DateTime<Utc>) -> Event {
    let mut data = json!({ "id": entry.id, "action": entry.kind, "told": told, "decided_at": entry.at });
    if let Some(actor) = &entry.actor {
        data["actor"] = json!(actor);
    }
    Event {
        sequence: 0,
        kind: ACTION_UNACKNOWLEDGED.to_owned(),
        tenant: entry.tenant.clone(),
        key: entry.id.to_string(),
        at,
        data,
    }
}
