//! What becomes of decisions, in the store.
//!
//! - An action is written once, under its id. It is taken back at most once.
//! - A person's state is only written over the version that it was made from; otherwise nothing is written at all and the answer is
//!   [`Recorded::Stale`].
//! - Both databases run the same statements ([`statements`]).

pub(in crate::store) mod statements;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{Event, Recorded};
use crate::{
    action::ActionKind,
    enforcement::{
        breaker::{BreakerState, Place},
        entry::{ActionEntry, Enforced},
        person::{Person, PersonChange, PersonFacts},
    },
    error::PipelineError,
    item::{ActionId, ActorId, TenantId},
};

/// Events with the webhooks that are told of them (index into the events, webhook name).
pub type Told = (Vec<Event>, Vec<(usize, String)>);

/// Actions, strikes, people, breakers.
#[async_trait]
pub trait EnforcementStore: Send + Sync {
    /// A person as they are at `now`.
    async fn load_person(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Person, PipelineError>;
    /// Writes actions that no item led to, with the person's new state. [`Recorded::Already`] when the first of them is there.
    async fn put_actions(
        &self,
        entries: Vec<ActionEntry>,
        person: Option<PersonChange>,
        told: Told,
    ) -> Result<Recorded, PipelineError>;
    /// One action.
    async fn load_action(&self, tenant: &TenantId, id: ActionId) -> Result<Option<Enforced>, PipelineError>;
    /// What was done to a person before `before`, newest first.
    async fn actions_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Enforced>, PipelineError>;
    /// Actions that another one led to by its strikes.
    async fn actions_caused_by(&self, tenant: &TenantId, id: ActionId) -> Result<Vec<Enforced>, PipelineError>;
    /// The platform has performed it. `false` when there is no such action. The first word stands.
    async fn acknowledge_action(
        &self,
        tenant: &TenantId,
        id: ActionId,
        at: DateTime<Utc>,
    ) -> Result<bool, PipelineError>;
    /// Takes an action back by `inverse`, whose `reverses` names it. `expired`: its time is over, and its strikes stay; otherwise they
    /// are given back. [`Recorded::Already`] when it was taken back before.
    async fn reverse_action(&self, inverse: ActionEntry, expired: bool, told: Told) -> Result<Recorded, PipelineError>;
    /// Actions whose acknowledgement is overdue at `now`, of all tenants, longest first.
    async fn unacknowledged_actions(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Enforced>, PipelineError>;
    /// An action was told once more and is due at `due`, or is given up (`None`). Nothing is written when it was acknowledged or told
    /// meanwhile: `seen` is how often it had been told.
    async fn retell_action(
        &self,
        id: ActionId,
        seen: u32,
        due: Option<DateTime<Utc>>,
        told: Told,
    ) -> Result<Recorded, PipelineError>;
    /// Actions whose time is over at `now` and that nobody took back, of all tenants.
    async fn expired_actions(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Enforced>, PipelineError>;

    /// Takes a place under a kind's cap of the day. `told` is written when the breaker opens by this.
    async fn take_place(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        kind: ActionKind,
        cap: u32,
        at: DateTime<Utc>,
        told: Told,
    ) -> Result<Place, PipelineError>;
    /// Gives a place back that was not used.
    async fn give_place_back(&self, tenant: &TenantId, day: NaiveDate, kind: ActionKind) -> Result<(), PipelineError>;
    /// Closes a breaker and counts anew, with what tells of it. `false` when there is nothing to close.
    async fn close_breaker(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        kind: ActionKind,
        told: Told,
    ) -> Result<bool, PipelineError>;
    /// The day's counts; of all tenants when none is named (for the service itself).
    async fn breakers(&self, tenant: Option<&TenantId>, day: NaiveDate) -> Result<Vec<BreakerState>, PipelineError>;

    /// What the platform says of a person, and their traces: (kind, keyed digest). Traces are added to those that are there.
    async fn put_facts(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        facts: PersonFacts,
        traces: Vec<(String, String)>,
    ) -> Result<(), PipelineError>;
    /// What the platform said of a person.
    async fn load_facts(&self, tenant: &TenantId, actor: &ActorId) -> Result<Option<PersonFacts>, PipelineError>;
    /// The tenant's key for traces; `fresh` becomes it when there is none.
    async fn trace_key(&self, tenant: &TenantId, fresh: String) -> Result<String, PipelineError>;
    /// People who share a trace with `actor` and are banned at `now`: (kind of the trace, who).
    async fn banned_with_traces_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, ActorId)>, PipelineError>;
}
