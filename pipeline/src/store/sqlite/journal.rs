//! The embedded queue's journal: accepted items until their outcome is recorded.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use models::Lane;
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{SqliteStore, writer::Scope};
use crate::store::row::{decode, encode, id_list, lane, limit, stamp, taken, time};
use crate::{
    error::PipelineError,
    item::{Content, Envelope, Item, ItemId, TenantId},
    queue::DeadLetter,
    store::JournalEntry,
};

/// Rows in one statement: 7 values each, far below SQLite's limit of 32,766 values.
const ROWS: usize = 128;

pub(super) async fn append(store: &SqliteStore, items: Vec<(Item, Lane)>) -> Result<(), PipelineError> {
    if items.is_empty() {
        return Ok(());
    }
    store.writer.write("journal_append", move |scope| Box::pin(append_in(scope, items))).await
}

async fn append_in(scope: &mut Scope, items: Vec<(Item, Lane)>) -> Result<(), PipelineError> {
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let mut tenants: HashMap<ItemId, TenantId> = HashMap::with_capacity(ROWS);
        let mut rows = Vec::with_capacity(ROWS);
        for (item, lane) in items.by_ref().take(ROWS) {
            let Item { envelope, content } = item;
            let first = tenants.entry(envelope.id).or_insert_with(|| envelope.tenant.clone());
            if *first != envelope.tenant {
                return Err(taken(envelope.id));
            }
            rows.push((encode(&envelope)?, envelope.id, envelope.tenant, lane, content));
        }
        let count = rows.len() as u64;
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO journal (id, tenant, lane, bytes, envelope, body_text, body_picture) ",
        );
        insert.push_values(rows, |mut row, (envelope, id, tenant, lane, content)| {
            row.push_bind(id.0).push_bind(tenant.0).push_bind(lane.index() as i64);
            row.push_bind(limit(content.len())).push_bind(envelope);
            match content {
                Content::Text(text) => row.push_bind(Some(text)).push_bind(None::<Vec<u8>>),
                Content::Picture(bytes) => row.push_bind(None::<String>).push_bind(Some(Vec::from(bytes))),
            };
        });
        // An item that was given up waits again; one that waits is left as it is.
        insert.push(
            " ON CONFLICT (id) DO UPDATE SET dead = NULL, dead_at = NULL, attempts = 0, lost = 0, begun = 0, lane = excluded.lane, bytes = excluded.bytes,
              envelope = excluded.envelope, body_text = excluded.body_text, body_picture = excluded.body_picture
              WHERE journal.dead IS NOT NULL AND journal.tenant = excluded.tenant",
        );
        let written = insert.build().persistent(false).execute(&mut scope.connection).await?.rows_affected();
        if written < count {
            refuse_foreign(scope, &tenants).await?;
        }
    }
    Ok(())
}

/// Refuses the call when one of its ids is another tenant's: accepting it would lose it.
async fn refuse_foreign(scope: &mut Scope, tenants: &HashMap<ItemId, TenantId>) -> Result<(), PipelineError> {
    let rows = sqlx::query("SELECT id, tenant FROM journal WHERE id IN (SELECT unhex(value) FROM json_each(?))")
        .bind(id_list(tenants.keys()))
        .fetch_all(&mut scope.connection)
        .await?;
    for row in rows {
        let (id, owner) = (ItemId(row.try_get(0)?), row.try_get::<String, _>(1)?);
        if tenants.get(&id).is_some_and(|tenant| tenant.0 != owner) {
            return Err(taken(id));
        }
    }
    Ok(())
}

pub(super) async fn load(store: &SqliteStore, ids: Vec<ItemId>) -> Result<Vec<Item>, PipelineError> {
    let rows = store
        .read("journal_load", move |connection| {
            Box::pin(async move {
                let list = id_list(&ids);
                Ok(sqlx::query(
                    "SELECT envelope, body_text, body_picture FROM journal
                     WHERE id IN (SELECT unhex(value) FROM json_each(?))",
                )
                .bind(list)
                .fetch_all(connection)
                .await?)
            })
        })
        .await?;
    rows.iter().map(|row| item(row, 1)).collect()
}

/// Reads an item whose envelope is in column 0 and whose content begins in column `first`.
fn item(row: &SqliteRow, first: usize) -> Result<Item, PipelineError> {
    let content = match row.try_get::<Option<String>, _>(first)? {
        Some(text) => Content::Text(text),
        None => Content::Picture(Bytes::from(row.try_get::<Vec<u8>, _>(first + 1)?)),
    };
    Ok(Item { envelope: decode(row.try_get(0)?)?, content })
}

