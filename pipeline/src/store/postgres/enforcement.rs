//! Actions, strikes, people, breakers.

use async_trait::async_trait;
use sqlx::{PgConnection, postgres::PgRow};

use super::{PostgresStore, events::Appended};
use crate::{
    error::PipelineError,
    store::{EnforcementStore, Recorded, Told, enforcement::statements::statements},
};

statements!(PgConnection, PgRow);

/// What a transaction answers that may have told something: the answer, and the newest event's number.
type Answer<T> = Result<(T, Option<i64>), sqlx::Error>;

/// Runs `$body` in a transaction; its connection is `$connection`. It may be done again: every statement looks at what is there.
macro_rules! write {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {{
        let work = || async {
            let mut transaction = $store.database.pool.begin().await?;
            let $connection = &mut *transaction;
            let (answer, sequence) = $body;
            transaction.commit().await?;
            Ok((answer, sequence))
        };
        let (answer, sequence): (_, Option<i64>) = $store.database.again($name, || Box::pin(work())).await?;
        if let Some(sequence) = sequence {
            $store.database.raise(sequence);
        }
        Ok(answer)
    }};
}

/// Runs a reading `$body` on a connection of its own.
macro_rules! read {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {{
        let work = || async {
            let mut held = $store.database.pool.acquire().await?;
            let $connection = &mut *held;
            $body
        };
        $store.database.again($name, || Box::pin(work())).await
    }};
}

async fn tell(connection: &mut PgConnection, told: &Appended) -> Result<Option<i64>, sqlx::Error> {
    Appended::write(&[told], connection).await
}

fn appended((events, webhooks): &Told) -> Result<Appended, PipelineError> {
    Appended::new(events, webhooks)
}

