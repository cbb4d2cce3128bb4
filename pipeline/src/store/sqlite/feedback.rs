//! What scores should have been.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::SqliteStore;
use crate::{
    error::PipelineError,
    feedback::Feedback,
    item::{FeedbackId, TenantId},
    store::{
        FeedbackStore,
        row::{decode, encode, limit, stamp},
    },
};

/// Rows that one operation deletes at most: other writers go in between.
const ROWS: u64 = 500;

#[async_trait]
impl FeedbackStore for SqliteStore {
    async fn put_feedback(&self, feedback: &Feedback) -> Result<(), PipelineError> {
        let feedback = feedback.clone();
        self.writer
            .write("put_feedback", move |scope| {
                Box::pin(async move {
                    let sql =
                        "INSERT INTO feedback (id, tenant, at, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
                    sqlx::query(sql)
                        .bind(feedback.id.0)
                        .bind(feedback.tenant.as_str())
                        .bind(stamp(feedback.at))
                        .bind(encode(&feedback)?)
                        .execute(&mut scope.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn feedback_after(
        &self,
        tenant: &TenantId,
        after: Option<FeedbackId>,
        count: usize,
    ) -> Result<Vec<Feedback>, PipelineError> {
        let (tenant, after) = (tenant.clone(), after.map_or(Uuid::nil(), |id| id.0));
        let rows = self
            .read("feedback_after", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM feedback WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?";
                    let query = sqlx::query(sql).bind(tenant.0).bind(after).bind(limit(count));
                    Ok(query.fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn erase_feedback(&self, tenant: &TenantId) -> Result<u64, PipelineError> {
        let mut total = 0;
        loop {
            let tenant = tenant.clone();
            let deleted = self
                .writer
                .write("erase_feedback", move |scope| {
                    Box::pin(async move {
                        let sql = "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE tenant = ? LIMIT ?)";
                        let query = sqlx::query(sql).bind(tenant.0).bind(ROWS as i64);
                        Ok(query.execute(&mut scope.connection).await?.rows_affected())
                    })
                })
                .await?;
            total += deleted;
            if deleted < ROWS {
                return Ok(total);
            }
        }
    }
}