pub(super) async fn settle(store: &SqliteStore, ids: Vec<ItemId>) -> Result<(), PipelineError> {
    if ids.is_empty() {
        return Ok(());
    }
    store
        .writer
        .write("journal_settle", move |scope| {
            Box::pin(async move {
                sqlx::query("DELETE FROM journal WHERE id IN (SELECT unhex(value) FROM json_each(?))")
                    .bind(id_list(&ids))
                    .execute(&mut scope.connection)
                    .await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn retry(store: &SqliteStore, id: ItemId) -> Result<(), PipelineError> {
    store
        .writer
        .write("journal_retry", move |scope| {
            Box::pin(async move {
                sqlx::query("UPDATE journal SET attempts = attempts + 1, lost = 0, begun = 0 WHERE id = ?")
                    .bind(id.0)
                    .execute(&mut scope.connection)
                    .await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn bury(
    store: &SqliteStore,
    id: ItemId,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let reason = reason.to_owned();
    store
        .writer
        .write("journal_bury", move |scope| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE journal SET dead = ?, dead_at = ?, attempts = attempts + MAX(begun, 1) WHERE id = ?",
                )
                .bind(reason)
                .bind(stamp(at))
                .bind(id.0)
                .execute(&mut scope.connection)
                .await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn pending(store: &SqliteStore) -> Result<Vec<JournalEntry>, PipelineError> {
    let rows = store
        .read("journal_pending", |connection| {
            Box::pin(async move {
                let sql = "SELECT id, lane, attempts, bytes, lost FROM journal WHERE dead IS NULL ORDER BY sequence";
                Ok(sqlx::query(sql).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter()
        .map(|row| {
            Ok(JournalEntry {
                id: ItemId(row.try_get(0)?),
                lane: lane(row.try_get(1)?)?,
                attempts: row.try_get(2)?,
                bytes: row.try_get(3)?,
                lost: row.try_get(4)?,
            })
        })
        .collect()
}

pub(super) async fn dead(store: &SqliteStore, count: usize) -> Result<Vec<DeadLetter>, PipelineError> {
    let rows = store
        .read("journal_dead", move |connection| {
            Box::pin(async move {
                let sql = "SELECT envelope, dead, attempts, dead_at, lane, bytes FROM journal WHERE dead IS NOT NULL
                           ORDER BY sequence LIMIT ?";
                Ok(sqlx::query(sql).bind(limit(count)).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(dead_letter).collect()
}

fn dead_letter(row: &SqliteRow) -> Result<DeadLetter, PipelineError> {
    let envelope: Envelope = decode(row.try_get(0)?)?;
    Ok(DeadLetter {
        id: envelope.id,
        kind: envelope.kind,
        reason: row.try_get(1)?,
        attempts: row.try_get(2)?,
        // The first version did not write it down: no earlier than its acceptance.
        at: row.try_get::<Option<i64>, _>(3)?.map_or(envelope.received_at, time),
        lane: lane(row.try_get(4)?)?,
        bytes: row.try_get(5)?,
        tenant: envelope.tenant,
    })
}

pub(super) async fn dead_item(
    store: &SqliteStore,
    id: ItemId,
) -> Result<Option<(DeadLetter, Item, Lane)>, PipelineError> {
    let row = store
        .read("journal_dead_item", move |connection| {
            Box::pin(async move {
                let sql = "SELECT envelope, dead, attempts, dead_at, lane, bytes, body_text, body_picture FROM journal
                           WHERE id = ? AND dead IS NOT NULL";
                Ok(sqlx::query(sql).bind(id.0).fetch_optional(connection).await?)
            })
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    let letter = dead_letter(&row)?;
    let lane = letter.lane;
    Ok(Some((letter, item(&row, 6)?, lane)))
}

pub(super) async fn revive(store: &SqliteStore, ids: Vec<ItemId>) -> Result<Vec<(ItemId, Lane, u32)>, PipelineError> {
    let rows = store
        .writer
        .write("journal_revive", move |scope| {
            Box::pin(async move {
                Ok(sqlx::query(
                    "UPDATE journal SET dead = NULL, dead_at = NULL, attempts = 0, lost = 0, begun = 0
                     WHERE dead IS NOT NULL AND id IN (SELECT unhex(value) FROM json_each(?))
                     RETURNING id, lane, bytes, sequence",
                )
                .bind(id_list(&ids))
                .fetch_all(&mut scope.connection)
                .await?)
            })
        })
        .await?;
    let mut revived = rows
        .iter()
        .map(|row| Ok((row.try_get::<i64, _>(3)?, (ItemId(row.try_get(0)?), lane(row.try_get(1)?)?, row.try_get(2)?))))
        .collect::<Result<Vec<_>, PipelineError>>()?;
    revived.sort_by_key(|(sequence, _)| *sequence);
    Ok(revived.into_iter().map(|(_, entry)| entry).collect())
}

pub(super) async fn discard(store: &SqliteStore, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
    let gone = store
        .writer
        .write("journal_discard", move |scope| {
            Box::pin(async move {
                let sql = "DELETE FROM journal WHERE dead IS NOT NULL
                           AND id IN (SELECT unhex(value) FROM json_each(?))";
                let query = sqlx::query(sql).bind(id_list(&ids));
                Ok(query.execute(&mut scope.connection).await?.rows_affected())
            })
        })
        .await?;
    Ok(usize::try_from(gone).unwrap_or(usize::MAX))
}
