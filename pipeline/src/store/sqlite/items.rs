//! Judged items and their audit.

use std::sync::Arc;

use sqlx::Row;

use super::{SqliteStore, enforcement, events, writer::Scope};
use crate::{
    error::PipelineError,
    item::{ActorId, ItemId, TenantId},
    record::WebhookInterest,
    store::{
        ItemRecord, OutcomeRecord, ParticipantChange, Recorded, desk,
        link::{Link, Told},
        row::{decode, encode, stamp},
    },
};

pub(super) async fn record_outcome(store: &SqliteStore, record: OutcomeRecord) -> Result<Recorded, PipelineError> {
    store.writer.write("record_outcome", move |scope| Box::pin(record_in(scope, record))).await
}

async fn record_in(scope: &mut Scope, record: OutcomeRecord) -> Result<Recorded, PipelineError> {
    let audited = record.audited();
    let OutcomeRecord {
        outcome,
        participant,
        context_text,
        person,
        entries,
        events,
        webhooks,
        case,
        version: kept,
        picture,
    } = record;
    let envelope = &outcome.envelope;
    if let Some(change) = &participant
        && version(scope, &envelope.tenant, change).await? != change.seen
    {
        return Ok(if is_known(scope, envelope.id).await? { Recorded::Already } else { Recorded::Stale });
    }
    if let Some(change) = &person
        && enforcement::person_version(&mut scope.connection, &envelope.tenant, &change.actor).await? != change.seen
    {
        return Ok(if is_known(scope, envelope.id).await? { Recorded::Already } else { Recorded::Stale });
    }
    let inserted = sqlx::query(
        "INSERT INTO items (id, tenant, kind, action, decided_at, outcome, actor) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(envelope.id.0)
    .bind(envelope.tenant.as_str())
    .bind(envelope.kind.as_str())
    .bind(outcome.verdict.action.as_str())
    .bind(stamp(outcome.decided_at))
    .bind(encode(&outcome)?)
    .bind(envelope.actor.as_ref().map(ActorId::as_str))
    .execute(&mut scope.connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Recorded::Already);
    }
    if let Some(ParticipantChange { call, actor, state, .. }) = participant {
        sqlx::query(
            "INSERT INTO participants (tenant, call_id, actor, updated_at, state) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (tenant, call_id, actor) DO UPDATE SET updated_at = excluded.updated_at, state = excluded.state,
             version = version + 1",
        )
        .bind(envelope.tenant.as_str())
        .bind(call.as_str())
        .bind(actor.as_str())
        .bind(stamp(outcome.decided_at))
        .bind(encode(&state)?)
        .execute(&mut scope.connection)
        .await?;
    }
    if let (Some(text), Some(conversation), Some(actor)) = (context_text, &envelope.conversation, &envelope.actor) {
        sqlx::query("INSERT INTO context (tenant, conversation, actor, at, body_text) VALUES (?, ?, ?, ?, ?)")
            .bind(envelope.tenant.as_str())
            .bind(conversation.as_str())
            .bind(actor.as_str())
            .bind(stamp(envelope.occurred_at))
            .bind(text)
            .execute(&mut scope.connection)
            .await?;
    }
    if let Some(change) = &person {
        enforcement::write_person(&mut scope.connection, &envelope.tenant, change, outcome.decided_at).await?;
    }
    for entry in &entries {
        enforcement::insert_action(&mut scope.connection, entry).await?;
    }
    events::append(scope, &events, &webhooks).await?;
    let mut told = Told::default();
    let mut link = Link::sqlite(&mut scope.connection, &mut told);
    let mut hooks: Arc<[WebhookInterest]> = Arc::default();
    if let Some(opening) = case {
        hooks = opening.hooks;
        desk::cases::open(&mut link, opening.draft, opening.route).await?;
    }
    if let Some(version) = kept {
        desk::versions::keep(&mut link, &version, outcome.decided_at).await?;
    }
    if let Some(picture) = picture {
        desk::pictures::keep(&mut link, &picture).await?;
    }
    if let Some(draft) = audited {
        desk::audit::append_all(&mut link, &envelope.tenant, vec![draft]).await?;
    }
    let (events, webhooks) = told.split(&hooks);
    events::append(scope, &events, &webhooks).await?;
    Ok(Recorded::New)
}

async fn is_known(scope: &mut Scope, id: ItemId) -> Result<bool, PipelineError> {
    let query = sqlx::query("SELECT 1 FROM items WHERE id = ?").bind(id.0);
    Ok(query.fetch_optional(&mut scope.connection).await?.is_some())
}

/// The version of a participant's state that is there now; 0 when there is none.
async fn version(scope: &mut Scope, tenant: &TenantId, change: &ParticipantChange) -> Result<u64, PipelineError> {
    let row = sqlx::query("SELECT version FROM participants WHERE tenant = ? AND call_id = ? AND actor = ?")
        .bind(tenant.as_str())
        .bind(change.call.as_str())
        .bind(change.actor.as_str())
        .fetch_optional(&mut scope.connection)
        .await?;
    Ok(row.map_or(Ok(0), |row| row.try_get(0))?)
}

pub(super) async fn load_item(
    store: &SqliteStore,
    tenant: &TenantId,
    id: ItemId,
) -> Result<Option<ItemRecord>, PipelineError> {
    let tenant = tenant.clone();
    // One statement sees one moment: an item that moves from the journal to `items` meanwhile is found in one of them.
    let row = store
        .read("load_item", move |connection| {
            Box::pin(async move {
                Ok(sqlx::query(
                    "SELECT 1, outcome, NULL FROM items WHERE id = ?1 AND tenant = ?2
                     UNION ALL SELECT 0, envelope, dead FROM journal WHERE id = ?1 AND tenant = ?2
                     ORDER BY 1 DESC LIMIT 1",
                )
                .bind(id.0)
                .bind(tenant.0)
                .fetch_optional(connection)
                .await?)
            })
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (judged, body, dead): (i64, String, Option<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(Some(match (judged, dead) {
        (1, _) => ItemRecord::Judged(Box::new(decode(&body)?)),
        (_, Some(reason)) => ItemRecord::Dead(decode(&body)?, reason),
        (_, None) => ItemRecord::Queued(decode(&body)?),
    }))
}

pub(super) async fn is_judged(store: &SqliteStore, id: ItemId) -> Result<bool, PipelineError> {
    store
        .read("is_judged", move |connection| {
            Box::pin(async move {
                let query = sqlx::query("SELECT 1 FROM items WHERE id = ?").bind(id.0);
                Ok(query.fetch_optional(connection).await?.is_some())
            })
        })
        .await
}
