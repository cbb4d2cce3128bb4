//! Deletes what is older than its retention.

use chrono::{DateTime, Utc};

use super::{SqliteStore, row::stamp};
use crate::error::PipelineError;

/// Rows that one operation deletes at most: other writers go in between.
const ROWS: u64 = 500;

/// In order: what refers to a row goes before the row. An event whose delivery is still due stays.
const STATEMENTS: [&str; 5] = [
    "DELETE FROM context WHERE sequence IN (SELECT sequence FROM context WHERE at < ?1 LIMIT ?2)",
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