#[async_trait]
impl EnforcementStore for PostgresStore {
    async fn load_person(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Person, PipelineError> {
        read!(self, "load_person", |connection| read_person(connection, tenant, actor, now).await)
    }

    async fn put_actions(
        &self,
        entries: Vec<ActionEntry>,
        person: Option<PersonChange>,
        told: Told,
    ) -> Result<Recorded, PipelineError> {
        let told = appended(&told)?;
        write!(self, "put_actions", |connection| put(connection, &entries, person.as_ref(), &told).await?)
    }

    async fn load_action(&self, tenant: &TenantId, id: ActionId) -> Result<Option<Enforced>, PipelineError> {
        read!(self, "load_action", |connection| read_action(connection, tenant, id).await)
    }

    async fn actions_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        before: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<Enforced>, PipelineError> {
        read!(self, "actions_of", |connection| read_actions_of(connection, tenant, actor, before, count).await)
    }

    async fn actions_caused_by(&self, tenant: &TenantId, id: ActionId) -> Result<Vec<Enforced>, PipelineError> {
        read!(self, "actions_caused_by", |connection| read_caused_by(connection, tenant, id).await)
    }

    async fn acknowledge_action(
        &self,
        tenant: &TenantId,
        id: ActionId,
        at: DateTime<Utc>,
    ) -> Result<bool, PipelineError> {
        write!(self, "acknowledge_action", |connection| {
            (mark_acknowledged(connection, tenant, id, at).await?, None)
        })
    }

    async fn reverse_action(&self, inverse: ActionEntry, expired: bool, told: Told) -> Result<Recorded, PipelineError> {
        let told = appended(&told)?;
        write!(self, "reverse_action", |connection| {
            if mark_reversed(connection, &inverse, expired).await? {
                insert_action(connection, &inverse).await?;
                (Recorded::New, tell(connection, &told).await?)
            } else {
                (Recorded::Already, None)
            }
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
        let told = appended(&told)?;
        write!(self, "retell_action", |connection| {
            if mark_retold(connection, id, seen, due).await? {
                (Recorded::New, tell(connection, &told).await?)
            } else {
                (Recorded::Already, None)
            }
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
        let told = appended(&told)?;
        write!(self, "take_place", |connection| {
            let place = take_a_place(connection, tenant, day, kind, cap, at).await?;
            let first = place == (Place::Refused { first: true });
            (place, if first { tell(connection, &told).await? } else { None })
        })
    }

    async fn give_place_back(&self, tenant: &TenantId, day: NaiveDate, kind: ActionKind) -> Result<(), PipelineError> {
        write!(self, "give_place_back", |connection| {
            (give_a_place_back(connection, tenant, day, kind).await?, None)
        })
    }

    async fn close_breaker(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        kind: ActionKind,
        told: Told,
    ) -> Result<bool, PipelineError> {
        let told = appended(&told)?;
        write!(self, "close_breaker", |connection| {
            let closed = close_one(connection, tenant, day, kind).await?;
            (closed, if closed { tell(connection, &told).await? } else { None })
        })
    }

    async fn breakers(&self, tenant: Option<&TenantId>, day: NaiveDate) -> Result<Vec<BreakerState>, PipelineError> {
        read!(self, "breakers", |connection| read_breakers(connection, tenant, day).await)
    }

    async fn put_facts(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        facts: PersonFacts,
        traces: Vec<(String, String)>,
    ) -> Result<(), PipelineError> {
        write!(self, "put_facts", |connection| {
            (write_facts(connection, tenant, actor, &facts, &traces).await?, None)
        })
    }

    async fn load_facts(&self, tenant: &TenantId, actor: &ActorId) -> Result<Option<PersonFacts>, PipelineError> {
        read!(self, "load_facts", |connection| read_facts(connection, tenant, actor).await)
    }

    async fn trace_key(&self, tenant: &TenantId, fresh: String) -> Result<String, PipelineError> {
        write!(self, "trace_key", |connection| { (find_or_make_key(connection, tenant, &fresh).await?, None) })
    }

    async fn banned_with_traces_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, ActorId)>, PipelineError> {
        read!(self, "banned_with_traces_of", |connection| traces_shared(connection, tenant, actor, now).await)
    }
}

async fn put(
    connection: &mut PgConnection,
    entries: &[ActionEntry],
    person: Option<&PersonChange>,
    told: &Appended,
) -> Answer<Recorded> {
    let Some(first) = entries.first() else { return Ok((Recorded::Already, None)) };
    if read_action(connection, &first.tenant, first.id).await?.is_some() {
        return Ok((Recorded::Already, None));
    }
    if let Some(change) = person
        && !write_person(connection, &first.tenant, change, first.at).await?
    {
        return Ok((Recorded::Stale, None));
    }
    for entry in entries {
        insert_action(connection, entry).await?;
    }
    Ok((Recorded::New, tell(connection, told).await?))
}

/// The version of a person's state, locked until the transaction ends; 0 when there is none.
pub(super) async fn lock_person(
    connection: &mut PgConnection,
    tenant: &TenantId,
    actor: &ActorId,
) -> Result<u64, sqlx::Error> {
    let sql = "SELECT version FROM persons WHERE tenant = $1 AND actor = $2 FOR UPDATE";
    let query = sqlx::query_scalar(sql).bind(escape(tenant.as_str())).bind(escape(actor.as_str()));
    let version: Option<i64> = query.fetch_optional(connection).await?;
    Ok(version.map_or(0, |version| u64::try_from(version).unwrap_or_default()))
}

/// Many at once. One that is there already stays as it is.
pub(super) async fn insert_actions(connection: &mut PgConnection, entries: &[&ActionEntry]) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO actions (id, tenant, actor, item, kind, at, until, strikes, strikes_until, cause, receipt, told, due_at, body)
               SELECT id, tenant, actor, item, kind, at, until, strikes, strikes_until, cause, receipt, 1, due_at, body
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                           $8::bigint[], $9::uuid[], $10::bigint[], $11::bigint[], $12::text[], $13::uuid[])
                   AS g (id, tenant, actor, kind, at, until, strikes, strikes_until, cause, receipt, due_at, body, item)
               ON CONFLICT (id) DO NOTHING";
    let numbers = |of: fn(&ActionEntry) -> Option<i64>| entries.iter().map(|entry| of(entry)).collect::<Vec<_>>();
    let bodies = entries.iter().map(encode).collect::<Result<Vec<String>, _>>().map_err(carried)?;
    sqlx::query(sql)
        .bind(entries.iter().map(|entry| entry.id.0).collect::<Vec<Uuid>>())
        .bind(entries.iter().map(|entry| escape(entry.tenant.as_str()).into_owned()).collect::<Vec<String>>())
        .bind(entries.iter().map(|entry| Some(escape(entry.actor.as_ref()?.as_str()).into_owned())).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.kind.clone()).collect::<Vec<String>>())
        .bind(numbers(|entry| Some(stamp(entry.at))))
        .bind(numbers(|entry| entry.until.map(stamp)))
        .bind(numbers(|entry| Some(entry.strikes.into())))
        .bind(numbers(|entry| entry.strikes_until.map(stamp)))
        .bind(entries.iter().map(|entry| entry.cause.map(|id| id.0)).collect::<Vec<Option<Uuid>>>())
        .bind(numbers(|entry| Some(first_receipt(entry) as i64)))
        .bind(numbers(first_due))
        .bind(bodies)
        .bind(entries.iter().map(|entry| entry.item.map(|id| id.0)).collect::<Vec<Option<Uuid>>>())
        .execute(connection)
        .await?;
    Ok(())
}
