//! Calls.

use sqlx::{Row, postgres::PgRow};

use super::{
    Database,
    events::Appended,
    text::{escape, unescape},
};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, TenantId},
    store::{
        Event, Recorded,
        row::{decode, encode, limit, stamp},
    },
    stream::call::Call,
};

pub(super) async fn put_call(
    database: &Database,
    tenant: &TenantId,
    call: &Call,
    seen: Option<&Call>,
    events: &[Event],
    webhooks: &[(usize, String)],
) -> Result<Recorded, PipelineError> {
    let (text, events) = (encode(call)?, Appended::new(events, webhooks)?);
    let members: Vec<String> = match call.ended_at {
        None => call.present().map(|actor| escape(actor.as_str()).into_owned()).collect(),
        Some(_) => Vec::new(),
    };
    // Once: after a lost answer the caller reads again, and sees whether it was written.
    let write = Box::pin(async {
        let mut transaction = database.pool.begin().await?;
        let sql = "SELECT body FROM calls WHERE tenant = $1 AND id = $2 FOR UPDATE";
        let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(call.id.as_str()));
        let known = query.fetch_optional(&mut *transaction).await?;
        // A row that does not read back is not what was seen.
        if known.as_ref().map(|row| body(row).ok()) != seen.cloned().map(Some) {
            return Ok(None);
        }
        // Without a row there was nothing to lock: whoever comes second changes nothing.
        let sql = match seen {
            None => {
                "INSERT INTO calls (tenant, id, started_at, ended_at, body) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (tenant, id) DO NOTHING"
            }
            Some(_) => "UPDATE calls SET started_at = $3, ended_at = $4, body = $5 WHERE tenant = $1 AND id = $2",
        };
        let written = sqlx::query(sql)
            .bind(escape(tenant.as_str()))
            .bind(escape(call.id.as_str()))
            .bind(stamp(call.started_at))
            .bind(call.ended_at.map(stamp))
            .bind(&text)
            .execute(&mut *transaction)
            .await?;
        if written.rows_affected() == 0 {
            return Ok(None);
        }
        for sql in [
            "DELETE FROM call_members WHERE tenant = $1 AND call_id = $2 AND actor <> ALL ($3::text[])",
            "INSERT INTO call_members (tenant, call_id, actor) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING",
        ] {
            let query = sqlx::query(sql).bind(escape(tenant.as_str())).bind(escape(call.id.as_str())).bind(&members);
            query.execute(&mut *transaction).await?;
        }
        let sequence = Appended::write(&[&events], &mut transaction).await?;
        transaction.commit().await?;
        Ok(Some(sequence))
    });
    let Some(sequence) = database.once("put_call", write).await? else { return Ok(Recorded::Stale) };
    if let Some(sequence) = sequence {
        database.raise(sequence);
    }
    Ok(Recorded::New)
}

pub(super) async fn load_call(
    database: &Database,
    tenant: &TenantId,
    id: &CallId,
) -> Result<Option<Call>, PipelineError> {
    let (tenant, id) = (escape(tenant.as_str()), escape(id.as_str()));
    let read = || {
        let sql = "SELECT body FROM calls WHERE tenant = $1 AND id = $2";
        sqlx::query(sql).bind(&*tenant).bind(&*id).fetch_optional(&database.pool)
    };
    database.again("load_call", read).await?.as_ref().map(body).transpose()
}

pub(super) async fn open_calls_of(
    database: &Database,
    tenant: &TenantId,
    actor: &ActorId,
    count: usize,
) -> Result<Vec<CallId>, PipelineError> {
    let (tenant, actor) = (escape(tenant.as_str()), escape(actor.as_str()));
    let read = || {
        let sql = "SELECT call_id FROM call_members WHERE tenant = $1 AND actor = $2 ORDER BY call_id LIMIT $3";
        sqlx::query_scalar(sql).bind(&*tenant).bind(&*actor).bind(limit(count)).fetch_all(&database.pool)
    };
    let ids: Vec<String> = database.again("open_calls_of", read).await?;
    ids.into_iter().map(|id| unescape(id).map(CallId)).collect()
}

pub(super) async fn open_calls(
    database: &Database,
    tenant: &TenantId,
    count: usize,
) -> Result<Vec<Call>, PipelineError> {
    let tenant = escape(tenant.as_str());
    let read = || {
        let sql = "SELECT body FROM calls WHERE tenant = $1 AND ended_at IS NULL ORDER BY started_at DESC, id LIMIT $2";
        sqlx::query(sql).bind(&*tenant).bind(limit(count)).fetch_all(&database.pool)
    };
    database.again("open_calls", read).await?.iter().map(body).collect()
}

fn body(row: &PgRow) -> Result<Call, PipelineError> {
    decode(row.try_get(0)?)
}
