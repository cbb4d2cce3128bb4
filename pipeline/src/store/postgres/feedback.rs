//! What scores should have been.

use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{PostgresStore, text::escape};
use crate::{
    error::PipelineError,
    feedback::Feedback,
    item::{FeedbackId, TenantId},
    store::{
        FeedbackStore,
        row::{decode, encode, limit, stamp},
    },
};

/// Rows that one statement deletes at most: other writers go in between.
const ROWS: u64 = 500;

#[async_trait]
impl FeedbackStore for PostgresStore {
    async fn put_feedback(&self, feedback: &Feedback) -> Result<(), PipelineError> {
        let body = encode(feedback)?;
        let write = || {
            let sql = "INSERT INTO feedback (id, tenant, at, body) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
            sqlx::query(sql)
                .bind(feedback.id.0)
                .bind(escape(feedback.tenant.as_str()))
                .bind(stamp(feedback.at))
                .bind(&body)
                .execute(&self.database.pool)
        };
        self.database.again("put_feedback", write).await.map(drop)
    }

    async fn feedback_after(
        &self,
        tenant: &TenantId,
        after: Option<FeedbackId>,
        count: usize,
    ) -> Result<Vec<Feedback>, PipelineError> {
        let (tenant, after) = (escape(tenant.as_str()), after.map_or(Uuid::nil(), |id| id.0));
        let read = || {
            let sql = "SELECT body FROM feedback WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";
            sqlx::query(sql).bind(&*tenant).bind(after).bind(limit(count)).fetch_all(&self.database.pool)
        };
        let rows = self.database.again("feedback_after", read).await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn erase_feedback(&self, tenant: &TenantId) -> Result<u64, PipelineError> {
        let tenant = escape(tenant.as_str());
        let mut total = 0;
        loop {
            let delete = || {
                let sql = "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE tenant = $1 LIMIT $2)";
                sqlx::query(sql).bind(&*tenant).bind(ROWS as i64).execute(&self.database.pool)
            };
            let deleted = self.database.again("erase_feedback", delete).await?.rows_affected();
            total += deleted;
            if deleted < ROWS {
                return Ok(total);
            }
        }
    }
}
