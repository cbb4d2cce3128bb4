//! Events and the outbox of webhooks.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, writer::Scope};
use crate::store::row::{decode, encode, limit, stamp, time};
use crate::{
    error::PipelineError,
    item::TenantId,
    store::{DueDelivery, Event},
};

/// Appends events and their webhook deliveries to the running transaction.
pub(super) async fn append(
    scope: &mut Scope,
    events: &[Event],
    webhooks: &[(usize, String)],
) -> Result<(), PipelineError> {
    if let Some((index, _)) = webhooks.iter().find(|(index, _)| *index >= events.len()) {
        let message = format!("a webhook asks for event {index} of {}", events.len());
        return Err(PipelineError::Internal { part: "store", message });
    }
    for (position, event) in events.iter().enumerate() {
        let sequence = sqlx::query("INSERT INTO events (tenant, kind, key, at, data) VALUES (?, ?, ?, ?, ?)")
            .bind(event.tenant.as_str())
            .bind(event.kind.as_str())
            .bind(event.key.as_str())
            .bind(stamp(event.at))
            .bind(encode(&event.data)?)
            .execute(&mut scope.connection)
            .await?
            .last_insert_rowid();
        scope.appended = Some(sequence);
        for (_, webhook) in webhooks.iter().filter(|(index, _)| *index == position) {
            sqlx::query(
                "INSERT INTO deliveries (event, webhook, tenant, created_at, due_at) VALUES (?1, ?2, ?3, ?4, ?4)",
            )
            .bind(sequence)
            .bind(webhook.as_str())
            .bind(event.tenant.as_str())
            .bind(stamp(event.at))
            .execute(&mut scope.connection)
            .await?;
        }
    }
    Ok(())
}

/// Reads an event whose columns start at `first`.
fn event(row: &SqliteRow, first: usize) -> Result<Event, PipelineError> {
    Ok(Event {
        sequence: row.try_get(first)?,
        tenant: TenantId(row.try_get(first + 1)?),
        kind: row.try_get(first + 2)?,
        key: row.try_get(first + 3)?,
        at: time(row.try_get(first + 4)?),
        data: decode(row.try_get(first + 5)?)?,
    })
}

pub(super) async fn after(
    store: &SqliteStore,
    tenant: Option<&TenantId>,
    sequence: i64,
    count: usize,
) -> Result<Vec<Event>, PipelineError> {
    let tenant = tenant.cloned();
    let rows = store
        .read("events_after", move |connection| {
            Box::pin(async move {
                let query = match tenant {
                    Some(tenant) => sqlx::query(
                        "SELECT sequence, tenant, kind, key, at, data FROM events
                         WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?",
                    )
                    .bind(tenant.0),
                    None => sqlx::query(
                        "SELECT sequence, tenant, kind, key, at, data FROM events
                         WHERE sequence > ? ORDER BY sequence LIMIT ?",
                    ),
                };
                Ok(query.bind(sequence).bind(limit(count)).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(|row| event(row, 0)).collect()
}

pub(super) async fn last_sequence(store: &SqliteStore) -> Result<i64, PipelineError> {
    store
        .read("last_sequence", |connection| {
            Box::pin(async move {
                // Not the highest row: events expire, numbers do not come back.
                let row = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
                Ok(row.fetch_optional(connection).await?.map_or(Ok(0), |row| row.try_get(0))?)
            })
        })
        .await
}

pub(super) async fn claim(
    store: &SqliteStore,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    count: usize,
) -> Result<Vec<DueDelivery>, PipelineError> {
    // Looks before it writes: the outbox asks often, and mostly nothing is due.
    let any = store
        .read("claim_deliveries", move |connection| {
            Box::pin(async move {
                let sql = "SELECT 1 FROM deliveries WHERE state = 0 AND due_at <= ? LIMIT 1";
                Ok(sqlx::query(sql).bind(stamp(now)).fetch_optional(connection).await?.is_some())
            })
        })
        .await?;
    if !any {
        return Ok(Vec::new());
    }
    let rows =
        store.writer.write("claim_deliveries", move |scope| Box::pin(claim_in(scope, now, until, count))).await?;
    rows.iter().map(delivery).collect()
}

fn delivery(row: &SqliteRow) -> Result<DueDelivery, PipelineError> {
    Ok(DueDelivery { id: row.try_get(0)?, webhook: row.try_get(1)?, attempts: row.try_get(2)?, event: event(row, 3)? })
}

pub(super) async fn open_deliveries(store: &SqliteStore, count: usize) -> Result<Vec<DueDelivery>, PipelineError> {
    let rows = store
        .read("open_deliveries", move |connection| {
            Box::pin(async move {
                let sql = "SELECT d.id, d.webhook, d.attempts, e.sequence, e.tenant, e.kind, e.key, e.at, e.data
                           FROM deliveries d JOIN events e ON e.sequence = d.event
                           WHERE d.state = 0 ORDER BY d.due_at, d.id LIMIT ?";
                Ok(sqlx::query(sql).bind(limit(count)).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(delivery).collect()
}

async fn claim_in(
    scope: &mut Scope,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    count: usize,
) -> Result<Vec<SqliteRow>, PipelineError> {
    let rows = sqlx::query(
        "SELECT d.id, d.webhook, d.attempts, e.sequence, e.tenant, e.kind, e.key, e.at, e.data
         FROM deliveries d JOIN events e ON e.sequence = d.event
         WHERE d.state = 0 AND d.due_at <= ? ORDER BY d.due_at, d.id LIMIT ?",
    )
    .bind(stamp(now))
    .bind(limit(count))
    .fetch_all(&mut scope.connection)
    .await?;
    let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    sqlx::query(
        "UPDATE deliveries SET claimed_from = coalesce(claimed_from, due_at), due_at = ?
         WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(stamp(until))
    .bind(encode(&ids)?)
    .execute(&mut scope.connection)
    .await?;
    Ok(rows)
}

/// Makes due again what an earlier process claimed and did not settle.
pub(super) async fn release_claims(connection: &mut SqliteConnection) -> Result<(), PipelineError> {
    let sql = "UPDATE deliveries SET due_at = claimed_from, claimed_from = NULL WHERE claimed_from IS NOT NULL";
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

pub(super) async fn done(store: &SqliteStore, id: i64, at: DateTime<Utc>) -> Result<(), PipelineError> {
    store
        .writer
        .write("delivery_done", move |scope| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET state = 1, attempts = attempts + 1, done_at = ?, error = NULL, claimed_from = NULL
                           WHERE id = ? AND state = 0";
                sqlx::query(sql).bind(stamp(at)).bind(id).execute(&mut scope.connection).await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn failed(
    store: &SqliteStore,
    id: i64,
    next: Option<DateTime<Utc>>,
    error: &str,
) -> Result<(), PipelineError> {
    let error = error.to_owned();
    store
        .writer
        .write("delivery_failed", move |scope| {
            Box::pin(async move {
                let sql = "UPDATE deliveries SET attempts = attempts + 1, error = ?, due_at = coalesce(?, due_at),
                           state = ?, claimed_from = NULL WHERE id = ? AND state = 0";
                sqlx::query(sql)
                    .bind(error)
                    .bind(next.map(stamp))
                    .bind(if next.is_some() { 0 } else { 2 })
                    .bind(id)
                    .execute(&mut scope.connection)
                    .await?;
                Ok(())
            })
        })
        .await
}
