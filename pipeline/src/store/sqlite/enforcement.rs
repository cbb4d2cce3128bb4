//! Actions, strikes, people, breakers.

use async_trait::async_trait;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, events, writer::Scope};
use crate::{
    error::PipelineError,
    store::{EnforcementStore, Recorded, Told, enforcement::statements::statements},
};

statements!(SqliteConnection, SqliteRow);

async fn tell(scope: &mut Scope, (events, webhooks): &Told) -> Result<(), PipelineError> {
    events::append(scope, events, webhooks).await
}

/// Writes in the writer's transaction.
macro_rules! write {
    ($store:expr, $name:literal, |$scope:ident| $body:expr) => {
        $store.writer.write($name, move |$scope| Box::pin(async move { $body })).await
    };
}

/// Reads on a connection of its own.
macro_rules! read {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {
        $store.read($name, move |$connection| Box::pin(async move { Ok($body?) })).await
    };
}

#[async_trait]
impl EnforcementStore for SqliteStore {
    async fn load_person(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Person, PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.clone());
        read!(self, "load_person", |connection| read_person(connection, &tenant, &actor, now).await)
    }

    async fn put_actions(
        &self,
        entries: Vec<ActionEntry>,
        person: Option<PersonChange>,
        told: Told,
    ) -> Result<Recorded, PipelineError> {
        write!(self, "put_actions", |scope| put(scope, &entries, person.as_ref(), &told).await)
    }

    async fn load_action(&self, tenant: &TenantId, id: ActionId) -> Result<Option<Enforced>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "load_action", |connection| read_action(connection, &tenant, id).await)
    }

    async fn actions_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        before: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<Enforced>, PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.clone());
        read!(self, "actions_of", |connection| read_actions_of(connection, &tenant, &actor, before, count).await)
    }

    async fn actions_caused_by(&self, tenant: &TenantId, id: ActionId) -> Result<Vec<Enforced>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "actions_caused_by", |connection| read_caused_by(connection, &tenant, id).await)
    }

    async fn acknowledge_action(
        &self,
        tenant: &TenantId,
        id: ActionId,
        at: DateTime<Utc>,
    ) -> Result<bool, PipelineError> {
        let tenant = tenant.clone();
        write!(self, "acknowledge_action", |scope| Ok(mark_acknowledged(&mut scope.connection, &tenant, id, at).await?))
    }

    async fn reverse_action(&self, inverse: ActionEntry, expired: bool, told: Told) -> Result<Recorded, PipelineError> {
        write!(self, "reverse_action", |scope| {
            if !mark_reversed(&mut scope.connection, &inverse, expired).await? {
                return Ok(Recorded::Already);
            }
            insert_action(&mut scope.connection, &inverse).await?;
            tell(scope, &told).await?;
            Ok(Recorded::New)
        })
    }

    async fn unacknowledged_actions(&self, now: DateTime<Utc>, count: usize) -> Result<Vec<Enforced>, PipelineError> {
        read!(self, "unacknowledged_actions", |connection| read_unacknowledged(connection, now, count).await)
    }

    async fn retell_action(
        &self,
        id: ActionId,
        seen: u32,
        due: Option<DateTime<Utc>>,
        told: Told,
    ) -> Result<Recorded, PipelineError> {
        write!(self, "retell_action", |scope| {
            if !mark_retold(&mut scope.connection, id, seen, due).await? {
                return Ok(Recorded::Already);
            }
            tell(scope, &told).await?;
            Ok(Recorded::New)
        })
    }

    async fn expired_actions(&self, now: DateTime<Utc>, count: usize) -> Result<Vec<Enforced>, PipelineError> {
        read!(self, "expired_actions", |connection| read_expired(connection, now, count).await)
    }

    async fn take_place(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        kind: ActionKind,
        cap: u32,
        at: DateTime<Utc>,
        told: Told,
    ) -> Result<Place, PipelineError> {
        let tenant = tenant.clone();
        write!(self, "take_place", |scope| {
            let place = take_a_place(&mut scope.connection, &tenant, day, kind, cap, at).await?;
            if place == (Place::Refused { first: true }) {
                tell(scope, &told).await?;
            }
            Ok(place)
        })
    }

    async fn give_place_back(&self, tenant: &TenantId, day: NaiveDate, kind: ActionKind) -> Result<(), PipelineError> {
        let tenant = tenant.clone();
        write!(self, "give_place_back", |scope| Ok(give_a_place_back(&mut scope.connection, &tenant, day, kind).await?))
    }

    async fn close_breaker(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        kind: ActionKind,
        told: Told,
    ) -> Result<bool, PipelineError> {
        let tenant = tenant.clone();
        write!(self, "close_breaker", |scope| {
            let closed = close_one(&mut scope.connection, &tenant, day, kind).await?;
            if closed {
                tell(scope, &told).await?;
            }
            Ok(closed)
        })
    }

    async fn breakers(&self, tenant: Option<&TenantId>, day: NaiveDate) -> Result<Vec<BreakerState>, PipelineError> {
        let tenant = tenant.cloned();
        read!(self, "breakers", |connection| read_breakers(connection, tenant.as_ref(), day).await)
    }

    async fn put_facts(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        facts: PersonFacts,
        traces: Vec<(String, String)>,
    ) -> Result<(), PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.clone());
        write!(self, "put_facts", |scope| {
            Ok(write_facts(&mut scope.connection, &tenant, &actor, &facts, &traces).await?)
        })
    }

    async fn load_facts(&self, tenant: &TenantId, actor: &ActorId) -> Result<Option<PersonFacts>, PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.clone());
        read!(self, "load_facts", |connection| read_facts(connection, &tenant, &actor).await)
    }

    async fn trace_key(&self, tenant: &TenantId, fresh: String) -> Result<String, PipelineError> {
        let tenant = tenant.clone();
        write!(self, "trace_key", |scope| Ok(find_or_make_key(&mut scope.connection, &tenant, &fresh).await?))
    }

    async fn banned_with_traces_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, ActorId)>, PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.clone());
        read!(self, "banned_with_traces_of", |connection| traces_shared(connection, &tenant, &actor, now).await)
    }
}

async fn put(
    scope: &mut Scope,
    entries: &[ActionEntry],
    person: Option<&PersonChange>,
    told: &Told,
) -> Result<Recorded, PipelineError> {
    let Some(first) = entries.first() else { return Ok(Recorded::Already) };
    if read_action(&mut scope.connection, &first.tenant, first.id).await?.is_some() {
        return Ok(Recorded::Already);
    }
    if let Some(change) = person
        && !write_person(&mut scope.connection, &first.tenant, change, first.at).await?
    {
        return Ok(Recorded::Stale);
    }
    for entry in entries {
        insert_action(&mut scope.connection, entry).await?;
    }
    tell(scope, told).await?;
    Ok(Recorded::New)
}

/// The version of a person's state that is there now; 0 when there is none.
pub(super) async fn person_version(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    actor: &ActorId,
) -> Result<u64, sqlx::Error> {
    let sql = "SELECT version FROM persons WHERE tenant = ? AND actor = ?";
    let query = sqlx::query(sql).bind(escape(tenant.as_str()).into_owned()).bind(escape(actor.as_str()).into_owned());
    let row = query.fetch_optional(connection).await?;
    let version: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    Ok(u64::try_from(version).unwrap_or_default())
}
