//! Events and the outbox of webhooks.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    Database,
    text::{escape, unescape},
};
use crate::{
    error::PipelineError,
    item::TenantId,
    store::{
        DueDelivery, Event,
        row::{decode, encode, limit, stamp, time},
    },
};

/// The channel on which a commit tells the newest event's number.
pub(super) const CHANNEL: &str = "chaperone_events";

/// Takes the next numbers last of all, and keeps the counter's row locked until the commit: so numbers become visible in
/// their order, whichever process gave them, and none is skipped.
const APPEND: &str = "
    WITH number AS (UPDATE counter SET sequence = sequence + $1 RETURNING sequence - $1 AS base),
    event AS (
        INSERT INTO events (sequence, tenant, kind, key, at, data)
        SELECT number.base + g.position, g.tenant, g.kind, g.key, g.at, g.data
        FROM number, unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
            WITH ORDINALITY AS g (tenant, kind, key, at, data, position)),
    delivery AS (
        INSERT INTO deliveries (event, webhook, tenant, created_at, due_at)
        SELECT number.base + g.position, g.webhook, g.tenant, g.at, g.at
        FROM number, unnest($7::bigint[], $8::text[], $9::bigint[], $10::text[]) AS g (position, webhook, at, tenant))
    SELECT base + $1, pg_notify('chaperone_events', (base + $1)::text) FROM number";

/// Events as their columns hold them, with the webhooks that are to be told.
pub(super) struct Appended {
    events: Vec<EventRow>,
    webhooks: Vec<(usize, String)>,
}

struct EventRow {
    tenant: String,
    kind: String,
    key: String,
    at: i64,
    data: String,
}

impl Appended {
    /// Refuses a webhook that asks for an event which is not there.
    pub(super) fn new(events: &[Event], webhooks: &[(usize, String)]) -> Result<Self, PipelineError> {
        if let Some((index, _)) = webhooks.iter().find(|(index, _)| *index >= events.len()) {
            let message = format!("a webhook asks for event {index} of {}", events.len());
            return Err(PipelineError::Internal { part: "store", message });
        }
        let row = |event: &Event| {
            Ok(EventRow {
                tenant: escape(event.tenant.as_str()).into_owned(),
                kind: escape(&event.kind).into_owned(),
                key: escape(&event.key).into_owned(),
                at: stamp(event.at),
                data: encode(&event.data)?,
            })
        };
        let webhooks = webhooks.iter().map(|(index, name)| (*index, escape(name).into_owned())).collect();
        Ok(Self { events: events.iter().map(row).collect::<Result<_, PipelineError>>()?, webhooks })
    }

    /// Writes all of `batches` at the end of a transaction; the newest number, `None` when there is nothing to write.
    pub(super) async fn write(batches: &[&Self], connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
        let events: Vec<&EventRow> = batches.iter().flat_map(|batch| &batch.events).collect();
        if events.is_empty() {
            return Ok(None);
        }
        let (mut positions, mut names, mut times, mut tenants) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut first = 1;
        for batch in batches {
            // In the order of the events: rows get their ids so.
            for (position, event) in batch.events.iter().enumerate() {
                for (_, name) in batch.webhooks.iter().filter(|(index, _)| *index == position) {
                    positions.push(first + position as i64);
                    names.push(name.as_str());
                    times.push(event.at);
                    tenants.push(event.tenant.as_str());
                }
            }
            first += batch.events.len() as i64;
        }
        let texts = |column: fn(&EventRow) -> &str| events.iter().map(|event| column(event)).collect::<Vec<&str>>();
        let row = sqlx::query(APPEND)
            .bind(events.len() as i64)
            .bind(texts(|event| &event.tenant))
            .bind(texts(|event| &event.kind))
            .bind(texts(|event| &event.key))
            .bind(events.iter().map(|event| event.at).collect::<Vec<i64>>())
            .bind(texts(|event| &event.data))
            .bind(positions)
            .bind(names)
            .bind(times)
            .bind(tenants)
            .fetch_one(connection)
            .await?;
        row.try_get(0).map(Some)
    }
}

/// Reads an event whose columns start at `first`.
fn event(row: &PgRow, first: usize) -> Result<Event, PipelineError> {
    Ok(Event {
        sequence: row.try_get(first)?,
        tenant: TenantId(unescape(row.try_get(first + 1)?)?),
        kind: unescape(row.try_get(first + 2)?)?,
        key: unescape(row.try_get(first + 3)?)?,
        at: time(row.try_get(first + 4)?),
        data: decode(row.try_get(first + 5)?)?,
    })
}

