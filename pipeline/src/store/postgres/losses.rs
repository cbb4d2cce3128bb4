//! Which journaled items may have ended the process that had them in hand.

use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    error::PipelineError,
    item::ItemId,
    store::{Losses, REACH},
};

#[async_trait]
impl Losses for PostgresStore {
    /// In one statement: a lost answer must not count twice, so it is not tried again.
    async fn journal_opened(&self) -> Result<(), PipelineError> {
        self.owner.take().await?;
        let sql = "WITH opened AS (INSERT INTO journal_opened (one) VALUES (1) ON CONFLICT DO NOTHING RETURNING one),
                   places AS (
                       SELECT id, row_number() OVER (PARTITION BY lane ORDER BY sequence) AS place
                       FROM journal WHERE dead IS NULL)
                   UPDATE journal SET lost = lost + 1 FROM places
                   WHERE NOT EXISTS (SELECT 1 FROM opened) AND places.id = journal.id
                       AND (journal.attempts > 0 OR places.place <= $1)";
        let query = sqlx::query(sql).bind(i64::from(REACH));
        self.database.once("journal_opened", query.execute(&self.database.pool)).await.map(drop)
    }

    async fn journal_closed(&self) -> Result<(), PipelineError> {
        let delete = || sqlx::query("DELETE FROM journal_opened").execute(&self.database.pool);
        self.database.again("journal_closed", delete).await.map(drop)
    }

    async fn journal_try(&self, id: ItemId, most: u32) -> Result<bool, PipelineError> {
        let sql = "UPDATE journal SET begun = begun + 1 WHERE id = $1 AND begun < $2";
        let query = sqlx::query(sql).bind(id.0).bind(i32::try_from(most).unwrap_or(i32::MAX));
        let begun = self.database.once("journal_try", query.execute(&self.database.pool)).await?;
        Ok(begun.rows_affected() == 1)
    }
}
