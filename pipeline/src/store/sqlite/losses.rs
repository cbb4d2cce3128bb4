//! Which journaled items may have ended the process that had them in hand.

use async_trait::async_trait;
use sqlx::Row;

use super::SqliteStore;
use crate::{
    error::PipelineError,
    item::ItemId,
    store::{Losses, REACH},
};

#[async_trait]
impl Losses for SqliteStore {
    async fn journal_opened(&self) -> Result<(), PipelineError> {
        self.writer
            .write("journal_opened", |scope| {
                Box::pin(async move {
                    let mark = "INSERT INTO journal_opened (one) VALUES (1) ON CONFLICT DO NOTHING";
                    if sqlx::query(mark).execute(&mut scope.connection).await?.rows_affected() == 1 {
                        return Ok(());
                    }
                    let count = "UPDATE journal SET lost = lost + 1 WHERE dead IS NULL AND (attempts > 0 OR sequence IN (
                                     SELECT sequence FROM (
                                         SELECT sequence, row_number() OVER (PARTITION BY lane ORDER BY sequence) AS place
                                         FROM journal WHERE dead IS NULL)
                                     WHERE place <= ?))";
                    sqlx::query(count).bind(REACH).execute(&mut scope.connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn journal_closed(&self) -> Result<(), PipelineError> {
        self.writer
            .write("journal_closed", |scope| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM journal_opened").execute(&mut scope.connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn journal_try(&self, id: ItemId, most: u32) -> Result<bool, PipelineError> {
        self.writer
            .write("journal_try", move |scope| {
                Box::pin(async move {
                    let begin = "UPDATE journal SET begun = begun + 1 WHERE id = ? AND begun < ? RETURNING begun";
                    let begun = sqlx::query(begin).bind(id.0).bind(most).fetch_optional(&mut scope.connection).await?;
                    Ok(begun.map(|row| row.try_get::<i64, _>(0)).transpose()?.is_some())
                })
            })
            .await
    }
}
