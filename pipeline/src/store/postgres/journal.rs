//! The embedded queue's journal: accepted items until their outcome is recorded. It belongs to one process (`owner.rs`), whose
//! queue remembers what waits; so one task writes it and nobody else comes in between.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use models::Lane;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Database, count,
    database::measure,
    text::{escape, escaped, unescape},
};
use crate::{
    error::PipelineError,
    item::{Content, Envelope, Item, ItemId},
    queue::DeadLetter,
    store::{
        JournalEntry,
        row::{decode, encode, lane, limit, stamp, taken, time},
    },
};

/// Calls in one statement at most.
pub(super) const MOST: usize = 256;

/// An item as its columns hold it.
pub(super) struct JournalRow {
    id: ItemId,
    tenant: String,
    lane: i16,
    envelope: String,
    picture: bool,
    content: Bytes,
}

impl JournalRow {
    pub(super) fn new(item: Item, lane: Lane) -> Result<Self, PipelineError> {
        let Item { envelope, content } = item;
        let (picture, content) = match content {
            Content::Text(text) => (false, Bytes::from(text)),
            Content::Picture(bytes) => (true, bytes),
        };
        let body = encode(&envelope)?;
        let lane = i16::try_from(lane.index()).unwrap_or_default();
        Ok(Self { id: envelope.id, tenant: escaped(envelope.tenant.0), lane, envelope: body, picture, content })
    }
}

/// Writes many calls' items in one statement: of each call all or none.
pub(super) async fn append(database: &Database, calls: Vec<Vec<JournalRow>>) -> Vec<Result<(), PipelineError>> {
    let started = Instant::now();
    let ids: HashSet<Uuid> = calls.iter().flatten().map(|row| row.id.0).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let read = || sqlx::query("SELECT id, tenant FROM journal WHERE id = ANY($1)").bind(&ids).fetch_all(&database.pool);
    let known = database.again("journal_owners", read).await;
    let owners: Result<HashMap<ItemId, String>, PipelineError> = known.and_then(|rows| {
        rows.iter().map(|row| Ok((ItemId(row.try_get(0)?), row.try_get(1)?))).collect::<Result<_, PipelineError>>()
    });
    let mut owners = match owners {
        Ok(owners) => owners,
        Err(error) => return calls.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut rows: Vec<&JournalRow> = Vec::new();
    let mut chosen: HashSet<ItemId> = HashSet::new();
    let mut answers: Vec<Result<(), PipelineError>> = Vec::with_capacity(calls.len());
    for call in &calls {
        // What this call would add, kept apart until all of it is known to be good.
        let mut own: HashMap<ItemId, &str> = HashMap::new();
        let foreign = call.iter().find(|row| {
            let owner = owners.get(&row.id).map(String::as_str);
            owner.unwrap_or_else(|| own.entry(row.id).or_insert(&row.tenant)) != row.tenant
        });
        if let Some(foreign) = foreign {
            answers.push(Err(taken(foreign.id)));
            continue;
        }
        answers.push(Ok(()));
        owners.extend(own.into_iter().map(|(id, tenant)| (id, tenant.to_owned())));
        // The first of two with one id is the one that stays.
        rows.extend(call.iter().filter(|row| chosen.insert(row.id)));
    }
    let written = insert(database, &rows).await;
    measure("journal_append", started);
    if let Err(error) = written {
        for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
            *answer = Err(error.clone());
        }
    }
    answers
}

async fn insert(database: &Database, rows: &[&JournalRow]) -> Result<(), PipelineError> {
    if rows.is_empty() {
        return Ok(());
    }
    let texts = |column: fn(&JournalRow) -> &str| rows.iter().map(|row| column(row)).collect::<Vec<&str>>();
    let write = || {
        // An item that was given up waits again; one that waits is left as it is.
        let sql = "INSERT INTO journal (id, tenant, lane, bytes, envelope, picture, content)
                   SELECT id, tenant, lane, bytes, envelope, picture, content
                   FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::bigint[], $5::text[], $6::boolean[],
                               $7::bytea[])
                       WITH ORDINALITY AS g (id, tenant, lane, bytes, envelope, picture, content, position)
                   ORDER BY position
                   ON CONFLICT (id) DO UPDATE SET dead = NULL, dead_at = NULL, attempts = 0, lost = 0, begun = 0, lane = excluded.lane,
                       bytes = excluded.bytes, envelope = excluded.envelope, picture = excluded.picture,
                       content = excluded.content
                   WHERE journal.dead IS NOT NULL AND journal.tenant = excluded.tenant";
        sqlx::query(sql)
            .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
            .bind(texts(|row| &row.tenant))
            .bind(rows.iter().map(|row| row.lane).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| limit(row.content.len())).collect::<Vec<_>>())
            .bind(texts(|row| &row.envelope))
            .bind(rows.iter().map(|row| row.picture).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| &row.content[..]).collect::<Vec<_>>())
            .execute(&database.pool)
    };
    database.again("journal_insert", write).await.map(drop)
}

