//! Calls and the state of their participants.

use sqlx::{Row, sqlite::SqliteRow};

use super::{SqliteStore, events};
use crate::store::row::{decode, encode, limit, stamp};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, TenantId},
    store::{Event, Recorded},
    stream::call::{Call, ParticipantState},
};

pub(super) async fn put_call(
    store: &SqliteStore,
    tenant: &TenantId,
    call: &Call,
    seen: Option<&Call>,
    events: Vec<Event>,
    webhooks: Vec<(usize, String)>,
) -> Result<Recorded, PipelineError> {
    let (tenant, id, text, seen) = (tenant.clone(), call.id.clone(), encode(call)?, seen.cloned());
    let (started, ended) = (stamp(call.started_at), call.ended_at.map(stamp));
    let members = match call.ended_at {
        None => encode(&call.present().collect::<Vec<_>>())?,
        Some(_) => "[]".to_owned(),
    };
    store
        .writer
        .write("put_call", move |scope| {
            Box::pin(async move {
                let sql = "SELECT body FROM calls WHERE tenant = ? AND id = ?";
                let query = sqlx::query(sql).bind(&tenant.0).bind(&id.0);
                let row = query.fetch_optional(&mut scope.connection).await?;
                if row.as_ref().map(body::<Call>).transpose()? != seen {
                    return Ok(Recorded::Stale);
                }
                sqlx::query(
                    "INSERT INTO calls (tenant, id, started_at, ended_at, body) VALUES (?, ?, ?, ?, ?)
                     ON CONFLICT (tenant, id) DO UPDATE SET started_at = excluded.started_at,
                     ended_at = excluded.ended_at, body = excluded.body",
                )
                .bind(&tenant.0)
                .bind(&id.0)
                .bind(started)
                .bind(ended)
                .bind(text)
                .execute(&mut scope.connection)
                .await?;
                for sql in [
                    "DELETE FROM call_members WHERE tenant = ?1 AND call_id = ?2
                     AND actor NOT IN (SELECT value FROM json_each(?3))",
                    "INSERT OR IGNORE INTO call_members (tenant, call_id, actor) SELECT ?1, ?2, value FROM json_each(?3)",
                ] {
                    let query = sqlx::query(sql).bind(&tenant.0).bind(&id.0).bind(&members);
                    query.execute(&mut scope.connection).await?;
                }
                events::append(scope, &events, &webhooks).await?;
                Ok(Recorded::New)
            })
        })
        .await
}

pub(super) async fn load_call(
    store: &SqliteStore,
    tenant: &TenantId,
    id: &CallId,
) -> Result<Option<Call>, PipelineError> {
    let (tenant, id) = (tenant.clone(), id.clone());
    let row = store
        .read("load_call", move |connection| {
            Box::pin(async move {
                let query = sqlx::query("SELECT body FROM calls WHERE tenant = ? AND id = ?").bind(tenant.0).bind(id.0);
                Ok(query.fetch_optional(connection).await?)
            })
        })
        .await?;
    row.as_ref().map(body).transpose()
}

pub(super) async fn open_calls(
    store: &SqliteStore,
    tenant: &TenantId,
    count: usize,
) -> Result<Vec<Call>, PipelineError> {
    let tenant = tenant.clone();
    let rows = store
        .read("open_calls", move |connection| {
            Box::pin(async move {
                let sql = "SELECT body FROM calls WHERE tenant = ? AND ended_at IS NULL
                           ORDER BY started_at DESC, id LIMIT ?";
                Ok(sqlx::query(sql).bind(tenant.0).bind(limit(count)).fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(body).collect()
}

pub(super) async fn open_calls_of(
    store: &SqliteStore,
    tenant: &TenantId,
    actor: &ActorId,
    count: usize,
) -> Result<Vec<CallId>, PipelineError> {
    let (tenant, actor) = (tenant.clone(), actor.clone());
    let rows = store
        .read("open_calls_of", move |connection| {
            Box::pin(async move {
                let sql = "SELECT call_id FROM call_members WHERE tenant = ? AND actor = ? ORDER BY call_id LIMIT ?";
                let query = sqlx::query(sql).bind(tenant.0).bind(actor.0).bind(limit(count));
                Ok(query.fetch_all(connection).await?)
            })
        })
        .await?;
    rows.iter().map(|row| Ok(CallId(row.try_get(0)?))).collect()
}

pub(super) async fn load_participant(
    store: &SqliteStore,
    tenant: &TenantId,
    call: &CallId,
    actor: &ActorId,
) -> Result<Option<(ParticipantState, u64)>, PipelineError> {
    let (tenant, call, actor) = (tenant.clone(), call.clone(), actor.clone());
    let row = store
        .read("load_participant", move |connection| {
            Box::pin(async move {
                let sql = "SELECT state, version FROM participants WHERE tenant = ? AND call_id = ? AND actor = ?";
                let query = sqlx::query(sql).bind(tenant.0).bind(call.0).bind(actor.0);
                Ok(query.fetch_optional(connection).await?)
            })
        })
        .await?;
    row.map(|row| Ok((body(&row)?, row.try_get(1)?))).transpose()
}

fn body<T: serde::de::DeserializeOwned>(row: &SqliteRow) -> Result<T, PipelineError> {
    decode(row.try_get(0)?)
}
