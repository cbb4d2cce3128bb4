//! Texts kept for the context window.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::SqliteStore;
use crate::store::row::{limit, stamp, time};
use crate::{
    error::PipelineError,
    item::{ActorId, ConversationId, TenantId},
};

pub(super) async fn recent_texts(
    store: &SqliteStore,
    tenant: &TenantId,
    conversation: &ConversationId,
    actor: &ActorId,
    before: DateTime<Utc>,
    count: usize,
) -> Result<Vec<(DateTime<Utc>, String)>, PipelineError> {
    let (tenant, conversation, actor) = (tenant.clone(), conversation.clone(), actor.clone());
    let rows = store
        .read("recent_texts", move |connection| {
            Box::pin(async move {
                Ok(sqlx::query(
                    "SELECT at, body_text FROM context WHERE tenant = ? AND conversation = ? AND actor = ? AND at < ?
                     ORDER BY at DESC, sequence DESC LIMIT ?",
                )
                .bind(tenant.0)
                .bind(conversation.0)
                .bind(actor.0)
                .bind(stamp(before))
                .bind(limit(count))
                .fetch_all(connection)
                .await?)
            })
        })
        .await?;
    rows.iter().rev().map(|row| Ok((time(row.try_get(0)?), row.try_get(1)?))).collect()
}
