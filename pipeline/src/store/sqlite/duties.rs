//! What the service does in the background: who does it, how far it is, and retention.

use chrono::{DateTime, Utc};

use sqlx::Row;

use super::SqliteStore;
use crate::error::PipelineError;
use crate::store::row::stamp;

/// Rows that one operation deletes at most: other writers go in between.
const ROWS: u64 = 500;

/// In order: what refers to a row goes before the row. An event whose delivery is still due stays.
const STATEMENTS: [&str; 9] = [
    "DELETE FROM context WHERE sequence IN (SELECT sequence FROM context c WHERE at < ?1
          AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = c.tenant AND h.actor = c.actor) LIMIT ?2)",
    "DELETE FROM deliveries WHERE id IN
         (SELECT id FROM deliveries WHERE state <> 0 AND created_at < ?1 LIMIT ?2)",
    "DELETE FROM events WHERE sequence IN
         (SELECT sequence FROM events e WHERE at < ?1
          AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.sequence) LIMIT ?2)",
    "DELETE FROM participants WHERE rowid IN
         (SELECT p.rowid FROM participants p WHERE p.updated_at < ?1 AND NOT EXISTS
             (SELECT 1 FROM calls c WHERE c.tenant = p.tenant AND c.id = p.call_id
              AND (c.ended_at IS NULL OR c.ended_at >= ?1)) LIMIT ?2)",
    "DELETE FROM calls WHERE rowid IN
         (SELECT rowid FROM calls WHERE ended_at IS NOT NULL AND ended_at < ?1 LIMIT ?2)",
    "DELETE FROM presence WHERE rowid IN
         (SELECT rowid FROM presence WHERE connected = 0 AND at < ?1 LIMIT ?2)",
    "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE at < ?1 LIMIT ?2)",
    "DELETE FROM matches WHERE id IN (SELECT id FROM matches WHERE ended_at IS NOT NULL AND ended_at < ?1 LIMIT ?2)",
    "DELETE FROM daily_lists WHERE (tenant, person) IN
         (SELECT tenant, person FROM daily_lists WHERE day * 86400000000000 < ?1 LIMIT ?2)",
];

pub(super) async fn expire(store: &SqliteStore, before: DateTime<Utc>) -> Result<u64, PipelineError> {
    let mut total = 0;
    for sql in STATEMENTS {
        loop {
            let deleted = store
                .writer
                .write("expire", move |scope| {
                    Box::pin(async move {
                        let query = sqlx::query(sql).bind(stamp(before)).bind(ROWS as i64);
                        Ok(query.execute(&mut scope.connection).await?.rows_affected())
                    })
                })
                .await?;
            total += deleted;
            if deleted < ROWS {
                break;
            }
        }
    }
    Ok(total)
}

pub(super) async fn claim(
    store: &SqliteStore,
    duty: &str,
    holder: &str,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, PipelineError> {
    let (duty, holder) = (duty.to_owned(), holder.to_owned());
    store
        .writer
        .write("claim_duty", move |scope| {
            Box::pin(async move {
                let sql = "INSERT INTO duties (duty, holder, held_until) VALUES (?1, ?2, ?3)
                           ON CONFLICT (duty) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
                           WHERE duties.holder = excluded.holder OR duties.held_until <= ?4";
                let query = sqlx::query(sql).bind(duty).bind(holder).bind(stamp(until)).bind(stamp(now));
                Ok(query.execute(&mut scope.connection).await?.rows_affected() > 0)
            })
        })
        .await
}

pub(super) async fn relay_position(store: &SqliteStore, relay: &str) -> Result<Option<i64>, PipelineError> {
    let relay = relay.to_owned();
    store
        .read("relay_position", move |connection| {
            Box::pin(async move {
                let query = sqlx::query("SELECT position FROM relays WHERE relay = ?").bind(relay);
                Ok(query.fetch_optional(connection).await?.map(|row| row.try_get(0)).transpose()?)
            })
        })
        .await
}

pub(super) async fn move_relay(store: &SqliteStore, relay: &str, to: i64) -> Result<(), PipelineError> {
    let relay = relay.to_owned();
    store
        .writer
        .write("move_relay", move |scope| {
            Box::pin(async move {
                let sql = "INSERT INTO relays (relay, position) VALUES (?, ?)
                           ON CONFLICT (relay) DO UPDATE SET position = max(position, excluded.position)";
                sqlx::query(sql).bind(relay).bind(to).execute(&mut scope.connection).await?;
                Ok(())
            })
        })
        .await
}