fn uuids(ids: &[ItemId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

pub(super) async fn load(database: &Database, ids: &[ItemId]) -> Result<Vec<Item>, PipelineError> {
    let read = || {
        let sql = "SELECT envelope, picture, content FROM journal WHERE id = ANY($1)";
        sqlx::query(sql).bind(uuids(ids)).fetch_all(&database.pool)
    };
    database.again("journal_load", read).await?.iter().map(|row| item(row, 1)).collect()
}

/// Reads an item whose envelope is in column 0 and whose content begins in column `first`.
fn item(row: &PgRow, first: usize) -> Result<Item, PipelineError> {
    let content: Vec<u8> = row.try_get(first + 1)?;
    let content = match row.try_get(first)? {
        true => Content::Picture(Bytes::from(content)),
        false => Content::Text(String::from_utf8(content).map_err(|_| {
            let message = "the journal holds a text that is none".to_owned();
            PipelineError::Internal { part: "store", message }
        })?),
    };
    Ok(Item { envelope: decode(row.try_get(0)?)?, content })
}

/// Forgets many calls' items in one statement.
pub(super) async fn settle(database: &Database, calls: Vec<Vec<ItemId>>) -> Vec<Result<(), PipelineError>> {
    let ids = uuids(&calls.concat());
    let delete = || sqlx::query("DELETE FROM journal WHERE id = ANY($1)").bind(&ids).execute(&database.pool);
    let settled = database.again("journal_settle", delete).await.map(drop);
    calls.iter().map(|_| settled.clone()).collect()
}

pub(super) async fn retry(database: &Database, id: ItemId) -> Result<(), PipelineError> {
    let query = sqlx::query("UPDATE journal SET attempts = attempts + 1, lost = 0, begun = 0 WHERE id = $1").bind(id.0);
    database.once("journal_retry", query.execute(&database.pool)).await.map(drop)
}

pub(super) async fn bury(
    database: &Database,
    id: ItemId,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let sql = "UPDATE journal SET dead = $1, dead_at = $2, attempts = attempts + GREATEST(begun, 1) WHERE id = $3";
    let query = sqlx::query(sql).bind(escape(reason)).bind(stamp(at)).bind(id.0);
    database.once("journal_bury", query.execute(&database.pool)).await.map(drop)
}

pub(super) async fn pending(database: &Database) -> Result<Vec<JournalEntry>, PipelineError> {
    let read = || {
        let sql = "SELECT id, lane, attempts, bytes, lost FROM journal WHERE dead IS NULL ORDER BY sequence";
        sqlx::query(sql).fetch_all(&database.pool)
    };
    let rows = database.again("journal_pending", read).await?;
    rows.iter()
        .map(|row| {
            Ok(JournalEntry {
                id: ItemId(row.try_get(0)?),
                lane: lane(row.try_get::<i16, _>(1)?.into())?,
                attempts: count(row.try_get(2)?),
                bytes: size(row.try_get(3)?),
                lost: count(row.try_get(4)?),
            })
        })
        .collect()
}

fn size(bytes: i64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn dead_letter(row: &PgRow) -> Result<DeadLetter, PipelineError> {
    let envelope: Envelope = decode(row.try_get(0)?)?;
    Ok(DeadLetter {
        id: envelope.id,
        kind: envelope.kind,
        reason: unescape(row.try_get(1)?)?,
        attempts: count(row.try_get(2)?),
        at: row.try_get::<Option<i64>, _>(3)?.map_or(envelope.received_at, time),
        lane: lane(row.try_get::<i16, _>(4)?.into())?,
        bytes: size(row.try_get(5)?),
        tenant: envelope.tenant,
    })
}

pub(super) async fn dead(database: &Database, most: usize) -> Result<Vec<DeadLetter>, PipelineError> {
    let read = || {
        let sql = "SELECT envelope, dead, attempts, dead_at, lane, bytes FROM journal WHERE dead IS NOT NULL
                   ORDER BY sequence LIMIT $1";
        sqlx::query(sql).bind(limit(most)).fetch_all(&database.pool)
    };
    database.again("journal_dead", read).await?.iter().map(dead_letter).collect()
}

pub(super) async fn dead_item(
    database: &Database,
    id: ItemId,
) -> Result<Option<(DeadLetter, Item, Lane)>, PipelineError> {
    let read = || {
        let sql = "SELECT envelope, dead, attempts, dead_at, lane, bytes, picture, content FROM journal
                   WHERE id = $1 AND dead IS NOT NULL";
        sqlx::query(sql).bind(id.0).fetch_optional(&database.pool)
    };
    let Some(row) = database.again("journal_dead_item", read).await? else { return Ok(None) };
    let letter = dead_letter(&row)?;
    let lane = letter.lane;
    Ok(Some((letter, item(&row, 6)?, lane)))
}

/// Once: after a lost answer a second time would find nothing, and the queue would not know what waits.
pub(super) async fn revive(database: &Database, ids: &[ItemId]) -> Result<Vec<(ItemId, Lane, u32)>, PipelineError> {
    let sql = "WITH revived AS (
                   UPDATE journal SET dead = NULL, dead_at = NULL, attempts = 0, lost = 0, begun = 0
                   WHERE dead IS NOT NULL AND id = ANY($1) RETURNING id, lane, bytes, sequence)
               SELECT id, lane, bytes FROM revived ORDER BY sequence";
    let query = sqlx::query(sql).bind(uuids(ids));
    let rows = database.once("journal_revive", query.fetch_all(&database.pool)).await?;
    let entry =
        |row: &PgRow| Ok((ItemId(row.try_get(0)?), lane(row.try_get::<i16, _>(1)?.into())?, size(row.try_get(2)?)));
    rows.iter().map(entry).collect()
}

pub(super) async fn discard(database: &Database, ids: &[ItemId]) -> Result<usize, PipelineError> {
    let query = sqlx::query("DELETE FROM journal WHERE dead IS NOT NULL AND id = ANY($1)").bind(uuids(ids));
    let gone = database.once("journal_discard", query.execute(&database.pool)).await?.rows_affected();
    Ok(usize::try_from(gone).unwrap_or(usize::MAX))
}