fn delivery(row: &PgRow) -> Result<DueDelivery, PipelineError> {
    Ok(DueDelivery {
        id: row.try_get(0)?,
        webhook: unescape(row.try_get(1)?)?,
        attempts: super::count(row.try_get(2)?),
        event: event(row, 3)?,
    })
}

pub(super) async fn after(
    database: &Database,
    tenant: Option<&TenantId>,
    sequence: i64,
    count: usize,
) -> Result<Vec<Event>, PipelineError> {
    let rows = match tenant {
        Some(tenant) => {
            let tenant = escape(tenant.as_str());
            database
                .again("events_after", || {
                    let sql = "SELECT sequence, tenant, kind, key, at, data FROM events
                               WHERE tenant = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
                    sqlx::query(sql).bind(&*tenant).bind(sequence).bind(limit(count)).fetch_all(&database.pool)
                })
                .await?
        }
        None => {
            database
                .again("events_after", || {
                    let sql = "SELECT sequence, tenant, kind, key, at, data FROM events
                               WHERE sequence > $1 ORDER BY sequence LIMIT $2";
                    sqlx::query(sql).bind(sequence).bind(limit(count)).fetch_all(&database.pool)
                })
                .await?
        }
    };
    rows.iter().map(|row| event(row, 0)).collect()
}

pub(super) async fn last_sequence(database: &Database) -> Result<i64, PipelineError> {
    let read = || sqlx::query_scalar("SELECT sequence FROM counter").fetch_one(&database.pool);
    database.again("last_sequence", read).await
}

/// Done once: a claim whose answer was lost comes back when its time is over.
pub(super) async fn claim(
    database: &Database,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    count: usize,
) -> Result<Vec<DueDelivery>, PipelineError> {
    let sql = "WITH due AS (
                   SELECT id, due_at FROM deliveries WHERE state = 0 AND due_at <= $1
                   ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED),
               claimed AS (
                   UPDATE deliveries d SET due_at = $2 FROM due WHERE d.id = due.id
                   RETURNING d.id, d.webhook, d.attempts, d.event, due.due_at AS was_due)
               SELECT c.id, c.webhook, c.attempts, e.sequence, e.tenant, e.kind, e.key, e.at, e.data
               FROM claimed c JOIN events e ON e.sequence = c.event ORDER BY c.was_due, c.id";
    let query = sqlx::query(sql).bind(stamp(now)).bind(stamp(until)).bind(limit(count));
    let rows = database.once("claim_deliveries", query.fetch_all(&database.pool)).await?;
    rows.iter().map(delivery).collect()
}

pub(super) async fn open_deliveries(database: &Database, count: usize) -> Result<Vec<DueDelivery>, PipelineError> {
    let read = || {
        let sql = "SELECT d.id, d.webhook, d.attempts, e.sequence, e.tenant, e.kind, e.key, e.at, e.data
                   FROM deliveries d JOIN events e ON e.sequence = d.event
                   WHERE d.state = 0 ORDER BY d.due_at, d.id LIMIT $1";
        sqlx::query(sql).bind(limit(count)).fetch_all(&database.pool)
    };
    database.again("open_deliveries", read).await?.iter().map(delivery).collect()
}

pub(super) async fn done(database: &Database, id: i64, at: DateTime<Utc>) -> Result<(), PipelineError> {
    let write = || {
        let sql = "UPDATE deliveries SET state = 1, attempts = attempts + 1, done_at = $1, error = NULL
                   WHERE id = $2 AND state = 0";
        sqlx::query(sql).bind(stamp(at)).bind(id).execute(&database.pool)
    };
    database.again("delivery_done", write).await.map(drop)
}

pub(super) async fn failed(
    database: &Database,
    id: i64,
    next: Option<DateTime<Utc>>,
    error: &str,
) -> Result<(), PipelineError> {
    let sql = "UPDATE deliveries SET attempts = attempts + 1, error = $1, due_at = coalesce($2, due_at), state = $3
               WHERE id = $4 AND state = 0";
    let state: i16 = if next.is_some() { 0 } else { 2 };
    let query = sqlx::query(sql).bind(escape(error)).bind(next.map(stamp)).bind(state).bind(id);
    database.once("delivery_failed", query.execute(&database.pool)).await.map(drop)
}
