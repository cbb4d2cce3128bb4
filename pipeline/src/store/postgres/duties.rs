//! What the service does in the background: who does it, how far it is, months to come, and retention.

use chrono::{DateTime, Utc};

use super::{Database, text::escape};
use crate::{error::PipelineError, store::row::stamp};

/// Rows that one statement deletes at most: other writers go in between.
const ROWS: u64 = 500;
/// Months of outcomes that have a partition before they begin.
const MONTHS_AHEAD: i32 = 3;

/// In order: what refers to a row goes before the row. An event whose delivery is still due stays.
const STATEMENTS: [&str; 9] = [
    "DELETE FROM context WHERE ctid = ANY (ARRAY (SELECT ctid FROM context c WHERE at < $1
          AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = c.tenant AND h.actor = c.actor) LIMIT $2))",
    "DELETE FROM deliveries WHERE id IN
         (SELECT id FROM deliveries WHERE state <> 0 AND created_at < $1 LIMIT $2)",
    "DELETE FROM events WHERE sequence IN
         (SELECT sequence FROM events e WHERE at < $1
          AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.sequence) LIMIT $2)",
    "DELETE FROM participants WHERE (tenant, call_id, actor) IN
         (SELECT p.tenant, p.call_id, p.actor FROM participants p WHERE p.updated_at < $1 AND NOT EXISTS
             (SELECT 1 FROM calls c WHERE c.tenant = p.tenant AND c.id = p.call_id
              AND (c.ended_at IS NULL OR c.ended_at >= $1)) LIMIT $2)",
    "DELETE FROM calls WHERE (tenant, id) IN
         (SELECT tenant, id FROM calls WHERE ended_at IS NOT NULL AND ended_at < $1 LIMIT $2)",
    "DELETE FROM presence WHERE (tenant, actor) IN
         (SELECT tenant, actor FROM presence WHERE NOT connected AND at < $1 LIMIT $2)",
    "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE at < $1 LIMIT $2)",
    "DELETE FROM matches WHERE id IN (SELECT id FROM matches WHERE ended_at IS NOT NULL AND ended_at < $1 LIMIT $2)",
    "DELETE FROM daily_lists WHERE (tenant, person) IN
         (SELECT tenant, person FROM daily_lists WHERE day * 86400000000000 < $1 LIMIT $2)",
];

pub(super) async fn expire(database: &Database, before: DateTime<Utc>) -> Result<u64, PipelineError> {
    prepare_months(database).await;
    let mut total = 0;
    for sql in STATEMENTS {
        loop {
            let delete = || sqlx::query(sql).bind(stamp(before)).bind(ROWS as i64).execute(&database.pool);
            let deleted = database.again("expire", delete).await?.rows_affected();
            total += deleted;
            if deleted < ROWS {
                break;
            }
        }
    }
    Ok(total)
}

/// Makes partitions for this month and the next ones. What fails is only logged: the default partition takes every row.
pub(super) async fn prepare_months(database: &Database) {
    let make = || {
        let query = sqlx::query_scalar::<_, i32>("SELECT make_outcome_months($1)");
        query.bind(MONTHS_AHEAD).fetch_one(&database.pool)
    };
    if let Err(error) = database.again("make_months", make).await {
        tracing::warn!(store.error = %error, "the next months' partitions are not made; the next turn tries again");
    }
}

pub(super) async fn claim(
    database: &Database,
    duty: &str,
    holder: &str,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, PipelineError> {
    let (duty, holder) = (escape(duty), escape(holder));
    let write = || {
        let sql = "INSERT INTO duties (duty, holder, held_until) VALUES ($1, $2, $3)
                   ON CONFLICT (duty) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
                   WHERE duties.holder = excluded.holder OR duties.held_until <= $4";
        sqlx::query(sql).bind(&*duty).bind(&*holder).bind(stamp(until)).bind(stamp(now)).execute(&database.pool)
    };
    Ok(database.again("claim_duty", write).await?.rows_affected() > 0)
}

pub(super) async fn relay_position(database: &Database, relay: &str) -> Result<Option<i64>, PipelineError> {
    let relay = escape(relay);
    let read = || {
        let query = sqlx::query_scalar("SELECT position FROM relays WHERE relay = $1");
        query.bind(&*relay).fetch_optional(&database.pool)
    };
    database.again("relay_position", read).await
}

pub(super) async fn move_relay(database: &Database, relay: &str, to: i64) -> Result<(), PipelineError> {
    let relay = escape(relay);
    let write = || {
        let sql = "INSERT INTO relays (relay, position) VALUES ($1, $2)
                   ON CONFLICT (relay) DO UPDATE SET position = greatest(relays.position, excluded.position)";
        sqlx::query(sql).bind(&*relay).bind(to).execute(&database.pool)
    };
    database.again("move_relay", write).await.map(drop)
}

pub(super) async fn health(database: &Database) -> Result<(), PipelineError> {
    let beat = || sqlx::query("UPDATE heartbeat SET beats = beats + 1").execute(&database.pool);
    database.again("health", beat).await.map(drop)
}
